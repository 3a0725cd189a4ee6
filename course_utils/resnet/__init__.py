"""Lesson 5, residual networks: the blocks, what a skip does to gradients, loss surfaces and a lesion study.

from course_utils import resnet
resnet.BasicBlock(8, 16, stride=2)
"""

from course_utils.networks.resnet import (
    STARTS,
    TABLE,
    BasicBlock,
    Block,
    Bottleneck,
    PaddedSkip,
    ResNet,
    SignsResNet,
    SmallResNet,
    from_torchvision,
    initialise,
)
from course_utils.resnet import figures, jacobians, lesions, loss_surface, twins
