"""Lesson 3's pictures."""

from course_utils.conv1x1.figures.channels import maps, matrix, mixture, shares
from course_utils.conv1x1.figures.costs import Block, Point, funnel, roofline
