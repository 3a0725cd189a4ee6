"""What this machine can do at most: multiply-adds a second, bytes a second; and a clock for functions.

Serves notebooks 01 and 03. Paper: Williams, Waterman and Patterson 2009, "Roofline: An Insightful Visual Performance
Model for Multicore Architectures".
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from course_utils import runtime
from course_utils.arguments import check_number, check_whole


@dataclass(frozen=True)
class Roofline:
    """The two limits of a machine. Whatever it computes, it is no quicker than the slower of the two allows.

    >>> machine = Roofline(flops_per_second=80e9, bytes_per_second=10e9)
    >>> machine.ridge, machine.seconds(macs=4e9, nbytes=1e9)
    (4.0, 0.1)
    """

    flops_per_second: float  # additions and multiplications in float32; a multiply-add is two
    bytes_per_second: float  # that come from or go to memory

    def __post_init__(self):
        for name, value in vars(self).items():
            check_number(name, value, above=True)

    @property
    def ridge(self) -> float:
        """Multiply-adds that a byte must be worth, or else memory is the limit."""
        return self.flops_per_second / 2 / self.bytes_per_second

    def seconds(self, macs: float, nbytes: float) -> float:
        """The shortest time for so many multiply-adds on so many bytes."""
        macs, nbytes = check_number("macs", macs), check_number("nbytes", nbytes)
        return max(2 * macs / self.flops_per_second, nbytes / self.bytes_per_second)


def best_seconds(
    function: Callable[[], Any], *, device: str | torch.device | None = None, repeats: int = 7, budget: float = 0.3
) -> float:
    """How long a function takes, in seconds: the best of several calls, after one that nobody counts.

    The best, because whatever else the machine does can only make a call slower. See `clock` for what is read.

    Args:
        device: where it computes, so that the clock waits for the end of the work there; None takes the course's.
        repeats: calls that count, at most.
        budget: seconds that they may take together; the first call counts always.

    >>> best_seconds(lambda: torch.ones(1000, 1000) + 1, device="cpu") < 1
    True
    """
    repeats, where = check_whole("repeats", repeats), runtime.device(device)
    wait_for(where)
    time_once(function, where)
    end = time.perf_counter() + budget
    best = time_once(function, where)
    for _ in range(repeats - 1):
        if time.perf_counter() + best >= end:
            break
        best = min(best, time_once(function, where))
    return best


def time_once(function: Callable[[], Any], where: torch.device) -> float:
    """How long one call of a function takes on a device, its work there included."""
    now = clock(where)
    begin = now()
    function()
    wait_for(where)
    return now() - begin


def clock(where: torch.device) -> Callable[[], float]:
    """The clock to read while this device computes, in seconds.

    Where one thread of the processor does all the work, it is that thread's own clock, which stands still while other
    programs have the processor: a long call would otherwise seem slower than a short one for no fault of its own.
    """
    alone = where.type == "cpu" and torch.get_num_threads() == 1
    fine = time.get_clock_info("thread_time").resolution <= 1e-6  # not on Windows
    return time.thread_time if alone and fine else time.perf_counter


def wait_for(where: torch.device) -> None:
    """Return when the device has done all that it was asked; a GPU is asked first and works later."""
    if where.type == "cuda":
        torch.cuda.synchronize(where)
    elif where.type == "mps":
        torch.mps.synchronize()


def measure(
    device: str | torch.device | None = None,
    *,
    dtype: torch.dtype = torch.float32,
    threads: int | None = None,
    budget: float = 0.4,
) -> Roofline:
    """Measure the two limits: a large matrix product; a copy and a dot product of long vectors, whichever is quicker.

    What was reached is returned; the machine's limits may lie a little above.

    Args:
        device: what to measure; None takes the one that the course computes on.
        dtype: the precision of the matrix product.
        threads: of the processor; None leaves what is set.
        budget: seconds for the whole measurement, roughly.

    >>> machine = measure("cpu", budget=0.1)
    >>> machine.flops_per_second > 1e8
    True
    """
    where = runtime.device(device)
    edge, length = (4096, 2**28) if where.type == "cuda" else (2048, 2**26) if where.type == "mps" else (1024, 2**24)
    with runtime.threads(threads), torch.no_grad():
        a, b = (torch.full((edge, edge), value, device=where, dtype=dtype) for value in (0.5, 0.25))
        product = torch.empty_like(a)
        multiplied = best_seconds(lambda: torch.mm(a, b, out=product), device=where, repeats=50, budget=budget / 2)
        one, two = (torch.zeros(length, device=where) for _ in range(2))  # 64 MiB each: more than most caches hold
        copied = best_seconds(lambda: two.copy_(one), device=where, repeats=50, budget=budget / 4)
        read = best_seconds(lambda: torch.dot(one, two), device=where, repeats=50, budget=budget / 4)
    return Roofline(2 * edge**3 / multiplied, 2 * 4 * length / min(copied, read))
