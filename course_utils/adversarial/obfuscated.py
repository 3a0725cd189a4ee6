"""Two defences that defend nothing: they hide the gradient, and an attack that needs the gradient stops.

Serves notebook 8. Papers: Athalye, Carlini and Wagner 2018, arXiv:1802.00420 (obfuscated gradients, BPDA); Carlini and
Wagner 2017, arXiv:1608.04644 (a network whose logits are scaled up); Croce and Hein 2020, arXiv:2003.01690 (APGD).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn

from course_utils import runtime, training
from course_utils.adversarial.apgd import apgd
from course_utils.adversarial.balls import Ball, check_one_size
from course_utils.adversarial.pgd import BATCH, loss_and_gradient, pgd
from course_utils.arguments import check_number, check_whole


class Loud(nn.Module):
    """The same network with its logits multiplied: it reads the same class everywhere, and is always quite sure.

    The cross-entropy's gradient holds the factor 1 - p; where p rounds to 1, that is 0, and PGD stands still.

    Args:
        network: answers with logits.
        factor: by which they are multiplied, more than 0.

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> flat_share(network, stop.images, stop.labels), flat_share(Loud(network), stop.images, stop.labels)
    (0.0, 1.0)
    """

    def __init__(self, network: nn.Module, factor: float = 1000.0):
        super().__init__()
        says = "must be more than 0, or the network would read another class"
        self.network, self.factor = network, check_number("factor", factor, above=True, says=says)

    def forward(self, images: Tensor) -> Tensor:
        """Pictures [N, 3, H, W] in [0, 1] → logits [N, classes]."""
        return self.factor * self.network(images)


class Rounded(nn.Module):
    """The same network behind a rounding: every pixel goes to the nearest of a few levels of brightness first.

    A step of a staircase is flat, so the gradient is 0 at every pixel.

    Args:
        network: answers with logits.
        levels: of brightness, 2 or more.
        straight_through: round on the way in, and on the way back pretend that nobody did: the attacker's answer
            (backward pass differentiable approximation, BPDA).

    >>> Rounded(nn.Identity(), levels=3)(torch.tensor([0.1, 0.4, 0.9]))
    tensor([0.0000, 0.5000, 1.0000])
    """

    def __init__(self, network: nn.Module, levels: int = 16, *, straight_through: bool = False):
        super().__init__()
        self.network, self.straight_through = network, straight_through
        self.levels = check_whole("levels of brightness", levels, 2)

    def round(self, images: Tensor) -> Tensor:
        """The rounded pictures that the network sees, [N, 3, H, W]."""
        top = self.levels - 1
        rounded = (images * top).round() / top
        return images + (rounded - images).detach() if self.straight_through else rounded

    def forward(self, images: Tensor) -> Tensor:
        """Pictures [N, 3, H, W] in [0, 1] → logits [N, classes]."""
        return self.network(self.round(images))


def flat_share(network: nn.Module, images: Tensor, labels: Tensor) -> float:
    """The share of pictures whose gradient is exactly 0 at every pixel, 0 to 1: the first sign of obfuscation.

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> 0 <= flat_share(network, stop.images, stop.labels) <= 1
    True
    """
    _, _, gradient = loss_and_gradient(network, images, labels)
    return (gradient.flatten(1).abs().amax(dim=1) == 0).float().mean().item()


Maker = Callable[[Tensor, Tensor], Tensor]  # (images, labels) → adversarial pictures


def makers(defence: nn.Module, other: nn.Module, *, ball: Ball, steps: int = 20) -> dict[str, Maker]:
    """What an attacker tries on a defence that may only hide its gradient, from the blind to the clever: name → maker.

    Args:
        defence: what is attacked; for a `Rounded` one the last attack walks through the rounding.
        other: a network that nobody defended and that reads the same classes.
        ball, steps: as in `apgd_steps`; PGD's step is 2.5·ε/k.
    """
    check_one_size("an attacker", ball)
    check_whole("steps", steps)
    how = {"ball": ball, "step_size": 2.5 * float(ball.epsilon) / steps, "steps": steps}

    def by_pgd(network: nn.Module, loss: str = "cross-entropy") -> Maker:
        return lambda images, labels: pgd(network, images, labels, loss=loss, **how).images

    def noise(images: Tensor, _labels: Tensor) -> Tensor:
        return ball.random_start(images, runtime.generator(0, images.device))

    def by_apgd(images: Tensor, labels: Tensor) -> Tensor:
        return apgd(defence, images, labels, ball=ball, steps=steps, loss="dlr").images

    found = {
        "random noise": noise,
        "PGD, cross-entropy": by_pgd(defence),
        "PGD, margin loss": by_pgd(defence, "margin"),
        "APGD, DLR loss": by_apgd,
        "made on another network": by_pgd(other),
    }
    if isinstance(defence, Rounded):
        found["PGD through the rounding"] = by_pgd(Rounded(defence.network, defence.levels, straight_through=True))
    return found


def robust_accuracy(network: nn.Module, images: Tensor, labels: Tensor, maker: Maker) -> float:
    """The share of pictures that a network reads right when they are clean and after an attack, 0 to 1."""
    right = 0
    for x, y in zip(images.split(BATCH), labels.split(BATCH), strict=True):
        answers = (training.predict(network, pictures).argmax(dim=1) for pictures in (x, maker(x, y)))
        right += int(torch.stack([answer == y for answer in answers]).all(dim=0).sum())
    return right / len(images)


@lru_cache(maxsize=1)
def load_results() -> dict:
    """What each attack left of each defence, as scripts/results_adversarial.py measured it.

    >>> load_results()["robust_accuracy"]["rounded"]["PGD, cross-entropy"]
    1.0
    """
    return json.loads((runtime.DATA / "adversarial" / "obfuscated.json").read_text(encoding="utf-8"))
