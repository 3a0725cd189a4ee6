"""Lesson 6, feature visualization: climb from noise to what a filter, a neuron or a class wants to see.

from course_utils.visualization import Filter, climb
climb(network, Filter("stage3", 5), steps=64)
"""

from course_utils.visualization import canvas, classes, dreams, excite, figures, objectives
from course_utils.visualization.ascent import (
    LADDER,
    NAIVE,
    Climb,
    Recipe,
    Step,
    climb,
    climb_steps,
    noise,
    score,
)
from course_utils.visualization.objectives import Filter, Layer, Logit, Mixture, Neuron, Objective, Probability
