"""Lesson 1's pictures."""

from course_utils.history.figures.classical import (
    dashed,
    dots,
    features,
    filter_pixels,
    gradient_cells,
    key_points,
    learning_curves,
    map_pixels,
    mixed,
    spread,
    tiles,
)
from course_utils.history.figures.facts import answer, certainty, duration, imagenet, timeline
from course_utils.history.figures.hardware import number, throughput

__all__ = [
    "answer",
    "certainty",
    "dashed",
    "dots",
    "duration",
    "features",
    "filter_pixels",
    "gradient_cells",
    "imagenet",
    "key_points",
    "learning_curves",
    "map_pixels",
    "mixed",
    "number",
    "spread",
    "throughput",
    "tiles",
    "timeline",
]
