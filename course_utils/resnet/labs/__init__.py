"""Lesson 5's labs."""

from course_utils.resnet.labs.blocks import draw_blocks
from course_utils.resnet.labs.jacobians import GradientLab
from course_utils.resnet.labs.loss_surface import LossSurfaceLab
from course_utils.resnet.labs.twins import TwinsLab
