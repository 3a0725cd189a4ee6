"""What all figures share, composed as pixels so that a slider redraws at once: type, panels, bars.

Serves all eight notebooks and their labs. Nothing here computes: it shows what it is given. Papers: none.
Each figure is uint8 [height, width, 3].
"""

from __future__ import annotations

import base64
import importlib.util
import io
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from course_utils.figures.colours import BLUE, GRID, INK, PALE, PAPER, VERMILLION
from course_utils.figures.style import pen, type_size

WIDTH = 1120  # pixels of a composed figure; shown at some 800 points it stays sharp on dense screens
MARGIN = 20


# ---- text ------------------------------------------------------------------------------------------------------
@lru_cache(maxsize=32)
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """The course's typeface (DejaVu Sans, which comes with matplotlib and knows Greek) at a size in pixels."""
    matplotlib = importlib.util.find_spec("matplotlib")  # found, not imported: importing it takes long
    if matplotlib and matplotlib.origin:
        fonts = Path(matplotlib.origin).parent / "mpl-data" / "fonts" / "ttf"
        name = fonts / ("DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf")
        if name.is_file():
            return ImageFont.truetype(str(name), size)
    return ImageFont.load_default(size)


def text(draw: ImageDraw.ImageDraw, at, words: str, *, size=22, bold=False, colour=INK, anchor="mm", width=None):
    """Write one line on a Pillow drawing; where it is wider than `width` pixels, in a smaller type, at last cut short.

    It stands with its `anchor` (Pillow's two letters, "mm" for the middle, "lm" for the left edge …) at (x, y).
    """
    size = type_size(draw, at, words, size, lambda one: font(one, bold), anchor, width)
    while width and size > 14 and draw.textlength(words, font=font(size, bold)) > width:
        size -= 1
    if width and draw.textlength(words, font=font(size, bold)) > width:
        while len(words) > 1 and draw.textlength(words + "…", font=font(size, bold)) > width:
            words = words[:-1]
        words += "…"
    draw.text(at, words, font=font(size, bold), fill=colour, anchor=anchor)


def begin(height: int, title: str, width: int = WIDTH, y: int = 26) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """An empty figure with its one message on top, in the middle of line y: the canvas, and what draws on it."""
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = pen(canvas)
    text(draw, (MARGIN, y), title, size=24, bold=True, anchor="lm", width=width - 2 * MARGIN)
    return canvas, draw


def percent(probability: float) -> str:
    """A probability as a reader says it: 0.9973 → "99.7 %"; never "100.0 %" or "0.0 %", which nobody can be sure of.

    >>> percent(0.9973), percent(1.0)
    ('99.7 %', '> 99.9 %')
    """
    value = 100 * float(probability)
    if value >= 99.95:
        return "> 99.9 %"
    return "< 0.1 %" if value < 0.05 else f"{value:.1f} %"


# ---- pieces ----------------------------------------------------------------------------------------------------
def _checked(pixels: np.ndarray) -> np.ndarray:
    """The same array, known to be a picture: uint8 [H, W, 3]."""
    pixels = np.asarray(pixels)
    if pixels.dtype != np.uint8:
        raise TypeError(f"a picture is an array of uint8; got {pixels.dtype}. Use images.to_pixels first.")
    if pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ValueError(f"a picture has the shape [H, W, 3]; got {list(pixels.shape)}.")
    return pixels


def fitted(pixels: np.ndarray, side: int) -> Image.Image:
    """A picture, uint8 [H, W, 3], of at most side × side: small ones by whole factors, so that pixels stay squares."""
    picture = Image.fromarray(_checked(pixels))
    scale, way = side / max(picture.size), Image.Resampling.LANCZOS
    if scale >= 2:
        scale, way = int(scale), Image.Resampling.NEAREST
    return picture.resize(tuple(max(1, round(edge * scale)) for edge in picture.size), way)


def amplified(noise: np.ndarray) -> tuple[np.ndarray, int]:
    """Noise made visible: grey where nothing changes, brighter or darker where a pixel gains or loses.

    Of noise, float [H, W, 3] in pixel units (-1 to 1), it gives uint8 [H, W, 3] and the factor by which the noise was
    multiplied: the largest whole number that still fits.

    >>> pixels, factor = amplified(np.full((2, 2, 3), 8 / 255))
    >>> factor
    15
    """
    noise = np.asarray(noise, dtype=np.float32)
    largest = float(np.abs(noise).max(initial=0.0))
    factor = max(1, int(0.5 / largest + 1e-3)) if largest > 0 else 1
    return np.round(255 * np.clip(0.5 + factor * noise, 0, 1)).astype(np.uint8), factor


