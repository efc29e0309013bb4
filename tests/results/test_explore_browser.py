"""The page of `zscan explore` as a reader has it: in a headless Chromium, without a network."""

import csv
import json
import math
import shutil
import time
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from explored import CARD, CHARGES, EVIL, MODELS

import zscan

pytestmark = pytest.mark.browser
WIDE = (1400, 1000)


@pytest.fixture(scope="module")
def driver(tmp_path_factory):
    pytest.importorskip("selenium", reason="NOT TESTED: no selenium (pip install '.[browser]')")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    programs = [shutil.which(name) for name in ("chromium", "chromedriver")]
    if None in programs:
        pytest.skip("NOT TESTED: no chromium or no chromedriver (apt-get install chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = programs[0]
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    folder = tmp_path_factory.mktemp("downloads")
    options.add_experimental_option("prefs", {"download.default_directory": str(folder)})
    browser = webdriver.Chrome(options=options, service=Service(programs[1]))
    browser.folder = folder
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    path = tmp_path_factory.mktemp("browser") / "small.h5"
    zscan.run_scan(CARD, path, progress=False)
    return SimpleNamespace(map=path, page=zscan.explore(path))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    path = zscan.run_scan(MODELS, tmp_path_factory.mktemp("browser") / "m.h5", progress=False)
    return SimpleNamespace(map=path, page=zscan.explore(path))


class Reader:
    """A page that is open, and what a reader does with it."""

    def __init__(self, driver, page, link="", size=WIDE, scheme="light"):
        self.driver = driver
        driver.get("about:blank")
        driver.get_log("browser")
        width, height = size
        look = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", look)
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
        driver.get(f"{page.as_uri()}{link}")
        self.until(lambda: self.script("return document.documentElement.dataset.ready") == "1")
        self.settle()

    def script(self, text, *arguments):
        return self.driver.execute_script(text, *arguments)

    def until(self, holds, seconds=30):
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, self.text("#failure")
            time.sleep(0.05)

    def settle(self):
        """Wait for two frames, and for the address."""
        self.driver.execute_async_script(
            "const done = arguments[0];"
            "requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 200)));"
        )

    def find(self, selector):
        return self.driver.find_element("css selector", selector)

    def text(self, selector):
        return self.find(selector).get_attribute("textContent")

    def row(self, name, part):
        return self.script(
            "const row = [...document.querySelectorAll('.row')].find(r => r.dataset.name === "
            "arguments[0]); const found = row.querySelector(arguments[1]);"
            "return found && found.textContent;",
            name,
            part,
        )

    def click(self, selector):
        self.script("document.querySelector(arguments[0]).click()", selector)
        self.settle()

    def keys(self, *keys):
        self.script("document.getElementById('plane').focus()")
        self.find("#plane").send_keys(*keys)
        self.settle()

    def pixels(self):
        """A digest of what the plane shows."""
        return self.script("return document.getElementById('plane').toDataURL()")

    def faults(self):
        return [line for line in self.driver.get_log("browser") if line["level"] != "INFO"]


@pytest.fixture
def reader(driver, small):
    found = Reader(driver, small.page)
    yield found
    assert found.faults() == []


def point_of(small, i, j):
    with zscan.open_scan(small.map) as data:
        return float(data["m_X"].values[i]), float(data["g_X"].values[j])


@pytest.mark.parametrize(("i", "j"), [(15, 10), (22, 20), (5, 3), (30, 30)])
def test_the_point_under_the_cursor_is_what_evaluate_says(driver, small, i, j):
    m_X, g_X = point_of(small, i, j)
    reader = Reader(driver, small.page, f"#point={m_X!r}:{g_X!r}")
    model = zscan.Model(EVIL, **CHARGES)
    expected = zscan.evaluate(model, m_X, g_X, constraints=CARD["constraints"])
    assert reader.text("#point").startswith(f"m_X = {m_X:.6g} GeV, g_X = {g_X:.6g}, eps = 0")
    for row in expected.rows:
        chip = reader.row(row.constraint, ".chip")
        if math.isnan(row.delta_chi2):
            assert chip == "does not apply"
            assert reader.row(row.constraint, ".chi2") is None
            continue
        assert reader.row(row.constraint, ".chi2") == f"{np.float32(row.delta_chi2):.3g}"
        if row.constraint in CARD["output"]["observables"]:
            shown = reader.row(row.constraint, ".observable")
            assert shown == f"{np.float32(row.observable):.3g}"
        words = {None: ("within 2σ", "outside 2σ"), True: ("excluded", "would exclude")}
        assert chip in words.get(row.excluded, ("allowed", "not reached"))
    assert reader.faults() == []


def test_hover_follows_the_mouse_and_a_click_holds(reader):
    from selenium.webdriver import ActionChains

    plane = reader.find("#plane")
    ActionChains(reader.driver).move_to_element_with_offset(plane, -50, 0).perform()
    reader.settle()
    first = reader.text("#point")
    ActionChains(reader.driver).move_to_element_with_offset(plane, 50, 40).click().perform()
    reader.settle()
    second = reader.text("#point")
    assert first.startswith("m_X = ")
    assert second != first
    ActionChains(reader.driver).move_to_element_with_offset(plane, -50, 0).perform()
    reader.settle()
    assert reader.text("#point") == second
    assert reader.find("#pin").get_attribute("aria-pressed") == "true"


def test_a_touch_moves_the_cursor(reader):
    box = reader.script(
        "const r = document.getElementById('plane').getBoundingClientRect();"
        "return [r.x + r.width / 2, r.y + r.height / 2];"
    )
    point = {"x": box[0], "y": box[1]}
    for kind, points in (("touchStart", [point]), ("touchEnd", [])):
        reader.driver.execute_cdp_cmd(
            "Input.dispatchTouchEvent", {"type": kind, "touchPoints": points}
        )
    reader.settle()
    assert reader.text("#point").startswith("m_X = 0.0857696 GeV, g_X = 0.00251189,")


def test_keys_reach_everything_in_the_plane(driver, small):
    from selenium.webdriver.common.keys import Keys

    m_X, g_X = point_of(small, 15, 10)
    reader = Reader(driver, small.page, f"#point={m_X!r}:{g_X!r}")
    reader.keys(Keys.ARROW_RIGHT, Keys.ARROW_UP, Keys.ARROW_UP)
    m_X, g_X = point_of(small, 16, 12)
    assert reader.text("#point").startswith(f"m_X = {m_X:.6g} GeV, g_X = {g_X:.6g},")
    reader.keys(Keys.SHIFT + Keys.ARROW_LEFT + Keys.NULL)
    assert reader.text("#point").startswith(f"m_X = {point_of(small, 6, 12)[0]:.6g} GeV,")
    whole = reader.pixels()
    reader.keys("+", "+")
    assert "x=" in reader.driver.current_url
    assert reader.pixels() != whole
    reader.keys("0")
    assert reader.pixels() == whole
    reader.keys(Keys.ENTER)
    assert reader.find("#pin").get_attribute("aria-pressed") == "true"
    reader.keys(Keys.ESCAPE)
    assert reader.find("#pin").get_attribute("aria-pressed") == "false"
    reader.script("document.getElementById('plane').focus()")
    reached = []
    for _ in range(30):  # Tab leads from the plane through buttons, sliders and the list
        reader.driver.switch_to.active_element.send_keys(Keys.TAB)
        reached.append(reader.script("const e = document.activeElement; return e.id || e.tagName;"))
    assert {"zoom-in", "pin", "link", "csv", "axis-0", "show-1", "show-5", "SUMMARY"} <= set(
        reached
    )
    assert reader.faults() == []


def test_the_wheel_zooms_and_a_drag_moves(reader):
    from selenium.webdriver import ActionChains
    from selenium.webdriver.common.actions.wheel_input import ScrollOrigin

    plane, whole = reader.find("#plane"), reader.pixels()
    origin = ScrollOrigin.from_element(plane)
    ActionChains(reader.driver).scroll_from_origin(origin, 0, -400).perform()
    reader.settle()
    near = reader.driver.current_url
    assert "x=" in near
    assert "y=" in near
    ActionChains(reader.driver).drag_and_drop_by_offset(plane, 60, 30).perform()
    reader.settle()
    assert reader.driver.current_url != near
    assert "held" not in reader.driver.current_url  # a drag is no click
    reader.click("#whole")
    reader.click("#show-1")
    reader.click("#show-1")
    ActionChains(reader.driver).move_to_element(reader.find("h1")).perform()
    reader.settle()
    assert reader.pixels() == whole


def test_toggles_change_the_plane_and_come_back(reader):
    before = reader.pixels()
    for number in (2, 5):  # a limit, a projection
        reader.click(f"#show-{number}")
        assert reader.pixels() != before
        assert reader.driver.current_url.count("hide=") == 1
        reader.click(f"#show-{number}")
        assert reader.pixels() == before
    reader.click(".group:has(+ .row.projection) button[aria-label$=none]")
    assert "hide=searches%2Fproj_M3_phase1" in reader.driver.current_url
    assert reader.text("#summary").startswith("Point at the plane")


def test_a_link_restores_the_view(driver, small, reader):
    from selenium.webdriver.common.keys import Keys

    reader.keys(Keys.ARROW_UP, "+", Keys.ENTER)
    reader.click("#show-3")
    slide(reader, "#axis-0", 1)
    link = reader.driver.current_url
    seen = (reader.pixels(), reader.text("#point"), reader.text("#summary"))
    again = Reader(driver, small.page, link[link.index("#") :])
    assert (again.pixels(), again.text("#point"), again.text("#summary")) == seen
    assert again.driver.current_url == link
    broken = Reader(driver, small.page, "#x=nan:b&at.eps=q&point=1&hide=none&%")
    assert broken.text("#summary").startswith("Point at the plane")


def slide(reader, selector, value):
    reader.script(
        "const s = document.querySelector(arguments[0]); s.value = arguments[1];"
        "s.dispatchEvent(new Event('input'));",
        selector,
        str(value),
    )
    reader.settle()


def test_a_slider_takes_another_value_of_a_further_axis(driver, small):
    m_X, g_X = point_of(small, 22, 20)
    reader = Reader(driver, small.page, f"#point={m_X!r}:{g_X!r}")
    before = reader.pixels()
    slide(reader, "#axis-0", 1)
    assert reader.text("#sliders output") == "0.001"
    assert "eps = 0.001" in reader.text("#point")
    assert reader.pixels() != before
    expected = zscan.evaluate(
        zscan.Model(EVIL, **CHARGES), m_X, g_X, 1e-3, constraints=CARD["constraints"]
    )
    rows = {row.constraint: row for row in expected.rows}
    for name in ("trident_ccfr", "charm2"):
        assert reader.row(name, ".chi2") == f"{np.float32(rows[name].delta_chi2):.3g}"
    assert reader.faults() == []


def test_bounds_as_csv_are_those_of_export(reader, small):
    reader.click("#show-5")
    reader.click("#csv")
    found = reader.driver.folder / "small_bounds.csv"
    reader.until(found.exists)
    with open(found) as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["constraint", "level", "piece", "eps", "m_X", "g_X"]
    zscan.export(small.map, "csv", force=True)
    with open(small.map.with_suffix(".csv")) as file:
        exported = [row for row in csv.DictReader(file) if float(row["eps"]) == 0.0]
    names = {row["constraint"] for row in exported} - {"searches/proj_M3_phase1"}
    assert {row["constraint"] for row in rows} == names
    keys = {(row["constraint"], row["level"]) for row in rows}
    assert keys == {
        (row["constraint"], row["level"]) for row in exported if row["constraint"] in names
    }
    for key in keys:
        mine, theirs = (
            [row for row in table if (row["constraint"], row["level"]) == key]
            for table in (rows, exported)
        )
        # in steps of this coarse map; three digits of an observable move a curve a little
        assert farthest(mine, theirs) < 0.1
        assert farthest(theirs, mine) < 0.1


def farthest(points, lines):
    """How far the farthest of some points is from lines, in steps of the map."""
    steps = np.array([math.log(100) / 30, math.log(1000) / 30])

    def places(table):
        return np.log([[float(row["m_X"]), float(row["g_X"])] for row in table]) / steps

    pieces = [row["piece"] for row in lines]
    joined = np.array([one == other for one, other in pairwise(pieces)])
    start, end = places(lines)[:-1][joined], places(lines)[1:][joined]
    along, away = end - start, places(points)[:, None] - start
    share = np.clip((away * along).sum(-1) / np.maximum((along**2).sum(-1), 1e-12), 0, 1)
    return np.linalg.norm(away - share[..., None] * along, axis=-1).min(axis=1).max()


def test_markup_in_a_map_stays_text(driver, small):
    reader = Reader(driver, small.page)
    assert reader.script("return window.hit === undefined")
    assert reader.script("return document.images.length") == 0
    assert EVIL in reader.text("#sentence")
    assert EVIL in reader.row("trident_ccfr", "details")
    assert reader.script("return document.title") == "Lμ − Lτ: zscan explore"
    assert reader.faults() == []


def test_references_open_with_bibtex(reader):
    assert not reader.find(".row[data-name=trident_ccfr] pre").is_displayed()
    reader.click(".row[data-name=trident_ccfr] summary")
    assert reader.find(".row[data-name=trident_ccfr] pre").is_displayed()
    assert reader.row("trident_ccfr", "pre") == zscan.bibtex(["CCFR:1991lpl"])
    assert reader.row("charm2", ".mark") == "provisional"


def test_models_are_searched_by_name_and_charges(driver, models):
    m_X, g_X = point_of(models, 2, 12)
    reader = Reader(driver, models.page, f"#point={m_X!r}:{g_X!r}")
    before, plane = reader.row("delta_a_mu", ".chi2"), reader.pixels()
    reader.find("#axis-0").send_keys("-Le+2Lmu")
    reader.settle()
    options = reader.script(
        "return [...document.querySelectorAll('option')].map(o => o.textContent)"
    )
    assert options == ["-Le+2Lmu-Ltau   (L -1, 2, -1; E -1, 2, -1; N -1, -1, 2)"]
    reader.script(
        "const list = document.querySelector('.models select'); list.selectedIndex = 0;"
        "list.dispatchEvent(new Event('change'));"
    )
    reader.settle()
    assert reader.text("#point").endswith("-Le+2Lmu-Ltau")
    with zscan.open_scan(models.map) as data:
        chi2 = data["delta_chi2"].sel(constraint="delta_a_mu").values
    assert reader.row("delta_a_mu", ".chi2") == f"{chi2[1, 2, 12]:.3g}"
    assert before == f"{chi2[0, 2, 12]:.3g}"
    assert "at.model=1" in reader.driver.current_url
    assert (reader.pixels() != plane) == bool((chi2[0] != chi2[1]).any())
    assert reader.faults() == []


def test_light_dark_and_narrow(driver, small):
    """Each has its own colours, fits its window, and asks for nothing but the file."""
    driver.get_log("performance")
    light = Reader(driver, small.page)
    look = light.pixels()
    background = "return getComputedStyle(document.body).backgroundColor"
    assert light.script(background) == "rgb(255, 255, 255)"
    dark = Reader(driver, small.page, scheme="dark")
    assert dark.script(background) != "rgb(255, 255, 255)"
    assert dark.pixels() != look
    narrow = Reader(driver, small.page, size=(380, 800))
    assert narrow.script("return document.documentElement.scrollWidth") <= 380
    asked = [
        message["params"]["request"]["url"]
        for line in driver.get_log("performance")
        if (message := json.loads(line["message"])["message"])["method"]
        == "Network.requestWillBeSent"
    ]
    assert asked
    assert all(url.split("#")[0] == small.page.as_uri() for url in asked)
