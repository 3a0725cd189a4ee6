"""Compute what ships for lesson 8: `make results NAMES=adversarial`.

Five parts, each alone as `python scripts/results_adversarial.py transfer`; together some eight minutes on one core:
robustness  accuracy against ε of the four networks → data/adversarial/robustness.json
transfer    attacks made on each, shown to all → data/adversarial/transfer.json
obfuscated  two defences that only hide the gradient → data/adversarial/obfuscated.json
patch       patches for a STOP sign, and what they do on test scenes → data/adversarial/patch-….png, patch.json
photographs how small a ball turns a photograph, and what random noise does → data/adversarial/photographs.json
"""

from __future__ import annotations

from functools import partial

import results
import torch
from torch import nn

from course_utils import images, runtime, signs, training, zoo
from course_utils.adversarial import obfuscated, patch, robustness, transfer
from course_utils.adversarial.balls import Linf
from course_utils.layers import folding

EPSILON, STEPS = 8 / 255, 20
SCENES_SEED = signs.TEST_SEED + 8
CURVE_SCENES, CURVE_255, CURVE_STEPS = 80, (0, 1, 2, 3, 4, 6, 8, 12, 16, 24), 10
TRANSFER_SCENES, TRANSFER_255, DEFENCE_SCENES = 60, (8, 24), 40
# Of the targets up to "left ahead", the one that a patch of 100 steps turned most of the scenes into for which it was
# made (68 %; 80 limit 67 %, yield 51 %, caution 13 %).
PATCH_TARGET, PATCH_SIDE, PATCH_STEPS, PATCH_BATCH = "100 limit", 16, 150, 12
TRAINING_SCENES, PATCHED_SCENES = 256, 300  # to make the patch for, and to try it on
PHOTOGRAPHS = ("cat", "espresso", "camera", "hopper", "palace", "rocket", "flower", "astronaut")
WALK_255 = (1 / 64, 1 / 32, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 1, 2, 4)
NOISE_255, DRAWS = (1, 4, 16), 64  # random noise, every number up or down by so much, drawn so many times
made = partial(results.made, "adversarial")


def load(name: str) -> nn.Module:
    """A network that ships, its batch normalisations folded: the same answers, sooner."""
    network = zoo.load(name)
    lean = folding.fold(network, torch.rand(1, 3, network.input_size, network.input_size, device=runtime.device()))
    return lean.to(memory_format=torch.channels_last)


def scenes(count: int, labels=None) -> signs.Scenes:
    """Test scenes of the default world."""
    return signs.render(labels or count, seed=SCENES_SEED, device="cpu").to(runtime.device())


def make_robustness() -> None:
    """Accuracy against ε, PGD on two losses."""
    street = scenes(CURVE_SCENES)
    how = {"epsilons_255": list(CURVE_255), "scenes": CURVE_SCENES, "scenes_seed": SCENES_SEED}
    told = {
        "made": made("robustness", attack=f"PGD-{CURVE_STEPS} on cross-entropy, then on the margin"),
        **how,
        "right": {},
    }
    for name in zoo.shipped():
        radii = tuple(n / 255 for n in CURVE_255)
        attacker = robustness.pgd_attacker(CURVE_STEPS)
        found = robustness.curve(load(name), street.images, street.labels, epsilons=radii, attacker=attacker)
        told["right"][name] = list(found.right)
        print(name, found.right, flush=True)
    results.write(patch.FOLDER / "robustness.json", told)


def make_transfer() -> None:
    """Every network attacked, all of them asked; in the usual ball and in one three times as large."""
    street = scenes(TRANSFER_SCENES)
    networks = {name: load(name) for name in zoo.shipped()}
    told = {"made": made("transfer", attack=f"PGD-{STEPS}", scenes=TRANSFER_SCENES, scenes_seed=SCENES_SEED)}
    told |= {"names": list(networks), "fooled": {}}
    for levels in TRANSFER_255:
        found = transfer.transfer(networks, street.images, street.labels, ball=Linf(levels / 255), steps=STEPS)
        print(levels, found.rates, flush=True)
        told |= {"asked": found.asked.tolist(), "fooled": told["fooled"] | {str(levels): found.fooled.tolist()}}
    results.write(patch.FOLDER / "transfer.json", told)


