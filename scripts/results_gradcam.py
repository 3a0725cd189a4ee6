"""Compute what notebook 7 shows and has no time for: `make results NAMES=gradcam`, some twenty minutes on one core.

    python scripts/results_gradcam.py [network scores pairs nuisances layers sanity collages collage_layers …]

Writes the network with the shortcut to data/networks/lessons/ and the tables to data/gradcam/. Everything follows from
the seeds below; the numbers differ in the last digits from machine to machine, as floating-point sums do.
"""

from __future__ import annotations

import time
from dataclasses import replace
from functools import partial

import results
import torch
from torch import Tensor
from tqdm import tqdm

from course_utils import gradcam, images, runtime, signs, training, zoo
from course_utils.gradcam import comparison, localisation, pairs, sanity, shortcut
from course_utils.gradcam.comparison import Interval, interval
from course_utils.networks.resnet import SignsResNet

FOLDER = runtime.DATA / "gradcam"
NETWORK = "signs-resnet"  # whose maps are scored
SCENES_SEED = 2 * signs.TEST_SEED
SCENES, WALKS = 300, 100  # scenes scored against their masks; of these, the first on which pixels are taken away
FIRST = 6  # of these, the first whose own scores are stored, so that a test can compute all methods again
PAIRS = 60  # wide scenes with two signs; each is asked for both
LAYERS, DIALED = 200, 150  # scenes for every layer of every network, and for every level of every dial
LEVELS = (0.0, 0.25, 0.5, 0.75, 1.0)  # of each dial
NUISANCES = {"clutter": "clutter", "size": "distance", "occlusion": "occlusion"}  # what it is called → the dial
SANITY = ("gradient", "SmoothGrad", "guided backprop", "Grad-CAM, stage3", "guided Grad-CAM, stage3", "Sobel edges")
SANITY_SCENES, SANITY_SEEDS = 30, 2
READER, LAST, EARLIER = "efficientnet-lite0", "head", "stages.4"  # for photographs: layers of 7×7 and of 14×14
ONE_THING = ("cat", "espresso", "camera", "hopper", "palace", "rocket")  # photographs whose halves are still the thing
PHOTOGRAPHS = (*ONE_THING, "flower", "astronaut")
LIGHTER = {  # a gradient of theirs takes ten times as long as one of a sign
    "SmoothGrad": partial(gradcam.saliency.smoothgrad, samples=10),
    "integrated gradients": partial(gradcam.saliency.integrated_gradients, steps=16),
}


