"""A lab for long work, such as a training: it waits for Start, shows how far it is, and stops at Stop.

Serves notebooks 1, 4, 5, 6 and 8. Papers: none.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

import ipywidgets as widgets

from course_utils.labs import base


class StartedLab(base.Lab):
    """A `Lab` that does nothing until somebody presses Start; moved controls count from the next start on.

    A subclass writes, beside `steps` and `draw`, `waiting`: the frame before the first start, such as the result of
    a longer run that ships; and `share`: how far a step is. A second start ends the first run; Stop, or an interrupt
    of the kernel, leaves the last picture. `start` gives the words on the button.
    """

    def __init__(self, controls: Mapping[str, widgets.Widget], *, alt: str, start: str = "Start"):
        begin, end = "begin with the controls as they stand", "end here; what was reached stays in the picture"
        self.start_button = base.half_button(start, "play", begin, button_style="primary")
        self.stop_button = base.half_button("Stop", "stop", end, disabled=True)
        self.progress = widgets.FloatProgress(max=1.0, layout={**base.BELOW, "margin": "4px 2px 4px 82px"})
        self._started = False
        super().__init__(controls, alt=alt)
        self.start_button.on_click(lambda _: self.request())
        self.stop_button.on_click(lambda _: self.stop())

    # ---- what a lab defines ----------------------------------------------------------------------------------
    def waiting(self, **choices: Any) -> base.Frame:
        """The picture while nothing was started yet."""
        raise NotImplementedError

    def share(self, step: Any) -> float:
        """How far the work is after this step, 0 to 1."""
        raise NotImplementedError

    # ---- what a notebook uses --------------------------------------------------------------------------------
    @property
    def running(self) -> bool:
        """Whether work is going on."""
        return not self.stop_button.disabled

    def start(self) -> StartedLab:
        """Press Start from code and wait until the end; gives the lab, so that a cell can show it."""
        self._started = True
        self._to_the_end(self._begin())
        return self

    def request(self) -> None:
        """Begin anew with the controls' present values."""
        with self._lock:
            self._started = True
            super().request()

    def reset(self) -> None:
        """Every control as it was in the beginning, and the picture too; a run that goes on is ended."""
        self.stop()
        self._put_back()
        self._started = False
        self.progress.value = 0.0
        self._to_the_end(self._begin())

    # ---- how it runs -----------------------------------------------------------------------------------------
    def _changed(self, _change: dict) -> None:
        """A control that moved waits for Start; before the first start the waiting picture follows it."""
        with self._lock:
            if not self._quiet and not self._started:
                self._to_the_end(self._begin())

    def _frames(self) -> Generator[None, None, None]:
        if not self._started:
            try:
                self._show(self.waiting(**self.choices()))
            except (ValueError, TypeError) as problem:
                self.say(str(problem))
            yield
            return
        self.start_button.description, self.stop_button.disabled = "Again", False
        self.progress.value = 0.0
        try:
            yield from super()._frames()
        finally:
            self.stop_button.disabled = True

    def _drawn(self, step: Any) -> base.Frame:
        self.progress.value = min(max(float(self.share(step)), 0.0), 1.0)
        return super()._drawn(step)

    def _left(self) -> list[widgets.Widget]:
        buttons = base.beside(self.start_button, self.stop_button)
        return [*self.controls.values(), buttons, self.progress, self.reset_button]
