"""What GoogLeNet's auxiliary classifiers were for: the gradient that reaches the early layers, with them and without.

Serves notebook 4. Papers: Szegedy et al. 2015, section 5 (their losses count 0.3); Szegedy et al. 2016, "Rethinking
the Inception Architecture", section 4 (what they turned out to do).
"""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_utils import runtime
from course_utils.layers.hooks import watch
from course_utils.networks.inception import MODULES, GoogLeNet

ROWS = ("conv1", "conv2", *(f"inception_{name}" for name in MODULES), "linear")  # those with weights, first to last
WEIGHT = 0.3  # of each auxiliary loss, in the paper


class Gradients(NamedTuple):
    """Row of the slide's table that has weights → the Euclidean norm of the loss's gradient there."""

    maps: dict[str, float]  # by what the row answers, all pictures together
    filters: dict[str, float]  # by all of its filters


def initialise_xavier(network: nn.Module) -> nn.Module:
    """A copy of a network with the first weights that people took in 2014 (Glorot and Bengio 2010): less small ones.

    >>> initialise_xavier(nn.Linear(300, 300)).weight.std().item()  # the root of 2 / (300 + 300)
    0.058
    """
    drawn, draw = copy.deepcopy(network), runtime.generator(0)
    for part in drawn.modules():
        if isinstance(part, nn.Conv2d | nn.Linear):
            nn.init.xavier_uniform_(part.weight, generator=draw)
    return drawn


def gradient_norms(network: GoogLeNet, images: Tensor, labels: Tensor, *, weight: float = WEIGHT) -> Gradients:
    """How long the loss's gradient is in every row of the slide's table that has weights.

    The dropout is left out, so that two calls can be compared.

    Args:
        network: with its auxiliary classifiers; a copy of it computes, in training mode.
        images, labels: [N, 3, 224, 224], normalised, and [N].
        weight: of each auxiliary loss; 0 for the main loss alone.

    >>> norms = gradient_norms(GoogLeNet(classes=5), torch.zeros(1, 3, 224, 224), torch.tensor([0]))
    >>> list(norms.maps)[:3]
    ['conv1', 'conv2', 'inception_3a']
    """
    if not isinstance(network, GoogLeNet):
        raise TypeError(f"network must be the course's GoogLeNet(aux=True); got {type(network).__name__}.")
    if network.aux1 is None:
        raise ValueError("this GoogLeNet has no auxiliary classifiers; build it with aux=True.")
    asked = copy.deepcopy(network).train()
    for part in asked.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    rows, maps = {row: asked.get_submodule(row) for row in ROWS}, {}

    def keep(row: str, _given: tuple, answer: Tensor) -> None:
        answer.retain_grad()
        maps[row] = answer

    with torch.enable_grad(), watch(rows, keep):
        answer = asked(images)
        loss = cross_entropy(answer.logits, labels)
        if weight:
            loss = loss + weight * (cross_entropy(answer.aux1, labels) + cross_entropy(answer.aux2, labels))
        loss.backward()  # into the copy

    def norm(*values: Tensor) -> float:
        return sum(float(value.grad.square().sum()) for value in values) ** 0.5

    filters = {row: [value for value in part.parameters() if value.ndim > 1] for row, part in rows.items()}
    return Gradients({row: norm(maps[row]) for row in ROWS}, {row: norm(*filters[row]) for row in ROWS})
