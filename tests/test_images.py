"""Every kind of picture comes in right side up, in [0, 1]; every bad one is refused in a sentence."""

from __future__ import annotations

import datetime
import hashlib
import io
import json
import os
import struct
import threading
import warnings
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image, features
from scipy.ndimage import gaussian_filter

from course_utils import images, runtime, web
from course_utils.images import PictureError, encode, to_pixels, to_tensor

EIGHT_BIT_MODES = ["1", "L", "P", "RGB", "RGBX", "CMYK", "YCbCr", "HSV", "LA", "La", "RGBA", "RGBa", "PA"]
QUICK = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(autouse=True)
def on_the_processor(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")


def photograph(width: int = 40, height: int = 30) -> Image.Image:
    """Red grows to the right, green grows downwards, blue is constant: every turn and mix-up shows."""
    red = np.linspace(0, 255, width)[None, :].repeat(height, 0)
    green = np.linspace(0, 255, height)[:, None].repeat(width, 1)
    return Image.fromarray(np.stack([red, green, np.full_like(red, 60)], axis=2).astype(np.uint8))


def file_of(picture: Image.Image, format: str = "PNG", **options) -> bytes:
    file = io.BytesIO()
    picture.save(file, format, **options)
    return file.getvalue()


def expected(picture: Image.Image) -> torch.Tensor:
    return torch.tensor(np.asarray(picture.convert("RGB"))).permute(2, 0, 1)[None] / 255


def refused(picture, **options) -> str:
    """The sentence with which `to_tensor` refuses this picture."""
    with pytest.raises(PictureError) as error:
        to_tensor(picture, **options)
    message = str(error.value)
    assert message.endswith(".")
    assert "\n" not in message
    assert " at 0x" not in message, "no addresses of objects in a sentence for students"
    return message


# Where a picture can come from ---------------------------------------------------------------------


def test_path_bytes_image_array_and_tensor_give_the_same(tmp_path):
    picture = photograph()
    path = tmp_path / "größe 1.png"
    path.write_bytes(file_of(picture))
    array = np.asarray(picture)
    data = path.read_bytes()
    sources = [path, str(path), data, bytearray(data), memoryview(data), picture, Image.open(path)]
    sources += [
        array,
        array.transpose(2, 0, 1),
        torch.tensor(array),
        torch.tensor(array).permute(2, 0, 1) / 255,
    ]
    for source in sources:
        result = to_tensor(source)
        assert result.dtype == torch.float32
        torch.testing.assert_close(result, expected(picture), rtol=0, atol=1e-7)


def test_upload_widgets_of_ipywidgets_7_and_8():
    data = file_of(photograph())
    eight = ({"name": "a.png", "type": "image/png", "size": len(data), "content": memoryview(data)},)
    seven = {"a.png": {"metadata": {"name": "a.png"}, "content": data}}
    awkward = {"content": {"metadata": {}, "content": data}}  # a file that is called "content"
    for value in (eight, list(eight), eight[0], seven, awkward):
        assert torch.equal(to_tensor(value), to_tensor(data))
        assert torch.equal(to_tensor(SimpleNamespace(value=value)), to_tensor(data))


def test_the_real_upload_widget():
    widgets = pytest.importorskip("ipywidgets")
    assert "upload one" in refused(widgets.FileUpload())
    upload, data = widgets.FileUpload(), file_of(photograph())
    file = {"name": "a.png", "type": "image/png", "size": len(data), "content": data}
    file["last_modified"] = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
    upload.set_trait("value", {"a.png": file} if isinstance(upload.value, dict) else (file,))
    assert torch.equal(to_tensor(upload, size=16), to_tensor(data, size=16))


@pytest.mark.parametrize("nothing", [{}, (), [], SimpleNamespace(value=()), SimpleNamespace(value={})])
def test_an_upload_with_nothing_in_it_is_told(nothing):
    assert "upload one" in refused(nothing)


def test_several_pictures_make_a_batch_when_their_sizes_agree():
    wide, tall = photograph(40, 30), photograph(30, 40)
    assert to_tensor([wide, file_of(wide)]).shape == (2, 3, 30, 40)
    assert to_tensor([wide, tall], size=20).shape == (2, 3, 20, 20)
    assert "size=224" in refused([wide, tall])


@pytest.mark.parametrize("thing", [None, 5, 2.5, object(), [1, 2], [[0.5]], {1: 2}, {"name": "a"}, np.float32(1)])
def test_what_is_no_picture_at_all_is_a_type_error(thing):
    with pytest.raises(TypeError, match="a picture is a path"):
        to_tensor(thing)


# Every mode ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", EIGHT_BIT_MODES)
def test_every_eight_bit_mode_of_pillow(mode):
    via = {"La": "LA", "PA": "P"}.get(mode)
    picture = photograph().convert(via).convert(mode) if via else photograph().convert(mode)
    back = picture.convert("LA") if mode == "La" else picture
    result = to_tensor(picture)
    assert result.shape == (1, 3, 30, 40)
    torch.testing.assert_close(result, expected(back), rtol=0, atol=1e-6)


def test_lab_comes_close_to_its_colours():
    assert to_tensor(Image.new("LAB", (4, 4), (255, 128, 128))).shape == (1, 3, 4, 4)


@pytest.mark.parametrize("mode", ["I", "I;16", "I;16B", "I;16L"])
def test_sixteen_bits_keep_their_precision(mode):
    picture = Image.new(mode, (3, 2), 12_345)
    torch.testing.assert_close(to_tensor(picture), torch.full((1, 3, 2, 3), 12_345 / 65_535))


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_files(format):
    array = np.arange(0, 60_000, 1000, dtype=np.uint16).reshape(6, 10)
    result = to_tensor(file_of(Image.fromarray(array), format))
    want = torch.tensor(array.astype(np.float32) / 65_535).expand(1, 3, 6, 10)
    torch.testing.assert_close(result, want)


def test_pixels_of_32_bits_that_mean_something_else_are_refused():
    assert "16 bits" in refused(Image.new("I", (2, 2), 70_000))
    assert "16 bits" in refused(Image.new("I", (2, 2), -1))
    assert "divide by 255" in refused(Image.new("F", (2, 2), 200.0))
    torch.testing.assert_close(to_tensor(Image.new("F", (2, 2), 0.25)), torch.full((1, 3, 2, 2), 0.25))


def test_transparent_parts_lie_over_white():
    half = Image.new("RGBA", (2, 1), (255, 0, 0, 0))
    half.putpixel((1, 0), (0, 0, 0, 51))
    want = torch.tensor([[1.0, 0.8]]).expand(1, 3, 1, 2)
    for source in (half, file_of(half), np.asarray(half), torch.tensor(np.asarray(half)).permute(2, 0, 1)):
        torch.testing.assert_close(to_tensor(source), want)
    palette = Image.new("P", (2, 1), 0)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.putpixel((1, 0), 1)
    result = to_tensor(file_of(palette, "GIF", transparency=0))
    torch.testing.assert_close(result[0, :, 0].T, torch.tensor([[1, 1, 1], [10 / 255, 20 / 255, 30 / 255]]))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF"])
def test_exif_rotation_is_undone(orientation, format):
    T = Image.Transpose
    store = [None, T.FLIP_LEFT_RIGHT, T.ROTATE_180, T.FLIP_TOP_BOTTOM]
    store += [T.TRANSPOSE, T.ROTATE_90, T.TRANSVERSE, T.ROTATE_270]
    upright = photograph(48, 32)
    how = store[orientation - 1]
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = file_of(upright if how is None else upright.transpose(how), format, exif=exif)
    torch.testing.assert_close(to_tensor(data), expected(upright), rtol=0, atol=0.06)  # JPEG loses a little


def test_broken_exif_data_does_not_spoil_the_picture():
    data = file_of(photograph(), "JPEG", exif=b"Exif\0\0MM\0*" + b"\xff" * 40)
    assert to_tensor(data).shape == (1, 3, 30, 40)


@pytest.mark.parametrize("format", ["GIF", "PNG", "TIFF", "WEBP"])
def test_an_animation_gives_its_first_frame(format):
    if format == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if format == "WEBP" else {}
    data = file_of(frames[0], format, save_all=True, append_images=frames[1:], **options)
    assert Image.open(io.BytesIO(data)).n_frames == 3
    torch.testing.assert_close(to_tensor(data), expected(frames[0]))


def test_cmyk_jpegs_read():
    data = file_of(photograph().convert("CMYK"), "JPEG", quality=95)
    torch.testing.assert_close(to_tensor(data), expected(photograph()), rtol=0, atol=0.06)


def test_the_picture_given_stays_as_it_was():
    picture = photograph()
    picture.getexif()[0x0112] = 6
    tensor = torch.rand(1, 3, 4, 4, requires_grad=True)
    array = np.random.default_rng(0).random((4, 4, 3), dtype=np.float32)
    before = picture.tobytes(), tensor.detach().clone(), array.copy()
    assert to_tensor(picture).shape == (1, 3, 40, 30)
    for source in (tensor, array):
        result = to_tensor(source)
        assert not result.requires_grad
        result.zero_()
    assert picture.size == (40, 30)
    assert picture.tobytes() == before[0]
    assert torch.equal(tensor, before[1])
    assert np.array_equal(array, before[2])


# Arrays and tensors --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "of_array", "of_tensor"),
    [
        ((7, 5), (1, 3, 7, 5), (1, 3, 7, 5)),
        ((7, 5, 3), (1, 3, 7, 5), (1, 3, 7, 5)),
        ((7, 5, 1), (1, 3, 7, 5), (1, 3, 7, 5)),
        ((7, 5, 4), (1, 3, 7, 5), (1, 3, 7, 5)),
        ((3, 7, 5), (1, 3, 7, 5), (1, 3, 7, 5)),
        ((1, 7, 5), (1, 3, 7, 5), (1, 3, 7, 5)),
        ((2, 3, 7, 5), (2, 3, 7, 5), (2, 3, 7, 5)),
        ((2, 7, 5, 3), (2, 3, 7, 5), (2, 3, 7, 5)),
        ((2, 1, 7, 5), (2, 3, 7, 5), (2, 3, 7, 5)),
        ((3, 7, 3), (1, 3, 3, 7), (1, 3, 7, 3)),  # both could be: the habit of numpy, the habit of torch
        ((1, 1, 3), (1, 3, 1, 1), (1, 3, 1, 3)),
    ],
)
def test_channels_are_found_by_the_documented_rule(shape, of_array, of_tensor):
    assert to_tensor(np.zeros(shape, np.uint8)).shape == of_array
    assert to_tensor(torch.zeros(shape)).shape == of_tensor


