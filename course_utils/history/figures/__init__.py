"""Lesson 1's pictures."""

from course_utils.history.figures.facts import certainty, duration, imagenet, scan
from course_utils.history.figures.hardware import machines, throughput
