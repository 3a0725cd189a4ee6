"""The bottleneck against the accounts, against the paper's table, and against the clock."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course_utils import inception, runtime
from course_utils.conv1x1 import bottleneck
from course_utils.costs import accounting


def macs(convolutions):
    return sum(conv.macs for conv in convolutions)


@given(*[st.integers(1, 40)] * 3, st.sampled_from([1, 3, 5, 7]), st.integers(1, 30), st.integers(1, 3))
def test_the_arithmetic_is_that_of_the_accounts(before, between, after, kernel, size, batch):
    direct = bottleneck.Conv(before, after, kernel, size, batch)
    for way in ((direct,), bottleneck.with_reduction(direct, between)):
        with torch.device("meta"):
            layers = [nn.Conv2d(c.in_channels, c.out_channels, c.kernel, padding="same", bias=False) for c in way]
        told = accounting.account(nn.Sequential(*layers), (batch, before, size, size))
        assert macs(way) == told.macs
        assert sum(conv.parameters for conv in way) == told.parameters
        assert [conv.out_channels * conv.size**2 * 4 * batch for conv in way] == [
            row.activation_bytes for row in told.rows
        ]


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([3, 5, 7]))
def test_below_the_break_even_the_bottleneck_is_cheaper_and_above_it_is_not(before, after, kernel):
    limit = bottleneck.break_even(before, after, kernel)
    direct = bottleneck.Conv(before, after, kernel, 4)
    for between in {max(1, math.floor(limit) - 1), math.floor(limit) + 2}:
        squeezed = macs(bottleneck.with_reduction(direct, between))
        assert (squeezed < direct.macs) == (between < limit) or squeezed == direct.macs


def test_the_paper_s_5x5_branch_costs_a_tenth():
    in_channels, _, _, (reduced, filters), _ = inception.MODULES["3a"]
    direct = bottleneck.Conv(in_channels, filters, 5, 28)
    two = bottleneck.with_reduction(direct, reduced)
    assert direct.macs == 120_422_400
    assert macs(two) == 2_408_448 + 10_035_200
    assert round(direct.macs / macs(two), 1) == 9.7


def test_a_depthwise_convolution_has_one_filter_a_map():
    conv = bottleneck.Conv(192, 192, 3, 28, groups=192)
    assert conv.parameters == 192 * 9
    assert conv.prepare(torch.device("cpu"))().shape == (1, 192, 28, 28)
    assert conv.intensity < 9 / 8  # nine multiply-adds for a number that comes and one that goes


def test_the_order_in_memory_changes_no_number():
    conv = bottleneck.Conv(6, 6, 3, 8, groups=6)
    plain, turned = (conv.prepare(torch.device("cpu"), channels_last=last)() for last in (False, True))
    assert torch.allclose(plain, turned, atol=1e-5)
    assert turned.is_contiguous(memory_format=torch.channels_last)


def test_the_clock_reads_all_three_by_turns():
    direct = bottleneck.Conv(8, 8, 3, 8)
    path = list(bottleneck.time_by_turns((direct, *bottleneck.with_reduction(direct, 2)), rounds=3))
    assert len(path) == 3 * (3 + 1)
    assert path[2] == (None, None, None)  # the first call of each counts for nobody
    assert [moment.count(None) for moment in path[2:6]] == [3, 2, 1, 0]
    assert min(path[-1]) > 0
    times = [moment[0] for moment in path if moment[0] is not None]
    assert times == sorted(times, reverse=True)


@pytest.mark.slow
def test_a_ninth_of_the_work_is_quicker_by_the_clock_too(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    direct = bottleneck.Conv(192, 32, 5, 28, 4)
    with runtime.threads(1):
        *_, (whole, *parts) = bottleneck.time_by_turns((direct, *bottleneck.with_reduction(direct, 16)), rounds=15)
    assert whole > 2 * sum(parts)


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ((0, 8, 3, 8), "in_channels must be at least 1; got 0"),
        ((8, 8, 4, 8), "odd edge"),
        ((8, 8, 3, -1), "size must be at least 1; got -1"),
        ((8, 8, 3, 8, 0), "batch must be at least 1; got 0"),
        ((8, 9, 3, 8, 1, 3), "groups must divide the channels"),
    ],
)
def test_a_convolution_that_cannot_be_is_refused(bad, words):
    with pytest.raises(ValueError, match=words):
        bottleneck.Conv(*bad)


def test_what_is_no_whole_number_and_no_rounds_are_refused():
    with pytest.raises(TypeError, match=r"out_channels must be a whole number of at least 1; got 8\.0"):
        bottleneck.Conv(8, 8.0, 3, 8)
    with pytest.raises(ValueError, match="rounds must be at least 1; got 0"):
        next(bottleneck.time_by_turns([bottleneck.Conv(1, 1, 1, 1)], rounds=0))
    with pytest.raises(ValueError, match="reduced must be at least 1; got 0"):
        bottleneck.with_reduction(bottleneck.Conv(8, 8, 3, 8), 0)