@pytest.mark.parametrize("shape", [(), (7,), (7, 5, 2), (2, 7, 5), (2, 5, 7, 5), (1, 2, 3, 4, 5)])
def test_other_shapes_are_refused(shape):
    assert "[H, W, 3]" in refused(np.ones(shape))
    assert str(list(shape)) in refused(torch.ones(shape))


@pytest.mark.parametrize("shape", [(0,), (0, 5), (5, 0, 3), (0, 3, 5, 5), (3, 0, 0)])
def test_pictures_without_pixels_are_refused(shape):
    assert "no pixels" in refused(np.zeros(shape))
    assert "no pixels" in refused(torch.zeros(shape))
    assert "no pixels" in refused(Image.new("RGB", (0, 5)))


def test_numbers_are_scaled_by_their_type():
    half = {np.uint8: 51 / 255, np.uint16: 51 / 65_535, np.dtype(">u2"): 51 / 65_535, bool: 1.0}
    for kind, value in half.items():
        torch.testing.assert_close(to_tensor(np.full((2, 2), 51).astype(kind)), torch.full((1, 3, 2, 2), value))
    for kind in (np.float16, np.float32, np.float64, ">f4"):
        torch.testing.assert_close(to_tensor(np.full((2, 2), 0.5, kind)), torch.full((1, 3, 2, 2), 0.5))
    assert torch.equal(to_tensor(torch.ones(2, 2, dtype=torch.bfloat16)), torch.ones(1, 3, 2, 2))


