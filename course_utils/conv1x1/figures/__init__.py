"""Lesson 3's pictures."""

from course_utils.conv1x1.figures.channels import grey, maps, mark, matrix, mixture, shares, signed
from course_utils.conv1x1.figures.costs import Bar, Block, Point, bottleneck, funnel, roofline

__all__ = [
    "Bar",
    "Block",
    "Point",
    "bottleneck",
    "funnel",
    "grey",
    "maps",
    "mark",
    "matrix",
    "mixture",
    "roofline",
    "shares",
    "signed",
]
