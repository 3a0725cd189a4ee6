"""Lesson 4, Inception: the module branch by branch, GoogLeNet as its table, and a race with and without reductions.

from course_utils import inception
inception.GoogLeNet()
"""

from course_utils.inception import auxiliary, branches, figures, race, timing
from course_utils.networks.inception import (
    BRANCHES,
    MODULES,
    Auxiliary,
    GoogLeNet,
    Inception,
    SignsInception,
    SmallInception,
    from_torchvision,
)
