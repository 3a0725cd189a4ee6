"""Lesson 8's pictures."""

from course_utils.adversarial.figures.attacks import balls, gradient_picture, matrix, rows, sieges
from course_utils.adversarial.figures.decision_map import (
    class_colours,
    heat,
    mountain,
    regions,
    several,
    square_heat,
    square_regions,
)
from course_utils.adversarial.figures.lab import Map, Side, row, scene

__all__ = [
    "Map",
    "Side",
    "balls",
    "class_colours",
    "gradient_picture",
    "heat",
    "matrix",
    "mountain",
    "regions",
    "row",
    "rows",
    "scene",
    "several",
    "sieges",
    "square_heat",
    "square_regions",
]
