"""From arrays to pictures: what all figures share stands here; a lesson's own drawings in its wing.

Serves all eight notebooks and their labs. Nothing here computes: it shows what it is given. Papers: none.
"""

from course_utils.figures.base import WIDTH, Picture, amplified, bars, fitted, font, nested_bars, panels, percent, tiles
from course_utils.figures.charts import curves, quick_curves
from course_utils.figures.colours import BLUE, GREEN, HEATS, INK, VERMILLION, filter_pixels, heat, map_pixels, overlaid
from course_utils.figures.style import STYLES, use
