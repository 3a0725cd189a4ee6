"""Compute what ships for lesson 1: `make results NAMES=history`, some fifteen minutes on one core.

data/history/learning_curves.json: SIFT, HOG and a CNN on 20 to 6,000 training scenes of each of three seeds, tested on
the same 1,000 test scenes. Everything follows from the seeds; the last digits differ from machine to machine, as
floating-point sums do. Try it out with `python scripts/results_history.py --sizes 20 60 --seeds 0 --to scratch.json`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import skimage
import sklearn
import torch
from tqdm import tqdm

from course_utils import runtime, signs
from course_utils.history import learning_curve

SEEDS, TEST_SCENES = (0, 1, 2), 1000


def main() -> None:
    """Run the comparison once a seed and store the curves."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(learning_curve.SIZES))
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument("--test-scenes", type=int, default=TEST_SCENES)
    parser.add_argument("--to", type=Path, default=runtime.DATA / "history" / "learning_curves.json")
    wanted = parser.parse_args()
    accuracies = {method: [] for method in learning_curve.METHODS}
    last = {method: [] for method in learning_curve.METHODS}  # readings at the largest size
    for seed in wanted.seeds:
        bar, told = tqdm(total=1.0, desc=f"seed {seed}", mininterval=10, bar_format="{l_bar}{bar}{elapsed}"), 0
        for progress in learning_curve.compare(wanted.sizes, seed=seed, test_scenes=wanted.test_scenes):
            bar.update(progress.share - bar.n)
            for reading in progress.readings[told:]:
                bar.write(f"{reading.method:20s} {reading.size:6,} scenes: {reading.accuracy:.1%}")
            told = len(progress.readings)
        bar.close()
        for method in learning_curve.METHODS:
            sizes, values = progress.points(method)
            accuracies[method].append([round(value, 4) for value in values])
            largest = (method, sizes[-1])
            last[method] += [one for one in progress.readings if (one.method, one.size) == largest]
    curves = learning_curve.Curves(
        wanted.sizes,
        accuracies,
        wanted.test_scenes,
        {method: learning_curve.count_confusions(readings) for method, readings in last.items()},
        {
            "command": "python scripts/results_history.py",
            "seeds": wanted.seeds,
            "test": f"{wanted.test_scenes} scenes, as many of each of the {len(signs.CLASSES)} classes, default dials",
            "recipes": learning_curve.RECIPES,
            "versions": {tool.__name__: tool.__version__.split("+")[0] for tool in (torch, np, skimage, sklearn)},
        },
    )
    curves.save(wanted.to)


if __name__ == "__main__":
    main()
