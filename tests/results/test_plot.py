"""zscan plot: planes of any map, what may be said of them, what they say; images of three figures.

The maps in data/ are those of the cards on a coarse grid, and one with an axis of the mixing."""

import json
import subprocess
import sys
import types
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.testing.compare import compare_images

import zscan
from zscan.cli import main
from zscan.errors import CardError, ForeignFileError, ParameterError, UnknownNameError
from zscan.results.figures import FIGURES, draw
from zscan.results.figures.custom import draw_plane, options_of, plane_caption, plane_of
from zscan.results.figures.picture import check_caption, check_software
from zscan.results.figures.planes import excess_plane
from zscan.results.figures.style import colours
from zscan.results.figures.words import model_text, title
from zscan.results.plot_table import PlotTable, plot_faults
from zscan.results.rule import exclusion_rule
from zscan.scans.spec import load_card

HERE = Path(__file__).parent
MAPS = HERE / "data"
TOLERANCE = 4.0  # rms of 255; moving every line by a pixel makes 10 and more


@pytest.fixture
def opened():
    """Open maps of data/, by name."""
    found = []

    def read(name):
        found.append(zscan.open_scan(MAPS / f"small-{name}.h5"))
        return found[-1]

    yield read
    for data in found:
        data.close()


def drawn(axes):
    return {artist.get_gid() for artist in axes.collections} - {None}


def bare(figure):
    """A figure without any text, its panels at fixed places: what fonts cannot change."""
    figure.set_layout_engine("none")
    for text in figure.findobj(matplotlib.text.Text):
        text.set_visible(False)
    for legend in [*figure.legends, *(axes.get_legend() for axes in figure.axes)]:
        if legend is not None:
            legend.set_visible(False)
    count = len(figure.axes)
    for number, axes in enumerate(figure.axes):
        axes.set_position([0.05 + number * 0.95 / count, 0.05, 0.9 / count, 0.9])
    figure.set_size_inches(4 * count, 3)


@pytest.mark.parametrize("number", ["2", "3", "6"])
def test_images(opened, number, tmp_path):
    spec = FIGURES[number]
    figure = draw(spec, [opened(f"fig{number}")] * len(spec.cards))
    bare(figure)
    found = tmp_path / f"fig{number}.png"
    figure.savefig(found, dpi=60)
    baseline = HERE / "baseline" / found.name
    assert compare_images(str(baseline), str(found), tol=TOLERANCE) is None


def test_names_stand_inside_apart_from_each_other(opened):
    for number in ("2", "3"):
        figure = draw(FIGURES[number], [opened(f"fig{number}")])
        figure.draw_without_rendering()
        (axes,) = figure.axes
        frame = axes.get_window_extent()
        boxes = [text.get_window_extent() for text in axes.texts if text.get_gid() == "name"]
        assert len(boxes) >= 10
        for box in boxes:
            assert frame.x0 - 1 <= box.x0 <= box.x1 <= frame.x1 + 1
            assert frame.y0 - 1 <= box.y0 <= box.y1 <= frame.y1 + 1
        level = [t for t in axes.texts if t.get_gid() == "name" and t.get_rotation() == 0]
        boxes = [text.get_window_extent().shrunk(0.9, 0.7) for text in level]
        for i, box in enumerate(boxes):
            assert not any(box.overlaps(other) for other in boxes[:i])


