"""Procedural streets, out of focus, for signs to stand in: sky, buildings, foliage, road, poles and other clutter.

Serves `scenes.py`, and by it every notebook. Everything is batched arithmetic on coordinate grids and noise, drawn on
the device. Source of the idea of octave noise: Perlin 1985, "An image synthesizer".
"""

from __future__ import annotations

import math
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


class Dice:
    """Random numbers for a batch of scenes, shaped to broadcast over pictures [N, C, H, W]."""

    def __init__(self, count: int, generator: torch.Generator):
        self.count, self.generator, self.device = count, generator, generator.device

    def uniform(self, low: float = 0.0, high: float = 1.0, channels: int = 1) -> Tensor:
        """Uniform numbers, [N, channels, 1, 1]."""
        shape = (self.count, channels, 1, 1)
        return torch.rand(shape, generator=self.generator, device=self.device) * (high - low) + low

    def normal(self, *shape: int) -> Tensor:
        """Standard normal numbers, [N, *shape]."""
        return torch.randn((self.count, *shape), generator=self.generator, device=self.device)

    def chance(self, probability: float) -> Tensor:
        """1 with this probability, else 0, [N, 1, 1, 1]."""
        return (self.uniform() < probability).float()

    def pick(self, colours: Tensor) -> Tensor:
        """One row of a palette [K, 3] a scene, [N, 3, 1, 1]."""
        index = torch.randint(len(colours), (self.count,), generator=self.generator, device=self.device)
        return colours.to(self.device)[index][:, :, None, None]

    def noise(self, size: int, cells: tuple[int, ...], fall: float = 0.6) -> Tensor:
        """Smooth noise: random grids, coarse to fine, each `fall` times as strong as the one before.

        Returns:
            [N, 1, size, size], roughly standard normal.
        """
        total, variance = self.normal(1, cells[0], cells[0]), 1.0
        for i, cell in enumerate(cells[1:], start=1):
            total = enlarge(total, cell).add_(self.normal(1, cell, cell), alpha=fall**i)
            variance = variance * 0.55 + fall ** (2 * i)  # interpolation averages, and so shrinks the variance
        return enlarge(total, size).div_(math.sqrt(variance))


@lru_cache(maxsize=128)
def _interpolation(old: int, new: int, device: torch.device) -> Tensor:
    """Linear interpolation from `old` to `new` samples as a matrix, [new, old]."""
    unit = torch.eye(old, device=device).unsqueeze(0)
    return F.interpolate(unit, size=new, mode="linear", align_corners=False)[0].T.contiguous()


def enlarge(grid: Tensor, size: int) -> Tensor:
    """Bilinear enlargement [N, C, h, h] → [N, C, size, size] as two matrix products (faster than interpolating)."""
    if grid.shape[-1] == size:
        return grid
    weights = _interpolation(grid.shape[-1], size, grid.device)
    return (weights @ grid) @ weights.T


