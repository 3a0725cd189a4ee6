"""The lab of the timeline: eighty years to step through.

Serves notebook 1. It wires `facts.read_timeline` to `figures.facts.timeline`. Papers: those of the timeline.
"""

from __future__ import annotations

import html
from collections.abc import Iterator

import ipywidgets as widgets

from course_utils import figures
from course_utils.history import facts
from course_utils.history.figures import facts as pictures
from course_utils.labs import base

ALL = "all"


class TimelineLab(base.Lab):
    """Step through eighty years: a slider over the entries, two buttons, and a menu of threads to follow.

    Args:
        first: year of the entry that the lab begins with, the first of that year.

    >>> TimelineLab(first=1989)
    [A lab: Five lanes of dots over the years 1943 to 2025, and the story of one of them.]
    """

    def __init__(self, *, first: int = 1943):
        self.entries = facts.read_timeline()
        start = next((k for k, entry in enumerate(self.entries, start=1) if entry.year >= first), 1)
        threads = [("all threads", ALL), *((pictures.LANES[name][0], name) for name in facts.THREADS)]
        controls = {
            "entry": base.whole_slider("entry", 1, len(self.entries), start, "which entry is told"),
            "thread": base.menu("follow", threads, ALL, "one thread; the buttons then stop at its entries only"),
        }
        self.back_button = base.half_button("Earlier", "arrow-left", "to the entry before this one")
        self.on_button = base.half_button("Later", "arrow-right", "to the next entry")
        self.back_button.on_click(lambda _: self.step(-1))
        self.on_button.on_click(lambda _: self.step(1))
        super().__init__(controls, alt="Five lanes of dots over the years 1943 to 2025, and the story of one of them.")

    def step(self, way: int) -> None:
        """Go to the next entry (way = 1) or the one before (way = -1) in the thread that is followed."""
        present, thread = self.controls["entry"].value, self.controls["thread"].value
        last = len(self.entries) if way > 0 else 1
        for number in range(present + way, last + way, way):
            if thread in (ALL, self.entries[number - 1].thread):
                self.controls["entry"].value = number
                return
        self.say(f"there is nothing {'later' if way > 0 else 'earlier'} here; follow another thread, or turn round.")

    def steps(self, entry, thread) -> Iterator[tuple[int, str | None]]:
        """One drawing."""
        yield entry - 1, None if thread == ALL else thread

    def draw(self, step: tuple[int, str | None]) -> base.Frame:
        """The lanes, the card, and the source as a link."""
        index, thread = step
        entry = self.entries[index]
        link = html.escape(entry.link, quote=True)
        look = f'style="color:{figures.BLUE}; text-decoration:underline"'
        source = f'<a href="{link}" target="_blank" rel="noopener" {look}>{html.escape(entry.what)}</a>'
        told = f"<b>{entry.year}</b> ({index + 1} of {len(self.entries)}): {source}"
        return base.Frame(pictures.timeline(self.entries, index, thread=thread), told)

    def _left(self) -> list[widgets.Widget]:
        entry, thread = self.controls.values()
        return [entry, base.beside(self.back_button, self.on_button), thread, self.reset_button]
