"""Compute what ships for lesson 4: `make results NAMES=inception`.

Three parts, each alone as `python scripts/results_inception.py race`; together some 20 minutes on one core:
race      small Inceptions with and without the 1×1 reductions, several seeds → data/inception/race.json
doors     what the race's network reads with narrower, untrained or moved 1×1s → data/inception/doors.json
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
from course_utils.networks.inception import Inception, SmallInception

FOLDER = runtime.DATA / "inception"
SEEDS, STEPS, TEST_SCENES = (0, 1, 2, 3), 300, 1000
DOORS = (24, 8, 32, 16)  # widths of SmallInception's reductions
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
    test = race.scenes(TEST_SCENES, seed=race.TEST_SEED)
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
        scenes=race.SCENES, test_scenes=TEST_SCENES, test_seed=race.TEST_SEED, learning_rate=race.LEARNING_RATE,
        seconds="a step forward and backward, float32, one processor core, median",
    )  # fmt: skip
    content = {"made": facts, "steps": steps, "test": told, "seconds": seconds_a_step(), "leaning": leaning}
    results.write(FOLDER / "race.json", content)


def with_doors(seed: int, widths: tuple[int, int, int, int]) -> zoo.PixelNetwork:
    """The race's network with reductions of other widths: in front of a's 3×3 and 5×5, then of b's."""
    three_a, five_a, three_b, five_b = widths
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        body = SmallInception(len(signs.CLASSES))
        body.inception_a = Inception(48, 32, (three_a, 64), (five_a, 32), 32)
        body.inception_b = Inception(160, 64, (three_b, 96), (five_b, 48), 48)
    return results.network_of_signs(body, "doors", size=race.SIZE)


def untrained_doors(seed: int) -> zoo.PixelNetwork:
    """The race's network, whose reductions stay as they were drawn."""
    network = with_doors(seed, DOORS)
    for module in (network.body.inception_a, network.body.inception_b):
        for branch in (module.conv_3x3, module.conv_5x5):
            branch[0].requires_grad_(False)
    return network


def pooling_last(seed: int) -> zoo.PixelNetwork:
    """The race's network with the 1×1 in front of the max pooling instead of behind it."""
    network = with_doors(seed, DOORS)
    for module in (network.body.inception_a, network.body.inception_b):
        module.pool = nn.Sequential(module.pool[1], module.pool[0])
    return network


VARIANTS = {
    "never trained": untrained_doors,
    "one channel": partial(with_doors, widths=(1, 1, 1, 1)),
    "1×1 before the pooling": pooling_last,
}


def make_doors() -> None:
    """How narrow the reductions may be, whether they must learn, and on which side of the pooling the 1×1 may stand."""
    known = race.scenes(race.SCENES)
    test = race.scenes(TEST_SCENES, seed=race.TEST_SEED)
    told: dict[str, dict[str, list[float]]] = {}
    for name, build in VARIANTS.items():
        told[name] = {"steps": [], "right": []}
        for seed in SEEDS[:3]:
            run = race.race_steps({name: build(seed)}, known, test, steps=STEPS, seed=seed)
            right = [share for _, _, share in run if share is not None]
            steps = race.steps_to(race.GOAL, range(race.EVERY, STEPS + 1, race.EVERY), right)
            told[name]["steps"].append(round(steps, 1) if steps == steps else None)
            told[name]["right"].append(round(right[-1], 4))
            print(name, told[name], flush=True)
    facts = made(
        "doors", training_precision=results.precision(), seeds=list(SEEDS[:3]), batch=race.BATCH, steps=STEPS,
        scenes=race.SCENES, test_scenes=TEST_SCENES, test_seed=race.TEST_SEED,
        learning_rate=race.LEARNING_RATE, goal=race.GOAL,
    )  # fmt: skip
    results.write(FOLDER / "doors.json", {"made": facts, "told": told})


def make_branches() -> None:
    """The network that ships, one branch after the other ablated."""
    network, street = zoo.load(NETWORK), signs.render(SCENES, seed=SEED)
    told = {fill: ablate_each(network, street.images, street.labels, fill) for fill in branches.FILLS}
    facts = made("branches", network=NETWORK, scenes=SCENES, seed=SEED)
    results.write(FOLDER / "branches.json", {"made": facts, "right": told})


PARTS = {"race": make_race, "doors": make_doors, "branches": make_branches}


if __name__ == "__main__":
    results.main(PARTS, __doc__)
