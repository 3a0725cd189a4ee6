"""The colours of all figures: the palette, numbers as colours, a map as heat over its picture.

Serves all eight notebooks and their labs. Papers: Okabe and Ito (2008), "Color Universal Design", for the palette.
The colours of heat are matplotlib's: inferno and viridis (Smith and van der Walt 2015), turbo (Mikhailov 2019).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import ImageColor

# Okabe and Ito's palette: eight colours that colour-blind readers tell apart.
BLACK, ORANGE, SKY, GREEN = "#000000", "#E69F00", "#56B4E9", "#009E73"
YELLOW, BLUE, VERMILLION, PURPLE = "#F0E442", "#0072B2", "#D55E00", "#CC79A7"
INK, PALE, GRID, PAPER = "#1A1A1A", "#5A5A5A", "#DDDDDD", "#FFFFFF"
HEATS = ("inferno", "viridis", "turbo", "grey")  # cold to hot


# ---- one colour --------------------------------------------------------------------------------------------------
def blended(shares: np.ndarray | float, *colours: str) -> np.ndarray:
    """Numbers as colours: 0 is the first one, 1 the last one, in between neighbours are mixed.

    Args:
        shares: float [...], 0 to 1.
        colours: "#RRGGBB", two at least, at equal distances; what comes is float [..., 3], 0 to 255.
    """
    places = np.linspace(0, 1, len(colours))
    channels = zip(*(ImageColor.getrgb(colour) for colour in colours), strict=True)
    return np.stack([np.interp(shares, places, channel) for channel in channels], axis=-1)


def mixed(share: float, *colours: str) -> tuple[int, int, int]:
    """One colour of `blended`, as Pillow takes it."""
    return tuple(np.round(blended(share, *colours)).astype(int).tolist())


@lru_cache(maxsize=16)
def shades(name: str, steps: int = 256) -> np.ndarray:
    """One of matplotlib's maps of colours, or "grey", from its first to its last colour; float [steps, 3], 0 to 255."""
    from matplotlib import colormaps  # here, because importing it takes long

    return 255 * colormaps["gray" if name == "grey" else name](np.linspace(0, 1, steps))[:, :3]


# ---- maps --------------------------------------------------------------------------------------------------------
def heat(values: np.ndarray, colours: str = "inferno") -> np.ndarray:
    """A map, float [H, W] in [0, 1], in one of the `HEATS`, as uint8 [H, W, 3].

    >>> heat(np.array([[0.0, 1.0]]), "inferno").tolist()
    [[[0, 0, 4], [252, 255, 164]]]
    """
    if colours not in HEATS:
        raise ValueError(f"there are no colours called {colours!r}; choose one of {', '.join(HEATS)}.")
    steps = np.clip(np.round(255 * np.nan_to_num(np.asarray(values, dtype=np.float32))), 0, 255)
    return np.round(shades(colours)).astype(np.uint8)[steps.astype(np.uint8)]


def overlaid(pixels: np.ndarray, values: np.ndarray, *, opacity: float = 0.6, colours: str = "inferno") -> np.ndarray:
    """A map over the picture, which turns grey below it, so that red paint is not taken for heat; uint8 [H, W, 3].

    Args:
        pixels: uint8 [H, W, 3].
        values: float [H, W] in [0, 1].
        opacity: 0 shows the picture alone, in its colours; 1 the map alone.
        colours: one of `HEATS`.
    """
    picture = np.asarray(pixels, dtype=np.float32)
    if picture.shape[:2] != np.shape(values):
        raise ValueError(f"a map over a picture has its size {list(picture.shape[:2])}; got {list(np.shape(values))}.")
    grey = picture @ np.array([0.299, 0.587, 0.114], dtype=np.float32)
    below = picture + min(1.0, 3 * opacity) * (grey[..., None] - picture)
    return np.round(below + opacity * (heat(values, colours) - below)).astype(np.uint8)


def map_pixels(maps: np.ndarray) -> np.ndarray:
    """Activations, float [F, h, w], as grey pictures [F, h, w, 3]: black is 0, white each map's strongest answer."""
    strongest = maps.max(axis=(1, 2), keepdims=True)
    shown = np.round(255 * maps / np.maximum(strongest, 1e-12)).astype(np.uint8)
    return np.repeat(shown[..., None], 3, axis=3)


def filter_pixels(filters: np.ndarray) -> np.ndarray:
    """Filters, float [F, 3, k, k], as little pictures: grey is 0, the strongest weight of each is full colour.

    >>> filter_pixels(np.ones((16, 3, 5, 5))).shape
    (16, 5, 5, 3)
    """
    strongest = np.abs(filters).max(axis=(1, 2, 3), keepdims=True)
    shown = 0.5 + 0.5 * filters / np.maximum(strongest, 1e-12)
    return np.round(255 * shown).astype(np.uint8).transpose(0, 2, 3, 1)
