"""Compute what ships for lesson 3: `make results NAMES=conv1x1`, some two minutes on one core.

squeeze.json: two 1×1 convolutions, 64 maps → 16 → 64, learnt behind the second convolution of signs-alexnet from the
labels alone; with the losses of the learning, and how many of 1,000 test scenes the network then reads rightly.
"""

from __future__ import annotations

import results
from tqdm import tqdm

from course_utils import conv1x1, runtime, signs, zoo

NETWORK, LAYER, KEPT = "signs-alexnet", "features.4", 16
STEPS, SEED, SCENES, SCENES_SEED, TEST_SCENES, TEST_SCENES_SEED = 600, 0, 2000, 300, 1000, 301


def main() -> None:
    """Learn the squeeze, read the test scenes through it, store both."""
    network = zoo.load(NETWORK, device="cpu")
    scenes = signs.render(SCENES, seed=SCENES_SEED, device="cpu")
    test = signs.render(TEST_SCENES, seed=TEST_SCENES_SEED, device="cpu")
    learning = conv1x1.learn(network, LAYER, scenes.images, scenes.labels, k=KEPT, steps=STEPS, seed=SEED)
    path = list(tqdm(learning, total=STEPS, mininterval=10))
    squeeze = path[-1].squeeze
    content = {
        **results.made("conv1x1"),
        "network": NETWORK,
        "layer": LAYER,
        "steps": STEPS,
        "seed": SEED,
        "scenes": f"signs.render({SCENES}, seed={SCENES_SEED})",
        "test": f"signs.render({TEST_SCENES}, seed={TEST_SCENES_SEED})",
        "accuracy": round(conv1x1.accuracy_through(network, LAYER, squeeze, test.images, test.labels), 4),
        "losses": [round(moment.loss, 3) for moment in path],
    }
    for name in ("down", "up", "bias"):
        content[name] = [
            [round(number, 4) for number in row] if isinstance(row, list) else round(row, 4)
            for row in getattr(squeeze, name).tolist()
        ]
    print(f"{content['accuracy']:.1%} right", flush=True)
    results.write(runtime.DATA / "conv1x1" / "squeeze.json", content)


if __name__ == "__main__":
    main()
