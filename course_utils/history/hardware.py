"""The second missing ingredient, measured: how fast this machine computes a layer, against its own two limits.

Serves notebook 1. Papers: Williams et al. 2009 (the two limits); Szegedy et al. 2015, table 1, and Krizhevsky et al.
2012 (the layers).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.costs import roofline

DTYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}


@dataclass(frozen=True)
class Layer:
    """A layer of a famous network, without its bias.

    Attributes:
        name: as a reader says it.
        module: constructor and arguments of the torch layer.
        shape: of what goes in, without the batch.
        batch: pictures at a time on a processor; a GPU takes `BATCHES` times as many.
    """

    name: str
    module: tuple
    shape: tuple[int, ...]
    batch: int

    def build(self, dtype: torch.dtype, where: torch.device, batch: int) -> tuple[nn.Module, Tensor]:
        """The layer and a batch for it; what the numbers are does not matter to the clock."""
        constructor, *arguments, options = self.module
        layer = constructor(*arguments, bias=False, device="meta", **options).to_empty(device=where).to(dtype)
        given = torch.full((batch, *self.shape), 0.5, device=where, dtype=dtype)
        with torch.no_grad():
            layer.weight.fill_(0.01)
        if given.ndim == 4:
            layer, given = (part.to(memory_format=torch.channels_last) for part in (layer, given))
        return layer.eval(), given


CONVOLUTION = Layer(
    "GoogLeNet's second convolution: 64 → 192 channels, 3×3, on 56×56 positions",
    (nn.Conv2d, 64, 192, 3, {"padding": 1}),
    (64, 56, 56),
    4,
)
CONNECTED = Layer(
    "AlexNet's first fully connected layer: 9,216 → 4,096, one picture", (nn.Linear, 9216, 4096, {}), (9216,), 1
)
BATCHES = 32


@dataclass(frozen=True)
class Throughput:
    """What one part of this machine made of one layer.

    Attributes:
        label: who computed, and in which precision.
        layer: the layer's name.
        macs: multiply-adds of one pass.
        octets: bytes that must be read or written at least: input, weights, output, each once.
        seconds: of one pass, the best of several.
        limit: the two limits of this part in this precision: the most that any program of this measurement reached.
    """

    label: str
    layer: str
    macs: int
    octets: int
    seconds: float
    limit: roofline.Roofline

    @property
    def gflops(self) -> float:
        """What was reached: 10⁹ additions and multiplications a second."""
        return 2 * self.macs / self.seconds / 1e9

    @property
    def most(self) -> float:
        """What the slower of the two limits allows for this layer, in the same unit."""
        return 2 * self.macs / self.limit.seconds(self.macs, self.octets) / 1e9

    @property
    def bound(self) -> str:
        """Which limit that is: "arithmetic" or "memory"."""
        return "arithmetic" if self.macs / self.octets > self.limit.ridge else "memory"


def cores() -> int:
    """How many processor cores this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def fast_precisions(where: torch.device) -> tuple[torch.dtype, ...]:
    """float32, and bfloat16 where the device multiplies faster in it."""
    fast = runtime.fast_dtype(where)
    return (torch.float32,) if fast == torch.float32 else (torch.float32, fast)


def parts(device: str | torch.device | None = None) -> list[tuple[str, torch.device, int, torch.dtype]]:
    """Who can compute here: (label, device, threads, precision), the slowest first.

    Args:
        device: a GPU to take part; None takes the one that the course computes on, if it is one.
    """
    processor, found, many = torch.device("cpu"), [], cores()
    for dtype in fast_precisions(processor):
        for threads in dict.fromkeys((1, many)):
            found.append((f"{threads} core{'s' if threads > 1 else ''}, {DTYPES[dtype]}", processor, threads, dtype))
    where = runtime.device(device)
    if where.type != "cpu":
        found += [(f"the GPU, {DTYPES[dtype]}", where, 1, dtype) for dtype in fast_precisions(where)]
    return found


def throughput(
    *,
    layers: tuple[Layer, ...] = (CONVOLUTION, CONNECTED),
    device: str | torch.device | None = None,
    budget: float = 3.0,
) -> list[Throughput]:
    """Measure every part of this machine on every layer, the convolution first.

    Args:
        layers: what to compute; one that memory limits is measured in float32 only.
        device: as in `parts`.
        budget: seconds that all measurements may take together, beside the first calls, which nobody counts.

    Raises:
        ValueError: no time, or no layer.
    """
    if not budget > 0 or not layers:
        raise ValueError(f"give at least one layer and some time; got {len(layers)} layers and {budget} seconds.")
    who, found = parts(device), []
    each = budget / len(who) / (len(layers) + 1)
    for label, where, threads, dtype in who:
        with runtime.threads(threads), torch.no_grad():
            limit = limits(where, dtype, budget=each)
            mine = [
                _measured(label, where, dtype, layer, limit, each)
                for layer in layers
                if layer.batch > 1 or dtype == torch.float32
            ]
        best = roofline.Roofline(  # a limit that a layer has passed was none
            max(limit.flops_per_second, *(2 * one.macs / one.seconds for one in mine)),
            max(limit.bytes_per_second, *(one.octets / one.seconds for one in mine)),
        )
        found += [replace(one, limit=best) for one in mine]
    order = [layer.name for layer in layers]
    return sorted(found, key=lambda one: order.index(one.layer))


def limits(where: torch.device, dtype: torch.dtype, *, budget: float = 0.4) -> roofline.Roofline:
    """The two limits in one precision: a large matrix product; a copy or a dot product of long vectors.

    Args:
        where: the device.
        dtype: the precision of the matrix product.
        budget: seconds, roughly.
    """
    plain = roofline.measure(where, budget=budget / 2)
    edge, length = (4096, 2**27) if where.type == "cuda" else (1024, 18 * 2**20)
    one = torch.zeros(length, device=where)  # two of them: as many bytes as the fully connected layer has
    two = torch.zeros(length, device=where)
    taken = roofline.best_seconds(lambda: torch.dot(one, two), device=where, repeats=30, budget=budget / 4)
    octets = max(plain.bytes_per_second, 8 * length / taken)
    if dtype == torch.float32:
        return roofline.Roofline(plain.flops_per_second, octets)
    a, b = (torch.full((edge, edge), value, device=where, dtype=dtype) for value in (0.5, 0.25))
    taken = roofline.best_seconds(lambda: a @ b, device=where, repeats=30, budget=budget / 4)
    return roofline.Roofline(2 * edge**3 / taken, octets)


def _measured(label, where, dtype, layer: Layer, limit: roofline.Roofline, budget: float) -> Throughput:
    batch = layer.batch * (BATCHES if where.type != "cpu" and layer.batch > 1 else 1)
    module, given = layer.build(dtype, where, batch)
    result = module(given)
    macs = result.numel() * module.weight[0].numel()
    octets = (given.numel() + module.weight.numel() + result.numel()) * given.element_size()
    seconds = roofline.best_seconds(lambda: module(given), device=where, repeats=30, budget=budget)
    return Throughput(label, layer.name, macs, octets, seconds, limit)


def rows(found: list[Throughput]) -> list[tuple[str, list[tuple[str, float, float, str]]]]:
    """The same for `figures.hardware.throughput`: layer by layer, (label, reached, limit, which limit)."""
    layers = dict.fromkeys(one.layer for one in found)
    return [
        (name, [(one.label, one.gflops, one.most, one.bound) for one in found if one.layer == name]) for name in layers
    ]
