"""What can be wrong with an argument, and the sentence for each: every check of the course stands here once.

Serves all lessons. Papers: none.

What every function of the course raises, so that no docstring has to repeat it: `TypeError` for what is not the kind of
thing that was asked for, `ValueError` for one that is out of its range; each at the call, with one sentence that names
the argument, says what is allowed and shows what came. A number may be Python's or numpy's; True and False are none.
A function that raises something else, or for another reason, says so itself.

Every check is told what the argument is called, and what came. `says` puts words of one's own in the place of the
usual range, behind the name and before "; got …", as in "is a brightness from 0 (black) to 1 (white)".
"""

from __future__ import annotations

import math
from collections.abc import Collection
from numbers import Integral, Real
from typing import Any

import torch
from torch import Tensor, nn

from course_utils.images import check_range
from course_utils.runtime import kept


# ---- numbers and words -------------------------------------------------------------------------------------------
def is_whole(number: Any) -> bool:
    """Whether this is a whole number, Python's or numpy's; True and False are none."""
    return isinstance(number, Integral) and not isinstance(number, bool)


def is_number(number: Any) -> bool:
    """Whether this is a real number, Python's or numpy's; True and False are none."""
    return isinstance(number, Real) and not isinstance(number, bool)


def check_whole(name: str, number: int, least: int = 1, most: int | None = None, *, says: str = "") -> int:
    """A whole number between two bounds, both allowed, as Python's int; `most` None sets no upper one."""
    if not is_whole(number):
        allowed = f"of at least {least}" if most is None else f"from {least} to {most}"
        raise TypeError(f"{name} must be a whole number {allowed}; got {number!r}.")
    if number < least or (most is not None and number > most):
        allowed = f"be at least {least}" if most is None else f"lie in [{least}, {most}]"
        raise ValueError(f"{name} {says or f'must {allowed}'}; got {number}.")
    return int(number)


def check_number(
    name: str, number: float, least: float = 0.0, most: float = math.inf, *, above: bool = False, says: str = ""
) -> float:
    """A finite number between two bounds, as Python's float; both are allowed, but for the lower one if `above` it."""
    if not is_number(number):
        raise TypeError(f"{name} must be a number; got {number!r}.")
    if not least <= number <= most or not math.isfinite(number) or (above and number == least):  # NaN neither
        low, bracket = ("more than", "(") if above else ("at least", "[")
        allowed = f"be {low} {least:g} and finite" if math.isinf(most) else f"lie in {bracket}{least:g}, {most:g}]"
        raise ValueError(f"{name} {says or f'must {allowed}'}; got {number:g}.")
    return float(number)


def check_pair(name: str, given: int | tuple[int, int], least: int = 1, *, says: str = "") -> tuple[int, int]:
    """One whole number of pixels for both axes, or (height, width), as a pair; neither may be less than `least`."""
    pair = given if isinstance(given, (tuple, list)) else (given, given)
    if len(pair) != 2 or not all(map(is_whole, pair)):
        raise TypeError(f"{name} is a whole number of pixels, or a pair (height, width); got {given!r}.")
    if min(pair) < least:
        raise ValueError(f"{name} {says or f'must be at least {least} pixel' + 's' * (least != 1)}; got {min(pair)}.")
    return int(pair[0]), int(pair[1])


def check_choice(name: str, given: Any, allowed: Collection, *, says: str = "") -> None:
    """One of several words or numbers, as in `check_choice("a style of figures", style, STYLES)`."""
    if given not in allowed:
        raise ValueError(f"{name} {says or f'is one of {_listed(allowed)}'}; got {given!r}.")


def check_known(kind: str, name: Any, known: Collection) -> None:
    """The name of something that there is, as in `check_known("loss", loss, LOSSES)`."""
    if name not in known:
        raise ValueError(f"there is no {kind} {name!r}; choose one of {_listed(known)}.")


def _listed(words: Collection) -> str:
    return ", ".join(map(repr, words))


# ---- one number for all pictures, or one for each ----------------------------------------------------------------
def check_distance(name: str, distance: float | Tensor, most: float = math.inf) -> None:
    """A length in pixels, such as a radius or a step: one number, or a tensor [N] of them; 0 to `most`, finite."""
    many = isinstance(distance, Tensor)
    if not (distance.ndim == 1 if many else is_number(distance)):
        got = f"a tensor of shape {list(distance.shape)}" if many else repr(distance)
        wrong = ValueError if many else TypeError
        raise wrong(f"{name} is one number, or a tensor [N] with one for each picture; got {got}.")
    for number in distance.tolist() if many else [distance]:
        if not (0 <= number <= most and math.isfinite(number)):
            allowed = f"lie in [0, {most:g}] (pixels run from 0 to 1)"
            if math.isinf(most):
                allowed = "be finite and at least 0 (it is a distance between pictures)"
            advice = f" Did you mean {number:g}/255?" if most < number <= 255 else ""
            raise ValueError(f"{name} must {allowed}; got {number:g}.{advice}")


