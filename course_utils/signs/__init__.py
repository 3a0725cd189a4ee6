"""The course's own data: road-sign scenes without end, from a seed.

Serves all eight notebooks: `scenes` renders them, from the plates in `drawings` and the streets in `backgrounds`.
"""

from course_utils.signs.scenes import CLASS_NAMES, CLASSES, LARGEST, SMALLEST, STOP, YIELD, Dials, Scenes, render

__all__ = ["CLASSES", "CLASS_NAMES", "LARGEST", "SMALLEST", "STOP", "YIELD", "Dials", "Scenes", "render"]
