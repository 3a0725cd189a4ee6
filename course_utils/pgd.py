"""Adversarial attacks: FGSM in one step, PGD in k, inside the balls of `balls.py`.

Serves notebook 8 (adversarial examples), its lab, and the adversarial training of `signs-resnet-robust`.
Papers: Goodfellow et al. 2015 (FGSM), arXiv:1412.6572; Madry et al. 2018 (PGD), arXiv:1706.06083.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_utils.balls import Ball, Linf, check_size, raw_ascend
from course_utils.runtime import generator, kept


@dataclass(frozen=True)
class Step:
    """One point of an attack's path; tensors without gradients, on the pictures' device."""

    index: int  # 0 is the start point
    images: Tensor  # [N, C, H, W], in the ball and in [0, 1]
    loss: Tensor  # [N], cross-entropy of the labels (untargeted: it climbs) or of the targets (it falls)
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
    _check_batch(images, labels, None, ball)
    labels, _ = _check_classes(network, images, labels, None)
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
) -> Iterator[Step]:
    """Projected gradient ascent, a step at a time, so that a lab can draw while it climbs.

    Whenever a step is handed over, the network is as it was: the loop may be left at any time, and the
    network may be used in between.

    Args:
        network: takes pictures in [0, 1], answers with logits; looked at in evaluation mode, left as it was.
        images: the clean pictures x, float [N, C, H, W] in [0, 1].
        labels: their true classes y, whole numbers [N].
        ball: `Linf(epsilon)` or `L2(epsilon)`; the attack never leaves it, nor the box [0, 1].
        step_size: η, at least 0, in pixels; one number or a tensor [N].
        steps: k, at least 1.
        targets: None raises the loss of the labels; classes [N] that differ from the labels are made likely.
        random_start: begin at a random point of the ball, not at x.
        seed: of the random start; equal seeds give equal attacks (on the same kind of device).
        step: "sign" takes the ball's own best step (the gradient's sign in Linf, its direction in L2); "raw"
            the slide's x + η∇l, whose length is left to the gradient.

    Returns:
        Iterator over steps + 1 points: the start (index 0) and the point after each step.

    Raises:
        ValueError, TypeError: an argument is out of its range, with a sentence that says which (at the call).

    Source: Madry et al. 2018, arXiv:1706.06083, section 2.1.
    """
    _check_batch(images, labels, targets, ball)
    _check_count("steps", steps)
    _check_step(step, step_size, ball, len(images))
    labels, targets = _check_classes(network, images, labels, targets)

    centre = images.detach()
    start = ball.random_start(centre, generator(seed, centre.device)) if random_start else centre.clone()
    ascend = ball.ascend if step == "sign" else raw_ascend

    def walk() -> Iterator[Step]:
        # To descend to a target's loss is to ascend against its gradient: the slides' x - η∇l.
        goal, direction = (labels, 1) if targets is None else (targets, -1)
        x = start  # x₀ = x + U(-ε, ε)
        for index in range(steps):
            loss, logits, gradient = loss_and_gradient(network, x, goal)  # ∇l(f(xₜ), y)
            yield Step(index, x, loss, logits)
            x = ascend(x, direction * gradient, step_size)  # x̃ₜ₊₁ = xₜ + η sign ∇l
            x = ball.project(x, centre)  # xₜ₊₁ = Proj(x̃ₜ₊₁)
        yield Step(steps, x, *loss_and_logits(network, x, goal))

    return walk()


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
) -> Attack:
    """Run `pgd_steps` to its end, `restarts` times at once, and keep the best outcome for each picture.

    Args:
        restarts: number of random starts, at least 1, computed as one batch of restarts * N pictures; a
            success beats a failure, then the loss decides. All other arguments are those of `pgd_steps`.

    Returns:
        The attack. Untargeted, one minus the mean of its `success` is the accuracy under attack: a picture
        that the network got wrong from the beginning counts as a success.

    Raises:
        ValueError, TypeError: an argument is out of its range, with a sentence that says which; or the
            network answered with NaN.
    """
    _check_batch(images, labels, targets, ball)
    _check_step(step, step_size, ball, len(images))
    _check_count("restarts", restarts)
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
    )
    losses = []
    for last in path:
        losses.append(last.loss)
    losses = torch.stack(losses)  # [steps + 1, restarts * N]
    if not losses.isfinite().all():
        raise ValueError("the network answered with NaN or infinity; check its weights before you attack it.")

    labels = labels.to(last.logits.device)
    targets = None if targets is None else targets.to(last.logits.device)
    best = _best_restart(last, labels, targets, restarts)  # [N], rows of the stacked batch
    adversarial, logits = last.images[best], last.logits[best]
    return Attack(
        images=adversarial,
        labels=labels,
        targets=targets,
        logits=logits,
        success=_success(logits, labels, targets),
        distance=ball.norm(adversarial - images.detach()),
        losses=losses[:, best],
    )


def loss_and_gradient(network: nn.Module, images: Tensor, goal: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The loss l(f(x), y) of each picture and its gradient with respect to the picture.

    Args:
        network: takes pictures in [0, 1], answers with logits; looked at in evaluation mode, left as it was.
        images: float [N, C, H, W].
        goal: the classes y, int64 [N].

    Returns:
        loss [N], logits [N, classes], gradient [N, C, H, W].
    """
    with kept(network), torch.enable_grad():
        x = images.detach().requires_grad_()
        logits = network(x)
        loss = cross_entropy(logits, goal, reduction="none")
        # Summed, not averaged: so each picture's gradient is its own, whatever the size of the batch.
        (gradient,) = torch.autograd.grad(loss.sum(), x)
    return loss.detach(), logits.detach(), gradient


