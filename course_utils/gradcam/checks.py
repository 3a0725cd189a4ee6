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
def _problems() -> tuple[_Problem, ...]:
    """Three classes for which something speaks, and one against which everything does."""
    found: list[_Problem] = []
    draw, double = runtime.generator(7), torch.float64
    while len(found) < 4:
        shapes = (3, 3, 3, 3), (48, 8), (8, 4)
        kernel, first, second = (torch.randn(shape, generator=draw, dtype=double) for shape in shapes)
        image = torch.rand(1, 3, 8, 8, generator=draw, dtype=double)
        problem = _Problem(kernel, 0.5 * first, second, image, label=len(found))
        heat = _gradcam(problem)
        apart = min((_gradcam(problem, slip) - heat).abs().max() for slip in _SLIPS)
        if len(found) == 3:
            good = not heat.any()
        else:
            good = (heat > 0).float().mean() > 0.3 and (heat == 0).any() and apart > 0.05
        if good:
            found.append(problem)
    return tuple(found)


@torch.enable_grad()
def _gradcam(problem: _Problem, slip: str = "") -> Tensor:
    """The exercise's answer, or the wrong one that a slip of `_SLIPS` makes of it; [4, 4]."""
    image = problem.image.clone().requires_grad_()
    activation = problem.features(image)
    logits = problem.head(activation)
    label = int(logits.argmax()) if slip == "the class that is read" else problem.label
    score = {"the probability": logits.softmax(1), "the loss": -logits.log_softmax(1)}.get(slip, logits)[0, label]
    of = image if slip == "of the image" else activation
    gradient = torch.autograd.grad(score, of)[0][0]  # [C, h, w]
    alpha = gradient.mean(dim=(1, 2), keepdim=True)  # [C, 1, 1]
    others = {"a mean over channels": gradient.mean(dim=0), "no mean": gradient, "no weights": torch.ones_like(alpha)}
    alpha = others.get(slip, alpha.clamp(min=0) if slip == "ReLU on the weights" else alpha)
    heat = (alpha * activation.detach()[0]).sum(dim=0)
    if slip == "stretched without ReLU":
        return (heat - heat.min()) / (heat.max() - heat.min())
    if slip not in ("no ReLU", "ReLU on the weights"):
        heat = heat.abs() if slip == "abs" else heat.clamp(min=0)
    largest = heat.sum() if slip == "divided by the sum" else heat.max()
    return heat if slip == "not normalised" or largest == 0 else heat / largest


_SLIPS = {  # what went wrong → what to say
    "a mean over channels": "The weights are averaged over the wrong axes: you average the gradient over the channels, "
    "dim=1, and get a number for each place; Grad-CAM averages over the places, dim=(2, 3), and gets a number for each "
    "channel.",
    "no mean": "Nothing is averaged: you multiply gradient and map place by place. That is HiResCAM, a good method "
    "too; for Grad-CAM average the gradient over the places first, dim=(2, 3).",
    "no weights": "Your map does not depend on the gradient: it is the plain sum of the maps, whatever the class. "
    "Weight each channel with its averaged gradient.",
    "of the image": "You took the gradient with respect to the image; Grad-CAM wants it with respect to the layer's "
    "maps A: torch.autograd.grad(score, A).",
    "the class that is read": "This is the map of another class: you explain the class that the network reads, and "
    "the one asked for is `label`.",
    "the probability": "You differentiate the probability, as the slide writes it; here take the score, the logit "
    "before the softmax.",
    "the loss": "You differentiate the loss: its gradient points away from the class, so what speaks for it turns "
    "cold. Take the score, logits[0, label].",
    "no ReLU": "The ReLU is missing: where the sum is negative the layer speaks against the class, and the map must "
    "be 0 there.",
    "stretched without ReLU": "The ReLU is missing: you stretch the map from its smallest to its largest number, so "
    "that the strongest objection becomes 0 and no objection looks warm. Cut off what is negative first.",
    "abs": "You take the absolute value where the ReLU belongs: what speaks against the class then looks as warm as "
    "what speaks for it.",
    "ReLU on the weights": "The ReLU stands in the wrong place: you cut off negative weights; cut off the map, after "
    "the channels are added up, because a negative weight has a right to cool it.",
    "not normalised": "The map is not normalised: divide it by its largest number, so that it runs from 0 to 1.",
    "divided by the sum": "You divide by the sum; divide by the largest number, so that the hottest place is 1.",
}
_RIGHT = (
    "Right. The gradient says how much a channel matters to the class, its map says where it fired, and the ReLU keeps "
    "what speaks for it."
)


