"""Feature visualization: gradient ascent on a picture until a filter, a neuron, a layer or a class answers strongly.

Serves notebook 6 and its labs. Papers: Erhan et al. 2009; Simonyan et al. 2014, arXiv:1312.6034; Olah, Mordvintsev and
Schubert 2017, "Feature Visualization".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils.arguments import check_images, check_network, check_pair, check_whole
from course_utils.runtime import generator
from course_utils.visualization.canvas import Fourier, Pixels, crop, noise, penalty, transform
from course_utils.visualization.objectives import Objective, check_objective
from course_utils.visualization.reader import Reader
from course_utils.visualization.recipes import FULL, Recipe

ADAM = partial(torch.optim.Adam, lr=0.05)  # the optimizer unless you say otherwise
TRIES = 8  # other noises for a row that is silent at the start


@dataclass(frozen=True)
class Step:
    """One point of the way up; tensors without gradients, on the network's device."""

    index: int  # 0 is the start
    images: Tensor  # [N, 3, H, W] in [0, 1]
    scores: Tensor  # [N], of what the network saw: moved, turned, scaled
    gradient: Tensor  # [N], norm of the gradient by which it goes on, with respect to what is changed


@dataclass(frozen=True)
class Climb:
    """Where gradient ascent came to; tensors without gradients, on the network's device."""

    images: Tensor  # [N, 3, H, W] in [0, 1]
    scores: Tensor  # [steps + 1, N]
    gradients: Tensor  # [steps + 1, N]
    snapshots: dict[int, Tensor]  # step → pictures [N, 3, H, W]


def climb_steps(
    network: nn.Module,
    objectives: Objective | Sequence[Objective],
    *,
    steps: int = 50,
    size: int | tuple[int, int] | None = None,
    start: Tensor | None = None,
    recipe: Recipe = FULL,
    optimizer: Callable[[list[Tensor]], torch.optim.Optimizer] = ADAM,
    seed: int = 0,
) -> Iterator[Step]:
    """Gradient ascent on pictures, a step at a time, so that a lab can draw while it climbs.

    Args:
        network: takes pictures in [0, 1]; looked at in evaluation mode, and as it was whenever a step is handed over.
        objectives: what each picture shall raise: one, or a batch of N, of any kinds and layers.
        steps: at least 1.
        size: of the pictures, in pixels; None takes that of `start`, or what the network was trained on.
        start: pictures to begin from, [N, 3, H, W] in [0, 1]; one will do for all objectives, and one objective for
            all of them. None: noise, drawn anew and louder (up to eight times) for rows whose score is exactly 0, as
            behind a ReLU that lets nothing through: no gradient would move them.
        recipe: parameterisation and regularisers; all that help, unless you say otherwise.
        optimizer: makes an optimizer of a list of tensors; it is handed the gradient to descend, as always in torch.
        seed: of the noise and of the moves; equal seeds give equal climbs (on the same kind of device).

    Returns:
        Iterator over steps + 1 points, the start first.
    """
    check_network(network)
    check_whole("steps", steps)
    if not isinstance(recipe, Recipe):
        raise TypeError(f"recipe is a Recipe(…) or visualization.NAIVE; got {recipe!r}.")
    goals = _as_list(objectives)
    if start is not None:
        start, goals = _paired(start, goals)
    size = _size(network, size, start)
    like = next(network.parameters(), torch.zeros(1)).detach()
    draw = generator(seed)
    reader = Reader(network, goals, noise(1, size, amount=0.2).to(like), lean=True)
    kind = Pixels if recipe.parameterisation == "pixel" else Fourier
    first = torch.full((len(goals), 3, *size), 0.5) if start is None else start
    canvas = kind(F.pad(first.to(like), (recipe.padding,) * 4, mode="replicate"), recipe.decorrelated)
    if start is None:
        canvas.randomize(recipe.noise, draw)
        _wake(canvas, reader, recipe, draw)
    rule = optimizer([canvas.values])
    if not isinstance(rule, torch.optim.Optimizer) or isinstance(rule, torch.optim.LBFGS):
        raise TypeError(
            "optimizer makes an optimizer of a list of tensors, as partial(torch.optim.Adam, lr=0.05) does "
            f"(LBFGS will not do, it mixes the pictures); got {type(rule).__name__}."
        )

    def walk() -> Iterator[Step]:
        for index in range(steps + 1):
            with torch.enable_grad():
                images = canvas.images()  # from pixels or waves; with the padding round them
                seen = transform(images, recipe, draw)  # moved, turned, scaled a little
                scores = reader.scores(seen)  # the objectives
                goal = scores - penalty(images, recipe)
                (gradient,) = torch.autograd.grad(goal.sum(), canvas.values)
            shown = crop(images.detach(), recipe).clamp(0, 1)
            yield Step(index, shown, scores.detach(), gradient.flatten(1).norm(dim=1))
            if index < steps:
                canvas.values.grad = -gradient  # optimizers go down; we want up
                rule.step()
                canvas.blur(recipe.blur)
                canvas.project()  # back into [0, 1]

    return walk()


