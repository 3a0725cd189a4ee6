"""A class as a network pictures it: I* = argmax p₁, why the logit climbs better, and whether other networks agree.

Serves notebook 6. Papers: Simonyan, Vedaldi and Zisserman 2014, arXiv:1312.6034, section 2 (the score, not the
probability); Engstrom et al. 2019, arXiv:1906.00945 (what robust networks picture).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from course_utils import images, runtime
from course_utils.visualization.ascent import NAIVE, Logit, Probability, Recipe, climb_steps

FOLDER = runtime.DATA / "visualization"
NETWORKS = ("signs-alexnet", "signs-inception", "signs-resnet", "signs-resnet-robust")
SIDE = 64  # pixels of every shipped picture
PLAIN = partial(torch.optim.SGD, lr=1.0)  # x ← x + η∇: a step is as long as the gradient makes it


@dataclass(frozen=True)
class Race:
    """Two climbs from one start: the first raises the logit of a class, the second its probability."""

    images: Tensor  # [2, 3, H, W], where they came to
    logits: Tensor  # [steps + 1, 2], of the class
    probabilities: Tensor  # [steps + 1, 2]
    gradients: Tensor  # [steps + 1, 2], norm of what each climbs by: ∇ of the logit, ∇ of the probability


def race(
    network: nn.Module,
    label: int,
    start: Tensor,
    *,
    steps: int = 60,
    recipe: Recipe = NAIVE,
    optimizer: Callable[[list[Tensor]], torch.optim.Optimizer] = PLAIN,
) -> Race:
    """Climb the logit and the probability of a class side by side, and watch both numbers on both ways.

    The gradient of a probability is the softmax's, p (∇z − Σ pⱼ ∇zⱼ): of the size of p (1 − p). So plain steps, as
    long as the gradient, stop when p comes near 1, and do not even begin where p is near 0. Adam divides by the
    length that gradients had lately: it finds the hill even where p is near 0, and only runs out of breath near 1.

    Args:
        network: takes pictures in [0, 1], answers with logits; left as it was.
        label: the class.
        start: one picture, [1, 3, H, W] in [0, 1].
        steps, recipe: as in `visualization.climb_steps`; without moving views the numbers are exact.
        optimizer: as there; plain gradient steps unless you say otherwise, `visualization.ADAM` for instance.

    Raises:
        ValueError, TypeError: an argument is out of its range, with a sentence that says which.
    """
    logits, probabilities, gradients = [], [], []
    both = [Logit(label), Probability(label)]
    for last in climb_steps(network, both, steps=steps, start=start, recipe=recipe, optimizer=optimizer):
        with torch.no_grad(), runtime.kept(network):
            answer = network(last.images).float()
        logits.append(answer[:, label])
        probabilities.append(answer.softmax(dim=1)[:, label])
        gradients.append(last.gradient)
    return Race(last.images, torch.stack(logits), torch.stack(probabilities), torch.stack(gradients))


@torch.no_grad()
def opinions(networks: Sequence[nn.Module], pictures: Tensor) -> Tensor:
    """What several networks read in some pictures: probabilities [pictures, networks, classes].

    Args:
        networks: of the same classes; left as they were.
        pictures: [N, 3, H, W] in [0, 1].
    """
    read = []
    for network in networks:
        with runtime.kept(network):
            read.append(network(pictures).softmax(dim=1))
    return torch.stack(read, dim=1)


# ---- what ships ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Shipped:
    """Pictures that took a minute to climb, and what is known about them."""

    pictures: Tensor  # [rows, columns, 3, 64, 64] in [0, 1]
    rows: tuple[str, ...]
    columns: tuple  # steps of the climb, or classes
    facts: dict  # what was measured; "made" says how


def shipped(name: str) -> Shipped:
    """Read what `scripts/results_visualization.py` made.

    Args:
        name: "ladder", rungs × steps, facts: network, layer, filter, scores [rungs][steps];
            "classes", networks × classes (labels), facts: transfer["slide"] and transfer["regularised"] [networks]
            [networks]: the mean probability, over all classes, that network k gives to the pictures of network i.

    Raises:
        ValueError: there is no such result.
    """
    if name not in ("ladder", "classes"):
        raise ValueError(f"what ships is called 'ladder' or 'classes'; got {name!r}.")
    facts = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    whole = images.to_tensor(FOLDER / f"{name}.jpg", device="cpu")[0]  # [3, rows × 64, columns × 64]
    rows, columns = tuple(facts.pop("rows")), tuple(facts.pop("columns"))
    tiles = whole.unflatten(2, (len(columns), SIDE)).unflatten(1, (len(rows), SIDE))  # [3, rows, 64, columns, 64]
    return Shipped(tiles.permute(1, 3, 0, 2, 4).contiguous(), rows, columns, facts)
