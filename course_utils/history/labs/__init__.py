"""Lesson 1's labs."""

from course_utils.history.labs.facts import NonsenseLab, TimelineLab
from course_utils.history.labs.features import FeaturesLab
from course_utils.history.labs.learning_curve import LearningCurveLab

__all__ = ["FeaturesLab", "LearningCurveLab", "NonsenseLab", "TimelineLab"]
