"""The road signs themselves: vector drawings after the regulation's sheets, each rasterised when it is first needed.

Serves `scenes.py`, and by it every notebook. Sources: the German sign catalogue (VzKat 2017, with its sheets of 600 mm
plates and 900 mm triangles), DIN 1451-2 (its letters); numbers: Stallkamp et al. 2012, the benchmark GTSRB.

Measures stand in the code as the sheet gives them, as shares of a plate's half width: (±1, ±1) are its outermost edges.
They were taken from the sheets' redrawings in the public domain (Wikimedia Commons) of signs 101, 205, 206, 215, 222,
250, 274-30 … 274-120, 277.1 and 306. Of 209, 267 and 276 no sheet could be had: each says what stands in for it.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from PIL import Image, ImageDraw

# The sign plane: x to the right, y down, both in [-1, 1]; no sign reaches beyond RADIUS, so that bilinear
# sampling finds a transparent border.
RADIUS = 0.95
VARIANTS = 6  # drawings a class: real signs differ in rim, lettering and spacing, by maker and by year
SUPERSAMPLING = 4

RED, BLUE, YELLOW = (193, 18, 28), (21, 72, 137), (247, 186, 11)  # RAL 3020, 5017 and 1023
WHITE, BLACK = (240, 240, 236), (24, 24, 26)

Point = tuple[float, float]


@dataclass(frozen=True)
class Make:
    """What differs from one maker's sign to the next, each a factor near 1."""

    rim: float = 1.0  # width of the coloured rim
    stroke: float = 1.0  # thickness of letters, digits and arrows
    height: float = 1.0  # height of letters and digits
    width: float = 1.0  # their width
    spacing: float = 1.0  # distance from digit to digit

    @classmethod
    def variant(cls, number: int) -> Make:
        """Variant 0 is the sheet's; the others are drawn from a seed, so that a sign is always the same."""
        if number == 0:
            return cls()
        dice = random.Random(number)
        return cls(*(dice.uniform(1 - spread, 1 + spread) for spread in (0.14, 0.14, 0.06, 0.06, 0.04)))


class Plate:
    """A square canvas for one sign, ±1 from edge to edge: filled polygons, discs and thick lines."""

    def __init__(self, pixels: int):
        self.pixels = pixels * SUPERSAMPLING
        self.image = Image.new("RGBA", (self.pixels, self.pixels), (0, 0, 0, 0))
        self.pen = ImageDraw.Draw(self.image)

    def _place(self, points: list[Point]) -> list[Point]:
        return [((x * RADIUS + 1) / 2 * self.pixels, (y * RADIUS + 1) / 2 * self.pixels) for x, y in points]

    def polygon(self, points: list[Point], colour: tuple[int, int, int]) -> None:
        self.pen.polygon(self._place(points), fill=colour)

    def disc(self, centre: Point, radius: float, colour: tuple[int, int, int]) -> None:
        (x, y), r = centre, radius
        (left, top), (right, bottom) = self._place([(x - r, y - r), (x + r, y + r)])
        self.pen.ellipse((left, top, right, bottom), fill=colour)

    def line(self, points: list[Point], thickness: float, colour: tuple[int, int, int]) -> None:
        """A polyline with round joints and flat ends; a single stroke's ends are level, or upright if it lies flat."""
        if len(points) > 2:
            width = max(1, round(thickness * RADIUS / 2 * self.pixels))
            self.pen.line(self._place(points), fill=colour, width=width, joint="curve")
            return
        (x0, y0), (x1, y1) = points
        steep, half = abs(y1 - y0) >= abs(x1 - x0), thickness / 2 * math.dist(*points)
        dx, dy = (half / abs(y1 - y0), 0) if steep else (0, half / abs(x1 - x0))
        self.polygon([(x0 - dx, y0 - dy), (x0 + dx, y0 + dy), (x1 + dx, y1 + dy), (x1 - dx, y1 - dy)], colour)

    def pixels_out(self) -> np.ndarray:
        """Average the supersampled canvas: premultiplied colours and coverage, [4, P, P] in [0, 1]."""
        rgba = np.asarray(self.image, dtype=np.float32) / 255
        rgba[..., :3] *= rgba[..., 3:]
        small = self.pixels // SUPERSAMPLING
        boxes = rgba.reshape(small, SUPERSAMPLING, small, SUPERSAMPLING, 4)
        return boxes.mean(axis=(1, 3)).transpose(2, 0, 1)


# -- geometry -----------------------------------------------------------------------------------------------------


