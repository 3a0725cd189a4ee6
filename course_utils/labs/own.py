"""A picture of the student's own: a file, an address on the web or a photograph, in one control for every lab.

Serves the labs of notebooks 1 to 3 and 6 to 8. Papers: none.
"""

from __future__ import annotations

import asyncio
import html
from typing import Any

import ipywidgets as widgets
import traitlets

from course_utils import images
from course_utils.labs import base, camera

SECONDS = 10.0  # that a picture may take to come from the web
OWN = "your own picture"  # in a lab's menu of pictures
NONE_YET = "there is no picture of your own yet; press “Upload a picture”, give an address or take a photograph."


class Brought(tuple):
    """What was brought: pictures as `images.to_tensor` reads them. Each is itself: the same one again is news."""

    __slots__ = ()
    __eq__ = object.__eq__
    __ne__ = object.__ne__
    __hash__ = object.__hash__


class OwnPicture(widgets.VBox):
    """A picture of the student's own: a file to upload, an address on the web, or a photograph from the camera.

    Its `value` is what `images.to_tensor` reads; empty until there is one. It changes when a picture has arrived, and
    only then: what went wrong on the way is told under the control, and the last picture stays.
    """

    value = traitlets.Any(())

    def __init__(self):
        self.file = widgets.FileUpload(description="Upload a picture", accept="image/*", multiple=False)
        self.file.layout = widgets.Layout(width="162px", margin="0 4px 0 0")
        base.tip(self.file, "a photograph of your own: JPEG, PNG, WebP …")
        self.address = widgets.Text(placeholder="or its address: https://…", continuous_update=False, layout=base.BELOW)
        base.tip(self.address, "of a picture on the web; press Enter, and it is fetched")
        shutter = widgets.HTML(camera.BUTTON, layout={"width": "76px", "margin": "0"})
        first = widgets.HBox([self.file, shutter], layout=base.BELOW)
        words = {"width": "242px", "height": "auto", "margin": "0 2px 0 82px"}
        self.stage, self.told = widgets.HTML(camera.STAGE, layout=words), widgets.HTML(layout=words)
        self._turn = 0  # counts what was asked for, so that what comes too late is known
        super().__init__([first, self.address, self.stage, self.told])
        self.add_class("own-picture")
        self.file.observe(self._uploaded, "value")
        self.address.observe(lambda _: self._fetch(), "value")
        self.address.on_msg(self._entered)

    def reset(self) -> None:
        """No address, no complaint; the picture itself stays at hand, as no setting of a lab."""
        self._turn += 1
        self.address.value = ""
        self._say("")
        written = self.stage.value == camera.STAGE
        self.stage.value = f"{camera.STAGE} " if written else camera.STAGE  # anew, so that it is empty

    def _say(self, sentence: str) -> None:
        alert = f'<div role="alert" style="{camera.SENTENCE}">⚠ {html.escape(sentence)}</div>'
        self.told.value = alert if sentence else ""

    # ---- a file, or a photograph -----------------------------------------------------------------------------
    def _uploaded(self, change: dict) -> None:
        if change["new"]:
            self.reset()
            self.value = Brought(images.uploads(change["new"]))

    # ---- an address ------------------------------------------------------------------------------------------
    def _entered(self, _widget: widgets.Widget, content: dict, _buffers: Any) -> None:
        """Enter on an address that stands there already; of a new one the value tells a moment later."""
        loop, turn = base.running_loop(), self._turn
        if content.get("event") == "submit" and loop is not None:
            loop.call_later(0.1, lambda: self._turn == turn and self._fetch())

    def _fetch(self) -> None:
        """Ask for the picture at the address: on a thread beside the lab, or at once where nothing runs beside."""
        self._turn += 1
        address, loop = self.address.value.strip(), base.running_loop()
        if not address:
            return
        self.told.value = "looking for it …"
        if loop is None:
            self._arrived(self._turn, address, *_brought(address))
        else:
            self._task = loop.create_task(self._fetch_beside(self._turn, address))  # kept, or it might vanish

    async def _fetch_beside(self, turn: int, address: str) -> None:
        try:
            found = await asyncio.wait_for(asyncio.to_thread(_brought, address), SECONDS + 1)
        except (TimeoutError, asyncio.TimeoutError):  # one class from Python 3.11 on; a name server is silent for long
            found = b"", f"nothing has come within {SECONDS:g} seconds; try again, or upload the picture as a file."
        self._arrived(turn, address, *found)

    def _arrived(self, turn: int, address: str, data: bytes, sentence: str) -> None:
        if turn != self._turn:  # meanwhile something else was asked for
            return
        self._say(sentence)
        if not sentence:
            self.file.set_trait("value", type(self.file.value)())  # so that the same file, chosen later, is news
            self.value = Brought([{"name": address, "content": data}])


def _brought(address: str) -> tuple[bytes, str]:
    """The picture at an address, or a sentence why there is none."""
    try:
        return images.fetch(address, seconds=SECONDS), ""
    except images.PictureError as problem:
        return b"", str(problem)
