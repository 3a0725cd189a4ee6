"""Twins: two deep networks with the same first weights, one with skips and one without, and how they were trained.

Serves notebook 05. Paper: He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.2 and figure 6:
plain networks of 20 and 56 layers against residual ones.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean

from course_utils import runtime, signs
from course_utils.networks.pixels import PixelNetwork
from course_utils.networks.resnet import SmallResNet
from course_utils.signs import small

PLAIN, RESIDUAL = "plain", "residual"
WIDTH = 8  # filters of the first stage
BATCH, STEPS, LEARNING_RATE = 64, 200, 1e-2
BARE_RATE = 2e-3  # the learning rate without batch normalisation
SCENES = 3072  # to train with, of seed 0
TEST_SEED = 1  # of the scenes to measure with
STORED = {PLAIN: "resnet-plain", RESIDUAL: "resnet-skip"}  # a pair that ships trained, for `zoo.load`


@dataclass(frozen=True)
class Runs:
    """Trainings that ship, the deepest with several seeds."""

    made: Mapping[str, object]  # how: command, steps, seeds …
    losses: Mapping[int, Mapping[str, list[list[float]]]]  # depth → twin → seed → loss of each batch
    right: Mapping[int, Mapping[str, list[list[float]]]]  # the same for the share of each batch that was right
    bare: Mapping[str, list[list[float]]]  # twin → seed → losses of the deepest pair without batch normalisation


def build_pair(depth: int = 56, *, seed: int = 0, norm: bool = True) -> dict[str, PixelNetwork]:
    """Two networks with the same layers and the very same first weights; one adds x to every block, one does not.

    Args:
        depth: 8, 14, 20 … layers.
        norm: batch normalisation after every convolution.

    Returns:
        PLAIN → network and RESIDUAL → network, for pictures of 32×32 pixels of the six `small.SIGNS`;
        `training.train_by_turns` trains them.

    >>> [network.name for network in build_pair(8).values()]
    ['plain-8', 'residual-8']
    """
    pair, world = {}, {"class_names": small.SIGNS, "input_size": small.SIZE, "mean": signs.MEAN, "std": signs.STD}
    for name in (PLAIN, RESIDUAL):
        how = {"width": WIDTH, "stem_stride": 2, "skip": name == RESIDUAL, "norm": norm, "seed": seed}
        network = PixelNetwork(SmallResNet(depth, len(small.SIGNS), **how), name=f"{name}-{depth}", **world)
        pair[name] = network.to(runtime.device()).eval()
    return pair


def smooth(values: Sequence[float], window: int = 10) -> list[float]:
    """The mean of the last `window` values at every place; of fewer at the beginning.

    >>> smooth([4, 2, 0, 6], window=2)
    [4.0, 3.0, 1.0, 3.0]
    """
    return [fmean(values[max(0, k + 1 - window) : k + 1]) for k in range(len(values))]


def ends(seeds: Sequence[Sequence[float]]) -> list[float]:
    """Where trainings end, the mean loss of the last twenty batches, a number a seed.

    >>> ends([[9.0] + [1.0] * 20, [2.0]])
    [1.0, 2.0]
    """
    return [fmean(losses[-20:]) for losses in seeds]


@lru_cache(maxsize=1)
def load_runs() -> Runs:
    """The trainings that `python scripts/results_resnet.py twins` wrote to data/resnet/twins.json.

    >>> list(load_runs().losses)
    [8, 20, 32, 56]
    """
    told = json.loads((runtime.DATA / "resnet" / "twins.json").read_text(encoding="utf-8"))
    by_depth = {key: {int(depth): by_twin for depth, by_twin in told[key].items()} for key in ("losses", "right")}
    return Runs(**told | by_depth)


@lru_cache(maxsize=1)
def load_controls() -> dict[str, list[float]]:
    """How plain networks of 56 layers end when one thing is changed, the loss of the last twenty batches, a seed each.

    "copies": every layer begins as a copy, with a tenth of the usual random weights; "slower": without batch
    normalisation, at a quarter of `BARE_RATE`. `python scripts/results_resnet.py controls` wrote them.

    >>> [len(losses) for losses in load_controls().values()]
    [3, 3]
    """
    told = json.loads((runtime.DATA / "resnet" / "controls.json").read_text(encoding="utf-8"))
    return {name: told[name] for name in ("copies", "slower")}
