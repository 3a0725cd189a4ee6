"""What can be wrong with the arguments of an attack, and the sentence for each.

Serves notebook 8: `pgd.py`, `apgd.py`, `certify.py` and all that attack by them ask here first. Papers: none.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from course_utils.adversarial.balls import Ball, check_size
from course_utils.images import check_range
from course_utils.runtime import kept


def check_batch(images: Tensor, labels: Tensor, targets: Tensor | None, ball: Ball) -> None:
    """Refuse pictures, labels, targets and balls that do not make an attack together."""
    check_images(images)
    check_ball(ball)
    check_one_each("epsilon", ball.epsilon, len(images))
    check_labels("labels", labels, len(images))
    if targets is not None:
        check_labels("targets", targets, len(images))
        same = (targets.to(labels.device) == labels).nonzero()
        if len(same):
            row = int(same[0])
            raise ValueError(
                f"targets[{row}] is {int(targets[row])}, which is that picture's true label; "
                "choose another class as its target."
            )


def check_ball(ball: Ball) -> None:
    """Refuse what is no ball."""
    if not isinstance(ball, Ball):
        raise TypeError(f"ball must be Linf(epsilon), L2(epsilon) or L1(epsilon), as in Linf(8/255); got {ball!r}.")


def check_one_size(what: str, ball: Ball) -> None:
    """Refuse what is no ball, or has a radius for each picture."""
    check_ball(ball)
    if isinstance(ball.epsilon, Tensor):
        raise ValueError(f"{what} takes one ε for all pictures; attack those of another ε by themselves.")


def check_images(images: Tensor) -> None:
    """Refuse what is no batch of pictures, float [N, C, H, W] in [0, 1]."""
    if not isinstance(images, Tensor):
        raise TypeError(f"images must be a tensor [N, C, H, W], as to_tensor makes it; got {type(images).__name__}.")
    if not images.is_floating_point():
        raise TypeError(f"images must be floats in [0, 1]; got {images.dtype}, so divide by 255: images / 255.")
    if images.ndim != 4 or not len(images):
        raise ValueError(
            f"images must be a batch [N, C, H, W] of at least one picture; got shape {list(images.shape)} "
            "(a single picture becomes a batch by image[None])."
        )
    check_range(images)


def check_labels(name: str, labels: Tensor, count: int) -> None:
    """Refuse what is no tensor of `count` whole numbers."""
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.dtype == torch.bool:
        got = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(f"{name} must be a tensor of whole numbers, such as torch.tensor([14]); got {got}.")
    if labels.shape != (count,):
        raise ValueError(f"{name} must have shape [{count}], a class for each picture; got {list(labels.shape)}.")


def check_classes(
    network: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Labels and targets as int64 beside the pictures, if they are classes that the network knows.

    The zoo's networks name their classes; any other is asked about one picture, and its logits are counted.
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"network must be a torch.nn.Module, as zoo.load gives it; got {type(network).__name__}.")
    classes = len(getattr(network, "class_names", ())) or _counted(network, images[:1])
    for name, chosen in (("label", labels), ("target", targets)):
        wrong = [] if chosen is None else chosen[(chosen < 0) | (chosen >= classes)]
        if len(wrong):
            raise ValueError(f"{name} {int(wrong[0])} is no class of this network; it knows 0 to {classes - 1}.")
    labels = labels.to(images.device, torch.int64)
    return labels, None if targets is None else targets.to(images.device, torch.int64)


def _counted(network: nn.Module, image: Tensor) -> int:
    """How many classes a network answers with."""
    with kept(network), torch.no_grad():
        logits = network(image.clone())
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        got = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise TypeError(f"the network must answer with logits [N, classes]; got {got}, so wrap it to return those.")
    return logits.shape[1]


def check_count(name: str, count: int) -> None:
    """Refuse what is no whole number of at least 1."""
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{name} must be a whole number of at least 1; got {count!r}.")
    if count < 1:
        raise ValueError(f"{name} must be at least 1; got {count}.")


def check_step(step: str, step_size: float | Tensor, ball: Ball, count: int) -> None:
    """Refuse an unknown kind of step, and a length that this ball cannot have."""
    if step not in ("sign", "raw"):
        raise ValueError(f"step must be 'sign' (the ball's best step) or 'raw' (x + η∇l); got {step!r}.")
    check_size("step_size", step_size, largest=ball.LARGEST if step == "sign" else math.inf)
    check_one_each("step_size", step_size, count)


def check_one_each(name: str, numbers: float | Tensor, count: int) -> None:
    """Refuse a tensor that holds not one number for each of `count` pictures."""
    if isinstance(numbers, Tensor) and len(numbers) != count:
        raise ValueError(f"{name} holds {len(numbers)} numbers for {count} pictures; give one, or one for each.")
