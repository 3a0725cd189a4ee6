"""A lab that waits for Start: what its buttons do, with an event loop and without one."""

import asyncio

import numpy as np
import pytest

from course_utils.labs import base, started


class Counter(started.StartedLab):
    """Counts; `log` tells what was begun and ended."""

    def __init__(self):
        self.log = []
        super().__init__({"to": base.whole_slider("to", 1, 50, 20, "how far")}, alt="A square.")

    def waiting(self, to):
        return base.Frame(np.zeros((8, 8, 3), dtype=np.uint8), f"waits to count to {to}")

    def steps(self, to):
        if to == 13:
            raise ValueError("13 brings bad luck.")
        self.log.append("begin")
        try:
            for k in range(1, to + 1):
                yield k, to
        finally:
            self.log.append("end")

    def draw(self, step):
        return base.Frame(np.full((8, 8, 3), step[0], dtype=np.uint8), f"at {step[0]}")

    def share(self, step):
        return step[0] / step[1]


def test_nothing_runs_before_start_and_the_waiting_picture_follows_the_controls():
    lab = Counter()
    lab.controls["to"].value = 7
    assert lab.log == []
    assert "waits to count to 7" in lab.headline.value
    assert (lab.progress.value, lab.running) == (0, False)


def test_start_runs_to_the_end():
    lab = Counter()
    lab.start_button.click()
    assert lab.log == ["begin", "end"]
    assert "at 20" in lab.headline.value
    assert (lab.progress.value, lab.running) == (1, False)
    lab.controls["to"].value = 5  # waits for the next start
    assert "at 20" in lab.headline.value
    assert "at 5" in lab.start().headline.value


def test_set_and_reset_run_nothing_by_themselves():
    lab = Counter().start()
    lab.set(to=3)
    assert "at 3" in lab.headline.value  # a cell that sets a started lab waits for its picture
    lab.reset()
    assert lab.controls["to"].value == 20
    assert "waits to count to 20" in lab.headline.value
    assert lab.log == ["begin", "end"] * 2


def test_a_bad_start_leaves_the_picture_and_says_why():
    lab = Counter()
    before = lab.image.value
    lab.controls["to"].value = 13
    lab.start_button.click()
    assert "13 brings bad luck" in lab.message.value
    assert not lab.running
    assert lab.image.value[:20] == before[:20]


def in_a_loop(story):
    async def told():
        lab = Counter()
        lab.start_button.click()
        while lab.progress.value == 0:
            await asyncio.sleep(0.001)
        assert lab.running
        await story(lab)
        return lab

    return asyncio.run(told())


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setattr(base, "PAUSE", 0.0)  # every step is drawn

    def steps(self, to):
        self.log.append("begin")
        try:
            for k in range(1, 10_001):
                yield k, 10_000
        finally:
            self.log.append("end")

    monkeypatch.setattr(Counter, "steps", steps)


def test_stop_stops(slow):
    async def story(lab):
        lab.stop_button.click()
        reached = lab.progress.value
        await asyncio.sleep(0.05)
        assert lab.progress.value == reached < 1

    lab = in_a_loop(story)
    assert lab.log == ["begin", "end"]
    assert not lab.running


def test_a_second_start_ends_the_first_run(slow):
    async def story(lab):
        lab.start_button.click()
        while len(lab.log) < 3:  # this file's time limit ends it
            await asyncio.sleep(0.001)
        assert lab.running
        assert lab.log == ["begin", "end", "begin"]
        lab.stop_button.click()

    assert in_a_loop(story).log == ["begin", "end"] * 2


def test_reset_ends_a_run(slow):
    async def story(lab):
        lab.reset_button.click()
        await asyncio.sleep(0.05)

    lab = in_a_loop(story)
    assert lab.log == ["begin", "end"]
    assert "waits" in lab.headline.value
    assert not lab.running


def test_an_interrupt_is_a_stop(monkeypatch):
    def steps(self, to):
        yield 1, to
        raise KeyboardInterrupt

    monkeypatch.setattr(Counter, "steps", steps)
    lab = Counter()
    lab.start_button.click()
    assert "Stopped." in lab.message.value
    assert not lab.running
