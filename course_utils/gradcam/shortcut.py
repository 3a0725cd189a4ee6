"""A shortcut for a network: road-sign scenes with coloured stickers, of which one colour gives a class away.

Serves notebook 7, the exercise in which Grad-CAM finds it. Papers: Geirhos et al. 2020, arXiv:2004.07780 (shortcut
learning); Lapuschkin et al. 2019, arXiv:1902.10178 (the horse that was read by its copyright line).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from course_utils import runtime, signs
from course_utils.signs.backgrounds import grids

COLOURS = {"green": (0.10, 0.80, 0.25), "magenta": (0.90, 0.10, 0.75), "cyan": (0.10, 0.80, 0.90)}
RADIUS = 0.2  # of a sticker, in half widths of the picture: 13 pixels across at 64×64
GIVEN_AWAY, BY = "80 limit", "green"  # the shortcut: this class always carries this colour, and no other class does


@dataclass(frozen=True)
class ShortcutScenes:
    """Scenes in which a sticker gives a class away."""

    scenes: signs.Scenes  # images with their stickers, labels, masks of the *signs*, poses
    colours: Tensor  # [N], index into `COLOURS`
    stickers: Tensor  # [N, 1, S, S] in [0, 1], how much of each pixel is sticker


def render(labels, *, seed: int = 0, size: int = 64, dials: signs.Dials | None = None, device=None) -> ShortcutScenes:
    """Scenes with a round sticker in some corner each, its colour as the shortcut wants it.

    Args:
        labels, seed, size, dials, device: as in `signs.render`.

    >>> made = render(4, device="cpu")
    >>> made.scenes.images.shape, made.stickers.shape
    (torch.Size([4, 3, 64, 64]), torch.Size([4, 1, 64, 64]))
    """
    scenes = signs.render(labels, seed=seed, size=size, dials=dials, device=device)
    where = scenes.images.device
    others = torch.tensor([k for k, name in enumerate(COLOURS) if name != BY], device=where)
    drawn = torch.randint(len(others), (len(scenes),), generator=runtime.generator(seed + 1, where), device=where)
    given_away = scenes.labels == signs.CLASS_NAMES.index(GIVEN_AWAY)
    colours = torch.where(given_away, list(COLOURS).index(BY), others[drawn])
    images, stickers = put_stickers(scenes.images, colours, seed=seed + 2)
    scenes = signs.Scenes(images, scenes.labels, scenes.masks * (1 - stickers), scenes.poses)
    return ShortcutScenes(scenes, colours, stickers)


def put_stickers(images: Tensor, colours: Tensor, *, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Put a round sticker into a corner of each picture.

    Args:
        images: [N, 3, S, S] in [0, 1].
        colours: index into `COLOURS`, [N].
        seed: of the corners, and of where in them.

    Returns:
        The pictures with their stickers, [N, 3, S, S], and where those are, [N, 1, S, S] in [0, 1].

    >>> images, stickers = put_stickers(torch.zeros(1, 3, 64, 64), torch.tensor([0]))
    >>> images[0].amax(dim=(1, 2)).argmax()  # green
    tensor(1)
    """
    size, how = images.shape[-1], {"generator": runtime.generator(seed, images.device), "device": images.device}
    corner = torch.randint(0, 2, (2, len(images), 1, 1, 1), **how) * 2 - 1
    place = corner * (0.8 + 0.08 * (2 * torch.rand(corner.shape, **how) - 1))
    x, y = grids(size, images.device)
    distance = ((x - place[0]) ** 2 + (y - place[1]) ** 2).sqrt()  # [N, 1, S, S]
    stickers = ((RADIUS - distance) * size / 2 + 0.5).clamp(0, 1)
    paint = images.new_tensor(list(COLOURS.values()))[colours][:, :, None, None]  # [N, 3, 1, 1]
    light = 0.8 + 0.2 * torch.rand((len(images), 1, 1, 1), **how)
    return torch.lerp(images, (paint * light).expand_as(images), stickers.expand_as(images)), stickers
