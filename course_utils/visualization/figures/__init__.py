"""Lesson 6's pictures."""

from course_utils.visualization.figures.climbs import exchange, ladder, sheet
from course_utils.visualization.figures.excite import agreement, climbing, maps, outlined, stored, strongest, wall

__all__ = ["agreement", "climbing", "exchange", "ladder", "maps", "outlined", "sheet", "stored", "strongest", "wall"]
