"""The lab of the timeline without a browser: step through the years, follow a thread."""

import html

import pytest

from course_utils.history import facts
from course_utils.history.labs.timeline import TimelineLab
from tests.seen import pixels_of, words

ENTRIES = facts.read_timeline()


@pytest.fixture
def timeline():
    return TimelineLab(first=2012)


def test_the_timeline_begins_at_the_year_that_was_asked_for(timeline):
    assert words(timeline.headline).startswith("2012 (")
    assert words(TimelineLab().headline).startswith("1943 (1 of ")


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
