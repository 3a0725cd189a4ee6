"""Adversarial attacks: FGSM in one step, PGD in k, inside the balls of `balls.py`.

Serves notebook 8 (adversarial examples), its lab, and the adversarial training of `signs-resnet-robust`.
Papers: Goodfellow et al. 2015 (FGSM), arXiv:1412.6572; Madry et al. 2018 (PGD), arXiv:1706.06083; Dong et al. 2018
(momentum), arXiv:1710.06081; Carlini and Wagner 2017 (margin), arXiv:1608.04644.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_utils.adversarial import losses as attack_losses
from course_utils.adversarial.balls import Ball, Linf, check_batch, per_picture, raw_ascend
from course_utils.arguments import check_choice, check_classes, check_distance, check_one_each, check_whole
from course_utils.runtime import generator, kept

SCHEDULES = {  # how long the step is when the share t of all steps is done, as a part of η
    "constant": lambda t: 1.0,
    "linear": lambda t: 1.0 - t,
    "cosine": lambda t: (1.0 + math.cos(math.pi * t)) / 2,
}


@dataclass(frozen=True)
class Variant:
    """What later papers changed in PGD; as it stands here it is the slides' PGD, which changes nothing.

    Args:
        loss: "cross-entropy"; or "margin", whose gradient does not fade where the network is sure.
        momentum: μ ≥ 0 of g ← μ·g + ∇l/‖∇l‖₁, along which the step then goes; 1 is the paper's choice (MI-FGSM).
        schedule: of the step's length: "constant", or falling from η towards 0 by a "linear" or "cosine" law.
        early_stop: a picture that is fooled stands still from then on and costs nothing more.

    Raises:
        ValueError, TypeError: an argument is out of its range, with a sentence that says which.
    """

    loss: str = "cross-entropy"
    momentum: float = 0.0
    schedule: str = "constant"
    early_stop: bool = False

    def __post_init__(self) -> None:
        attack_losses.named(self.loss, ("cross-entropy", "margin"))
        number = isinstance(self.momentum, (int, float)) and not isinstance(self.momentum, bool)
        if not number or not 0 <= self.momentum < math.inf:
            raise ValueError(f"momentum must be a number from 0 (none) on, 1 in the paper; got {self.momentum!r}.")
        if self.schedule not in SCHEDULES:
            raise ValueError(f"schedule must be one of {', '.join(map(repr, SCHEDULES))}; got {self.schedule!r}.")


@dataclass(frozen=True)
class Step:
    """One point of an attack's path; tensors without gradients, on the pictures' device."""

    index: int  # 0 is the start point
    images: Tensor  # [N, C, H, W], in the ball and in [0, 1]
    loss: Tensor  # [N], that of the labels (untargeted: it climbs) or of the targets (it falls)
    logits: Tensor  # [N, classes]


@dataclass(frozen=True)
class Attack:
    """What an attack found; tensors without gradients, on the pictures' device."""

    images: Tensor  # [N, C, H, W], the adversarial pictures
    labels: Tensor  # [N], the true classes
    targets: Tensor | None  # [N], the wanted classes; None when any wrong one would do
    logits: Tensor  # [N, classes], the network's answer to the adversarial pictures
    success: Tensor  # [N] bool: answered with the target, or untargeted: with anything but the label
    distance: Tensor  # [N], how far the pictures moved, in the ball's norm
    losses: Tensor  # [steps + 1, N], the loss along the path
    predictions: Tensor  # [steps + 1, N], the class that the network read there
    distances: Tensor  # [steps + 1, N], how far the path had gone from the clean pictures, in the ball's norm
    kept: Tensor  # [N], index of the point of the path that `images` holds


def fgsm(network: nn.Module, images: Tensor, labels: Tensor, epsilon: float | Tensor) -> Tensor:
    """Fast gradient sign method: one step of size ε along the sign of the gradient, x + ε sign ∇l(f(x), y).

    Args:
        network: takes pictures in [0, 1], answers with logits; looked at in evaluation mode, left as it was.
        images: float [N, C, H, W] in [0, 1].
        labels: true classes, whole numbers [N].
        epsilon: largest change of a pixel, in [0, 1]; one number, or a tensor [N].

    Returns:
        The adversarial pictures, [N, C, H, W] in [0, 1].

    Raises:
        ValueError, TypeError: an argument is out of its range, with a sentence that says which.

    Source: Goodfellow et al. 2015, arXiv:1412.6572, section 4.
    """
    ball = Linf(epsilon)
    check_batch(images, labels, None, ball)
    labels, _ = check_classes(network, images, labels, None)
    _, _, gradient = loss_and_gradient(network, images, labels)
    return ball.project(ball.ascend(images.detach(), gradient, epsilon), images.detach())


