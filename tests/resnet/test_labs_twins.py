"""The lab of the twins without a browser: it waits, trains to the end, stops and starts anew."""

import asyncio
import re

import pytest
import torch

from course_utils import figures
from course_utils.resnet import twins
from course_utils.resnet.labs.twins import TwinsLab
from tests.seen import pixels_of, play, words


@pytest.fixture(autouse=True)
def on_the_processor(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")


@pytest.fixture
def lab(monkeypatch):
    monkeypatch.setattr(twins, "SCENES", 256)
    return TwinsLab().set(depth=8, steps=20)


def test_before_the_start_the_lab_shows_the_run_that_ships(lab):
    assert words(lab.headline).startswith("Press Train.")
    assert lab.image.width == str(figures.WIDTH)
    first = pixels_of(lab)
    lab.controls["depth"].value = 56
    assert "56 layers" in words(lab.headline)
    assert (pixels_of(lab) != first).any()
    assert (lab.progress.value, lab.running) == (0, False)


def test_train_trains_both_to_the_end(lab):
    lab.start_button.click()
    told = words(lab.headline)
    assert re.search(r"step 20 of 20, plain: loss \d\.\d\d, \d+% right, residual: loss", told)
    assert re.search(r"On new scenes: plain \d+%, residual \d+% right\.", told)
    assert (lab.progress.value, lab.running, lab.message.value) == (1, False, "")


def test_the_same_seed_runs_the_same_trainings_and_another_seed_others(lab):
    lab.start()
    first = words(lab.headline)
    assert words(lab.start().headline) == first
    assert words(lab.set(seed=1).headline) != first


@pytest.mark.parametrize("choices", [{"norm": False}, {"rate": 0.02}, {"depth": 20}, {"seed": 9999}])
def test_every_control_has_its_say(lab, choices):
    lab.set(**choices, steps=20).start()
    assert lab.message.value == ""
    assert "step 20 of 20" in words(lab.headline)


def test_stop_stops(lab):
    lab.controls["steps"].value = 400

    async def script():
        lab.stop_button.click()
        reached, shown = lab.progress.value, lab.image.value
        await asyncio.sleep(0.5)
        assert (lab.progress.value, lab.running) == (reached, False)
        assert lab.image.value == shown
        assert reached < 1
        await lab._task

    play(lab, script)
    assert "of 400" in words(lab.headline)


def test_a_second_start_while_one_runs_begins_anew_and_ends_well(lab):
    lab.controls["steps"].value = 400

    async def script():
        lab.controls["steps"].value = 20
        lab.start_button.click()
        await lab._task

    play(lab, script)
    assert "step 20 of 20" in words(lab.headline)
    assert (lab.progress.value, lab.running, lab.message.value) == (1, False, "")


def test_a_training_leaves_the_global_random_state_alone(lab):
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    lab.start()
    assert torch.equal(torch.rand(2), expected)
