"""Wide scenes with two signs, and two photographs in one: does the heat go to the one that was asked for?

Serves notebook 7. Papers: Selvaraju et al. 2017, arXiv:1610.02391 (asking for each of two classes).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_utils import images, runtime, signs, zoo
from course_utils.gradcam.class_score import classes
from course_utils.gradcam.comparison import Method
from course_utils.gradcam.localisation import pointing_game
from course_utils.signs.backgrounds import Dice, street


@dataclass(frozen=True)
class Pairs:
    """Pictures with two things, and the truth about both."""

    images: Tensor  # [N, 3, S, 2·S] in [0, 1]; collages [N, 3, S, S]
    labels: Tensor  # [N, 2], the class on the left and the one on the right
    masks: Tensor  # [N, 2, S, 2·S] in [0, 1]; collages [N, 2, S, S]


def two_signs(left: list[int], right: list[int], *, size: int = 64, seed: int = 0, device=None) -> Pairs:
    """Wide streets with two signs: each is rendered alone, cut out by its mask and set into one background.

    Args:
        left, right: the classes, one of each a scene.
        size: height of the pictures in pixels; they are twice as wide.

    >>> two_signs([signs.STOP], [signs.YIELD], device="cpu").images.shape
    torch.Size([1, 3, 64, 128])
    """
    if len(left) != len(right):
        raise ValueError(f"give as many signs for the left as for the right; got {len(left)} and {len(right)}.")
    where = runtime.device(device)
    scene = street(Dice(len(left), runtime.generator(seed, where)), 2 * size, 0.7)[
        ..., size // 2 : size // 2 + size, :
    ].clamp(0, 1)  # [N, 3, S, 2·S]
    masks = scene.new_zeros(len(left), 2, *scene.shape[2:])
    dials = signs.Dials.clean(distance=0.4, perspective=0.3, weathering=0.4, shadow=0.2)
    for k, labels in enumerate((left, right)):
        alone = signs.render(list(labels), size=size, seed=2 * seed + k, dials=dials, device=where)
        half = slice(k * size, (k + 1) * size)
        masks[:, k, :, half] = alone.masks[:, 0]
        scene[..., half] = torch.lerp(scene[..., half], alone.images, alone.masks.expand_as(alone.images))
    return Pairs(scene, torch.tensor([list(left), list(right)], device=where).T, masks)


def random_pairs(count: int, *, seed: int = 0, device=None) -> Pairs:
    """Wide scenes with two signs of different classes, drawn at random.

    >>> random_pairs(3, device="cpu").labels.shape
    torch.Size([3, 2])
    """
    draw = runtime.generator(seed)
    left = torch.randint(len(signs.CLASSES), (count,), generator=draw)
    other = torch.randint(1, len(signs.CLASSES), (count,), generator=draw)
    return two_signs(left.tolist(), ((left + other) % len(signs.CLASSES)).tolist(), seed=seed, device=device)


def collages(network: zoo.PixelNetwork, names: Sequence[str], *, device=None) -> Pairs:
    """Every two of some photographs in one picture, in both orders: the middle of each fills one half.

    Args:
        network: reads each whole photograph; that class is what its half is asked for.
        names: of `images.PHOTOGRAPHS`, each with one thing in its middle.

    >>> collages(zoo.load("efficientnet-lite0", device="cpu"), ["cat", "espresso"], device="cpu").images.shape
    torch.Size([2, 3, 224, 224])
    """
    size = network.input_size
    whole = torch.cat([images.photograph(name, size=size, device=device) for name in names])
    read, middle = classes(network, whole), whole[..., size // 4 : size // 4 + size // 2]
    sides = torch.tensor(list(itertools.permutations(range(len(names)), 2)), device=whole.device)  # [N, 2]
    masks = whole.new_zeros(len(sides), 2, size, size)
    masks[:, 0, :, : size // 2], masks[:, 1, :, size // 2 :] = 1, 1
    return Pairs(torch.cat([middle[sides[:, 0]], middle[sides[:, 1]]], dim=3), read[sides], masks)


def ask_for_both(network: nn.Module, pairs: Pairs, method: Method) -> dict[str, Tensor]:
    """Ask a method for each of two things by its class: does the heat go to the one that was asked for?

    Returns:
        "pointing game" → [N], the mean of the two questions of a scene; and "right sign": of the heat on both, the
        share on the one asked for; one half where both are cold.

    >>> streets = random_pairs(2, device="cpu")
    >>> ask_for_both(None, streets, lambda network, images, labels: images.mean(dim=1))["right sign"]
    tensor([0.5000, 0.5000])
    """
    inside = pairs.masks > 0.5  # [N, 2, S, 2·S]
    points, shares = [], []
    for side in (0, 1):
        maps = method(network, pairs.images, pairs.labels[:, side]).clamp(min=0)
        points.append(pointing_game(maps, pairs.masks[:, side]))
        heat = (maps[:, None] * inside).sum(dim=(2, 3))  # [N, 2]
        both = heat.sum(dim=1)
        shares.append(torch.where(both > 0, heat[:, side] / both, 0.5))
    return {"pointing game": sum(points) / 2, "right sign": sum(shares) / 2}