def make_obfuscated() -> None:
    """The plain network, the same one made loud, the same one behind a rounding."""
    street, plain, other = scenes(DEFENCE_SCENES), load("signs-resnet"), load("signs-inception")
    defences = {"none": plain, "loud": obfuscated.Loud(plain), "rounded": obfuscated.Rounded(plain)}
    told = {
        "made": made(
            "obfuscated", attack=f"PGD-{STEPS}", epsilon_255=8, scenes=DEFENCE_SCENES, scenes_seed=SCENES_SEED
        ),
        "network": "signs-resnet", "other": "signs-inception", "flat": {}, "robust_accuracy": {},
    }  # fmt: skip
    for name, defence in defences.items():
        makers = {"clean": lambda images, _labels: images}
        makers |= obfuscated.makers(defence, other, ball=Linf(EPSILON), steps=STEPS)
        told["flat"][name] = obfuscated.flat_share(defence, street.images, street.labels)
        told["robust_accuracy"][name] = {
            attack: round(obfuscated.robust_accuracy(defence, street.images, street.labels, maker), 4)
            for attack, maker in makers.items()
        }
        print(name, told["flat"][name], told["robust_accuracy"][name], flush=True)
    results.write(patch.FOLDER / "obfuscated.json", told)


def at_home(network: nn.Module, one: signs.Scenes, target: int) -> int:
    """In how many of 100 lights a scene is read as the target, with the patch that was made for it."""
    again = one[torch.zeros(100, dtype=torch.long)]
    return int((patch.predict(network, again, patch.load("one-scene")) == target).sum())


def make_patch() -> None:
    """One patch made for many scenes, one for a single scene, and two that nobody optimised."""
    target = signs.CLASS_NAMES.index(PATCH_TARGET)
    many = signs.render([signs.STOP] * TRAINING_SCENES, seed=8, device="cpu").to(runtime.device())
    test = scenes(PATCHED_SCENES, [signs.STOP] * PATCHED_SCENES)
    told = {
        "made": made(
            "patch", steps=PATCH_STEPS, scenes=TRAINING_SCENES, test_scenes=PATCHED_SCENES, scenes_seed=SCENES_SEED
        ),
        "target": PATCH_TARGET, "share of the sign": round(patch.Place().share, 4), "right": {}, "fooled": {},
    }  # fmt: skip
    network = load("signs-resnet")
    how = {"steps": PATCH_STEPS, "batch": PATCH_BATCH, "side": PATCH_SIDE}
    for seed in (3, *range(100)):  # the lesson's STOP; or the first one that a patch of its own turns
        one = signs.render([signs.STOP], seed=seed, device="cpu").to(runtime.device())
        patch.save(patch.train_patch(network, one, target, **how), "one-scene")
        told["own scene"] = {"seed": seed, "fooled in 100 lights": at_home(network, one, target)}
        print(told["own scene"], flush=True)
        if told["own scene"]["fooled in 100 lights"] > 90:
            break
    patch.save(patch.train_patch(network, many, target, **how), "many-scenes")
    patches = patch.control_patches(PATCH_SIDE)
    patches |= {"one scene": patch.load("one-scene"), "many scenes": patch.load("many-scenes")}
    for name in ("signs-resnet", "signs-alexnet", "signs-resnet-robust"):
        judge = load(name)
        answers = {which: patch.predict(judge, test, pixels) for which, pixels in patches.items()}
        told["right"][name] = {k: round((a == signs.STOP).float().mean().item(), 4) for k, a in answers.items()}
        told["fooled"][name] = {k: round((a == target).float().mean().item(), 4) for k, a in answers.items()}
        print(name, told["right"][name], told["fooled"][name], flush=True)
    results.write(patch.FOLDER / "patch.json", told)


def make_photographs() -> None:
    """Photographs, each attacked away from what is read in it while it is clean; and as much random noise."""
    network, draw = load("efficientnet-lite0"), runtime.generator(0, runtime.device())
    told = {"made": made("photographs", attack=f"PGD-{CURVE_STEPS} on cross-entropy, then on the margin", noise_seed=0)}
    told |= {"names": list(PHOTOGRAPHS), "epsilons_255": list(WALK_255), "stands": {}, "noise_255": list(NOISE_255)}
    told |= {"draws": DRAWS, "stands in noise": {}}
    radii = tuple(n / 255 for n in WALK_255)
    attacker = robustness.pgd_attacker(CURVE_STEPS)
    for name in PHOTOGRAPHS:
        x = images.photograph(name, size=224, device=draw.device)
        y = training.predict(network, x).argmax(dim=1)
        told["stands"][name] = list(robustness.curve(network, x, y, epsilons=radii, attacker=attacker).right)
        kept = []
        for levels in NOISE_255:
            noise = 2 * torch.randint(0, 2, (DRAWS, *x.shape[1:]), generator=draw, device=draw.device) - 1  # -1 or 1
            noisy = (x + levels / 255 * noise).clamp(0, 1)
            kept.append(int((training.predict(network, noisy, batch=16).argmax(dim=1) == y).sum()))
        told["stands in noise"][name] = kept
        print(name, network.class_names[y], told["stands"][name], kept, flush=True)
    results.write(patch.FOLDER / "photographs.json", told)


PARTS = {
    "robustness": make_robustness,
    "transfer": make_transfer,
    "obfuscated": make_obfuscated,
    "patch": make_patch,
    "photographs": make_photographs,
}


if __name__ == "__main__":
    results.main(PARTS, __doc__)
