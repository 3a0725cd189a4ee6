"""Lesson 6's labs."""

from course_utils.visualization.labs.ascent import VisualizationLab
from course_utils.visualization.labs.dreams import DreamLab
from course_utils.visualization.labs.maps import MapsLab
