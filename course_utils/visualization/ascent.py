"""Feature visualization: gradient ascent on a picture until a filter, a neuron, a layer or a class answers strongly.

Serves notebook 6 and its labs. Papers: Erhan et al. 2009; Simonyan et al. 2014, arXiv:1312.6034; Yosinski et al. 2015,
arXiv:1506.06579 (blur); Olah, Mordvintsev and Schubert 2017, "Feature Visualization", for the ladder of regularisers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.arguments import check_choice, check_images, check_network, check_number, check_pair, check_whole
from course_utils.runtime import generator as seeded
from course_utils.visualization.canvas import Fourier, Pixels, seen, squared, total_variation
from course_utils.visualization.objectives import Filter, Layer, Logit, Mixture, Neuron, Objective, Probability, Reader

__all__ = [
    "ADAM",
    "LADDER",
    "NAIVE",
    "Climb",
    "Filter",
    "Layer",
    "Logit",
    "Mixture",
    "Neuron",
    "Probability",
    "Recipe",
    "Step",
    "climb",
    "climb_steps",
    "noise",
    "score",
]

ADAM = partial(torch.optim.Adam, lr=0.05)  # the optimizer unless you say otherwise
TRIES = 8  # other noises for a row that is silent at the start
LARGEST = {  # how far each switch of a recipe may go
    "jitter": 64,
    "rotation": 180.0,
    "scale": 1.0,
    "padding": 256,
    "blur": 16.0,
    "total_variation": math.inf,
    "l2": math.inf,
    "noise": 1.0,
}


@dataclass(frozen=True)
class Recipe:
    """How to climb: what is changed, how it is moved before the network sees it, what is punished.

    Args:
        parameterisation: "pixel" (clamped to [0, 1] after each step) or "fourier" (see `parameterisation.Fourier`).
        decorrelated: step along the principal directions of our scenes' colours, not along red, green and blue.
        jitter: pixels by which the view moves at most, each way; anew at each step, each row its own way.
        rotation: degrees by which it turns at most, each way.
        scale: share by which it grows or shrinks at most.
        padding: pixels round the picture that are climbed too and cut off at the end: what moves shows no edge.
        blur: σ, in pixels, of the Gaussian that the picture goes through after each step.
        total_variation: weight of the mean distance of neighbours, subtracted from the score.
        l2: weight of the mean squared distance from grey, subtracted from the score.
        noise: standard deviation of the start picture, round grey.

    Raises:
        ValueError, TypeError: a switch is out of its range, with a sentence that says which.
    """

    parameterisation: str = "fourier"
    decorrelated: bool = True
    jitter: int = 4
    rotation: float = 5.0
    scale: float = 0.05
    padding: int = 4
    blur: float = 0.4
    total_variation: float = 2.0
    l2: float = 2.0
    noise: float = 0.1

    def __post_init__(self):
        check_choice("parameterisation", self.parameterisation, ("pixel", "fourier"), says="is 'pixel' or 'fourier'")
        if not isinstance(self.decorrelated, bool):
            raise TypeError(f"decorrelated is True or False; got {self.decorrelated!r}.")
        for field in fields(self):
            if field.name in LARGEST:
                check = check_whole if field.type == "int" else check_number
                check(field.name, getattr(self, field.name), 0, LARGEST[field.name])


NAIVE = Recipe("pixel", False, 0, 0.0, 0.0, 0, 0.0, 0.0, 0.0, noise=0.25)  # the slide's loop: no regulariser at all


@dataclass(frozen=True)
class Step:
    """One point of the way up; tensors without gradients, on the network's device."""

    index: int  # 0 is the start
    images: Tensor  # [N, 3, H, W] in [0, 1]
    scores: Tensor  # [N], of the view that the network saw: moved, turned, scaled
    gradient: Tensor  # [N], norm of the gradient by which it goes on, with respect to what is changed


