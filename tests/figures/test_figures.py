"""Figures show what they are given: sizes, colours and numbers are those of the data."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageColor

from course_utils import figures, resnet
from course_utils.figures import charts, colours


def picture(shade=128, side=64):
    return np.full((side, side, 3), shade, dtype=np.uint8)


def has_colour(pixels, colour):
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return bool((pixels == wanted).all(axis=2).any())


# ---- pieces ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.9973, "99.7 %"), (1.0, "> 99.9 %"), (0.99951, "> 99.9 %"), (0.5, "50.0 %"), (0.0, "< 0.1 %"), (0.001, "0.1 %")],
)
def test_a_probability_is_said_as_a_reader_says_it(probability, words):
    assert figures.percent(probability) == words


@given(st.floats(min_value=1e-4, max_value=1.0))
@settings(max_examples=50, deadline=None)
def test_amplified_noise_fills_the_range_and_never_leaves_it(largest):
    noise = np.array([[[largest, -largest, 0.0]]], dtype=np.float32)
    shown, factor = figures.amplified(noise)
    assert factor >= 1
    assert factor == max(1, int(0.5 / np.float32(largest) + 1e-3))
    assert abs(int(shown[0, 0, 2]) - 128) <= 1
    if largest <= 0.5:
        assert int(shown[0, 0, 0]) - int(shown[0, 0, 1]) >= 127  # half of the range is used at least, but for rounding


def test_noise_of_nothing_is_grey():
    shown, factor = figures.amplified(np.zeros((4, 4, 3)))
    assert factor == 1
    assert np.unique(shown).tolist() == [128]


def test_eight_255ths_are_amplified_fifteen_times():
    assert figures.amplified(np.full((2, 2, 3), 8 / 255))[1] == 15


def test_small_pictures_are_enlarged_by_whole_pixels():
    checker = np.zeros((2, 2, 3), dtype=np.uint8)
    checker[0, 0] = checker[1, 1] = 255
    large = np.asarray(figures.fitted(checker, 321))
    assert large.shape == (320, 320, 3)
    assert np.unique(large).tolist() == [0, 255]
    assert (large[:160, :160] == 255).all()
    assert (large[:160, 160:] == 0).all()


@pytest.mark.parametrize("shape", [(224, 224), (300, 200), (1, 2000), (640, 640)])
def test_large_pictures_are_made_to_fit(shape):
    fitted = figures.fitted(np.zeros((*shape, 3), dtype=np.uint8), 320)
    assert max(fitted.size) == 320
    assert min(fitted.size) >= 1


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (np.zeros((4, 4, 3)), TypeError),
        (np.zeros((4, 4), np.uint8), ValueError),
        (np.zeros((0, 4, 3), np.uint8), ValueError),
    ],
)
def test_what_is_no_picture_is_refused(wrong, error):
    with pytest.raises(error):
        figures.fitted(wrong, 100)


# ---- colours ---------------------------------------------------------------------------------------------------
@given(st.floats(min_value=0, max_value=1))
def test_a_mixture_lies_between_its_neighbours(share):
    ends = [np.array(colours.mixed(end, "#FFFFFF", figures.BLUE)) for end in (0, 1)]
    assert ends[0].tolist() == [255] * 3
    assert ends[1].tolist() == [0x00, 0x72, 0xB2]
    assert ((ends[1] <= colours.mixed(share, "#FFFFFF", figures.BLUE)) & (ends[0] >= ends[1])).all()
    assert colours.mixed(7.0, "#FFFFFF", figures.BLUE) == tuple(ends[1].tolist())  # what lies outside is held


def test_three_colours_stand_at_equal_distances():
    found = colours.blended(np.array([0, 0.25, 0.5, 1]), "#000000", "#FF0000", "#FFFFFF")
    assert found.tolist() == [[0, 0, 0], [127.5, 0, 0], [255, 0, 0], [255, 255, 255]]


@pytest.mark.parametrize("name", figures.HEATS)
def test_shades_go_from_end_to_end_however_many_there_are(name):
    few, many = colours.shades(name, 20), colours.shades(name, 256)
    assert few.shape == (20, 3)
    assert np.array_equal(few[[0, -1]], many[[0, -1]])


def test_filters_are_grey_where_they_are_zero_and_full_where_they_are_strongest():
    filters = np.zeros((2, 3, 3, 3))
    filters[0, 0, 1, 1], filters[1, 2, 0, 0] = 5.0, -0.1
    shown = figures.filter_pixels(filters)
    assert shown.shape == (2, 3, 3, 3)
    assert shown[0, 1, 1].tolist() == [255, 128, 128]
    assert shown[1, 0, 0].tolist() == [128, 128, 0]


def test_a_silent_map_is_black():
    shown = figures.map_pixels(np.stack([np.zeros((4, 4)), np.eye(4)]))
    assert not shown[0].any()
    assert shown[1, 2, 2].tolist() == [255, 255, 255]


def test_more_filters_take_more_rows():
    heights = [
        figures.tiles(np.zeros((count, 5, 5, 3), np.uint8), chosen=0, title="t").shape[0] for count in (1, 16, 17, 64)
    ]
    assert heights[0] == heights[1] < heights[2] < heights[3]


# ---- figures ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_a_bar_is_as_long_as_its_probability(share):
    pixels = figures.bars(["one"], [share], [share])
    for colour in (figures.BLUE, figures.VERMILLION):
        wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
        line = (pixels[54] == wanted).all(axis=1)  # above the number that may stand in the bar
        half = (figures.WIDTH - 2 * figures.base.MARGIN - 300) // 2
        assert abs(int(line.sum()) - share * half) <= 2


def test_nested_bars_are_as_long_as_their_costs():
    pixels = figures.nested_bars({"x": (25, 100, "x"), "y": (50, 50, "y")}, ("less", "more"), title="t")
    blue, red = ((pixels == np.array(ImageColor.getrgb(one))).all(axis=2) for one in (figures.BLUE, figures.VERMILLION))
    part, whole, smaller = blue[116].sum(), (blue | red)[116].sum(), (blue | red)[162].sum()
    assert part / whole == pytest.approx(0.25, abs=0.01)
    assert smaller / whole == pytest.approx(0.5, abs=0.01)


def test_titles_and_pictures_must_match():
    with pytest.raises(ValueError, match="one title"):
        figures.panels([picture()], ["a", "b"])


def test_long_names_stay_inside_the_figure():
    name = "a class with a very long name, as ImageNet has some, Pekinese, Pekingese, Peke, and so on and on"
    pixels = figures.panels([picture()] * 4, [name] * 4, [name] * 4)
    edge = np.concatenate([pixels[:, :4], pixels[:, -4:]], axis=1)
    assert (edge == 255).all()


def test_curves_are_drawn_in_the_colour_blind_palette():
    pixels = figures.curves({"a": [0, 1], "b": [1, 0]}, title="Two lines", x_label="step", y_label="loss")
    assert pixels.shape == (460, figures.WIDTH, 3)
    assert has_colour(pixels, figures.BLUE)
    assert has_colour(pixels, figures.VERMILLION)


def test_curves_leave_room_where_more_is_asked_for_than_the_values_take():
    asked = {"title": "One line", "x_label": "step", "y_label": "loss"}
    line = (np.array(figures.curves({"a": [1, 2]}, **asked, y_range=one)) for one in ((1, 2), (1, 3)))
    blue = [int(figures.BLUE[k : k + 2], 16) for k in (1, 3, 5)]
    whole, half = ((pixels[:, 560:600] == blue).all(axis=2).nonzero()[0].mean() for pixels in line)
    assert half > whole + 50


def test_the_typeface_knows_greek():
    for sign in "εη‖→×≤∇":
        mask = figures.font(24).getmask(sign)
        assert np.asarray(mask).any()
        assert bytes(mask) != bytes(figures.font(24).getmask("\U0010ffff"))  # the box for what is missing


def test_without_matplotlib_there_is_still_a_typeface(monkeypatch):
    monkeypatch.setattr(figures.base.importlib.util, "find_spec", lambda name: None)
    figures.font.cache_clear()
    try:
        assert figures.font(20).getlength("stop") > 10
    finally:
        figures.font.cache_clear()


# ---- in the notebook -------------------------------------------------------------------------------------------
def test_a_picture_in_a_notebook_has_words_for_who_cannot_see_it():
    bundle, metadata = figures.Picture(picture(200), "A grey square.")._repr_mimebundle_()
    assert bundle["text/plain"] == "[A grey square.]"
    shown = Image.open(io.BytesIO(base64.b64decode(bundle["image/png"])))
    assert (np.asarray(shown) == 200).all()
    assert metadata["image/png"]["alt"] == "A grey square."


def test_a_photograph_in_a_notebook_may_be_stored_as_jpeg():
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3)).astype(np.uint8)
    exact, _ = figures.Picture(noise, "Noise.")._repr_mimebundle_()
    bundle, metadata = figures.Picture(noise, "Noise.", quality=60)._repr_mimebundle_()
    assert len(bundle["image/jpeg"]) < len(exact["image/png"]) / 2
    assert "image/png" not in bundle
    assert Image.open(io.BytesIO(base64.b64decode(bundle["image/jpeg"]))).format == "JPEG"
    assert metadata["image/jpeg"] == {"width": 48, "alt": "Noise."}


# ---- quick curves ------------------------------------------------------------------------------------------------
QUICK = {"title": "Two lines", "x_label": "step", "y_label": "loss"}


def test_quick_curves_draws_every_line_in_its_colour():
    pixels = figures.quick_curves({"a": [0, 1], "b": [1, 0]}, **QUICK)
    assert pixels.shape == (460, figures.WIDTH, 3)
    assert has_colour(pixels, figures.BLUE)
    assert has_colour(pixels, figures.VERMILLION)


def test_quick_curves_draws_its_axes_once_while_only_the_lines_move(monkeypatch):
    drawn = []
    draw_axes = charts._Chart.__wrapped__._draw_axes
    monkeypatch.setattr(
        charts._Chart.__wrapped__, "_draw_axes", lambda chart, *how: (drawn.append(how), draw_axes(chart, *how))
    )
    for shift in range(5):
        figures.quick_curves({"a": [shift, 9, 0], "b": [0, shift, 9]}, x_range=(0, 2), y_range=(0, 10), **QUICK)
    assert len(drawn) <= 1  # none at all where another test has drawn them


numbers = st.floats(allow_nan=True, allow_infinity=True, width=32)


@settings(max_examples=30)
@given(st.lists(st.lists(numbers, max_size=6), min_size=1, max_size=3), st.booleans())
def test_quick_curves_draws_whatever_numbers_come(lists, log_y):
    series = {str(k): (list(range(1, len(values) + 1)), values) for k, values in enumerate(lists)}
    pixels = figures.quick_curves(series, log_y=log_y, **QUICK)
    assert pixels.shape == (460, figures.WIDTH, 3)


def test_a_higher_value_is_drawn_higher():
    def height(value):
        pixels = figures.quick_curves({"a": [value] * 2}, y_range=(0, 10), **QUICK)[60:380, 150:900]
        return np.argwhere((pixels == (0x00, 0x72, 0xB2)).all(axis=-1))[:, 0].mean()

    assert height(9) < height(5) < height(1)
    assert height(5) - height(9) == pytest.approx(height(1) - height(5), abs=3)


def test_quick_curves_depends_on_nothing_that_was_drawn_before():
    def picture(**more):
        return figures.quick_curves({"a": [3, 1, 2]}, **QUICK | more)

    first = picture()
    others = [picture(title="Another"), picture(y_range=(0, 9)), picture(y_label="score"), picture(log_y=True)]
    assert all((first != other).any() for other in others)
    assert (picture() == first).all()
    first[:] = 0  # a picture is its caller's
    assert (picture() == figures.quick_curves({"a": [3, 1, 2]}, **QUICK)).all()
    assert picture().any()


def test_a_value_between_two_gaps_is_a_dot():
    lone, none = (figures.quick_curves({"a": [0, np.nan, value, np.nan]}, **QUICK) for value in (5, np.nan))
    middle = (slice(60, 380), slice(300, 900))
    assert (lone[middle] == (0x00, 0x72, 0xB2)).all(axis=2).sum() >= 20
    assert not (none[middle] == (0x00, 0x72, 0xB2)).all(axis=2).any()


def test_the_legend_stands_where_the_line_does_not():
    def blue(values, columns):  # in the upper rows of the axes
        pixels = figures.quick_curves({"a": values}, y_range=(0, 1), **QUICK)[60:110, columns]
        return int((pixels == (0x00, 0x72, 0xB2)).all(axis=2).sum())

    assert blue(np.linspace(0.9, 0.1, 9), slice(950, 1100)) > 50
    assert blue(np.linspace(0.1, 0.9, 9), slice(130, 260)) > 50


def test_one_place_a_value_is_asked_for():
    with pytest.raises(ValueError, match="'a' has 2 values at 3 places"):
        figures.quick_curves({"a": ([1, 2, 3], [1, 2])}, **QUICK)


def test_a_long_title_is_not_cut_off():
    for draw in (figures.curves, figures.quick_curves):
        pixels = draw({"a": [0, 1]}, title="a long title that says one thing " * 4, x_label="step", y_label="loss")
        assert (pixels[:40, -8:] == 255).all()


# ---- the style ---------------------------------------------------------------------------------------------------
@pytest.fixture
def on_stage():
    figures.use("stage")
    yield
    figures.use("notebook")


def drawn_quickly() -> dict[str, np.ndarray]:
    """Figures with little room for their words."""
    chance = np.linspace(0.05, 1, 20)
    long = "training loss, mean of ten batches of a long name (no unit)"
    return {
        "bars": figures.bars(["trained as usual", "against an adversary"], [0.9, 1], [0.4, 1], titles=("a", "b" * 24)),
        "panels": figures.panels([picture()] * 5, ["a long title of it"] * 5, ["and a long caption"] * 5),
        "quick": figures.quick_curves(
            {"one": chance, "another, with a long name": chance**2}, **QUICK | {"y_label": long}
        ),
        "curves": figures.curves({"one": chance, "two": chance**2}, **QUICK | {"x_label": 2 * long, "y_label": long}),
    }


def test_the_stage_draws_larger_words_and_stronger_greys_and_the_notebook_is_as_it_was():
    before = drawn_quickly()
    words = {"title": "Two lines", "x_label": "step", "y_label": "loss"}
    small = ink_heights(figures.quick_curves({"one": [0, 1]}, **words))
    figures.use("stage")
    try:
        large, stage = ink_heights(figures.quick_curves({"one": [0, 1]}, **words)), drawn_quickly()
    finally:
        figures.use("notebook")
    after = drawn_quickly()
    for kind in small:
        assert large[kind] >= 1.25 * small[kind], kind
    for name in before:
        assert (before[name] == after[name]).all(), name
        assert before[name].shape == stage[name].shape, name
        assert (before[name] != stage[name]).any(), name
    frames = [(one["panels"] == (0x5A, 0x5A, 0x5A)).all(axis=2).sum() for one in (before, stage)]
    assert frames[0] > 4000 > 200 > frames[1]


def ink_heights(pixels: np.ndarray) -> dict[str, int]:
    """How many rows of pixels the title and the words below the axis take."""
    dark = (pixels < 100).all(axis=2)
    parts = {"title": dark[:54, 16:400], "label": dark[-40:, 100:]}
    return {kind: int(part.any(axis=1).sum()) for kind, part in parts.items()}


def test_on_stage_no_word_is_cut_at_the_edge(on_stage):
    hollow = np.add.outer(np.arange(5.0), np.arange(5.0))
    bowls = resnet.figures.surfaces({"plain": hollow, "residual": hollow}, 1.0, title="A hollow and a bowl " * 4)
    for name, pixels in (drawn_quickly() | {"bowls": bowls}).items():
        edge = np.concatenate([pixels[:2].reshape(-1, 3), pixels[-2:].reshape(-1, 3), pixels[:, :2].reshape(-1, 3)])
        edge = np.concatenate([edge, pixels[:, -2:].reshape(-1, 3)])
        assert (edge == 255).all(), name


def test_on_stage_words_grow_no_further_than_to_their_neighbour(on_stage):
    def written(second: int) -> np.ndarray:
        canvas = Image.new("RGB", (400, 60), "white")
        draw = figures.style.pen(canvas)
        draw.rectangle((second, 0, 399, 59), fill=figures.BLUE)
        figures.base.text(draw, (10, 30), "a line of words", size=22, anchor="lm")
        return np.asarray(canvas)[:, :second]

    far, near = written(390), written(200)
    ends = [np.argwhere((pixels < 128).all(axis=2))[:, 1].max() for pixels in (far, near)]
    assert ends[0] > 230  # 22 · 1.4 pixels high
    assert 170 < ends[1] < 199  # larger than in a notebook, but not under the blue


def test_a_line_is_thicker_on_stage_and_a_dot_larger(on_stage):
    def painted() -> tuple[int, int]:
        canvas = Image.new("RGB", (100, 100), "white")
        draw = figures.style.pen(canvas)
        draw.line((0, 20, 99, 20), fill=figures.BLUE, width=3)
        draw.ellipse((40, 60, 50, 70), fill=figures.VERMILLION)
        blue, dot = (np.asarray(canvas) != 255).any(axis=2)[:40], (np.asarray(canvas) != 255).any(axis=2)[40:]
        return int(blue[:, 50].sum()), int(dot.any(axis=0).sum())

    line, dot = painted()
    figures.use("notebook")
    assert (line, dot) > painted() == (3, 11)
    assert dot >= 13


def test_an_unknown_style_is_refused_and_nothing_changes():
    with pytest.raises(ValueError, match=r"^a style of figures is one of 'notebook', 'stage'; got 'screen'\.$"):
        figures.use("screen")
    assert figures.style.used().type == 1
