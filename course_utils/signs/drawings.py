"""The road signs themselves: vector drawings after the signs' legal geometry, each rasterised when it is first needed.

Serves `scenes.py`, and by it every notebook. Source of the geometry: German road traffic regulations (StVO, annexes 2
and 3, signs 205–294) and the lettering of DIN 1451; numbers: Stallkamp et al. 2012, the German benchmark GTSRB.
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

RED, BLUE, YELLOW = (190, 20, 30), (12, 84, 160), (250, 180, 10)
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
        """Variant 0 is the textbook's; the others are drawn from a seed, so that a sign is always the same."""
        if number == 0:
            return cls()
        dice = random.Random(number)
        return cls(*(dice.uniform(1 - spread, 1 + spread) for spread in (0.14, 0.18, 0.1, 0.12, 0.06)))


class Plate:
    """A square canvas for one sign: filled polygons, discs and thick lines in sign-plane units."""

    def __init__(self, pixels: int):
        self.pixels = pixels * SUPERSAMPLING
        self.image = Image.new("RGBA", (self.pixels, self.pixels), (0, 0, 0, 0))
        self.pen = ImageDraw.Draw(self.image)

    def _place(self, points: list[Point]) -> list[Point]:
        return [((x + 1) / 2 * self.pixels, (y + 1) / 2 * self.pixels) for x, y in points]

    def polygon(self, points: list[Point], colour: tuple[int, int, int]) -> None:
        self.pen.polygon(self._place(points), fill=colour)

    def disc(self, centre: Point, radius: float, colour: tuple[int, int, int]) -> None:
        (x, y), r = centre, radius
        (left, top), (right, bottom) = self._place([(x - r, y - r), (x + r, y + r)])
        self.pen.ellipse((left, top, right, bottom), fill=colour)

    def line(self, points: list[Point], thickness: float, colour: tuple[int, int, int]) -> None:
        """A polyline with round joints and flat ends."""
        width = max(1, round(thickness / 2 * self.pixels))
        self.pen.line(self._place(points), fill=colour, width=width, joint="curve")

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


def rounded(corners: list[Point], radius: float) -> list[Point]:
    """A convex polygon with its corners rounded off by quadratic curves that begin `radius` before each corner."""
    points = []
    for i, corner in enumerate(corners):
        before, after = corners[i - 1], corners[(i + 1) % len(corners)]
        a, b = (
            tuple(c + (o - c) * radius / math.dist(corner, other) for c, o in zip(corner, other, strict=True))
            for other in (before, after)
        )
        for t in (0, 0.25, 0.5, 0.75, 1):
            w = ((1 - t) ** 2, 2 * t * (1 - t), t**2)
            points.append(tuple(w[0] * p + w[1] * q + w[2] * r for p, q, r in zip(a, corner, b, strict=True)))
    return points


def regular(corners: int, radius: float, first: float) -> list[Point]:
    """A regular polygon; `first` is the angle of its first corner in degrees."""
    angles = (math.radians(first + 360 * i / corners) for i in range(corners))
    return [(radius * math.cos(a), radius * math.sin(a)) for a in angles]


# -- lettering: centre lines in a box x ∈ [-0.5, 0.5], y ∈ [-0.5, 0.5] --------------------------------------------

_O = arc((0, -0.22), 0.5, 0.28, 180, 360) + arc((0, 0.22), 0.5, 0.28, 0, 180) + [(-0.5, -0.22), (-0.5, -0.3)]
GLYPHS: dict[str, list[list[Point]]] = {
    "0": [_O],
    "O": [_O],
    "1": [[(-0.32, -0.24), (0.12, -0.5), (0.12, 0.58)]],
    "2": [
        arc((0, -0.22), 0.48, 0.28, 185, 360)
        + arc((0, -0.22), 0.48, 0.3, 0, 40)
        + [(-0.46, 0.47), (-0.46, 0.5), (0.58, 0.5)]
    ],
    "3": [arc((-0.04, -0.25), 0.46, 0.25, 195, 450), arc((-0.04, 0.24), 0.5, 0.26, 270, 530)],
    "5": [[(0.46, -0.5), (-0.36, -0.5), (-0.42, -0.02), *arc((-0.02, 0.17), 0.48, 0.33, 215, 500)]],
    "6": [arc((0, 0.2), 0.48, 0.3, 180, 540), [(-0.48, 0.2), (-0.44, -0.05), (-0.25, -0.3), (0.14, -0.58)]],
    "7": [[(-0.54, -0.5), (0.46, -0.5), (0.3, -0.2), (0.06, 0.2), (-0.12, 0.58)]],
    "8": [arc((0, -0.26), 0.42, 0.24, 0, 370), arc((0, 0.24), 0.5, 0.26, 0, 370)],
    "S": [arc((0, -0.25), 0.46, 0.25, 340, 90) + arc((0, 0.25), 0.46, 0.25, 270, 520)],
    "T": [[(-0.55, -0.5), (0.55, -0.5)], [(0, -0.5), (0, 0.58)]],
    "P": [[(-0.42, 0.58), (-0.42, -0.5), (0.1, -0.5), *arc((0.08, -0.22), 0.4, 0.28, 270, 450), (-0.42, 0.06)]],
}


