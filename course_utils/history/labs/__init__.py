"""Lesson 1's labs."""

from course_utils.history.labs.features import FeaturesLab
from course_utils.history.labs.learning_curve import LearningCurveLab
from course_utils.history.labs.out_of_distribution import NonsenseLab
from course_utils.history.labs.timeline import TimelineLab
