"""The pictures of lesson 4 are true: bars as high as they have channels, darker where more is lost."""

import numpy as np
import pytest
import torch
from PIL import ImageColor

from course_utils.costs import accounting
from course_utils.figures import colours
from course_utils.figures.base import WIDTH
from course_utils.inception import figures
from course_utils.networks.inception import Inception


def column(pixels, x, colour):
    """How many pixels of one column have a colour."""
    return int((pixels[:, x] == np.array(ImageColor.getrgb(colour))).all(axis=-1).sum())


def cost_of(*widths):
    with torch.device("meta"):
        return accounting.account(Inception(*widths), (widths[0], 28, 28))


# ---- the module ------------------------------------------------------------------------------------------------
def test_bars_are_as_high_as_they_have_channels():
    widths = {"conv_1x1": 100, "conv_3x3": 200, "conv_5x5": 100, "pool": 50}
    pixels = figures.module(cost_of(200, 100, (50, 200), (25, 100), 50), title="t")[: figures.BOTTOM + 10]
    heights = {name: column(pixels, figures.LAST + 5, figures.COLOURS[name]) for name in widths}
    unit = heights["conv_3x3"] / 200
    assert unit > 0.4
    for name, filters in widths.items():
        assert heights[name] == pytest.approx(filters * unit, abs=2)
    assert column(pixels, figures.FIRST + 5, colours.PALE) == pytest.approx(200 * unit, abs=3)
    between = figures.BETWEEN + 5
    assert column(pixels, between, colours.ORANGE) == pytest.approx(50 * unit, abs=3)
    assert column(pixels, between, colours.PURPLE) == pytest.approx(200 * unit, abs=3)  # pooling keeps all channels


def test_a_thin_branch_still_has_room_and_nothing_runs_over_the_edge():
    for (one, three, five, pool), channels in (((1, 1, 1, 1), 1024), ((512, 1, 1, 512), 1), ((1, 512, 512, 1), 3)):
        pixels = figures.module(cost_of(channels, one, (256, three), (256, five), pool), title="t")
        band = pixels[figures.BOTTOM + 12 : 552, 60:1060]  # between the diagram and the shares
        assert (band == 255).all()


def test_a_module_without_reductions_has_no_bars_in_front():
    pixels = figures.module(cost_of(200, 100, (None, 200), (None, 100), 50), title="t")[: figures.BOTTOM + 10]
    between = figures.BETWEEN + 5
    assert column(pixels, between, colours.ORANGE) == column(pixels, between, colours.GREEN) == 0
    assert column(pixels, between, colours.PURPLE) > 0


# ---- the others ------------------------------------------------------------------------------------------------
def test_tiles_show_the_most_active_channels_first():
    maps = np.zeros((12, 4, 4), dtype=np.float32)
    maps[7] = 1.0
    pixels = figures.tiles(maps, colours.BLUE)
    assert pixels.shape == (200, 200, 3)
    assert (pixels[30, 30] == 255).all()  # white is most
    assert (pixels[30, 100] == ImageColor.getrgb(colours.INK)).all()  # dark is 0
    assert figures.tiles(np.zeros((2, 4, 4)), colours.BLUE).shape == (200, 200, 3)


def test_a_darker_cell_means_more_is_lost():
    table = figures.ablations([[1.0, 0.2]], [[0.5, 0.5]], ["m"], ["a", "b"], title="t")
    left, right = table[150, 200], table[150, 1090]
    assert left.astype(int).sum() > right.astype(int).sum() + 100


def test_a_race_of_nothing_is_drawn():
    pixels = figures.race({"a": ([], [])}, {"a": ([], [])}, pictures=9.6, work=800, goal=0.9)
    assert pixels.shape == (440, WIDTH, 3)
