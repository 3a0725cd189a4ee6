"""The labs of lesson 1 without a browser: step through the years, ask about nonsense, move controls to their ends."""

import html
import re

import numpy as np
import pytest

from course_utils import figures, zoo
from course_utils.history import facts, out_of_distribution
from course_utils.history.labs import facts as labs
from tests.seen import pixels_of, png, put, refuses_a_broken_file, words

ENTRIES = facts.read_timeline()


# ---- the timeline ------------------------------------------------------------------------------------------------
@pytest.fixture
def timeline():
    return labs.TimelineLab(first=2012)


def test_the_timeline_begins_at_the_year_that_was_asked_for(timeline):
    assert words(timeline.headline).startswith("2012 (")
    assert words(labs.TimelineLab().headline).startswith("1943 (1 of ")


def test_every_entry_can_be_told_and_its_source_is_a_link(timeline):
    shown = set()
    for number, entry in enumerate(ENTRIES, start=1):
        timeline.controls["entry"].value = number
        assert timeline.message.value == ""
        assert entry.what in words(timeline.headline)
        assert html.escape(entry.link, quote=True) in timeline.headline.value
        shown.add(timeline.image.value)
    assert len(shown) == len(ENTRIES)


def test_the_buttons_step_and_say_so_at_the_ends(timeline):
    timeline.set(entry=1)
    before = pixels_of(timeline)
    timeline.on_button.click()
    assert timeline.controls["entry"].value == 2
    assert (pixels_of(timeline) != before).any()
    timeline.back_button.click()
    timeline.back_button.click()
    assert "nothing earlier here" in words(timeline.message)
    timeline.set(entry=len(ENTRIES))
    timeline.on_button.click()
    assert "nothing later here" in words(timeline.message)


@pytest.mark.parametrize("thread", facts.THREADS)
def test_following_a_thread_the_buttons_stop_at_its_entries_only(timeline, thread):
    timeline.set(thread=thread, entry=1)
    met = []
    while not timeline.message.value:
        timeline.on_button.click()
        met.append(ENTRIES[timeline.controls["entry"].value - 1])
    wanted = [entry for entry in ENTRIES[1:] if entry.thread == thread]
    assert met[:-1] == wanted  # the last click only says that there is nothing later
    assert timeline.controls["thread"].value == thread


def test_reset_brings_the_first_entry_back(timeline):
    before = timeline.image.value
    timeline.set(entry=3, thread="doubts")
    timeline.reset_button.click()
    assert timeline.image.value == before


# ---- nonsense ------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def shared():
    return labs.NonsenseLab()


@pytest.fixture
def lab(shared, monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    shared.set(**shared.defaults)
    return shared


def test_a_limit_of_40_is_read_as_60_and_believed(lab):
    assert re.match(r"It answers 60 LIMIT \(9\d\.\d %\)\. ▲ You believe it\.", words(lab.headline))


def test_a_higher_threshold_turns_belief_into_doubt_and_asks_nothing_anew(lab, monkeypatch):
    monkeypatch.setattr(out_of_distribution, "ask", lambda *_: pytest.fail("the network was asked again"))
    lab.set(threshold=99)
    assert "✓ Not sure enough for you" in words(lab.headline)
    lab.set(threshold=5)
    assert "▲ You believe it" in words(lab.headline)


@pytest.mark.parametrize("picture", [*out_of_distribution.STRANGERS, labs.CONVINCED, labs.KNOWN])
def test_every_picture_at_both_ends_of_the_seeds_and_thresholds(lab, picture):
    shown = set()
    for seed in (0, 99):
        for threshold in (5, 99):
            lab.set(picture=picture, seed=seed, threshold=threshold)
            assert lab.message.value == ""
            assert pixels_of(lab).shape[1] == figures.WIDTH
        shown.add(lab.image.value)
    assert len(shown) == 2


@pytest.mark.parametrize("network", zoo.shipped())
def test_every_network_can_be_asked_and_noise_led_to_stop_convinces_it(lab, network):
    lab.set(network=network, picture=labs.CONVINCED)
    assert lab.message.value == ""
    assert words(lab.headline).startswith("It answers STOP (> 99.9 %)") or "STOP (99." in words(lab.headline)


def test_what_is_usual_lies_near_certainty(lab):
    confidence, entropy = lab._usual["signs-resnet"]
    assert confidence > 0.999
    assert entropy < 0.01


def test_one_s_own_picture_must_be_uploaded_first(lab):
    good = lab.image.value
    lab.set(picture=labs.OWN)
    assert "press “Upload a picture”" in words(lab.message)
    assert lab.image.value == good


def test_an_upload_is_asked_about_and_a_broken_one_is_told(lab):
    put(lab, png(np.full((80, 120, 3), 128, dtype=np.uint8)))
    assert lab.message.value == ""
    assert lab.controls["picture"].value == labs.OWN
    refuses_a_broken_file(lab, "noise")
