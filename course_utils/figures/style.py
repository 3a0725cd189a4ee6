"""How figures look: "notebook" for a reader's screen, "stage" for the back row. Serves all eight notebooks and labs.

`use("stage")` makes every figure and lab drawn from then on larger in type, thicker in lines, stronger in greys; what
is drawn stays where it is. The style is the one exception to "no hidden state", as it is in matplotlib: an argument
would stand in each of a course's 81 figures and in every lab, and a cell's ContextVar ends with the cell. Papers: none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageDraw


@dataclass(frozen=True)
class Style:
    """By how much a figure is stronger than in a notebook."""

    type: float = 1.0
    line: float = 1.0
    point: float = 1.0  # of matplotlib, in which it measures both
    greys: Mapping[str, str] = field(default_factory=dict)  # a colour as the figures name it → as it is drawn


_STYLES = {
    "notebook": Style(),
    "stage": Style(type=1.4, line=1.6, point=1.35, greys={"#5A5A5A": "#2B2B2B", "#DDDDDD": "#B4B4B4"}),  # PALE, GRID
}
STYLES = tuple(_STYLES)
SMALL = 20  # pixels across: a dot that grows with the lines
FAINT = 90  # of 255: what differs less from the paper, such as a grid, may lie under words
_used = ["notebook"]  # its one item is the style of all figures; only `use` writes it


def use(style: str) -> None:
    """Draw all figures from now on in a style, as matplotlib's `style.use` does.

    Args:
        style: "notebook", or "stage": larger words, thicker lines and stronger greys, for the back row.

    >>> use("notebook")
    >>> used().type
    1.0
    """
    if style not in STYLES:
        raise ValueError(f"a style of figures is one of {', '.join(map(repr, STYLES))}; got {style!r}.")
    _used[0] = style


def used() -> Style:
    """What `use` chose last."""
    return _STYLES[_used[0]]


def stronger(colour):
    """A colour as the style draws it."""
    return used().greys.get(colour, colour) if isinstance(colour, str) else colour


def thicker(width: float) -> int:
    """The width of a line, in pixels, as the style draws it."""
    return round(width * used().line)


def extra(pixels: float) -> int:
    """What the style adds to a size of type, or to the room for it, in pixels: nothing for a notebook."""
    return round(pixels * (used().type - 1))


# ---- Pillow ------------------------------------------------------------------------------------------------------
def pen(canvas: Image.Image, mode: str | None = None) -> ImageDraw.ImageDraw:
    """What draws on a canvas in the style that is used, in a mode of Pillow; for a notebook, Pillow's own."""
    return ImageDraw.Draw(canvas, mode) if used() == Style() else _Pen(canvas, mode)


class _Pen(ImageDraw.ImageDraw):
    """Pillow's drawing, each line thicker, each grey stronger, each dot larger."""

    def __init__(self, canvas: Image.Image, mode: str | None = None):
        super().__init__(canvas, mode)
        self.canvas = canvas

    def line(self, xy, fill=None, width=1, joint=None):
        super().line(xy, stronger(fill), thicker(max(width, 1)), joint)

    def rectangle(self, xy, fill=None, outline=None, width=1):
        super().rectangle(xy, stronger(fill), stronger(outline), thicker(width))

    def ellipse(self, xy, fill=None, outline=None, width=1):
        (left, top), (right, bottom) = np.reshape(xy, (2, 2)).tolist()
        more = (used().line - 1) / 2 * (right - left) / 2 if right - left <= SMALL else 0
        box = (left - more, top - more, right + more, bottom + more)
        super().ellipse(box, stronger(fill), stronger(outline), thicker(width))

    def rounded_rectangle(self, xy, radius=0, fill=None, outline=None, width=1, **options):
        super().rounded_rectangle(xy, radius, stronger(fill), stronger(outline), thicker(width), **options)

    def polygon(self, xy, fill=None, outline=None, width=1):
        super().polygon(xy, stronger(fill), stronger(outline), thicker(width))

    def text(self, xy, text, fill=None, *more, **options):
        super().text(xy, text, stronger(fill), *more, **options)


def type_size(draw: ImageDraw.ImageDraw, at, words: str, size: int, face, anchor: str, width=None) -> int:
    """The size of type for a line of words: the style's, or less where it would cover what is drawn already.

    Arguments are those of `base.text`; `face` gives the typeface of a size.
    """
    largest = size + extra(size)
    if largest <= size or not isinstance(draw, _Pen) or not words:
        return size

    def below(one: int) -> np.ndarray:
        """What lies under the words in that size, with a little air round them: [pixels, 3]."""
        left, top, right, bottom = map(int, draw.textbbox(at, words, font=face(one), anchor=anchor))
        paper = draw.canvas.crop((left - 5, top - 2, right + 6, bottom + 3))  # beyond the canvas it is black: no room
        return np.asarray(paper.convert("RGB")).astype(np.int16).reshape(-1, 3)

    ground = np.median(below(size), axis=0)
    before = (np.abs(below(size) - ground) > FAINT).any(axis=1).sum()
    for one in range(largest, size, -1):
        fits = width is None or draw.textlength(words, font=face(one)) <= width
        if fits and (np.abs(below(one) - ground) > FAINT).any(axis=1).sum() <= before:
            return one
    return size


# ---- matplotlib --------------------------------------------------------------------------------------------------
def sheet(width: int, height: int, **options):
    """An empty figure of matplotlib of that many pixels, with options of its `Figure`, and the canvas to draw it on.

    Type, lines and dots of matplotlib are measured in points: more pixels a point, and all of them grow.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    dpi = 100 * used().point
    figure = Figure(figsize=((width + 0.5) / dpi, (height + 0.5) / dpi), dpi=dpi, **options)
    return figure, FigureCanvasAgg(figure)


def settle(canvas) -> None:
    """Draw a canvas of matplotlib; then make smaller what is too long, or has grown into its neighbour by the style."""
    canvas.draw()
    flat = [axes for axes in canvas.figure.axes if axes.name != "3d"]
    wide = canvas.get_width_height()[0]
    if used() == Style():
        if sum(_shrink_title(axes, wide) for axes in flat):
            canvas.draw()
        return
    for _ in range(2):  # twice, because axes grow where words shrink
        tall = canvas.get_width_height()[1]
        if heading := canvas.figure._suptitle:
            _shrink(heading, wide - 12 - heading.get_window_extent().x0)
            tall = heading.get_window_extent().y0
        for axes in flat:
            box = axes.get_window_extent()
            middle, high = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
            _shrink(axes.xaxis.label, 2 * min(middle, wide - middle) - 16 if len(flat) == 1 else box.width)
            _shrink(axes.yaxis.label, 2 * min(high, tall - high) - 8, upright=True)
            _shrink_title(axes, wide)
        least = min((axes.xaxis.label.get_fontsize() for axes in flat), default=0)
        for axes in flat:
            axes.xaxis.label.set_fontsize(least)
        canvas.draw()


def finish(canvas) -> np.ndarray:
    """Settle a canvas of matplotlib: its pixels, uint8 [height, width, 3]."""
    settle(canvas)
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _shrink_title(axes, wide: int) -> bool:
    return _shrink(axes._left_title, wide - 12 - axes._left_title.get_window_extent().x0)


def _shrink(words, room: float, *, upright: bool = False) -> bool:
    """Set a text of matplotlib in a smaller type if it takes more pixels than there are; whether it did."""
    box = words.get_window_extent()
    taken = box.height if upright else box.width
    if too_long := taken > room > 0:
        words.set_fontsize(words.get_fontsize() * room / taken)
    return too_long
