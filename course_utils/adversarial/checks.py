"""The exercise of notebook 8, targeted PGD: a check that knows the usual mistakes by what they compute.

Serves notebook 8. Paper: Madry et al. 2018 (PGD), arXiv:1706.06083.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_utils import runtime
from course_utils.checks.base import NOT_YET, Verdict, same, together, try_out, wrong
from course_utils.checks.progress import remembered


class _Witness(nn.Module):
    """A tiny smooth network that remembers every picture it was asked about."""

    def __init__(self):
        super().__init__()
        draw = runtime.generator(8)
        for name, shape, scale in (("first", (16, 48), 1.5), ("shift", (16,), 1.5), ("second", (4, 16), 2.0)):
            numbers = scale * torch.randn(shape, generator=draw, dtype=torch.float64)
            self.register_parameter(name, nn.Parameter(numbers))
        self.asked: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.asked.append(images.detach().clone())
        hidden = torch.sin(images.flatten(1) @ self.first.T + self.shift)  # [N, 16]
        return hidden @ self.second.T  # [N, 4]


class _Problem(NamedTuple):
    """A small fixed attack on which right and wrong answers come apart."""

    images: Tensor  # [N, 3, 4, 4]
    labels: Tensor  # [N]
    targets: Tensor  # [N]
    epsilon: float
    step_size: float
    steps: int


def _problems() -> list[_Problem]:
    """Steps longer than the ball's radius, then small ones: some mistakes show only in one of the two."""
    draw = runtime.generator(3)
    found = []
    for epsilon, step_size, steps in ((0.06, 0.09, 5), (0.1, 0.02, 12)):
        images = torch.rand(6, 3, 4, 4, generator=draw, dtype=torch.float64)
        images[:, :, 0] = images[:, :, 0].round()  # some black, some white: here the clamp to [0, 1] is seen
        with torch.no_grad():
            labels = _Witness()(images).argmax(dim=1)
        targets = (labels + torch.randint(1, 4, labels.shape, generator=draw)) % 4
        found.append(_Problem(images, labels, targets, epsilon, step_size, steps))
    return found


def _targeted_pgd(problem: _Problem, start: Tensor, slip: str = "") -> Tensor:
    """The exercise's answer, or the wrong one that a slip of `_SLIPS` makes of it."""
    network, x, collected = _Witness(), start, torch.zeros_like(start)
    goal = problem.labels if slip in ("the true label", "untargeted") else problem.targets
    direction = 1 if slip in ("uphill", "untargeted") else -1
    for _ in range(problem.steps):
        asked = x.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(cross_entropy(network(asked), goal, reduction="sum"), asked)
        collected = collected + gradient if slip == "accumulated" else gradient
        centre = {"round the step before": x, "round the start": start}.get(slip, problem.images)
        x = x + direction * problem.step_size * (collected if slip == "raw" else collected.sign())
        if slip != "no projection":
            x = x.clamp(centre - problem.epsilon, centre + problem.epsilon)
        if slip != "no clamp":
            x = x.clamp(0, 1)
    return x.detach()


_SLIPS = {  # what went wrong → what to say
    "uphill": "The sign is wrong: you climb the loss of the target, so the picture runs away from it; a targeted "
    "attack goes downhill, x − η·sign(gradient).",
    "the true label": "The label is the wrong one: you go down the loss of the true label, which makes the network "
    "surer of the truth; take the loss of the targets.",
    "untargeted": "This is the untargeted attack: it climbs the loss of the true label. For the targeted one change "
    "two things, the label in the loss and the sign of the step.",
    "no projection": "There is no projection: after every step bring the picture back to within ε of the clean one.",
    "round the step before": "You project round the wrong centre: the ball stands round the clean picture, not round "
    "the picture of the step before (round that one, every step may move it ε further away).",
    "round the start": "You project round the wrong centre: the ball stands round the clean picture, not round the "
    "random start (which may be ε away from it already).",
    "no clamp": "Pixels leave [0, 1]: after the projection, clamp the picture to [0, 1], or it is no picture any more.",
    "accumulated": "The gradient is accumulated: what you step along is the sum of all gradients so far; take a fresh "
    "one in each step (torch.autograd.grad, or set x.grad to None before backward).",
    "raw": "You step along the gradient itself, as the slide writes it; here take its sign, so that every pixel moves "
    "by η.",
}
_NO_RANDOM_START = (
    "There is no random start: you begin at the clean picture itself; begin at x₀ = x + U(−ε, ε), a different number "
    "for every pixel, clamped to [0, 1]."
)
_NO_GRADIENT = "The picture asks for no gradient: call x.requires_grad_() before network(x)."
_RIGHT = (
    "Right. Two things turned the untargeted attack into the targeted one: the label in the loss and the sign of "
    "the step."
)