@pytest.mark.parametrize("kind", ["int32", "int64", "uint32", "int8", "complex64", "U3", "O", "longdouble"])
def test_numbers_of_no_known_range_are_refused(kind):
    if np.dtype(kind) == np.float64:
        pytest.skip("longdouble is float64 on this machine")
    with pytest.raises(TypeError, match="no type for pixels; use uint8"):
        to_tensor(np.ones((4, 4)).astype(kind))


def test_floats_outside_the_range_are_refused_with_what_to_do():
    assert "divide by 255" in refused(np.full((2, 2), 255.0))
    assert "undo the normalisation" in refused(torch.tensor([[-2.1, 2.6]]))
    assert "nan_to_num" in refused(np.array([[0.5, np.nan]]))
    assert "nan_to_num" in refused(torch.tensor([[0.5, float("inf")]]))
    barely = torch.tensor([[-1e-7, 1 + 1e-6]])
    assert torch.equal(to_tensor(barely)[0, 0], torch.tensor([[0.0, 1.0]]))


def test_strange_memory_layouts_are_read_right():
    array = np.asarray(photograph())
    for view in (
        array[::-1, ::-2],
        array[:, :, ::-1],
        np.asfortranarray(array),
        np.broadcast_to(array[0], array.shape),
    ):
        assert torch.equal(to_tensor(view), to_tensor(view.copy()))


