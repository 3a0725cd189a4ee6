"""Pictures of any kind to tensors, and tensors back to pixels and to the bytes that a browser shows.

Serves all eight notebooks; a student's own photograph comes into every lab through `to_tensor`.
Papers: alpha is composited as in Porter and Duff (1984).
"""

from __future__ import annotations

import io
import math
import os
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch.nn import functional as F

from course_utils import runtime, web

MAX_BYTES = 32 * 2**20  # of a file, an upload or a download
MAX_PIXELS = 64_000_000  # width × height of one picture; telephones make 12 to 50 million
ROUNDING = 1e-6  # what blending and resizing may take a pixel beyond 0 and 1; who only looks need not mind
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "AVIF", "BMP", "TIFF", "PPM")  # none of them starts a program (as EPS)

PHOTOGRAPHS = (  # the pictures that ship, in data/pictures/
    "cat",
    "espresso",
    "cat-and-espresso",
    "camera",
    "hopper",
    "palace",
    "rocket",
    "flower",
    "astronaut",
    "stop",
)

_ADDRESS = re.compile(r"[a-z][\w+.-]+://|(file|data):", re.IGNORECASE)  # and C:\ is a path
_MISTAKES = {  # how files begin that are often given by mistake
    rb"\s*<(!doctype\s+html|html|head|body)": "is a web page; use 'Copy image address' on the picture.",
    rb"\s*<(\?xml|svg)": "is a drawing of lines (SVG); export it as PNG.",
    rb"....ftyphe[iv]": "is in Apple's HEIC format; export it as JPEG.",
}


class PictureError(ValueError):
    """A picture that cannot be used; the message is one sentence that says why and what to do."""


def to_tensor(
    picture: Any, *, size: int | None = None, crop: float = 1.0, device: str | torch.device | None = None
) -> torch.Tensor:
    """Read any picture as numbers that a network understands.

    The channels of an array or tensor are found by its shape: of [a, b, c] or [N, a, b, c], the axis a or c
    that is 1 (grey), 3 (RGB) or 4 (RGBA) long; if both are, a tensor is [C, H, W] and an array [H, W, C].

    Args:
        picture: path; http(s) address; bytes of a file; `FileUpload` widget or its value; PIL image; numpy
            array or tensor (uint8, uint16, bool, or floats in [0, 1]; [H, W] is grey); or a list of these.
            Animations give their first frame, EXIF rotation is undone, transparent parts lie over white.
        size: cut out the middle square, resize it to size × size (bilinear, antialiased); None: as it is.
        crop: keep this share of the square's side only, in (0, 1]; networks of torchvision are measured at 0.875
            (resized to 256, then cut to 224).
        device: where the result lies; None takes the best device of this machine.

    Returns:
        Float32 [N, 3, H, W] in [0, 1], in memory of its own.

    Raises:
        PictureError: missing, broken, empty, over `MAX_BYTES` or `MAX_PIXELS`, values out of range.
        TypeError: not a picture at all.

    >>> grey = np.full((48, 64), 255, dtype=np.uint8)
    >>> to_tensor(grey, size=32, device="cpu").shape
    torch.Size([1, 3, 32, 32])
    """
    if size is not None and (type(size) is not int or not 1 <= size <= 8000):
        raise ValueError(f"size is a whole number of pixels, 1 to 8000, not {size!r}; try size=224.")
    if not 0 < crop <= 1 or (size is None and crop != 1):
        raise ValueError(f"crop is a share in (0, 1] of the square that size= asks for; got {crop!r}, size={size!r}.")
    where, pictures = runtime.device(device), uploads(picture)
    if not pictures:
        raise PictureError("there is no picture yet; upload one first.")
    batches = [_prepare(one, size, crop).to(where) for one in pictures]
    if len({batch.shape[1:] for batch in batches}) > 1:
        raise PictureError("pictures of different sizes make no batch; give them one, as size=224.")
    return torch.cat(batches)  # also copies a single one


