"""Compute what ships for lesson 4: `make results NAMES=inception`.

Two parts, each alone as `python scripts/results_inception.py race`; together some 15 minutes on one core:
race      small Inceptions with and without the 1×1 reductions, several seeds → data/inception/race.json
branches  what is read right when one branch is ablated → data/inception/branches.json
"""

from __future__ import annotations

import statistics
import time
from functools import partial

import results
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from tqdm import tqdm

from course_utils import runtime, signs, training, zoo
from course_utils.inception import branches, race

FOLDER = runtime.DATA / "inception"
SEEDS, STEPS, TEST_SCENES = (0, 1, 2, 3), 300, 1000
NETWORK, SCENES, SEED = "signs-inception", 2000, signs.TEST_SEED + 1  # scenes that no network has met
made = partial(results.made, "inception")


def ablate_each(network: nn.Module, images: torch.Tensor, labels: torch.Tensor, fill: str) -> dict[str, float]:
    """Branch → share that is read right while it alone is off; "" stands for none."""
    right = {}
    for branch in tqdm(("", *branches.names(network)), desc=f"off, {fill}", mininterval=20):
        with branches.ablate(network, *([branch] if branch else []), fill=fill):
            right[branch] = round(training.accuracy(network, images, labels, batch=250), 4)
    return right


def seconds_a_step() -> dict[str, float]:
    """Forward and backward pass of one batch in float32 on one core: the processor's time, the median of 15."""
    networks, times = race.build_pair(device="cpu"), {}
    images = torch.rand(race.BATCH, 3, race.SIZE, race.SIZE).to(memory_format=torch.channels_last)
    labels = torch.zeros(race.BATCH, dtype=torch.long)
    with runtime.threads(1):
        for _ in range(18):
            for name, network in networks.items():
                network.train().to(memory_format=torch.channels_last)
                begin = time.process_time()
                cross_entropy(network(images), labels).backward()
                times.setdefault(name, []).append(time.process_time() - begin)
    return {name: round(statistics.median(values[3:]), 4) for name, values in times.items()}


def make_race() -> None:
    """Learning curves of the pair, seed by seed; and which branches the trained ones lean on."""
    known = race.scenes(race.SCENES)
    test = race.scenes(TEST_SCENES, seed=signs.TEST_SEED)
    steps = list(range(race.EVERY, STEPS + 1, race.EVERY))
    told = {race.WITH: [], race.WITHOUT: []}
    leaning = []
    for seed in SEEDS:
        networks, curves = race.build_pair(seed), {name: [] for name in told}
        bar = tqdm(total=2 * STEPS, desc=f"race, seed {seed}", mininterval=20, unit="step")
        for name, _, right in race.race_steps(networks, known, test, steps=STEPS, seed=seed):
            bar.update()
            if right is not None:
                curves[name].append(round(right, 4))
        bar.close()
        for name, curve in curves.items():
            told[name].append(curve)
        print({name: (curve[9], curve[-1]) for name, curve in curves.items()}, flush=True)
        leaning.append(ablate_each(networks[race.WITH], *test, "zero"))
        print(leaning[-1], flush=True)
    facts = made(
        "race", training_precision=results.precision(), seeds=list(SEEDS), batch=race.BATCH,
        scenes=race.SCENES, test_scenes=TEST_SCENES, learning_rate=race.LEARNING_RATE,
        seconds="a step forward and backward, float32, one processor core, median",
    )  # fmt: skip
    content = {"made": facts, "steps": steps, "test": told, "seconds": seconds_a_step(), "leaning": leaning}
    results.write(FOLDER / "race.json", content)


def make_branches() -> None:
    """The network that ships, one branch after the other ablated."""
    network, street = zoo.load(NETWORK), signs.render(SCENES, seed=SEED)
    told = {fill: ablate_each(network, street.images, street.labels, fill) for fill in branches.FILLS}
    facts = made("branches", network=NETWORK, scenes=SCENES, seed=SEED)
    results.write(FOLDER / "branches.json", {"made": facts, "right": told})


PARTS = {"race": make_race, "branches": make_branches}


if __name__ == "__main__":
    results.main(PARTS, __doc__)
