"""The drawings of features and of learning curves: each mark stands where its number says."""

import numpy as np
import pytest

from course_utils import figures
from course_utils.history.figures import classical as drawings
from course_utils.history.learning_curve import HOG

SIZES = [20, 60, 200]


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


def test_the_names_stand_in_the_order_of_the_lines_ends():
    curves = {"falls": (SIZES, [0.9, 0.5, 0.2]), "rises": (SIZES, [0.2, 0.5, 0.9])}
    drawn = drawings.learning_curves(
        curves, title="t", bands={name: (ys, ys) for name, (_, ys) in curves.items()}, chance=0
    )
    right = drawn[:, 950:].astype(int)
    blue, purple = (np.nonzero((right == colour).all(axis=2))[0] for colour in ((0, 0x72, 0xB2), (0xCC, 0x79, 0xA7)))
    assert purple.max() < blue.min()  # "rises", the second, ends higher


def test_the_curves_are_drawn_with_their_bands_and_rings():
    curves, narrow, wide = {HOG: (SIZES, [0.2, 0.4, 0.6])}, ([0.2, 0.4, 0.6],) * 2, ([0.1, 0.3, 0.5], [0.3, 0.5, 0.7])
    plain, banded = (
        drawings.learning_curves(curves, title="t", bands={HOG: band}, chance=0.05) for band in (narrow, wide)
    )
    ringed = drawings.learning_curves(curves, title="t", bands={HOG: wide}, chance=0.05, live={HOG: ([60], [0.8])})
    assert plain.shape == banded.shape == ringed.shape == (520, figures.WIDTH, 3)
    assert (plain != banded).any()
    assert (np.abs(ringed.astype(int) - banded)[60:180] > 60).any()  # a ring above all lines
