"""How fast machines compute: the work is counted right, and each dot stands where its rate is."""

import numpy as np
import pytest
from scipy import ndimage

from course_utils import figures
from course_utils.figures.colours import VERMILLION
from course_utils.history import facts, hardware
from course_utils.history.figures import hardware as drawings


@pytest.fixture(scope="module")
def measured():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_DEVICE", "cpu")
        return hardware.measure(budget=0.5)


def test_the_work_is_counted_right(measured):
    assert {one.layer for one in measured} == {layer.name for layer in hardware.LAYERS}
    octets = {hardware.CONNECTED.name: 1, hardware.TOGETHER.name: 128}
    for one in measured:
        assert one.gflops > 0
        if one.layer == hardware.CONVOLUTION.name:
            assert one.macs == 4 * 56 * 56 * 192 * 64 * 9
        else:
            pictures = octets[one.layer]
            assert one.macs == pictures * 9216 * 4096
            assert one.octets == 4 * (9216 * 4096 + pictures * (9216 + 4096))


def test_a_rate_is_twice_the_multiply_adds_a_second():
    assert hardware.Throughput("1 core", "a layer", 10**9, 10**6, 0.02).gflops == 100


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


def dots(drawn, colour):
    """The middles of the dots of a colour, left to right and top to bottom, as columns and rows of pixels."""
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    places, count = ndimage.label((drawn == wanted).all(axis=2))
    found = [np.argwhere(places == k + 1) for k in range(count)]
    return sorted((place.mean(axis=0)[::-1] for place in found if len(place) > 60), key=lambda middle: middle[1])


def test_the_layers_are_drawn_and_a_dot_stands_at_its_rate_on_a_logarithmic_axis(measured):
    assert drawings.throughput(measured, title="t").shape[1] == figures.WIDTH
    three = [hardware.Throughput("1 core", "a layer", 10**9, 10**6, seconds) for seconds in (0.02, 0.2, 2)]
    (fast, *_), (slow, *_), (slowest, *_) = dots(drawings.throughput(three, title="t"), figures.BLUE)
    assert fast > slow > slowest
    assert fast - slow == pytest.approx(slow - slowest, abs=2)


def test_machines_stand_on_one_axis_in_the_order_of_their_rates():
    rates = {"a core": 1e6, "a card": 1e13, "all cores": 1e8}
    first, second, third = dots(drawings.machines(facts.read_machines(), rates, work=4.6e17, title="t"), VERMILLION)
    assert first[0] < second[0] < third[0]
    assert (third[0] - first[0]) / (second[0] - first[0]) == pytest.approx(7 / 2, rel=0.02)  # powers of ten


@pytest.mark.parametrize(("value", "said"), [(7.46, "7.5"), (167.4, "167"), (1312.0, "1,310"), (98_765.0, "98,800")])
def test_rates_are_said_as_they_were_measured(value, said):
    assert drawings.number(value) == said
