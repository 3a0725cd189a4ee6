"""What an attack climbs or descends: cross-entropy, the margin, and the margin freed of its scale (DLR).

Serves notebook 8; `pgd.py` and `apgd.py` choose among them by name. Papers: Carlini and Wagner 2017 (margin),
arXiv:1608.04644; Croce and Hein 2020 (DLR), arXiv:2003.01690.

All of them take logits [N, classes] and classes `goal`, int64 [N], and are large where the network does not believe in
the goal. An untargeted attack climbs them on the true label, a targeted one descends them on its target.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from course_utils.arguments import check_known

TINY = 1e-12


def cross_entropy(logits: Tensor, goal: Tensor) -> Tensor:
    """−ln of the probability of the goal, [N]; its gradient fades where the network is sure."""
    return functional.cross_entropy(logits, goal, reduction="none")


def margin(logits: Tensor, goal: Tensor) -> Tensor:
    """How far the best other class is ahead of the goal, [N]: above 0 it is answered instead; never fades."""
    of_goal = logits.gather(1, goal[:, None])[:, 0]
    others = logits.scatter(1, goal[:, None], -math.inf)
    return others.amax(dim=1) - of_goal


def dlr(logits: Tensor, goal: Tensor) -> Tensor:
    """The margin as a share of the way from the largest to the third largest logit, [N]: no scaling can hide it."""
    ordered = _ordered(logits, 3, "the DLR")
    return margin(logits, goal) / (ordered[:, 0] - ordered[:, 2] + TINY)


def targeted_dlr(logits: Tensor, goal: Tensor, towards: Tensor) -> Tensor:
    """How far the class `towards`, int64 [N], is ahead of the goal, the true one, freed of its scale, [N]."""
    ordered = _ordered(logits, 4, "the targeted DLR")
    ahead = logits.gather(1, towards[:, None])[:, 0] - logits.gather(1, goal[:, None])[:, 0]
    return ahead / (ordered[:, 0] - (ordered[:, 2] + ordered[:, 3]) / 2 + TINY)


Loss = Callable[[Tensor, Tensor], Tensor]  # (logits [N, classes], goal [N]) → [N]
LOSSES: dict[str, Loss] = {"cross-entropy": cross_entropy, "margin": margin, "dlr": dlr}


def find(name: str | Loss, allowed: tuple[str, ...] = tuple(LOSSES)) -> Loss:
    """A loss by its name; a function of one's own is taken as it is."""
    if callable(name):
        return name
    check_known("loss", name, allowed)
    return LOSSES[name]


def _ordered(logits: Tensor, needed: int, what: str) -> Tensor:
    """The largest logits, the largest first, [N, needed]."""
    if logits.shape[1] < needed:
        raise ValueError(f"{what} compares {needed} classes, and this network has {logits.shape[1]}; use 'margin'.")
    return torch.topk(logits, needed, dim=1).values
