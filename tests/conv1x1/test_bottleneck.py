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


@given(*[st.integers(1, 40)] * 3, st.sampled_from([1, 3, 5, 7]), st.integers(1, 30), st.integers(1, 3))
def test_the_arithmetic_is_that_of_the_accounts(before, between, after, kernel, size, batch):
    one = bottleneck.direct(before, after, kernel, size, batch)
    two = bottleneck.with_reduction(before, between, after, kernel, size, batch)
    with torch.device("meta"):
        networks = [
            nn.Sequential(
                *(nn.Conv2d(c.in_channels, c.out_channels, c.kernel, padding="same", bias=False) for c in way)
            )
            for way in (one, two)
        ]
    for way, network in zip((one, two), networks, strict=True):
        told = accounting.account(network, (batch, before, size, size))
        assert bottleneck.macs(way) == told.macs
        assert sum(conv.parameters for conv in way) == told.parameters
        assert [conv.out_channels * conv.size**2 * 4 * batch for conv in way] == [
            row.activation_bytes for row in told.rows
        ]


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([3, 5, 7]))
def test_below_the_break_even_the_bottleneck_is_cheaper_and_above_it_is_not(before, after, kernel):
    limit = bottleneck.break_even(before, after, kernel)
    whole = bottleneck.macs(bottleneck.direct(before, after, kernel, 4))
    for between in {max(1, math.floor(limit) - 1), math.floor(limit) + 2}:
        squeezed = bottleneck.macs(bottleneck.with_reduction(before, between, after, kernel, 4))
        assert (squeezed < whole) == (between < limit) or squeezed == whole


def test_the_paper_s_5x5_branch_costs_a_tenth():
    in_channels, _, _, (reduced, filters), _ = inception.MODULES["3a"]
    one, two = (
        bottleneck.direct(in_channels, filters, 5, 28),
        bottleneck.with_reduction(in_channels, reduced, filters, 5, 28),
    )
    assert bottleneck.macs(one) == 120_422_400
    assert bottleneck.macs(two) == 2_408_448 + 10_035_200
    assert round(bottleneck.macs(one) / bottleneck.macs(two), 1) == 9.7


def test_a_depthwise_convolution_has_one_filter_a_map():
    conv = bottleneck.Conv(192, 192, 3, 28, groups=192)
    assert conv.parameters == 192 * 9
    assert conv.prepare(torch.device("cpu"))().shape == (1, 192, 28, 28)
    assert conv.intensity < 9 / 8  # nine multiply-adds for a number that comes and one that goes


def test_the_clock_reads_all_three_by_turns():
    path = list(
        bottleneck.time_by_turns(bottleneck.direct(8, 8, 3, 8), bottleneck.with_reduction(8, 2, 8, 3, 8), rounds=3)
    )
    assert len(path) == 3 * (3 + 1)
    assert path[2].direct is None  # the first call of each counts for nobody
    assert path[2].bottleneck is None
    assert path[-1].bottleneck == path[-1].reduction + path[-1].rest > 0
    times = [moment.direct for moment in path if moment.direct is not None]
    assert times == sorted(times, reverse=True)


@pytest.mark.slow
def test_a_ninth_of_the_work_is_quicker_by_the_clock_too(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    one, two = bottleneck.direct(192, 32, 5, 28, 4), bottleneck.with_reduction(192, 16, 32, 5, 28, 4)
    with runtime.threads(1):
        *_, last = bottleneck.time_by_turns(one, two, rounds=15)
    assert last.direct > 2 * last.bottleneck


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
        next(
            bottleneck.time_by_turns(bottleneck.direct(1, 1, 1, 1), bottleneck.with_reduction(1, 1, 1, 1, 1), rounds=0)
        )
