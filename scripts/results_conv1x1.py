"""Compute what ships for lesson 3: `make results NAMES=conv1x1`, some two minutes on one core.

halves.json: which half of a squeeze does it? Behind the second convolution of signs-alexnet sixteen mixtures of the 64
channels that are chosen (PCA, the strongest channels, random directions), or begin at random and learn; behind each the
best rebuild, and what labels make of that rebuild: how much is rebuilt, and what share of test scenes is read.
"""

from __future__ import annotations

import results
from torch import nn
from tqdm import tqdm

from course_utils import conv1x1, runtime, signs, zoo

NETWORK, LAYER, KEPT, SEEDS, STEPS = "signs-alexnet", "features.4", 16, (0, 1, 2), 80
SCENES, SCENES_SEED, TEST_SCENES, TEST_SCENES_SEED = 1000, 300, 500, 301


def main() -> None:
    """Chosen and learnt first halves, each with the two kinds of second halves; what is drawn, with three seeds."""
    network = zoo.load(NETWORK, device="cpu")
    scenes = signs.render(SCENES, seed=SCENES_SEED, device="cpu")
    test = signs.render(TEST_SCENES, seed=TEST_SCENES_SEED, device="cpu")
    maps, fresh = (conv1x1.maps_at(network, LAYER, some.images) for some in (scenes, test))
    # What stands behind the layer is all that a squeeze can change: the maps are computed once.
    some = maps[:400]  # to fit what is fitted
    tail = nn.Sequential(nn.Identity(), *network.body.features[5:], network.body.classifier).eval()

    def learn(seed: int, **how) -> conv1x1.Squeeze:
        *_, last = conv1x1.learn(tail, "0", maps, scenes.labels, steps=STEPS, seed=seed, **how)
        return last.squeeze

    def read(one: conv1x1.Squeeze) -> float:
        return round(conv1x1.accuracy_through(tail, "0", one, fresh, test.labels), 4)

    facts = {
        "network": NETWORK,
        "layer": LAYER,
        "steps": STEPS,
        "scenes": f"signs.render({SCENES}, seed={SCENES_SEED})",
        "test": f"signs.render({TEST_SCENES}, seed={TEST_SCENES_SEED})",
        "k": KEPT,
        "all": read(lambda same: same),
    }
    ways = [("PCA", 0, conv1x1.pca(some, KEPT)), ("strongest", 0, conv1x1.select_maps(some, KEPT))]
    ways += [(way, seed, conv1x1.project_at_random(some, KEPT, seed)) for seed in SEEDS for way in ("random", "learnt")]
    rows = []
    for way, seed, rebuild in tqdm(ways):
        learnt = learn(seed, start=rebuild, keep_down=way != "learnt")
        best = conv1x1.fit_rebuild(some, learnt.down)
        kept = round(conv1x1.explained_variance(some, best(some)), 4)
        rows.append(
            {"first half": way, "seed": seed, "rebuilt": kept, "least squares": read(best), "labels": read(learnt)}
        )
        print(rows[-1], flush=True)
    results.write(runtime.DATA / "conv1x1" / "halves.json", results.made("conv1x1", **facts, rows=rows))


if __name__ == "__main__":
    main()