def test_the_strongest_constraint_is_seen_as_itself(opened):
    # On every column the lowest excluded cell has the face of what excludes it
    data = opened("fig3")
    axes = zscan.plot(data)
    regions = [c for c in axes.collections if str(c.get_gid()).endswith("/region")]
    masks = {}
    for region in regions:
        name = region.get_gid().removesuffix("/region")
        masks[name] = excess_plane(data, name)[2] > 0
    assert {"matter", "searches/LHCb_Aaij2019bvg_prompt"} <= set(masks)
    every = {
        name: excess_plane(data, name)[2] > 0
        for name in map(str, data["constraint"].values)
        if exclusion_rule(data.attrs, name).excludes and "reach" not in name
    }
    lowest = np.min([np.where(m.any(0), m.argmax(0), 99) for m in every.values()], axis=0)
    top = sorted(regions, key=lambda region: region.get_zorder())
    for column, row in enumerate(lowest):
        if row < 99:
            seen = [r.get_gid() for r in top if masks[r.get_gid()[:-7]][row, column]]
            assert seen, (column, row)  # shaded, in the colour of what excludes there
            assert masks[seen[-1][:-7]][:, column].argmax() == row
    # Wider regions lie further back; what a thin line alone bounds is not left white
    areas = [masks[region.get_gid()[:-7]].mean() for region in top]
    assert areas == sorted(areas, reverse=True)
    assert "excluded" in drawn(axes)


def test_what_is_nowhere_visible_has_no_name_and_is_told(opened):
    options = PlotTable(ylim=[1e-5, 1e-4], labels="legend")
    plane = plane_of(opened("fig2"), options)
    hidden = plane_caption(plane, "").split("Not visible:")[1].split("\n")[0]
    assert "kmunux (excludes nothing here)" in hidden
    assert "borexino" not in hidden
    names = [t.get_text() for t in draw_plane(plane).figure.legends[0].get_texts()]
    assert any("Borexino" in name for name in names)
    assert not any("nu X" in name for name in names)
    with pytest.raises(ParameterError, match=r"g_X from 2 to 3 shows less than two points"):
        zscan.plot(opened("fig2"), ylim=[2.0, 3.0])
    with pytest.raises(ParameterError, match="a log axis begins above zero"):
        zscan.plot(opened("fig2"), ylim=[0.0, 1e-2])
    axes = zscan.plot(opened("fig3"), layers=["nsi", "coherent"], labels="legend")
    names = [text.get_text() for text in axes.figure.legends[0].get_texts()]
    assert [name.split(",")[0] for name in names] == ["NSI", "COHERENT"]
    lone = plane_of(opened("eps"), PlotTable(select={"eps_over_g": 0.0}))
    assert "searches/NA64_NA642019imj (no effect)" in plane_caption(lone, "")


def test_titles_and_captions_come_from_the_map(opened):
    data = opened("eps")
    axes = zscan.plot(data, select={"eps_over_g": 0.5})
    assert axes.get_title() == r"$B - 3L_\mu$, $\epsilon/g_X = 0.5$"
    assert axes.get_xlabel() == "$m_X$ [GeV]"
    assert axes.get_ylabel() == "$g_X$"
    assert axes.get_xscale() == axes.get_yscale() == "log"
    plane = plane_of(data, PlotTable(select={"eps_over_g": 0.5}, thresholds={"delta_a_mu": 1.0}))
    caption = plane_caption(plane, "zscan plot small-eps.h5 --at eps_over_g=0.5")
    for text in (
        "B - 3L_mu, eps/g_X = 0.5.",
        "Model B-3Lmu (charges: Q 1/3, 1/3, 1/3;",
        "delta_a_mu (1 sigma; Muong-2:2021ojo",
        "trident_ccfr (95 %; CCFR:1991lpl",
        "Provisional inputs (prov.): borexino",
        f"scan {data.attrs['spec_hash'][:12]}; command: zscan plot small-eps.h5 --at",
    ):
        assert text in caption
    mixed = title(opened("fig3"))
    assert mixed == r"$B - 3L_\mu$, $\epsilon/g_X = 1$"


def test_models_are_called_by_their_charges():
    def model(q, leptons, e=None):
        return {
            "name": "mine",
            **dict.fromkeys("QUD", [q] * 3 if isinstance(q, str) else q),
            "L": leptons,
            "E": e or leptons,
        }

    assert model_text(model("0", [0, 1, -1])) == r"$L_\mu - L_\tau$"
    assert model_text(model("0", [-1, 1, 0])) == r"$L_\mu - L_e$"
    assert model_text(model("1/3", [-1, -1, -1])) == "$B - L$"
    assert model_text(model([0, 0, 3], [0, -8, -1])) == r"$9B_3 - 8L_\mu - L_\tau$"
    assert model_text(model("1/3", [0, "-3/2", 0])) == r"$B - 3/2L_\mu$"
    assert model_text(model("0", [-1, 7, -6], [1, 6, -7])) == "mine"  # chiral
    assert model_text({"name": "a $5 one"}) == r"a \$5 one"


