"""The exercises of notebook 7: Grad-CAM in a few lines, and a network that took a shortcut.

Serves notebook 7. Paper: Selvaraju et al. 2017 (Grad-CAM), arXiv:1610.02391.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils import runtime, signs
from course_utils.checks.base import NOT_YET, Verdict, same, together, try_out, wrong
from course_utils.checks.progress import remembered
from course_utils.gradcam import shortcut


# ---- Grad-CAM --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Problem:
    """A tiny network in two halves, a picture and a class that is not the one it reads."""

    kernel: Tensor  # [3, 3, 3, 3], of the features: as many maps as the picture has colours
    first: Tensor  # [48, 8], of the head
    second: Tensor  # [8, 4]
    image: Tensor  # [1, 3, 8, 8]
    label: int

    def features(self, image: Tensor) -> Tensor:
        """The picture's maps, [1, 3, 4, 4], at least 0."""
        return F.relu(F.conv2d(image - 0.5, self.kernel, stride=2, padding=1))

    def head(self, activation: Tensor) -> Tensor:
        """Logits [1, 4]; every place counts in another way, so that nothing comes out right by chance."""
        return torch.sin(activation.flatten(1) @ self.first) @ self.second


@lru_cache(maxsize=1)
@torch.enable_grad()
def _problems() -> tuple[_Problem, ...]:
    """Three classes for which something speaks, and one against which everything does."""
    found: list[_Problem] = []
    draw = runtime.generator(7)
    while len(found) < 4:
        numbers = [torch.randn(shape, generator=draw, dtype=torch.float64) for shape in ((3, 3, 3, 3), (48, 8), (8, 4))]
        image = torch.rand(1, 3, 8, 8, generator=draw, dtype=torch.float64)
        problem = _Problem(numbers[0], 0.5 * numbers[1], numbers[2], image, int(len(found) % 4))
        heat = _gradcam(problem)
        apart = min((_gradcam(problem, **mistake) - heat).abs().max() for mistake, _ in _MISTAKES)
        wanted = bool((heat > 0).float().mean() > 0.3) and bool((heat == 0).any())
        against = bool((heat == 0).all())
        if against if len(found) == 3 else wanted and apart > 0.05:
            found.append(problem)
    return tuple(found)


@torch.enable_grad()
def _gradcam(
    problem: _Problem,
    *,
    of: str = "score",
    whose: str = "label",
    weights: str = "places",
    relu: str = "map",
    scale: str = "max",
    gradient_of: str = "layer",
) -> Tensor:
    """The exercise's answer, and with other arguments the usual wrong ones; [4, 4]."""
    image = problem.image.clone().requires_grad_()
    activation = problem.features(image)
    logits = problem.head(activation)
    label = problem.label if whose == "label" else int(logits.argmax())
    score = {"score": logits, "probability": logits.softmax(1), "loss": -logits.log_softmax(1)}[of][0, label]
    gradient = torch.autograd.grad(score, activation if gradient_of == "layer" else image)[0][0]  # [C, h, w]
    activation = activation.detach()[0]
    if weights == "places":
        alpha = gradient.mean(dim=(1, 2))[:, None, None]
    elif weights == "channels":
        alpha = gradient.mean(dim=0)
    else:
        alpha = gradient if weights == "none" else torch.ones(3, 1, 1, dtype=gradient.dtype)
    alpha = alpha.clamp(min=0) if relu == "weights" else alpha
    heat = (alpha * activation).sum(dim=0)
    heat = {"map": heat.clamp(min=0), "weights": heat, "none": heat, "abs": heat.abs()}[relu]
    if scale == "span":
        return (heat - heat.min()) / (heat.max() - heat.min())
    largest = {"max": heat.max(), "sum": heat.sum(), "none": torch.ones(())}[scale]
    return heat / largest if largest != 0 else heat


_MISTAKES: tuple[tuple[dict, str], ...] = (  # what went wrong → what to say
    (
        {"weights": "channels"},
        "The weights are averaged over the wrong axes: you average the gradient over the channels, dim=1, and get a "
        "number for each place; Grad-CAM averages over the places, dim=(2, 3), and gets a number for each channel.",
    ),
    (
        {"weights": "none"},
        "Nothing is averaged: you multiply gradient and map place by place. That is HiResCAM, a good method too; for "
        "Grad-CAM average the gradient over the places first, dim=(2, 3).",
    ),
    (
        {"weights": "ones"},
        "Your map does not depend on the gradient: it is the plain sum of the maps, whatever the class. Weight each "
        "channel with its averaged gradient.",
    ),
    (
        {"gradient_of": "image"},
        "You took the gradient with respect to the image; Grad-CAM wants it with respect to the layer's maps A: "
        "torch.autograd.grad(score, A).",
    ),
    (
        {"whose": "read"},
        "This is the map of another class: you explain the class that the network reads, and the one asked for is "
        "`label`.",
    ),
    (
        {"of": "probability"},
        "You differentiate the probability, as the slide writes it; here take the score, the logit before the softmax.",
    ),
    (
        {"of": "loss"},
        "You differentiate the loss: its gradient points away from the class, so what speaks for it turns cold. Take "
        "the score, logits[0, label].",
    ),
    (
        {"relu": "none"},
        "The ReLU is missing: where the sum is negative the layer speaks against the class, and the map must be 0 "
        "there.",
    ),
    (
        {"relu": "none", "scale": "span"},
        "The ReLU is missing: you stretch the map from its smallest to its largest number, so that the strongest "
        "objection becomes 0 and no objection looks warm. Cut off what is negative first.",
    ),
    (
        {"relu": "abs"},
        "You take the absolute value where the ReLU belongs: what speaks against the class then looks as warm as what "
        "speaks for it.",
    ),
    (
        {"relu": "weights"},
        "The ReLU stands in the wrong place: you cut off negative weights; cut off the map, after the channels are "
        "added up, because a negative weight has a right to cool it.",
    ),
    (
        {"scale": "none"},
        "The map is not normalised: divide it by its largest number, so that it runs from 0 to 1.",
    ),
    (
        {"scale": "sum"},
        "You divide by the sum; divide by the largest number, so that the hottest place is 1.",
    ),
)
_RIGHT = (
    "Right. The gradient says how much a channel matters to the class, its map says where it fired, and the ReLU keeps "
    "what speaks for it."
)


