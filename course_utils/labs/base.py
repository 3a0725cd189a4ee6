"""The base of every lab: controls beside one picture, drawn as the work goes, stopped when a control moves.

Serves all eight notebooks. A lab only wires: a method computes (a generator of steps), a figure draws.
Papers: none. The way to the screen (JPEG into one Image widget, an asyncio task) is the quickest that was measured.
"""

from __future__ import annotations

import asyncio
import html
import sys
import threading
import time
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import numpy as np

from course_utils import figures, images, runtime

_EMPTY = np.full((90, figures.WIDTH, 3), 240, dtype=np.uint8)  # before the first picture
_END = object()
SETTLE = 0.004  # seconds from a request to its first piece of work
PAUSE = 0.08  # seconds between two drawings of one run; the first, the last and what `must_be_seen` are always drawn
LEFT = "330px"  # width of the column of controls
_HEADLINE = "font-size:19px; line-height:1.4; padding:0 0 4px 0; white-space:normal"
_ALERT = (
    f"font-size:16px; line-height:1.4; padding:6px 10px; white-space:normal; color:{figures.INK};"
    f" background:#FFF4E5; border-left:5px solid {figures.VERMILLION}"
)


@dataclass(frozen=True)
class Frame:
    """What a lab shows at one moment: pixels, uint8 [H, W, 3], and one sentence (HTML) that says what they mean."""

    pixels: np.ndarray
    headline: str


