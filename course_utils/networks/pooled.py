"""Four small networks that differ in nothing but their pooling, and the layer that pools with a blur.

Serves notebook 02. Paper: Zhang 2019, "Making Convolutional Networks Shift-Invariant Again", arXiv:1904.11486.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.arguments import is_whole

KINDS = ("max", "average", "blur", "stride")


def binomial(taps: int) -> Tensor:
    """A row of Pascal's triangle, times itself: the blur [taps, taps] of whole numbers that comes nearest to Gauss's.

    Args:
        taps: at least 1.
    """
    if not is_whole(taps) or taps < 1:
        raise ValueError(f"a blur has a whole number of taps, 1 or more; got {taps!r}. Zhang uses 2, 3 and 5.")
    row = torch.tensor([math.comb(taps - 1, k) for k in range(taps)], dtype=torch.float64)
    return row.outer(row) / 4 ** (taps - 1)


class BlurPool2d(nn.Module):
    """`blur_pool2d` with a 2×2 maximum as a layer: the blur is a convolution, which is faster than our windows."""

    def __init__(self, stride: int = 2, taps: int = 3):
        super().__init__()
        self.stride, self.taps = stride, taps
        self.register_buffer("weights", binomial(taps).float(), persistent=False)  # nothing that is learnt

    def forward(self, x: Tensor) -> Tensor:  # [N, C, H, W] → [N, C, ⌈(H - 1) / stride⌉, ⌈(W - 1) / stride⌉]
        before, after = (self.taps - 1) // 2, self.taps // 2
        x = F.pad(F.max_pool2d(x, 2, stride=1), (before, after, before, after), mode="reflect")
        weights = self.weights.to(x.dtype).expand(x.shape[1], 1, -1, -1)  # [C, 1, taps, taps]
        return F.conv2d(x, weights, stride=self.stride, groups=x.shape[1])


class SignsPoolNet(nn.Module):
    """Four stages of convolution, each of which halves height and width; only how it halves them differs.

    Args:
        kind: "max" (2×2 maximum), "average" (2×2 mean), "blur" (2×2 maximum, then a blur) or "stride" (no pooling:
            the convolution itself goes two pixels at a time). All four have the same weights in the same places.
        classes: how many logits come out.
        widths: filters of each stage.
    """

    def __init__(self, kind: str = "max", classes: int = 20, widths: tuple[int, ...] = (16, 32, 64, 96)):
        super().__init__()
        if kind not in KINDS:
            raise ValueError(f"a SignsPoolNet halves by one of {', '.join(KINDS)}; got {kind!r}.")
        layers: list[nn.Module] = []
        for before, after in zip((3, *widths), widths, strict=False):
            stride = 2 if kind == "stride" else 1
            layers += [nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            layers.append(self._halves(kind))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(widths[-1], classes)

    @staticmethod
    def _halves(kind: str) -> nn.Module:
        return {"max": nn.MaxPool2d(2), "average": nn.AvgPool2d(2), "blur": BlurPool2d(), "stride": nn.Identity()}[kind]

    def forward(self, x: Tensor) -> Tensor:  # [N, 3, S, S]
        x = self.features(x)  # [N, 96, S / 16, S / 16]
        return self.classifier(self.pool(x).flatten(1))  # [N, classes]
