"""Compute what ships for lesson 5: `make results NAMES=resnet`.

Six parts, each alone as `python scripts/results_resnet.py twins`; together some twelve minutes on one core:
twins     training curves of plain and residual networks of growing depth → data/resnet/twins.json
pair      the trained pair of the surface → data/networks/lessons/resnet-plain, resnet-skip
surface   their loss surfaces, 31×31 points → data/resnet/surfaces.npz
rims      the loss a little way off, in ten planes → data/resnet/rims.json
lesions   what each of the two can do without a block → data/resnet/lesions.json
controls  how deep plain networks end that begin beside copies, or learn slower → data/resnet/controls.json
"""

from __future__ import annotations

import json

import numpy as np
import results
import torch
from torch import nn
from tqdm import tqdm

from course_utils import runtime, training, zoo
from course_utils.networks.resnet import blocks
from course_utils.resnet import lesions, loss_surface, twins
from course_utils.signs import small

FOLDER = runtime.DATA / "resnet"
SEEDS = {8: (0,), 20: (0,), 32: (0,), 56: (0, 1, 2)}  # depth → seeds of its pairs
BARE_SEEDS = (0,)  # of the deepest pair without batch normalisation
TEST_SCENES = 1200
DEPTH, PAIR_SCENES, PAIR_SEED = 56, 4096, 0  # of the pair that is stored
RECIPES = {twins.PLAIN: (800, 5e-3), twins.RESIDUAL: (500, 1e-2)}  # steps, learning rate: the plain one needs longer
POINTS, REACH, SURFACE_SCENES, SURFACE_SEED = 31, 0.5, 96, 1  # one square; RIM_SEEDS say how others look
RIMS, RIM_SEEDS = (0.1, 0.3), tuple(range(10))
CONTROL_SEEDS, SLOWER = (0, 1, 2), twins.BARE_RATE / 4


def made(part: str, **facts) -> dict:
    """How a file came to be."""
    same = {"training precision": results.precision(), "signs": list(small.SIGNS)}
    return results.made("resnet", part, **same, **facts)


def train(networks: dict, seed: int, steps: int, rate: float, scenes: tuple) -> tuple[dict, dict]:
    """Train twins, or one of them alone: losses and shares that were right, each a dictionary by twin."""
    losses, right = {name: [] for name in networks}, {name: [] for name in networks}
    bar = tqdm(total=len(networks) * steps, mininterval=10, unit="step")
    how = {"steps": steps, "batch": twins.BATCH, "learning_rate": rate, "seed": seed}
    for name, step in training.train_by_turns(networks, *scenes, **how):
        losses[name].append(round(step.loss, 4))
        right[name].append(round(step.accuracy, 4))
        bar.update()
    bar.close()
    return losses, right


def make_twins() -> None:
    """Curves of every depth and seed."""
    scenes = small.scenes(twins.SCENES)
    told = {
        "made": made(
            "twins", steps=twins.STEPS, batch=twins.BATCH, learning_rate=twins.LEARNING_RATE,
            learning_rate_bare=twins.BARE_RATE, seeds=SEEDS, seeds_bare=BARE_SEEDS,
            scenes=twins.SCENES,
        ),
        "losses": {}, "right": {},
    }  # fmt: skip
    for depth, seeds in SEEDS.items():
        for key in ("losses", "right"):
            told[key][depth] = {name: [] for name in (twins.PLAIN, twins.RESIDUAL)}
        for seed in seeds:
            pair = twins.build_pair(depth, seed=seed)
            losses, right = train(pair, seed, twins.STEPS, twins.LEARNING_RATE, scenes)
            for name in pair:
                told["losses"][depth][name].append(losses[name])
                told["right"][depth][name].append(right[name])
                print(depth, seed, name, f"loss {np.mean(losses[name][-20:]):.3f}", flush=True)
    told["bare"] = {name: [] for name in (twins.PLAIN, twins.RESIDUAL)}  # without batch normalisation
    for seed in BARE_SEEDS:
        losses, _ = train(twins.build_pair(DEPTH, seed=seed, norm=False), seed, twins.STEPS, twins.BARE_RATE, scenes)
        for name, values in losses.items():
            told["bare"][name].append(values)
            print("bare", seed, name, f"loss {np.mean(values[-20:]):.3f}", flush=True)
    results.write(FOLDER / "twins.json", told)


def make_pair() -> None:
    """Train the pair of the surface longer, each as long as it needs, and store it."""
    scenes, pair = small.scenes(PAIR_SCENES), twins.build_pair(DEPTH, seed=PAIR_SEED)
    for name, (steps, rate) in RECIPES.items():
        losses, _ = train({name: pair[name]}, PAIR_SEED, steps, rate, scenes)
        print(name, f"loss {np.mean(losses[name][-20:]):.4f}", flush=True)
        store(name, pair[name])


