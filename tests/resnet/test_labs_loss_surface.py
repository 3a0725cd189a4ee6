"""The lab of the loss surface without a browser: it waits, computes what the method does, stops and starts anew."""

import pytest

from course_utils import zoo
from course_utils.resnet import loss_surface, twins
from course_utils.resnet.labs.loss_surface import LossSurfaceLab
from course_utils.signs import small
from tests.seen import pixels_of, play, words


@pytest.fixture(autouse=True)
def on_the_processor(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")


@pytest.fixture
def lab():
    return LossSurfaceLab().set(points=5)


def test_the_surface_lab_waits_with_the_fine_surface(lab):
    fine = len(loss_surface.load_surfaces()[twins.PLAIN].axis)
    assert words(lab.headline).startswith(f"Press Compute. Until then, {fine}×{fine} points")
    assert (lab.progress.value, lab.running) == (0, False)


def test_the_surface_lab_computes_what_the_method_does(lab):
    before = pixels_of(lab)
    lab.set(scenes=48, reach=0.1, seed=4).start()
    assert lab.message.value == ""
    assert lab.progress.value == 1
    assert (pixels_of(lab) != before).any()
    network = zoo.load(twins.STORED[twins.RESIDUAL], device="cpu")
    wanted = loss_surface.surface(network, *small.scenes(48), points=5, reach=0.1, seed=4)
    assert f"residual: {wanted.centre:.2g} in the middle, {wanted.low_share:.0%} of the square" in words(lab.headline)


def test_the_surface_lab_stops_and_starts_anew(lab):
    lab.controls["points"].value = 25

    async def script():
        lab.stop_button.click()
        assert not lab.running
        assert 0 < lab.progress.value < 1
        lab.controls["points"].value = 5
        lab.start_button.click()
        await lab._task

    play(lab, script)
    assert (lab.progress.value, lab.message.value) == (1, "")


@pytest.mark.parametrize("reach", [0.05, 1.0])
def test_every_reach_gives_a_picture(lab, reach):
    lab.set(reach=reach, scenes=48).start()
    assert (lab.message.value, lab.progress.value) == ("", 1)
