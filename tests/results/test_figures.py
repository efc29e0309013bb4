"""Fig 2: what it must contain and what its map must bear out (statements of arXiv:2107.07518 sec. 3.5.1)."""

import numpy as np
import pytest
from PIL import Image

import zscan
from zscan.errors import UnknownNameError
from zscan.figure import make_figure
from zscan.results.contours import crossings
from zscan.results.figures import FIGURES, draw, fig2


@pytest.fixture(scope="module")
def map2(tmp_path_factory):
    """The map and the picture of Fig 2 as the command makes them, on its own card."""
    return make_figure("2", tmp_path_factory.mktemp("fig2"))


@pytest.fixture
def data(map2):
    with zscan.open_scan(map2[0]) as data:
        yield data


def edge(data, constraint, level, m_X):
    """Smallest g_X at which the stored observable crosses a level at the mass of the map nearest to m_X."""
    column = data[f"observable/{constraint}"].sel(m_X=m_X, method="nearest")
    found = crossings(column["g_X"].values, column.values, level)
    return float(column["m_X"]), found[0]


def test_every_layer_is_drawn_and_named(data):
    figure = draw(fig2.SPEC, data)
    (axes,) = figure.axes
    drawn = {artist.get_gid() for artist in axes.collections} - {None}
    assert {"delta_a_mu/edges", "delta_a_mu/centre", "trident_ccfr/excluded", "borexino/excluded"} <= drawn
    legend = " ".join(text.get_text() for text in axes.get_legend().get_texts())
    for name in ("CCFR", "NuTeV", "Borexino", "g-2"):
        assert name in legend
    assert axes.get_xscale() == axes.get_yscale() == "log"
    caption = " ".join(text.get_text() for text in figure.texts)
    for name in ("CCFR:1991lpl", "Provisional", "borexino", "ATLAS", data.attrs["spec_hash"][:12], "zscan figure 2"):
        assert name in caption


def test_the_png_names_its_scan(map2, data):
    with Image.open(map2[1]) as picture:
        assert picture.info["spec_hash"] == data.attrs["spec_hash"]
        assert zscan.__version__ in picture.info["Software"]
        assert picture.info["command"] == "zscan figure 2"


def test_where_the_band_survives(data):
    # the centre of the band is allowed between 9 MeV (Borexino, 11 MeV at R = 1.08) and 0.18 GeV (CCFR); 5 %
    m_X = data["m_X"].values
    centre = np.array([edge(data, "delta_a_mu", 251e-11, m)[1] for m in m_X])
    borexino = np.array([edge(data, "borexino", 1.166, m)[1] for m in m_X[m_X < 0.05]])
    ccfr = np.array([edge(data, "trident_ccfr", 1.3688, m)[1] for m in m_X])
    (low,) = crossings(m_X[: borexino.size], np.log(borexino / centre[: borexino.size]), 0.0)
    (high,) = crossings(m_X, np.log(ccfr / centre), 0.0)
    np.testing.assert_allclose([low, high], [9e-3, 0.18], rtol=0.05)
    # CCFR excludes the whole band above 0.41 GeV; it meets its lower edge at 0.386 GeV (without kinetic mixing, from
    # the 1-D loop integral and the trident cross section), 1 %
    band = np.array([edge(data, "delta_a_mu", 133e-11, m)[1] for m in m_X])
    assert (band > ccfr)[m_X > 0.41].all()
    (excluded_from,) = crossings(m_X, np.log(ccfr / band), 0.0)
    np.testing.assert_allclose(excluded_from, 0.386, rtol=0.01)
    np.testing.assert_allclose(band[np.searchsorted(m_X, 0.1)], 6.9e-4, rtol=0.02)


def test_a_missing_layer_is_an_error(data):
    with pytest.raises(UnknownNameError, match="borexino"):
        draw(fig2.SPEC, data.drop_vars("observable/borexino"))


def test_registry():
    assert all(number == spec.number for number, spec in FIGURES.items())
