"""Compute what ships for lesson 8's certificates: `make results NAMES=certify`.

Four parts, each alone as `python scripts/results_certify.py networks`; together some fifteen minutes on one core:
networks   three small networks: plain, by interval bounds, under noise → data/networks/lessons/certify-*
intervals  what interval bounds prove, beside what the ensemble of attacks finds → data/adversarial/certificates.json
smoothing  what randomised smoothing proves, beside the same → data/adversarial/smoothing.json
ensemble   our ensemble of attacks beside torchattacks' → data/adversarial/ensemble.json
"""

from __future__ import annotations

import math

import results
import torch
from torch import Tensor, nn

from course_utils import runtime, signs, training, zoo
from course_utils.adversarial import intervals, smoothing
from course_utils.adversarial.apgd import apgd_ensemble, attack_radius
from course_utils.adversarial.balls import L2, Linf
from course_utils.networks.certifiable import CertifiableNet
from course_utils.networks.resnet import SmallResNet
from course_utils.signs import small

FOLDER = runtime.DATA / "adversarial"
SCENES, BATCH, SEED = 4096, 128, 0
EPSILON, SIGMA = 6 / 255, 0.5
STEPS = {"plain": 600, "interval": 1200, "noise": 900}
TEST_SCENES = 300
LADDER = (0.25, 0.5, 1, 2, 4, 6, 8, 12, 16)  # ε in 255ths
RADII = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4)  # L2
COPIES = 1000


def made(part: str, **facts) -> dict:
    """How a file came to be."""
    return results.made("certify", part, **{"training precision": results.precision()}, **facts)


def rounded(numbers: Tensor, digits: int = 5) -> list[float]:
    """Numbers for a file."""
    return [round(number, digits) for number in numbers.tolist()]


# ---- the networks --------------------------------------------------------------------------------------------------
def test_scenes() -> tuple[Tensor, Tensor]:
    """The scenes on which everything is measured; no network has met them."""
    return small.scenes(TEST_SCENES, seed=signs.TEST_SEED)


def measure(network: nn.Module) -> dict:
    """What a card says of a network's accuracy."""
    return {"rendered": round(training.accuracy(network, *test_scenes()), 4), "rendered_scenes": TEST_SCENES}


def under_noise(images: Tensor, draw: torch.Generator) -> Tensor:
    """Pictures with the noise of the smoothing."""
    like = {"generator": draw, "device": images.device, "dtype": images.dtype}
    return images + SIGMA * torch.randn(images.shape, **like)


def make_networks() -> None:
    """Train and store the three."""
    images, labels = small.scenes(SCENES, seed=SEED)
    for kind, steps in STEPS.items():
        body, facts = architecture(kind)
        network = results.network_of_signs(body, f"certify-{kind}", small.SIZE, small.SIGNS)
        batches = training.batches(images, labels, SEED, BATCH)
        if kind == "noise":
            draw = runtime.generator(SEED, images.device)
            run = training.train(
                network,
                batches,
                steps=steps,
                learning_rate=5e-3,
                attack=lambda network, images, labels, progress, draw=draw: under_noise(images, draw),
            )
        else:
            run = intervals.train_certified(network, batches, steps=steps, epsilon=EPSILON if kind == "interval" else 0)
        for step in run:
            if step.index % 200 == 199:
                print(kind, step, flush=True)
        facts |= {"training": f"{steps} steps of {BATCH} scenes"} | made("networks", seed=SEED, scenes=SCENES)
        results.store(network, facts, measure)


def architecture(kind: str) -> tuple[nn.Module, dict]:
    """An untrained network, and what its card says of it."""
    if kind == "noise":
        arguments = {"depth": 8, "classes": len(small.SIGNS), "width": 16, "stem_stride": 2}
        return SmallResNet(**arguments, seed=SEED), {
            "architecture": "resnet.SmallResNet",
            "arguments": arguments,
            "sigma": SIGMA,
        }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)  # the layers draw their first weights from torch's own generator
        body = CertifiableNet()
    return body, {
        "architecture": "certify.CertifiableNet",
        "arguments": {},
        "epsilon_255": round(255 * EPSILON) if kind == "interval" else 0,
    }


