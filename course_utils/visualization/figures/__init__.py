"""Lesson 6's pictures."""

from course_utils.visualization.figures.excite import agreement, climbing, maps, outlined, stored, strongest, wall
from course_utils.visualization.figures.ladder import exchange, ladder, sheet

__all__ = ["agreement", "climbing", "exchange", "ladder", "maps", "outlined", "sheet", "stored", "strongest", "wall"]
