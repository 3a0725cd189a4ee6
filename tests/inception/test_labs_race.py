"""The lab of the race without a browser: it waits, trains, stops and starts again."""

import asyncio
import re

import pytest

from course_utils.inception import race
from course_utils.inception.labs import RaceLab
from tests.seen import words


@pytest.fixture
def race_lab(monkeypatch):
    """A race of seconds: few scenes."""
    monkeypatch.setattr(race, "SCENES", 256)
    monkeypatch.setattr(race, "TEST_SCENES", 40)
    return RaceLab().set(steps=20)


def test_before_the_first_start_the_shipped_race_is_shown(race_lab):
    assert "Press Train." in words(race_lab.headline)
    assert "with 1×1 reductions:" in words(race_lab.headline)
    before = race_lab.image.value
    assert "step 300 of 300" in words(race_lab.headline)
    race_lab.controls["seed"].value = 1
    assert race_lab.image.value != before
    race_lab.controls["network"].value = race.WITH
    assert "without:" not in words(race_lab.headline)
    assert not race_lab.running


def test_start_trains_both_to_the_end(race_lab):
    before = race_lab.image.value
    race_lab.start()
    assert race_lab.image.value != before
    assert race_lab.progress.value == 1.0
    assert not race_lab.running
    assert race_lab.message.value == ""
    said = words(race_lab.headline)
    assert said.startswith("step 20 of 20; with 1×1 reductions: ")
    assert re.search(r"without: \d+ % right, \d+ s, 106 G multiply-adds", said)


def test_one_alone_can_be_trained(race_lab):
    race_lab.set(network=race.WITHOUT)
    race_lab.start()
    said = words(race_lab.headline)
    assert said.startswith("step 20 of 20; without: ")
    assert "with 1×1" not in said


def test_stop_really_stops_and_a_second_start_breaks_nothing(race_lab):
    async def begun():
        race_lab.start_button.click()
        # Not "until the headline says step 2": on a fast machine it may have said so between two looks.
        while not (race_lab.running and race_lab.progress.value):
            await asyncio.sleep(0)

    async def evening():
        await begun()
        race_lab.stop_button.click()
        assert not race_lab.running
        stopped = words(race_lab.headline), race_lab.image.value
        await asyncio.sleep(0.6)
        assert (words(race_lab.headline), race_lab.image.value) == stopped
        await begun()
        race_lab.start_button.click()  # while it runs: the first run ends, the second goes to its end
        while race_lab.running or race_lab.progress.value < 1:
            await asyncio.sleep(0.01)

    asyncio.run(evening())
    assert words(race_lab.headline).startswith("step 20 of 20;")
    assert race_lab.message.value == ""
