"""A class as a network pictures it: I* = argmax p₁, why the logit climbs better, and whether other networks agree.

Serves notebook 6. Papers: Simonyan, Vedaldi and Zisserman 2014, arXiv:1312.6034, section 2 (the score, not the
probability); Engstrom et al. 2019, arXiv:1906.00945 (what robust networks picture).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from course_utils import training
from course_utils.runtime import kept
from course_utils.visualization.ascent import climb
from course_utils.visualization.objectives import Logit, Probability
from course_utils.visualization.recipes import NAIVE

PLAIN = partial(torch.optim.SGD, lr=1.0)  # x ← x + η∇: a step is as long as the gradient makes it


@dataclass(frozen=True)
class ClassClimb:
    """Two climbs from one start: the first raises the logit of a class, the second its probability."""

    images: Tensor  # [2, 3, H, W], where they came to
    logits: Tensor  # [steps + 1, 2], of the class
    probabilities: Tensor  # [steps + 1, 2]
    gradients: Tensor  # [steps + 1, 2], norm of what each climbs by: ∇ of the logit, ∇ of the probability


def climb_class(network: nn.Module, label: int, start: Tensor, *, steps: int = 60) -> ClassClimb:
    """Climb the logit and the probability of a class side by side, and watch both numbers on both ways.

    The gradient of a probability is the softmax's, p (∇z − Σ pⱼ ∇zⱼ): of the size of p (1 − p). So plain steps, as
    long as the gradient, stop when p comes near 1, and do not even begin where p is near 0. Adam divides by the
    length that gradients had lately: it finds the hill even where p is near 0, and only runs out of breath near 1.

    Args:
        network: takes pictures in [0, 1], answers with logits; left as it was.
        label: the class.
        start: one picture, [1, 3, H, W] in [0, 1].
        steps: plain gradient steps, without a regulariser, so the numbers are exact.

    >>> from course_utils import signs, visualization, zoo
    >>> network, start = zoo.load("signs-resnet", device="cpu"), visualization.noise(1, 64, seed=3, amount=0.1)
    >>> result = climb_class(network, signs.STOP, start, steps=6)
    >>> (result.probabilities[-1] > 0.99).tolist()
    [True, True]
    """
    both, how = [Logit(label), Probability(label)], {"steps": steps, "snapshots": range(steps + 1)}
    path = climb(network, both, start=start, recipe=NAIVE, optimizer=PLAIN, **how)
    answers = training.predict(network, torch.cat(list(path.snapshots.values())), batch=16).unflatten(0, (-1, 2))
    return ClassClimb(path.images, answers[..., label], answers.softmax(dim=-1)[..., label], path.gradients)


@torch.no_grad()
def predict(networks: Sequence[nn.Module], pictures: Tensor) -> Tensor:
    """What several networks read in some pictures: probabilities [pictures, networks, classes].

    Args:
        networks: of the same classes; left as they were.
        pictures: [N, 3, H, W] in [0, 1].

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> bool(predict([network], stop.images)[0, 0, signs.STOP] > 0.9)
    True
    """
    answers = []
    for network in networks:
        with kept(network):
            answers.append(network(pictures).softmax(dim=1))
    return torch.stack(answers, dim=1)
