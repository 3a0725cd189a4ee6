"""The labs of features and of learning curves, and the drawings beside them, without a browser."""

import html
import itertools
import re

import numpy as np
import pytest

from course_utils import figures, signs, zoo
from course_utils.figures.colours import map_pixels
from course_utils.history import classical, learning_curve
from course_utils.history.figures import classical as drawings
from course_utils.history.labs import features as features_lab
from course_utils.history.labs import learning_curve as curve_lab
from course_utils.history.learning_curve import CNN, HOG, METHODS, Curves
from tests.seen import pixels_of, png, put, refuses_a_broken_file, words

SIZES = [20, 60, 200]


# ---- features --------------------------------------------------------------------------------------------------
@pytest.fixture
def features(monkeypatch):
    """The lab over a network that was never trained, so that it needs none that ships."""
    network = zoo.PixelNetwork(
        learning_curve.SmallNetwork(), name="small", class_names=signs.CLASS_NAMES, input_size=64
    ).eval()
    monkeypatch.setattr(zoo, "load", lambda name, device=None, progress=True: network)
    return features_lab.FeaturesLab("small")


def test_the_lab_counts_the_numbers_of_each_way_of_seeing(features):
    points = classical.sift(signs.render([signs.STOP], seed=3, device="cpu").images)
    assert f"{len(points) * 128:,} numbers in SIFT's points" in words(features.headline)
    assert "12,288 pixel values" in words(features.headline)
    assert "576 in HOG's cells" in words(features.headline)
    assert "16,384 in the answers" in words(features.headline)


@pytest.mark.parametrize("points", [0, 100])
@pytest.mark.parametrize("cell", [4, 32])
@pytest.mark.parametrize("filter", [0, 15])
@pytest.mark.parametrize("below", [features_lab.FILTERS, features_lab.ANSWERS])
def test_every_corner_of_the_controls_gives_a_picture(features, points, cell, filter, below):
    features.set(points=points, cell=cell, filter=filter, below=below)
    assert features.message.value == ""
    assert pixels_of(features).shape[1] == figures.WIDTH


@pytest.mark.parametrize(
    ("control", "value", "left", "right"),
    [("points", 60, 0, 370), ("cell", 16, 370, 740), ("filter", 3, 740, 1120)],
)
def test_a_control_changes_its_own_panel_and_no_other(features, control, value, left, right):
    before = pixels_of(features)[60:360]  # the panels, without titles, captions and strip
    features.controls[control].value = value
    changed = (np.abs(pixels_of(features)[60:360] - before) > 40).any(axis=(0, 2))
    assert changed[left:right].any()
    changed[left:right] = False
    assert not changed.any()


def test_the_strip_shows_filters_or_answers(features):
    before = pixels_of(features)[460:]
    features.set(below=features_lab.ANSWERS)
    assert (np.abs(pixels_of(features)[460:] - before) > 40).any()


def test_every_picture_can_be_chosen(features):
    for picture in features.controls["picture"].options:
        if picture != features_lab.OWN:
            features.set(picture=picture)
            assert features.message.value == "", picture


def test_sift_looks_once_at_a_picture(features, monkeypatch):
    calls, real = [], classical.sift
    monkeypatch.setattr(classical, "sift", lambda picture: calls.append(1) or real(picture))
    for points, cell in itertools.product((0, 5, 50), (5, 8)):
        features.set(points=points, cell=cell)
    assert calls == []
    features.set(picture="YIELD, scene 3")
    assert len(calls) == 1


def test_an_upload_becomes_the_picture_and_a_flat_one_has_no_points(features):
    put(features, png(np.full((90, 120, 3), 130, np.uint8)))
    assert features.message.value == ""
    assert features.controls["picture"].value == features_lab.OWN
    assert " 0 numbers in SIFT's points" in words(features.headline)


def test_a_broken_upload_and_a_missing_one_are_told(features):
    features.set(picture=features_lab.OWN)
    assert "press “Upload a picture”" in words(features.message)
    refuses_a_broken_file(features, "YIELD, scene 3")


def test_reset_brings_the_first_picture_back(features):
    first = features.image.value
    features.set(points=90, cell=5, filter=1, below=features_lab.ANSWERS, picture="YIELD, scene 3")
    features.reset_button.click()
    assert features.image.value == first


# ---- learning curves -------------------------------------------------------------------------------------------
@pytest.fixture
def curves(monkeypatch):
    rising = {method: [[0.2 + 0.1 * k, 0.5, 0.8], [0.1 + 0.1 * k, 0.4, 0.9]] for k, method in enumerate(METHODS)}
    made_up = Curves(SIZES, rising, 1000)
    monkeypatch.setattr(learning_curve, "shipped", lambda: made_up)
    monkeypatch.setattr(curve_lab, "SHORTER", {"twenty": (20,), "twenty and forty": (20, 40)})
    monkeypatch.setattr(curve_lab, "TEST_SCENES", 40)
    return made_up


def test_the_lab_begins_with_what_ships(curves):
    lab = curve_lab.LearningCurveLab()
    assert "the mean of 2 training sets, tested on 1,000 fresh scenes" in words(lab.headline)
    assert np.abs(pixels_of(lab) - curve_lab.picture(curves).pixels).mean() < 2
    assert not lab.running


