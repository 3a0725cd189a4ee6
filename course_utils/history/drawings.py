"""What no network of the course has learnt, drawn and placed on a street: a cat, and a limit of 40.

Serves notebook 1, through `out_of_distribution`. Papers: none; the drawings are our own.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from course_utils.signs import drawings
from course_utils.signs.backgrounds import Dice, grids, over, street

FINE = 192  # side of a drawing before it is placed in a scene, in pixels
FURS = ("#3A3A3A", "#C8772E", "#8A8A8A", "#E9DCC3")


@lru_cache(maxsize=8)
def draw_limit_of_40(make: drawings.Make) -> Tensor:
    """A speed limit of 40, drawn like the course's own signs: premultiplied colours and cover, [4, FINE, FINE]."""
    plate = drawings.Plate(FINE)
    drawings.speed_limit(plate, make, "40")
    return torch.from_numpy(plate.pixels_out())


@lru_cache(maxsize=8)
def draw_cat(fur: str) -> Tensor:
    """A cat's face: premultiplied colours and cover, [4, FINE, FINE]."""
    side = 4 * FINE
    canvas = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(canvas)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [((x + 1) / 2 * side, (y + 1) / 2 * side) for x, y in points]

    for way in (-1, 1):
        pen.polygon(at((way * 0.75, -0.95), (way * 0.12, -0.55), (way * 0.72, -0.1)), fill=fur)
        pen.polygon(at((way * 0.64, -0.72), (way * 0.3, -0.5), (way * 0.6, -0.25)), fill="#E8A0A0")
    pen.ellipse(at((-0.8, -0.62), (0.8, 0.82)), fill=fur)
    pen.ellipse(at((-0.42, 0.12), (0.42, 0.66)), fill="#F3EDE2")
    for way in (-1, 1):
        middle = 0.36 * way
        pen.ellipse(at((middle - 0.19, -0.28), (middle + 0.19, 0.08)), fill="#D6DE5A")
        pen.ellipse(at((middle - 0.06, -0.26), (middle + 0.06, 0.06)), fill="#101010")
        for end in (0.18, 0.36, 0.54):
            pen.line(at((way * 0.22, 0.36), (way * 0.93, end)), fill="#F8F8F8", width=side // 90)
        pen.arc(at((min(0, 0.24 * way), 0.28), (max(0, 0.24 * way), 0.54)), 10, 170, fill="#202020", width=side // 70)
    pen.polygon(at((-0.1, 0.2), (0.1, 0.2), (0, 0.34)), fill="#D0707A")
    small = torch.from_numpy(np.asarray(canvas, dtype=np.float32) / 255).movedim(-1, 0)  # [4, side, side]
    return F.avg_pool2d(torch.cat([small[:3] * small[3:], small[3:]]), 4)


def place(drawn: list[Tensor], size: int, generator: torch.Generator) -> Tensor:
    """Drawings on streets: each somewhere near the middle, a little turned, lit and blurred like the course's signs.

    Each is [4, FINE, FINE], premultiplied colours and cover; the scenes are [N, 3, size, size] in [0, 1].
    """
    dice = Dice(len(drawn), generator)
    scenes = street(dice, size, 0.7)
    radius, turn = dice.uniform(0.55, 0.85)[:, 0, 0], dice.normal(1, 1)[:, 0] * 0.08  # [N, 1] each
    shift = dice.uniform(-0.12, 0.12, channels=2)[:, :, 0, 0]  # [N, 2]
    x, y = grids(size, dice.device)
    u, v = (x.view(1, 1, -1) - shift[:, :1, None], y.view(1, -1, 1) - shift[:, 1:, None])
    cos, sin = turn.cos().unsqueeze(-1), turn.sin().unsqueeze(-1)
    plane = torch.stack([cos * u + sin * v, cos * v - sin * u], dim=-1) / radius.view(-1, 1, 1, 1)
    looked = F.grid_sample(torch.stack(drawn), plane, align_corners=False)
    colour, cover = looked[:, :3], looked[:, 3:]
    scenes = over(scenes, scenes.new_zeros(1), cover) + colour * dice.uniform(0.75, 1.1)
    soft = F.avg_pool2d(F.pad(scenes, (1,) * 4, mode="replicate"), 3, 1)
    scenes = torch.lerp(scenes, soft, dice.uniform(0, 0.8))
    return (scenes + 0.01 * dice.normal(3, size, size)).clamp(0, 1)
