"""Features made by hand against features learnt: a fair comparison, no leak from test to training, whole curves."""

import itertools

import numpy as np
import pytest
import torch

from course_utils import signs
from course_utils.history import learning_curve
from course_utils.history.learning_curve import CNN, HOG, METHODS, PLACED, WORDS, Curves

as_shipped = learning_curve.training_steps


@pytest.fixture(autouse=True, scope="module")
def a_short_training():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(learning_curve, "training_steps", lambda size: 10)
        yield


@pytest.fixture(scope="module")
def comparison(a_short_training):
    *path, last = learning_curve.compare((20, 40), seed=1, test_scenes=40)
    return path, last


def answers(progress, method, size):
    (found,) = [one.answers for one in progress.readings if (one.method, one.size) == (method, size)]
    return found


def test_the_bar_only_moves_forward_and_ends(comparison):
    path, last = comparison
    shares = [progress.share for progress in path]
    assert all(a <= b for a, b in itertools.pairwise(shares))
    assert last.share == 1
    assert max(b - a for a, b in itertools.pairwise(shares)) < 0.2


def test_every_method_reads_after_every_size(comparison):
    _, last = comparison
    assert [(reading.method, reading.size) for reading in last.readings] == [
        (method, size) for size in (20, 40) for method in METHODS
    ]
    for method in METHODS:
        sizes, values = last.points(method)
        assert sizes == [20, 40]
        assert all(0 <= value <= 1 for value in values)
    assert last.points(PLACED)[1][-1] > 0.2  # guessing reads one in twenty


def test_the_same_seed_gives_the_same_readings_whoever_else_takes_part(comparison):
    _, last = comparison
    torch.manual_seed(99)
    before = torch.get_rng_state()
    *_, again = learning_curve.compare((20,), seed=1, test_scenes=40, methods=(HOG, CNN))
    assert torch.equal(torch.get_rng_state(), before)
    for method in (HOG, CNN):
        assert np.array_equal(answers(again, method, 20), answers(last, method, 20))


def test_what_is_learnt_does_not_depend_on_the_test_scenes(comparison):
    _, last = comparison
    *_, fewer = learning_curve.compare((20,), seed=1, test_scenes=20)
    for method in METHODS:  # the first twenty test scenes are the same; a leak would change the answers
        assert np.array_equal(answers(fewer, method, 20), answers(last, method, 20)[:20]), method


def test_no_scene_is_in_two_albums():
    albums = [learning_curve._Album(place, [HOG]) for place in (0, signs.APART, learning_curve.TEST)]
    for album in albums:
        list(album.grow(60))
    every = [picture.numpy().tobytes() for album in albums for part in album.rounds for picture in part]
    assert len(set(every)) == len(every) == 180
    assert 999 * signs.APART + signs.APART < learning_curve.TEST


def test_a_small_training_set_is_the_beginning_of_a_larger_one():
    small, large = (learning_curve._Album(5, [HOG]) for _ in range(2))
    list(small.grow(20))
    list(large.grow(60))
    assert torch.equal(small.rounds[0], large.rounds[0])
    assert large.labels.tolist() == 3 * list(range(20))


def test_mistakes_are_counted_by_class():
    labels = np.array([10, 10, 10, 9, 9])
    reading = learning_curve.Reading(HOG, 20, np.array([9, 9, 10, 9, 10]), labels)
    assert reading.accuracy == 0.4
    counted = [("stop", "yield", 0.6667), ("yield", "stop", 0.5)]
    assert learning_curve.count_confusions([reading]) == counted
    assert learning_curve.count_confusions([reading] * 3) == counted  # three training sets count as one


def test_curves_cross_where_the_lines_do():
    curves = Curves([10, 100, 1000], {CNN: [[0.2, 0.4, 0.9], [0.2, 0.6, 0.9]], HOG: [[0.4, 0.6, 0.7]]}, 100, {}, {})
    assert curves.mean(CNN) == pytest.approx([0.2, 0.5, 0.9])
    assert curves.band(CNN)[1] == [0.2, 0.6, 0.9]
    assert curves.crossing(CNN, HOG) == pytest.approx(10 ** (2 + 1 / 3))  # -0.1 at 100, +0.2 at 1000
    assert curves.crossing(HOG, CNN) is None
    assert curves.at(HOG, 100) == 0.6


def test_curves_are_stored_and_read_again(tmp_path):
    curves = Curves([20], {CNN: [[0.5]]}, 40, {CNN: [("stop", "yield", 0.25)]}, {"command": "…"})
    curves.save(tmp_path / "new" / "curves.json")
    assert learning_curve.load_curves(tmp_path / "new" / "curves.json") == curves


def test_the_shipped_curves_are_whole():
    curves = learning_curve.load_curves()
    assert tuple(curves.sizes) == learning_curve.SIZES
    assert curves.test_scenes >= 1000
    assert curves.made["recipes"] == learning_curve.RECIPES
    for method in METHODS:
        values = np.array(curves.accuracies[method])
        assert values.shape == (len(curves.made["seeds"]), len(curves.sizes))
        assert len(values) >= 3
        assert (np.diff(values.mean(axis=0)) > -0.02).all()  # more scenes never hurt
        assert curves.confusions[method]


@pytest.mark.slow
def test_a_run_today_lies_on_the_shipped_curves(monkeypatch):
    monkeypatch.setattr(learning_curve, "training_steps", as_shipped)
    curves = learning_curve.load_curves()
    *_, last = learning_curve.compare((20, 60), seed=0, test_scenes=200)
    for method in METHODS:
        for size, accuracy in zip(*last.points(method), strict=True):
            assert accuracy == pytest.approx(curves.at(method, size), abs=0.13), (method, size)


# ---- mistakes --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"sizes": (30,)}, "rounds of 20, one of each class; 30 is no such number"),
        ({"sizes": (40, 20)}, r"the smallest first; got \[40, 20\]"),
        ({"sizes": ()}, r"at least one size, the smallest first; got \[\]"),
        ({"test_scenes": 0}, "number of scenes must be at least 20; got 0"),
        ({"seed": -1}, r"the seed must lie in \[0, 999\]; got -1"),
        ({"methods": ("SURF",)}, "a method is one of 'SIFT words', .*; got 'SURF'"),
        ({"methods": ()}, "at least one method; there are SIFT words"),
    ],
)
def test_a_comparison_that_cannot_be_is_told(options, words):
    with pytest.raises(ValueError, match=words):
        next(learning_curve.compare(**({"sizes": (20,)} | options)))


def test_a_curve_is_asked_for_a_size_that_it_has():
    curves = Curves([20, 60], {WORDS: [[0.1, 0.2]]}, 40, {}, {})
    with pytest.raises(ValueError, match="the size is one of 20, 60; got 50"):
        curves.at(WORDS, 50)
    with pytest.raises(ValueError, match="there is no method 'nix'; choose one of "):
        curves.at("nix", 20)
    with pytest.raises(ValueError, match="there is no method 'a'; choose one of "):
        curves.crossing("a", "b")
