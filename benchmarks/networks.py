"""What the shipped networks cost: multiply-adds, and the time to a picture's gradient: `python benchmarks/networks.py`.

The aim: at most 40 million multiply-adds, and forward and backward for one picture within 10 ms on two cores.
"""

from __future__ import annotations

import statistics
import time

import torch
from torch.utils.flop_counter import FlopCounterMode

from course_utils import runtime, signs, zoo
from course_utils.adversarial.pgd import loss_and_gradient


def milliseconds(network: torch.nn.Module, scenes: signs.Scenes, repeats: int = 60) -> list[float]:
    """Time of one forward pass and one backward pass to the picture, one figure a repeat."""
    times = []
    for _ in range(repeats + 10):  # ten to warm up
        begin = time.perf_counter()
        _, _, gradient = loss_and_gradient(network, scenes.images, scenes.labels)
        gradient.sum().item()  # waits for a GPU to finish
        times.append(1000 * (time.perf_counter() - begin))
    return times[10:]


def main() -> None:
    print(runtime.describe_machine())
    one = signs.render([signs.STOP], seed=1)
    for name in zoo.shipped():
        network = zoo.load(name)
        with FlopCounterMode(display=False) as counter:
            network(one.images)
        times = milliseconds(network, one)
        print(
            f"{name:20s} {counter.get_total_flops() / 2e6:5.1f} M multiply-adds, forward and backward for one picture: "
            f"median {statistics.median(times):.1f} ms, from {min(times):.1f} to {max(times):.1f}"
        )


if __name__ == "__main__":
    main()