# Size ----------------------------------------------------------------------------------------------


def test_size_cuts_the_middle_square_and_resizes():
    array = np.zeros((10, 30, 3), np.uint8)
    array[:, 10:20] = 255  # the middle square is white
    for picture in (array, array.transpose(1, 0, 2)):
        for size in (1, 4, 10, 33):
            torch.testing.assert_close(to_tensor(picture, size=size), torch.ones(1, 3, size, size))


def test_resizing_is_antialiased():
    stripes = np.zeros((64, 64), np.uint8)
    stripes[:, ::2] = 255
    result = to_tensor(stripes, size=16)
    torch.testing.assert_close(result[..., 2:-2], torch.full((1, 3, 16, 12), 0.5), rtol=0, atol=0.02)


def test_resizing_agrees_with_pillow():
    picture = photograph(90, 90)
    want = expected(picture.resize((32, 32), Image.Resampling.BILINEAR))
    torch.testing.assert_close(to_tensor(picture, size=32), want, rtol=0, atol=1.01 / 255)


@pytest.mark.parametrize("size", [0, -1, 10_000, True, 2.5, "224", (224, 224)])
def test_a_bad_size_is_told(size):
    with pytest.raises(ValueError, match="size=224"):
        to_tensor(photograph(), size=size)


def test_an_unknown_device_is_told():
    with pytest.raises(ValueError, match="no device called"):
        to_tensor(photograph(), device="toaster")


# Files that are missing, broken, too large, or something else --------------------------------------


def test_files_that_cannot_be_read(tmp_path):
    assert "no such file" in refused(tmp_path / "missing.png")
    assert "folder" in refused(tmp_path)
    assert "folder" in refused("")
    assert "cannot be read" in refused("a\0b.png")
    assert len(refused("x" * 5000)) < 400
    assert "cannot be read" in refused("~nobody-of-this-name/cat.png")
    if Path(os.devnull).exists():
        assert "no such file" in refused(os.devnull)


def test_files_that_hold_no_picture():
    assert "empty" in refused(b"")
    assert "web page" in refused(b"\n<!DOCTYPE html><html><body>Not here</body></html>")
    assert "SVG" in refused(b'<svg xmlns="x"></svg>')
    assert "HEIC" in refused(b"\0\0\0\x18ftypheic\0\0\0\0")
    assert "is no picture" in refused(b"just some words")
    assert "is no picture" in refused(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert "the upload a.png is empty" in refused(({"name": "a.png", "content": b""},))


@pytest.mark.parametrize("format", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP"])
def test_files_cut_short_are_refused(format):
    if format == "WEBP" and not features.check("webp"):
        pytest.skip("this Pillow has no WebP")
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8))
    data = file_of(noise, format)
    for part in (0.3, 0.7):
        assert "save" in refused(data[: int(len(data) * part)])
    with pytest.raises(PictureError, match="cut short"):
        to_tensor(Image.open(io.BytesIO(file_of(noise, "PNG")[:2000])))


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