def test_other_axes_are_selected_or_projected(opened):
    data = opened("eps")
    with pytest.raises(ParameterError, match=r"3 values of eps_over_g: select one with --at"):
        zscan.plot(data)
    with pytest.raises(ParameterError, match=r"eps_over_g = 2 lies outside the map: -0.5 to 0.5"):
        zscan.plot(data, select={"eps_over_g": 2.0})
    with pytest.raises(ParameterError, match="no axis 'epsilon'"):
        zscan.plot(data, select={"epsilon": 2.0})
    axes = zscan.plot(data, x="eps_over_g", y="g_X", select={"m_X": 0.1})
    assert axes.get_xscale() == "linear"
    assert axes.get_title().endswith("$m_X = 0.1$")
    with pytest.raises(ParameterError, match="two different axes"):
        zscan.plot(data, x="m_X", y="m_X")
    # Excluded whatever the mixing: where every value excludes; the smallest excess of the three
    options = PlotTable(project=["eps_over_g"])
    plane = plane_of(data, options)
    each = [
        plane_of(data, PlotTable(select={"eps_over_g": value})).data["excess/borexino"]
        for value in (-0.5, 0.0, 0.5)
    ]
    smallest = np.min([item.fillna(-np.inf).values for item in each], axis=0)
    np.testing.assert_array_equal(plane.data["excess/borexino"].values, smallest)
    assert "delta_a_mu/edges" in drawn(zscan.plot(data, project="eps_over_g"))
    assert "no value of eps_over_g in the map allows" in plane_caption(plane, "")


def test_options(opened):
    data = opened("eps")
    axes = zscan.plot(
        data,
        select={"eps_over_g": 0.0},
        layers=["trident_*", "borexino"],
        colours={"trident_ccfr": "#123456"},
        names={"trident_ccfr": "tridents"},
        projections=["borexino"],
        combined=["delta_a_mu", "trident_ccfr"],
        points=[{"x": 0.1, "y": 1e-3, "label": "BP1"}],
        text=[{"x": 0.02, "y": 2e-6, "text": "allowed"}],
        xlim=[2e-2, 0.5],
        ylim=[1e-6, 1e-2],
    )
    assert {"trident_ccfr/region", "combined/68 %"} <= drawn(axes)
    (region,) = [c for c in axes.collections if c.get_gid() == "trident_ccfr/region"]
    assert tuple(region.get_facecolor()[0]) == to_rgba("#123456")
    written = [text.get_text() for text in axes.texts]
    assert {"tridents", "allowed", "BP1"} <= set(written)
    assert axes.get_xlim() == (0.02, 0.5)
    assert "delta_a_mu/edges" not in drawn(axes)
    lower = zscan.plot(data, select={"eps_over_g": 0.0}, thresholds={"trident_ccfr": 10.0})
    assert "trident_ccfr/outline" in drawn(lower)
    with pytest.raises(UnknownNameError, match="the map holds no constraint 'tridents': "):
        zscan.plot(data, select={"eps_over_g": 0.0}, layers="tridents")


def test_axes_and_styles_of_the_user(opened):
    figure = Figure()
    left, right = figure.subplots(1, 2)
    found = zscan.plot(opened("fig3"), ax=right, style="dark_background", layers=["coherent"])
    assert found is right
    assert not drawn(left)
    assert "coherent/region" in drawn(right)
    assert matplotlib.rcParams["font.family"] != ["STIXGeneral"]
    (region,) = [item for item in right.collections if item.get_gid() == "coherent/region"]
    (outline,) = [item for item in right.collections if item.get_gid() == "coherent/outline"]
    face, line = colours("COHERENT")  # on light paper: the light face and the dark line
    assert tuple(region.get_facecolor()[0]) == to_rgba(line)
    assert tuple(outline.get_edgecolor()[0]) == to_rgba(face)


