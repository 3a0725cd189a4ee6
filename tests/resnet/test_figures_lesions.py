"""The bars of a lesion study."""

import numpy as np
import pytest
from PIL import ImageColor

from course_utils import figures
from course_utils.resnet.figures import lesions as drawings


def test_the_bars_of_missing_blocks():
    found = drawings.lesion_bars(
        ["stage1.0", "stage1.1"], {"a": [0.1, 0.2], "b": [0.9, 1.0]}, {"a": 1.0, "b": 1.0}, guess=1 / 6, title="t"
    )
    assert found.shape == (520, figures.WIDTH, 3)


def bar_heights(drawn: np.ndarray, colour: str) -> list[int]:
    """How many pixels high the bars of a colour are, from left to right."""
    column = (drawn[120:] == ImageColor.getrgb(colour)).all(axis=2).sum(axis=0)  # below title and legend
    bars = np.split(column, np.flatnonzero(np.diff((column > 20).astype(int))) + 1)
    return [int(np.median(bar)) for bar in bars if bar.max() > 20]


def test_the_bars_follow_the_data():
    without = {"a": [0.2, 0.8], "b": [0.6, 0.3]}
    drawn = drawings.lesion_bars(["stage1.0", "stage1.1"], without, {"a": 1.0, "b": 1.0}, guess=0.05, title="t")
    first, second = (bar_heights(drawn, colour) for colour in (figures.BLUE, figures.VERMILLION))
    whole = first[1] / 0.8
    assert [height / whole for height in first + second] == pytest.approx([0.2, 0.8, 0.6, 0.3], abs=0.03)
