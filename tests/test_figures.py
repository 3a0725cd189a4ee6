"""Figures show what they are given: sizes, colours and numbers are those of the data."""

import base64
import io
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from course_utils import figures


def picture(shade=128, side=64):
    return np.full((side, side, 3), shade, dtype=np.uint8)


def has_colour(pixels, colour):
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return bool((pixels == wanted).all(axis=2).any())


def attack_figure(before, after, noise=0.0, **options):
    names = [f"class {k}" for k in range(len(before))]
    change = np.full((64, 64, 3), noise, dtype=np.float32)
    return figures.attack(picture(), change, picture(130), names, before, after, **options)


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


def test_the_first_answer_s_favourite_has_the_top_bar():
    before, after = np.array([0.01, 0.97, 0.02]), np.array([0.005, 0.005, 0.99])
    assert figures.top_classes(before, after, count=2) == [1, 2]


# ---- figures ---------------------------------------------------------------------------------------------------
def test_the_attack_figure_is_one_picture_of_the_course_s_width():
    pixels = attack_figure([0.9, 0.1], [0.2, 0.8], noise=8 / 255)
    assert pixels.dtype == np.uint8
    assert pixels.shape[1:] == (figures.WIDTH, 3)


def test_the_attack_figure_warns_in_another_colour_only_when_the_answer_changes():
    row = slice(380, 420)  # the line below the pictures
    fooled = attack_figure([0.9, 0.1], [0.2, 0.8])[row, 2 * figures.WIDTH // 3 :]
    held = attack_figure([0.9, 0.1], [0.8, 0.2])[row, 2 * figures.WIDTH // 3 :]
    assert has_colour(fooled, figures.VERMILLION)
    assert not has_colour(held, figures.VERMILLION)
    assert has_colour(held, figures.BLUE)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.5, 1.0])
def test_a_bar_is_as_long_as_its_probability(share):
    pixels = figures.bars(["one"], [share], [share])
    for colour in (figures.BLUE, figures.VERMILLION):
        wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
        line = (pixels[54] == wanted).all(axis=1)  # above the number that may stand in the bar
        half = (figures.WIDTH - 2 * figures.MARGIN - 300) // 2
        assert abs(int(line.sum()) - share * half) <= 2


def test_names_and_probabilities_must_match():
    with pytest.raises(ValueError, match="one of each a class"):
        figures.attack(picture(), np.zeros((64, 64, 3)), picture(), ["one"], [0.5, 0.5], [0.5, 0.5])
    with pytest.raises(ValueError, match="one title"):
        figures.panels([picture()], ["a", "b"])


def test_long_names_stay_inside_the_figure():
    name = "a class with a very long name, as ImageNet has some, Pekinese, Pekingese, Peke, and so on and on"
    pixels = figures.panels([picture()] * 4, [name] * 4, [name] * 4)
    edge = np.concatenate([pixels[:, :4], pixels[:, -4:]], axis=1)
    assert (edge == 255).all()


def test_every_class_of_a_thousand_may_be_given():
    before = np.full(1000, 0.001)
    assert attack_figure(before, before[::-1]).shape[1] == figures.WIDTH


def test_a_figure_is_composed_within_the_time_of_a_slider():
    attack_figure([0.9, 0.1], [0.2, 0.8])  # fonts are read once
    times = []
    for _ in range(5):
        start = time.perf_counter()
        attack_figure([0.9, 0.1], [0.2, 0.8], noise=8 / 255)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.05


def test_curves_are_drawn_in_the_colour_blind_palette():
    pixels = figures.curves({"a": [0, 1], "b": [1, 0]}, title="Two lines", x_label="step", y_label="loss")
    assert pixels.shape == (460, figures.WIDTH, 3)
    assert has_colour(pixels, figures.BLUE)
    assert has_colour(pixels, figures.VERMILLION)


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


# ---- quick curves ------------------------------------------------------------------------------------------------
QUICK = {"title": "Two lines", "x_label": "step", "y_label": "loss"}


def test_quick_curves_draws_every_line_in_its_colour():
    pixels = figures.quick_curves({"a": [0, 1], "b": [1, 0]}, **QUICK)
    assert pixels.shape == (460, figures.WIDTH, 3)
    assert has_colour(pixels, figures.BLUE)
    assert has_colour(pixels, figures.VERMILLION)


def test_quick_curves_is_quick():
    series = {"a": list(range(300)), "b": list(range(300, 0, -1))}
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        figures.quick_curves(series, **QUICK)
        times.append(time.perf_counter() - begin)
    assert min(times) < 0.05  # 0.008 on a quiet core


numbers = st.floats(allow_nan=True, allow_infinity=True, width=32)


@settings(max_examples=30)
@given(st.lists(st.lists(numbers, max_size=6), min_size=1, max_size=3), st.booleans(), st.booleans())
def test_quick_curves_draws_whatever_numbers_come(lists, log_x, log_y):
    series = {str(k): (list(range(1, len(values) + 1)), values) for k, values in enumerate(lists)}
    pixels = figures.quick_curves(series, log_x=log_x, log_y=log_y, marks={"here": 2}, **QUICK)
    assert pixels.shape == (460, figures.WIDTH, 3)


def test_a_higher_value_is_drawn_higher():
    def height(value):
        pixels = figures.quick_curves({"a": [value] * 2}, y_range=(0, 10), **QUICK)[60:380, 150:900]
        return np.argwhere((pixels == (0x00, 0x72, 0xB2)).all(axis=-1))[:, 0].mean()

    assert height(9) < height(5) < height(1)
    assert height(5) - height(9) == pytest.approx(height(1) - height(5), abs=3)


def test_one_place_a_value_is_asked_for():
    with pytest.raises(ValueError, match="'a' has 2 values at 3 places"):
        figures.quick_curves({"a": ([1, 2, 3], [1, 2])}, **QUICK)


def test_a_long_title_is_not_cut_off():
    for draw in (figures.curves, figures.quick_curves):
        pixels = draw({"a": [0, 1]}, title="a long title that says one thing " * 4, x_label="step", y_label="loss")
        assert (pixels[:40, -8:] == 255).all()