def climb(
    network: nn.Module,
    objectives: Objective | Sequence[Objective],
    *,
    steps: int = 50,
    snapshots: Sequence[int] = (),
    **how,
) -> Climb:
    """Run `climb_steps` to its end.

    Args:
        snapshots: steps whose pictures shall be kept, 0 to `steps`. All other arguments are those of `climb_steps`.

    Raises:
        ValueError: the network answered with NaN.

    >>> from course_utils import visualization, zoo
    >>> network = zoo.load("signs-alexnet", device="cpu")
    >>> result = climb(network, visualization.Filter("features.3", 5), steps=8)
    >>> result.images.shape, bool(result.scores[-1, 0] > result.scores[0, 0])
    (torch.Size([1, 3, 64, 64]), True)
    """
    path = climb_steps(network, objectives, steps=steps, **how)
    if wrong := [step for step in snapshots if step not in range(steps + 1)]:
        raise ValueError(f"snapshots are taken at steps from 0 to {steps}; got {wrong[0]!r}.")
    scores, gradients, taken = [], [], {}
    for last in path:
        scores.append(last.scores)
        gradients.append(last.gradient)
        if last.index in snapshots:
            taken[last.index] = last.images
    scores = torch.stack(scores)
    if not scores.isfinite().all() or not last.images.isfinite().all():
        raise ValueError("the climb ended in NaN or infinity; take smaller steps, or look at the network's weights.")
    return Climb(last.images, scores, torch.stack(gradients), taken)


@torch.no_grad()
def score(network: nn.Module, objectives: Objective | Sequence[Objective], images: Tensor) -> Tensor:
    """How much pictures raise objectives, row by row, [N], as they are: not moved, nothing subtracted.

    Args:
        network: as in `climb_steps`.
        objectives: one for all pictures, or one a picture.
        images: [N, 3, H, W] in [0, 1]; one will do for all objectives.

    >>> from course_utils import signs, visualization, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> goals = [visualization.Logit(signs.STOP), visualization.Logit(signs.YIELD)]
    >>> (score(network, goals, stop.images) > 0).tolist()
    [True, False]
    """
    check_network(network)
    images, goals = _paired(images, _as_list(objectives))
    images = images.to(next(network.parameters(), images))
    return Reader(network, goals, images[:1]).scores(images)


# ---- before the first step -------------------------------------------------------------------------------------
@torch.no_grad()
def _wake(canvas: Pixels | Fourier, reader: Reader, recipe: Recipe, draw: torch.Generator) -> None:
    """Draw other noise, louder each time, for the rows that their objective does not answer to at all."""
    amount = recipe.noise
    for trial in range(TRIES):  # heard in the middle and a little beside it; the moves of the climb stay undrawn
        images = canvas.images()
        beside = transform(images, recipe, generator(trial))
        heard = (reader.scores(crop(images, recipe)) != 0) & (reader.scores(beside) != 0)
        if heard.all():
            return
        awake, amount = canvas.values[heard], min(1.0, 1.2 * amount)
        canvas.randomize(amount, draw)
        canvas.values[heard] = awake


def _as_list(objectives: Objective | Sequence[Objective]) -> list[Objective]:
    goals = list(objectives) if isinstance(objectives, (list, tuple)) else [objectives]
    if not goals:
        raise ValueError("give at least one objective, such as Filter('stage3', 0).")
    for one in goals:
        check_objective(one)
    return goals


def _paired(images: Tensor, goals: list[Objective]) -> tuple[Tensor, list[Objective]]:
    """As many pictures as objectives: where there is one of either, it is repeated."""
    check_images(images, channels=3)
    if len(images) == 1:
        images = images.expand(len(goals), -1, -1, -1)
    if len(goals) == 1:
        goals = goals * len(images)
    if len(images) != len(goals):
        raise ValueError(f"give one picture for each objective; got {len(images)} and {len(goals)}.")
    return images, goals


def _size(network: nn.Module, size: int | tuple[int, int] | None, start: Tensor | None) -> tuple[int, int]:
    if start is not None:
        given = tuple(start.shape[2:])
        if size not in (None, given) and (size, size) != given:
            raise ValueError(f"the start pictures have {given[0]}×{given[1]} pixels; leave size out, or say the same.")
        return given
    if size is None and (size := getattr(network, "input_size", None)) is None:
        raise ValueError("this network does not say the size of its pictures; say it, as in size=64.")
    return check_pair("size", size)
