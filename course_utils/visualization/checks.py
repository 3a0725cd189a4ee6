"""The exercise of notebook 6: gradient ascent on the picture, for one filter of one layer.

Serves notebook 6. Papers: Erhan et al. 2009 (activation maximisation); Simonyan et al. 2014, arXiv:1312.6034.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.checks.base import NOT_YET, Verdict, same, together, try_out, wrong
from course_utils.checks.progress import remembered

FILTER, STEPS = 1, 4  # of every problem


@dataclass(frozen=True)
class _Problem:
    """A tiny network of four layers (convolution, ReLU, convolution, ReLU) and what to climb in it."""

    network: nn.Sequential
    layer: int  # which of the four
    image: Tensor  # [1, 3, 10, 10], in [0, 1]
    step_size: float
    right: Tensor | None = None  # the exercise's answer, [1, 3, 10, 10]
    wrong: tuple[Tensor, ...] = ()  # the usual wrong ones, in the order of `_MISTAKES`


@lru_cache(maxsize=1)
@torch.enable_grad()
def _problems() -> tuple[_Problem, ...]:
    """One climb to a convolution, one to a ReLU; both tell every mistake apart."""
    problems, draw = [], runtime.generator(1)
    for layer, step_size in ((2, 4.0), (1, 12.0)):
        while True:
            with torch.random.fork_rng(devices=[]):  # torch's own first weights shall not move anybody's generator
                network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.ReLU()).double()
            for parameter in network.parameters():
                parameter.data = 0.5 * torch.randn(parameter.shape, generator=draw, dtype=torch.float64)
            image = torch.rand(1, 3, 10, 10, generator=draw, dtype=torch.float64)
            problem = _Problem(network, layer, image, step_size)
            right, mistakes = _climb(problem), tuple(_climb(problem, **{part: value}) for part, value in _MISTAKES)
            flat = torch.stack([image, right, *mistakes]).flatten(1)
            if torch.nn.functional.pdist(flat, p=torch.inf).min() > 0.01:
                problems.append(replace(problem, right=right, wrong=mistakes))
                break
    return tuple(problems)


@torch.enable_grad()
def _climb(
    problem: _Problem, *, way=1.0, keeps=0.0, clamp="each", filter=0, layer=0, reduce="mean", step="raw", more=0
) -> Tensor:
    """The exercise's answer, and with other arguments the usual wrong ones."""
    x, held = problem.image.clone(), torch.zeros_like(problem.image)
    adam = torch.optim.Adam([x], lr=problem.step_size)
    for _ in range(STEPS + more):
        x.requires_grad_()
        maps = problem.network[: (problem.layer + layer) % 4 + 1](x)[0]
        chosen = maps if filter is None else maps[(FILTER + filter) % 4]
        score = getattr(chosen, reduce)()
        (gradient,) = torch.autograd.grad(score, x)
        held = keeps * held + gradient
        with torch.no_grad():
            if step == "adam":
                x.grad = -held
                adam.step()
            else:
                moves = {"raw": held, "sign": held.sign(), "unit": held / held.norm().clamp(min=1e-12)}[step]
                x += way * problem.step_size * moves
            least, most = {"each": (0, 1), "slide": (-1.5, 1.5)}.get(clamp, (-torch.inf, torch.inf))
            x.clamp_(least, most)
    return (x.clamp(0, 1) if clamp == "end" else x).detach()