# ---- figures ---------------------------------------------------------------------------------------------------
def panels(
    pictures: Sequence[np.ndarray],
    titles: Sequence[str],
    captions: Sequence[str] | None = None,
    *,
    colours: Sequence[str] | None = None,
    signs: str = "",
    side: int = 320,
    width: int = WIDTH,
) -> np.ndarray:
    """Pictures in a row, a title above each and a line below.

    Args:
        pictures: uint8 [H, W, 3] each; at least one, with one title and, if there are any, one caption each.
        colours: of the captions; dark grey where left out.
        signs: characters between the pictures, such as "+=": one picture plus a second equals a third.
        side: the largest edge of a picture on the figure, in pixels, of which it is `width` wide.

    >>> panels([np.zeros((64, 64, 3), np.uint8)] * 2, ["before", "after"], width=800).shape[1:]
    (800, 3)
    """
    count = len(pictures)
    if count == 0 or len(titles) != count or (captions is not None and len(captions) != count):
        raise ValueError(
            f"give one title (and one caption) a picture; got {count} pictures, {len(titles)} titles"
            f" and {'no' if captions is None else len(captions)} captions."
        )
    gap = 60 if signs else 20
    side = min(side, (width - 2 * MARGIN - (count - 1) * gap) // count)
    drawn = [fitted(picture, side) for picture in pictures]
    tallest = max(picture.height for picture in drawn)
    step = (width - 2 * MARGIN + gap) / count
    canvas = Image.new("RGB", (width, 48 + tallest + (46 if captions else 12)), PAPER)
    draw = pen(canvas)
    for k, picture in enumerate(drawn):
        middle = round(MARGIN + (k + 0.5) * step - gap / 2)
        text(draw, (middle, 26), titles[k], size=24, bold=True, width=step - 10)
        left, top = middle - picture.width // 2, 48 + (tallest - picture.height) // 2
        canvas.paste(picture, (left, top))
        draw.rectangle((left - 1, top - 1, left + picture.width, top + picture.height), outline=PALE)
        if captions:
            colour = colours[k] if colours else PALE
            text(draw, (middle, 48 + tallest + 24), captions[k], size=24, colour=colour, width=step - 10)
        if k < len(signs):
            text(draw, (middle + step / 2, 48 + tallest // 2), signs[k], size=48, bold=True, colour=PALE)
    return np.asarray(canvas)


def bars(
    names: Sequence[str],
    before: Sequence[float],
    after: Sequence[float],
    *,
    titles: tuple[str, str] = ("before", "after"),
    says: Callable[[float], str] = percent,
    width: int = WIDTH,
) -> np.ndarray:
    """Class probabilities before and after, back to back: to the left the first answer, to the right the second.

    Args:
        names: of the classes, top to bottom.
        before, after: their probabilities, 0 to 1; `says` turns one into the words at its bar.
        titles: of the two sides.
        width: of the figure, in pixels.

    >>> bars(["stop", "yield"], [0.9, 0.1], [0.2, 0.8], titles=("clean", "attacked")).shape
    (136, 1120, 3)
    """
    height, row, half = 56 + 40 * len(names), 40, (width - 2 * MARGIN - 300) // 2
    canvas = Image.new("RGB", (width, height), PAPER)
    draw = pen(canvas)
    sides = (titles[0], before, BLUE, -1, "rm", "lm"), (titles[1], after, VERMILLION, 1, "lm", "rm")
    for title, values, colour, sense, near, far in sides:
        edge = width // 2 + sense * 150
        text(draw, (edge + sense * half, 24), "100 %", size=16, colour=PALE, anchor=far)
        text(draw, (edge, 24), title, size=22, bold=True, colour=colour, anchor=near)
        for quarter in range(5):
            x = edge + sense * half * quarter / 4
            draw.line((x, 44, x, height - 8), fill=GRID, width=1)
        for k, value in enumerate(values):
            y, end = 64 + k * row, edge + sense * half * min(max(float(value), 0.0), 1.0)
            draw.rectangle((min(edge, end), y - 13, max(edge, end), y + 13), fill=colour)
            inside = float(value) > 0.7
            at, anchor = (end - sense * 8, far) if inside else (end + sense * 8, near)
            text(draw, (at, y), says(value), size=20, colour=PAPER if inside else INK, anchor=anchor)
    for k, name in enumerate(names):
        text(draw, (width // 2, 64 + k * row), name, size=22, width=280)
    return np.asarray(canvas)


def nested_bars(rows: Mapping[str, tuple[float, float, str]], names: tuple[str, str], *, title: str) -> np.ndarray:
    """What something costs in two ways, the smaller bar inside the larger.

    Args:
        rows: name → the smaller cost, the larger one in the same unit for all, and the words behind them.
        names: of the two ways.
        title: the figure's one message.

    >>> nested_bars({"module 3a": (128, 303, "128 M instead of 303 M")}, ("with", "without"), title="It pays").shape
    (146, 1120, 3)
    """
    canvas, draw = begin(100 + 46 * len(rows), title, y=28)
    left, scale = 230, (WIDTH - 500) / max(more for _, more, _ in rows.values())
    for x, name, colour in zip((left, left + 290), names, (BLUE, VERMILLION), strict=True):
        draw.rectangle((x, 58, x + 26, 78), fill=colour)
        text(draw, (x + 36, 68), name, size=20, anchor="lm", width=240)
    for k, (name, (less, more, words)) in enumerate(rows.items()):
        y, end = 116 + 46 * k, left + scale * more
        text(draw, (left - 14, y), name, size=20, anchor="rm", width=left - MARGIN - 14)
        draw.rectangle((left, y - 17, end, y + 17), fill=VERMILLION)
        draw.rectangle((left, y - 17, left + scale * less, y + 17), fill=BLUE)
        text(draw, (end + 10, y), words, size=20, anchor="lm", width=WIDTH - end - 14)
    return np.asarray(canvas)


def tiles(pictures: np.ndarray, *, chosen: int, title: str) -> np.ndarray:
    """Little pictures, uint8 [F, h, w, 3], in rows of sixteen, numbered from 0; the `chosen` one is framed.

    >>> tiles(np.zeros((16, 5, 5, 3), np.uint8), chosen=3, title="Filters").shape[2]
    3
    """
    columns, top = 16, 48
    step = (WIDTH - 2 * MARGIN) // columns
    edge, rows = step - 12, -(-len(pictures) // columns)
    canvas = Image.new("RGB", (WIDTH, top + rows * (step + 16)), PAPER)
    draw = pen(canvas)
    text(draw, (MARGIN, 24), title, size=22, bold=True, anchor="lm", width=WIDTH - 2 * MARGIN)
    for k, pixels in enumerate(pictures):
        picture = Image.fromarray(pixels).resize((edge, edge), Image.Resampling.NEAREST)
        left = MARGIN + (k % columns) * step + 6
        upper = top + (k // columns) * (step + 16)
        canvas.paste(picture, (left, upper))
        if k == chosen:
            draw.rectangle((left - 5, upper - 5, left + edge + 4, upper + edge + 4), outline=VERMILLION, width=5)
        colour, bold = (VERMILLION, True) if k == chosen else (PALE, False)
        text(draw, (left + edge // 2, upper + edge + 13), str(k), size=16, bold=bold, colour=colour)
    return np.asarray(canvas)


# ---- in the notebook -------------------------------------------------------------------------------------------
class Picture:
    """A finished figure that a notebook shows: pixels, and the words for who cannot see them.

    Args:
        pixels: uint8 [H, W, 3].
        alt: what the picture shows, in one sentence without measured numbers.
        colours: store it with so many colours, at most 256: less than half of the bytes where shades run into each
            other or noise is shown. All of its colours where left out.
        quality: store it as JPEG instead, of so much from 1 to 95: photographs need a third of the bytes.

    >>> Picture(np.zeros((8, 8, 3), np.uint8), "A black square.")
    [A black square.]
    """

    def __init__(self, pixels: np.ndarray, alt: str, *, colours: int | None = None, quality: int | None = None):
        self.pixels, self.alt, self.colours, self.quality = _checked(pixels), alt, colours, quality

    def __repr__(self) -> str:
        return f"[{self.alt}]"

    def _repr_mimebundle_(self, include=None, exclude=None):
        file = io.BytesIO()  # exact, and small, because enlarged pixels repeat; for a slider it would be too slow
        stored = Image.fromarray(self.pixels)
        if self.colours and not self.quality:
            stored = stored.quantize(self.colours, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
        if self.quality:
            stored.save(file, format="JPEG", quality=self.quality, optimize=True)
        else:
            stored.save(file, format="PNG", compress_level=9)
        kind, picture = "image/jpeg" if self.quality else "image/png", base64.b64encode(file.getvalue()).decode("ascii")
        size = {"width": self.pixels.shape[1] * 3 // 4, "alt": self.alt}
        return {"text/plain": repr(self), kind: picture}, {kind: size}
