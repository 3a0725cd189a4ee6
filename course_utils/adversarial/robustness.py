"""How much of a network's accuracy is left as the ball grows, with a band that says how sure we can be of it.

Serves notebook 8. Papers: Wilson 1927 (the band of a proportion); Madry et al. 2018, arXiv:1706.06083, figure 6
(accuracy against ε); Carlini et al. 2019, arXiv:1902.06705, section 4 (what a curve has to show to be believed).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch
from scipy import stats
from torch import Tensor, nn

from course_utils import runtime, training
from course_utils.adversarial.balls import Ball, Linf, check_batch, check_one_size
from course_utils.adversarial.pgd import BATCH, pgd
from course_utils.arguments import check_classes, check_known, check_whole

Attacker = Callable[[nn.Module, Tensor, Tensor, Ball], Tensor]  # (network, images, labels, ball) → fooled, bool [N]


@dataclass(frozen=True)
class Curve:
    """How many pictures are still read right, whatever the attack did inside a ball of each size."""

    epsilons: tuple[float, ...]  # radii, growing
    right: tuple[int, ...]  # pictures still right, for each radius; never more than for the one before
    total: int  # pictures attacked

    @property
    def accuracy(self) -> tuple[float, ...]:
        """The shares, 0 to 1."""
        return tuple(count / self.total for count in self.right)

    @property
    def band(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """The lower and the upper end of Wilson's 95 % band, for each radius."""
        low, high = zip(*(wilson(count, self.total) for count in self.right), strict=True)
        return low, high


def wilson(right: int, total: int) -> tuple[float, float]:
    """Between which shares, 0 to 1, the true one lies in 95 of 100 cases, after `right` of `total` pictures were right.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".

    >>> low, high = wilson(77, 80)
    >>> f"{low:.2f} to {high:.2f}"
    '0.90 to 0.99'
    """
    if not (0 <= right <= total and total >= 1):
        raise ValueError(f"right must lie between 0 and total, and total be at least 1; got {right} of {total}.")
    low, high = stats.binomtest(right, total).proportion_ci(0.95, method="wilson")
    return float(low), float(high)


def pgd_attacker(steps: int = 20, losses: Sequence[str] = ("cross-entropy", "margin")) -> Attacker:
    """PGD with steps of 2.5·ε/k, once for each loss, as an attack for `curve_steps`.

    The margin loss comes to what the cross-entropy left standing: where a network is very sure, the gradient of the
    cross-entropy may be rounded to nothing. A picture that has fallen is not asked about again.

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> pgd_attacker(steps=5)(network, stop.images, stop.labels, Linf(8 / 255)).shape
    torch.Size([1])
    """
    steps = check_whole("steps", steps)
    if not losses:
        raise ValueError("give at least one loss, as in losses=('cross-entropy', 'margin').")
    for loss in losses:
        check_known("loss", loss, ("cross-entropy", "margin"))

    def attack(network: nn.Module, images: Tensor, labels: Tensor, ball: Ball) -> Tensor:
        check_one_size("this attack", ball)
        how = {"ball": ball, "step_size": 2.5 * float(ball.epsilon) / steps, "steps": steps}
        fooled = torch.zeros(len(images), dtype=torch.bool, device=images.device)
        for loss in losses:
            rows = (~fooled).nonzero()[:, 0]
            if len(rows):
                fooled[rows] = pgd(network, images[rows], labels[rows], loss=loss, early_stop=True, **how).success
        return fooled

    return attack


def curve_steps(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    epsilons: Sequence[float],
    norm: type[Ball] = Linf,
    attacker: Attacker | None = None,
) -> Iterator[Curve]:
    """Accuracy against ε, a radius more an item.

    Only what still stands is attacked again: a picture that falls in a small ball falls in every larger one.

    Args:
        network, images, labels: as in `pgd_steps`.
        epsilons: radii of the norm's balls, growing; the first may be 0, which asks for the clean pictures.
        attacker: tells what an attack fools; `pgd_attacker()`, PGD of 20 steps on two losses, where left out.
    """
    if not epsilons or not epsilons[0] >= 0 or not all(a < b for a, b in pairwise(epsilons)):  # NaN neither
        raise ValueError(f"epsilons must grow from 0 or more, as in (0, 2/255, 4/255); got {list(epsilons)}.")
    check_batch(images, labels, None, norm(epsilons[-1]))
    labels, _ = check_classes(network, images, labels)
    attacker = attacker or pgd_attacker()

    def walk() -> Iterator[Curve]:
        standing = training.predict(network, images).argmax(dim=1) == labels  # [N]
        right: list[int] = []
        for epsilon in epsilons:
            for rows in standing.nonzero()[:, 0].split(BATCH) if epsilon > 0 else ():
                if len(rows):
                    standing[rows] = ~attacker(network, images[rows], labels[rows], norm(epsilon)).to(standing.device)
            right.append(int(standing.sum()))
            yield Curve(tuple(epsilons[: len(right)]), tuple(right), len(images))

    return walk()


def curve(network: nn.Module, images: Tensor, labels: Tensor, **how) -> Curve:
    """Run `curve_steps` to its end; all arguments are those of `curve_steps`.

    >>> from course_utils import zoo
    >>> from course_utils.signs import small
    >>> network, (images, labels) = zoo.load("certify-plain", device="cpu"), small.scenes(8, seed=1)
    >>> curve(network, images, labels, epsilons=(0, 0.25), attacker=pgd_attacker(5)).right
    (8, 0)
    """
    *_, last = curve_steps(network, images, labels, **how)
    return last


@lru_cache(maxsize=1)
def load_curves() -> dict[str, Curve]:
    """The curves of the four networks that ship, as scripts/results_adversarial.py measured them.

    >>> load_curves()["signs-resnet-robust"].total
    80
    """
    stored = json.loads((runtime.DATA / "adversarial" / "robustness.json").read_text(encoding="utf-8"))
    epsilons, total = tuple(n / 255 for n in stored["epsilons_255"]), stored["scenes"]
    return {name: Curve(epsilons, tuple(right), total) for name, right in stored["right"].items()}


@lru_cache(maxsize=1)
def load_photographs() -> dict:
    """Eight photographs, in growing balls and in random noise, as scripts/results_adversarial.py measured it.

    >>> load_photographs()["stands"]["espresso"][:5]  # at 1/64, 1/32, 1/16, 1/8 and 1/4 of a level: 1 is not fooled
    [1, 1, 1, 1, 0]
    """
    return json.loads((runtime.DATA / "adversarial" / "photographs.json").read_text(encoding="utf-8"))
