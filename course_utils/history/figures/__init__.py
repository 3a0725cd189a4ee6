"""Lesson 1's pictures."""

from course_utils.history.figures.facts import certainty, duration, imagenet
from course_utils.history.figures.hardware import throughput