@pytest.mark.parametrize("side", [8001, 9_500, 14_000, 100_000])
def test_decompression_bombs_are_refused_before_unpacking(side, monkeypatch):
    monkeypatch.setattr(Image.Image, "load", lambda picture: pytest.fail("it was unpacked"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert "64,000,000 pixels" in refused(png_that_claims(side, side))


def test_bombs_in_arrays_and_images_are_refused(monkeypatch):
    assert "pixels" in refused(torch.zeros(1, 1, 1).expand(3, 9000, 9000))
    monkeypatch.setattr(images, "MAX_PIXELS", 99)
    assert "10×10" in refused(Image.new("L", (10, 10)))
    assert to_tensor(Image.new("L", (9, 11))).shape == (1, 3, 11, 9)


def test_large_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 1000)
    path = tmp_path / "large.png"
    path.write_bytes(bytes(1001))
    assert "larger than" in refused(path)
    assert "larger than" in refused(path.read_bytes())
    path.write_bytes(bytes(1000))
    assert "is no picture" in refused(path)


@QUICK
@given(st.binary(max_size=300))
def test_any_bytes_give_a_picture_error(data):
    with pytest.raises(PictureError):
        to_tensor(data)


SEEDS = [file_of(photograph(), format) for format in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "PPM")]
SEEDS += [file_of(photograph(), "WEBP")] if features.check("webp") else []


@settings(QUICK, max_examples=100)
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.floats(0, 0.999), st.integers(0, 255)), min_size=1, max_size=8),
)
def test_damaged_files_are_read_or_refused_and_nothing_else(data, damage):
    damaged = bytearray(data)
    for where, value in damage:
        damaged[int(where * len(damaged))] = value
    try:
        result = to_tensor(bytes(damaged), size=8)
    except PictureError:
        return
    assert 0 <= result.min() <= result.max() <= 1


# Addresses -----------------------------------------------------------------------------------------


class Server(BaseHTTPRequestHandler):
    """/picture.png, /web-page, /redirect?where, /large, /silent, /dripping, /broken-off; else 404."""

    def do_GET(self):
        path, _, where = self.path.partition("?")
        if path == "/redirect":
            self.send_response(302)
            self.send_header("Location", where)
            self.end_headers()
            return
        pages = {
            "/picture.png": self.server.picture,
            "/gr%C3%B6%C3%9Fe%201.png": self.server.picture,
            "/web-page": b"<html><body>Please log in</body></html>",
            "/broken-off": self.server.picture[:1500],
            "/large": b"",
            "/silent": b"",
            "/dripping": b"",
        }
        if path not in pages:
            self.send_error(404)
            return
        if path == "/silent":
            self.server.done.wait(5)
        self.send_response(200)
        if path == "/broken-off":
            self.send_header("Content-Length", str(len(self.server.picture)))
        self.end_headers()
        self.wfile.write(pages[path])
        while path in ("/large", "/dripping") and not self.server.done.is_set():
            try:
                self.wfile.write(bytes(65_536 if path == "/large" else 1))
                self.server.sent += 65_536
            except OSError:
                return
            self.server.done.wait(0 if path == "/large" else 0.02)

    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def server():
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    server.picture, server.done, server.sent = file_of(Image.fromarray(noise)), threading.Event(), 0
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    yield server
    server.done.set()
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def test_a_picture_comes_over_http(server):
    want = to_tensor(server.picture)
    assert torch.equal(to_tensor(f"{server.url}/picture.png"), want)
    assert torch.equal(to_tensor(f"{server.url}/größe 1.png"), want)
    assert torch.equal(to_tensor(f"{server.url}/redirect?{server.url}/picture.png"), want)
    assert torch.equal(to_tensor(f"HTTP{server.url[4:]}/redirect?/picture.png"), want)


