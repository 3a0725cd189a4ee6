"""A plausible, wrong way to prepare pictures for a CNN, and the right one: the exhibit of lesson 1's exercise.

Serves notebook 1. Papers: Kaufman et al. 2012, "Leakage in data mining"; Kapoor and Narayanan 2023, "Leakage and the
reproducibility crisis in machine-learning-based science", which found such leaks in published work of 17 fields.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_utils import runtime, signs

SIZE = 32  # side of the exhibit's pictures, in pixels
Prepared = tuple[Tensor, Tensor, Tensor, Tensor]  # training pictures and labels, test pictures and labels


def photographs(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Road-sign scenes as they come out of files: uint8 [count, SIZE, SIZE, 3], the channels last, and their labels.

    >>> pictures, labels = photographs(40, seed=1)
    >>> pictures.shape, labels.shape
    (torch.Size([40, 32, 32, 3]), torch.Size([40]))
    """
    scenes = signs.render(count, size=SIZE, seed=seed, device="cpu")
    pixels = (scenes.images * 255).round().byte()  # [N, 3, S, S]
    return pixels.permute(0, 2, 3, 1).contiguous(), scenes.labels


def prepare(
    pictures: Tensor, labels: Tensor, copies: int = 8, seed: int = 0, *, scrambled: bool = False, leaky: bool = False
) -> Prepared:
    """Split scenes into four fifths for training and one fifth for the test, and make changed copies of the first.

    Args:
        pictures: uint8 [N, H, W, 3].
        labels: [N].
        copies: how many brighter, darker, noisy copies of each training scene there shall be.
        scrambled: deal the numbers out with reshape, as the exhibit does; it should be permute.
        leaky: make the copies first and split them afterwards, as the exhibit does.

    Returns:
        Training pictures [M, 3, H, W] in [0, 1], their labels, test pictures, their labels.

    >>> [len(part) for part in prepare(*photographs(40, seed=1), copies=8)]
    [256, 256, 8, 8]
    """
    draw = runtime.generator(seed)
    moved = pictures.permute(0, 3, 1, 2)  # [N, 3, H, W]
    x, y = (pictures.reshape(moved.shape) if scrambled else moved).float() / 255, labels
    if leaky:
        x, y = augment(x, y, copies, draw)
    order, cut = torch.randperm(len(x), generator=draw), int(0.8 * len(x))
    train, test = order[:cut], order[cut:]
    known = x[train], y[train]
    return (*(known if leaky else augment(*known, copies, draw)), x[test], y[test])


def augment(x: Tensor, y: Tensor, copies: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
    """Brighter, darker and noisy copies of pictures [N, 3, H, W] in [0, 1], and their labels."""
    x, y = x.repeat(copies, 1, 1, 1), y.repeat(copies)
    x = x * (0.8 + 0.4 * torch.rand(len(x), 1, 1, 1, generator=draw))
    return (x + 0.05 * torch.randn(x.shape, generator=draw)).clamp(0, 1), y


def small_cnn(seed: int = 0) -> nn.Module:
    """Three convolutions and a linear layer, for pictures of SIZE × SIZE; quick to train.

    >>> small_cnn()(torch.zeros(1, 3, SIZE, SIZE)).shape
    torch.Size([1, 20])
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        layers: list[nn.Module] = []
        for inside, outside in ((3, 10), (10, 20), (20, 40)):
            layers += [nn.Conv2d(inside, outside, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(40 * (SIZE // 8) ** 2, len(signs.CLASSES)))
