"""Lesson 6's labs."""

from course_utils.visualization.labs.ascent import VisualizationLab
from course_utils.visualization.labs.looking import DreamLab, MapsLab