def pgd_steps(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    ball: Ball,
    step_size: float | Tensor,
    steps: int = 20,
    targets: Tensor | None = None,
    random_start: bool = True,
    seed: int = 0,
    step: str = "sign",
    variant: Variant = Variant(),
) -> Iterator[Step]:
    """Projected gradient ascent, a step at a time, so that a lab can draw while it climbs.

    Whenever a step is handed over, the network is as it was: the loop may be left at any time, and the
    network may be used in between.

    Args:
        network: takes pictures in [0, 1], answers with logits; looked at in evaluation mode, left as it was.
        images: the clean pictures x, float [N, C, H, W] in [0, 1].
        labels: their true classes y, whole numbers [N].
        ball: `Linf(epsilon)`, `L2(epsilon)` or `L1(epsilon)`; the attack never leaves it, nor the box [0, 1].
        step_size: η, at least 0, in pixels; one number or a tensor [N].
        steps: k, at least 1.
        targets: None raises the loss of the labels; classes [N] that differ from the labels are made likely.
        random_start: begin at a random point of the ball, not at x.
        seed: of the random start; equal seeds give equal attacks (on the same kind of device).
        step: "sign" takes the ball's own best step (the gradient's sign in Linf, its direction in L2); "raw"
            the slide's x + η∇l, whose length is left to the gradient.
        variant: what later papers changed; see `Variant`.

    Returns:
        Iterator over steps + 1 points: the start (index 0) and the point after each step.

    Raises:
        ValueError, TypeError: an argument is out of its range, with a sentence that says which (at the call).

    Source: Madry et al. 2018, arXiv:1706.06083, section 2.1.
    """
    check_batch(images, labels, targets, ball)
    check_whole("steps", steps)
    check_choice("step", step, ("sign", "raw"), says="must be 'sign' (the ball's best step) or 'raw' (x + η∇l)")
    check_distance("step_size", step_size, ball.LARGEST if step == "sign" else math.inf)
    check_one_each("step_size", step_size, len(images))
    if variant.momentum and step == "raw":
        raise ValueError("momentum adds up gradients of length 1, so step='raw' has no meaning with it; use 'sign'.")
    labels, targets = check_classes(network, images, labels, targets)

    centre = images.detach()
    start = ball.random_start(centre, generator(seed, centre.device)) if random_start else centre.clone()
    ascend = ball.ascend if step == "sign" else raw_ascend
    # To descend to a target's loss is to ascend against its gradient: the slides' x - η∇l.
    goal, direction = (labels, 1) if targets is None else (targets, -1)

    def move(x: Tensor, velocity: Tensor, index: int) -> Tensor:
        x = ascend(x, velocity, step_size * SCHEDULES[variant.schedule](index / steps))  # x̃ₜ₊₁ = xₜ + η sign ∇l
        return ball.project(x, centre)  # xₜ₊₁ = Proj(x̃ₜ₊₁)

    return _walk(network, start, goal, direction, steps, variant, move)


def _walk(network: nn.Module, x: Tensor, goal: Tensor, direction: int, steps: int, variant: Variant, move) -> Iterator:
    """From the start x₀ = x + U(-ε, ε), step by step; `move` takes one and projects it."""
    velocity = torch.zeros_like(x)
    ask = _Sparing(direction < 0) if variant.early_stop else loss_and_gradient
    for index in range(steps):
        loss, logits, gradient = ask(network, x, goal, variant.loss)  # ∇l(f(xₜ), y)
        yield Step(index, x, loss, logits)
        velocity = _gathered(velocity, direction * gradient, variant.momentum)
        moved = move(x, velocity, index)
        x = torch.where(per_picture(ask.fooled, x) > 0, x, moved) if variant.early_stop else moved
    yield Step(steps, x, *loss_and_logits(network, x, goal, variant.loss))


