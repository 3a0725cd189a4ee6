"""The small world: six signs that no one takes for each other, 32×32 pixels, for networks that are trained at once.

Serves notebook 05 (the twins, their loss surface, missing blocks) and 08 (adversarial and certified training). Papers:
none.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from course_utils import runtime
from course_utils.signs.scenes import CLASS_NAMES, render_blocks

SIGNS = ("priority road", "yield", "stop", "no entry", "caution", "keep right")  # no two alike in shape and colour
SIZE = 32  # pixels
BLOCK = 256  # scenes rendered at a time
GUESSING = math.log(len(SIGNS))  # the loss of who answers 1/6 to everything


def scene_blocks(count: int, seed: int = 0, device=None) -> Iterator[tuple[Tensor, Tensor]]:
    """Road-sign scenes of the six signs, some more an item, as many of each sign.

    Args:
        count: of scenes.
        seed: of the scenes; `signs.TEST_SEED` for those to measure with.
        device: where to render; None takes the best that there is.

    Yields:
        Pictures [n, 3, 32, 32] in [0, 1] and labels [n], 0 to 5, the order of `SIGNS`.
    """
    where = runtime.device(device)
    classes = torch.tensor([CLASS_NAMES.index(name) for name in SIGNS], device=where)
    labels = torch.arange(count, device=where) % len(SIGNS)
    blocks = render_blocks(count, BLOCK, seed=seed, labels=classes[labels], size=SIZE, device=where)
    for made, some in zip(blocks, labels.split(BLOCK), strict=True):
        yield made.images, some


def scenes(count: int, seed: int = 0, device=None) -> tuple[Tensor, Tensor]:
    """All of `scene_blocks` at once: pictures [count, 3, 32, 32] in [0, 1], and labels [count].

    >>> images, labels = scenes(12, device="cpu")
    >>> images.shape, labels.bincount().tolist()
    (torch.Size([12, 3, 32, 32]), [2, 2, 2, 2, 2, 2])
    """
    images, labels = zip(*scene_blocks(count, seed, device), strict=True)
    return torch.cat(images), torch.cat(labels)