def arc(centre: Point, rx: float, ry: float, start: float, stop: float) -> list[Point]:
    """Points on an ellipse; angles in degrees, 0 to the right, 90 down (as y runs down)."""
    count = max(2, int(abs(stop - start) / 9))
    angles = (math.radians(start + (stop - start) * i / count) for i in range(count + 1))
    return [(centre[0] + rx * math.cos(a), centre[1] + ry * math.sin(a)) for a in angles]


def regular(corners: int, inner: float, first: float, fillet: float = 0.0, y: float = 0.0) -> list[Point]:
    """A regular polygon round (0, y): `inner` is its inscribed circle's radius, `fillet` that of its corners."""
    half = 180 / corners
    reach = (inner - fillet) / math.cos(math.radians(half))
    points = []
    for angle in (first + 2 * half * i for i in range(corners)):
        a = math.radians(angle)
        centre = (reach * math.cos(a), y + reach * math.sin(a))
        points += arc(centre, fillet, fillet, angle - half, angle + half)
    return points


# -- lettering ----------------------------------------------------------------------------------------------------

# DIN 1451-2, Mittelschrift: centre lines, x and y from a letter's middle, in widths of its stroke. A letter is seven
# strokes high (a round one reaches 1/12 further at either end), a digit four wide.
_O = [*arc((0, -1.75), 1.5, 1.3, 180, 360), *arc((0, 1.75), 1.5, 1.3, 0, 180), (-1.5, -1.75), (-1.5, -2)]
GLYPHS: dict[str, list[list[Point]]] = {
    "0": [_O],
    "O": [_O],
    "1": [[(-1.5, -2.2), (0.1, -2.9)], [(0.75, -3.5), (0.75, 3.5)]],
    "2": [
        [(-1.5, -1.5), *arc((0, -1.95), 1.5, 1.1, 180, 360), (1.5, -1.4), (1.3, -0.9), (-1.42, 2.6)],
        [(-2.22, 3), (2.22, 3)],
    ],
    "3": [
        [*arc((0, -1.55), 1.45, 1.5, 175, 450), (-0.48, -0.05)],
        [(-0.48, -0.05), *arc((0, 1.5), 1.55, 1.55, 270, 530)],
    ],
    "4": [[(0.67, -3.5), (-1.75, 1.7)], [(-2.25, 2.02), (2.25, 2.02)], [(1.18, -0.5), (1.18, 3.5)]],
    "5": [[(-1.9, -3), (1.83, -3)], [(-1.4, -3.5), (-1.4, 0.28)], arc((0, 1.15), 1.52, 1.94, 222, 525)],
    "6": [arc((0, 1.48), 1.53, 1.6, 0, 380), [(0.7, -3.5), (-1.25, 0.55)]],
    "7": [[(-1.5, -1.5), (-1.5, -3.5)], [(-2, -3), (2, -3)], [(1.52, -2.7), (-0.94, 3.5)]],
    "8": [arc((0, -1.57), 1.5, 1.47, 0, 380), arc((0, 1.47), 1.62, 1.58, 0, 380)],
    "S": [
        [
            *[(1.5, -1.45), *arc((0, -1.75), 1.5, 1.33, 360, 155), (-0.8, -0.6)],
            *[(0.7, 0.1), (1.25, 0.7), *arc((0, 1.75), 1.5, 1.33, -15, 180), (-1.5, 1.45)],
        ]
    ],
    "T": [[(-2.13, -3), (2.13, -3)], [(0, -3.5), (0, 3.5)]],
    "P": [[(-1.42, -3.5), (-1.42, 3.5)], [(-1.42, -3), *arc((0.1, -1.37), 1.32, 1.63, 270, 450), (-1.42, 0.26)]],
}


def write(plate: Plate, text: str, places: tuple[float, ...], stroke: float, narrow: float, colour, make: Make) -> None:
    """Write letters about their `places` on the middle line (in strokes), their centre lines `narrow` times as wide."""
    for letter, place in zip(text, places, strict=True):
        for part in GLYPHS[letter]:
            points = [
                ((place * make.spacing + x * narrow * make.width) * stroke, y * make.height * stroke) for x, y in part
            ]
            plate.line(points, stroke * make.stroke, colour)


# -- the drawings, one function a family ----------------------------------------------------------------------------


def prohibition(plate: Plate, make: Make) -> None:
    """White disc with a red rim (signs 250–276; sheet 250: white edge 8 of 240, rim 64.3)."""
    plate.disc((0, 0), 1, WHITE)
    plate.disc((0, 0), 0.966, RED)
    plate.disc((0, 0), 0.966 - 0.268 * make.rim, WHITE)


