"""The Inception module with its four named branches, and the small Inception network that ships with the course.

Serves notebook 04, and as a trained network 06 to 08. Paper: Szegedy et al. 2015, "Going Deeper with Convolutions",
figure 2b; batch normalisation after each convolution as in Ioffe and Szegedy 2015.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def conv_norm_relu(in_channels: int, out_channels: int, kernel_size: int, stride: int = 1) -> nn.Sequential:
    """A convolution that keeps the size (at stride 1), batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels),
        nn.ReLU(),
    )


class Inception(nn.Module):
    """Four views of the same input, side by side in the channels (Szegedy et al. 2015, figure 2b).

    Args:
        in_channels: channels that come in.
        conv_1x1: filters of the 1×1 branch.
        conv_3x3: (1×1 filters that reduce, 3×3 filters).
        conv_5x5: (1×1 filters that reduce, 5×5 filters).
        pool: 1×1 filters behind the 3×3 max pooling.
    """

    def __init__(
        self, in_channels: int, conv_1x1: int, conv_3x3: tuple[int, int], conv_5x5: tuple[int, int], pool: int
    ):
        super().__init__()
        self.conv_1x1 = conv_norm_relu(in_channels, conv_1x1, 1)
        self.conv_3x3 = nn.Sequential(
            conv_norm_relu(in_channels, conv_3x3[0], 1), conv_norm_relu(*conv_3x3, kernel_size=3)
        )
        self.conv_5x5 = nn.Sequential(
            conv_norm_relu(in_channels, conv_5x5[0], 1), conv_norm_relu(*conv_5x5, kernel_size=5)
        )
        self.pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv_norm_relu(in_channels, pool, 1))
        self.out_channels = conv_1x1 + conv_3x3[1] + conv_5x5[1] + pool

    def forward(self, x: Tensor) -> Tensor:  # [N, C, H, W] → [N, out_channels, H, W]
        return torch.cat([self.conv_1x1(x), self.conv_3x3(x), self.conv_5x5(x), self.pool(x)], dim=1)


class SignsInception(nn.Module):
    """GoogLeNet in small, for pictures of 64×64 pixels: a stem, four Inception modules, average pooling.

    Args:
        classes: how many logits come out.
    """

    def __init__(self, classes: int = 20):
        super().__init__()
        self.stem = nn.Sequential(conv_norm_relu(3, 32, 5, stride=2), nn.MaxPool2d(3, 2, padding=1))
        self.conv = conv_norm_relu(32, 48, 3)
        self.inception_a = Inception(48, 24, (24, 40), (8, 16), 16)  # → 96
        self.inception_b = Inception(96, 40, (32, 64), (12, 24), 16)  # → 144
        self.reduce = nn.MaxPool2d(3, 2, padding=1)
        self.inception_c = Inception(144, 64, (48, 96), (16, 32), 32)  # → 224
        self.inception_d = Inception(224, 80, (64, 112), (16, 32), 32)  # → 256
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(256, classes)

    def forward(self, x: Tensor) -> Tensor:  # [N, 3, 64, 64]
        x = self.conv(self.stem(x))  # [N, 48, 16, 16]
        x = self.reduce(self.inception_b(self.inception_a(x)))  # [N, 144, 8, 8]
        x = self.inception_d(self.inception_c(x))  # [N, 256, 8, 8]
        return self.classifier(self.dropout(self.pool(x).flatten(1)))  # [N, classes]
