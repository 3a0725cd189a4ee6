"""Lesson 2, pooling: its own max, average and blur pooling, and what pooling buys of shift-invariance.

from course_utils import pooling
pooling.max_pool2d(images, kernel_size=2, stride=2)
"""

from course_utils.networks.pooled import KINDS, BlurPool2d, SignsPoolNet, blur2d
from course_utils.pooling import figures, shifts
from course_utils.pooling.pooling import (
    SLIDE_AVERAGE,
    SLIDE_MAX,
    avg_pool2d,
    blur_pool2d,
    max_pool2d,
    output_size,
    pool2d,
    step_to,
    without_pooling,
    without_stride,
)