def photograph(
    name: str, *, size: int | None = None, crop: float = 1.0, device: str | torch.device | None = None
) -> torch.Tensor:
    """One of the pictures that ship: eight free photographs, a collage of two of them, and a drawn STOP sign.

    Args:
        name: one of `PHOTOGRAPHS`; origin and licence stand in its card, data/pictures/NAME.json.
        size, crop, device: as in `to_tensor`.

    Returns:
        Float32 [1, 3, H, W] in [0, 1].

    Raises:
        PictureError: no such photograph, or its file is not there.

    >>> photograph("cat", size=224, device="cpu").shape
    torch.Size([1, 3, 224, 224])
    """
    if name not in PHOTOGRAPHS:
        raise PictureError(f"there is no photograph called {name!r}; choose one of {', '.join(PHOTOGRAPHS)}.")
    path = runtime.DATA / "pictures" / f"{name}.jpg"
    if not path.is_file():
        raise PictureError(f"{path.name} does not lie in data/pictures; `python scripts/photographs.py` makes it.")
    return to_tensor(path, size=size, crop=crop, device=device)


def fetch(address: str, *, seconds: float = 60.0) -> bytes:
    """Bring a picture from the web, and make sure that it is one: the bytes of the file, as `to_tensor` reads them.

    Args:
        address: begins with http:// or https://.
        seconds: for all of it, as for `web.read`.

    Raises:
        PictureError: not an address, no network, no such host or file, too slow, too large, not a picture.
    """
    if not re.match(r"https?://[^/\s]", address, re.IGNORECASE):
        begins = address if len(address) <= 30 else f"{address[:30]}…"
        advice = "one begins with https://, as 'Copy image address' copies it"
        raise PictureError(f"“{begins}” is no address of a picture; {advice}.")
    with _readable("the picture"):
        data = web.read(address, most=MAX_BYTES, seconds=seconds)
    _decode(data, "what stands at this address")
    return data


def check_range(images: torch.Tensor, *, rounding: float = 0.0) -> None:
    """Refuse pictures, floats of any shape, that hold NaN or leave [0, 1] by more than `rounding`, as 0 to 255 do."""
    if images.isnan().any():
        raise ValueError("images holds NaN; every pixel must be a number in [0, 1], so look where they were computed.")
    low, high = images.min().item(), images.max().item()
    if low < -rounding or high > 1 + rounding:
        raise ValueError(
            f"pixels must lie in [0, 1]; got {low:.4g} to {high:.4g}, so divide by 255 what runs to 255, and "
            "do not normalise (the networks do it inside)."
        )


def to_pixels(tensor: torch.Tensor) -> np.ndarray:
    """Turn float pictures back into pixels that can be shown: clamped to [0, 1], times 255, rounded.

    Args:
        tensor: floats [N, 3, H, W] or [3, H, W], on any device; 1 in place of 3 is grey.

    Returns:
        uint8 array [N, H, W, 3], or [H, W, 3] for a single picture.

    Raises:
        PictureError: another shape, or NaN in it.

    >>> to_pixels(torch.full((3, 1, 1), 0.2))
    array([[[51, 51, 51]]], dtype=uint8)
    """
    if not isinstance(tensor, torch.Tensor) or not tensor.is_floating_point():
        raise TypeError("to_pixels takes a tensor of floats and got something else; use to_tensor first.")
    if tensor.ndim not in (3, 4) or tensor.shape[-3] not in (1, 3):
        raise PictureError(f"pictures are [N, 3, H, W] or [3, H, W], not {list(tensor.shape)}; reorder it.")
    pixels = tensor.detach().float()
    if pixels.isnan().any():
        raise PictureError("the picture holds NaN; find the step that made it (0/0, log 0, a huge step).")
    pixels = pixels.clamp(0, 1).mul(255).round().to(torch.uint8).movedim(-3, -1)  # [..., H, W, C]
    return pixels.expand(*pixels.shape[:-1], 3).contiguous().cpu().numpy()


def blur(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """Pictures seen out of focus: a Gaussian over three standard deviations; beyond the edge the last pixels go on.

    Args:
        images: float [N, C, H, W].
        sigma: the standard deviation, in pixels; 0 changes nothing.

    >>> blur(torch.eye(5)[None, None], 1.0)[0, 0, 2, 2].item()
    0.283
    """
    if sigma == 0:
        return images
    reach = max(1, math.ceil(3 * sigma))
    places = torch.arange(-reach, reach + 1, dtype=images.dtype, device=images.device)
    bell = torch.exp(-0.5 * (places / sigma) ** 2)
    bell = bell / bell.sum()
    planes = F.pad(images, (reach,) * 4, mode="replicate").flatten(0, 1)[:, None]  # [N·C, 1, …]
    planes = F.conv2d(F.conv2d(planes, bell.view(1, 1, 1, -1)), bell.view(1, 1, -1, 1))
    return planes[:, 0].view_as(images)


def encode(pixels: np.ndarray) -> bytes:
    """Compress pixels to a JPEG of quality 88 for an `ipywidgets.Image`, fast enough to follow a slider.

    Args:
        pixels: uint8 [H, W, 3] in 0…255, each side 1 to 65,500 long.

    Raises:
        PictureError: another shape.
    """
    if not isinstance(pixels, np.ndarray) or pixels.dtype != np.uint8:
        raise TypeError("encode takes a numpy array of uint8 and got something else; use to_pixels first.")
    if pixels.shape[2:] != (3,) or not 0 < min(pixels.shape) <= max(pixels.shape) <= 65_500:
        raise PictureError(f"encode takes one picture [H, W, 3], not {list(pixels.shape)}; choose one.")
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "jpeg", quality=88)
    return file.getvalue()


