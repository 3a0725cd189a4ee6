"""Lesson 2, pooling: its own max, average and blur pooling, and what pooling buys of shift-invariance.

from course_utils import pooling
pooling.max_pool2d(images, kernel_size=2, stride=2)
"""

from course_utils.networks.pooled import KINDS, BlurPool2d, SignsPoolNet, binomial
from course_utils.pooling import figures, shifts
from course_utils.pooling.pooling import (
    SLIDE_AVERAGE,
    SLIDE_MAX,
    WindowStep,
    avg_pool2d,
    blur2d,
    blur_pool2d,
    max_pool2d,
    output_size,
    pool2d,
    window_steps,
    without_pooling,
)

__all__ = [
    "KINDS",
    "SLIDE_AVERAGE",
    "SLIDE_MAX",
    "BlurPool2d",
    "SignsPoolNet",
    "WindowStep",
    "avg_pool2d",
    "binomial",
    "blur2d",
    "blur_pool2d",
    "figures",
    "max_pool2d",
    "output_size",
    "pool2d",
    "shifts",
    "window_steps",
    "without_pooling",
]
