"""The Inception module with its four named branches, GoogLeNet as the slide's table, and the small one that ships.

Serves notebook 4, and as trained networks 6 to 8. Paper: Szegedy et al. 2015, "Going Deeper with Convolutions",
figure 2 and table 1; batch normalisation after each convolution, which came later (Ioffe and Szegedy 2015).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from course_utils.arguments import is_whole
from course_utils.networks.weights import rename

BRANCHES = ("conv_1x1", "conv_3x3", "conv_5x5", "pool")  # in the order of their channels


def conv_norm_relu(
    in_channels: int, out_channels: int, kernel_size: int, stride: int = 1, *, eps: float = 1e-5
) -> nn.Sequential:
    """A convolution that keeps the size (at stride 1), batch normalisation, ReLU."""
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, stride, padding=kernel_size // 2, bias=False),
        nn.BatchNorm2d(out_channels, eps=eps),
        nn.ReLU(),
    )


# ---- the module ------------------------------------------------------------------------------------------------
class Inception(nn.Module):
    """Four branches over the same input, side by side in the channels (Szegedy et al. 2015, figure 2b).

    Args:
        conv_1x1: filters of the 1×1 branch.
        conv_3x3: (1×1 filters that reduce, 3×3 filters); None for the first leaves the reduction out (figure 2a).
        conv_5x5: (1×1 filters that reduce, 5×5 filters), likewise.
        pool: 1×1 filters behind the 3×3 max pooling.
        kernels: sizes of the filters in the branches conv_3x3 and conv_5x5, odd; torchvision's GoogLeNet has (3, 3).
        eps: what batch normalisation adds to a variance before it divides by its root.

    >>> module = Inception(192, 64, (96, 128), (16, 32), 32)  # inception (3a) of GoogLeNet's table
    >>> module(torch.rand(1, 192, 28, 28)).shape
    torch.Size([1, 256, 28, 28])
    """

    def __init__(
        self,
        in_channels: int,
        conv_1x1: int,
        conv_3x3: tuple[int | None, int],
        conv_5x5: tuple[int | None, int],
        pool: int,
        *,
        kernels: tuple[int, int] = (3, 5),
        eps: float = 1e-5,
    ):
        super().__init__()
        _check_widths(in_channels, (conv_1x1, conv_3x3, conv_5x5, pool), kernels)
        self.in_channels = in_channels
        self.conv_1x1 = conv_norm_relu(in_channels, conv_1x1, 1, eps=eps)
        self.conv_3x3 = _reduce_first(in_channels, *conv_3x3, kernels[0], eps)
        self.conv_5x5 = _reduce_first(in_channels, *conv_5x5, kernels[1], eps)
        self.pool = nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), conv_norm_relu(in_channels, pool, 1, eps=eps))
        self.widths = (conv_1x1, conv_3x3[1], conv_5x5[1], pool)  # what each branch adds, in the order of BRANCHES
        self.out_channels = sum(self.widths)

    def forward(self, x: Tensor) -> Tensor:  # [N, C, H, W] → [N, out_channels, H, W]
        if x.shape[1] != self.in_channels:
            raise ValueError(
                f"this Inception module takes {self.in_channels} channels and got {x.shape[1]}; the widths of the "
                "layer before it must add up to what comes in here."
            )
        return torch.cat([self.conv_1x1(x), self.conv_3x3(x), self.conv_5x5(x), self.pool(x)], dim=1)


def _reduce_first(in_channels: int, reduce: int | None, filters: int, kernel: int, eps: float) -> nn.Sequential:
    """A branch: few 1×1 filters first (unless None), then the large ones."""
    first = [] if reduce is None else [conv_norm_relu(in_channels, reduce, 1, eps=eps)]
    return nn.Sequential(*first, conv_norm_relu(reduce or in_channels, filters, kernel, eps=eps))


def _check_widths(in_channels: int, widths: tuple, kernels: tuple[int, int]) -> None:
    """Refuse what is no module, and say which branch it is."""
    for branch, given in zip(("in_channels", *BRANCHES), (in_channels, *widths), strict=True):
        counts = [given]
        if branch in BRANCHES[1:3]:
            if not isinstance(given, tuple | list) or len(given) != 2:
                raise ValueError(f"{branch} takes two numbers, (1×1 filters that reduce, filters); got {given!r}.")
            counts = given[1:] if given[0] is None else given
        if not all(is_whole(count) and count >= 1 for count in counts):
            raise ValueError(f"{branch} needs whole numbers of channels, 1 or more; got {given!r}.")
    for branch, kernel in zip(BRANCHES[1:3], kernels, strict=True):
        if not is_whole(kernel) or kernel < 1 or kernel % 2 == 0:
            odd = "must be odd (1, 3, 5 …) to keep height and width"
            raise ValueError(f"the kernel of {branch} {odd}; got {kernel!r}.")


# ---- GoogLeNet -------------------------------------------------------------------------------------------------
# The widths of table 1 in the paper, one row a module; the slide shows their sums.
# fmt: off
MODULES = {
    #       in  1×1  3×3         5×5        pool
    "3a": (192,  64, ( 96, 128), (16,  32),  32),  # → 256
    "3b": (256, 128, (128, 192), (32,  96),  64),  # → 480
    "4a": (480, 192, ( 96, 208), (16,  48),  64),  # → 512
    "4b": (512, 160, (112, 224), (24,  64),  64),  # → 512
    "4c": (512, 128, (128, 256), (24,  64),  64),  # → 512
    "4d": (512, 112, (144, 288), (32,  64),  64),  # → 528
    "4e": (528, 256, (160, 320), (32, 128), 128),  # → 832
    "5a": (832, 256, (160, 320), (32, 128), 128),  # → 832
    "5b": (832, 384, (192, 384), (48, 128), 128),  # → 1024
}
# fmt: on
STEM, HEAD = 192, 1024  # channels that come out of the first convolutions, and that go into the linear layer
_conv = partial(conv_norm_relu, eps=1e-3)  # torchvision's eps
_max_pool = partial(nn.MaxPool2d, stride=2, ceil_mode=True)  # a window may reach over the edge: 112 → 56, not 55


class Logits(NamedTuple):
    """What GoogLeNet answers while it is trained: its own logits, and those of its two auxiliary classifiers."""

    logits: Tensor  # [N, classes]
    aux1: Tensor  # [N, classes], from 4a
    aux2: Tensor  # [N, classes], from 4d


class GoogLeNet(nn.Module):
    """GoogLeNet, row by row as on the slide (Szegedy et al. 2015, table 1).

    Batch normalisation follows each convolution, as in torchvision; the paper, which is older, normalises twice across
    the channels instead.

    Args:
        conv_5x5_kernel: 5 as in the paper and on the slide; 3 as in torchvision, by a mistake that stayed.
        aux: whether it has the two auxiliary classifiers; they speak in training mode only.
        modules: name → (in, 1×1, (reduce, 3×3), (reduce, 5×5), pool) of the nine Inception modules.

    >>> googlenet = GoogLeNet(classes=20, aux=False).eval()
    >>> googlenet(torch.rand(1, 3, 224, 224)).shape
    torch.Size([1, 20])
    """

    def __init__(
        self, classes: int = 1000, *, conv_5x5_kernel: int = 5, aux: bool = True, modules: Mapping[str, tuple] = MODULES
    ):
        super().__init__()
        _check_sums(modules)

        def inception(name: str) -> Inception:
            try:
                return Inception(*modules[name], kernels=(3, conv_5x5_kernel), eps=1e-3)
            except ValueError as problem:
                raise ValueError(f"inception_{name}: {problem}") from None

        # fmt: off
        #                   type                             patch / stride   output size
        self.conv1        = _conv(3, 64, 7, stride=2)      # 7×7 / 2          112×112×64
        self.maxpool1     = _max_pool(3)                   # 3×3 / 2          56×56×64
        self.conv2        = nn.Sequential(_conv(64, 64, 1), _conv(64, STEM, 3))  # 3×3 / 1, reduced before: 56×56×192
        self.maxpool2     = _max_pool(3)                   # 3×3 / 2          28×28×192
        self.inception_3a = inception("3a")                #                  28×28×256
        self.inception_3b = inception("3b")                #                  28×28×480
        self.maxpool3     = _max_pool(3)                   # 3×3 / 2          14×14×480
        self.inception_4a = inception("4a")                #                  14×14×512
        self.inception_4b = inception("4b")                #                  14×14×512
        self.inception_4c = inception("4c")                #                  14×14×512
        self.inception_4d = inception("4d")                #                  14×14×528
        self.inception_4e = inception("4e")                #                  14×14×832
        self.maxpool4     = _max_pool(3)                   # 3×3 / 2          7×7×832
        self.inception_5a = inception("5a")                #                  7×7×832
        self.inception_5b = inception("5b")                #                  7×7×1024
        self.avgpool      = nn.AdaptiveAvgPool2d(1)        # 7×7 / 1          1×1×1024
        self.dropout      = nn.Dropout(0.4)                # 40 %             1×1×1024
        self.linear       = nn.Linear(HEAD, classes)       #                  1×1×1000
        # fmt: on
        self.aux1 = Auxiliary(self.inception_4a.out_channels, classes) if aux else None
        self.aux2 = Auxiliary(self.inception_4d.out_channels, classes) if aux else None

    def forward(self, x: Tensor) -> Tensor | Logits:  # [N, 3, 224, 224], normalised → [N, classes]
        x = self.maxpool2(self.conv2(self.maxpool1(self.conv1(x))))  # [N, 192, 28, 28]
        x = self.maxpool3(self.inception_3b(self.inception_3a(x)))  # [N, 480, 14, 14]
        x = after_4a = self.inception_4a(x)
        x = after_4d = self.inception_4d(self.inception_4c(self.inception_4b(x)))
        x = self.maxpool4(self.inception_4e(x))  # [N, 832, 7, 7]
        x = self.avgpool(self.inception_5b(self.inception_5a(x)))  # [N, 1024, 1, 1]
        logits = self.linear(self.dropout(x.flatten(1)))
        if self.training and self.aux1 is not None:
            return Logits(logits, self.aux1(after_4a), self.aux2(after_4d))
        return logits

    @classmethod
    def like_torchvision(cls, classes: int = 1000, *, aux: bool = True) -> GoogLeNet:
        """GoogLeNet with torchvision's four liberties, so that its weights give its logits.

        3×3 for 5×5 in every module, 2×2 for 3×3 in the last max pooling, another average pooling in the auxiliary
        classifiers, and 20 % for 40 % in the dropout.
        """
        network = cls(classes, conv_5x5_kernel=3, aux=aux)
        network.maxpool4 = _max_pool(2)
        network.dropout = nn.Dropout(0.2)
        if aux:
            network.aux1.avgpool = network.aux2.avgpool = nn.AdaptiveAvgPool2d(4)
        return network


class Auxiliary(nn.Sequential):
    """A classifier half-way, [N, in_channels, 14, 14] → [N, classes]: it brings gradient to the early layers."""

    def __init__(self, in_channels: int, classes: int):
        super().__init__()
        self.avgpool = nn.AvgPool2d(5, stride=3)  # [N, C, 4, 4]
        self.conv = _conv(in_channels, 128, 1)
        self.flatten = nn.Flatten()
        self.hidden = nn.Linear(128 * 4 * 4, 1024)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.7)
        self.linear = nn.Linear(1024, classes)


def _check_sums(modules: Mapping[str, tuple]) -> None:
    """What comes out of a row must be what the next one takes."""
    if list(modules) != list(MODULES):
        raise ValueError(f"GoogLeNet has the modules {', '.join(MODULES)}, in this order; got {', '.join(modules)}.")
    before, sum_before = "conv2", STEM
    for name, (in_channels, one, three, five, pool) in modules.items():
        if in_channels != sum_before:
            raise ValueError(f"inception_{name} takes {in_channels} channels, but {before} gives {sum_before}.")
        widths = (one, three[-1], five[-1], pool)
        before = f"inception_{name} ({' + '.join(map(str, widths))})"
        sum_before = sum(widths)
    if sum_before != HEAD:
        raise ValueError(f"linear takes {HEAD} channels, but {before} gives {sum_before}.")


# ---- torchvision's weights -------------------------------------------------------------------------------------
_NAMES = (  # torchvision's names, and ours
    (r"^inception", "inception_"),
    (r"^conv2\.", "conv2.0."),
    (r"^conv3\.", "conv2.1."),
    (r"\.branch1\.", ".conv_1x1."),
    (r"\.branch2\.", ".conv_3x3."),
    (r"\.branch3\.", ".conv_5x5."),
    (r"\.branch4\.", ".pool."),
    (r"\.conv\.(\w+)$", r".0.\1"),  # of a convolution, its batch normalisation and its ReLU
    (r"\.bn\.(\w+)$", r".1.\1"),
    (r"\.fc1\.", ".hidden."),
    (r"\.fc2\.", ".linear."),
    (r"^fc\.", "linear."),
)


def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of torchvision's GoogLeNet, with its auxiliary classifiers or without, under our names.

    `weights.load_weights` puts them into `GoogLeNet.like_torchvision()`.

    >>> list(from_torchvision({"inception3a.branch2.1.conv.weight": torch.ones(1)}))
    ['inception_3a.conv_3x3.1.0.weight']
    """
    return rename(state, _NAMES)


