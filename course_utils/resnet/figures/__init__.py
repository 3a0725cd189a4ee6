"""Lesson 5's pictures."""

from course_utils.resnet.figures.loss_surface import contours, filled, heat, missing_blocks, mountains
from course_utils.resnet.figures.plans import Drawn, blocks, diverging, fate, fates, matrices, times

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