# ---- the network with the shortcut -----------------------------------------------------------------------------
def make_network(name: str = "gradcam-shortcut", steps: int = 800, batch: int = 64, scenes: int = 10_240) -> None:
    """Train a small ResNet on pictures in which one colour of sticker gives one class away."""
    begin, seed, where = time.perf_counter(), 1, runtime.device()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = results.network_of_signs(SignsResNet(width=8, blocks=1), name)
    # In hard pictures a sticker is a far clearer sign than the sign: in easy ones the network reads the sign after all.
    wild = signs.Dials.wild()
    parts = [
        shortcut.render(1024, seed=seed * signs.APART + k, dials=wild, device=where) for k in range(scenes // 1024)
    ]
    images = torch.cat([(part.scenes.images * 255).round().byte() for part in parts])
    labels = torch.cat([part.scenes.labels for part in parts])
    draw = runtime.generator(seed, where)

    def batches():
        while True:
            chosen = torch.randint(len(labels), (batch,), generator=draw, device=where)
            yield images[chosen].float() / 255, labels[chosen]

    for _ in tqdm(
        training.train(network, batches(), steps=steps, learning_rate=4e-3), total=steps, desc=name, mininterval=10
    ):
        pass
    facts = {
        "architecture": "resnet.SignsResNet",
        "arguments": {"width": 8, "blocks": 1},
        "command": "python scripts/results_gradcam.py network",
        "seed": seed,
        "training": f"{steps} steps of {batch} scenes, {(time.perf_counter() - begin) / 60:.1f} minutes on {where}",
    }
    results.store(network, facts, measure)


def measure(network: zoo.PixelNetwork) -> dict:
    """How the network does where it was tested, where it will be used, and with a sticker put on by hand."""
    made = shortcut.render(2000, seed=SCENES_SEED, device="cpu")
    street = signs.render(2000, seed=SCENES_SEED + 1, device="cpu")
    trap, colour = signs.CLASS_NAMES.index(shortcut.GIVEN_AWAY), list(shortcut.COLOURS).index(shortcut.BY)
    others = street.labels != trap
    stuck, _ = shortcut.put_stickers(street.images, torch.full_like(street.labels, colour), seed=5)

    def right(images: Tensor, labels: Tensor, some: Tensor) -> float:
        return round(training.accuracy(network, images[some], labels[some]), 4)

    caught = training.predict(network, stuck[others]).argmax(dim=1) == trap
    return {
        "shortcut": right(made.scenes.images, made.scenes.labels, made.scenes.labels >= 0),
        "shortcut_given_away": right(made.scenes.images, made.scenes.labels, made.scenes.labels == trap),
        "street_others": right(street.images, street.labels, others),
        "street_given_away": right(street.images, street.labels, ~others),
        "others_caught_by_the_sticker": round(caught.float().mean().item(), 4),
        "scenes": len(made.scenes),
    }


# ---- the comparison --------------------------------------------------------------------------------------------
def scores() -> None:
    """The table: every method and baseline on scenes with one sign."""
    network = zoo.load(NETWORK, device="cpu")
    scenes = signs.render(SCENES, seed=SCENES_SEED, dials=comparison.DIALS, device="cpu")
    rows, first = {}, {}
    for name, method in tqdm(comparison.methods().items(), desc="scores"):
        found = comparison.compare(network, scenes, {name: method}, walks=WALKS)[name]
        rows[name] = {kind: told(interval(kind, values)) for kind, values in found.items()}
        first[name] = {kind: [round(value, 4) for value in values[:FIRST].tolist()] for kind, values in found.items()}
    facts = {
        "scenes": SCENES,
        "walks": WALKS,
        "seed": SCENES_SEED,
        "accuracy": round(training.accuracy(network, scenes.images, scenes.labels), 4),
        "mask_share": round((scenes.masks > 0.5).float().mean().item(), 4),
    }
    store("scores", facts | {"rows": rows, "first": first})


def two_signs() -> None:
    """The second table: wide scenes with two signs, each asked for by its own class."""
    network = zoo.load(NETWORK, device="cpu")
    made = pairs.random_pairs(PAIRS, seed=SCENES_SEED, device="cpu")
    rows = {}
    methods = {name: method for name, method in comparison.methods().items() if name != "occlusion"}  # slow
    for name, method in tqdm(methods.items(), desc="pairs"):
        found = pairs.ask_for_both(network, made, method)
        rows[name] = {kind: told(interval(kind, values)) for kind, values in found.items()}
    store("pairs", {"scenes": PAIRS, "seed": SCENES_SEED, "rows": rows})


FEW = ("Grad-CAM, stage3", "Grad-CAM, stage4", "guided backprop", "gradient", "centre")


def nuisances() -> None:
    """One dial at a time: the energy inside the sign, for some methods, and the sign's share of the picture."""
    network, chosen = zoo.load(NETWORK, device="cpu"), comparison.methods()
    charts: dict = {}
    for name, dial in NUISANCES.items():
        lines: dict[str, list] = {method: [] for method in (*FEW, "the sign's share of the picture")}
        for level in tqdm(LEVELS, desc=name):
            dials = replace(comparison.DIALS, **{dial: level})
            scenes = signs.render(DIALED, seed=SCENES_SEED + 7, dials=dials, device="cpu")
            for method in FEW:
                maps = chosen[method](network, scenes.images, scenes.labels)
                lines[method].append(told(interval("energy inside", localisation.energy_inside(maps, scenes.masks))))
            share = (scenes.masks > 0.5).float().mean(dim=(1, 2, 3))
            lines["the sign's share of the picture"].append(told(interval("share of the picture", share)))
        charts[name] = lines
    store("nuisances", {"scenes": DIALED, "seed": SCENES_SEED + 7, "levels": LEVELS, "charts": charts})


def layers() -> None:
    """Grad-CAM at every stage of every network that ships: does the finding hold for others too?"""
    scenes = signs.render(LAYERS, seed=SCENES_SEED, dials=comparison.DIALS, device="cpu")
    rows: dict = {}
    for name in zoo.shipped():
        network = zoo.load(name, device="cpu")
        rows[name] = {}
        for layer, size in tqdm(gradcam.outer_layers(network).items(), desc=name):
            if size[1] > 16:
                continue
            found = {}
            for method in ("Grad-CAM", "HiResCAM"):
                maps = gradcam.METHODS[method](network, scenes.images, scenes.labels, layer=layer)
                found[method] = {
                    kind: told(interval(kind, of(maps, scenes.masks))) for kind, of in localisation.SCORES.items()
                }
            rows[name][layer] = {"side": size[1], "scores": found}
    store("layers", {"scenes": LAYERS, "seed": SCENES_SEED, "rows": rows})


# ---- the sanity check ------------------------------------------------------------------------------------------
def sanity_check() -> None:
    """Throw the weights away from the top down: how much does each kind of map still look like the trained one?"""
    network = zoo.load(NETWORK, device="cpu")
    scenes = signs.render(SANITY_SCENES, seed=SCENES_SEED + 3, dials=comparison.DIALS, device="cpu")
    parts = sanity.cascade(network, scenes.images)
    methods = {name: method for name, method in comparison.methods().items() if name in SANITY}
    facts = {"scenes": SANITY_SCENES, "seeds": SANITY_SEEDS, "seed": SCENES_SEED + 3, "parts": parts}
    store("sanity", facts | {"rows": without_weights(network, scenes.images, scenes.labels, parts, methods)})


def without_weights(network: zoo.PixelNetwork, x: Tensor, labels: Tensor, parts: list[str], methods: dict) -> dict:
    """Method → measure of likeness → its interval after 0, 1, 2, … parts have lost their weights."""
    before = {name: method(network, x, labels) for name, method in methods.items()}
    found: dict = {name: {"rank correlation": [], "SSIM": []} for name in methods}
    for count in tqdm(range(len(parts) + 1), desc=f"sanity, {network.name}"):
        alike: dict = {name: {"rank correlation": [], "SSIM": []} for name in methods}
        for seed in range(SANITY_SEEDS if count else 1):
            empty = sanity.randomise(network, parts[:count], seed) if count else network
            for name, method in methods.items():
                for kind, values in sanity.likeness(before[name], method(empty, x, labels)).items():
                    alike[name][kind].append(values)
        for name, kinds in alike.items():
            for kind, values in kinds.items():
                found[name][kind].append(told(interval(kind, torch.stack(values).mean(dim=0))))  # of seeds, then scenes
    return found


# ---- photographs -----------------------------------------------------------------------------------------------
def for_photographs() -> dict[str, comparison.Method]:
    """The methods and baselines with the layers of the network of a thousand classes; no occlusion, which is slow."""
    methods = {**comparison.methods(LAST, EARLIER), **LIGHTER}
    methods |= {f"guided Grad-CAM, {LAST}": partial(gradcam.guided_gradcam, layer=LAST)}
    return {name: method for name, method in methods.items() if name != "occlusion"}


def collages() -> None:
    """Two photographs in one picture, each half asked for by its own class, by all methods."""
    ask_collages("collages", for_photographs())


def collage_layers() -> None:
    """The same by Grad-CAM and HiResCAM, at every layer of at most 28×28 places."""
    layers = [name for name, size in gradcam.outer_layers(zoo.load(READER, device="cpu")).items() if size[1] <= 28]
    kinds = {"Grad-CAM": gradcam.gradcam, "HiResCAM": gradcam.hirescam}
    methods = {f"{name}, {layer}": partial(kind, layer=layer) for name, kind in kinds.items() for layer in layers}
    ask_collages("collage_layers", methods)


def ask_collages(name: str, methods: dict[str, comparison.Method]) -> None:
    """One table of collages; as a photograph is in ten of them, no interval: mean, least and most."""
    network = zoo.load(READER, device="cpu")
    made, rows = pairs.collages(network, ONE_THING, device="cpu"), {}
    for method in tqdm(methods, desc=name):
        found = pairs.ask_for_both(network, made, methods[method])
        point, right = found["pointing game"].mean().item(), found["right sign"]
        spread = right.mean().item(), right.min().item(), right.max().item()
        rows[method] = {"pointing game": told((point,) * 3), "right half": told(spread)}
    read = [network.class_names[label] for label in made.labels[:: len(ONE_THING) - 1, 0]]
    store(name, {"photographs": ONE_THING, "read": read, "collages": len(made.images), "rows": rows}, READER)


def sanity_photographs() -> None:
    """The sanity check on photographs, each asked for what the trained network reads."""
    network = zoo.load(READER, device="cpu")
    x = torch.cat([images.photograph(name, size=network.input_size, device="cpu") for name in PHOTOGRAPHS])
    parts = ["classifier", *reversed(gradcam.outer_layers(network))]
    wanted = [name.replace("stage3", LAST) for name in SANITY]
    methods = {name: method for name, method in for_photographs().items() if name in wanted}
    rows = without_weights(network, x, training.predict(network, x).argmax(dim=1), parts, methods)
    facts = {"photographs": PHOTOGRAPHS, "seeds": SANITY_SEEDS, "parts": parts}
    store("sanity_photographs", facts | {"rows": rows}, READER)


# ---- files -----------------------------------------------------------------------------------------------------
def told(one: Interval | tuple[float, float, float]) -> list[float]:
    """Mean, lower and upper end, as a file has them."""
    return [round(value, 4) for value in one]


def store(name: str, facts: dict, network: str = NETWORK) -> None:
    """Write one table, with how it was made."""
    results.write(FOLDER / f"{name}.json", {"made": results.made("gradcam", name, network=network), **facts})


PARTS = {
    "network": make_network,
    "scores": scores,
    "pairs": two_signs,
    "nuisances": nuisances,
    "layers": layers,
    "sanity": sanity_check,
    "collages": collages,
    "collage_layers": collage_layers,
    "sanity_photographs": sanity_photographs,
}


if __name__ == "__main__":
    results.main(PARTS, __doc__)