class Lab:
    """Controls on the left, one picture on the right, a sentence above it and a line for what went wrong below.

    A lab says two things of its own: `steps`, a generator that works through one request and yields after each
    piece of work, and `draw`, which turns what was yielded into a `Frame`. All else happens here: a new request
    stops the old one; frames are drawn while the work goes; a bad request leaves the last good picture and says
    why; without a running event loop, and in Colab, a request simply runs to its end.

    Args:
        controls: name → widget with a `value`, in the order of the column. `steps` receives the values by name.
        alt: what the picture shows, in one sentence, for who cannot see it.
    """

    def __init__(self, controls: Mapping[str, widgets.Widget], *, alt: str):
        self.controls = dict(controls)
        self.alt = alt
        self.threads: int | None = 1  # for small networks; a lab with large ones sets None, which leaves torch's choice
        self.defaults = {name: one.value for name, one in controls.items() if isinstance(one, widgets.ValueWidget)}
        menus = {name: one for name, one in controls.items() if isinstance(one, widgets.Dropdown)}
        self._offered = {name: tuple(menu.options) for name, menu in menus.items()}  # as a request may change them
        self.headline, self.message = widgets.HTML(), widgets.HTML()
        self._pixels = _EMPTY  # what the picture shows
        self.image = widgets.Image(value=images.encode(_EMPTY), format="jpeg")
        self.reset_button = widgets.Button(description="Reset", icon="undo", layout=BELOW)
        tip(self.reset_button, "every control as it was in the beginning")
        self._run: Generator | None = None  # the request in work
        self._lock = threading.RLock()  # JupyterLab 4.4 and later bring a control's messages on a thread of their own
        self._quiet = False
        for control in self.controls.values():
            control.observe(self._changed, "value")
        self.reset_button.on_click(lambda _: self.reset())
        self.widget = self._arranged()
        self._to_the_end(self._begin())

    # ---- what a lab defines ----------------------------------------------------------------------------------
    def steps(self, **choices: Any) -> Iterator[Any]:
        """Work through one request, yielding after each piece of work whatever `draw` needs.

        A ValueError or TypeError has one sentence for the student; it is shown under the picture.
        """
        raise NotImplementedError

    def draw(self, step: Any) -> Frame:
        """Turn what `steps` yielded into a frame."""
        raise NotImplementedError

    def must_be_seen(self, step: Any) -> bool:
        """Whether a step is drawn however short ago the last one was: the end of a stage, for which somebody waits."""
        return False

    # ---- what a notebook uses --------------------------------------------------------------------------------
    def choices(self) -> dict[str, Any]:
        """The controls' values by name."""
        return {name: control.value for name, control in self.controls.items()}

    def set(self, **choices: Any) -> Lab:
        """Move controls from code and wait for the picture; gives the lab, so that a cell can show it.

        Raises:
            ValueError: no such control, or not a value of it.
        """
        for name in choices:
            if name not in self.controls:
                raise ValueError(f"this lab has no control {name!r}; it has {', '.join(self.controls)}.")
        with self.quietly():
            for name, value in choices.items():
                try:
                    self.controls[name].value = value
                except Exception as problem:  # traitlets' own error is long and names classes
                    raise ValueError(f"{value!r} is no value of the control {name!r}.") from problem
        self._to_the_end(self._begin())
        return self

    def reset(self) -> None:
        """Every control as it was in the beginning."""
        self._put_back()
        self.request()

    def _put_back(self) -> None:
        """All values as they were; the menus' options before them, or a menu could not take its old value."""
        with self.quietly():
            for name, options in self._offered.items():
                keep_choice(self.controls[name], options, self.defaults[name])
            for name, value in self.defaults.items():
                self.controls[name].value = value
        for name in self.controls.keys() - self.defaults.keys():  # made of several parts, as `own.OwnPicture`
            self.controls[name].reset()

    @contextmanager
    def quietly(self):
        """Inside, controls may be moved without a request."""
        with self._lock:
            outer, self._quiet = self._quiet, True
            try:
                yield
            finally:
                self._quiet = outer

    def stop(self) -> None:
        """End the run that goes on, if one does; the last picture stays."""
        with self._lock:
            if self._run is not None:
                self._run.close()

    def request(self) -> None:
        """Stop what is in work and start anew with the controls' present values."""
        run, loop = self._begin(), running_loop()
        if loop is None:
            self._to_the_end(run)
        else:
            self._task = loop.create_task(self._give_way(run))  # kept: a loop forgets tasks that nobody holds

    def say(self, sentence: str) -> None:
        """Show a sentence under the picture; an empty one clears the line."""
        alert = f'<div role="alert" aria-live="assertive" style="{_ALERT}">⚠ {html.escape(sentence)}</div>'
        self.message.value = alert if sentence else ""

    # ---- how a request runs ----------------------------------------------------------------------------------
    def _changed(self, _change: dict) -> None:
        with self._lock:
            if not self._quiet:
                self.request()

    def _begin(self) -> Generator:
        """Close the old request, so that whatever it holds is given back, before the next one begins."""
        with self._lock:
            self.stop()
            self._run = self._frames()
            return self._run

    def _advance(self, run: Generator) -> bool:
        """Do one piece of work; False when there is none left, or a newer request has come."""
        with self._lock, runtime.threads(self.threads):
            return run is self._run and next(run, _END) is not _END

    def _to_the_end(self, run: Generator) -> None:
        while self._advance(run):
            pass

    async def _give_way(self, run: Generator) -> None:
        await asyncio.sleep(SETTLE)  # moves that wait in line make this request old before it costs anything
        while self._advance(run):
            await asyncio.sleep(0)  # here the kernel reads its messages, and one may bring a newer request

    def _frames(self) -> Generator[None, None, None]:
        """Run one request, showing frames as it goes; whatever is raised becomes a sentence."""
        try:
            drawn, step, waiting = float("-inf"), None, False
            with closing(self.steps(**self.choices())) as steps:
                for step in steps:
                    waiting = time.monotonic() - drawn < PAUSE and not self.must_be_seen(step)
                    if not waiting:
                        self._show(self._drawn(step))
                        drawn = time.monotonic()
                    yield
            if waiting:
                self._show(self._drawn(step))
        except (ValueError, TypeError) as problem:
            self.say(str(problem))
        except Exception as problem:
            self.say(f"Something unexpected happened, {type(problem).__name__}: {problem}")
        except KeyboardInterrupt:  # the notebook's own stop, the only one while Colab works
            self.say("Stopped.")

    def _drawn(self, step: Any) -> Frame:
        return self.draw(step)

    def _show(self, frame: Frame) -> None:
        self._pixels = frame.pixels
        height, width = frame.pixels.shape[:2]
        self.image.width, self.image.height = str(width), str(height)
        self.image.value = images.encode(frame.pixels)
        self.headline.value = f'<div role="status" aria-live="polite" style="{_HEADLINE}">{frame.headline}</div>'
        self.say("")

    # ---- how it looks ----------------------------------------------------------------------------------------
    def _left(self) -> list[widgets.Widget]:
        """The column of controls."""
        return [*self.controls.values(), self.reset_button]

    def _arranged(self) -> widgets.Widget:
        self.image.layout = widgets.Layout(width="100%", max_width=f"{figures.WIDTH}px", height="auto")
        left = widgets.VBox(self._left(), layout={"width": LEFT, "min_width": LEFT, "margin": "0 16px 0 0"})
        right = widgets.VBox([self.headline, self.image, self.message])
        right.layout = widgets.Layout(flex="1 1 480px", min_width="320px", max_width=f"{figures.WIDTH}px")
        return widgets.HBox([left, right], layout=widgets.Layout(flex_flow="row wrap", width="100%"))

    def __repr__(self) -> str:
        return f"[A lab: {self.alt}]"

    def _repr_mimebundle_(self, include=None, exclude=None):
        """The live lab for who has a kernel; its present picture for who has none (a web page, a printed page)."""
        bundle, metadata = figures.Picture(self._pixels, self.alt)._repr_mimebundle_()
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        return bundle | {"text/plain": repr(self), "application/vnd.jupyter.widget-view+json": view}, metadata


