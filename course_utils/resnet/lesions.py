"""A lesion study: what a trained network can do without each of its blocks.

Serves notebook 05. Paper: Veit et al. 2016, "Residual Networks Behave Like Ensembles of Relatively Shallow Networks",
arXiv:1605.06431, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_utils import runtime
from course_utils.networks.pixels import PixelNetwork
from course_utils.networks.resnet import Block, PaddedSkip


@dataclass(frozen=True)
class Lesion:
    """What the network can do without one of its blocks."""

    name: str  # of the block, such as "stage2.3"
    loss: float  # mean cross-entropy
    accuracy: float  # share that is read right, in [0, 1]


def study(network: nn.Module, images: Tensor, labels: Tensor) -> list[Lesion]:
    """Take out one block after the other, first to last (each is put back before the next); measure what is left.

    Args:
        network: a ResNet of `resnet`, alone or as a network of the zoo; evaluation mode inside, left as it was.
        images, labels: [N, 3, H, W], in [0, 1] for a network of the zoo, and [N].

    Raises:
        TypeError: it is no network of `resnet`.

    >>> from course_utils.networks.resnet import SmallResNet
    >>> network = PixelNetwork(SmallResNet(8, 4), name="untrained", class_names="abcd", input_size=16)
    >>> [lesion.name for lesion in study(network, torch.rand(4, 3, 16, 16), torch.arange(4))]
    ['stage1.0', 'stage2.0', 'stage3.0']
    """
    body = network.body if isinstance(network, PixelNetwork) else network
    if not hasattr(body, "parts"):
        raise TypeError(f"blocks are taken out of the networks of resnet.py; got {type(body).__name__}.")
    parts = list(body.parts().items())
    where = next(network.parameters()).device
    x, labels = images.to(where), labels.to(where)
    if isinstance(network, PixelNetwork):
        x = (x - network.mean) / network.std
    found = []
    with torch.no_grad(), runtime.kept(network):
        for k, (name, part) in enumerate(parts):
            if isinstance(part, Block):
                logits = nn.Sequential(bypass(part), *(later for _, later in parts[k + 1 :]))(x)
                right = (logits.argmax(dim=1) == labels).float().mean().item()
                found.append(Lesion(name, cross_entropy(logits, labels).item(), right))
            x = part(x)  # once for all the later ones
    return found


def bypass(block: Block) -> nn.Module:
    """What stands in the place of a missing block: its skip, f(x) = x, and the ReLU where the block ends with one.

    A plain block is given the skip of its residual twin: the identity, or the padded one where the shape changes.
    """
    skip = block.skip
    if skip is None:
        convolutions = [layer for layer in block.children() if isinstance(layer, nn.Conv2d)]
        more = convolutions[-1].out_channels - convolutions[0].in_channels
        stride = max(convolution.stride[0] for convolution in convolutions)
        skip = nn.Identity() if (more, stride) == (0, 1) else PaddedSkip(more, stride)
    return skip if block.preactivation else nn.Sequential(skip, nn.ReLU())
