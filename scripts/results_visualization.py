"""Compute what ships for lesson 6: `make results NAMES=visualization`.

Two parts, each alone as `python scripts/results_visualization.py ladder`; together some two minutes on one core:
ladder    one filter, every rung of the ladder, snapshots on the way → data/visualization/ladder.jpg, ladder.json
classes   what each network that ships pictures for the classes, and what the others read in it → classes.jpg, .json
"""

from __future__ import annotations

from functools import partial

import numpy as np
import results
import torch
from PIL import Image
from torch import Tensor

from course_utils import images, zoo
from course_utils.visualization import FULL, LADDER, NAIVE, Filter, Logit, climb, score
from course_utils.visualization.classes import predict
from course_utils.visualization.results import FOLDER, NETWORKS

SEED = 1
NETWORK, LAYER, FILTER, STEPS = "signs-resnet", "stage4", 8, (0, 1, 8, 32, 128)  # of the ladder
SHOWN, CLASS_STEPS = (10, 9, 0, 8, 13, 12, 19, 16), 128  # classes that are shown; all are measured
made = partial(results.made, "visualization", seed=SEED)


def write(name: str, pictures: Tensor, facts: dict) -> None:
    """Pictures [rows, columns, 3, 64, 64] as one sheet (64 is 8 blocks of JPEG: no tile touches another), and JSON."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    sheet = np.concatenate([np.concatenate(list(images.to_pixels(row)), axis=1) for row in pictures])
    Image.fromarray(sheet).save(FOLDER / f"{name}.jpg", quality=80, subsampling=0)
    results.write(FOLDER / f"{name}.json", facts)


def make_ladder() -> None:
    """The same filter with each regulariser added."""
    network, objective = zoo.load(NETWORK), Filter(LAYER, FILTER)
    pictures, scores = [], []
    for rung, recipe in LADDER.items():
        snapshots = climb(network, objective, steps=STEPS[-1], recipe=recipe, seed=SEED, snapshots=STEPS).snapshots
        row = torch.cat([snapshots[step] for step in STEPS])
        pictures.append(row.cpu())
        scores.append([round(value, 3) for value in score(network, objective, row).tolist()])
        print(rung, scores[-1], flush=True)
    facts = {"made": made("ladder"), "network": NETWORK, "layer": LAYER, "filter": FILTER}
    write("ladder", torch.stack(pictures), facts | {"rows": list(LADDER), "columns": STEPS, "scores": scores})


def make_classes() -> None:
    """Every class by every network, as on the slide and regularised; and what every network reads in it."""
    networks = [zoo.load(name) for name in NETWORKS]
    labels = torch.arange(len(networks[0].class_names))
    transfer, shown = {"slide": [], "regularised": []}, []
    for network in networks:
        for kind, recipe in (("slide", NAIVE), ("regularised", FULL)):
            objectives = [Logit(label) for label in labels.tolist()]
            found = climb(network, objectives, steps=CLASS_STEPS, recipe=recipe, seed=SEED).images
            read = predict(networks, found).cpu()  # [classes, networks, classes]
            means = read[labels, :, labels].mean(dim=0)
            transfer[kind].append([round(value, 3) for value in means.tolist()])
            print(network.name, kind, transfer[kind][-1], flush=True)
        shown.append(found[list(SHOWN)].cpu())
    facts = {"made": made("classes", steps=CLASS_STEPS), "transfer": transfer}
    write("classes", torch.stack(shown), facts | {"rows": list(NETWORKS), "columns": SHOWN})


PARTS = {"ladder": make_ladder, "classes": make_classes}


if __name__ == "__main__":
    results.main(PARTS, __doc__)
