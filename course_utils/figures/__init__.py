"""From arrays to pictures: what all figures share stands here; a lesson's own drawings in a module of its name.

Serves all eight notebooks and their labs. Nothing here computes: it shows what it is given.
Papers: Okabe and Ito (2008), "Color Universal Design", for the palette.
"""

from course_utils.figures.base import (
    BLACK,
    BLUE,
    GREEN,
    GRID,
    INK,
    MARGIN,
    ORANGE,
    PALE,
    PAPER,
    PURPLE,
    SKY,
    VERMILLION,
    WIDTH,
    YELLOW,
    Picture,
    amplified,
    attack,
    bars,
    fitted,
    font,
    panels,
    percent,
    text,
    top_classes,
)
from course_utils.figures.charts import curves, quick_curves
from course_utils.figures.style import STYLES, use

__all__ = [
    "BLACK",
    "BLUE",
    "GREEN",
    "GRID",
    "INK",
    "MARGIN",
    "ORANGE",
    "PALE",
    "PAPER",
    "PURPLE",
    "SKY",
    "STYLES",
    "VERMILLION",
    "WIDTH",
    "YELLOW",
    "Picture",
    "amplified",
    "attack",
    "bars",
    "curves",
    "fitted",
    "font",
    "panels",
    "percent",
    "quick_curves",
    "text",
    "top_classes",
    "use",
]