def check_one_each(name: str, numbers: float | Tensor, count: int) -> None:
    """One number, or a tensor that holds one for each of `count` pictures."""
    if isinstance(numbers, Tensor) and len(numbers) != count:
        raise ValueError(f"{name} holds {len(numbers)} numbers for {count} pictures; give one, or one for each.")


# ---- pictures ----------------------------------------------------------------------------------------------------
def check_images(images: Tensor, *, name: str = "images", channels: int | None = None, rounding: float = 0.0) -> None:
    """A batch of at least one picture, float [N, channels or any, H, W] in [0, 1], or beyond that by `rounding`."""
    if not isinstance(images, Tensor) or not images.is_floating_point():
        got = f"{images.dtype}, so divide by 255: {name} / 255" if isinstance(images, Tensor) else type(images).__name__
        raise TypeError(f"{name} must be a tensor of floats in [0, 1], as images.to_tensor makes it; got {got}.")
    if images.ndim != 4 or not len(images) or channels not in (None, images.shape[1]):
        raise ValueError(
            f"{name} must be a batch [N, {channels or 'C'}, H, W] of at least one picture; got shape "
            f"{list(images.shape)} (a single picture becomes a batch by image[None])."
        )
    check_range(images, rounding=rounding)


def check_one_image(name: str, images: Tensor) -> None:
    """A batch of a single picture, [1, C, H, W]."""
    if not isinstance(images, Tensor) or images.ndim != 4 or len(images) != 1:
        got = list(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(f"{name} must be one picture [1, C, H, W] (a batch's first is images[:1]); got {got}.")


def check_alike(first_name: str, first: Tensor, second_name: str, second: Tensor) -> None:
    """Two tensors of the same shape, such as two batches of maps."""
    if first.shape != second.shape:
        shapes = f"{list(first.shape)} and {list(second.shape)}"
        raise ValueError(f"{first_name} and {second_name} must have the same shape; got {shapes}.")


# ---- networks, labels and classes --------------------------------------------------------------------------------
def check_network(network: nn.Module) -> None:
    """Refuse what is no network."""
    if not isinstance(network, nn.Module):
        raise TypeError(f"network must be a torch.nn.Module, as zoo.load gives it; got {type(network).__name__}.")


def check_logits(logits: Tensor) -> None:
    """What a network answered: logits [N, classes]."""
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        got = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise TypeError(f"the network must answer with logits [N, classes]; got {got}, so wrap it to return those.")


def check_labels(name: str, labels: Tensor, count: int) -> None:
    """A tensor of `count` whole numbers, a class for each picture."""
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.dtype == torch.bool:
        got = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(f"{name} must be a tensor of whole numbers, such as torch.tensor([14]); got {got}.")
    if labels.shape != (count,):
        raise ValueError(f"{name} must have shape [{count}], a class for each picture; got {list(labels.shape)}.")


def as_classes(labels: Any, images: Tensor) -> Tensor | None:
    """Labels in any form (one class for all, a list, a tensor) as int64 [N] beside the pictures; None stays None."""
    if labels is None:
        return None
    if not is_whole(labels) and not isinstance(labels, (list, tuple, Tensor)):
        raise TypeError(f"labels is a class such as 10, or one for each picture; got {labels!r}.")
    labels = torch.as_tensor(labels, device=images.device)
    labels = labels.expand(len(images)) if labels.ndim == 0 else labels
    check_labels("labels", labels, len(images))
    return labels.long()


def check_classes(
    network: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Labels and targets as int64 beside the pictures, if they are classes that the network knows.

    The zoo's networks name their classes; any other is asked about one picture, and its logits are counted.
    """
    check_network(network)
    classes = len(getattr(network, "class_names", ()))
    if not classes:
        with kept(network), torch.no_grad():
            logits = network(images[:1].clone())
        check_logits(logits)
        classes = logits.shape[1]
    for name, chosen in (("label", labels), ("target", targets)):
        wrong = [] if chosen is None else chosen[(chosen < 0) | (chosen >= classes)]
        if len(wrong):
            raise ValueError(f"{name} {int(wrong[0])} is no class of this network; it knows 0 to {classes - 1}.")
    labels = labels.to(images.device, torch.int64)
    return labels, None if targets is None else targets.to(images.device, torch.int64)
