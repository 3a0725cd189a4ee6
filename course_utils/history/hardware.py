"""The second missing ingredient, measured: how fast this machine computes a convolution and a fully connected layer.

Serves notebook 1. Papers: Szegedy et al. 2015, table 1, and Krizhevsky et al. 2012 (the layers).
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.arguments import check_number
from course_utils.costs import roofline

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
CONNECTED, TOGETHER = (
    Layer(f"AlexNet's first fully connected layer, {words}", partial(nn.Linear, 9216, 4096), (9216,), batch)
    for words, batch in (("one picture at a time", 1), ("128 pictures at a time, as AlexNet was trained", 128))
)
LAYERS = (CONVOLUTION, CONNECTED, TOGETHER)


@dataclass(frozen=True)
class Throughput:
    """What one part of this machine made of one layer."""

    label: str  # who computed, and in which precision
    layer: str  # its name
    macs: int  # multiply-adds of one pass
    octets: int  # bytes that must be read or written at least: input, weights, output, each once
    seconds: float  # of one pass, the best of several

    @property
    def gflops(self) -> float:
        """What was reached: 10⁹ additions and multiplications a second."""
        return 2 * self.macs / self.seconds / 1e9


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
    """Measure every part of this machine on the convolution, in float32 on the fully connected layer too.

    All measurements together take `budget` seconds at most, beside the first calls, which nobody counts.

    >>> measure(budget=0.1)[0].layer == CONVOLUTION.name
    True
    """
    check_number("budget", budget, above=True)
    todo = [(layer, part) for layer in LAYERS for part in parts() if layer is CONVOLUTION or part[-1] == torch.float32]
    return [_measure_layer(layer, *part, budget / len(todo)) for layer, part in todo]


def _measure_layer(layer: Layer, label: str, where: torch.device, threads: int, dtype: torch.dtype, budget: float):
    with runtime.threads(threads), torch.no_grad():
        module, given = layer.build(dtype, where)
        result = module(given)
        seconds = roofline.best_seconds(lambda: module(given), device=where, repeats=30, budget=budget)
    macs = result.numel() * module.weight[0].numel()
    octets = (given.numel() + module.weight.numel() + result.numel()) * given.element_size()
    return Throughput(label, layer.name, macs, octets, seconds)
