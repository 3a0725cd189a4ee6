"""Loss surfaces are drawn with β upwards, dark where the loss is low, and without gaps."""

import numpy as np

from course_utils import figures
from course_utils.resnet.figures import loss_surface as drawings


def test_gaps_are_filled_from_their_neighbours_and_what_is_known_stays():
    heights = np.full((5, 5), np.nan)
    heights[2, 2], heights[0, 0] = 0.0, 1.0
    full = drawings.fill_gaps(heights)
    assert full[2, 2] == 0
    assert full[0, 0] == 1
    assert full[1, 2] < 0.5 < full[0, 1]
    assert np.isfinite(full).all()
    assert (drawings.fill_gaps(np.full((3, 3), np.nan)) == 1).all()


def test_contours_are_dark_where_the_loss_is_low_and_have_beta_upwards():
    losses = np.full((9, 9), 1e6)
    losses[7:, :2] = 1e-6  # β large, α small: above on the left
    pixels = drawings.contours({"one": losses, "two": losses}, 1.0, title="t").astype(int)
    assert pixels.shape[1] == figures.WIDTH
    left, top, side = drawings.LEFT, 96, 430
    assert pixels[top + 20, left + 20].sum() < pixels[top + side - 20, left + 20].sum() - 200
    assert pixels[top + 20, left + 20].sum() < pixels[top + 20, left + side - 20].sum() - 200


def test_infinite_losses_are_drawn_as_the_highest():
    losses = np.full((3, 3), np.inf)
    losses[1, 1] = 0.0
    for draw in (drawings.contours, drawings.surfaces):
        assert draw({"one": losses, "two": losses}, 1.0, title="t").shape[1] == figures.WIDTH
