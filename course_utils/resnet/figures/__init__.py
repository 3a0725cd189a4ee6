"""Lesson 5's pictures."""

from course_utils.resnet.figures.blocks import Drawn, blocks, diverging, fate, fates, matrices, times
from course_utils.resnet.figures.loss_surface import contours, filled, heat, missing_blocks, mountains

__all__ = [
    "Drawn",
    "blocks",
    "contours",
    "diverging",
    "fate",
    "fates",
    "filled",
    "heat",
    "matrices",
    "missing_blocks",
    "mountains",
    "times",
]
