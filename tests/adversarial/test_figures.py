"""The drawings of lesson 8 show what they are given: areas, borders, balls, paths, shares."""

import base64
import io
import time

import numpy as np
import pytest
from PIL import Image

from course_utils import figures
from course_utils.adversarial.figures import attacks, decision_map

NAMES = ("stop", "yield", "caution")
POINTS = 17
HALF = np.where(np.arange(POINTS) < POINTS // 2, 0, 1)[None].repeat(POINTS, axis=0)  # class 0 left, 1 right
SURE = np.ones((POINTS, POINTS))
COLOURS = decision_map.class_colours([HALF], label=0)


def rgb(colour):
    return np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)], dtype=float)


def painted(colour, confidence=1.0):
    return 255 - (0.2 + 0.6 * confidence) * (255 - rgb(colour))


# ---- a picture plus noise ----------------------------------------------------------------------------------------
def picture(shade):
    return np.full((64, 64, 3), shade, dtype=np.uint8)


def attack_figure(before, after):
    names = [f"class {k}" for k in range(len(before))]
    noise = np.full((64, 64, 3), 8 / 255, dtype=np.float32)
    pictures = (picture(128), noise, picture(136))
    above = attacks.equation(*pictures, names, before, after, changes="a little")
    return np.concatenate([above, attacks.probabilities(names, np.array(before), np.array(after))])


def test_the_attack_figure_is_one_picture_of_the_course_s_width():
    pixels = attack_figure([0.9, 0.1], [0.2, 0.8])
    assert pixels.dtype == np.uint8
    assert pixels.shape[1:] == (figures.WIDTH, 3)
    before = np.full(1000, 0.001)  # of a thousand classes too
    assert attack_figure(before, before[::-1]).shape[1] == figures.WIDTH


