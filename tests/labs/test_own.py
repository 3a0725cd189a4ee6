"""A picture of one's own: as a file, from an address on the web, and what is told when none comes."""

import asyncio
import threading
from http.server import ThreadingHTTPServer

import numpy as np
import pytest
import torch

from course_utils import images
from course_utils.labs import own
from course_utils.pooling import labs as pooling
from tests.seen import png, upload_value, words
from tests.test_images import Server

OTHER = png(np.full((40, 60, 3), 200, np.uint8))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture(scope="module")
def web():
    """A server on this machine: /picture.png, /web-page, /broken-off, /large, /silent, /dripping, else 404."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)  # a file of some length
    server.picture, server.done, server.sent = png(noise), threading.Event(), 0
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield server
    server.done.set()
    server.shutdown()
    server.server_close()


@pytest.fixture
def control():
    control = own.OwnPicture()
    control.changes = []
    control.observe(control.changes.append, "value")
    return control


def give(control, content, name="mine.png"):
    """Upload a file, as the browser does it: by hand, or with the camera."""
    control.file.set_trait("value", upload_value(name, content))


def test_an_address_brings_a_picture(control, web):
    control.address.value = f"  {web.url}/picture.png "
    assert torch.equal(images.to_tensor(control.value), images.to_tensor(web.picture))
    assert control.told.value == ""
    assert "picture.png" in control.address.value
    assert len(control.changes) == 1


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("{}/nothing-here.png", "127.0.0.1 answers 404, Not Found); check the address"),
        ("{}/web-page", "is a web page; use 'Copy image address'"),
        ("{}/broken-off", "cut short"),
        ("{}/large", "larger than"),
        ("{}/silent", "timed out); try again"),
        ("{}/dripping", "not finished after 0.4 seconds); try again"),
        ("{}/redirect?file:///etc/passwd", "save it with the browser"),
        ("http://127.0.0.1:9/refused.png", "Connection refused); check the address and the network"),
        ("http://no-such-host.invalid/a.png", "no such host, or no network"),
        ("http://[::1/a.png", "Invalid IPv6"),
        ("http://", "no address of a picture"),
        ("ftp://127.0.0.1/a.png", "no address of a picture"),
        ("file:///etc/passwd", "no address of a picture"),
        ("data:image/png;base64," + 900 * "A", "no address of a picture"),
        ("/etc/passwd", "no address of a picture"),
        ("a cat", "“a cat” is no address of a picture"),
    ],
)
def test_what_goes_wrong_is_told_and_the_last_picture_stays(control, web, monkeypatch, address, sentence):
    monkeypatch.setattr(own, "SECONDS", 0.4)
    monkeypatch.setattr(images, "MAX_BYTES", 200_000)
    give(control, OTHER)
    before = control.value
    control.address.value = address.format(web.url)
    assert sentence in words(control.told)
    assert len(words(control.told)) < 160
    assert control.value is before
    control.address.value = f"{web.url}/picture.png"
    assert control.told.value == ""
    assert control.value is not before


def test_a_file_takes_the_place_of_an_address_and_of_what_was_told(control, web):
    control.address.value = f"{web.url}/nothing-here.png"
    assert control.told.value != ""
    give(control, OTHER)
    assert (control.address.value, control.told.value) == ("", "")
    assert torch.equal(images.to_tensor(control.value), images.to_tensor(OTHER))
    control.address.value = f"{web.url}/picture.png"
    give(control, OTHER)
    assert len(control.changes) == 3, "the same file, chosen again after an address, was no news"


def test_what_is_brought_again_is_news(control, web):
    for _ in range(2):
        control.address.value = f"{web.url}/picture.png"
        control.reset()
    assert len(control.changes) == 2
    assert control.value, "a reset forgot the picture"
    assert control.address.value == ""


def test_a_running_kernel_goes_on_while_a_picture_is_on_its_way(control, web, monkeypatch):
    monkeypatch.setattr(own, "SECONDS", 1.0)

    async def student():
        control.address.value = f"{web.url}/silent"
        await asyncio.sleep(0.05)
        assert "looking for it" in control.told.value, "the kernel was kept waiting"
        while "looking" in control.told.value:
            await asyncio.sleep(0.02)
        assert "timed out" in words(control.told)

    asyncio.run(student())
    assert control.changes == []


def test_what_comes_too_late_is_dropped(control, web):
    async def student():
        control.address.value = f"{web.url}/picture.png"
        late = control._task
        give(control, OTHER)
        await late

    asyncio.run(student())
    assert torch.equal(images.to_tensor(control.value), images.to_tensor(OTHER))
    assert control.told.value == ""


def test_enter_on_the_same_address_asks_anew(control, web):
    async def student():
        control.address.value = f"{web.url}/picture.png"
        await control._task
        control.address._handle_custom_msg({"event": "submit"}, [])  # what the browser sends for Enter
        await asyncio.sleep(0.15)
        await control._task

    asyncio.run(student())
    assert len(control.changes) == 2


def test_in_a_lab_an_address_is_as_good_as_a_file(web):
    lab = pooling.PoolingLab()
    first = lab.image.value
    lab.controls["upload"].address.value = f"{web.url}/picture.png"
    assert lab.controls["picture"].value == own.OWN
    shown = lab.image.value
    assert shown != first
    lab.controls["upload"].address.value = f"{web.url}/nothing-here.png"
    assert (lab.image.value, lab.message.value) == (shown, "")
    lab.reset_button.click()
    assert lab.image.value == first
    assert (lab.controls["upload"].address.value, lab.controls["upload"].told.value) == ("", "")
    assert lab.set(picture=own.OWN).image.value == shown
    assert lab.set(upload=OTHER).message.value == ""
    assert lab.image.value != shown
