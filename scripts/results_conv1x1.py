"""Compute what ships for lesson 3: `make results NAMES=conv1x1`, some two minutes on one core.

squeeze.json: two 1×1 convolutions, 64 maps → 16 → 64, learnt behind the second convolution of signs-alexnet from the
labels alone; with the losses of the learning, and how many of 1,000 fresh scenes the network then reads rightly.
"""

from __future__ import annotations

import json

import torch
from tqdm import tqdm

from course_utils import conv1x1, runtime, signs, zoo

NETWORK, LAYER, KEPT = "signs-alexnet", "features.4", 16
STEPS, SEED, SCENES, SCENES_SEED, FRESH, FRESH_SEED = 600, 0, 2000, 300, 1000, 301


def main() -> None:
    network = zoo.load(NETWORK, device="cpu")
    scenes = signs.render(SCENES, seed=SCENES_SEED, device="cpu")
    fresh = signs.render(FRESH, seed=FRESH_SEED, device="cpu")
    learning = conv1x1.learn(network, LAYER, scenes.images, scenes.labels, kept=KEPT, steps=STEPS, seed=SEED)
    path = list(tqdm(learning, total=STEPS, mininterval=10))
    squeeze = path[-1].squeeze
    content = {
        "command": "python scripts/results_conv1x1.py",
        "torch": torch.__version__.split("+")[0],
        "network": NETWORK,
        "layer": LAYER,
        "steps": STEPS,
        "seed": SEED,
        "scenes": f"signs.render({SCENES}, seed={SCENES_SEED})",
        "fresh": f"signs.render({FRESH}, seed={FRESH_SEED})",
        "right": round(conv1x1.right(network, LAYER, squeeze, fresh.images, fresh.labels), 4),
        "losses": [round(moment.loss, 3) for moment in path],
    }
    for name in ("down", "up", "bias"):
        content[name] = [
            [round(number, 4) for number in row] if isinstance(row, list) else round(row, 4)
            for row in getattr(squeeze, name).tolist()
        ]
    target = runtime.DATA / "conv1x1" / "squeeze.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(
        json.dumps(content, ensure_ascii=False, indent=None, separators=(",", ":")) + "\n", encoding="utf-8"
    )
    print(f"{target.name}: {target.stat().st_size / 1024:.0f} KiB, {content['right']:.1%} right", flush=True)


if __name__ == "__main__":
    main()