_MISTAKES: dict[tuple[str, object], str] = {  # what went wrong → what to say
    ("way", -1.0): "Your picture descends: the filter answers less and less. Add the gradient; or, with an optimizer, "
    "which always goes downhill, make the score negative: loss = -activation.mean().",
    ("keeps", 1.0): "The gradients pile up: backward() adds to x.grad and does not replace it. Set it to zero in every "
    "step (optimizer.zero_grad(), or x.grad = None).",
    ("clamp", "none"): "The clamp is missing: your picture has pixels below 0 or above 1, and those are no pixels. "
    "After every step: x.clamp(0, 1).",
    ("clamp", "end"): "You clamp once, at the end; by then every step began where no picture can be. Clamp after every "
    "step.",
    ("clamp", "slide"): "You clamp at ±1.5, as the slide does for a normalised picture; here a pixel runs from 0 to 1.",
    ("filter", None): "You climb the mean over all filters of the layer; take the one asked for: "
    "activation[0, filter].",
    ("filter", 1): "This is the next filter: they are counted from 0, so take activation[0, filter].",
    ("filter", -1): "This is the filter before: they are counted from 0, so take activation[0, filter].",
    ("layer", 1): "The layer is the wrong one: you stop one layer too late. network[: layer + 1] ends with the one "
    "asked for; after its ReLU a convolution has forgotten everything negative, and with it the gradient there.",
    ("layer", -1): "The layer is the wrong one: you stop one layer too early. A slice leaves its end out, so take "
    "network[: layer + 1].",
    ("reduce", "sum"): "You climb the sum of the map; take its mean, as the slide does: the step then fits any size.",
    ("reduce", "max"): "You climb the largest number of the map only; take the mean over all its places.",
    ("step", "sign"): "You step along the sign of the gradient, as FGSM does; here take the gradient as it is.",
    ("step", "unit"): "You divide the gradient by its norm; a good idea, but here take the gradient as it is.",
    ("step", "adam"): "Adam climbs well, but it makes steps of its own; here take the plain step, "
    "step_size · gradient.",
    ("more", -1): "You make one step too few; the loop has to run `steps` times.",
    ("more", 1): "You make one step too many; the loop has to run `steps` times.",
}
_TOLD = {  # what torch says → what to say
    "does not require grad": "Nothing remembers the gradient: x.requires_grad_() has to come before the network sees "
    "x, in every step.",
    "grad can be implicitly created only for scalar": "Take the gradient of one number, the mean of the filter's map: "
    "activation[0, filter].mean().",
    "leaf Variable that requires grad is being used in an in-place": "Autograd refuses to change x in place while it "
    "watches it: change x.data, or go on with x.detach().",
    "backward through the graph a second time": "Each step drags the steps before it along: begin it with "
    "x = x.detach().requires_grad_().",
    "can't optimize a non-leaf": "An optimizer wants a leaf: x = image.clone().requires_grad_(), and only then Adam or "
    "SGD.",
    "'NoneType'": "x.grad is None: autograd keeps the gradient of leaves only. Begin each step with "
    "x = x.detach().requires_grad_(), or take the gradient from torch.autograd.grad.",
}
_CALLERS = "You changed the caller's image; begin with a copy: x = image.clone()."
_RIGHT = (
    "Right. The weights stood still and the picture learnt: forward to the layer, the mean of one map, its gradient "
    "with respect to the pixels, a step uphill, back into [0, 1]."
)


@remembered
def check_ascent(student: Callable) -> Verdict:
    """Mark a student's gradient ascent: run it on two tiny networks and say what is wrong with it, if anything.

    Args:
        student: a function of (network, layer, filter, image, steps, step_size) that returns the climbed picture,
            [1, 3, H, W] in [0, 1]; network is an `nn.Sequential`, layer a number in it.

    >>> check_ascent(lambda network, image, *rest: 3)
    ✗ Return the picture, a tensor; you return int.
    """
    return together((_mark(student, problem) for problem in _problems()), _RIGHT)


def _mark(student: Callable, problem: _Problem) -> Verdict | None:
    """One climb: run, look whether anything else was changed, then at what came out; None where it is right."""
    network, image, asked = copy.deepcopy(problem.network), problem.image.clone(), []
    network[0].register_forward_hook(lambda *_: asked.append(1))
    given = network, problem.layer, FILTER, image, STEPS, problem.step_size
    takes = "network, layer, filter, image, steps, step_size"
    answer = try_out(student, *given, takes=takes, returns="the picture, a tensor", writes=_CALLERS, explain=_explain)
    stopped = isinstance(answer, Verdict)
    if not stopped or answer.right is None:  # even where nothing was returned
        before, after = problem.network.state_dict(), network.state_dict()
        if any(not torch.equal(before[key], after[key]) for key in before):
            return wrong(
                "You trained the network: its weights changed. Here the weights stand still and the picture moves, so "
                "give the optimizer [x], not network.parameters()."
            )
        if not torch.equal(image, problem.image):
            return wrong(_CALLERS)
    return answer if stopped else _compare(answer, problem, bool(asked))


def _explain(trouble: Exception) -> str | None:
    return next((sentence for pattern, sentence in _TOLD.items() if pattern in str(trouble)), None)


def _compare(answer: Tensor, problem: _Problem, asked: bool) -> Verdict | None:
    """What is wrong with one answer; None where it is right."""
    if answer.shape != problem.image.shape:
        shape = list(answer.shape)
        return wrong(f"Return the picture, [1, 3, H, W]; what you return is {shape}: the activation, perhaps?")
    if not answer.isfinite().all():
        return wrong("Your picture holds NaN or infinity; look at the step: is it step_size · gradient?")
    if same(answer, problem.right):
        return None
    if same(answer, problem.image):
        if not asked:
            return NOT_YET  # as the exercise's stub returns it
        return wrong("Your picture never moves: the network was asked, but x stayed what it was. Assign the step.")
    for mistake, sentence in zip(problem.wrong, _MISTAKES.values(), strict=True):
        if same(answer, mistake):
            return wrong(sentence)
    if answer.min() < 0 or answer.max() > 1:
        return wrong("Your picture has pixels below 0 or above 1; clamp it after every step.")
    return wrong(
        "Your picture is another one: forward to the layer, the mean of the filter's map, its gradient with respect to "
        "x, x + step_size · gradient, clamp to [0, 1]; and all that `steps` times."
    )
