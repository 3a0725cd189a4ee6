"""Residual networks: the block that learns f(x) = g(x) + x, and the small ResNet that ships with the course.

Serves notebooks 05, and as a trained network 06 to 08. Paper: He et al. 2016, "Deep Residual Learning for Image
Recognition", table 1 and figure 2.
"""

from __future__ import annotations

from torch import Tensor, nn


class BasicBlock(nn.Module):
    """Two 3×3 convolutions g(x), and the skip that adds x (He et al. 2016, figure 2).

    Args:
        in_channels: channels that come in.
        out_channels: filters of both convolutions.
        stride: of the first convolution; where it is not 1, or where the widths differ, the skip is a 1×1
            convolution of that stride, so that both summands have one shape.
    """

    def __init__(self, in_channels: int, out_channels: int, stride: int = 1):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, stride, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU()
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or in_channels != out_channels:
            self.skip = nn.Sequential(
                nn.Conv2d(in_channels, out_channels, 1, stride, bias=False), nn.BatchNorm2d(out_channels)
            )

    def forward(self, x: Tensor) -> Tensor:  # [N, C, H, W] → [N, C', H / stride, W / stride]
        g = self.norm2(self.conv2(self.relu(self.norm1(self.conv1(x)))))
        return self.relu(g + self.skip(x))


class SignsResNet(nn.Module):
    """A ResNet-18 at a quarter of its width, for pictures of 64×64 pixels.

    Args:
        classes: how many logits come out.
        width: filters of the first stage; each of the three others doubles them and halves height and width.
        blocks: residual blocks a stage.
    """

    def __init__(self, classes: int = 20, width: int = 16, blocks: int = 2):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, width, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()
        )
        self.stage1 = self._stage(width, width, blocks, stride=1)
        self.stage2 = self._stage(width, 2 * width, blocks, stride=2)
        self.stage3 = self._stage(2 * width, 4 * width, blocks, stride=2)
        self.stage4 = self._stage(4 * width, 8 * width, blocks, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(8 * width, classes)

    @staticmethod
    def _stage(in_channels: int, out_channels: int, blocks: int, stride: int) -> nn.Sequential:
        first = BasicBlock(in_channels, out_channels, stride)
        return nn.Sequential(first, *(BasicBlock(out_channels, out_channels) for _ in range(blocks - 1)))

    def forward(self, x: Tensor) -> Tensor:  # [N, 3, 64, 64]
        x = self.stage1(self.stem(x))  # [N, 16, 32, 32]
        x = self.stage2(x)  # [N, 32, 16, 16]
        x = self.stage4(self.stage3(x))  # [N, 128, 4, 4]
        return self.classifier(self.pool(x).flatten(1))  # [N, classes]
