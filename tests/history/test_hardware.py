"""How fast this machine computes two layers: the work is counted right, and nothing passes its limit."""

import pytest

from course_utils import figures, images
from course_utils.costs.roofline import Roofline
from course_utils.history import hardware
from course_utils.history.figures import hardware as drawings


@pytest.fixture(scope="module")
def measured():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DEVICE", "cpu")
        return hardware.measure(budget=0.5)


@pytest.mark.parametrize("ridge", [0.3, 1.8, 30, 100])  # multiply-adds a byte: an old processor, …, a large GPU
def test_a_convolution_is_limited_by_arithmetic_and_one_picture_s_matrix_by_memory(monkeypatch, ridge):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setattr(hardware.roofline, "measure", lambda *_, **how: Roofline(2 * ridge * 1e10, 1e10))
    monkeypatch.setattr(hardware.roofline, "best_seconds", lambda *_, **how: 10.0)  # a clock that passes no limit
    plain = [one for one in hardware.measure() if "float32" in one.label]
    bounds = [{one.bound for one in plain if one.layer == layer.name} for layer in hardware.LAYERS]
    assert bounds == [{"arithmetic"}, {"memory"}]


def test_nothing_passes_its_limit_and_the_work_is_counted_right(measured):
    assert {one.layer for one in measured} == {layer.name for layer in hardware.LAYERS}
    for one in measured:
        assert 0 < one.gflops <= one.most * (1 + 1e-9)
        if one.layer == hardware.CONVOLUTION.name:
            assert one.macs == 4 * 56 * 56 * 192 * 64 * 9
        else:
            assert one.macs == 9216 * 4096
            assert one.octets == 4 * (9216 * 4096 + 9216 + 4096)


def test_one_core_is_enough(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setattr(hardware, "cores", lambda: 1)
    labels = [label for label, *_ in hardware.parts()]
    assert labels[0] == "1 core, float32"
    assert all(label.startswith("1 core, ") for label in labels)
    monkeypatch.setattr(hardware, "cores", lambda: 8)
    assert "8 cores, float32" in [label for label, *_ in hardware.parts()]


def test_no_time_is_told():
    with pytest.raises(ValueError, match="budget must be more than 0 and finite; got 0"):
        hardware.measure(budget=0)


def test_the_machine_is_drawn(measured):
    drawn = drawings.throughput(measured, title="t")
    assert drawn.shape[1] == figures.WIDTH
    assert images.encode(drawn)


def test_a_bar_is_as_long_as_the_rate_on_a_logarithmic_axis_and_has_the_colour_of_its_limit():
    limit = Roofline(flops_per_second=2e11, bytes_per_second=1e10)
    fast, slow = (hardware.Throughput("1 core", "a layer", 10**9, 10**6, seconds, limit) for seconds in (0.02, 0.2))
    waits = hardware.Throughput("1 core", "another layer", 10**7, 10**7, 0.02, limit)
    assert (fast.gflops, fast.most, fast.bound, slow.gflops, waits.bound) == (100, 200, "arithmetic", 10, "memory")
    drawn = drawings.throughput([fast, slow, waits], title="t")
    lengths = (drawn == (0x00, 0x72, 0xB2)).all(axis=2).sum(axis=1)  # of the blue in each row of pixels
    lengths = sorted(set(lengths[lengths > 50].tolist()))
    assert (lengths[-1] - lengths[0]) / (lengths[-1] / 3) == pytest.approx(1, abs=0.05)  # one of three powers of ten
    assert (drawn == (0xE6, 0x9F, 0x00)).all(axis=2).any()


@pytest.mark.parametrize(("value", "said"), [(7.46, "7.5"), (167.4, "167"), (1312.0, "1,310"), (98_765.0, "98,800")])
def test_rates_are_said_as_they_were_measured(value, said):
    assert drawings.number(value) == said
