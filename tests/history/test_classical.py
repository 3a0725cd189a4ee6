"""Features made by hand: scikit-image as oracle, properties of words, a classifier that chooses as it should."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import signs
from course_utils.history import classical

skimage_hog = pytest.importorskip("skimage.feature").hog


@pytest.fixture(scope="module")
def scenes():
    return signs.render(list(range(20)), seed=4, device="cpu").images


@pytest.fixture(scope="module")
def described(scenes):
    return [classical.sift(picture) for picture in scenes.split(1)]


@pytest.fixture(scope="module")
def words(described):
    return classical.learn_words(described, 50)


def blob(angle: float, size: int = 64) -> torch.Tensor:
    """One soft spot in the middle of a slope that rises in a direction (0: to the right, π/2: downwards)."""
    y, x = torch.meshgrid(*[torch.linspace(-1, 1, size)] * 2, indexing="ij")
    slope = 0.5 + 0.2 * (x * math.cos(angle) + y * math.sin(angle))
    return (slope + 0.25 * torch.exp(-(x**2 + y**2) / 0.02)).clamp(0, 1).expand(1, 3, size, size).clone()


# ---- SIFT ------------------------------------------------------------------------------------------------------
def test_a_spot_is_found_where_it_is_and_as_large_as_it_is():
    points = classical.sift(blob(0.3))
    distance = np.abs(points.positions - 31.5).max(axis=1)
    assert distance.min() < 0.7
    # A Gaussian spot of σ pixels stands out at about that blur: here √(0.02 / 2) of half a picture.
    assert points.scales[distance.argmin()] == pytest.approx(0.1 * 31.5, rel=0.3)


@pytest.mark.parametrize("angle", [0.0, 0.7, math.pi / 2, 2.5, -1.2])
def test_the_orientation_points_up_the_slope(angle):
    points = classical.sift(blob(angle))
    middle = np.abs(points.positions - 31.5).max(axis=1) < 1
    turns = points.orientations[middle] - angle
    assert np.cos(turns).max() > 0.97


def test_x_comes_before_y():
    moved = torch.roll(blob(0.0), (12, -8), dims=(2, 3))  # 12 down, 8 to the left
    distance = np.abs(classical.sift(moved).positions - np.array([31.5 - 8, 31.5 + 12])).max(axis=1)
    assert distance.min() < 0.7


def test_turning_the_picture_turns_the_points_and_leaves_their_descriptors(scenes):
    points, turned = (classical.sift(picture) for picture in (scenes[10:11], scenes[10:11].rot90(1, (2, 3))))
    assert len(turned) == pytest.approx(len(points), rel=0.2)
    # (x, y) goes to (y, 63 - x) under a quarter turn to the left
    back = np.stack([63 - turned.positions[:, 1], turned.positions[:, 0]], axis=1)
    near = np.linalg.norm(points.positions[:, None] - back[None], axis=2).argmin(axis=1)
    a, b = points.descriptors.astype(float), turned.descriptors[near].astype(float)
    likeness = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert np.median(likeness) > 0.9


def test_a_flat_picture_has_no_points():
    points = classical.sift(torch.full((1, 3, 64, 64), 0.4))
    assert len(points) == 0
    assert points.descriptors.shape == (0, 128)
    assert len(points.largest(5)) == 0


def test_the_largest_points_come_first(described):
    some = described[0].largest(7)
    assert len(some) == 7
    assert (np.diff(some.scales) <= 0).all()
    assert some.scales[-1] >= np.sort(described[0].scales)[-7]


# ---- words -----------------------------------------------------------------------------------------------------
def test_a_point_reads_as_its_nearest_word(described, words):
    roots = np.sqrt(described[1].descriptors / described[1].descriptors.sum(axis=1, keepdims=True))
    distances = ((roots[:, None] - words[None]) ** 2).sum(axis=2)
    assert np.array_equal(classical.nearest_words(described[1], words), distances.argmin(axis=1))


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_every_bag_has_length_one(described, words, levels):
    bags = classical.bag_of_words(described, words, levels=levels)
    assert bags.shape == (20, 50 * (1, 5, 21)[levels - 1])
    assert np.linalg.norm(bags, axis=1) == pytest.approx(1, abs=1e-5)
    assert (bags >= 0).all()


def test_a_bag_counts_words(described, words):
    (bag,) = classical.bag_of_words(described[:1], words)
    read = classical.nearest_words(described[0], words)
    assert bag**2 * len(described[0]) == pytest.approx(np.bincount(read, minlength=50), abs=1e-4)


@settings(max_examples=10)
@given(seed=st.integers(0, 1000), levels=st.sampled_from([1, 2, 3]))
def test_a_bag_does_not_know_the_order_of_the_points(described, words, seed, levels):
    points = described[2]
    shuffled = points[np.random.default_rng(seed).permutation(len(points))]
    once, again = classical.bag_of_words([points, shuffled], words, levels=levels)
    assert np.array_equal(once, again)


def test_only_placed_words_know_where_they_stand(described, words):
    points = described[2]
    moved = classical.KeyPoints(
        points.positions[::-1].copy(), points.scales, points.orientations, points.descriptors, points.shape
    )
    plain, placed = (classical.bag_of_words([points, moved], words, levels=levels) for levels in (1, 2))
    assert np.array_equal(*plain)
    assert not np.array_equal(*placed)


def test_the_quarters_add_up_to_the_whole(described, words):
    counts = classical.bag_of_words(described, words, levels=2).reshape(20, 5, 50) ** 2
    assert counts[:, 1:].sum(axis=1) == pytest.approx(counts[:, 0], abs=1e-6)


def test_a_picture_without_points_has_an_empty_bag(words):
    flat = classical.sift(torch.full((1, 3, 64, 64), 0.4))
    assert not classical.bag_of_words([flat], words, levels=2).any()


def test_the_same_seed_gives_the_same_words(described):
    first, again, other = (classical.learn_words(described, 20, seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


# ---- HOG -------------------------------------------------------------------------------------------------------
def by_skimage(images, cell):
    rows = images.movedim(1, -1).numpy() if images.shape[1] == 3 else images[:, 0].numpy()
    options = {"pixels_per_cell": (cell, cell), "cells_per_block": (2, 2), "block_norm": "L2-Hys"}
    axis = -1 if images.shape[1] == 3 else None
    return np.stack([skimage_hog(picture, channel_axis=axis, **options) for picture in rows])


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("cell", [8, 4, 5, 7, 32])
def test_hog_equals_skimage(scenes, channels, cell):
    images = scenes[:4, :channels].double()
    assert classical.hog(images, cell).numpy() == pytest.approx(by_skimage(images, cell), abs=1e-6)


@settings(max_examples=15)
@given(seed=st.integers(0, 10_000), height=st.integers(16, 40), width=st.integers(16, 40), cell=st.integers(2, 8))
def test_hog_equals_skimage_on_noise_of_any_shape(seed, height, width, cell):
    images = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert classical.hog(images, cell).numpy() == pytest.approx(by_skimage(images, cell), abs=1e-6)


def test_hog_of_many_is_hog_of_each(scenes):
    many = scenes.repeat(4, 1, 1, 1)  # more than are done at a time
    assert torch.equal(classical.hog(many)[60:], classical.hog(scenes))


def test_hog_does_not_mind_contrast_and_its_cells_do(scenes):
    scenes = scenes.double()
    pale = 0.4 + 0.3 * scenes
    assert (classical.hog(pale) - classical.hog(scenes)).abs().mean() < 1e-4
    assert (classical.hog_cells(pale) - 0.3 * classical.hog_cells(scenes)).abs().mean() < 1e-6


def test_an_edge_votes_for_the_direction_across_it():
    upright = torch.zeros(1, 1, 32, 32)
    upright[..., 16:] = 1
    assert classical.hog_cells(upright, cell=32).argmax() == 0  # the gradient points to the right: 0°
    assert classical.hog_cells(upright.transpose(2, 3), cell=32).argmax() == 4  # down: 90°, in the bin 80° to 100°


# ---- the classifier --------------------------------------------------------------------------------------------
def clouds(count, seed, classes=3):
    labels = np.arange(count) % classes
    draw = np.random.default_rng(seed)
    return np.eye(classes, 8)[labels] + 0.25 * draw.normal(size=(count, 8)), labels


def fitted(features, labels, seed=0):
    *_, machine = classical.fit_svm_steps(features, labels, seed=seed)
    return machine


def test_a_classifier_reads_what_a_line_can_part():
    machine = fitted(*clouds(120, 0))
    assert machine.score(*clouds(300, 1)) > 0.9
    assert machine.C in classical.STRENGTHS


def test_the_strength_is_chosen_on_pictures_that_were_held_back(monkeypatch):
    """Where the features say nothing, the training pictures are learnt by heart, and only those held back tell."""
    from sklearn import svm

    seen = []

    class Spy(svm.LinearSVC):
        def fit(self, features, labels):
            self.rows = {row.tobytes() for row in features}
            return super().fit(features, labels)

        def predict(self, features):
            seen.append((len(self.rows), self.rows & {row.tobytes() for row in features}))
            return super().predict(features)

    monkeypatch.setattr(svm, "LinearSVC", Spy)
    fitted(*clouds(80, 0))
    assert len(seen) == 4 * len(classical.STRENGTHS)
    assert all(count == 60 and not both for count, both in seen)


def test_the_same_seed_fits_the_same_classifier():
    features, labels = clouds(60, 3)
    one, two = (fitted(features, labels, seed=7).coef_ for _ in range(2))
    assert np.array_equal(one, two)


# ---- mistakes --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("function", [classical.hog, classical.hog_cells, classical.to_grey, classical.sift])
@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), TypeError, "got torch.uint8, so divide by 255"),
        (np.zeros((1, 3, 64, 64)), TypeError, "as images.to_tensor makes it; got ndarray"),
        (torch.zeros(1, 4, 64, 64), ValueError, r"got \[1, 4, 64, 64\]"),
        (torch.zeros(0, 3, 64, 64), ValueError, "a batch .* of at least one picture"),
        (torch.zeros(1, 3, 64, 8), ValueError, r"at least 16 pixels high and wide; got \[64, 8\]"),
        (torch.full((1, 3, 64, 64), float("nan")), ValueError, "holds NaN"),
    ],
)
def test_what_is_no_picture_is_told_in_a_sentence(function, images, error, words):
    with pytest.raises(error, match=words):
        function(images)


def test_one_picture_at_a_time_is_told(scenes):
    with pytest.raises(ValueError, match=r"picture must be one picture \[1, C, H, W\] .*; got \[2, 1, 64, 64\]"):
        classical.sift(scenes[:2])


def test_too_few_pictures_for_the_vocabulary_are_told(described):
    with pytest.raises(ValueError, match="5000 words need at least as many key points, and these 2 pictures have"):
        classical.learn_words(described[:2], 5000)
    with pytest.raises(ValueError, match="2 words need at least as many key points, and these 0 pictures have 0"):
        classical.learn_words([], 2)
    with pytest.raises(ValueError, match="the number of words must be at least 2; got 1"):
        classical.learn_words(described, 1)


def test_bags_that_cannot_be_are_told(described, words):
    with pytest.raises(ValueError, match="no picture to count words in"):
        classical.bag_of_words([], words)
    with pytest.raises(ValueError, match="levels is 1, 2 or 3; got 4"):
        classical.bag_of_words(described, words, levels=4)


def test_cells_that_do_not_fit_are_told(scenes):
    for cell in (1, 65, -3, 0):
        with pytest.raises(ValueError, match="cell is 2 to 64 pixels wide here"):
            classical.hog_cells(scenes, cell)
    for cell in (1, 33, -3, 0):
        with pytest.raises(ValueError, match="cell is 2 to 32 pixels wide here, so that a block fits"):
            classical.hog(scenes, cell)


@pytest.mark.parametrize(
    ("features", "labels", "words"),
    [
        (np.zeros((5, 2)), np.arange(5), "eight pictures and two classes at least; got 5 pictures of 5 classes"),
        (np.zeros((9, 2)), np.zeros(9), "got 9 pictures of 1 class"),
        (np.zeros((9, 2)), np.zeros(8), r"a label each; got \[9, 2\] and 8 labels"),
        (np.zeros(9), np.zeros(9), r"got \[9\] and 9 labels"),
    ],
)
def test_a_classifier_that_cannot_be_fitted_is_told(features, labels, words):
    with pytest.raises(ValueError, match=words):
        fitted(features, labels)
