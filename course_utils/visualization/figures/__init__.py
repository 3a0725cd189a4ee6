"""Lesson 6's pictures."""

from course_utils.visualization.figures.climbs import exchange, ladder, sheet
from course_utils.visualization.figures.excite import agreement, stored, strongest
