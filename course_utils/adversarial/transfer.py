"""Transfer: a picture made to fool one network, shown to another.

Serves notebook 8. Papers: Szegedy et al. 2014, arXiv:1312.6199, section 4.2 (it was seen from the beginning); Papernot
et al. 2016, arXiv:1605.07277 (what it means for networks that nobody may look into).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from course_utils import runtime, training
from course_utils.adversarial.balls import Ball, check_batch, check_one_size
from course_utils.adversarial.pgd import BATCH, pgd
from course_utils.arguments import check_classes, check_whole


@dataclass(frozen=True)
class Transfer:
    """How many pictures, made on a source, a victim reads wrong."""

    names: tuple[str, ...]  # of the networks
    fooled: Tensor  # int [sources, victims]; -1 where it was not tried yet
    asked: Tensor  # int [victims], pictures that count: those that the victim reads right while they are clean

    @property
    def rates(self) -> Tensor:
        """The shares, float [sources, victims] from 0 to 1; NaN where it was not tried yet."""
        return torch.where(self.fooled < 0, torch.nan, self.fooled / self.asked.clamp(min=1))


def transfer_steps(
    networks: Mapping[str, nn.Module], images: Tensor, labels: Tensor, *, ball: Ball, steps: int = 20, seed: int = 0
) -> Iterator[Transfer]:
    """Attack every network by PGD and show what comes out to all of them; a source more an item.

    Args:
        networks: name → network, each for pictures of the same size and with the same classes.
        images, labels, ball, steps, seed: as in `pgd_steps`; the step is 2.5·ε/k.
    """
    if not networks:
        raise ValueError("give at least one network, as in {'signs-resnet': zoo.load('signs-resnet')}.")
    check_batch(images, labels, None, ball)
    check_one_size("transfer", ball)
    check_whole("steps", steps)
    for network in networks.values():
        classes, _ = check_classes(network, images, labels)
    how = {"ball": ball, "step_size": 2.5 * float(ball.epsilon) / steps, "steps": steps, "seed": seed}

    def walk() -> Iterator[Transfer]:
        right = {name: training.predict(network, images).argmax(dim=1) == classes for name, network in networks.items()}
        asked = torch.tensor([int(rows.sum()) for rows in right.values()])
        fooled = torch.full((len(networks), len(networks)), -1)
        for row, source in enumerate(networks.values()):
            parts = zip(images.split(BATCH), classes.split(BATCH), strict=True)
            made = torch.cat([pgd(source, x, y, **how).images for x, y in parts])
            for column, (name, victim) in enumerate(networks.items()):
                wrong = training.predict(victim, made).argmax(dim=1) != classes
                fooled[row, column] = int((wrong & right[name]).sum())
            yield Transfer(tuple(networks), fooled.clone(), asked)

    return walk()


def transfer(networks: Mapping[str, nn.Module], images: Tensor, labels: Tensor, **how) -> Transfer:
    """Run `transfer_steps` to its end; all arguments are those of `transfer_steps`."""
    *_, last = transfer_steps(networks, images, labels, **how)
    return last


@lru_cache(maxsize=4)
def load_transfer(levels: int = 8) -> Transfer:
    """The matrix of the four networks that ship at ε = 8/255 or 24/255, as scripts/results_adversarial.py measured it.

    >>> load_transfer(8).rates.shape
    torch.Size([4, 4])
    """
    stored = json.loads((runtime.DATA / "adversarial" / "transfer.json").read_text(encoding="utf-8"))
    if str(levels) not in stored["fooled"]:
        raise ValueError(f"transfer was measured at ε = {', '.join(stored['fooled'])} (in 255ths); got {levels!r}.")
    return Transfer(tuple(stored["names"]), torch.tensor(stored["fooled"][str(levels)]), torch.tensor(stored["asked"]))