def store(name: str, network: zoo.PixelNetwork) -> None:
    """Put a trained twin among the networks that ship, with what is measured of it as it is stored."""
    steps, rate = RECIPES[name]
    facts = {
        "architecture": "resnet.SmallResNet",
        "arguments": {
            "depth": DEPTH, "classes": len(small.SIGNS), "width": twins.WIDTH, "stem_stride": 2,
            "skip": name == twins.RESIDUAL,
        },
        "training": f"{steps} steps of {twins.BATCH} scenes",
        **made("pair", seed=PAIR_SEED, learning_rate=rate, scenes=PAIR_SCENES),
    }  # fmt: skip
    network.name = twins.STORED[name]
    results.store(network, facts, measure)


def measure(network: zoo.PixelNetwork) -> dict:
    """What the card says of a twin's accuracy."""
    right = training.accuracy(network, *small.scenes(TEST_SCENES, seed=twins.TEST_SEED))
    return {"rendered": round(right, 4), "rendered_scenes": TEST_SCENES}


def make_surface() -> None:
    """The fine surfaces of the stored pair, over scenes of its training."""
    images, labels = small.scenes(SURFACE_SCENES)
    found = {}
    for name in (twins.PLAIN, twins.RESIDUAL):
        network = zoo.load(twins.STORED[name])
        steps = loss_surface.surface_steps(
            network, images, labels, points=POINTS, reach=REACH, seed=SURFACE_SEED, chunk=4
        )
        bar = tqdm(total=POINTS**2, desc=f"surface {name}", mininterval=20, unit="point")
        for last in steps:
            bar.update(int((~last.losses.isnan()).sum()) - bar.n)
        bar.close()
        found[name] = last.losses.numpy().astype(np.float32)
        print(name, f"{last.centre:.4f} in the middle, {np.nanmax(found[name]):.3g} at most", flush=True)
    told = made("surface", scenes=SURFACE_SCENES, scenes_seed=0, directions_seed=SURFACE_SEED, reach=REACH)
    FOLDER.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(
        FOLDER / "surfaces.npz", axis=last.axis.numpy(), made=json.dumps(told, ensure_ascii=False), **found
    )


def make_rims() -> None:
    """The mean loss on small squares round the stored pair, in several random planes."""
    images, labels = small.scenes(SURFACE_SCENES)
    told = {"made": made("rims", scenes=SURFACE_SCENES, scenes_seed=0, directions_seeds=list(RIM_SEEDS)), "rims": {}}
    for name in (twins.PLAIN, twins.RESIDUAL):
        network, told["rims"][name] = zoo.load(twins.STORED[name]), {}
        for reach in RIMS:
            found = [
                loss_surface.surface(network, images, labels, points=3, reach=reach, seed=seed) for seed in RIM_SEEDS
            ]
            told["rims"][name][str(reach)] = [round(surface.rim, 4) for surface in found]
            print(name, reach, f"{np.median(told['rims'][name][str(reach)]):.3f} in the median", flush=True)
    results.write(FOLDER / "rims.json", told)


def make_lesions() -> None:
    """Accuracy without each block, of the stored pair."""
    images, labels = small.scenes(TEST_SCENES, seed=twins.TEST_SEED)
    told = {"made": made("lesions", scenes=TEST_SCENES), "whole": {}, "without": {}}
    for name in (twins.PLAIN, twins.RESIDUAL):
        network = zoo.load(twins.STORED[name])
        told["whole"][name] = round(training.accuracy(network, images, labels), 4)
        found = lesions.study(network, images, labels)
        told["without"][name] = {lesion.name: round(lesion.accuracy, 4) for lesion in found}
        print(name, told["whole"][name], told["without"][name], flush=True)
    results.write(FOLDER / "lesions.json", told)


def make_controls() -> None:
    """How deep plain networks end, a loss a seed: begun beside copies, and without batch normalisation but slower."""
    scenes, plain = small.scenes(twins.SCENES), twins.PLAIN
    told = {
        "made": made("controls", depth=DEPTH, steps=twins.STEPS, seeds=CONTROL_SEEDS, slower=SLOWER),
        "copies": [], "slower": [],
    }  # fmt: skip
    for name, rate in (("copies", twins.LEARNING_RATE), ("slower", SLOWER)):
        for seed in CONTROL_SEEDS:
            network = twins.build_pair(DEPTH, seed=seed, norm=name == "copies")[plain]
            if name == "copies":
                begin_at_copies(network)
            losses, _ = train({plain: network}, seed, twins.STEPS, rate, scenes)
            told[name].append(round(*twins.ends(losses.values()), 4))
            print(name, seed, told[name][-1], flush=True)
    results.write(FOLDER / "controls.json", told)


@torch.no_grad()
def begin_at_copies(network: nn.Module) -> None:
    """Every 3×3 convolution of a block begins as "hand each channel on", and a tenth of He's random weights."""
    for block in blocks(network):
        for conv in (block.conv1, block.conv2):
            conv.weight.mul_(0.1).add_(nn.init.dirac_(torch.empty_like(conv.weight)))


PARTS = {
    "twins": make_twins, "pair": make_pair, "surface": make_surface, "rims": make_rims, "lesions": make_lesions,
    "controls": make_controls,
}  # fmt: skip


if __name__ == "__main__":
    results.main(PARTS, __doc__)
