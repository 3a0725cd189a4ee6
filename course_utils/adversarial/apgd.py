"""APGD, the attack that chooses its own step size, and the ensemble of its losses, the course's strongest attack.

Serves notebook 8 (gradient masking, robust accuracy), its lab and `intervals.py`'s comparisons. Paper: Croce and Hein
2020, "Reliable evaluation of adversarial robustness with an ensemble of diverse parameter-free attacks",
arXiv:2003.01690.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from course_utils.adversarial import losses
from course_utils.adversarial.balls import L2, Ball, Linf, check_batch, check_one_size, per_picture
from course_utils.adversarial.pgd import Attack, Step, collect, loss_and_gradient, loss_and_logits
from course_utils.arguments import check_classes, check_whole
from course_utils.runtime import generator

PATIENCE = 0.75  # ρ: the share of steps that must have gained for the step size to stay
RIVALS = 9  # wrong classes that the ensemble aims at
INERTIA = 0.75  # α: how much of the new direction is taken, beside the old one


def checkpoints(steps: int) -> list[int]:
    """The steps of the attack after which the step size is judged, w₁ … wₙ: ever shorter periods (section 3.1)."""
    shares = [0.0, 0.22]
    while shares[-1] < 1:
        shares.append(shares[-1] + max(shares[-1] - shares[-2] - 0.03, 0.06))
    return sorted({math.ceil(round(share * steps, 6)) for share in shares[1:] if share < 1})


def apgd_steps(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    ball: Ball,
    steps: int = 100,
    loss: str = "cross-entropy",
    targets: Tensor | None = None,
    random_start: bool = True,
    seed: int = 0,
) -> Iterator[Step]:
    """Auto-PGD, a step at a time: each picture's step begins at 2ε and is halved whenever the climb stalls.

    Args:
        network, images, labels, targets, random_start, seed: as in `pgd_steps`.
        ball: `Linf(epsilon)` or `L2(epsilon)`.
        steps: at least 1.
        loss: one of `losses.LOSSES`, or a function like those.

    Returns:
        Iterator over steps + 1 points; their loss need not climb, as the attack tries and goes back.

    Source: Croce and Hein 2020, algorithm 1.
    """
    check_batch(images, labels, targets, ball)
    _check_kind(ball)
    check_whole("steps", steps)
    losses.find(loss)
    labels, targets = check_classes(network, images, labels, targets)
    centre = images.detach()
    start = ball.random_start(centre, generator(seed, centre.device)) if random_start else centre.clone()
    goal, direction = (labels, 1) if targets is None else (targets, -1)
    radius = torch.as_tensor(ball.epsilon, dtype=centre.dtype, device=centre.device).expand(len(centre))  # [N]
    ends = set(checkpoints(steps))

    def walk() -> Iterator[Step]:
        value, logits, gradient = loss_and_gradient(network, start, goal, loss)
        yield Step(0, start, value, logits)
        height, gradient = direction * value, direction * gradient  # what is climbed
        x, previous, judged = start, start, _Judged(start, height, gradient, 2 * radius)
        for index in range(1, steps + 1):
            tried = ball.project(ball.ascend(x, gradient, judged.step_size), centre)  # z
            if index > 1:  # keep some of the last movement
                tried = ball.project(x + INERTIA * (tried - x) + (1 - INERTIA) * (x - previous), centre)
            x, previous = tried, x
            if index == steps:
                yield Step(index, x, *loss_and_logits(network, x, goal, loss))
                return
            value, logits, gradient = loss_and_gradient(network, x, goal, loss)
            yield Step(index, x, value, logits)
            height, gradient = direction * value, direction * gradient
            judged.see(x, height, gradient)
            if index in ends:
                back = per_picture(judged.halve_where_stalled(), x) > 0  # [N, 1, 1, 1]
                x, gradient = torch.where(back, judged.images, x), torch.where(back, judged.gradient, gradient)

    return walk()


class _Judged:
    """What a climb remembers of each picture: its best point, and how often it gained since the last checkpoint."""

    def __init__(self, images: Tensor, height: Tensor, gradient: Tensor, step_size: Tensor) -> None:
        self.images, self.best, self.gradient, self.step_size = images, height, gradient, step_size
        self.last = height  # of the step before
        self.gained, self.steps = torch.zeros_like(height), 0
        self.best_then, self.halved_then = height, torch.ones_like(height, dtype=torch.bool)

    def see(self, images: Tensor, height: Tensor, gradient: Tensor) -> None:
        """Take note of one step."""
        better = height > self.best
        wide = per_picture(better, images) > 0
        self.images = torch.where(wide, images, self.images)
        self.gradient = torch.where(wide, gradient, self.gradient)
        self.best = torch.where(better, height, self.best)
        self.gained = self.gained + (height > self.last)
        self.last, self.steps = height, self.steps + 1

    def halve_where_stalled(self) -> Tensor:
        """At a checkpoint: halve the steps of pictures that stall, bool [N]; those go back to their best point."""
        rarely = self.gained < PATIENCE * self.steps  # condition 1
        in_vain = ~self.halved_then & (self.best_then >= self.best)  # condition 2
        stalled = rarely | in_vain
        self.step_size = torch.where(stalled, self.step_size / 2, self.step_size)
        self.last = torch.where(stalled, self.best, self.last)
        self.gained, self.steps = torch.zeros_like(self.gained), 0
        self.best_then, self.halved_then = self.best, stalled
        return stalled


def apgd(
    network: nn.Module, images: Tensor, labels: Tensor, *, ball: Ball, targets: Tensor | None = None, **how
) -> Attack:
    """Run `apgd_steps` to its end and keep each picture's best point; all arguments are those of `apgd_steps`.

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> apgd(network, stop.images, stop.labels, ball=Linf(8 / 255), steps=20, loss="margin").success.item()
    True
    """
    path = apgd_steps(network, images, labels, ball=ball, targets=targets, **how)
    return collect(path, images, labels, targets, ball, best=True)


# ---- several attacks, one after the other ------------------------------------------------------------------------
@dataclass(frozen=True)
class Ensemble:
    """What an ensemble of attacks found; one minus the mean of `success` is the robust accuracy."""

    images: Tensor  # [N, C, H, W], adversarial where `success`, else the clean picture
    success: Tensor  # [N] bool: read as anything but the label
    distance: Tensor  # [N], in the ball's norm
    found_by: tuple[str, ...]  # N names: "wrong without an attack", "APGD, cross-entropy" … or "" where it stands


def apgd_ensemble(
    network: nn.Module, images: Tensor, labels: Tensor, *, ball: Ball, steps: int = 100, seed: int = 0
) -> Ensemble:
    """APGD on the cross-entropy, on the DLR, then towards each of the likeliest wrong classes; each on what stands.

    That is AutoAttack's APGD part (cross-entropy and targeted DLR), with the untargeted DLR of its first version;
    without FAB and Square.

    Args:
        network, images, labels, ball, seed: as in `apgd_steps`; the ball's ε is one number.
        steps: of each attack.
    """
    check_batch(images, labels, None, ball)
    _check_kind(ball)
    check_one_size("the ensemble", ball)
    check_whole("steps", steps)
    images = images.detach()
    labels, _ = check_classes(network, images, labels)
    _, logits = loss_and_logits(network, images, labels)
    # The wrong classes of each picture, the likeliest first.
    rivals = logits.scatter(1, labels[:, None], -math.inf).argsort(dim=1, descending=True)[:, :-1]
    aims = [("cross-entropy", None), ("DLR" if rivals.shape[1] >= 2 else "margin", None)]
    if rivals.shape[1] >= 3:
        aims += [(f"DLR towards rival {rank + 1}", rank) for rank in range(min(RIVALS, rivals.shape[1]))]
    found, success = images.clone(), logits.argmax(dim=1) != labels
    by = ["wrong without an attack" if wrong else "" for wrong in success.tolist()]
    for turn, (name, rank) in enumerate(aims):
        rows = (~success).nonzero()[:, 0]  # what still stands
        if not len(rows):
            break
        loss = name.lower() if rank is None else partial(losses.targeted_dlr, towards=rivals[rows, rank])
        attack = apgd(network, images[rows], labels[rows], ball=ball, steps=steps, loss=loss, seed=seed + turn)
        fallen = rows[attack.success]
        found[fallen], success[fallen] = attack.images[attack.success], True
        for row in fallen.tolist():
            by[row] = f"APGD, {name}"
    return Ensemble(found, success, ball.norm(found - images), tuple(by))


def attack_radius(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    kind: type[Ball] = Linf,
    largest: float = 32 / 255,
    halvings: int = 8,
    steps: int = 20,
) -> Tensor:
    """How near the nearest adversarial picture is that APGD finds, by bisection: nearer ones may exist.

    Args:
        network, images, labels, steps: as in `apgd_steps`.
        kind, largest: the ball of the first attempt, `Linf` or `L2`.
        halvings: how often the gap between success and failure is halved, at least 1.

    Returns:
        Distances [N], in the ball's norm: 0 where the clean picture is misread, infinite where nothing was found.
    """
    check_batch(images, labels, None, kind(largest))
    _check_kind(kind(largest))
    check_whole("halvings", halvings)
    labels, _ = check_classes(network, images, labels)
    wrong = loss_and_logits(network, images, labels)[1].argmax(dim=1) != labels
    failed = torch.zeros(len(images), dtype=images.dtype, device=images.device)
    found = torch.full_like(failed, math.inf).masked_fill(wrong, 0)
    rows = (~wrong).nonzero()[:, 0]  # what is still asked about: all at first, then only what fell
    for _ in range(halvings + 1):
        if not len(rows):
            break
        near = found[rows]
        epsilon = torch.where(near.isinf(), largest, (failed[rows] + near) / 2)
        how = {"ball": kind(epsilon), "steps": steps, "loss": "margin", "random_start": False}
        attack = apgd(network, images[rows], labels[rows], **how)
        near = torch.where(attack.success, torch.minimum(near, attack.distance), near)
        failed[rows] = torch.where(attack.success, failed[rows], epsilon).minimum(near)
        found[rows] = near
        rows = rows[near.isfinite() & (near > 0)]
    return found


def _check_kind(ball: Ball) -> None:
    """Refuse a ball for which the paper has no rules."""
    if not isinstance(ball, (Linf, L2)):
        raise TypeError(f"APGD is made for Linf(epsilon) and L2(epsilon); got {ball!r}, so attack it by pgd.")