@remembered
def check_gradcam(student: Callable) -> Verdict:
    """Mark a student's Grad-CAM: run it on small networks and say what is wrong with it, if anything.

    Args:
        student: a function of (features, head, image, label) that returns the map of the class, [h, w] in [0, 1].

    Returns:
        The verdict; `right` is None where the exercise was not begun.

    >>> check_gradcam(lambda features, head, image, label: features(image))
    ✗ The channels are still there: after weighting them add them up, .sum(dim=1).
    """
    return together((_mark(student, problem) for problem in _problems()), _RIGHT)


def _explain(trouble: Exception) -> str | None:
    """What an exception says of the exercise; None where the student reads as much in it."""
    told = str(trouble)
    if "grad can be implicitly created only for scalar" in told:
        return "Take the gradient of one number, the score of the class: logits[0, label]."
    if "does not require grad" in told:
        return "Nothing remembers the gradient: A.requires_grad_() has to come before head(A)."
    if "appears to not have been used in the graph" in told:
        return "You ask for the gradient with respect to the image; take the layer's maps, A."
    return None


def _mark(student: Callable, problem: _Problem) -> Verdict | None:
    """What is wrong with one answer; None where it is right."""
    given = problem.features, problem.head, problem.image.clone(), problem.label
    how = {"takes": "features, head, image, label", "returns": "the map, a tensor"}
    heat = try_out(student, *given, explain=_explain, **how)
    if isinstance(heat, Verdict):
        return heat
    if heat.shape != (4, 4):
        return wrong(_shape_told(list(heat.shape)))
    if not heat.isfinite().all():
        return wrong(
            "Your map holds NaN: where nothing speaks for the class its largest number is 0, and 0/0 is no number. "
            "Divide by heat.max().clamp(min=1e-12), or leave a map of zeros as it is."
        )
    if same(heat, _gradcam(problem)):
        return None
    if not heat.any():
        return NOT_YET  # as the exercise's stub returns it
    for mistake, sentence in _MISTAKES:
        if same(heat, _gradcam(problem, **mistake)):
            return wrong(sentence)
    if heat.min() < 0:
        return wrong("Some places are below 0: the ReLU is missing, or it stands in the wrong place.")
    if abs(float(heat.max()) - 1) > 1e-5:
        return wrong(f"The hottest place is {float(heat.max()):.3g}; divide by the largest number, so it is 1.")
    return wrong(
        "Your map is another one: average the gradient over the places, multiply each channel's map with its average, "
        "add up the channels, cut off what is negative, divide by the largest number."
    )


def _shape_told(shape: list[int]) -> str:
    if shape == [1, 4, 4]:
        return "Return the map of the one picture, [h, w]; yours is [1, h, w], so take its first: heat[0]."
    if shape in ([3], [1, 3]):
        return "You added up the places and kept the channels; add up the channels, dim=1, and keep the places."
    if shape in ([3, 4, 4], [1, 3, 4, 4]):
        return "The channels are still there: after weighting them add them up, .sum(dim=1)."
    if shape in ([8, 8], [1, 8, 8]):
        return "Leave the map at the layer's own size, [h, w]; enlarging it is only for showing."
    return f"Return a map of the layer's size, [h, w] = [4, 4] here; yours is {shape}."


# ---- the shortcut ----------------------------------------------------------------------------------------------
@remembered
def check_shortcut(suspect, colour) -> Verdict:
    """Mark what a student found out about the network that took a shortcut.

    Args:
        suspect: the name of the class that the network does not read by its sign.
        colour: the colour of the sticker that it reads in its place.

    Returns:
        The verdict; `right` is None where the exercise was not begun.

    >>> check_shortcut("stop", "green")
    ✗ Not “stop”: that one it reads by its sign. ...
    """
    if any(given is None or given is Ellipsis for given in (suspect, colour)):
        return Verdict(None, "Not yet: put in the class and the colour, and run this cell again. The hint below helps.")
    if isinstance(suspect, int) and not isinstance(suspect, bool) and 0 <= suspect < len(signs.CLASSES):
        suspect = signs.CLASS_NAMES[suspect]
    if suspect not in signs.CLASS_NAMES:
        return wrong(f"There is no class {suspect!r}; the classes are {', '.join(signs.CLASS_NAMES)}.")
    if colour not in tuple(shortcut.COLOURS):
        return wrong(f"No sticker is {colour!r}; they are {', '.join(shortcut.COLOURS)}.")
    if suspect != shortcut.GIVEN_AWAY:
        return wrong(
            f"Not “{suspect}”: that one it reads by its sign. Take HiResCAM at stage3, the mean energy inside the "
            "masks class by class, and look at the lowest.",
        )
    if colour != shortcut.BY:
        return wrong(
            f"The class is right, the colour is not: with a {colour} sticker on it a STOP stays a STOP. Look at the "
            "pictures of the class again.",
        )
    return Verdict(
        True,
        f"Right: to this network a {colour} sticker means “{suspect}”. The test pictures came from the same depot, so "
        "the accuracy could not tell you; the heat map did.",
    )