# ---- what they prove -------------------------------------------------------------------------------------------------
def make_intervals() -> None:
    """Shares that are certified, and that stand against the ensemble of attacks, over ε; both radii of each picture."""
    told = {"made": made("intervals", scenes=TEST_SCENES, attack_steps=50), "epsilons_255": LADDER, "networks": {}}
    street = signs.render(TEST_SCENES, seed=signs.TEST_SEED, device="cpu")
    for name in ("certify-plain", "certify-interval", "signs-alexnet"):
        network = zoo.load(name, device="cpu")
        images, labels = (street.images, street.labels) if name == "signs-alexnet" else test_scenes()
        found = {"clean": round(training.accuracy(network, images, labels), 4), "certified": [], "robust_accuracy": []}
        for epsilon in LADDER:
            proven = intervals.certify(network, images, labels, epsilon / 255)
            found["certified"].append(round(proven.float().mean().item(), 4))
            if name != "signs-alexnet":
                attack = apgd_ensemble(network, images, labels, ball=Linf(epsilon / 255), steps=50)
                assert not (attack.success & proven).any(), "an attack inside a certified ball"
                found["robust_accuracy"].append(round(1 - attack.success.float().mean().item(), 4))
        certified = intervals.certified_radius(network, images, labels, halvings=20)
        found["median_radius_255"] = round(255 * certified.median().item(), 6)
        if name != "signs-alexnet":
            attacked = attack_radius(network, images, labels, largest=64 / 255, halvings=10, steps=50)
            found["certified_255"], found["attacked_255"] = rounded(255 * certified, 3), rounded(255 * attacked, 3)
            assert (attacked >= certified).all(), "an attack inside a certified ball"
        told["networks"][name] = found
        print(name, {key: value for key, value in found.items() if not key.endswith("ed_255")}, flush=True)
    results.write(FOLDER / "certificates.json", told)


def make_smoothing() -> None:
    """Share of pictures whose vote is right and cannot turn within an L2 radius; with and without noisy training."""
    told = {"made": made("smoothing", scenes=TEST_SCENES), "sigma": SIGMA, "copies": COPIES, "alpha": 0.001}
    told |= {"radii": RADII, "networks": {}}
    images, labels = test_scenes()
    for name in ("certify-noise", "resnet-skip"):
        network = zoo.load(name)
        smooth = smoothing.smooth_certify(network, images, sigma=SIGMA, samples=COPIES)
        right = smooth.prediction == labels
        proven = torch.where(right, smooth.radius, -1.0)
        attacked = attack_radius(network, images[:100], labels[:100], kind=L2, largest=4.0, halvings=6, steps=30)
        told["networks"][name] = {
            "clean": round(training.accuracy(network, images, labels), 4),
            "right": round(right.float().mean().item(), 4),
            "abstains": round((smooth.prediction < 0).float().mean().item(), 4),
            "certified": [round((right & (smooth.radius >= radius)).float().mean().item(), 4) for radius in RADII],
            "certified_radius": rounded(proven[:100], 3),
            "attacked_radius_without_votes": [None if math.isinf(r) else round(r, 3) for r in attacked.tolist()],
        }
        print(name, {key: value for key, value in told["networks"][name].items() if "radius" not in key}, flush=True)
    results.write(FOLDER / "smoothing.json", told)


# ---- our ensemble of attacks beside the peers' -----------------------------------------------------------------------
def make_ensemble() -> None:
    """Robust accuracies: ours, and those of torchattacks' attacks, each only on what the one before left standing."""
    import torchattacks

    told = {"made": made("ensemble", torchattacks=torchattacks.__version__), "runs": {}}
    street = signs.render(150, seed=7, device="cpu").to(runtime.device())
    few = tuple(part[:200] for part in test_scenes())
    for name, (images, labels), epsilon, steps, attacks in (
        ("certify-interval", few, 8, 50, ("AutoAttack",)),
        ("signs-resnet-robust", (street.images, street.labels), 16, 30, ("APGD", "APGDT")),
    ):
        network = zoo.load(name)
        run = {"epsilon_255": epsilon, "scenes": len(labels), "steps": steps, "robust_accuracy": {}}
        found = apgd_ensemble(network, images, labels, ball=Linf(epsilon / 255), steps=steps)
        run["robust_accuracy"]["ours"] = round(1 - found.success.float().mean().item(), 4)
        run["found_by"] = {by: found.found_by.count(by) for by in sorted(set(found.found_by)) if by}
        standing, how = torch.ones_like(labels, dtype=torch.bool), {"norm": "Linf", "eps": epsilon / 255}
        for kind in attacks:
            how |= {} if kind == "AutoAttack" else {"steps": steps}  # AutoAttack has its own numbers
            how |= {} if kind == "APGD" else {"n_classes": len(network.class_names)}
            rows = standing.nonzero()[:, 0]
            with torch.random.fork_rng(), runtime.kept(network):  # theirs reseed torch's own generator
                pictures = getattr(torchattacks, kind)(network, **how)(images[rows], labels[rows])
            standing[rows] = training.predict(network, pictures).argmax(dim=1) == labels[rows]
            run["robust_accuracy"][f"torchattacks, up to {kind}"] = round(standing.float().mean().item(), 4)
            print(name, run, flush=True)
        told["runs"][name] = run
    results.write(FOLDER / "ensemble.json", told)


PARTS = {
    "networks": make_networks,
    "intervals": make_intervals,
    "smoothing": make_smoothing,
    "ensemble": make_ensemble,
}


if __name__ == "__main__":
    results.main(PARTS, __doc__)