def test_start_draws_a_ring_for_each_reading(curves):
    lab = curve_lab.LearningCurveLab()
    shipped = pixels_of(lab)
    lab.set(readers="the CNN alone")
    lab.start()
    assert lab.message.value == ""
    assert lab.progress.value == 1
    assert re.fullmatch(r"After 20 training scenes, of 40 fresh ones: CNN \d+ %\.", words(lab.headline))
    assert (np.abs(pixels_of(lab) - shipped) > 60).any()
    lab.reset_button.click()
    assert np.array_equal(pixels_of(lab), shipped)


def test_the_live_contest_is_the_one_that_made_the_shipped_curves(curves):
    lab = curve_lab.LearningCurveLab()
    path = list(lab.steps("twenty and forty", "HOG and the CNN (quicker)", 5))
    *_, last = learning_curve.contest((20, 40), seed=5, test_scenes=40, methods=(HOG, CNN))
    assert [lab.share(path[0]) < 0.2, lab.share(path[-1])] == [True, 1]
    for method in (HOG, CNN):
        assert path[-1].points(method) == last.points(method)
    assert words_of(lab.draw(path[0])).endswith("…")
    assert "After 40 training scenes" in words_of(lab.draw(path[-1]))


def words_of(frame):
    return html.unescape(re.sub(r"<[^>]+>", "", frame.headline))


def test_the_curve_grows_while_the_work_goes_on(curves):
    lab = curve_lab.LearningCurveLab()
    drawn = []
    for progress in lab.steps("twenty and forty", "HOG and the CNN (quicker)", 0):
        if len(progress.readings) == len(drawn) + 1:
            drawn.append(lab.draw(progress).pixels)
    assert len(drawn) == 4
    assert all((a != b).any() for a, b in itertools.pairwise(drawn))


@pytest.mark.parametrize("seed", [0, 99])
def test_every_seed_can_be_started(curves, seed):
    lab = curve_lab.LearningCurveLab()
    lab.set(seed=seed, readers="the CNN alone")
    lab.start()
    assert "After 20" in words(lab.headline)


# ---- drawings --------------------------------------------------------------------------------------------------
def test_key_points_are_drawn_where_they_are():
    plain = np.full((64, 64, 3), 90, np.uint8)
    one = drawings.key_points(plain, np.array([[16.0, 48.0]]), np.array([3.0]), np.array([0.0]), side=320)
    assert one.shape == (320, 320, 3)
    rows, columns = np.nonzero((one != 90).any(axis=2))
    assert (rows.min() + rows.max()) / 2 == pytest.approx(48.5 * 5, abs=2)
    assert (columns.min() + columns.max()) / 2 == pytest.approx(16.5 * 5, abs=2)
    assert (
        (one[round(48.5 * 5), round(16.5 * 5) : round(16.5 * 5) + 20] != 90).any(axis=1).all()
    )  # the hand, rightwards


def test_an_edge_is_drawn_along_itself():
    cells = np.zeros((2, 2, 9))
    cells[0, 1, 0] = 1  # a gradient to the right: an upright edge
    drawn = drawings.gradient_cells(cells, side=200)
    rows, columns = np.nonzero(drawn.min(axis=2) > 150)
    assert columns.min() > 120
    assert rows.max() < 100
    assert rows.max() - rows.min() > 3 * (columns.max() - columns.min())  # the bin's middle is 10° off


def test_filters_are_grey_where_they_are_zero_and_full_where_they_are_strongest():
    filters = np.zeros((2, 3, 3, 3))
    filters[0, 0, 1, 1], filters[1, 2, 0, 0] = 5.0, -0.1
    shown = drawings.filter_pixels(filters)
    assert shown.shape == (2, 3, 3, 3)
    assert shown[0, 1, 1].tolist() == [255, 128, 128]
    assert shown[1, 0, 0].tolist() == [128, 128, 0]


def test_a_silent_map_is_black():
    shown = map_pixels(np.stack([np.zeros((4, 4)), np.eye(4)]))
    assert not shown[0].any()
    assert shown[1, 2, 2].tolist() == [255, 255, 255]


def test_more_filters_take_more_rows():
    heights = [
        drawings.tiles(np.zeros((count, 5, 5, 3), np.uint8), chosen=0, title="t").shape[0] for count in (1, 16, 17, 64)
    ]
    assert heights[0] == heights[1] < heights[2] < heights[3]


def test_names_at_the_lines_ends_do_not_overlap():
    placed = drawings.spread([(100, "a"), (101, "b"), (102, "c"), (300, "d")], 28)
    heights = [y for y, _ in placed]
    assert [name for _, name in placed] == ["a", "b", "c", "d"]
    assert min(np.diff(heights)) >= 27.9
    assert heights[3] == 300


def test_the_curves_are_drawn_quickly_and_with_bands(curves):
    plain = drawings.learning_curves({HOG: (SIZES, [0.2, 0.4, 0.6])}, title="t")
    banded = drawings.learning_curves(
        {HOG: (SIZES, [0.2, 0.4, 0.6])}, title="t", bands={HOG: ([0.1, 0.3, 0.5], [0.3, 0.5, 0.7])}, chance=0.05
    )
    assert plain.shape == banded.shape == (520, figures.WIDTH, 3)
    assert (plain != banded).any()
