"""Lesson 1, what was missing before 2012: features made by hand, data, hardware, and what a network cannot know.

from course_utils.history import captions, facts, faulty, hardware, learning_curve, out_of_distribution
"""

from course_utils.history import (
    captions,
    classical,
    facts,
    faulty,
    figures,
    first_layer,
    hardware,
    learning_curve,
    out_of_distribution,
)
