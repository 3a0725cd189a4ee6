"""EfficientNet-Lite0: a network of 2020, built of what the lessons teach: 1×1 and depthwise convolutions, and a skip.

Serves notebooks 03 and 05, and as a trained network for photographs 01 and 06 to 08. Papers: Tan and Le 2019,
"EfficientNet", table 1, arXiv:1905.11946; the block is the inverted residual of Sandler et al. 2018 ("MobileNetV2"),
figure 3, arXiv:1801.04381. Lite (Liu 2020) leaves squeeze-and-excitation out and takes ReLU6, for telephones' sake.
"""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

TABLE = (  # Tan and Le 2019, table 1, stages 2 to 8; the shapes are those of a picture of 224×224
    # expansion, kernel, stride of the first block, channels, blocks
    (1, 3, 1, 16, 1),  # [N, 16, 112, 112]
    (6, 3, 2, 24, 2),  # [N, 24, 56, 56]
    (6, 5, 2, 40, 2),  # [N, 40, 28, 28]
    (6, 3, 2, 80, 3),  # [N, 80, 14, 14]
    (6, 5, 1, 112, 3),  # [N, 112, 14, 14]
    (6, 5, 2, 192, 4),  # [N, 192, 7, 7]
    (6, 3, 1, 320, 1),  # [N, 320, 7, 7]
)
STEM, HEAD = 32, 1280  # channels of the first and of the last convolution


class Convolution(nn.Sequential):
    """A convolution with its normalisation and, if it is to have one, a ReLU6.

    The zeros around the picture lie where TensorFlow puts them, since the weights come from there: at stride 2 a
    picture of even sides needs an odd number of them, and gets one more below and on the right.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int = 1, stride: int = 1, groups: int = 1, relu: bool = True
    ):
        first, last = (kernel - stride) // 2, (kernel - stride + 1) // 2  # zeros above and below, left and right
        layers: dict[str, nn.Module] = {"pad": nn.ZeroPad2d((first, last, first, last))} if first != last else {}
        padding = first if first == last else 0
        layers["conv"] = nn.Conv2d(in_channels, out_channels, kernel, stride, padding, groups=groups, bias=False)
        layers["norm"] = nn.BatchNorm2d(out_channels, eps=1e-3, momentum=0.01)
        if relu:
            layers["relu"] = nn.ReLU6()
        super().__init__(OrderedDict(layers))


class InvertedResidual(nn.Module):
    """Widen by a 1×1, look around in each channel alone, narrow by a 1×1; and add x where the shapes agree.

    It is ResNet's bottleneck turned inside out: that one is thin in the middle, this one wide, which costs little,
    since a depthwise 3×3 has 9 weights a channel. Nothing cuts off behind the narrow end (a "linear bottleneck").

    Args:
        in_channels, out_channels: of the narrow ends.
        kernel: side of the depthwise filters.
        stride: of the depthwise convolution.
        expansion: how many times as wide the middle is; 1 leaves the first 1×1 out.

    >>> import torch
    >>> InvertedResidual(24, 40, kernel=5, stride=2, expansion=6)(torch.rand(1, 24, 56, 56)).shape
    torch.Size([1, 40, 28, 28])
    """

    def __init__(self, in_channels: int, out_channels: int, *, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = expansion * in_channels
        self.expand = Convolution(in_channels, wide) if expansion > 1 else nn.Identity()
        self.depthwise = Convolution(wide, wide, kernel, stride, groups=wide)
        self.project = Convolution(wide, out_channels, relu=False)
        self.skip = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:  # [N, C, H, W] → [N, C', H / stride, W / stride]
        g = self.project(self.depthwise(self.expand(x)))
        return g + x if self.skip else g


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite0: a stem, seven stages of inverted residuals, a 1×1 convolution, the mean, a linear layer.

    Args:
        classes: how many logits come out.
    """

    def __init__(self, classes: int = 1000):
        super().__init__()
        self.stem = Convolution(3, STEM, kernel=3, stride=2)  # [N, 32, 112, 112]
        self.stages, width = nn.Sequential(), STEM
        for expansion, kernel, stride, channels, count in TABLE:
            stage = nn.Sequential()
            for k in range(count):
                how = {"kernel": kernel, "stride": stride if k == 0 else 1, "expansion": expansion}
                stage.append(InvertedResidual(width, channels, **how))
                width = channels
            self.stages.append(stage)
        self.head = Convolution(width, HEAD)  # [N, 1280, 7, 7]
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.classifier = nn.Linear(HEAD, classes)

    def forward(self, x: Tensor) -> Tensor:  # [N, 3, 224, 224] → [N, classes]
        features = self.head(self.stages(self.stem(x)))
        return self.classifier(self.dropout(self.pool(features).flatten(1)))
