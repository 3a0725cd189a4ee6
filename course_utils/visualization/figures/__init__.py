"""Lesson 6's pictures."""

from course_utils.visualization.figures.climbs import exchange, ladder, sheet
from course_utils.visualization.figures.examples import agreement, fewer_shades, top_examples