def test_what_goes_wrong_on_the_web_is_told(server):
    assert "404" in refused(f"{server.url}/nothing-here")
    assert "web page" in refused(f"{server.url}/web-page")
    assert "cut short" in refused(f"{server.url}/broken-off")
    assert "cannot be read" in refused("http://127.0.0.1:9/refused.png")
    assert "cannot be read" in refused("http://no-such-host.invalid/picture.png")
    assert "cannot be read" in refused("http://")
    assert "cannot be read" in refused("http://[::1/picture.png")
    assert "cannot be read" in refused("http://127.0.0.1:port/picture.png")


@pytest.mark.parametrize("where", ["file:///etc/passwd", "ftp://127.0.0.1/a.png", "data:image/png,a", "FILE:/etc"])
def test_only_http_is_followed(server, where):
    assert "http" in refused(where)
    assert "cannot be read" in refused(f"{server.url}/redirect?{where}")


def test_endless_redirects_end(server):
    assert "redirect" in refused(f"{server.url}/redirect?/redirect")


def test_a_large_download_is_stopped_early(server, monkeypatch):
    monkeypatch.setattr(images, "MAX_BYTES", 200_000)
    before = server.sent
    assert "larger than" in refused(f"{server.url}/large")
    assert server.sent - before < 20_000_000  # what fits into the buffers of the sockets


def test_a_silent_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(web, "TIMEOUT", 0.2)
    assert "timed out" in refused(f"{server.url}/silent")


def test_a_dripping_server_is_given_up(server, monkeypatch):
    monkeypatch.setattr(web, "DEADLINE", 0.3)
    assert "not finished" in refused(f"{server.url}/dripping")


# And back ------------------------------------------------------------------------------------------


@QUICK
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 3), st.integers(5, 9), st.integers(5, 9), st.just(3))))
def test_pixels_to_tensor_and_back_lose_nothing(pixels):
    assert np.array_equal(to_pixels(to_tensor(pixels)), pixels)
    assert np.array_equal(to_pixels(to_tensor(pixels)[0]), pixels[0])


@QUICK
@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))))
def test_png_bytes_lose_nothing(pixels):
    assert np.array_equal(to_pixels(to_tensor(file_of(Image.fromarray(pixels))))[0], pixels)


@QUICK
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(["L", "RGB", "RGBA", "CMYK", "P"]),
)
def test_any_picture_at_any_size_lies_in_the_range(width, height, size, mode):
    result = to_tensor(photograph(width, height).convert(mode), size=size)
    assert result.shape == (1, 3, size, size)
    assert 0 <= result.min() <= result.max() <= 1


def test_all_256_values_of_a_pixel_survive():
    values = torch.arange(256) / 255
    assert to_pixels(values.expand(3, 1, 256))[0, :, 0].tolist() == list(range(256))


def test_to_pixels_rounds_and_clamps():
    tensor = torch.tensor([-3.0, 0.0, 0.5019, 1.0, 7.0, float("inf")]).expand(3, 1, 6)
    assert to_pixels(tensor)[0, :, 0].tolist() == [0, 0, 128, 255, 255, 255]
    assert to_pixels(tensor.half()).dtype == np.uint8
    assert to_pixels(torch.zeros(2, 1, 4, 5)).shape == (2, 4, 5, 3)
    assert to_pixels(torch.zeros(0, 3, 4, 5)).shape == (0, 4, 5, 3)


def test_to_pixels_refuses_what_it_cannot_show():
    for thing in (torch.zeros(3, 4, 4, dtype=torch.uint8), np.zeros((3, 4, 4)), None):
        with pytest.raises(TypeError, match="use to_tensor first"):
            to_pixels(thing)
    for shape in [(4, 4), (4, 4, 3), (1, 1, 3, 4, 4), ()]:
        with pytest.raises(PictureError, match="reorder"):
            to_pixels(torch.zeros(shape))
    with pytest.raises(PictureError, match="NaN"):
        to_pixels(torch.full((3, 4, 4), float("nan")))