def write(plate: Plate, text: str, height: float, width: float, pitch: float, thickness: float, colour, make: Make):
    """Write centred text; `height` and `width` are a letter's centre lines', `pitch` from letter to letter."""
    height, width, pitch = height * make.height, width * make.width, pitch * make.spacing
    for i, letter in enumerate(text):
        middle = (i - (len(text) - 1) / 2) * pitch
        for stroke in GLYPHS[letter]:
            points = [(middle + x * width, y * height) for x, y in stroke]
            plate.line(points, thickness * make.stroke, colour)


# -- the drawings, one function a family ----------------------------------------------------------------------------


def prohibition(plate: Plate, make: Make) -> None:
    """White disc with a red rim (signs 250–276)."""
    plate.disc((0, 0), RADIUS, WHITE)
    plate.disc((0, 0), RADIUS - 0.015, RED)
    plate.disc((0, 0), RADIUS - 0.2 * make.rim, WHITE)


def speed_limit(plate: Plate, make: Make, number: str) -> None:
    """Sign 274."""
    prohibition(plate, make)
    if len(number) == 2:
        write(plate, number, 0.66, 0.3, 0.53, 0.155, BLACK, make)
    else:
        write(plate, number, 0.56, 0.21, 0.39, 0.125, BLACK, make)


def car(plate: Plate, x: float, colour: tuple[int, int, int], size: float) -> None:
    """A car from behind, as on sign 276."""
    outline = [(-0.27, 0.12), (-0.27, -0.06), (-0.2, -0.09), (-0.14, -0.28), (0.14, -0.28), (0.2, -0.09)]
    outline += [(0.27, -0.06), (0.27, 0.12)]
    plate.polygon([(x + px * size, py * size) for px, py in outline], colour)
    for side in (-1, 1):  # the wheels
        wheel = [(side * 0.24, 0.1), (side * 0.24, 0.22), (side * 0.13, 0.22), (side * 0.13, 0.1)]
        plate.polygon([(x + px * size, py * size) for px, py in wheel], colour)
    window = [(-0.12, -0.1), (-0.09, -0.22), (0.09, -0.22), (0.12, -0.1)]
    plate.polygon([(x + px * size, py * size) for px, py in window], WHITE)


def no_passing(plate: Plate, make: Make) -> None:
    """Sign 276: a red car to the left of a black one."""
    prohibition(plate, make)
    car(plate, -0.31 * make.spacing, RED, 1.06 * make.height)
    car(plate, 0.31 * make.spacing, BLACK, 1.06 * make.height)


def priority_road(plate: Plate, make: Make) -> None:
    """Sign 306: a yellow square on its point, with a white border and thin black lines."""
    edges = (
        (RADIUS, BLACK),
        (RADIUS - 0.02, WHITE),
        (0.67 / make.rim**0.5, BLACK),
        (0.64 / make.rim**0.5, YELLOW),
    )
    for radius, colour in edges:
        plate.polygon(rounded(regular(4, radius * 1.04, 0), 0.16 * radius), colour)


def triangle(plate: Plate, make: Make, upward: bool) -> None:
    """White triangle with a red rim: danger (upward) or yield (downward)."""
    for radius, colour in ((1.1, WHITE), (1.075, RED), (1.1 - 0.36 * make.rim, WHITE)):
        corners = regular(3, radius, -90 if upward else 90)
        shift = 0.24 if upward else -0.24  # centre the triangle's height, not its centroid
        plate.polygon(rounded([(x, y + shift) for x, y in corners], 0.14 * radius), colour)


