"""Train the four networks of notebook 2, which differ in their pooling only; move a camera before them; store it all.

`make results NAMES=pooling`, or a part: `python scripts/results_pooling.py max stride --seeds 1`. The networks of the
first seed ship (data/networks/lessons/pooling-…), the numbers stand in data/pooling/shifts.json. Everything follows
from the seeds; the numbers differ in the last digits from machine to machine, as floating-point sums do.
"""

from __future__ import annotations

import argparse
import json
import time

import results
import torch
from tqdm import tqdm

from course_utils import signs, training, zoo
from course_utils.networks.pooled import KINDS, SignsPoolNet
from course_utils.pooling import shifts

STEPS, BATCH, SCENES, LEARNING_RATE = 1200, 64, 16_384, 3e-3
SEEDS = (1,)  # of the first weights and of the order of the scenes; of more (--seeds 1 2 3) only the means are kept
TRAVELS, TRAVELS_SEED = 400, signs.TEST_SEED
TEST_SCENES, TEST_SCENES_SEED = 2000, 2 * signs.TEST_SEED


def trained(kind: str, seed: int, pool: training.Pool) -> tuple[zoo.PixelNetwork, str]:
    """One network from its seed, and how long it took."""
    torch.manual_seed(seed)  # the layers draw their first weights from torch's own generator
    network = results.network_of_signs(SignsPoolNet(kind), f"pooling-{kind}", shifts.WINDOW).cpu()
    pool.generator.manual_seed(seed)
    begin, bar = (
        time.perf_counter(),
        tqdm(total=STEPS, desc=f"{network.name}, seed {seed}", mininterval=10, unit="step"),
    )
    # Without the shifts of ±3 pixels that the course's other networks learn from: here, only pooling shall help.
    for step in training.train(network, pool.batches(BATCH, shift=0), steps=STEPS, learning_rate=LEARNING_RATE):
        bar.update()
        bar.set_postfix(loss=f"{step.loss:.3f}", train=f"{step.accuracy:.3f}", refresh=False)
    bar.close()
    told = f"{STEPS} steps of {BATCH} scenes, not shifted, {(time.perf_counter() - begin) / 60:.1f} minutes on one core"
    return network, told


def stored(network: zoo.PixelNetwork, kind: str, seed: int, told: str) -> zoo.PixelNetwork:
    """The network as it ships: half precision is part of it."""
    facts = {
        "architecture": "pooling.SignsPoolNet",
        "arguments": {"kind": kind},
        "command": f"python scripts/results_pooling.py {kind}",
        "seed": seed,
        "training": told,
    }
    zoo.save(network, f"pooling-{kind}", facts, shelf=zoo.LESSONS)
    return zoo.load(f"pooling-{kind}", device="cpu")


def measured(network: zoo.PixelNetwork, travel: shifts.Travel, test: signs.Scenes) -> dict:
    """What one network says while the camera moves: scene by scene, and shift by shift with standard errors."""
    told = shifts.ask(network, travel)
    same, right = told.same(), (told.classes == travel.labels[:, None]).float()  # [N, shifts]
    return {
        "accuracy": round(training.accuracy(network, test.images, test.labels), 4),
        "accuracy_moving": round(right.mean().item(), 4),
        "right": right[:, 0].int().tolist(),
        "consistency": _rounded(told.consistency()),
        "wobble": _rounded(told.wobble()),
        "same": _rounded(same.mean(dim=0)),
        "same_error": _rounded(shifts.standard_error(same)),
        "score": _rounded(told.scores.mean(dim=0)),
        "score_error": _rounded(shifts.standard_error(told.scores)),
    }


def _rounded(values: torch.Tensor) -> list[float]:
    return [round(value, 4) for value in values.tolist()]


def short(result: dict) -> dict:
    """The means of a result: what is kept of the seeds that do not ship."""
    means = {name: round(sum(result[name]) / len(result[name]), 4) for name in ("consistency", "wobble")}
    return {"accuracy": result["accuracy"], "accuracy_moving": result["accuracy_moving"]} | means


def main() -> None:
    """Train and measure the named kinds, or all; what was measured before and is not named stays."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[*KINDS, []], default=[])
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="the network of the first one ships")
    wanted = parser.parse_args()
    pool = training.Pool(SCENES, (shifts.WORLD,), size=shifts.WINDOW, seed=1, device="cpu")
    travel = shifts.render_travels(TRAVELS, seed=TRAVELS_SEED)
    test = signs.render(TEST_SCENES, size=shifts.WINDOW, seed=TEST_SCENES_SEED, dials=shifts.WORLD, device="cpu")
    path = shifts.RESULTS
    found = json.loads(path.read_text(encoding="utf-8"))["kinds"] if path.is_file() else {}
    for kind in wanted.kinds or KINDS:
        for seed in wanted.seeds:
            network, told = trained(kind, seed, pool)
            if seed == SEEDS[0]:
                result = measured(stored(network, kind, seed, told), travel, test)
                found[kind] = result | {"seeds": {str(seed): short(result)}}
            else:
                result = measured(network, travel, test)
                found[kind]["seeds"][str(seed)] = short(result)
            print(kind, seed, short(result), flush=True)
            write(found)


def write(found: dict) -> None:
    """All that was measured, with how it was made."""
    facts = {
        **results.made("pooling"),
        "training": f"{STEPS} steps of {BATCH} out of {SCENES} scenes, {shifts.WINDOW} pixels wide, not shifted",
        "scenes": f"{TRAVELS} with a small sign, seed {TRAVELS_SEED}; a camera moves 0 to {shifts.FARTHEST} pixels",
        "precision": results.precision(torch.device("cpu")),
        "kinds": {kind: found[kind] for kind in KINDS if kind in found},
    }
    results.write(shifts.RESULTS, facts)


if __name__ == "__main__":
    main()
