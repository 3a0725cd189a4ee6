"""Compute what ships for lesson 6: `make results NAMES=visualization`.

Four parts, each alone as `python scripts/results_visualization.py ladder`; together some eight minutes on one core:
ladder    one filter, every rung of the ladder, snapshots on the way → data/visualization/ladder.jpg, ladder.json
classes   what each network that ships pictures for the classes, and what the others read in it → classes.jpg, .json
neurons   neurons of the network of a thousand classes, every rung of the ladder → neurons.jpg, .json
thousand  classes of that network, climbed by their logit and by their probability → thousand.jpg, .json
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import results
import torch
from PIL import Image
from torch import Tensor

from course_utils import images, zoo
from course_utils.visualization import (
    FULL,
    LADDER,
    NAIVE,
    Filter,
    Logit,
    Neuron,
    Probability,
    Recipe,
    climb,
    noise,
    score,
)
from course_utils.visualization.classes import climb_class, predict
from course_utils.visualization.results import FOLDER, NETWORKS

SEED = 1
NETWORK, LAYER, FILTER, STEPS = "signs-resnet", "stage4", 8, (0, 1, 8, 32, 128)  # of the ladder
SHOWN, CLASS_STEPS = (10, 9, 0, 8, 13, 12, 19, 16), 128  # classes that are shown; all are measured
PHOTOGRAPHS, SIZE, BIG_STEPS = "efficientnet-lite0", 160, 64  # of the network of a thousand classes
BIG_LAYER, NEURONS = "stages.3", (6, 8, 13)
CLASSES, DRAWN = ("espresso", "balloon", "zebra", "daisy", "pineapple", "peacock"), 4  # all are measured, four shown
WIDER = {"jitter": 16, "padding": 16, "rotation": 10.0, "scale": 0.1, "blur": 0.6}  # as its pictures are
made = partial(results.made, "visualization", seed=SEED)


def write(name: str, pictures: Tensor, facts: dict) -> None:
    """Pictures [rows, columns, 3, S, S] as one sheet (S is whole blocks of JPEG: no tile touches another), and JSON."""
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


def wide(recipe: Recipe) -> Recipe:
    """The same recipe, moving and blurring as far as larger pictures allow."""
    return replace(recipe, **{part: amount for part, amount in WIDER.items() if getattr(recipe, part)})


def rounded(values: Tensor, digits: int = 2) -> list:
    """Numbers for JSON."""
    return [round(value, digits) for value in values.tolist()]


def make_neurons() -> None:
    """A few neurons, with each regulariser added."""
    network = zoo.load(PHOTOGRAPHS)
    goals = [Neuron(BIG_LAYER, k) for k in NEURONS]
    pictures, scores = [], []
    for rung, recipe in LADDER.items():
        found = climb(network, goals, steps=BIG_STEPS, size=SIZE, recipe=wide(recipe), seed=SEED).images
        pictures.append(found.cpu())
        scores.append(rounded(score(network, goals, found)))
        print(rung, scores[-1], flush=True)
    facts = {"made": made("neurons", steps=BIG_STEPS, wider=WIDER), "network": PHOTOGRAPHS, "layer": BIG_LAYER}
    facts |= {"rows": list(LADDER), "columns": NEURONS, "scores": scores}
    write("neurons", torch.stack(pictures), facts)


def others(answers: Tensor, labels: Sequence[int]) -> Tensor:
    """The logarithm of the sum of all other classes' exponentials, [N]: how loud the rest is."""
    return answers.scatter(1, torch.as_tensor(labels, device=answers.device)[:, None], -torch.inf).logsumexp(dim=1)


@torch.no_grad()
def make_thousand() -> None:
    """Classes by logit, by probability, by probability with no penalty; and the plain race of the first two."""
    network = zoo.load(PHOTOGRAPHS)
    labels = [network.class_names.index(name) for name in CLASSES]
    free = replace(FULL, l2=0.0, total_variation=0.0)
    ways = {"logit": (Logit, FULL), "probability": (Probability, FULL), "probability, no penalty": (Probability, free)}
    pictures, facts = [], {"made": made("thousand", steps=BIG_STEPS, wider=WIDER), "network": PHOTOGRAPHS}
    facts |= {"rows": list(ways), "columns": labels[:DRAWN], "classes": CLASSES, "labels": labels}
    facts |= {"logits": [], "probabilities": [], "others": [], "contrast": []}
    for way, (kind, recipe) in ways.items():
        how = {"steps": BIG_STEPS, "size": SIZE, "recipe": wide(recipe), "seed": SEED, "snapshots": (0,)}
        path = climb(network, [kind(label) for label in labels], **how)
        begun, answers = network(path.snapshots[0]), network(path.images)  # [classes, 1000] each
        own = torch.arange(len(labels)), labels
        facts["logits"].append(rounded(answers[own]))
        facts["probabilities"].append(rounded(answers.softmax(dim=1)[own], 5))
        facts["others"].append(rounded(others(answers, labels) - others(begun, labels)))
        facts["contrast"].append(rounded(path.images.std(dim=(1, 2, 3)), 3))
        pictures.append(path.images[:DRAWN].cpu())
        print(way, {name: facts[name][-1] for name in ("logits", "probabilities", "others", "contrast")}, flush=True)
    facts["plain"] = []  # [classes][logit at the start, by the logit, by the probability; its probability then]
    foot = noise(1, SIZE, seed=SEED, amount=0.1).to(next(network.parameters()))
    for label in labels:
        race = climb_class(network, label, foot, steps=BIG_STEPS)
        ends = [race.logits[0, 0], *race.logits[-1]]
        facts["plain"].append(rounded(torch.stack([*ends, race.probabilities[-1, 1]]), 4))
        print(network.class_names[label], facts["plain"][-1], flush=True)
    write("thousand", torch.stack(pictures), facts)


PARTS = {"ladder": make_ladder, "classes": make_classes, "neurons": make_neurons, "thousand": make_thousand}


if __name__ == "__main__":
    results.main(PARTS, __doc__)
