"""Twins: two deep networks with the same first weights, one with skips and one without, trained side by side.

Serves notebook 05. Paper: He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.2 and figure 6:
plain networks of 20 and 56 layers against residual ones.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from course_utils import runtime, signs, training, zoo
from course_utils.networks import resnet

SIGNS = ("priority road", "yield", "stop", "no entry", "caution", "keep right")  # no two alike in shape and colour
PLAIN, RESIDUAL = "plain", "residual"
SIZE = 32  # pixels
MEAN, STD = (0.42, 0.42, 0.42), (0.27, 0.27, 0.27)
BATCH, STEPS, LEARNING_RATE = 64, 200, 1e-2
BARE_RATE = 2e-3  # the learning rate without batch normalisation
GUESSING = math.log(len(SIGNS))  # the loss of who answers 1/6 to everything
SCENES, BLOCK = 3072, 256  # to train with, and rendered at a time
FRESH = 2**40  # the seed of the scenes to measure with
STORED = {PLAIN: "resnet-plain", RESIDUAL: "resnet-skip"}  # a pair that ships trained, for `zoo.load`


@dataclass(frozen=True)
class TwinStep:
    """One of the two networks after one step of its training."""

    network: str  # PLAIN or RESIDUAL
    index: int  # 0 … steps - 1
    loss: float  # mean cross-entropy of the batch, before the step
    accuracy: float  # share of the batch that was right, before the step, in [0, 1]


@dataclass(frozen=True)
class Runs:
    """Trainings that ship, each with several seeds, and what was reached on scenes never met."""

    made: Mapping[str, object]  # how: command, steps, seeds …
    losses: Mapping[int, Mapping[str, list[list[float]]]]  # depth → twin → seed → loss of each batch
    right: Mapping[int, Mapping[str, list[list[float]]]]  # the same for the share of each batch that was right
    fresh: Mapping[int, Mapping[str, list[float]]]  # depth → twin → seed → share of fresh scenes that is right
    bare: Mapping[str, list[list[float]]]  # twin → seed → losses of the deepest pair without batch normalisation


def twins(
    depth: int = 56, *, seed: int = 0, width: int = 8, norm: bool = True, device=None
) -> dict[str, zoo.PixelNetwork]:
    """Two networks with the same layers and the very same first weights; one adds x to every block, one does not.

    Args:
        depth: 8, 14, 20 … layers.
        seed: of the first weights.
        width: filters of the first stage.
        norm: batch normalisation after every convolution.
        device: where to put them; None takes the best that there is.

    Returns:
        PLAIN → network and RESIDUAL → network, for pictures of 32×32 pixels of the six `SIGNS`.
    """
    pair = {}
    for name in (PLAIN, RESIDUAL):
        skip = name == RESIDUAL
        body = resnet.SmallResNet(depth, len(SIGNS), width=width, stem_stride=2, skip=skip, norm=norm, seed=seed)
        network = zoo.PixelNetwork(body, name=f"{name}-{depth}", class_names=SIGNS, input_size=SIZE, mean=MEAN, std=STD)
        pair[name] = network.to(runtime.device(device)).eval()
    return pair


def scene_blocks(count: int, seed: int = 0, device=None) -> Iterator[tuple[Tensor, Tensor]]:
    """Road-sign scenes of the six signs, some more an item, as many of each sign.

    Args:
        count: of scenes.
        seed: of the scenes.
        device: where to render; None takes the best that there is.

    Yields:
        Pictures [n, 3, 32, 32] in [0, 1] and labels [n], 0 to 5, the order of `SIGNS`.
    """
    where = runtime.device(device)
    classes = torch.tensor([signs.CLASS_NAMES.index(name) for name in SIGNS], device=where)
    for start in range(0, count, BLOCK):
        labels = torch.arange(start, min(start + BLOCK, count), device=where) % len(SIGNS)
        yield signs.render(classes[labels], size=SIZE, seed=seed * 1_000_003 + start, device=where).images, labels


def scenes(count: int, seed: int = 0, device=None) -> tuple[Tensor, Tensor]:
    """All of `scene_blocks` at once: pictures [count, 3, 32, 32] in [0, 1], and labels [count]."""
    images, labels = zip(*scene_blocks(count, seed, device), strict=True)
    return torch.cat(images), torch.cat(labels)


def batches(images: Tensor, labels: Tensor, seed: int, size: int = BATCH) -> Iterator[tuple[Tensor, Tensor]]:
    """Random batches without end; equal seeds give equal batches."""
    draw = runtime.generator(seed)
    while True:
        rows = torch.randint(len(labels), (size,), generator=draw).to(images.device)
        yield images[rows], labels[rows]


def train_twins(
    pair: Mapping[str, zoo.PixelNetwork],
    images: Tensor,
    labels: Tensor,
    *,
    steps: int = STEPS,
    learning_rate: float = LEARNING_RATE,
    seed: int = 0,
) -> Iterator[TwinStep]:
    """Train both networks of a pair in place, by turns, on the very same batches; leave the loop whenever you like.

    Args:
        pair: name → network, as `twins` gives it; one network alone will do too.
        images: [N, 3, 32, 32] in [0, 1].
        labels: [N].
        steps: of each network.
        learning_rate: the one cycle's highest, as in `training.train`.
        seed: of the order of the scenes.

    Yields:
        `TwinStep`, after each step of each network.
    """
    with ExitStack() as stack:
        runs = {
            name: stack.enter_context(
                closing(
                    training.train(network, batches(images, labels, seed), steps=steps, learning_rate=learning_rate)
                )
            )
            for name, network in pair.items()
        }
        for index in range(steps):
            for name, run in runs.items():
                step = next(run)
                yield TwinStep(name, index, step.loss, step.accuracy)


def smoothed(values: Sequence[float], window: int = 10) -> list[float]:
    """The mean of the last `window` values at every place; of fewer at the beginning."""
    return [sum(part) / len(part) for part in (values[max(0, k + 1 - window) : k + 1] for k in range(len(values)))]


@lru_cache(maxsize=1)
def shipped() -> Runs:
    """The trainings that `python scripts/results_resnet.py twins` wrote to data/resnet/twins.json."""
    told = json.loads((runtime.DATA / "resnet" / "twins.json").read_text(encoding="utf-8"))
    losses, right, fresh = (
        {int(depth): by_twin for depth, by_twin in told[key].items()} for key in ("losses", "right", "fresh")
    )
    return Runs(told["made"], losses, right, fresh, told["bare"])
