"""Lesson 6, feature visualization: climb from noise to what a filter, a neuron or a class wants to see.

from course_utils.visualization import Filter, climb
climb(network, Filter("stage3", 5), steps=64)
"""

from course_utils.visualization import canvas, classes, dreams, examples, figures, objectives
from course_utils.visualization.ascent import ADAM, Climb, Step, climb, climb_steps, score
from course_utils.visualization.canvas import noise
from course_utils.visualization.objectives import Filter, Layer, Logit, Neuron, Objective, Probability
from course_utils.visualization.recipes import FULL, LADDER, NAIVE, Recipe
