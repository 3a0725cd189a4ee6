"""With and without the 1×1 reductions: two small Inception networks trained by turns, what they learn, what it costs.

Serves notebook 4 and its third lab. Paper: Szegedy et al. 2015, "Going Deeper with Convolutions", section 4: the
module of figure 2a against that of 2b.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from course_utils import runtime, signs, training
from course_utils.costs import accounting
from course_utils.networks.inception import SmallInception
from course_utils.networks.pixels import PixelNetwork

WITH, WITHOUT = "with 1×1 reductions", "without"
SIZE = 32  # pixels
WORLD = signs.Dials(
    distance=0.1, perspective=0.2, light=0.3, shadow=0.2, blur=0.1, noise=0.1, weathering=0.2, occlusion=0.1,
    clutter=0.5,
)  # fmt: skip  # a friendly street: 32 pixels are few
BATCH, STEPS, LEARNING_RATE = 64, 150, 5e-3
SCENES, BLOCK = 3072, 128  # to train with, of seed 0, and rendered at a time
TEST_SEED = 1  # of the scenes to measure with; no network here trains on them
TEST_SCENES = 256  # to measure with while it trains
EVERY = 10  # steps from one measurement to the next; the last step is always measured
GOAL = 0.9  # the accuracy at which the two are compared
Labelled = tuple[Tensor, Tensor]  # pictures and their labels


@dataclass(frozen=True)
class Races:
    """Trainings that ship, each with several seeds."""

    made: Mapping[str, object]  # how: command, steps, seeds …
    steps: list[int]  # after how many steps it was measured
    test: Mapping[str, list[list[float]]]  # name → seed → share of the test scenes that is right
    seconds: Mapping[str, float]  # name → seconds a step, in float32 on one core
    leaning: list[Mapping[str, float]]  # seed → branch of WITH that is off ("" for none) → share that is right


def build_pair(seed: int = 0, device=None) -> dict[str, PixelNetwork]:
    """WITH and WITHOUT → a network for 32×32 pixels: the same branches and shapes, only the reductions differ.

    Args:
        seed: of the first weights.
        device: where to put them; None takes the best that there is.
    """
    how = {"class_names": signs.CLASS_NAMES, "input_size": SIZE, "mean": signs.MEAN, "std": signs.STD}
    networks = {}
    for name in (WITH, WITHOUT):
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)
            body = SmallInception(len(signs.CLASSES), reduce=name == WITH)
        networks[name] = PixelNetwork(body, name=name, **how).to(runtime.device(device)).eval()
    return networks


def scene_blocks(count: int, seed: int = 0) -> Iterator[Labelled]:
    """Road-sign scenes, some more an item: pictures [n, 3, 32, 32] in [0, 1], and labels [n]."""
    for made in signs.render_blocks(count, BLOCK, seed=seed, size=SIZE, dials=WORLD, device=runtime.device()):
        yield made.images, made.labels


def scenes(count: int, seed: int = 0) -> Labelled:
    """All of `scene_blocks` at once."""
    images, labels = zip(*scene_blocks(count, seed), strict=True)
    return torch.cat(images), torch.cat(labels)


def race_steps(
    networks: Mapping[str, PixelNetwork], known: Labelled, test: Labelled, *, steps: int, seed: int = 0
) -> Iterator[tuple[str, training.TrainingStep, float | None]]:
    """Train networks in place, by turns, on the very same batches; leave the loop whenever you like.

    Args:
        networks: name → network, as `build_pair` gives it; one alone will do too.
        known, test: pictures [N, 3, 32, 32] in [0, 1] and labels [N], to train and to measure with.
        steps: of each network.
        seed: of the order of the scenes.

    Yields:
        After each step of each network: its name, the `TrainingStep`, and the share of the test scenes that is right,
        in [0, 1], or None where it was not measured.
    """
    how = {"steps": steps, "batch": BATCH, "learning_rate": LEARNING_RATE, "seed": seed}
    with closing(training.train_by_turns(networks, *known, **how)) as turns:
        for name, step in turns:
            measured = step.index % EVERY == EVERY - 1 or step.index == steps - 1
            yield name, step, training.accuracy(networks[name], *test) if measured else None


@lru_cache(maxsize=1)
def count_work() -> dict[str, int]:
    """Multiply-adds of one training step of each network: a forward pass, and a backward pass that costs two.

    >>> {name: accounting.count(macs) for name, macs in count_work().items()}
    {'with 1×1 reductions': '1.37 G', 'without': '5.31 G'}
    """
    return {name: 3 * BATCH * accounting.account(network).macs for name, network in build_pair(device="cpu").items()}


def steps_to(goal: float, steps: Sequence[int], accuracies: Sequence[float]) -> float:
    """After how many steps an accuracy is reached, between two measurements on a straight line; NaN: not reached.

    >>> steps_to(0.9, steps=[10, 20, 30], accuracies=[0.5, 0.8, 1.0])
    25.0
    """
    points = zip((0, *steps), (0.0, *accuracies), strict=True)
    for (before_step, before), (step, right) in pairwise(points):
        if right >= goal:
            return before_step + (step - before_step) * (goal - before) / (right - before)
    return float("nan")


@lru_cache(maxsize=1)
def load_races() -> Races:
    """The trainings that `python scripts/results_inception.py race` wrote to data/inception/race.json.

    >>> load_races().made["seeds"]
    [0, 1, 2, 3]
    """
    return Races(**json.loads((runtime.DATA / "inception" / "race.json").read_text(encoding="utf-8")))


@lru_cache(maxsize=1)
def load_doors() -> dict[str, dict[str, list[float]]]:
    """What was changed in the network with reductions → steps to GOAL, and share read "right" in the end, by seed.

    >>> list(load_doors()["never trained"])
    ['steps', 'right']
    """
    return json.loads((runtime.DATA / "inception" / "doors.json").read_text(encoding="utf-8"))["told"]
