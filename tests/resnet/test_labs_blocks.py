"""The plan of residual blocks: it says what the slide says, for every kind of block."""

import pytest
import torch

from course_utils import figures, resnet
from course_utils.resnet.figures import blocks as drawings
from course_utils.resnet.labs import blocks


def test_the_plan_says_what_the_slide_says():
    block, x = resnet.BasicBlock(8, 16, stride=2).eval(), torch.rand(1, 8, 32, 32)
    plan = blocks._plan(block, x, block(x))
    assert plan.boxes == (
        ("3×3 conv", "16 filters", "stride 2, pad 1"),
        ("norm", "ReLU"),
        ("3×3 conv", "16 filters", "stride 1, pad 1"),
        ("norm",),
    )
    assert plan.skip == "1×1 convolution, 16 filters, stride 2"
    assert (plan.inputs, plan.outputs, plan.last) == ("8 × 32 × 32", "16 × 16 × 16", "ReLU")


@pytest.mark.parametrize(
    ("block", "skip", "last"),
    [
        (resnet.BasicBlock(8, 8), "x", "ReLU"),
        (resnet.BasicBlock(8, 8, skip=False), None, "ReLU"),
        (resnet.BasicBlock(8, 8, preactivation=True), "x", ""),
        (resnet.BasicBlock(8, 12, 2, shortcut="padding"), "x, one place in 4, and 4 channels of zeros", "ReLU"),
        (resnet.BasicBlock(8, 12, shortcut="padding", norm=False), "x, and 4 channels of zeros", "ReLU"),
        (resnet.Bottleneck(8, 4), "1×1 convolution, 16 filters, stride 1", "ReLU"),
    ],
)
def test_every_kind_of_block_has_a_plan(block, skip, last):
    x = torch.rand(1, 8, 16, 16)
    plan = blocks._plan(block, x, block(x))
    assert (plan.skip, plan.last) == (skip, last)
    picture = blocks.draw_blocks([block], x)
    assert picture.pixels.shape == (drawings.ROW, figures.WIDTH, 3)
    assert block.training  # as it was


def test_blocks_in_a_row_are_drawn_with_the_shapes_between_them():
    road = [resnet.BasicBlock(8, 8), resnet.BasicBlock(8, 16, stride=2)]
    assert blocks.draw_blocks(road, torch.rand(1, 8, 32, 32)).pixels.shape[0] == 2 * drawings.ROW