@dataclass(frozen=True)
class Climb:
    """Where gradient ascent came to; tensors without gradients, on the network's device."""

    images: Tensor  # [N, 3, H, W] in [0, 1]
    scores: Tensor  # [steps + 1, N]
    gradients: Tensor  # [steps + 1, N]
    snapshots: dict[int, Tensor]  # step → pictures [N, 3, H, W]

    @property
    def dead(self) -> Tensor:
        """[N], true where the score never changed: no gradient, and nothing to climb, from this start at least."""
        return (self.scores == self.scores[0]).all(dim=0)


def climb_steps(
    network: nn.Module,
    objectives: Objective | Sequence[Objective],
    *,
    steps: int = 50,
    size: int | tuple[int, int] | None = None,
    start: Tensor | None = None,
    recipe: Recipe | None = None,
    optimizer: Callable[[list[Tensor]], torch.optim.Optimizer] = ADAM,
    seed: int | torch.Generator = 0,
) -> Iterator[Step]:
    """Gradient ascent on pictures, a step at a time, so that a lab can draw while it climbs.

    Whenever a step is handed over, the network is as it was: the loop may be left at any time, and the network may be
    used in between.

    Args:
        network: takes pictures in [0, 1]; looked at in evaluation mode, left as it was.
        objectives: what each picture shall raise: one, or a batch of N, of any kinds and layers.
        steps: at least 1.
        size: of the pictures, in pixels; None takes that of `start`, or what the network was trained on.
        start: pictures to begin from, [N, 3, H, W] in [0, 1]; one will do for all objectives, and one objective for
            all of them. None: noise, drawn anew and louder (up to eight times) for rows whose score is exactly 0, as
            it is where a ReLU lets nothing of the noise through: there would be no gradient to climb by.
        recipe: parameterisation and regularisers; None takes `Recipe()`, all that help.
        optimizer: makes an optimizer of a list of tensors; it is handed the gradient to descend, as always in torch.
        seed: of the noise and of the moving views; a generator (on the processor) is drawn from.

    Returns:
        Iterator over steps + 1 points: the start (index 0) and the point after each step.

    Raises:
        ValueError, TypeError: an argument is out of its range, with a sentence that says which (at the call).
    """
    recipe = Recipe() if recipe is None else recipe
    _check(network, recipe, steps)
    chosen = _as_list(objectives)
    like = next(network.parameters(), torch.zeros(1))
    size = _size(network, size, start)
    draw = seed if isinstance(seed, torch.Generator) else seeded(seed)
    if start is not None:
        start, chosen = _matched(start, chosen)
    reader = Reader(network, chosen, _noise(1, size, 0.2, seeded(0)).to(like), lean=True)
    picture = _begin(recipe, len(chosen), size, start, draw, like.detach())
    if start is None:
        _wake(picture, reader, recipe, size, draw)
    rule = optimizer([picture.values])
    if not isinstance(rule, torch.optim.Optimizer) or isinstance(rule, torch.optim.LBFGS):
        raise TypeError(
            "optimizer makes an optimizer of a list of tensors, as partial(torch.optim.Adam, lr=0.05) does "
            f"(LBFGS will not do, it mixes the pictures); got {type(rule).__name__}."
        )

    return _walk(picture, reader, rule, steps, size, recipe, draw)


def climb(
    network: nn.Module,
    objectives: Objective | Sequence[Objective],
    *,
    steps: int = 50,
    size: int | tuple[int, int] | None = None,
    start: Tensor | None = None,
    recipe: Recipe | None = None,
    optimizer: Callable[[list[Tensor]], torch.optim.Optimizer] = ADAM,
    seed: int | torch.Generator = 0,
    snapshots: Sequence[int] = (),
) -> Climb:
    """Run `climb_steps` to its end.

    Args:
        snapshots: steps whose pictures shall be kept, 0 to `steps`. All other arguments are those of `climb_steps`.

    Raises:
        ValueError, TypeError: an argument is out of its range, with a sentence that says which; or the network
            answered with NaN.
    """
    path = climb_steps(
        network, objectives, steps=steps, size=size, start=start, recipe=recipe, optimizer=optimizer, seed=seed
    )
    wrong = [step for step in snapshots if step not in range(steps + 1)]
    if wrong:
        raise ValueError(f"snapshots are taken at steps from 0 to {steps}; got {wrong[0]!r}.")
    scores, gradients, kept_images = [], [], {}
    for last in path:
        scores.append(last.scores)
        gradients.append(last.gradient)
        if last.index in snapshots:
            kept_images[last.index] = last.images
    scores = torch.stack(scores)
    if not scores.isfinite().all() or not last.images.isfinite().all():
        raise ValueError("the climb ended in NaN or infinity; take smaller steps, or look at the network's weights.")
    return Climb(last.images, scores, torch.stack(gradients), kept_images)


