"""The clock, with a clock of our own; the two limits, as far as one can say them of a machine one does not know."""

import math
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_utils import runtime
from course_utils.costs import roofline
from course_utils.costs.roofline import Roofline

amounts = st.floats(1e3, 1e15)


@given(amounts, amounts, amounts, amounts)
def test_the_slower_of_the_two_limits_decides(flops, memory, macs, nbytes):
    machine = Roofline(flops, memory)
    seconds = machine.seconds(macs, nbytes)
    assert seconds == max(2 * macs / flops, nbytes / memory)
    assert math.isclose(macs / seconds, min(flops / 2, macs / nbytes * memory), rel_tol=1e-9)


def test_at_the_ridge_both_limits_are_reached_together():
    machine = Roofline(flops_per_second=80e9, bytes_per_second=10e9)
    assert machine.ridge == 4
    assert machine.seconds(4e9, 1e9) == 0.1


class Clock:
    """Time that only passes when somebody works; `tired` makes single calls slower."""

    def __init__(self, monkeypatch, each, tired=()):
        self.now, self.calls, self.each, self.tired = 0.0, 0, each, dict(tired)
        for name in ("perf_counter", "thread_time"):
            monkeypatch.setattr(roofline.time, name, lambda: self.now)

    def work(self):
        self.now += self.each * self.tired.get(self.calls, 1)
        self.calls += 1


def test_the_best_call_counts_and_the_first_does_not(monkeypatch):
    clock = Clock(monkeypatch, 1 / 1024, {0: 0.01, 1: 8, 3: 4})
    assert roofline.best_seconds(clock.work, device="cpu", repeats=5, budget=1) == 1 / 1024
    assert clock.calls == 6


def test_a_slow_function_is_called_twice_and_no_more(monkeypatch):
    clock = Clock(monkeypatch, 2.0)
    assert roofline.best_seconds(clock.work, device="cpu", repeats=100, budget=0.3) == 2.0
    assert clock.calls == 2


def test_the_budget_is_kept(monkeypatch):
    clock = Clock(monkeypatch, 1 / 64)
    roofline.best_seconds(clock.work, device="cpu", repeats=10_000, budget=0.5)
    assert clock.now <= 0.5 + 2 / 64


def test_a_single_thread_is_not_charged_for_what_others_do():
    """Beside a sleeper, or a busy neighbour, a calculation takes as long as it takes."""

    def sleepy():
        time.sleep(0.05)
        return torch.ones(8) + 1

    with runtime.threads(2):
        assert roofline.clock(torch.device("cpu")) is time.perf_counter
        asleep = roofline.best_seconds(sleepy, device="cpu", repeats=2)
    with runtime.threads(1):
        if roofline.clock(torch.device("cpu")) is not time.thread_time:
            pytest.skip("this system's clock for threads is too coarse")
        assert roofline.best_seconds(sleepy, device="cpu", repeats=2) < asleep / 2


def test_the_limits_are_what_was_done_in_the_time_it_took(monkeypatch):
    """A product of 1024×1024 numbers; 2²⁴ that are copied, or read twice; if the clock said 0.5 s."""
    monkeypatch.setattr(roofline, "best_seconds", lambda function, **how: function() is None or 0.5)
    found = roofline.measure("cpu")
    assert found.flops_per_second == 2 * 1024**3 / 0.5
    assert found.bytes_per_second == 8 * 2**24 / 0.5


def test_the_quicker_of_copy_and_dot_product_is_the_limit_of_memory(monkeypatch):
    taken = iter((1.0, 0.5, 0.25))
    monkeypatch.setattr(roofline, "best_seconds", lambda function, **how: next(taken))
    assert roofline.measure("cpu").bytes_per_second == 8 * 2**24 / 0.25


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_product_is_computed_in_the_precision_that_was_asked_for(monkeypatch, dtype):
    products, real = [], torch.mm
    monkeypatch.setattr(torch, "mm", lambda a, b, out: products.append((a.dtype, out.dtype)) or real(a, b, out=out))
    roofline.measure("cpu", dtype=dtype, budget=0.01)
    assert set(products) == {(dtype, dtype)}


def test_a_machine_is_measured_and_its_threads_are_left_as_they_were():
    threads = torch.get_num_threads()
    machine = roofline.measure("cpu", threads=1, budget=0.2)
    assert torch.get_num_threads() == threads
    assert 1e8 < machine.flops_per_second < 1e15
    assert 1e8 < machine.bytes_per_second < 1e14


@pytest.mark.parametrize("limits", [(0, 1), (1, 0), (-1, 1), (float("nan"), 1)])
def test_a_machine_without_limits_is_refused(limits):
    with pytest.raises(ValueError, match="_per_second must be more than 0 and finite"):
        Roofline(*limits)


@pytest.mark.parametrize("work", [(-1, 1), (1, -1), (float("nan"), 1)])
def test_negative_work_is_refused(work):
    with pytest.raises(ValueError, match=r"(macs|nbytes) must be at least 0 and finite"):
        Roofline(1, 1).seconds(*work)


def test_no_repeats_are_refused():
    with pytest.raises(ValueError, match="repeats must be at least 1; got 0"):
        roofline.best_seconds(lambda: None, device="cpu", repeats=0)
