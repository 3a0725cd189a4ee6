"""Lesson 5's pictures."""

from course_utils.resnet.figures.jacobians import fates, matrices, outcomes
from course_utils.resnet.figures.lesions import lesion_bars
from course_utils.resnet.figures.loss_surface import surfaces