@torch.no_grad()
def score(network: nn.Module, objectives: Objective | Sequence[Objective], images: Tensor) -> Tensor:
    """How much pictures raise objectives, row by row, [N], as they are: not moved, nothing subtracted.

    Args:
        network: takes pictures in [0, 1]; looked at in evaluation mode, left as it was.
        objectives: one for all pictures, or one a picture.
        images: [N, 3, H, W] in [0, 1]; one will do for all objectives.

    Raises:
        ValueError, TypeError: an argument is out of its range, with a sentence that says which.
    """
    _check(network, NAIVE, 1)
    images, chosen = _matched(images, _as_list(objectives))
    images = images.to(next(network.parameters(), images))
    reader = Reader(network, chosen, images[:1])
    return reader.scores(images)


def noise(count: int = 1, size: int = 64, *, seed: int = 0, amount: float = 0.25) -> Tensor:
    """Where the slide's loop begins: grey with normal noise, pixel by pixel, clamped to [0, 1].

    Args:
        count, size: of the pictures.
        seed: equal seeds give equal noise.
        amount: its standard deviation.

    Returns:
        [count, 3, size, size] in [0, 1].
    """
    return _noise(count, (size, size), amount, seeded(seed))


def _noise(count: int, size: tuple[int, int], amount: float, draw: torch.Generator) -> Tensor:
    return (0.5 + amount * torch.randn(count, 3, *size, generator=draw)).clamp(0, 1)


# ---- the parts of a step ---------------------------------------------------------------------------------------
def _walk(
    picture: Pixels | Fourier,
    reader: Reader,
    rule: torch.optim.Optimizer,
    steps: int,
    size: tuple[int, int],
    recipe: Recipe,
    draw: torch.Generator,
) -> Iterator[Step]:
    """The way up, once everything is made ready: look, ask, step."""
    for index in range(steps + 1):
        with torch.enable_grad():
            canvas = picture.images()
            scores = reader.scores(_view(canvas, size, recipe, draw))
            goal = (scores - _penalty(canvas, recipe)).sum()
            (gradient,) = torch.autograd.grad(goal, picture.values)
        images = seen(canvas.detach(), size).clamp(0, 1)
        yield Step(index, images, scores.detach(), gradient.flatten(1).norm(dim=1))
        if index < steps:
            picture.values.grad = -gradient  # optimizers go down; we want up
            rule.step()
            if recipe.blur:
                picture.blur(recipe.blur)
            picture.project()


def _begin(
    recipe: Recipe, count: int, size: tuple[int, int], start: Tensor | None, draw: torch.Generator, like: Tensor
) -> Pixels | Fourier:
    """What is changed, at its start; with the padding round it."""
    padding = recipe.padding
    whole = (size[0] + 2 * padding, size[1] + 2 * padding)
    if start is not None:
        canvas = F.pad(start.to(like), (padding,) * 4, mode="replicate") if padding else start.to(like)
    elif recipe.parameterisation == "fourier":
        return Fourier.noise(count, whole, recipe.noise, draw, recipe.decorrelated).to(like)
    else:
        canvas = _noise(count, whole, recipe.noise, draw).to(like)
    return (Pixels if recipe.parameterisation == "pixel" else Fourier)(canvas, recipe.decorrelated)