def pgd(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    ball: Ball,
    step_size: float | Tensor,
    steps: int = 20,
    targets: Tensor | None = None,
    random_start: bool = True,
    seed: int = 0,
    step: str = "sign",
    restarts: int = 1,
    keep_best: bool = False,
    variant: Variant = Variant(),
) -> Attack:
    """Run `pgd_steps` to its end, `restarts` times at once, and keep the best outcome for each picture.

    Args:
        restarts: number of random starts, at least 1, computed as one batch of restarts * N pictures; a
            success beats a failure, then the loss decides.
        keep_best: keep the best point of the path, by the same rule, not its last one.
        All other arguments are those of `pgd_steps`.

    Returns:
        The attack. Untargeted, one minus the mean of its `success` is the accuracy under attack: a picture
        that the network got wrong from the beginning counts as a success.

    Raises:
        ValueError, TypeError: an argument is out of its range, with a sentence that says which; or the
            network answered with NaN.
    """
    check_batch(images, labels, targets, ball)
    check_one_each("step_size", step_size, len(images))
    check_whole("restarts", restarts)
    if restarts > 1 and not random_start:
        raise ValueError("restarts only differ by their random start; use random_start=True or restarts=1.")

    path = pgd_steps(
        network,
        images.repeat(restarts, 1, 1, 1),  # [restarts * N, C, H, W]
        labels.repeat(restarts),
        ball=ball.repeat(restarts),
        step_size=step_size.repeat(restarts) if isinstance(step_size, Tensor) else step_size,
        steps=steps,
        targets=None if targets is None else targets.repeat(restarts),
        random_start=random_start,
        seed=seed,
        step=step,
        variant=variant,
    )
    return best_of(path, images, labels, targets, ball, keep_best=keep_best)


def best_of(
    path: Iterator[Step], images: Tensor, labels: Tensor, targets: Tensor | None, ball: Ball, *, keep_best: bool
) -> Attack:
    """Walk a path to its end and keep the best of it: a success beats a failure, then the loss decides.

    Args:
        path: of a batch that holds the pictures once or several times stacked upon each other (restarts).
        images, labels, targets, ball: the N pictures themselves, and what was wanted of them.
        keep_best: choose among all points of the path; without it among the last points of the restarts.

    Raises:
        ValueError: the network answered with NaN or infinity.
    """
    losses, predictions, distances, best = [], [], [], None
    for step in path:
        restarts = len(step.loss) // len(images)
        if best is None:
            labels = labels.to(step.logits.device)
            targets = None if targets is None else targets.to(step.logits.device)
            centre, wide = images.detach().repeat(restarts, 1, 1, 1), ball.repeat(restarts)
        losses.append(step.loss)
        predictions.append(step.logits.argmax(dim=1))
        distances.append(wide.norm(step.images - centre))
        new = _Candidates(step, labels.repeat(restarts), None if targets is None else targets.repeat(restarts))
        best = new if best is None or not keep_best else best.improved_by(new)
    losses = torch.stack(losses)  # [steps + 1, restarts * N]
    if not losses.isfinite().all():
        raise ValueError("the network answered with NaN or infinity; check its weights before you attack it.")

    rows = best.best_restart(restarts)  # [N], rows of the stacked batch
    adversarial, logits = best.images[rows], best.logits[rows]
    return Attack(
        images=adversarial,
        labels=labels,
        targets=targets,
        logits=logits,
        success=succeeded(logits, labels, targets),
        distance=ball.norm(adversarial - images.detach()),
        losses=losses[:, rows],
        predictions=torch.stack(predictions)[:, rows],
        distances=torch.stack(distances)[:, rows],
        kept=best.index[rows],
    )


def best_restart(step: Step, labels: Tensor, targets: Tensor | None, restarts: int) -> Tensor:
    """Which restart of each picture is ahead at this step, rows [N] of a batch stacked as [restarts * N, ...].

    Args:
        step: of a path of `pgd_steps` over such a batch.
        labels, targets: of the N pictures.
        restarts: how often they are stacked.
    """
    targets = None if targets is None else targets.repeat(restarts)
    return _Candidates(step, labels.repeat(restarts), targets).best_restart(restarts)