# ---- controls, the same under ipywidgets 7.7 and 8 -----------------------------------------------------------------
_LOOK = {"style": {"description_width": "72px"}, "layout": {"width": "322px"}}
BELOW = {"width": "242px", "margin": "2px 2px 2px 82px"}  # the layout of what stands under the controls, not the names


def half_button(words: str, icon: str, help: str, **looks) -> widgets.Button:
    """A button of which two stand side by side, as `beside` puts them."""
    layout = widgets.Layout(width="118px", margin="2px 4px 2px 2px")
    return tip(widgets.Button(description=words, icon=icon, layout=layout, **looks), help)


def beside(*buttons: widgets.Button) -> widgets.HBox:
    """Buttons in a row, under the controls."""
    return widgets.HBox(buttons, layout=widgets.Layout(margin="2px 2px 2px 80px"))


def tip(widget: widgets.Widget, words: str) -> widgets.Widget:
    """Explain a control to who rests the pointer on it."""
    widget.set_trait("tooltip" if widget.has_trait("tooltip") else "description_tooltip", words)
    return widget


def pixel_slider(name: str, values, value, help: str) -> widgets.SelectionSlider:
    """A slider over values in 255ths, in which pixels are stored: it reads "8/255" and its value is 8.

    A pair (label, value) among the values is taken as it is.
    """
    options = [pair if isinstance(pair, tuple) else (f"{pair:g}/255", pair) for pair in values]
    return tip(widgets.SelectionSlider(options=options, value=value, description=name, **_LOOK), help)


def whole_slider(name: str, low: int, high: int, value: int, help: str) -> widgets.IntSlider:
    """A slider over whole numbers."""
    return tip(widgets.IntSlider(value=value, min=low, max=high, description=name, **_LOOK), help)


def menu(name: str, options, value, help: str) -> widgets.Dropdown:
    """A choice of one out of several; options are values, or pairs (label, value)."""
    return tip(widgets.Dropdown(options=list(options), value=value, description=name, **_LOOK), help)


def whole_number(name: str, low: int, high: int, value: int, help: str) -> widgets.BoundedIntText:
    """A whole number to type."""
    return tip(widgets.BoundedIntText(value=value, min=low, max=high, description=name, **_LOOK), help)


def switch(name: str, value: bool, help: str) -> widgets.Checkbox:
    """Yes or no."""
    return tip(widgets.Checkbox(value=value, description=name, **_LOOK), help)


def keep_choice(control: widgets.Dropdown, options, fallback) -> None:
    """Give a menu new options; what was chosen stays chosen where it is still among them."""
    options, label = tuple(options), control.label
    if options == tuple(control.options):
        return
    labels = [pair[0] if isinstance(pair, tuple) else str(pair) for pair in options]
    control.options = options  # this alone would choose the first
    if label in labels:
        control.index = labels.index(label)
    else:
        control.value = fallback


# ---- small parts -----------------------------------------------------------------------------------------------
def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that can draw while the kernel listens; None where there is none, or none that works."""
    if "google.colab" in sys.modules:  # there, what is sent after the callback has ended is lost
        return None
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
