"""PGD: ours against torchattacks and foolbox, and against the bare forward and backward passes that it needs.

Run `python benchmarks/pgd.py` in the root of the repository; `--help` lists the dials. Contestants take
turns, so that a busy machine is unkind to all alike. The loss reached tells that all did the same work.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import foolbox
import torch
import torchattacks
import torchvision
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from course_utils import runtime
from course_utils.adversarial.balls import Linf
from course_utils.adversarial.pgd import pgd

EPSILON, STEP_SIZE = 8 / 255, 2 / 255


def bare(network: nn.Module, images: Tensor, labels: Tensor, steps: int) -> Tensor:
    """Only the passes: frozen parameters, no step, no projection; the picture never changes."""
    with runtime.kept(network):
        for _ in range(steps):
            x = images.detach().requires_grad_()
            torch.autograd.grad(cross_entropy(network(x), labels, reduction="sum"), x)
    return images


def ours(network: nn.Module, images: Tensor, labels: Tensor, steps: int) -> Tensor:
    how = {"ball": Linf(EPSILON), "step_size": STEP_SIZE, "steps": steps, "random_start": False}
    return pgd(network, images, labels, **how).images


def by_torchattacks(network: nn.Module, images: Tensor, labels: Tensor, steps: int) -> Tensor:
    attack = torchattacks.PGD(network, eps=EPSILON, alpha=STEP_SIZE, steps=steps, random_start=False)
    return attack(images, labels)


def by_foolbox(network: nn.Module, images: Tensor, labels: Tensor, steps: int) -> Tensor:
    attack = foolbox.attacks.LinfPGD(abs_stepsize=STEP_SIZE, steps=steps, random_start=False)
    model = foolbox.PyTorchModel(network, bounds=(0, 1), device=images.device)
    return attack(model, images, labels, epsilons=EPSILON)[1]


CONTESTANTS: dict[str, Callable[[nn.Module, Tensor, Tensor, int], Tensor]] = {
    "bare passes": bare,
    "ours": ours,
    "torchattacks": by_torchattacks,
    "foolbox": by_foolbox,
}


def seconds(contestant: Callable, *arguments) -> float:
    began = time.perf_counter()
    contestant(*arguments).sum().item()  # the sum waits for a GPU
    return time.perf_counter() - began


def compare(network: nn.Module, size: int, batch: int, steps: int, repeats: int) -> None:
    device = next(network.parameters()).device
    images = torch.rand(batch, 3, size, size, generator=runtime.generator(0)).to(device)
    labels = network(images).argmax(dim=1)
    times = {name: [] for name in CONTESTANTS}
    for _ in range(repeats + 1):
        for name, contestant in CONTESTANTS.items():
            times[name].append(seconds(contestant, network, images, labels, steps))

    print(f"\nPGD-{steps}, {batch} x 3 x {size} x {size}, {repeats} repeats")
    print(f"{'':14}{'median ms':>10}{'ratio':>8}{'least':>8}{'loss reached':>15}")
    for name, contestant in CONTESTANTS.items():
        mine, least = times[name][1:], times["bare passes"][1:]  # the first round warms up
        ratio = median(a / b for a, b in zip(mine, least, strict=True))  # round by round
        adversarial = contestant(network, images, labels, steps)
        with torch.no_grad():
            loss = cross_entropy(network(adversarial), labels).item()
        print(f"{name:14}{1000 * median(mine):10.1f}{ratio:8.2f}{min(mine) / min(least):8.2f}{loss:15.4f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--shapes", nargs="*", default=["224x1", "64x16"], help="size x batch, as in 64x16")
    parser.add_argument("--device", default=None)
    options = parser.parse_args()

    print(runtime.describe_machine())
    torch.manual_seed(0)
    network = torchvision.models.resnet18(weights=None).eval().to(runtime.device(options.device))
    print(f"ResNet-18, random weights; torchattacks {torchattacks.__version__}, foolbox {foolbox.__version__}")
    for shape in options.shapes:
        size, batch = (int(number) for number in shape.split("x"))
        compare(network, size, batch, options.steps, options.repeats)


if __name__ == "__main__":
    main()
