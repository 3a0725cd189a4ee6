"""What a module costs by the clock, and which of its layers the time goes to: modules timed by turns, less some layers.

Serves notebook 4. Papers: none.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_utils import runtime


def remove(network: nn.Module, *kinds: type[nn.Module]) -> nn.Module:
    """A copy of a network, with the same weights, less its layers of some kinds.

    >>> remove(nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8)), nn.BatchNorm2d)[1]
    Identity()
    """
    bare = copy.deepcopy(network)
    for module in list(bare.modules()):
        for name, part in module.named_children():
            if isinstance(part, kinds):
                setattr(module, name, nn.Identity())
    return bare


def seconds(modules: Sequence[nn.Module], x: Tensor, *, runs: int = 7) -> list[float]:
    """The processor's time for a forward pass of each module, by turns, on one thread: the median of some runs.

    Args:
        modules: on the processor, as x is.
        x: what goes in.
        runs: of each module; one more before them prepares and is not counted.

    >>> len(seconds([nn.Identity(), nn.Conv2d(8, 64, 5)], torch.rand(4, 8, 64, 64)))
    2
    """
    times: list[list[float]] = [[] for _ in modules]
    with torch.no_grad(), runtime.threads(1):
        for _ in range(runs + 1):
            for module, taken in zip(modules, times, strict=True):
                begin = time.process_time()
                module(x)
                taken.append(time.process_time() - begin)
    return [statistics.median(taken[1:]) for taken in times]
