"""The first layer of a network: its filters, which one can look at, and what each answers to a picture.

Serves notebook 1. Paper: Krizhevsky et al. 2012, figure 3.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_utils.arguments import check_one_image
from course_utils.layers.hooks import hear


def convolution(network: nn.Module) -> nn.Conv2d:
    """The layer that sees the pixels: the first convolution from three channels; a `ValueError` if there is none."""
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d) and layer.in_channels == 3:
            return layer
    raise ValueError("this network has no convolution that looks at red, green and blue; take one of zoo.names().")


def filters(network: nn.Module) -> Tensor:
    """The weights of the first convolution, [F, 3, k, k], in memory of their own.

    >>> filters(nn.Conv2d(3, 32, 5)).shape
    torch.Size([32, 3, 5, 5])
    """
    return convolution(network).weight.detach().float().clone()


def purity(filters: Tensor) -> Tensor:
    """How nearly each filter is one pattern in one colour: the share of its squared weights that such a one holds.

    Args:
        filters: [F, 3, k, k].

    Returns:
        [F], from 1/3 to 1 (pattern times colour, nothing else); 0 where all weights are 0. Random weights have 0.57
        where k = 3, and 0.47 where k = 5.

    >>> purity(torch.ones(2, 3, 5, 5) * torch.tensor([1.0, 0.0]).view(2, 1, 1, 1))
    tensor([1., 0.])
    """
    shares = torch.linalg.svdvals(filters.flatten(2)).square()  # [F, 3], the strongest pattern first
    return shares[:, 0] / shares.sum(dim=1).clamp(min=1e-12)


@torch.no_grad()
def answers(network: nn.Module, picture: Tensor) -> Tensor:
    """What each filter answers to a picture [1, 3, H, W] at each position, where that is positive, [F, h, w]; else 0.

    >>> from course_utils import signs, zoo
    >>> answers(zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], device="cpu").images).shape
    torch.Size([32, 32, 32])
    """
    check_one_image("picture", picture)
    (answer,) = hear(network, picture, {"first": convolution(network)}).values()
    return answer[0].float().relu()
