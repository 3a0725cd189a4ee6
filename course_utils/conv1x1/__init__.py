"""Lesson 3, convolutions of size one: mixing channels, squeezing them, and what a bottleneck saves.

from course_utils import conv1x1
conv1x1.conv1x1(maps, weight)
"""

from course_utils.conv1x1 import bottleneck, figures
from course_utils.conv1x1.conv1x1 import (
    Learning,
    Squeeze,
    as_matrix,
    columns,
    conv1x1,
    found,
    kept_share,
    learn,
    maps_at,
    pca,
    random_mixtures,
    rebuilt_best,
    right,
    shipped_squeeze,
    strongest,
)
from course_utils.layers.find import layer_of