def test_styles_of_mplhep_are_known_by_its_names(opened, monkeypatch):
    package = types.ModuleType("mplhep")
    package.style = types.SimpleNamespace(CMS={"axes.linewidth": 2.0}, use=print)
    monkeypatch.setitem(sys.modules, "mplhep", package)
    axes = zscan.plot(opened("fig3"), style="mplhep.CMS", layers=["coherent"])
    assert axes.spines["left"].get_linewidth() == 2.0
    assert plot_faults({"style": "mplhep.use"})[0].path == "plot.style"
    monkeypatch.setitem(sys.modules, "mplhep", None)
    assert plot_faults({"style": "mplhep.CMS"})[0].path == "plot.style"


def test_faults_of_the_plot_table():
    def told(**table):
        return [str(fault) for fault in plot_faults(table)]

    assert told() == []
    assert told(layers=["a"], select={"eps": 0}, width=5, labels="none") == []
    for table, text in (
        ({"layer": []}, "plot.layer: unknown key; allowed: did you mean 'layers'?"),
        ({"labels": "outside"}, "plot.labels: unknown value (got 'outside'); allowed: 'inside',"),
        ({"points": [{"x": 1.0, "z": 2.0}]}, "plot.points.0.y: missing"),
        ({"points": [{"x": 1, "y": 1, "colour": "rouge"}]}, "plot.points.0: no colour"),
        ({"colours": {"nsi": "rouge"}}, "plot.nsi: no colour of matplotlib (got 'rouge')"),
        ({"style": "nope"}, "plot.style: no style of matplotlib (got 'nope')"),
        ({"names": {"nsi": r"$\frac{"}}, "plot.names.nsi: no text that matplotlib can set"),
        ({"xlim": [2, 1]}, "plot.xlim: must rise"),
        ({"width": 1000}, "plot.width: out of range"),
    ):
        assert any(fault.startswith(text) for fault in told(**table)), told(**table)
    assert str(plot_faults([])[0]) == "plot: must be a table (got [])"


def test_the_plot_table_of_a_card(opened):
    card = {
        "format": 1,
        "name": "a",
        "model": "Lmu-Ltau",
        "constraints": ["delta_a_mu"],
        "axis": {"m_X": {"values": [0.1, 1.0]}, "g_X": {"values": [1e-4, 1e-3]}},
        "plot": {"labels": "legend"},
    }
    plain = {key: value for key, value in card.items() if key != "plot"}
    assert load_card(card).hash == load_card(plain).hash  # numbers do not depend on it
    with pytest.raises(CardError, match=r"plot\.label: unknown key"):
        load_card(card | {"plot": {"label": "legend"}})
    with pytest.raises(CardError, match=r"--set: the \[plot\] table of a map is that of its card"):
        load_card(card, ["plot.labels=none"])
    data = opened("fig3")
    assert options_of(data) == PlotTable()
    told = data.assign_attrs(card=data.attrs["card"] + '\n[plot]\nlayers = ["nsi"]\n')
    assert options_of(told).layers == ["nsi"]
    assert drawn(zscan.plot(told)) >= {"nsi/region"}
    assert "coherent/region" not in drawn(zscan.plot(told))
    assert "coherent/region" in drawn(zscan.plot(told, layers=["coherent"]))


def test_what_cannot_be_shown_is_said(opened):
    data = opened("eps").drop_vars("observable/borexino")
    message = r"not drawn: borexino \(its observable is not in the map: add it to output"
    with pytest.warns(UserWarning, match=message):
        zscan.plot(data, select={"eps_over_g": 0.0})
    with pytest.raises(ParameterError, match="the map has nothing to draw"):
        zscan.plot(data, select={"eps_over_g": 0.0}, layers="borexino")