@remembered
def check_gradcam(student: Callable) -> Verdict:
    """Mark a student's Grad-CAM: run it on small networks and say what is wrong with it, if anything.

    Args:
        student: a function of (features, head, image, label) that returns the map of the class, [h, w] in [0, 1].

    >>> check_gradcam(lambda features, head, image, label: features(image))
    ✗ The channels are still there: after weighting them add them up, .sum(dim=1).
    """
    return together((_mark(student, problem) for problem in _problems()), _RIGHT)


def _explain(trouble: Exception) -> str | None:
    """What an exception says of the exercise; None where the student reads as much in it."""
    return next((sentence for words, sentence in _TORCH_SAYS.items() if words in str(trouble)), None)


_TORCH_SAYS = {
    "created only for scalar": "Take the gradient of one number, the score of the class: logits[0, label].",
    "does not require grad": "Nothing remembers the gradient: A.requires_grad_() has to come before head(A).",
    "not have been used in the graph": "You ask for the gradient with respect to the image; take the layer's maps, A.",
}


_SHAPES = {  # of one answer, without a batch's first dimension → what to say
    (4, 4): "Return the map of the one picture, [h, w]; yours is [1, h, w], so take its first: heat[0].",
    (3,): "You added up the places and kept the channels; add up the channels, dim=1, and keep the places.",
    (3, 4, 4): "The channels are still there: after weighting them add them up, .sum(dim=1).",
    (8, 8): "Leave the map at the layer's own size, [h, w]; enlarging it is only for showing.",
}


def _mark(student: Callable, problem: _Problem) -> Verdict | None:
    """What is wrong with one answer; None where it is right."""
    given = problem.features, problem.head, problem.image.clone(), problem.label
    how = {"takes": "features, head, image, label", "returns": "the map, a tensor"}
    heat = try_out(student, *given, explain=_explain, **how)
    if isinstance(heat, Verdict):
        return heat
    if heat.shape != (4, 4):
        alone = heat.shape[1:] if heat.shape[:1] == (1,) else heat.shape
        unknown = f"Return a map of the layer's size, [h, w] = [4, 4] here; yours is {list(heat.shape)}."
        return wrong(_SHAPES.get(alone, unknown))
    if not heat.isfinite().all():
        how = "Divide by heat.max().clamp(min=1e-12), or leave a map of zeros as it is."
        told = "Your map holds NaN: where nothing speaks for the class its largest number is 0, and 0/0 is no number."
        return wrong(f"{told} {how}")
    if same(heat, _gradcam(problem)):
        return None
    if not heat.any():
        return NOT_YET  # as the exercise's stub returns it
    for slip, sentence in _SLIPS.items():
        if same(heat, _gradcam(problem, slip)):
            return wrong(sentence)
    if heat.min() < 0:
        return wrong("Some places are below 0: the ReLU is missing, or it stands in the wrong place.")
    if abs(float(heat.max()) - 1) > 1e-5:
        return wrong(f"The hottest place is {float(heat.max()):.3g}; divide by the largest number, so it is 1.")
    return wrong(
        "Your map is another one: average the gradient over the places, multiply each channel's map with its average, "
        "add up the channels, cut off what is negative, divide by the largest number."
    )


# ---- the shortcut ----------------------------------------------------------------------------------------------
@remembered
def check_shortcut(suspect, colour) -> Verdict:
    """Mark what a student found out about the network that took a shortcut.

    Args:
        suspect: the name of the class that the network does not read by its sign.
        colour: the colour of the sticker that it reads in its place.

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
        how = "Take HiResCAM at stage3, the mean energy inside the masks class by class, and look at the lowest."
        return wrong(f"Not “{suspect}”: that one it reads by its sign. {how}")
    if colour != shortcut.BY:
        how = "Look at the pictures of the class again."
        return wrong(f"The class is right, the colour is not: with a {colour} sticker on it a STOP stays a STOP. {how}")
    why = "The test pictures came from the same depot, so the accuracy could not tell you; the heat map did."
    return Verdict(True, f"Right: to this network a {colour} sticker means “{suspect}”. {why}")
