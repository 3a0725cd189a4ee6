"""Labs without a browser: what a lab shows and says, and how one gives it a picture. What the tests of labs share."""

import asyncio
import datetime
import html
import io
import re

import ipywidgets as widgets
import numpy as np
from PIL import Image


def pixels_of(lab) -> np.ndarray:
    """The lab's picture, [H, W, 3], as whole numbers that may be subtracted."""
    return np.asarray(Image.open(io.BytesIO(lab.image.value)), dtype=int)


def words(widget) -> str:
    """What a headline or a message says, without its HTML."""
    return html.unescape(re.sub(r"<[^>]+>", "", widget.value))


def png(pixels: np.ndarray) -> bytes:
    """A file of these pixels."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def upload_value(name: str, content: bytes):
    """What a FileUpload holds: a dict under ipywidgets 7, a tuple under 8."""
    if isinstance(widgets.FileUpload().value, dict):
        return {name: {"metadata": {"name": name}, "content": content}}
    file = {"name": name, "type": "image/png", "size": len(content), "content": memoryview(content)}
    return ({**file, "last_modified": datetime.datetime.now(datetime.timezone.utc)},)


def put(lab, content: bytes, name: str = "mine.png") -> None:
    """Give a lab a file."""
    lab.controls["upload"].set_trait("value", upload_value(name, content))


def refuses_a_broken_file(lab, another: str) -> None:
    """A file that is no picture is told, the last good picture stays, and `another` picture clears the sentence."""
    good = lab.image.value
    put(lab, b"this is no picture")
    assert lab.message.value != ""
    assert lab.image.value == good
    lab.set(picture=another)
    assert lab.message.value == ""


def play(lab, script) -> None:
    """Press Start in a running event loop, wait until the work is under way, then play a script of the test's own."""

    async def told():
        lab.start_button.click()
        while lab.progress.value == 0:
            await asyncio.sleep(0.01)
        await script()

    asyncio.run(told())