@pytest.mark.parametrize("kind", ["png", "pdf", "svg"])
def test_files(tmp_path, kind, capsys):
    figure = tmp_path / f"plane.{kind}"
    command = ["plot", str(MAPS / "small-eps.h5"), "-o", str(figure), "--at", "eps_over_g=0.5"]
    assert main([*command, "--layers", "trident_ccfr", "delta_a_mu"]) == 0
    caption = tmp_path / "plane.caption.txt"
    assert capsys.readouterr().out.split() == [str(figure), str(caption)]
    check_software(figure)
    check_caption(caption)
    content = figure.read_bytes()
    if kind == "svg":
        assert b"CCFR, " in content  # text is text
        assert b"zscan plot" in content
    if kind == "pdf":
        assert b"/Type3" not in content
        assert b"/CreationDate" not in content
    assert main([*command, "--layers", "trident_ccfr", "delta_a_mu"]) == 0
    assert figure.read_bytes() == content  # ours is replaced, and the same again
    figure.write_bytes(b"%PDF- of someone else")
    capsys.readouterr()
    assert main(command) == 2
    assert f"{figure} exists and is no picture of zscan" in capsys.readouterr().err
    with pytest.raises(ForeignFileError):
        check_software(figure)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-o", "plane.gif"], "plane.gif: a figure ends in one of .pdf, .png, .svg"),
        (["--at", "eps_over_g=0", "--set", "labels=up"], "plot.labels: unknown value (got 'up')"),
        (["--set", "labels"], "--set: not of the form KEY=VALUE (got 'labels')"),
        (["--constraints", "nsi"], "is a map, whose constraints are there already"),
        (["--at", "eps_over_g=0", "--layers", "nsi"], "the map holds no constraint 'nsi'"),
    ],
)
def test_faults_of_the_command(tmp_path, monkeypatch, capsys, arguments, text):
    monkeypatch.chdir(tmp_path)
    assert main(["plot", str(MAPS / "small-eps.h5"), *arguments]) == 2
    assert text in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_model_is_scanned_first(tmp_path, capsys):
    model = tmp_path / "mine.toml"
    model.write_text('name = "mine"\nL = [0, 1, -1]\nE = [0, 1, -1]\nN = [0, 1, -1]\n')
    command = ["plot", str(model), "-o", str(tmp_path / "mine.pdf")]
    assert main([*command, "--constraints", "delta_a_mu", "trident_ccfr"]) == 0
    made = [Path(line).name for line in capsys.readouterr().out.split()]
    assert made == ["mine.h5", "mine.pdf", "mine.caption.txt"]
    with zscan.open_scan(tmp_path / "mine.h5") as data:
        assert json.loads(data.attrs["model"])["name"] == "mine"
    caption = (tmp_path / "mine.caption.txt").read_text()
    assert "Model mine (charges: L 0, 1, -1" in caption
    assert "--constraints delta_a_mu trident_ccfr" in " ".join(caption.split())


def test_a_map_is_drawn_without_jax():
    code = (
        "import sys, zscan\n"
        f"zscan.plot({str(MAPS / 'small-eps.h5')!r}, select={{'eps_over_g': 0.0}})\n"
        "assert 'jax' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_another_model_is_no_figure_of_the_paper(tmp_path, capsys):
    model = tmp_path / "mine.toml"
    model.write_text('name = "mine"\nL = [0, 2, -2]\nE = [0, 2, -2]\nN = [0, 2, -2]\n')
    out = tmp_path / "out"
    assert main(["figure", "2", "--set", f"model={model}", "-o", str(out)]) == 2
    error = capsys.readouterr().err
    assert "model: not the model of Fig 2 (got 'mine'); allowed: Lmu-Ltau; zscan run CARD" in error
    assert main(["figure", "3", "--set", "fixed.charge.L.mu=1", "-o", str(out)]) == 2
    assert "fixed.charge.L.mu: changes the model of Fig 3" in capsys.readouterr().err
    assert not list(out.glob("*.h5"))