def test_the_attack_figure_warns_in_another_colour_only_when_the_answer_changes():
    def colours(after):
        below = attack_figure([0.9, 0.1], after)[380:420, 2 * figures.WIDTH // 3 :]  # the line below the last picture
        return [(below == rgb(colour)).all(axis=2).any() for colour in (figures.VERMILLION, figures.BLUE)]

    assert colours([0.2, 0.8])[0]
    assert colours([0.8, 0.2]) == [False, True]


def test_names_and_probabilities_must_match():
    with pytest.raises(ValueError, match="one of each a class"):
        attacks.equation(picture(0), np.zeros((64, 64, 3)), picture(0), ["one"], [0.5, 0.5], [0.5, 0.5], changes="")


def test_the_first_answer_s_favourite_has_the_top_bar():
    before, after = np.array([0.01, 0.97, 0.02]), np.array([0.005, 0.005, 0.99])
    assert attacks.top_classes(before, after) == [1, 2, 0]


# ---- decision maps -----------------------------------------------------------------------------------------------
def test_the_true_class_is_blue_and_every_other_has_a_colour_of_its_own():
    colours = decision_map.class_colours([HALF, HALF + 1], label=1)
    assert colours[1] == figures.BLUE
    assert len(set(colours.values())) == 3
    assert colours[0] != colours[2]


def test_a_map_paints_each_side_in_its_class_and_draws_the_border():
    square = decision_map.square_regions(HALF, SURE, reach=1.0, colours=COLOURS, side=160)
    assert square.shape == (160, 160, 3)
    assert np.allclose(square[80, 10], painted(COLOURS[0]), atol=2)
    assert np.allclose(square[80, 150], painted(COLOURS[1]), atol=2)
    dark = (square[80].max(axis=1) < 90).nonzero()[0]
    assert len(dark) == 1
    assert 60 < dark[0] < 90


def test_beta_grows_upwards():
    classes = HALF.T  # class 0 where β is small
    square = decision_map.square_regions(classes, SURE, reach=1.0, colours=COLOURS, side=160)
    assert np.allclose(square[150, 80], painted(COLOURS[0]), atol=2)
    assert np.allclose(square[10, 80], painted(COLOURS[1]), atol=2)


def test_where_the_network_is_unsure_the_colour_is_pale():
    sure, unsure = (
        decision_map.square_regions(HALF, c * SURE, reach=1.0, colours=COLOURS, side=80)[40, 5] for c in (1, 0.2)
    )
    assert unsure.astype(int).sum() > sure.astype(int).sum() + 60


def test_marks_path_and_edge_stand_where_they_belong():
    plain = decision_map.square_regions(0 * HALF, SURE, reach=1.0, colours=COLOURS, side=200)
    for extra, place in (
        ({"marks": {"": (0.5, 0.5)}}, (50, 150)),
        ({"path": np.array([[-0.5, -0.5], [0.5, 0.5]])}, (50, 150)),
        ({"edge": np.array([[0.5, 0.5], [-0.5, 0.5], [-0.5, -0.5], [0.5, -0.5]])}, (50, 150)),
    ):
        square = decision_map.square_regions(0 * HALF, SURE, reach=1.0, colours=COLOURS, side=200, **extra)
        changed = np.abs(square.astype(int) - plain).max(axis=2)
        assert changed[place] > 50
        assert changed[195, 100] == 0  # and nowhere else


def least_seconds(draw, times=5):
    """The least, because others may be at work beside this."""
    spent = []
    for _ in range(times):
        begin = time.perf_counter()
        draw()
        spent.append(time.perf_counter() - begin)
    return min(spent)


def test_what_follows_a_slider_is_drawn_far_sooner_than_the_mountain():
    """0.03 s for the map and 0.015 for the attack, where the mountain of matplotlib takes 0.3."""
    rows = np.arange(65)
    classes = (rows[:, None] + rows[None] > 70).astype(int) + (rows[:, None] > 50)
    edge = np.array([[1, 0], [0, 1], [-1, 0], [0, -1]]) * 0.5
    climb = {"path": edge, "heights": [0, 1, 2, 3]}
    slow = least_seconds(lambda: decision_map.mountain(classes, reach=1.0, title="A mountain", **climb), times=2)
    how = {"reach": 1.0, "colours": decision_map.class_colours([classes], 0), "edge": edge, "marks": {"x": (0, 0)}}
    assert least_seconds(lambda: decision_map.square_regions(classes, np.ones((65, 65)), **how)) < slow / 2
    assert least_seconds(lambda: attack_figure([0.9, 0.1], [0.2, 0.8])) < slow / 2


def test_the_whole_map_has_the_course_s_width_names_the_classes_it_shows_and_changes_with_the_data():
    def whole(classes):
        return decision_map.regions(classes, SURE, ["stop", "yield"], reach=0.1, title="A map", label=0)

    half, one = whole(HALF), whole(0 * HALF)
    assert half.shape == one.shape
    assert half.shape[1:] == (figures.WIDTH, 3)
    assert (half != one).any()
    other = painted(COLOURS[1])
    assert (np.abs(half.reshape(-1, 3) - other).max(axis=1) < 3).sum() > 5000
    assert not (np.abs(one.reshape(-1, 3) - other).max(axis=1) < 3).any()


def test_a_map_of_lengths_is_not_labelled_in_255ths():
    """The axes of lesson 8's second map are Euclidean lengths: other words round the very same square."""
    levels, lengths = (
        decision_map.regions(HALF, SURE, NAMES, reach=2.0, title="A map", label=0, unit=unit) for unit in (255, 1)
    )
    changed = (levels != lengths).any(axis=2)
    left, side = decision_map.LEFT, 470
    top = 608 - decision_map.BELOW - side
    assert changed[top + side :].any()
    assert changed[:, :left].any()
    assert not changed[top : top + side, left:].any()


def test_the_mountain_shows_the_path():
    losses = np.add.outer(np.linspace(0, 1, 9), np.linspace(0, 4, 9))
    foot = {"path": np.array([[-0.1, -0.1]]), "heights": [0]}
    bare = decision_map.mountain(losses, reach=0.1, title="A slope", **foot)
    path = np.array([[-0.1, -0.1], [0.0, 0.0], [0.1, 0.1]])
    walked = decision_map.mountain(losses, reach=0.1, title="A slope", path=path, heights=[0, 2.5, 5])
    assert bare.shape == walked.shape == (560, figures.WIDTH, 3)
    assert (bare != walked).any(axis=2).sum() > 300


# ---- the rest ----------------------------------------------------------------------------------------------------
def test_the_three_balls_have_the_areas_of_their_norms():
    pixels = attacks.balls(("L1", "L2", "L∞"), ("a", "b", "c"), title="Balls")
    filled = []
    for k, colour in enumerate((figures.BLUE, figures.VERMILLION, figures.GREEN)):
        part = pixels[100:400, k * 373 : (k + 1) * 373].astype(float)
        pale = 255 - 0.25 * 0.8 * (255 - rgb(colour))
        filled.append((np.abs(part - pale).max(axis=2) <= 1).sum())
    assert filled[1] / filled[0] == pytest.approx(np.pi / 2, rel=0.06)
    assert filled[2] / filled[0] == pytest.approx(2, rel=0.06)


def test_a_table_is_darker_where_the_share_is_higher():
    rates = np.array([[0.9, 0.1], [np.nan, 0.5]])
    pixels = attacks.matrix(rates, ("a", "b"), title="Table", rows="made on", columns="shown to").astype(int)

    def shade(row, column):  # near the upper left corner of a cell
        return pixels[132 + row * 74 + 10, 330 + column * 385 + 20].sum()

    assert shade(0, 0) < shade(1, 1) < shade(0, 1) < shade(1, 0) == 3 * 255


def test_bars_are_as_long_as_their_shares():
    shares = {"none": {"noise": 1.0, "PGD": 0.25}, "hidden": {"noise": 1.0, "PGD": 0.75}}
    pixels = attacks.robust_accuracy(shares, title="Held", x_label="still right")
    long = [(pixels == rgb(figures.VERMILLION)).all(axis=2).sum(axis=1).max(), 0.75 * (figures.WIDTH - 90 - 420)]
    assert long[0] == pytest.approx(long[1], abs=3)


def test_rows_hold_every_picture():
    row = [np.full((8, 8, 3), shade, dtype=np.uint8) for shade in (10, 90, 170)]
    pixels = attacks.rows({"one\nline": row, "two": row}, title="Rows", captions={"one\nline": "abc", "two": "def"})
    for shade in (10, 90, 170):
        assert (pixels == shade).all(axis=2).sum() > 2 * 100**2


def test_a_gradient_of_any_size_fills_the_range():
    gradient = np.random.default_rng(0).normal(size=(16, 16, 3))
    shown = attacks.gradient_picture(gradient)
    assert np.array_equal(shown, attacks.gradient_picture(1e-9 * gradient))
    assert shown.min() == 0
    assert shown.max() == 255
    assert np.unique(attacks.gradient_picture(0 * gradient)).tolist() == [128]


def test_a_picture_with_few_colours_is_smaller_and_looks_alike():
    ramp = np.linspace(0, 255, 128)
    shades = np.stack([ramp[:, None] + 0 * ramp, ramp + 0 * ramp[:, None], 0 * ramp + 0 * ramp[:, None]], axis=2)
    pixels = shades.astype(np.uint8)
    whole, few = (figures.Picture(pixels, "shades", colours=count) for count in (None, 256))
    sizes = [base64.b64decode(picture._repr_mimebundle_()[0]["image/png"]) for picture in (whole, few)]
    shown = [np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=int) for data in sizes]
    assert np.array_equal(shown[0], pixels)
    assert np.abs(shown[1] - pixels).mean() < 6
    assert len(np.unique(shown[1].reshape(-1, 3), axis=0)) <= 256


def test_maps_of_two_sizes_share_their_colours():
    assert decision_map.class_colours([HALF, np.ones((5, 5), dtype=int)], label=0).keys() == {0, 1}