def loss_and_logits(network: nn.Module, images: Tensor, goal: Tensor) -> tuple[Tensor, Tensor]:
    """As `loss_and_gradient`, without the gradient: loss [N], logits [N, classes]."""
    with kept(network), torch.no_grad():
        logits = network(images)
        return cross_entropy(logits, goal, reduction="none"), logits


def _success(logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    answers = logits.argmax(dim=-1)
    return answers != labels if targets is None else answers == targets  # [N] or [restarts, N]


def _best_restart(last: Step, labels: Tensor, targets: Tensor | None, restarts: int) -> Tensor:
    """Row of the best restart of each picture, [N], in a batch stacked as [restarts * N, ...]."""
    count = len(labels)  # N
    success = _success(last.logits.view(restarts, count, -1), labels, targets)  # [restarts, N]
    strength = (last.loss if targets is None else -last.loss).view(restarts, count)
    # Where some restart succeeded, those that did not are out of the race.
    strength = strength.masked_fill(success.any(dim=0) & ~success, -math.inf)
    return strength.argmax(dim=0) * count + torch.arange(count, device=strength.device)


# What can be wrong with an argument, and the sentence for it.


def _check_batch(images: Tensor, labels: Tensor, targets: Tensor | None, ball: Ball) -> None:
    _check_images(images)
    if not isinstance(ball, Ball):
        raise TypeError(f"ball must be Linf(epsilon) or L2(epsilon), as in Linf(8/255); got {ball!r}.")
    _check_one_each("epsilon", ball.epsilon, len(images))
    _check_labels("labels", labels, len(images))
    if targets is not None:
        _check_labels("targets", targets, len(images))
        same = (targets.to(labels.device) == labels).nonzero()
        if len(same):
            row = int(same[0])
            raise ValueError(
                f"targets[{row}] is {int(targets[row])}, which is that picture's true label; "
                "choose another class as its target."
            )


def _check_images(images: Tensor) -> None:
    if not isinstance(images, Tensor):
        raise TypeError(f"images must be a tensor [N, C, H, W], as to_tensor makes it; got {type(images).__name__}.")
    if not images.is_floating_point():
        raise TypeError(f"images must be floats in [0, 1]; got {images.dtype}, so divide by 255: images / 255.")
    if images.ndim != 4 or not len(images):
        raise ValueError(
            f"images must be a batch [N, C, H, W] of at least one picture; got shape {list(images.shape)} "
            "(a single picture becomes a batch by image[None])."
        )
    if images.isnan().any():
        raise ValueError("images holds NaN; every pixel must be a number in [0, 1], so look where they were computed.")
    low, high = images.min().item(), images.max().item()
    if low < 0 or high > 1:
        raise ValueError(
            f"pixels must lie in [0, 1]; got {low:.4g} to {high:.4g}, so divide by 255 what runs to 255, and "
            "do not normalise (the networks do it inside)."
        )


def _check_labels(name: str, labels: Tensor, count: int) -> None:
    if not isinstance(labels, Tensor) or labels.is_floating_point() or labels.dtype == torch.bool:
        got = labels.dtype if isinstance(labels, Tensor) else type(labels).__name__
        raise TypeError(f"{name} must be a tensor of whole numbers, such as torch.tensor([14]); got {got}.")
    if labels.shape != (count,):
        raise ValueError(f"{name} must have shape [{count}], a class for each picture; got {list(labels.shape)}.")


def _check_classes(
    network: nn.Module, images: Tensor, labels: Tensor, targets: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """Labels and targets as int64 beside the pictures, after one picture has told which classes there are."""
    if not isinstance(network, nn.Module):
        raise TypeError(f"network must be a torch.nn.Module, as zoo.load gives it; got {type(network).__name__}.")
    with kept(network), torch.no_grad():
        logits = network(images[:1].clone())
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        got = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise TypeError(f"the network must answer with logits [N, classes]; got {got}, so wrap it to return those.")
    classes = logits.shape[1]
    for name, chosen in (("label", labels), ("target", targets)):
        wrong = [] if chosen is None else chosen[(chosen < 0) | (chosen >= classes)]
        if len(wrong):
            raise ValueError(f"{name} {int(wrong[0])} is no class of this network; it knows 0 to {classes - 1}.")
    labels = labels.to(images.device, torch.int64)
    return labels, None if targets is None else targets.to(images.device, torch.int64)


def _check_count(name: str, count: int) -> None:
    if isinstance(count, bool) or not isinstance(count, int):
        raise TypeError(f"{name} must be a whole number of at least 1; got {count!r}.")
    if count < 1:
        raise ValueError(f"{name} must be at least 1; got {count}.")


def _check_step(step: str, step_size: float | Tensor, ball: Ball, count: int) -> None:
    if step not in ("sign", "raw"):
        raise ValueError(f"step must be 'sign' (the ball's best step) or 'raw' (x + η∇l); got {step!r}.")
    check_size("step_size", step_size, largest=ball.LARGEST if step == "sign" else math.inf)
    _check_one_each("step_size", step_size, count)


def _check_one_each(name: str, numbers: float | Tensor, count: int) -> None:
    if isinstance(numbers, Tensor) and len(numbers) != count:
        raise ValueError(f"{name} holds {len(numbers)} numbers for {count} pictures; give one, or one for each.")
