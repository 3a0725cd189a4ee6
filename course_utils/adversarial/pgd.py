"""Adversarial attacks: FGSM in one step, PGD in k, inside the balls of `balls.py`.

Serves notebook 8 (adversarial examples), its lab, and the adversarial training of `signs-resnet-robust`.
Papers: Goodfellow et al. 2015 (FGSM), arXiv:1412.6572; Madry et al. 2018 (PGD), arXiv:1706.06083; Carlini and Wagner
2017 (margin), arXiv:1608.04644.

Whoever knows torchattacks or Captum: their `eps` is the ball, as in `Linf(8/255)`, their `alpha` is `step_size`, and
`targets` are the classes to be reached, not the true ones (Captum calls the explained class `target`).
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

BATCH = 32  # pictures attacked at a time, where there are many


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


def fgsm(network: nn.Module, images: Tensor, labels: Tensor, epsilon: float | Tensor) -> Tensor:
    """Fast gradient sign method: one step of size ε along the sign of the gradient, x + ε sign ∇l(f(x), y).

    Args:
        network, images, labels: as in `pgd_steps`.
        epsilon: largest change of a pixel, in [0, 1]; one number, or a tensor [N].

    Source: Goodfellow et al. 2015, arXiv:1412.6572, section 4.

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> x_adv = fgsm(network, stop.images, stop.labels, 8 / 255)
    >>> f"{(x_adv - stop.images).abs().max() * 255:.0f} of 255"
    '8 of 255'
    """
    ball = Linf(epsilon)
    check_batch(images, labels, None, ball)
    labels, _ = check_classes(network, images, labels)
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
    loss: str = "cross-entropy",
    early_stop: bool = False,
) -> Iterator[Step]:
    """Projected gradient ascent, a step at a time, so that a lab can draw while it climbs.

    Args:
        network: takes pictures in [0, 1], answers with logits; looked at in evaluation mode, and as it was whenever a
            step is handed over.
        images: the clean pictures x, float [N, C, H, W] in [0, 1].
        labels: their true classes y, whole numbers [N].
        ball: `Linf(epsilon)`, `L2(epsilon)` or `L1(epsilon)`; the attack never leaves it, nor the box [0, 1].
        step_size: η, at least 0, in pixels; one number or a tensor [N].
        steps: k, at least 1.
        targets: None raises the loss of the labels; classes [N] that differ from the labels are made likely.
        random_start: begin at a random point of the ball, not at x.
        seed: of the random start; equal seeds give equal attacks (on the same kind of device).
        step: "sign" takes the ball's best step (the gradient's sign in Linf, its direction in L2); "raw" x + η∇l.
        loss: "cross-entropy"; or "margin", whose gradient does not fade where the network is sure.
        early_stop: a picture that is fooled stands still from then on and costs nothing more.

    Returns:
        Iterator over steps + 1 points: the start (index 0) and the point after each step.

    Source: Madry et al. 2018, arXiv:1706.06083, section 2.1.

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> path = pgd_steps(network, stop.images, stop.labels, ball=Linf(8 / 255), step_size=2 / 255, steps=3)
    >>> [step.index for step in path]
    [0, 1, 2, 3]
    """
    check_batch(images, labels, targets, ball)
    steps = check_whole("steps", steps)
    check_choice("step", step, ("sign", "raw"), says="must be 'sign' (the ball's best step) or 'raw' (x + η∇l)")
    check_distance("step_size", step_size, ball.LARGEST if step == "sign" else math.inf)
    check_one_each("step_size", step_size, len(images))
    attack_losses.find(loss, ("cross-entropy", "margin"))
    labels, targets = check_classes(network, images, labels, targets)

    centre = images.detach()  # x
    start = ball.random_start(centre, generator(seed, centre.device)) if random_start else centre.clone()
    ascend = ball.ascend if step == "sign" else raw_ascend
    # To descend to a target's loss is to ascend against its gradient: the slides' x - η∇l.
    goal, direction = (labels, 1) if targets is None else (targets, -1)
    ask = _Sparing(targets is not None) if early_stop else loss_and_gradient

    def walk() -> Iterator[Step]:
        x = start  # x₀ = x + U(-ε, ε)
        for index in range(steps):
            value, logits, gradient = ask(network, x, goal, loss)  # ∇l(f(xₜ), y)
            yield Step(index, x, value, logits)
            x = ascend(x, direction * gradient, step_size)  # x̃ₜ₊₁ = xₜ + η sign ∇l
            x = ball.project(x, centre)  # xₜ₊₁ = Proj(x̃ₜ₊₁)
        yield Step(steps, x, *loss_and_logits(network, x, goal, loss))

    return walk()


def pgd(
    network: nn.Module, images: Tensor, labels: Tensor, *, ball: Ball, targets: Tensor | None = None, **how
) -> Attack:
    """Run `pgd_steps` to its end; all arguments are those of `pgd_steps`.

    Untargeted, one minus the mean of its `success` is the accuracy under attack: a picture that the network got wrong
    from the beginning counts as a success.

    Raises:
        ValueError: the network answered with NaN or infinity.

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> attack = pgd(network, stop.images, stop.labels, ball=Linf(8 / 255), step_size=2 / 255, steps=10)
    >>> attack.success.item(), f"{attack.distance.item() * 255:.0f} of 255"
    (True, '8 of 255')
    """
    path = pgd_steps(network, images, labels, ball=ball, targets=targets, **how)
    return collect(path, images, labels, targets, ball)


def collect(
    path: Iterator[Step], images: Tensor, labels: Tensor, targets: Tensor | None, ball: Ball, *, best: bool = False
) -> Attack:
    """Walk an attack's path to its end; with `best`, each picture's best point of the path counts, not its last one."""
    losses, found = [], None
    for step in path:
        losses.append(step.loss)
        labels = labels.to(step.logits.device)
        targets = None if targets is None else targets.to(step.logits.device)
        found = _better(found, step, labels, targets) if best and found is not None else step
    losses = torch.stack(losses)  # [steps + 1, N]
    if not losses.isfinite().all():
        raise ValueError("the network answered with NaN or infinity; check its weights before you attack it.")
    success, distance = has_succeeded(found.logits, labels, targets), ball.norm(found.images - images.detach())
    return Attack(found.images, labels, targets, found.logits, success, distance, losses)


def _better(old: Step, new: Step, labels: Tensor, targets: Tensor | None) -> Step:
    """Of two steps the better one, picture by picture: a success beats a failure, then the loss decides."""
    won, had_won = (has_succeeded(step.logits, labels, targets) for step in (new, old))
    gain = new.loss - old.loss if targets is None else old.loss - new.loss
    better = torch.where(won == had_won, gain > 0, won)  # [N]
    pairs = ((new.images, old.images), (new.loss, old.loss), (new.logits, old.logits))
    return Step(new.index, *(torch.where(per_picture(better, now) > 0, now, then) for now, then in pairs))


def best_restart(step: Step, label: Tensor, target: Tensor | None) -> Tensor:
    """Which restart of one picture, label and target [1], is ahead at a step over a batch of them all, [1].

    A success beats a failure, then the loss decides.
    """
    won = has_succeeded(step.logits, label, target)
    strength = step.loss if target is None else -step.loss
    # Where some restart succeeded, those that did not are out of the race.
    return strength.masked_fill(won.any() & ~won, -math.inf).argmax(dim=0, keepdim=True)


def loss_and_gradient(
    network: nn.Module, images: Tensor, goal: Tensor, loss: str | attack_losses.Loss = "cross-entropy"
) -> tuple[Tensor, Tensor, Tensor]:
    """The loss l(f(x), y) of each picture and its gradient with respect to the picture.

    Args:
        network, images: as in `pgd_steps`.
        goal: the classes y, int64 [N].
        loss: one of `attack_losses.LOSSES`, or a function like those.

    Returns:
        loss [N], logits [N, classes], gradient [N, C, H, W].

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> loss, logits, gradient = loss_and_gradient(network, stop.images, stop.labels)
    >>> gradient.shape
    torch.Size([1, 3, 64, 64])
    """
    with kept(network), torch.enable_grad():
        x = images.detach().requires_grad_()
        logits = network(x)
        each = attack_losses.find(loss)(logits, goal)
        # Summed, not averaged: so each picture's gradient is its own, whatever the size of the batch.
        (gradient,) = torch.autograd.grad(each.sum(), x)
    return each.detach(), logits.detach(), gradient


def loss_and_logits(
    network: nn.Module, images: Tensor, goal: Tensor, loss: str | attack_losses.Loss = "cross-entropy"
) -> tuple[Tensor, Tensor]:
    """As `loss_and_gradient`, without the gradient: loss [N], logits [N, classes].

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> loss, logits = loss_and_logits(network, stop.images, stop.labels)
    >>> loss.shape, logits.shape
    (torch.Size([1]), torch.Size([1, 20]))
    """
    with kept(network), torch.no_grad():
        logits = network(images)
        return attack_losses.find(loss)(logits, goal), logits


def has_succeeded(logits: Tensor, labels: Tensor, targets: Tensor | None) -> Tensor:
    """Whether an attack has what it wants, bool [N]: the target, or without one any class but the label."""
    answers = logits.argmax(dim=-1)
    return answers != labels if targets is None else answers == targets


class _Sparing:
    """`loss_and_gradient` for `early_stop`: what is fooled is not asked about again, and has no gradient any more."""

    def __init__(self, targeted: bool) -> None:
        self.targeted, self.known = targeted, None

    def __call__(self, network: nn.Module, images: Tensor, goal: Tensor, loss: str) -> tuple[Tensor, Tensor, Tensor]:
        if self.known is None:
            self.known = loss_and_gradient(network, images, goal, loss)
        elif len(rows := (~self.fooled).nonzero()[:, 0]):
            fresh = loss_and_gradient(network, images[rows], goal[rows], loss)
            self.known = tuple(old.index_copy(0, rows, new) for old, new in zip(self.known, fresh, strict=True))
        value, logits, gradient = self.known
        self.fooled = (logits.argmax(dim=1) == goal) == self.targeted  # [N]
        return value, logits, gradient * per_picture(~self.fooled, gradient)
