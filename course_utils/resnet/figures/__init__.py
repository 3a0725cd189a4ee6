"""Lesson 5's pictures."""

from course_utils.resnet.figures.loss_surface import missing_blocks, mountains
from course_utils.resnet.figures.plans import fates, matrices
