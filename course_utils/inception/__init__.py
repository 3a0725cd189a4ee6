"""Lesson 4, Inception: the module branch by branch, GoogLeNet as its table, and a race with and without reductions.

from course_utils import inception
inception.GoogLeNet()
"""

from course_utils.inception import auxiliary, branches, figures, race
from course_utils.networks.inception import BRANCHES, MODULES, GoogLeNet, Inception, SignsInception, from_torchvision
