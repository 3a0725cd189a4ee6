"""Lesson 8's pictures."""

from course_utils.adversarial.figures.attacks import balls, gradient_picture, matrix, robust_accuracy, rows
from course_utils.adversarial.figures.decision_map import mountain, regions
