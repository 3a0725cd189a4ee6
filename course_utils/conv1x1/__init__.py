"""Lesson 3, convolutions of size one: mixing channels, squeezing them, and what a bottleneck saves.

from course_utils import conv1x1
conv1x1.conv1x1(maps, weight)
"""

from course_utils.conv1x1 import bottleneck, figures

# In this face `conv1x1` is the function and hides its module: inside the package import from the module.
from course_utils.conv1x1.conv1x1 import as_matrix, conv1x1, share_on_object
from course_utils.conv1x1.squeeze import (
    Learning,
    Squeeze,
    accuracy_through,
    explained_variance,
    fit_rebuild,
    learn,
    maps_at,
    pca,
    project_at_random,
    select_maps,
)
from course_utils.layers.find import layer_of