@remembered
def check_pgd(student: Callable) -> Verdict:
    """Mark a student's targeted PGD: run it on two small fixed attacks and say what is wrong with it, if anything.

    Args:
        student: a function of (network, images, labels, targets, epsilon, step_size, steps) that begins at a random
            point of the ball, takes `steps` steps along the sign of the gradient and returns the pictures.

    >>> check_pgd(lambda network, images, labels, targets, epsilon, step_size, steps: images)
    … Not yet: your function never asks the network, so fill the gap and run this cell again.
    """
    return together((_mark(student, problem) for problem in _problems()), _RIGHT)


def _mark(student: Callable, problem: _Problem) -> Verdict:
    """One problem: run, then look for what is wrong, from the plain to the subtle."""
    network, images = _Witness(), problem.images
    answer = try_out(
        student,
        *(network, *problem),
        takes="network, images, labels, targets, epsilon, step_size, steps",
        returns="the pictures, a tensor",
        writes="You write into the clean pictures themselves; work on a copy: x = images.clone().",
        explain=lambda trouble: _NO_GRADIENT if "does not require grad" in str(trouble) else None,
    )
    if isinstance(answer, Verdict):
        return answer
    answer = answer.detach()
    if answer.shape != images.shape:
        got = list(answer.shape)
        return wrong(f"Return pictures of the shape that came in, {list(images.shape)}; yours have {got}.")
    if not answer.isfinite().all():
        return wrong("Your pictures hold NaN or infinity; look for a division by 0 or a step that explodes.")
    if not network.asked:
        return Verdict(None, "Not yet: your function never asks the network, so fill the gap and run this cell again.")
    start = network.asked[0]
    if torch.equal(answer, start):
        return NOT_YET
    return _compare(answer, start, problem, len(network.asked))


def _compare(answer: Tensor, start: Tensor, problem: _Problem, asked: int) -> Verdict:
    """Beside the right answer and the usual wrong ones, all from the student's own start."""
    if (start - problem.images).abs().max() > problem.epsilon * (1 + 1e-6):
        return wrong("Your start lies outside the ball: x₀ = x + U(−ε, ε), a different number for every pixel.")
    if same(answer, _targeted_pgd(problem, start)):
        return wrong(_NO_RANDOM_START) if torch.equal(start, problem.images) else Verdict(True, _RIGHT)
    for slip, sentence in _SLIPS.items():
        if same(answer, _targeted_pgd(problem, start, slip)):
            return wrong(sentence)
    for count in (problem.steps - 1, problem.steps + 1):
        if same(answer, _targeted_pgd(problem._replace(steps=count), start)):
            return wrong(f"You take {count} steps; it must be steps = {problem.steps}.")
    return _by_its_traits(answer, problem, asked)


def _by_its_traits(answer: Tensor, problem: _Problem, asked: int) -> Verdict:
    """Several mistakes at once: name the first that can be seen from outside."""
    distance = float((answer - problem.images).abs().max())
    if answer.min() < -1e-6 or answer.max() > 1 + 1e-6:
        return wrong(f"Pixels leave [0, 1] (they run from {answer.min():.2f} to {answer.max():.2f}): clamp them.")
    if distance > problem.epsilon * (1 + 1e-6):
        sentence = "project it after every step onto the ball round the clean picture."
        return wrong(f"A pixel moved by {distance:.3f} where ε = {problem.epsilon}: {sentence}")
    with torch.no_grad():
        loss = [float(cross_entropy(_Witness()(x), problem.targets)) for x in (problem.images, answer)]
    if loss[1] >= loss[0]:
        return wrong(
            f"The loss of the targets did not fall ({loss[0]:.2f} before, {loss[1]:.2f} after): look at the sign of "
            "the step and at the label in the loss."
        )
    if asked < problem.steps:
        return wrong(f"The network was asked {asked} times; compute a new gradient in each of the steps.")
    return wrong(
        "The pictures stay in the ball and come nearer to the targets, but they are not those of PGD: in each step "
        "take a fresh gradient, move η against its sign, project onto the ball, clamp to [0, 1]."
    )