def _prepare(picture: Any, size: int | None, crop: float) -> torch.Tensor:
    """One picture (or one batch in an array) of any kind to float [N, 3, H, W]."""
    pixels = _channels_first(*_numbers(picture))  # [N, C, H, W]
    if size is not None:  # cut before anything is computed: a large photograph then costs less memory
        height, width, edge = *pixels.shape[2:], min(pixels.shape[2:])
        pixels = pixels.narrow(2, (height - edge) // 2, edge).narrow(3, (width - edge) // 2, edge)
    pixels = _unit_range(pixels)
    if pixels.shape[1] == 4:
        colour, alpha = pixels.split((3, 1), dim=1)
        pixels = colour * alpha + (1 - alpha)  # over white
    if size is not None:
        large = round(size / crop)
        if edge != large:
            pixels = F.interpolate(pixels, size=(large, large), mode="bilinear", antialias=True)
        pixels = pixels[:, :, (large - size) // 2 :, (large - size) // 2 :][:, :, :size, :size]
    return pixels.expand(-1, 3, -1, -1).clamp(0, 1)  # [N, 3, H, W]


def _numbers(picture: Any) -> tuple[torch.Tensor, bool]:
    """The numbers of a picture as they are, and whether an unclear shape means channels first."""
    if isinstance(picture, torch.Tensor):
        return picture.detach(), True
    if isinstance(picture, Image.Image):
        picture = _values(picture, "the picture")
    elif not isinstance(picture, np.ndarray):
        picture = _decode(*_read(picture))
    try:
        return torch.tensor(picture.astype(picture.dtype.newbyteorder("="), order="C")), False
    except (TypeError, ValueError):
        raise TypeError(f"{picture.dtype} is no type for pixels; use uint8 (0…255) or float32.") from None


def _channels_first(pixels: torch.Tensor, unclear_is_first: bool) -> torch.Tensor:
    """Any layout to [N, C, H, W], by the rule told in `to_tensor`."""
    shape = list(pixels.shape)
    if pixels.numel() == 0:
        raise PictureError(f"a picture of shape {shape} holds no pixels; check the slice that made it.")
    if pixels.ndim in (2, 3):
        pixels = pixels[None, :, :, None] if pixels.ndim == 2 else pixels[None]
    first, last = (pixels.ndim == 4 and pixels.shape[axis] in (1, 3, 4) for axis in (1, 3))
    if not (first or last):
        raise PictureError(f"a picture is [H, W], [3, H, W] or [H, W, 3], not {shape}; reorder its axes.")
    if last and (len(shape) == 2 or not (first and unclear_is_first)):
        pixels = pixels.permute(0, 3, 1, 2)
    _check_size(pixels.shape[3], pixels.shape[2])
    return pixels


def _unit_range(pixels: torch.Tensor) -> torch.Tensor:
    """Whole numbers are divided by the largest of their type; floats must lie in [0, 1] already."""
    if largest := {torch.bool: 1, torch.uint8: 255, torch.uint16: 65_535}.get(pixels.dtype):
        return pixels.float() / largest
    if not pixels.is_floating_point():
        raise TypeError(f"{pixels.dtype} is no type for pixels; use uint8 (0…255) or floats in [0, 1].")
    pixels = pixels.float()
    if not pixels.isfinite().all():
        raise PictureError("the picture holds NaN or infinity; mend its making, or use nan_to_num.")
    low, high = (value.item() for value in pixels.aminmax())
    if low < -1e-5 or high > 1 + 1e-5:  # less is rounding, and clamped
        advice = "divide by 255" if low >= 0 else "undo the normalisation (times std, plus mean)"
        raise PictureError(f"pixels must lie in [0, 1], not [{low:.4g}, {high:.4g}]; {advice} or clamp.")
    return pixels


def uploads(picture: Any) -> list:
    """The pictures of an upload widget or of its value (a dict in ipywidgets 7, a tuple in 8), or of a list."""
    value = getattr(picture, "value", picture)
    if isinstance(value, dict) and all(isinstance(file, dict) for file in value.values()):
        return [{**file, "name": name} for name, file in value.items()]  # ipywidgets 7: {name: file}
    if isinstance(value, list | tuple):
        return list(value)
    return [value if isinstance(value, dict) else picture]


def _read(picture: Any) -> tuple[bytes, str]:
    """The bytes of a picture file, and what to call it in a message."""
    if isinstance(picture, dict) and "content" in picture:
        return bytes(picture["content"]), f"the upload {picture.get('name', '')}".strip()
    if isinstance(picture, bytes | bytearray | memoryview):
        return bytes(picture), "the file"
    if not isinstance(picture, str | os.PathLike):
        kind = type(picture).__name__
        raise TypeError(f"a picture is a path, address, upload, image or array; give one, not {kind}.")
    text = os.fspath(picture)
    name = text if len(text) <= 100 else f"{text[:60]}…{text[-30:]}"
    with _readable(repr(name)):
        if _ADDRESS.match(text):
            return web.read(text, most=MAX_BYTES), name
        path = Path(text).expanduser()
        if not path.is_file():  # also devices, which might never end
            raise OSError("it is a folder" if path.is_dir() else f"no such file; paths start in {Path.cwd()}")
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1), name


@contextmanager
def _readable(name: str) -> Iterator[None]:
    """Say in one sentence why a file or an address cannot be read."""
    try:
        yield
    except (OSError, HTTPException, ValueError, RuntimeError) as problem:  # no network, 404, no home folder …
        raise PictureError(f"{name} cannot be read ({web.reason(problem)}); {web.advice(problem)}.") from None


def _decode(data: bytes, name: str) -> np.ndarray:
    if not 0 < len(data) <= MAX_BYTES:
        large = f"larger than {MAX_BYTES / 2**20:g} MiB; make it smaller"
        raise PictureError(f"{name} is {large if data else 'empty (0 bytes); save it again'}.")
    for pattern, advice in _MISTAKES.items():
        if re.match(pattern, data[:1024], re.IGNORECASE | re.DOTALL):
            raise PictureError(f"{name} {advice}")
    Image.init()
    with _clear_errors(name):
        picture = Image.open(io.BytesIO(data), formats=[known for known in FORMATS if known in Image.OPEN])
    return _values(picture, name)


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        raise PictureError(f"{width}×{height} is more than {MAX_PIXELS:,} pixels; make the picture smaller.")


def _values(picture: Image.Image, name: str) -> np.ndarray:
    """Upright pixels: uint8 [H, W, 3 or 4], or [H, W] in uint16 or float where Pillow keeps more bits."""
    _check_size(*picture.size)  # known from the header, before a pixel is unpacked
    with _clear_errors(name):
        picture.load()
        with suppress(Exception):  # broken EXIF data raises anything; then the picture stays as stored
            picture = ImageOps.exif_transpose(picture)
        if picture.mode == "La":
            picture = picture.convert("LA")
        if picture.mode not in ("F", "I", "I;16", "I;16B", "I;16L", "I;16N"):
            picture = picture.convert("RGBA" if picture.has_transparency_data else "RGB")
        numbers = np.asarray(picture)
    if picture.mode != "I":
        return numbers
    if numbers.size and (numbers.min() < 0 or numbers.max() > 65_535):
        raise PictureError(f"{name} has more than 16 bits a pixel; save it with 8 or 16.")
    return numbers.astype(np.uint16)  # Pillow keeps some 16-bit pictures in 32 bits


@contextmanager
def _clear_errors(name: str) -> Iterator[None]:
    """Say in one sentence what Pillow says in many kinds of exceptions and warnings."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (UnidentifiedImageError, Image.DecompressionBombError):
        raise PictureError(f"{name} is no picture; save a JPEG of up to {MAX_PIXELS:,} pixels.") from None
    except Exception as problem:  # Pillow's readers raise anything on a broken file, even SyntaxError
        raise PictureError(f"{name} is broken or cut short ({problem}); save or download it again.") from None
