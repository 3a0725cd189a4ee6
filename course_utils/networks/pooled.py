"""Four small networks that differ in nothing but their pooling, and the layer that pools with a blur.

Serves notebook 02. Paper: Zhang 2019, "Making Convolutional Networks Shift-Invariant Again", arXiv:1904.11486.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.arguments import check_choice

KINDS = ("max", "average", "blur", "stride")


def blur2d(images: Tensor, stride: int | tuple[int, int] = 1) -> Tensor:
    """Blur every channel with (1, 2, 1)/4 along both axes, Zhang's Triangle-3, and keep every stride-th pixel.

    Args:
        images: float [N, C, H, W], at least 2×2 pixels; beyond its edges the picture is mirrored.
        stride: at least 1; one number, or (down, across).

    Returns:
        Float [N, C, ⌈H/stride⌉, ⌈W/stride⌉].

    >>> import torch
    >>> blur2d(torch.tensor([[[[0.0, 0, 4, 0, 0]] * 5]]))[0, 0, 0].tolist()
    [0.0, 1.0, 2.0, 1.0, 0.0]
    """
    height, width = images.shape[2:]
    if min(height, width) < 2:
        few = f"a picture of {height}×{width} pixels has too few; take a smaller kernel or a larger picture."
        raise ValueError(f"a blur mirrors 1 pixel beyond the edge, and {few}")
    row = images.new_tensor([1, 2, 1]) / 4
    weights = row.outer(row).expand(images.shape[1], 1, 3, 3)  # the same for each channel
    mirrored = F.pad(images, (1, 1, 1, 1), mode="reflect")
    return F.conv2d(mirrored, weights, stride=stride, groups=images.shape[1])


class BlurPool2d(nn.Module):
    """Zhang's MaxBlurPool: a 2×2 maximum at every pixel, a blur, and of that every second pixel."""

    def forward(self, x: Tensor) -> Tensor:  # [N, C, H, W] → [N, C, ⌈(H - 1) / 2⌉, ⌈(W - 1) / 2⌉]
        return blur2d(F.max_pool2d(x, 2, stride=1), stride=2)


class SignsPoolNet(nn.Module):
    """Four stages of convolution, each of which halves height and width; only how it halves them differs.

    Args:
        kind: "max" (2×2 maximum), "average" (2×2 mean), "blur" (2×2 maximum, then a blur) or "stride" (no pooling:
            the convolution itself goes two pixels at a time). All four have the same weights in the same places.
        width: of the widest stage, in channels; the others in proportion.
    """

    def __init__(self, kind: str = "max", classes: int = 20, width: int = 96):
        super().__init__()
        check_choice("kind", kind, KINDS, says=f"is how a SignsPoolNet halves, one of {', '.join(KINDS)}")
        stride, layers = 2 if kind == "stride" else 1, []
        one, two, three = (width * channels // 96 for channels in (16, 32, 64))
        for before, after in ((3, one), (one, two), (two, three), (three, width)):
            layers += [nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
            pools = {"max": nn.MaxPool2d(2), "average": nn.AvgPool2d(2), "blur": BlurPool2d(), "stride": nn.Identity()}
            layers.append(pools[kind])
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:  # [N, 3, S, S]
        x = self.features(x)  # [N, width, S / 16, S / 16]
        return self.classifier(self.pool(x).flatten(1))  # [N, classes]
