"""The second missing ingredient, measured: how fast this machine computes a layer, against its own two limits.

Serves notebook 1. Papers: Williams et al. 2009 (the two limits); Szegedy et al. 2015, table 1, and Krizhevsky et al.
2012 (the layers).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.arguments import check_number
from course_utils.costs import roofline
from course_utils.costs.roofline import Roofline

DTYPES = {torch.float32: "float32", torch.bfloat16: "bfloat16"}
BATCHES = 32  # a GPU takes so many times the batch of a processor


@dataclass(frozen=True)
class Layer:
    """A layer of a famous network, without its bias."""

    name: str
    module: Callable[..., nn.Module]
    shape: tuple[int, ...]  # of what goes in, without the batch
    batch: int  # pictures at a time on a processor; a GPU takes `BATCHES` times as many, but of one picture

    def build(self, dtype: torch.dtype, where: torch.device) -> tuple[nn.Module, Tensor]:
        """The layer and a batch for it; what the numbers are does not matter to the clock."""
        batch = self.batch * (BATCHES if where.type != "cpu" and self.batch > 1 else 1)
        layer = self.module(bias=False, device="meta").to_empty(device=where).to(dtype)
        given = torch.full((batch, *self.shape), 0.5, device=where, dtype=dtype)
        with torch.no_grad():
            layer.weight.fill_(0.01)
        if given.ndim == 4:
            layer, given = (part.to(memory_format=torch.channels_last) for part in (layer, given))
        return layer.eval(), given


CONVOLUTION = Layer(
    "GoogLeNet's second convolution: 64 → 192 channels, 3×3, on 56×56 positions",
    partial(nn.Conv2d, 64, 192, 3, padding=1),
    (64, 56, 56),
    4,
)
CONNECTED = Layer(
    "AlexNet's first fully connected layer: 9,216 → 4,096, one picture", partial(nn.Linear, 9216, 4096), (9216,), 1
)
LAYERS = (CONVOLUTION, CONNECTED)


@dataclass(frozen=True)
class Throughput:
    """What one part of this machine made of one layer."""

    label: str  # who computed, and in which precision
    layer: str  # its name
    macs: int  # multiply-adds of one pass
    octets: int  # bytes that must be read or written at least: input, weights, output, each once
    seconds: float  # of one pass, the best of several
    limit: Roofline  # of this part in this precision: the most that any program of this measurement reached

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


def precisions(where: torch.device) -> tuple[torch.dtype, ...]:
    """float32, and bfloat16 where the device multiplies faster in it."""
    return tuple(dict.fromkeys((torch.float32, runtime.fast_dtype(where))))


def parts() -> list[tuple[str, torch.device, int, torch.dtype]]:
    """Who can compute here, the slowest first: (label, device, threads, precision); with the course's GPU, if any."""
    processor, where = torch.device("cpu"), runtime.device()
    who = [(f"{n} core{'s' if n > 1 else ''}", processor, n) for n in dict.fromkeys((1, cores()))]
    found = [(f"{name}, {DTYPES[dtype]}", *rest, dtype) for dtype in precisions(processor) for name, *rest in who]
    if where.type != "cpu":
        found += [(f"the GPU, {DTYPES[dtype]}", where, 1, dtype) for dtype in precisions(where)]
    return found


def measure(budget: float = 3.0) -> list[Throughput]:
    """Measure every part of this machine on every layer, the convolution first.

    A layer that memory limits, such as the fully connected one, is measured in float32 only. All measurements together
    take `budget` seconds at most, beside the first calls, which nobody counts.

    >>> measure(budget=0.1)[0].layer == CONVOLUTION.name
    True
    """
    check_number("budget", budget, above=True)
    who, found = parts(), []
    each = budget / len(who) / (len(LAYERS) + 1)
    for label, where, threads, dtype in who:
        with runtime.threads(threads), torch.no_grad():
            limit = roofline.measure(where, dtype=dtype, budget=each)
            mine = [
                _measure_layer(label, where, dtype, layer, limit, each)
                for layer in LAYERS
                if layer.batch > 1 or dtype == torch.float32
            ]
        best = Roofline(  # a limit that a layer has passed was none
            max(limit.flops_per_second, *(2 * one.macs / one.seconds for one in mine)),
            max(limit.bytes_per_second, *(one.octets / one.seconds for one in mine)),
        )
        found += [replace(one, limit=best) for one in mine]
    return sorted(found, key=lambda one: one.layer != CONVOLUTION.name)


def _measure_layer(label, where, dtype, layer: Layer, limit: Roofline, budget: float) -> Throughput:
    module, given = layer.build(dtype, where)
    result = module(given)
    macs = result.numel() * module.weight[0].numel()
    octets = (given.numel() + module.weight.numel() + result.numel()) * given.element_size()
    seconds = roofline.best_seconds(lambda: module(given), device=where, repeats=30, budget=budget)
    return Throughput(label, layer.name, macs, octets, seconds, limit)
