"""What could refute the shifts of notebook 2: other seeds, strides with as much work, strides and shifted scenes.

`make results NAMES=pooling_controls`; written to data/pooling/controls.json as it goes, so it may be stopped and taken
up again. All are trained alike, shorter than those that ship: only what the name says is different.
"""

from __future__ import annotations

import json

import results
import torch

from course_utils import signs, training
from course_utils.costs import accounting
from course_utils.networks.pooled import SignsPoolNet
from course_utils.pooling import shifts

STEPS, BATCH, SCENES, LEARNING_RATE = 500, 64, 8192, 3e-3
SEEDS = (1, 2, 3)  # of the first weights and of the order of the scenes
TRAVELS, TEST_SCENES, TEST_SEED = 100, 1000, 0  # training's seeds begin at a million
# Name: kind, width, by how many pixels its training scenes are shifted. "wide" has as many multiply-adds as "max".
ARMS = {
    "stride": ("stride", 96, 0),
    "wide": ("stride", 192, 0),
    "max": ("max", 96, 0),
    "shifted": ("stride", 96, 16),
    "average": ("average", 96, 0),
    "blur": ("blur", 96, 0),
}
LATER = ("average", "blur")  # all seeds of the others come first


def trained(arm: str, seed: int, pool: training.Pool) -> torch.nn.Module:
    """One network from its seed."""
    kind, width, shift = ARMS[arm]
    torch.manual_seed(seed)
    network = results.network_of_signs(SignsPoolNet(kind, width=width), f"{arm}-{seed}", shifts.WINDOW).cpu()
    pool.generator.manual_seed(seed)
    for _ in training.train(network, pool.batches(BATCH, shift), steps=STEPS, learning_rate=LEARNING_RATE):
        pass
    return network


def measured(network: torch.nn.Module, travel: shifts.Travel, test: signs.Scenes) -> dict[str, float]:
    """How well it reads, and how steadily: over all scenes, and over those that it reads right at shift 0."""
    told = shifts.ask(network, travel)
    steady, right = told.consistency(), told.classes[:, 0] == travel.labels
    found = {
        "macs": accounting.account(network, shifts.WINDOW).macs,
        "accuracy": training.accuracy(network, test.images, test.labels),
        "next_pixel": told.same()[:, 1].mean().item(),
        "consistency": steady.mean().item(),
        "consistency_right": steady[right].mean().item(),
        "wobble": told.wobble().mean().item(),
    }
    return {name: round(value, 4) for name, value in found.items()}


def main() -> None:
    """Train and measure what is not measured yet."""
    pool = training.Pool(SCENES, (shifts.WORLD,), size=shifts.WINDOW, seed=1, device="cpu")
    travel = shifts.render_travels(TRAVELS, seed=TEST_SEED)
    test = signs.render(TEST_SCENES, size=shifts.WINDOW, seed=TEST_SEED, dials=shifts.WORLD, device="cpu")
    path = shifts.CONTROLS
    found = json.loads(path.read_text(encoding="utf-8"))["arms"] if path.is_file() else {}
    order = [(arm, seed) for seed in SEEDS for arm in ARMS if arm not in LATER]
    for arm, seed in order + [(arm, seed) for seed in SEEDS for arm in LATER]:
        if str(seed) not in found.setdefault(arm, {}):
            found[arm][str(seed)] = measured(trained(arm, seed, pool), travel, test)
            print(arm, seed, found[arm][str(seed)], flush=True)
        write(found)


def write(found: dict) -> None:
    """All that was measured, with how it was made."""
    facts = {
        **results.made("pooling_controls"),
        "training": f"{STEPS} steps of {BATCH} out of {SCENES} scenes, {shifts.WINDOW} pixels wide",
        "scenes": f"{TEST_SCENES} for the accuracy, {TRAVELS} with a moving camera, both of seed {TEST_SEED}",
        "precision": results.precision(torch.device("cpu")),
        "arms": {arm: found[arm] for arm in ARMS if found.get(arm)},
    }
    results.write(shifts.CONTROLS, facts)


if __name__ == "__main__":
    main()