def speed_limit(plate: Plate, make: Make, number: str) -> None:
    """Sign 274 (sheets 274-30 … 274-120: stroke 0.0587 of the diameter; three digits 2/3 as wide: Engschrift)."""
    prohibition(plate, make)
    places, narrow = ((-2.35, 2.35), 1) if len(number) == 2 else ((-3.72, -0.49, 3.24), 2 / 3)
    write(plate, number, places, 0.1174, narrow, BLACK, make)


def car(plate: Plate, x: float, colour: tuple[int, int, int], size: float) -> None:
    """A car from behind (the left one of sheet 277.1)."""
    outline = [(0.28, 0.107), (0.28, -0.013), (0.25, -0.072), (0.197, -0.193), (0.166, -0.213)]
    outline += [(-px, py) for px, py in reversed(outline)]
    wheels = (
        [(side * px, py) for px, py in ((0.247, 0.1), (0.247, 0.213), (0.167, 0.213), (0.167, 0.1))] for side in (-1, 1)
    )
    window = [(0.217, -0.067), (0.171, -0.18), (-0.171, -0.18), (-0.217, -0.067)]
    for points, paint in ((outline, colour), *((wheel, colour) for wheel in wheels), (window, WHITE)):
        plate.polygon([(x + px * size, py * size) for px, py in points], paint)


def no_passing(plate: Plate, make: Make) -> None:
    """Sign 276: a red car to the left of a black one (places and sizes of sheet 277.1's, which keeps the red one)."""
    prohibition(plate, make)
    car(plate, -0.317 * make.spacing, RED, make.height)
    car(plate, 0.317 * make.spacing, BLACK, make.height)


def priority_road(plate: Plate, make: Make) -> None:
    """Sign 306: a yellow square on its point (sheet: lines' half diagonals 248, 238, 225, 137 and 129 of 240)."""
    frame = make.rim**0.5  # a wider frame leaves less yellow
    edges = (
        (0.731, 0.083, WHITE),
        (0.7, 0.1, BLACK),
        (0.664, 0.04, WHITE),
        (0.404 / frame, 0, BLACK),
        (0.38 / frame, 0, YELLOW),
    )
    for inner, fillet, colour in edges:
        plate.polygon(regular(4, inner, 0, fillet), colour)


def triangle(plate: Plate, make: Make, upward: bool) -> None:
    """White triangle with a red rim (sheets 101, 205: in a width of 677.7, white edge 8, rim 64, corners 30.5)."""
    first, y = (-90, 0.262) if upward else (90, -0.262)  # the height's middle, not the centroid, lies in the plate's
    for inner, fillet, colour in ((0.614, 0.09, WHITE), (0.591, 0.065, RED), (0.591 - 0.189 * make.rim, 0, WHITE)):
        plate.polygon(regular(3, inner, first, fillet, y), colour)


def caution(plate: Plate, make: Make) -> None:
    """Sign 101: an exclamation mark (sheet: 64 wide above, 32 below, 236 high; its dot 64, 16 below)."""
    triangle(plate, make, upward=True)
    mark = arc((0, -0.233), 0.0944, 0.0944, 180, 360) + arc((0, 0.322), 0.0472, 0.0472, 0, 180)
    plate.polygon([(x * make.stroke, y * make.height) for x, y in mark], BLACK)
    plate.disc((0, 0.51), 0.0944 * make.stroke, BLACK)


def stop(plate: Plate, make: Make) -> None:
    """Sign 206 (sheet: white edge 36 of 720, letters 254 high, stroke 36, 3.4 strokes wide)."""
    plate.polygon(regular(8, 1, 22.5, 0.093), WHITE)
    plate.polygon(regular(8, 1 - 0.1 * make.rim, 22.5), RED)
    write(plate, "STOP", (-5.94, -2.16, 1.72, 6.03), 0.1, 0.793, WHITE, make)


def no_entry(plate: Plate, make: Make) -> None:
    """Sign 267 (sheet not to be had: edge of 250; bar between the usual ones of C,1a of the Vienna Convention)."""
    plate.disc((0, 0), 1, WHITE)
    plate.disc((0, 0), 0.966, RED)
    plate.line([(-0.8 * make.width, 0), (0.8 * make.width, 0)], 0.35 * make.stroke, WHITE)


def mandatory(plate: Plate, make: Make) -> None:
    """Blue disc with a thin white edge (signs 209–222; sheet 215: 11.5 of 240)."""
    plate.disc((0, 0), 1, WHITE)
    plate.disc((0, 0), 1 - 0.048 * make.rim, BLUE)


