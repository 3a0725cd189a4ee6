"""Train the networks that ship, measure them, and store them with their cards: `make networks`.

One network alone: `python scripts/networks.py signs-resnet`. Everything follows from the seeds in `RECIPES`; the
numbers differ in the last digits from machine to machine, as floating-point sums do.
"""

from __future__ import annotations

import argparse
import csv
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from course_utils import images, runtime, signs, training, zoo
from course_utils.adversarial.balls import Linf
from course_utils.adversarial.pgd import pgd, pgd_steps
from course_utils.networks.alexnet import SignsAlexNet
from course_utils.networks.inception import SignsInception
from course_utils.networks.resnet import SignsResNet

EPSILON = 8 / 255
BOTH_WORLDS = (signs.Dials(), signs.Dials.wild())
README = Path(__file__).resolve().parent.parent / "README.md"
MEASURED = (4000, 2000)  # test scenes of the default and of the wild world


@dataclass(frozen=True)
class Recipe:
    """How one network is made."""

    architecture: type[nn.Module]
    module: str
    steps: int
    batch: int = 128
    scenes: int = 65_536
    worlds: tuple[signs.Dials, ...] = BOTH_WORLDS
    seed: int = 1
    training: dict = field(default_factory=dict)


def adversary(network: nn.Module, pictures: Tensor, labels: Tensor, progress: float) -> Tensor:
    """The pictures that adversarial training learns from: a ball that grows, then an attack that gets better."""
    epsilon = EPSILON * min(1.0, progress / 0.2)
    steps = 1 if progress < 0.5 else 2 if progress < 0.75 else 3
    step_size = (1.25, 0.7, 0.5)[steps - 1] * epsilon  # one step overshoots on purpose: Wong et al. 2020
    path = pgd_steps(
        network,
        pictures,
        labels,
        ball=Linf(epsilon),
        step_size=step_size,
        steps=steps,
        seed=int(progress * 1e9),
    )
    *_, last = path
    return last.images


RECIPES = {
    # Without label smoothing the logits grow until float32 rounds the probability to 1, and the gradient loses its part
    # from the true class: 23 % of 100 scenes then held against PGD with cross-entropy, 7 % against a margin loss. That
    # is no robustness but a masked gradient; with smoothing 3 % of 500 hold against PGD with cross-entropy.
    "signs-alexnet": Recipe(
        SignsAlexNet,
        "alexnet",
        steps=2800,
        training={"learning_rate": 1e-3, "averaging": 0.998, "label_smoothing": 0.05},
    ),
    # Neither smoothing nor averaging: both made this one a little robust (7 % held), and it stands for plain networks.
    "signs-inception": Recipe(SignsInception, "inception", steps=2200, training={"learning_rate": 3e-3}),
    "signs-resnet": Recipe(SignsResNet, "resnet", steps=3200, training={"averaging": 0.998}),
    "signs-resnet-robust": Recipe(
        SignsResNet,
        "resnet",
        steps=4800,
        worlds=(signs.Dials(), signs.Dials(), signs.Dials.wild()),  # much of the wild world drowns in a ball of 8/255
        training={"attack": adversary, "averaging": 0.998},
    ),
}


def robust_accuracy(network: nn.Module, scenes: signs.Scenes, *, steps: int, restarts: int) -> float:
    """Share of the scenes still read right after PGD at 8/255; every restart attacks only what still stands."""
    standing = torch.ones(len(scenes), dtype=torch.bool)
    for restart in range(restarts):
        if not standing.any():
            break
        for rows in standing.nonzero()[:, 0].split(64):
            attack = pgd(
                network, scenes.images[rows], scenes.labels[rows],
                ball=Linf(EPSILON), step_size=EPSILON / 8, steps=steps, seed=restart,
            )  # fmt: skip
            standing[rows] = ~attack.success.cpu()
    return standing.float().mean().item()


def photographs() -> tuple[Tensor, Tensor] | None:
    """Real photographs of real signs, for checking only: pictures [N, 3, 64, 64] and labels [N], or None."""
    folder = os.environ.get("COURSE_REFERENCE")
    if not folder or not (Path(folder) / "road_signs").is_dir():
        return None
    place = {sign.number: index for index, sign in enumerate(signs.CLASSES)}
    with open(Path(folder) / "road_signs" / "labels.csv", newline="") as table:
        rows = list(csv.DictReader(table))
    pictures = [images.to_tensor(Path(folder) / "road_signs" / row["file"], size=64, device="cpu") for row in rows]
    return torch.cat(pictures), torch.tensor([place[int(row["class"])] for row in rows])


