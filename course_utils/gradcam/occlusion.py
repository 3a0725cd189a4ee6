"""A map without gradients: cover a place of the picture, and see how far the score falls.

Serves notebook 7. Papers: Zeiler and Fergus 2014, arXiv:1311.2901, section 4.2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.arguments import check_number, check_whole
from course_utils.gradcam.class_score import PART, classes, in_parts, score

BRIGHTNESS = "is a brightness from 0 (black) to 1 (white)"


def occlusion(
    network: nn.Module,
    images: Tensor,
    labels=None,
    *,
    window: int | None = None,
    stride: int | None = None,
    fill: float = 0.5,
) -> Tensor:
    """How far the score falls when a grey square covers a place, averaged over the squares that cover it.

    Args:
        window: side of the square in pixels, at least 1; None takes a fifth of the picture's shorter side.
        stride: pixels from one square to the next, from 1 to `window` (so that no pixel is left out); None takes
            half of it.
        fill: brightness of the square, in [0, 1].
        network, images, labels: as in `saliency.vanilla_gradient`.

    Returns:
        The maps, [N, H, W]; 0 where the square *helps* the class.

    >>> network, x = nn.Sequential(nn.Flatten(), nn.Linear(12, 1, bias=False)), torch.ones(1, 3, 2, 2)
    >>> torch.equal(occlusion(network, x, 0, fill=1), torch.zeros(1, 2, 2))  # white on white: nothing changes
    True
    """
    labels = classes(network, images, labels)
    window = check_whole("window", max(1, min(images.shape[2:]) // 5) if window is None else window)
    stride = check_whole("stride", max(1, window // 2) if stride is None else stride)
    if stride > window:
        raise ValueError(
            f"with stride {stride} and window {window} some pixels are never covered; take stride ≤ window."
        )
    check_number("fill", fill, 0, 1, says=BRIGHTNESS)
    squares = _squares(*images.shape[2:], window, stride, images.device).to(images.dtype)  # [K, H, W], 1 inside
    covers = squares.sum(dim=0)  # [H, W]

    @torch.no_grad()
    def fall(some: Tensor, wanted: Tensor) -> Tensor:
        covered = torch.where(squares[:, None] > 0, fill, some[:, None])  # [n, K, 3, H, W]
        before = score(network(some), wanted)  # [n]
        after = torch.cat([network(part) for part in covered.flatten(0, 1).split(4 * PART)])
        after = score(after, wanted.repeat_interleave(len(squares)))
        drops = before[:, None] - after.unflatten(0, (-1, len(squares)))  # [n, K]
        return torch.einsum("nk,khw->nhw", drops, squares) / covers

    with runtime.kept(network):
        return in_parts(fall, images.detach(), labels, copies=len(squares)).clamp(min=0)


def _squares(height: int, width: int, window: int, stride: int, device: torch.device) -> Tensor:
    """Every place of the square, [K, H, W]; those at the right and lower edge are cut off."""

    def spans(length: int) -> Tensor:
        starts = torch.arange(0, max(1, math.ceil((length - window) / stride) + 1), device=device) * stride
        place = torch.arange(length, device=device)
        return ((place >= starts[:, None]) & (place < starts[:, None] + window)).float()  # [k, length]

    return torch.einsum("ah,bw->abhw", spans(height), spans(width)).flatten(0, 1)
