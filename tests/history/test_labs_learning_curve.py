"""The lab of learning curves without a browser: what ships, then a comparison that grows while one looks on."""

import html
import itertools
import re

import numpy as np
import pytest

from course_utils.history import learning_curve
from course_utils.history.labs import learning_curve as curve_lab
from course_utils.history.learning_curve import CNN, HOG, METHODS, Curves
from tests.seen import pixels_of, words

SIZES = [20, 60, 200]


@pytest.fixture
def curves(monkeypatch):
    rising = {method: [[0.2 + 0.1 * k, 0.5, 0.8], [0.1 + 0.1 * k, 0.4, 0.9]] for k, method in enumerate(METHODS)}
    made_up = Curves(SIZES, rising, 1000, {}, {})
    monkeypatch.setattr(learning_curve, "load_curves", lambda: made_up)
    monkeypatch.setattr(curve_lab, "SHORTER", {"twenty": (20,), "twenty and forty": (20, 40)})
    monkeypatch.setattr(curve_lab, "TEST_SCENES", 40)
    return made_up


def test_the_lab_begins_with_what_ships(curves):
    lab = curve_lab.LearningCurveLab()
    assert "the mean of 2 training sets, tested on 1,000 test scenes" in words(lab.headline)
    assert np.abs(pixels_of(lab) - curve_lab.drawn(curves)).mean() < 2
    assert not lab.running


def test_start_draws_a_ring_for_each_reading(curves):
    lab = curve_lab.LearningCurveLab()
    shipped = pixels_of(lab)
    lab.set(readers="the CNN alone")
    lab.start()
    assert lab.message.value == ""
    assert lab.progress.value == 1
    assert re.fullmatch(r"After 20 training scenes, of 40 test scenes: CNN \d+ %\.", words(lab.headline))
    assert (np.abs(pixels_of(lab) - shipped) > 60).any()
    lab.reset_button.click()
    assert np.array_equal(pixels_of(lab), shipped)


def test_the_live_comparison_is_the_one_that_made_the_shipped_curves(curves):
    lab = curve_lab.LearningCurveLab()
    path = list(lab.steps("twenty and forty", "HOG and the CNN (quicker)", 5))
    *_, last = learning_curve.compare((20, 40), seed=5, test_scenes=40, methods=(HOG, CNN))
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