def test_blur_is_scipy_s_gaussian_and_leaves_what_is_flat():
    flat = torch.full((1, 3, 20, 20), 0.3)
    torch.testing.assert_close(images.blur(flat, 1.5), flat)
    assert images.blur(flat, 0) is flat
    x = torch.rand(2, 3, 24, 20, generator=runtime.generator(0))
    theirs = gaussian_filter(x.numpy(), 2.0, axes=(2, 3), mode="nearest", radius=6)
    np.testing.assert_allclose(images.blur(x, 2.0).numpy(), theirs, atol=1e-6)


def test_encode_makes_a_jpeg_that_is_near_the_pixels():
    pixels = np.asarray(photograph(64, 48))
    picture = Image.open(io.BytesIO(encode(pixels)))
    assert (picture.format, picture.size, picture.mode) == ("JPEG", (64, 48), "RGB")
    near = to_pixels(to_tensor(encode(pixels)))[0]
    assert np.abs(near.astype(int) - pixels).mean() < 3
    assert encode(pixels[::-1, ::2]) == encode(pixels[::-1, ::2].copy())


def test_encode_refuses_what_is_not_pixels():
    for thing in (np.zeros((4, 4, 3)), torch.zeros(4, 4, 3), None):
        with pytest.raises(TypeError, match="to_pixels"):
            encode(thing)
    for shape in [(4, 4), (4, 4, 4), (2, 4, 4, 3), (0, 4, 3), (70_000, 1, 3), ()]:
        with pytest.raises(PictureError, match="one picture"):
            encode(np.zeros(shape, np.uint8))


def test_crop_is_torchvisions_evaluation_crop():
    from torchvision.transforms import functional

    picture = torch.rand(1, 3, 300, 300, generator=runtime.generator(3))
    theirs = functional.center_crop(functional.resize(picture, 256, antialias=True), 224)
    torch.testing.assert_close(to_tensor(picture, size=224, crop=0.875, device="cpu"), theirs, rtol=0, atol=1e-5)
    assert torch.equal(to_tensor(picture, size=224, crop=1.0), to_tensor(picture, size=224))


@pytest.mark.parametrize(("crop", "size"), [(0.0, 224), (1.1, 224), (float("nan"), 224), (0.9, None)])
def test_a_crop_that_cannot_be_is_refused(crop, size):
    with pytest.raises(ValueError, match="crop is a share"):
        to_tensor(torch.zeros(3, 8, 8), size=size, crop=crop)


def test_a_photograph_is_called_by_its_name_and_a_thin_checkout_says_how_to_make_it(tmp_path, monkeypatch):
    assert set(images.PHOTOGRAPHS) == {path.stem for path in (runtime.DATA / "pictures").glob("*.jpg")}
    with pytest.raises(PictureError, match=r"no photograph called 'dog'; choose one of cat, "):
        images.photograph("dog")
    monkeypatch.setattr(runtime, "DATA", tmp_path)
    with pytest.raises(PictureError, match=r"cat\.jpg does not lie in data/pictures; `python scripts/photographs\.py`"):
        images.photograph("cat")


def test_real_photographs_read():
    folder = Path(os.environ.get("COURSE_REFERENCE", "")) / "photographs"
    if not os.environ.get("COURSE_REFERENCE"):
        pytest.skip("COURSE_REFERENCE is not set: no folder of reference photographs")
    paths = sorted(folder.glob("*.jpg"))
    if not paths:
        pytest.skip(f"no photographs/*.jpg in {folder.parent}")
    result = to_tensor(paths, size=224)
    assert result.shape == (len(paths), 3, 224, 224)
    assert (result.std(dim=(1, 2, 3)) > 0.05).all(), "a photograph came in as one colour"


@pytest.mark.parametrize("path", sorted((runtime.DATA / "pictures").glob("*.jpg")), ids=lambda path: path.stem)
def test_a_picture_that_ships_reads_and_has_its_origin_and_licence(path):
    origin = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    assert {"shows", "origin", "licence"} <= origin.keys()
    assert hashlib.sha256(path.read_bytes()).hexdigest() == origin["sha256"]
    assert images.to_tensor(path, size=64, device="cpu").shape == (1, 3, 64, 64)