def grids(size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Pixel centres in [-1, 1]: x [1, 1, 1, size] to the right and y [1, 1, size, 1] down."""
    centres = (torch.arange(size, device=device, dtype=torch.float32) + 0.5) * (2 / size) - 1
    return centres.view(1, 1, 1, size), centres.view(1, 1, size, 1)


def over(below: Tensor, colour: Tensor, cover: Tensor) -> Tensor:
    """Paint `colour` over `below` where `cover` is 1."""
    return torch.lerp(below, colour.expand_as(below), cover.expand_as(below))


SKIES = torch.tensor(
    [[0.45, 0.62, 0.86], [0.62, 0.74, 0.88], [0.85, 0.88, 0.92], [0.97, 0.97, 0.98], [0.60, 0.63, 0.67]]
)
LEAVES = torch.tensor(
    [[0.16, 0.24, 0.10], [0.24, 0.31, 0.14], [0.10, 0.15, 0.08], [0.33, 0.30, 0.17], [0.36, 0.22, 0.12]]
)
WALLS = torch.tensor(
    [[0.62, 0.57, 0.50], [0.76, 0.72, 0.65], [0.45, 0.30, 0.24], [0.52, 0.52, 0.54], [0.85, 0.80, 0.70]]
)
PAINTS = torch.tensor(
    [[0.85, 0.85, 0.82], [0.75, 0.12, 0.12], [0.10, 0.25, 0.55], [0.12, 0.12, 0.13], [0.90, 0.72, 0.15]]
)


def sky(dice: Dice, size: int, y: Tensor) -> Tensor:
    """A gradient from the zenith's colour to the horizon's, with clouds."""
    top, horizon = dice.pick(SKIES), dice.pick(SKIES) * 0.5 + 0.48
    gradient = torch.lerp(top, horizon, (y + 1) / 2).expand(-1, -1, size, size)
    clouds = (dice.noise(size, (3, 6, 12), 0.5) * 0.5 + dice.uniform(-1, 0.5)).clamp(0, 1)
    return over(gradient, torch.ones_like(top) * 0.95, clouds)


def buildings(dice: Dice, size: int, x: Tensor, y: Tensor, sharp: Tensor) -> tuple[Tensor, Tensor]:
    """A row of houses with windows: their colour [N, 3, H, W] and where they stand [N, 1, H, W]."""
    columns = F.interpolate(dice.normal(1, 1, 5), size=(1, size), mode="nearest")
    roof = columns * 0.35 + dice.uniform(-0.9, 0.6)  # the roof's y, column by column
    cover = torch.sigmoid((y - roof) * sharp)
    shade = 1 + 0.15 * columns
    across, down = dice.uniform(6, 22), dice.uniform(6, 22)
    windows = torch.sigmoid(8 * (torch.sin(x * across + dice.uniform(0, 6)) - dice.uniform(0, 0.8)))
    windows = windows * torch.sigmoid(8 * (torch.sin(y * down + dice.uniform(0, 6)) - 0.2)) * dice.chance(0.7)
    wall = dice.pick(WALLS) * shade
    return over(wall.expand(-1, -1, size, size), dice.pick(WALLS) * 0.4, windows * 0.8), cover * dice.chance(0.5)


def foliage(dice: Dice, size: int, y: Tensor, sharp: Tensor) -> tuple[Tensor, Tensor]:
    """Trees and hedges: colour and cover; leaves let the light through in specks."""
    outline = dice.noise(size, (4, 8, 16), 0.6)
    cover = torch.sigmoid((y * dice.uniform(0, 1.5) + outline * 0.6 + dice.uniform(-1.2, 1.0)) * sharp)
    fine = (size // 4, size // 2, size)
    texture = dice.noise(size, fine, 0.7)
    colour = dice.pick(LEAVES) * dice.uniform(0.5, 1.8) * (1 + 0.45 * texture).clamp(0.1, 3)
    return colour, cover * dice.chance(0.65)


def ground(dice: Dice, size: int, x: Tensor, y: Tensor, sharp: Tensor) -> tuple[Tensor, Tensor]:
    """Road or grass below a horizon, with a lane marking that runs to a vanishing point."""
    horizon = dice.uniform(0.0, 1.6)
    depth = (y - horizon).clamp(min=1e-3)
    grain = dice.noise(size, (size // 2, size), 0.8)
    road = (dice.uniform(0.25, 0.6) + 0.04 * grain).expand(-1, 3, -1, -1)
    line = torch.exp(-(((x - dice.uniform(-0.6, 0.6) - depth * dice.uniform(-2, 2)) / (0.12 * depth + 0.01)) ** 2))
    road = over(road, torch.full_like(road[:, :, :1, :1], 0.85), line * dice.chance(0.4))
    grass = dice.pick(LEAVES) * (1.2 + 0.3 * grain)
    return torch.lerp(road, grass, dice.chance(0.35)), torch.sigmoid((y - horizon) * sharp) * dice.chance(0.6)


def box(dice: Dice, x: Tensor, y: Tensor, sharp: Tensor) -> Tensor:
    """The cover of one plate, car or shop sign: a rectangle or an ellipse of random place and proportions."""
    u = (x - dice.uniform(-1.1, 1.1)) / dice.uniform(0.08, 0.6)
    v = (y - dice.uniform(-1.1, 1.1)) / dice.uniform(0.08, 0.6)
    square = torch.maximum(u.abs().expand(-1, -1, v.shape[2], -1), v.abs().expand(-1, -1, -1, u.shape[3]))
    distance = torch.lerp(square, (u**2 + v**2).sqrt(), dice.chance(0.4))
    return torch.sigmoid((1 - distance) * sharp * 0.4)


def street(dice: Dice, size: int, clutter: float) -> Tensor:
    """Compose the background of a batch of scenes.

    Args:
        dice: the batch's random numbers.
        size: side of the pictures in pixels.
        clutter: 0 (sky and haze only) … 1 (everything at once).

    Returns:
        Colours [N, 3, size, size] in about [0, 1], before the camera's exposure.
    """
    x, y = grids(size, dice.device)
    sharp = dice.uniform(6, 40)  # depth of field: how hard the edges of things are
    scene = sky(dice, size, y)
    for colour, cover in (
        buildings(dice, size, x, y, sharp),
        foliage(dice, size, y, sharp),
        ground(dice, size, x, y, sharp),
    ):
        scene = over(scene, colour, cover * (min(1.0, 0.25 + clutter * 1.5) if clutter < 0.5 else 1.0))
    for _ in range(2):
        colour = dice.pick(PAINTS) * dice.uniform(0.4, 1.1)
        scene = over(scene, colour, box(dice, x, y, sharp) * dice.chance(0.9 * clutter))
    return scene
