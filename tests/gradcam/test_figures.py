"""The drawings of lesson 7: right colours, right places, nothing left out, bad input in one sentence."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps

from course_utils import figures
from course_utils.gradcam import figures as drawings

RED = np.full((64, 64, 3), (200, 20, 20), dtype=np.uint8)


def has(pixels, colour):
    """How many pixels have exactly this colour."""
    rgb = [int(colour[k : k + 2], 16) for k in (1, 3, 5)]
    return int((pixels == rgb).all(axis=-1).sum())


def paler(colour):
    """The colour as it is after `fewer_shades`."""
    rgb = np.array([[[int(colour[k : k + 2], 16) for k in (1, 3, 5)]]], dtype=np.uint8)
    return "#" + drawings.fewer_shades(rgb).tobytes().hex()


@pytest.mark.parametrize("name", ["inferno", "viridis", "turbo"])
def test_the_colours_are_matplotlibs(name):
    ours = figures.heat(np.linspace(0, 1, 256)[None], name)[0].astype(int)
    theirs = np.round(255 * colormaps[name](np.arange(256))[:, :3]).astype(int)
    assert (ours == theirs).all()


@pytest.mark.parametrize("name", ["inferno", "viridis", "grey"])
def test_hotter_is_brighter(name):
    ladder = figures.heat(np.linspace(0, 1, 64)[None], name)[0] @ np.array([0.299, 0.587, 0.114])
    assert (np.diff(ladder) > 0).all()


def test_heat_is_cut_at_its_ends_and_nan_is_cold():
    values = np.array([[-3.0, 0.0, 1.0, 7.0, np.nan]])
    found = figures.heat(values)[0]
    assert (found[0] == found[1]).all()
    assert (found[2] == found[3]).all()
    assert (found[4] == found[0]).all()
    with pytest.raises(ValueError, match="no colours called 'jet'; choose one of inferno"):
        figures.heat(values, "jet")


def test_opacity_goes_from_the_picture_to_the_map():
    values = np.linspace(0, 1, 64)[None].repeat(64, axis=0)
    assert (figures.overlaid(RED, values, opacity=0) == RED).all()
    assert (figures.overlaid(RED, values, opacity=1) == figures.heat(values)).all()
    cold = figures.overlaid(RED, np.zeros((64, 64)), opacity=0.5, colours="grey")[0, 0].astype(int)
    assert np.ptp(cold) <= 1  # red paint is no heat: it turned grey
    with pytest.raises(ValueError, match=r"has its size \[64, 64\]; got \[4, 4\]"):
        figures.overlaid(RED, np.zeros((4, 4)))


def test_a_grid_shows_every_picture():
    shades = [[np.full((8, 8, 3), 16 * (4 * i + k), dtype=np.uint8) for k in range(4)] for i in range(3)]
    full = drawings.grid(
        shades, title="All", columns=list("abcd"), names=["one", "two", "three"], notes=[list("wxyz")] * 3
    )
    plain = drawings.grid(shades, title="All")
    for pixels in (full, plain):
        assert pixels.shape[1] == figures.WIDTH
        for row in shades:
            for picture in row:
                shade = f"#{picture[0, 0, 0]:02x}" + f"{picture[0, 0, 0]:02x}" * 2
                assert has(pixels, shade) > 8000
    assert full.shape[0] > plain.shape[0]


@given(st.integers(0, 255))
def test_fewer_shades_look_the_same(shade):
    picture = np.full((2, 2, 3), shade, dtype=np.uint8)
    found = drawings.fewer_shades(picture)
    assert np.abs(found.astype(int) - shade).max() <= 7 - 3 * (shade < 252)
    assert (drawings.fewer_shades(found) == found).all()
    assert len(np.unique(drawings.fewer_shades(np.arange(256, dtype=np.uint8)))) == 33
    assert drawings.fewer_shades(np.array([0, 255], dtype=np.uint8)).tolist() == [0, 255]


def test_the_labs_picture_marks_what_is_asked():
    probabilities = np.array([0.7, 0.2, 0.05, 0.03, 0.01, 0.005, 0.005])
    names = [f"class {k}" for k in range(7)]

    def drawn(chosen):
        pictures = [RED] * (1 + len(chosen))
        titles = ["picture", *(names[label] for label in chosen)]
        return drawings.look(pictures, titles, titles, names, probabilities, chosen)

    one, two = drawn([0]), drawn([0, 6])
    assert has(one, figures.VERMILLION) > 5 * has(one, figures.BLUE)
    assert has(two, figures.BLUE) > 20


def test_of_a_thousand_classes_the_labs_picture_draws_six():
    def drawn(count):
        names = [f"class {k}" for k in range(count)]
        return drawings.look([RED] * 3, list("abc"), list("abc"), names, np.full(count, 1 / count), [count - 1])

    assert drawn(1000).shape == drawn(6).shape


TABLE = {
    "ours": {"pointing game": (0.9, 0.8, 1.0), "deletion": (0.1, 0.05, 0.15)},
    "blind": {"pointing game": (0.5, 0.4, 0.6), "deletion": (0.3, 0.25, 0.35)},
    "blinder": {"pointing game": (0.3, 0.2, 0.4), "deletion": (0.5, 0.45, 0.55)},
}


def test_the_scores_show_methods_baselines_and_the_best_of_the_blind():
    pixels = drawings.scores(TABLE, title="A comparison", baselines=("blind", "blinder"))
    assert has(pixels, paler(figures.BLUE)) > 200
    assert has(pixels, paler(figures.colours.PALE)) > 300
    shifted = {name: dict(kinds) for name, kinds in TABLE.items()}
    shifted["blind"] = {"pointing game": (0.7, 0.6, 0.8), "deletion": (0.2, 0.15, 0.25)}
    assert (pixels != drawings.scores(shifted, title="A comparison", baselines=("blind", "blinder"))).any()
    alone = drawings.scores({"ours": TABLE["ours"]}, title="Alone", baselines=())
    assert alone.shape[0] < pixels.shape[0]


def test_small_curves_share_one_axis():
    lines = {
        "a": [(0.1, 0.0, 0.2), (0.2, 0.1, 0.3), (0.3, 0.2, 0.4)],
        "b": [(0.9, 0.9, 0.9), (0.8, 0.8, 0.8), (0.7, 0.7, 0.7)],
    }
    pixels = drawings.small_curves({"left": lines, "right": lines}, [0, 0.5, 1], title="Two", y_label="share")
    assert pixels.shape == (460, figures.WIDTH, 3)
    assert has(pixels, paler(figures.BLUE)) > 500
    assert has(pixels, paler(figures.VERMILLION)) > 300


def test_the_table_shows_every_number_and_the_best_in_bold():
    rows = {"ours": {"deletion": (0.25, 0.2, 0.3)}, "<b>": {"deletion": (0.5, 0.4, 0.6)}}
    rows |= {"centre": {"deletion": (0.75, 0.7, 0.8)}}
    shown, plain = (
        drawings.Table(rows, baselines=("centre",))._repr_html_(),
        repr(drawings.Table(rows, baselines=("centre",))),
    )
    assert "<b>0.25</b> <small>[0.20, 0.30]</small>" in shown
    assert "<b>0.50</b>" not in shown
    assert "&lt;b&gt;" in shown
    assert shown.count("background") == 1  # the blind one
    assert [line.split()[-1] for line in plain.splitlines()] == ["deletion", "0.25", "0.50", "0.75"]
