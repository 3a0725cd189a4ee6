"""Residual blocks as plans: boxes along a line, and the skip that goes round them, read off the blocks themselves.

Serves notebook 5. It wires the blocks of `networks.resnet` to `figures.blocks`. Paper: He et al. 2016.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_utils import figures, runtime
from course_utils.networks import resnet
from course_utils.resnet.figures import blocks as drawings


def draw_blocks(blocks: Sequence[resnet.Block], x: Tensor) -> figures.Picture:
    """The plan of some blocks in a row, of any kind, read off the blocks themselves; x, [1, C, H, W], goes in.

    >>> draw_blocks([resnet.BasicBlock(8, 8)], torch.rand(1, 8, 32, 32))
    [Residual blocks as boxes: convolutions along a line, and the skip that goes round them to a plus.]
    """
    plans = []
    for block in blocks:
        with runtime.kept(block), torch.no_grad():
            before, x = x, block(x)
        plans.append(_plan(block, before, x))
    words = "Residual blocks as boxes: convolutions along a line, and the skip that goes round them to a plus."
    return figures.Picture(drawings.blocks(plans), words)


def _plan(block: resnet.Block, x: Tensor, after: Tensor) -> drawings.Drawn:
    """What a drawing of a block says, read off its layers."""
    convolutions = [layer for layer in block.children() if isinstance(layer, nn.Conv2d)]
    boxes: list[tuple[str, ...]] = []
    for k, conv in enumerate(convolutions):
        side, stride, padding = conv.kernel_size[0], conv.stride[0], conv.padding[0]
        has_norm = isinstance(getattr(block, f"norm{k + 1}"), nn.BatchNorm2d)
        around = ("norm",) * has_norm + ("ReLU",) * (block.preactivation or k + 1 < len(convolutions))
        box = (f"{side}×{side} conv", f"{conv.out_channels} filters", f"stride {stride}, pad {padding}")
        boxes += [part for part in ((around, box) if block.preactivation else (box, around)) if part]
    title, skip = _skip_in_words(block)
    inputs, outputs = (" × ".join(map(str, signal.shape[1:])) for signal in (x, after))
    return drawings.Drawn(title, inputs, outputs, tuple(boxes), skip, last="" if block.preactivation else "ReLU")


def _skip_in_words(block: resnet.Block) -> tuple[str, str | None]:
    """The title of a block's plan, and what stands on its skip."""
    skip = block.skip
    if skip is None:
        return "Plain: no skip at all", None
    if isinstance(skip, nn.Identity):
        return "Same width, same size: the skip is x itself", "x"
    if isinstance(skip, resnet.PaddedSkip):
        places = "x" if skip.stride == 1 else f"x, one place in {skip.stride**2}"
        words = f"{places}, and {skip.more} channels of zeros"
    else:
        words = f"1×1 convolution, {skip[0].out_channels} filters, stride {skip[0].stride[0]}"
    return "Another width or size: the skip must bring x into the new shape", words