@torch.no_grad()
def _wake(
    picture: Pixels | Fourier, reader: Reader, recipe: Recipe, size: tuple[int, int], draw: torch.Generator
) -> None:
    """Draw other noise, louder each time, for the rows that their objective does not answer to at all."""
    for trial in range(TRIES):  # heard in the middle and a little beside it; the moves of the climb stay undrawn
        canvas = picture.images()
        beside = _view(canvas, size, recipe, seeded(trial))
        silent = (reader.scores(seen(canvas, size)) == 0) | (reader.scores(beside) == 0)
        if not silent.any():
            return
        recipe = replace(recipe, noise=min(1.0, 1.2 * recipe.noise))
        fresh = _begin(recipe, len(silent), size, None, draw, silent.new_empty(0, dtype=picture.values.dtype))
        picture.values[silent] = fresh.values[silent]


def _view(canvas: Tensor, size: tuple[int, int], recipe: Recipe, draw: torch.Generator) -> Tensor:
    return seen(canvas, size, jitter=recipe.jitter, rotation=recipe.rotation, scale=recipe.scale, generator=draw)


def _penalty(canvas: Tensor, recipe: Recipe) -> Tensor | float:
    penalty = 0.0
    if recipe.total_variation:
        penalty = penalty + recipe.total_variation * total_variation(canvas)
    if recipe.l2:
        penalty = penalty + recipe.l2 * squared(canvas)
    return penalty


# ---- what can be wrong with an argument ------------------------------------------------------------------------
def _check(network: nn.Module, recipe: Recipe, steps: int) -> None:
    check_network(network)
    if not isinstance(recipe, Recipe):
        raise TypeError(f"recipe is a Recipe(…) or visualization.NAIVE; got {recipe!r}.")
    check_whole("steps", steps)


def _as_list(objectives: Objective | Sequence[Objective]) -> list[Objective]:
    chosen = list(objectives) if isinstance(objectives, (list, tuple)) else [objectives]
    if not chosen:
        raise ValueError("give at least one objective, such as Filter('stage3', 0).")
    for one in chosen:
        if not isinstance(one, Objective):
            raise TypeError(f"an objective is a Filter, Neuron, Layer, Logit, Probability or Mixture; got {one!r}.")
    return chosen


def _matched(images: Tensor, chosen: list[Objective]) -> tuple[Tensor, list[Objective]]:
    """As many pictures as objectives: where there is one of either, it is repeated."""
    check_images(images, channels=3)
    if len(images) == 1:
        images = images.expand(len(chosen), -1, -1, -1)
    if len(chosen) == 1:
        chosen = chosen * len(images)
    if len(images) != len(chosen):
        raise ValueError(f"give one picture for each objective; got {len(images)} and {len(chosen)}.")
    return images, chosen


def _size(network: nn.Module, size: int | tuple[int, int] | None, start: Tensor | None) -> tuple[int, int]:
    """Height and width of the pictures."""
    if isinstance(start, Tensor) and start.ndim == 4:
        given = tuple(start.shape[2:])
        if size not in (None, given) and (size, size) != given:
            raise ValueError(f"the start pictures have {given[0]}×{given[1]} pixels; leave size out, or say the same.")
        return given
    size = getattr(network, "input_size", None) if size is None else size
    if size is None:
        raise ValueError("this network does not say the size of its pictures; say it, as in size=64.")
    return check_pair("size", size)


# ---- the ladder ------------------------------------------------------------------------------------------------
_PENALTIES = replace(NAIVE, total_variation=2.0, l2=2.0)
_BLUR = replace(_PENALTIES, blur=0.4)
_MOVE = replace(_BLUR, jitter=4, rotation=5.0, scale=0.05, padding=4)
_FOURIER = replace(_MOVE, parameterisation="fourier", noise=0.1)
LADDER: dict[str, Recipe] = {  # each rung keeps what the one before it brought; the last is Recipe()
    "pixels, as on the slide": NAIVE,
    "+ L2, total variation": _PENALTIES,
    "+ blur": _BLUR,
    "+ jitter, rotation, scale": _MOVE,
    "+ Fourier coefficients": _FOURIER,
    "+ decorrelated colours": replace(_FOURIER, decorrelated=True),
}