def measure(network: nn.Module, robust_scenes: int) -> dict:
    """What the card says of a network's accuracy, each number from test scenes."""
    default = signs.render(MEASURED[0], seed=signs.TEST_SEED, device="cpu")
    wild = signs.render(MEASURED[1], seed=signs.TEST_SEED + 1, dials=signs.Dials.wild(), device="cpu")
    accuracy = {
        "rendered": round(training.accuracy(network, default.images, default.labels), 4),
        "rendered_wild": round(training.accuracy(network, wild.images, wild.labels), 4),
        "rendered_scenes": len(default),
        "pgd50_5restarts_8_255": round(robust_accuracy(network, default[:robust_scenes], steps=50, restarts=5), 4),
        "pgd_scenes": robust_scenes,
    }
    real = photographs()
    if real is None:
        return accuracy | {"photographs": "not measured: COURSE_REFERENCE was not set"}
    right = (training.predict(network, real[0]).argmax(dim=1) == real[1]).float()
    by_class = {
        signs.CLASS_NAMES[label]: round(right[real[1] == label].mean().item(), 4) for label in real[1].unique().tolist()
    }
    overall = {"photographs": round(right.mean().item(), 4), "photographs_count": len(right)}
    return accuracy | overall | {"photographs_by_class": by_class}


def make(name: str, recipe: Recipe, share: float, robust_scenes: int) -> None:
    """Train, measure and store one network."""
    begin, where = time.perf_counter(), runtime.device()
    torch.manual_seed(recipe.seed)  # the layers draw their first weights from torch's own generator
    how = {"class_names": signs.CLASS_NAMES, "input_size": 64, "mean": signs.MEAN, "std": signs.STD}
    network = zoo.PixelNetwork(recipe.architecture(), name=name, **how).to(where)
    pool = training.Pool(round(recipe.scenes * share), recipe.worlds, seed=recipe.seed, device=where)
    check = signs.render(256, seed=signs.TEST_SEED + 2, device="cpu")
    steps = round(recipe.steps * share)
    bar = tqdm(total=steps, desc=name, mininterval=10, unit="step")
    for step in training.train(network, pool.batches(recipe.batch), steps=steps, **recipe.training):
        bar.update()
        if step.index % 250 == 249:
            network_right = training.accuracy(network, check.images, check.labels)
            bar.set_postfix(loss=f"{step.loss:.3f}", train=f"{step.accuracy:.3f}", test=f"{network_right:.3f}")
    bar.close()
    minutes = (time.perf_counter() - begin) / 60
    facts = {
        "architecture": f"{recipe.module}.{recipe.architecture.__name__}",
        "arguments": {},
        "command": f"python scripts/networks.py {name}",
        "seed": recipe.seed,
        "training": f"{steps} steps of {recipe.batch} scenes, {round(minutes, 1)} minutes on {_machine(where)}",
    }
    # Measure what is stored, not what was trained: half precision is part of the network.
    zoo.save(network, name, facts)
    stored = zoo.load(name, device=where)
    accuracy = measure(stored, robust_scenes)
    zoo.save(stored, name, facts | {"accuracy": accuracy})
    print(name, accuracy, flush=True)


def _machine(where: torch.device) -> str:
    threads = torch.get_num_threads()
    return where.type if where.type != "cpu" else f"{threads} processor core{'s' if threads > 1 else ''}"


def summary() -> str:
    """The README's table: one row a network, from the cards."""
    rows = [
        "| network | parameters | rendered scenes | after PGD-50, 5 restarts, ε = 8/255 "
        "| real photographs, never seen | the weakest class of them |",
        "|---|---|---|---|---|---|",
    ]
    for name in RECIPES:
        card = zoo.card(name)
        accuracy, shown = card["accuracy"], []
        for key in ("rendered", "pgd50_5restarts_8_255", "photographs"):
            shown.append(f"{accuracy[key]:.1%}" if isinstance(accuracy[key], float) else "not measured")
        by_class = accuracy.get("photographs_by_class")
        weakest = min(by_class, key=by_class.get) if by_class else ""
        shown.append(f"{weakest}: {by_class[weakest]:.0%}" if weakest else "not measured")
        rows.append(f"| `{name}` | {card['parameters']:,} | {' | '.join(shown)} |")
    return "\n".join(rows)


def write_summary() -> None:
    """Put the table into the README, between its two marks."""
    text = README.read_text(encoding="utf-8")
    before, rest = text.split("<!-- cards -->")
    _, after = rest.split("<!-- /cards -->")
    README.write_text(f"{before}<!-- cards -->\n{summary()}\n<!-- /cards -->{after}", encoding="utf-8")


def main() -> None:
    """Make the named networks, or all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", choices=[*RECIPES, []], default=[])
    parser.add_argument("--share", type=float, default=1.0, help="share of the steps and scenes, to try things out")
    parser.add_argument("--robust-scenes", type=int, default=500, help="scenes on which PGD-50 is run")
    wanted = parser.parse_args()
    for name in wanted.names or RECIPES:
        make(name, RECIPES[name], wanted.share, wanted.robust_scenes)
    if set(RECIPES) <= set(zoo.shipped()):
        write_summary()


if __name__ == "__main__":
    main()
