"""The course's own data: road-sign scenes without end, from a seed.

Serves all eight notebooks: `scenes` renders them, from the plates in `drawings` and the streets in `backgrounds`;
`small` is the world of six signs in which lessons 5 and 8 train while one looks on.
"""

from course_utils.signs import small
from course_utils.signs.scenes import (
    APART,
    CLASS_NAMES,
    CLASSES,
    LARGEST,
    MEAN,
    SMALLEST,
    STD,
    STOP,
    TEST_SEED,
    YIELD,
    Dials,
    Scenes,
    render,
    render_blocks,
)