# ---- the network that ships ------------------------------------------------------------------------------------
class SignsInception(nn.Module):
    """GoogLeNet in small, for pictures of 64×64 pixels: a stem, four Inception modules, average pooling."""

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


class SmallInception(nn.Module):
    """Two Inception modules for pictures of 32×32 pixels: small enough to be trained while one looks on.

    With `reduce`, 1×1 filters stand in front of the large ones (figure 2b); without, it is figure 2a, but for the 1×1
    behind the pooling, so that both give the same shapes.
    """

    def __init__(self, classes: int = 20, *, reduce: bool = True):
        super().__init__()
        three_a, five_a, three_b, five_b = (24, 8, 32, 16) if reduce else (None,) * 4  # 1×1 filters in front
        self.stem = nn.Sequential(conv_norm_relu(3, 48, 5, stride=2), nn.MaxPool2d(3, 2, padding=1))
        self.inception_a = Inception(48, 32, (three_a, 64), (five_a, 32), 32)  # → 160
        self.inception_b = Inception(160, 64, (three_b, 96), (five_b, 48), 48)  # → 256
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(256, classes)

    def forward(self, x: Tensor) -> Tensor:  # [N, 3, 32, 32]
        x = self.inception_b(self.inception_a(self.stem(x)))  # [N, 256, 8, 8]
        return self.classifier(self.pool(x).flatten(1))  # [N, classes]