def arrow(plate: Plate, path: list[Point], thickness: float, wing: float, depth: float) -> None:
    """A white arrow along a path to its tip: the head is a chevron, `wing` to either side, `depth` along the shaft."""
    (x0, y0), (x1, y1) = path[-2:]
    length = math.hypot(x1 - x0, y1 - y0)
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    plate.line([*path[:-2], (x0, y0), (x1 - dx * depth / 2, y1 - dy * depth / 2)], thickness, WHITE)
    head = [(0, 0), (wing, wing), (wing + depth, wing), (depth, 0), (wing + depth, -wing), (wing, -wing)]
    plate.polygon([(x1 - dx * back - dy * side, y1 - dy * back + dx * side) for back, side in head], WHITE)


def bent_arrow(plate: Plate, make: Make, side: int) -> None:
    """Sign 209: ahead, then to the right (side = 1) or to the left (sheet not to be had: the arrow of 222, bent)."""
    mandatory(plate, make)
    path = [(-0.24, 0.72), (-0.24, 0.1), *arc((0, 0.1), 0.24, 0.24, 180, 270), (0.72, -0.14)]
    arrow(plate, [(side * x, y) for x, y in path], 0.208 * make.stroke, 0.46 * make.height, 0.262 * make.stroke)


def straight_arrow(plate: Plate, make: Make, angle: float) -> None:
    """Signs 222 and 209-30 (sheet 222, of 240.9: shaft 50.2, legs 44.7, from -181 to 181); 0° right, 90° down."""
    mandatory(plate, make)
    dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    path = [(-0.752 * dx, -0.752 * dy), (0, 0), (0.752 * dx, 0.752 * dy)]
    arrow(plate, path, 0.208 * make.stroke, 0.46 * make.height, 0.262 * make.stroke)


def roundabout(plate: Plate, make: Make) -> None:
    """Sign 215: three arrows that chase one another (sheet, of 240.4: ring's radius 144, shaft 28.7, legs 24)."""
    mandatory(plate, make)
    for start in (-100, 20, 140):  # an arrow bends for 80° and then runs straight
        path, end = arc((0, 0), 0.599, 0.599, start, start - 80), math.radians(start - 80)
        tip = (0.599 * math.cos(end) + 0.204 * math.sin(end), 0.599 * math.sin(end) - 0.204 * math.cos(end))
        arrow(plate, [*path, tip], 0.119 * make.stroke, 0.234 * make.height, 0.141 * make.stroke)


LIMITS = {1: "30", 2: "50", 3: "60", 4: "70", 5: "80", 7: "100", 8: "120"}
OTHERS = {
    9: no_passing,
    12: priority_road,
    13: lambda p, m: triangle(p, m, upward=False),
    14: stop,
    15: prohibition,
    17: no_entry,
    18: caution,
    33: lambda p, m: bent_arrow(p, m, 1),
    34: lambda p, m: bent_arrow(p, m, -1),
    35: lambda p, m: straight_arrow(p, m, -90),
    38: lambda p, m: straight_arrow(p, m, 45),
    39: lambda p, m: straight_arrow(p, m, 135),
    40: roundabout,
}


def draw(number: int, pixels: int, make: Make | None = None) -> np.ndarray:
    """Draw one sign.

    Args:
        number: the class's number in the German benchmark (GTSRB).
        pixels: side of the square picture.
        make: the maker's variant; None draws the sheet's.

    Returns:
        Premultiplied red, green, blue, and coverage, [4, pixels, pixels], float32 in [0, 1].
    """
    plate, make = Plate(pixels), make or Make()
    if number in LIMITS:
        speed_limit(plate, make, LIMITS[number])
    else:
        OTHERS[number](plate, make)
    return plate.pixels_out()


@lru_cache(maxsize=8 * 20 * VARIANTS)  # eight sizes of twenty classes
def _sheet(number: int, variant: int, pixels: int, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(draw(number, pixels, Make.variant(variant))).to(device)


def sheets(signs: list[tuple[int, int]], pixels: int, device: torch.device) -> torch.Tensor:
    """Drawings on a device, [N, 4, pixels, pixels]; each is drawn when it is first asked for, and kept.

    Args:
        signs: of each drawing the number, as in `draw`, and the maker's variant, 0 … VARIANTS - 1.
        pixels: side of the square drawings.
        device: where they shall be.
    """
    return torch.stack([_sheet(number, variant, pixels, device) for number, variant in signs])