def caution(plate: Plate, make: Make) -> None:
    """Sign 101: an exclamation mark."""
    triangle(plate, make, upward=True)
    thick, tall = 0.1 * make.stroke, make.height
    plate.polygon([(-thick, -0.34 * tall), (thick, -0.34 * tall), (thick * 0.6, 0.3), (-thick * 0.6, 0.3)], BLACK)
    plate.disc((0, 0.45), 0.095 * make.stroke, BLACK)


def stop(plate: Plate, make: Make) -> None:
    """Sign 206."""
    plate.polygon(regular(8, RADIUS * 1.05, 22.5), WHITE)
    plate.polygon(regular(8, RADIUS * 1.05 - 0.075 * make.rim, 22.5), RED)
    write(plate, "STOP", 0.5, 0.23, 0.4, 0.11, WHITE, make)


def no_entry(plate: Plate, make: Make) -> None:
    """Sign 267."""
    plate.disc((0, 0), RADIUS, WHITE)
    plate.disc((0, 0), RADIUS - 0.04, RED)
    half = 0.17 * make.stroke
    plate.polygon([(-0.7, -half), (0.7, -half), (0.7, half), (-0.7, half)], WHITE)


def mandatory(plate: Plate, make: Make) -> None:
    """Blue disc with a thin white edge (signs 209–222)."""
    plate.disc((0, 0), RADIUS, WHITE)
    plate.disc((0, 0), RADIUS - 0.045 * make.rim, BLUE)


def arrow(plate: Plate, path: list[Point], thickness: float, head: float) -> None:
    """A white arrow along a path; the head is a triangle whose point is the path's last point."""
    (x0, y0), (x1, y1) = path[-2:]
    length = math.hypot(x1 - x0, y1 - y0)
    dx, dy = (x1 - x0) / length, (y1 - y0) / length
    base = (x1 - dx * head, y1 - dy * head)
    plate.line([*path[:-1], (base[0] + dx * 0.03, base[1] + dy * 0.03)], thickness, WHITE)
    side = head * 0.82
    plate.polygon(
        [(x1, y1), (base[0] - dy * side, base[1] + dx * side), (base[0] + dy * side, base[1] - dx * side)],
        WHITE,
    )


def bent_arrow(plate: Plate, make: Make, side: int) -> None:
    """Sign 209: first ahead, then to the right (side = 1) or to the left (side = -1)."""
    mandatory(plate, make)
    path = [(-0.22, 0.68), (-0.22, 0.05), *arc((-0.02, 0.05), 0.2, 0.2, 180, 270), (0.66, -0.15)]
    arrow(plate, [(side * x, y) for x, y in path], 0.23 * make.stroke, 0.38 * make.height)


def straight_arrow(plate: Plate, make: Make, angle: float) -> None:
    """Signs 209-30 (ahead) and 222 (keep right, keep left); angle in degrees, 0 to the right, 90 down."""
    mandatory(plate, make)
    dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    arrow(plate, [(-0.7 * dx, -0.7 * dy), (0.72 * dx, 0.72 * dy)], 0.24 * make.stroke, 0.45 * make.height)


def roundabout(plate: Plate, make: Make) -> None:
    """Sign 215: three arrows that chase one another counter-clockwise."""
    mandatory(plate, make)
    for start in (100, 220, 340):
        path = arc((0, 0), 0.5, 0.5, start, start - 62)
        tip = math.radians(start - 100)
        arrow(
            plate,
            [*path, (0.52 * math.cos(tip), 0.52 * math.sin(tip))],
            0.19 * make.stroke,
            0.32 * make.height,
        )


def draw(number: int, pixels: int, make: Make | None = None) -> np.ndarray:
    """Draw one sign.

    Args:
        number: the class's number in the German benchmark (GTSRB).
        pixels: side of the square picture.
        make: the maker's variant; None draws the textbook's.

    Returns:
        Premultiplied red, green, blue, and coverage, [4, pixels, pixels], float32 in [0, 1].
    """
    plate, make = Plate(pixels), make or Make()
    limits = {1: "30", 2: "50", 3: "60", 4: "70", 5: "80", 7: "100", 8: "120"}
    others = {
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
    if number in limits:
        speed_limit(plate, make, limits[number])
    else:
        others[number](plate, make)
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