class _Candidates:
    """Pictures that compete to be kept, [restarts * N]: how strong each is, and at which step of its path it was."""

    def __init__(self, step: Step, labels: Tensor, targets: Tensor | None) -> None:
        self.images, self.logits = step.images, step.logits
        self.success = succeeded(step.logits, labels, targets)
        self.strength = step.loss if targets is None else -step.loss
        self.index = torch.full_like(labels, step.index, dtype=torch.int64)

    def improved_by(self, new: _Candidates) -> _Candidates:
        """Whatever of the new ones is better, row by row, takes the old ones' place."""
        better = torch.where(self.success == new.success, new.strength > self.strength, new.success)
        for name in ("images", "logits", "success", "strength", "index"):
            old, fresh = getattr(self, name), getattr(new, name)
            setattr(new, name, torch.where(better.view(-1, *[1] * (old.ndim - 1)), fresh, old))
        return new

    def best_restart(self, restarts: int) -> Tensor:
        """Row of the best restart of each picture, [N], in a batch stacked as [restarts * N, ...]."""
        success, strength = self.success.view(restarts, -1), self.strength.view(restarts, -1)
        # Where some restart succeeded, those that did not are out of the race.
        strength = strength.masked_fill(success.any(dim=0) & ~success, -math.inf)
        count = strength.shape[1]  # N
        return strength.argmax(dim=0) * count + torch.arange(count, device=strength.device)


def loss_and_gradient(
    network: nn.Module, images: Tensor, goal: Tensor, loss: str | attack_losses.Loss = "cross-entropy"
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss l(f(x), y) of each picture and its gradient with respect to the picture.

    Args:
        network: takes pictures in [0, 1], answers with logits; looked at in evaluation mode, left as it was.
        images: float [N, C, H, W].
        goal: the classes y, int64 [N].
        loss: one of `attack_losses.LOSSES`, or a function like those.

    Returns:
        loss [N], logits [N, classes], gradient [N, C, H, W].
    """
    with kept(network), torch.enable_grad():
        x = images.detach().requires_grad_()
        logits = network(x)
        each = attack_losses.named(loss)(logits, goal)
        # Summed, not averaged: so each picture's gradient is its own, whatever the size of the batch.
        (gradient,) = torch.autograd.grad(each.sum(), x)
    return each.detach(), logits.detach(), gradient


def loss_and_logits(
    network: nn.Module, images: Tensor, goal: Tensor, loss: str | attack_losses.Loss = "cross-entropy"
) -> tuple[Tensor, Tensor]:
    """As `loss_and_gradient`, without the gradient: loss [N], logits [N, classes]."""
    with kept(network), torch.no_grad():
        logits = network(images)
        return attack_losses.named(loss)(logits, goal), logits


def succeeded(logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    """Whether an attack has what it wants, bool [N]: the target, or without one any class but the label."""
    answers = logits.argmax(dim=-1)
    return answers != labels if targets is None else answers == targets


class _Sparing:
    """`loss_and_gradient` for `early_stop`: what is fooled is not asked about again, its last answer stands."""

    def __init__(self, targeted: bool) -> None:
        self.targeted, self.known = targeted, None

    def __call__(self, network: nn.Module, images: Tensor, goal: Tensor, loss: str) -> tuple[Tensor, Tensor, Tensor]:
        if self.known is None:
            self.known = loss_and_gradient(network, images, goal, loss)
        elif len(rows := (~self.fooled).nonzero()[:, 0]):
            fresh = loss_and_gradient(network, images[rows], goal[rows], loss)
            self.known = tuple(old.index_copy(0, rows, new) for old, new in zip(self.known, fresh, strict=True))
        self.fooled = (self.known[1].argmax(dim=1) == goal) == self.targeted  # [N]
        return self.known


def _gathered(velocity: Tensor, gradient: Tensor, momentum: float) -> Tensor:
    """What the step goes along: the gradient, or with momentum its running sum, every gradient at length 1 (L1)."""
    if not momentum:
        return gradient
    length = per_picture(gradient.flatten(1).abs().sum(dim=1), gradient).clamp(min=torch.finfo(gradient.dtype).tiny)
    return momentum * velocity + gradient / length
