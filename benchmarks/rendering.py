"""How many road-sign scenes a second: `python benchmarks/rendering.py`.

The aim for 64×64: 1,000 on two processor cores, 100,000 on a data-centre GPU.
"""

from __future__ import annotations

import statistics
import time

import torch

from course_utils import runtime, signs


def rate(count: int, size: int, dials: signs.Dials, repeats: int = 5) -> list[float]:
    """Scenes a second, one figure a repeat."""
    where, rates = runtime.device(), []
    for seed in range(repeats + 1):  # the first run draws the signs and warms up
        begin = time.perf_counter()
        scenes = signs.render(count, size=size, seed=seed, dials=dials)
        if where.type == "cuda":
            torch.cuda.synchronize()
        rates.append(len(scenes) / (time.perf_counter() - begin))
    return rates[1:]


def main() -> None:
    print(runtime.describe_machine())
    on_gpu = runtime.device().type != "cpu"
    for size, count in (
        (64, 65536 if on_gpu else 1024),
        (128, 16384 if on_gpu else 256),
        (224, 4096 if on_gpu else 64),
    ):
        for world, dials in (("default", signs.Dials()), ("wild", signs.Dials.wild())):
            rates = rate(count, size, dials)
            print(
                f"{size:4d}×{size} {world:8s} median {statistics.median(rates):9.0f} scenes/s, "
                f"from {min(rates):.0f} to {max(rates):.0f}"
            )


if __name__ == "__main__":
    main()
