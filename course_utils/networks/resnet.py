"""Residual networks: blocks that learn f(x) = g(x) + x, the table of ResNet-18 … 152, and their plain twins.

Serves notebook 05, and as a trained network 06 to 08. Papers: He et al. 2016, "Deep Residual Learning for Image
Recognition", table 1 and section 4.2; He et al. 2016, "Identity Mappings in Deep Residual Networks" (pre-activation).
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import runtime
from course_utils.arguments import check_choice, check_whole
from course_utils.networks.weights import rename


# ---- the blocks ------------------------------------------------------------------------------------------------
class Block(nn.Module):
    """What the two blocks share: the skip and the sum, f(x) = relu(g(x) + x).

    A block says which convolutions it has (`_build`) and what it learns with them (`g`). Without the skip it is plain,
    f(x) = relu(g(x)); pre-activated it has no ReLU behind the sum, f(x) = g(x) + x, and inside g every convolution
    follows its own normalisation and ReLU.

    Args:
        filters: of the 3×3 convolutions; `expansion` times as many channels come out.
        stride: of the block; where it is not 1, or where the widths differ, the skip cannot be the identity, and
            `shortcut` says what it is.
        skip: False leaves it out: a plain network's layers.
        norm: batch normalisation after each convolution; without it the convolutions get a bias.
        preactivation: normalise and cut off before each convolution, nothing behind the sum.
        shortcut: "projection", a 1×1 convolution of the same stride (the paper's option B, and the slide's), or
            "padding": x at every second place, filled up with channels of zeros (option A, no parameters).
    """

    expansion = 1  # channels that come out, as a multiple of the block's filters

    def __init__(
        self,
        in_channels: int,
        filters: int,
        stride: int = 1,
        *,
        skip: bool = True,
        norm: bool = True,
        preactivation: bool = False,
        shortcut: str = "projection",
    ):
        super().__init__()
        _check("conv1", in_channels=in_channels, filters=filters, stride=stride)
        self.norm, self.preactivation = norm, preactivation
        self._build(in_channels, filters, stride)
        self.relu = nn.ReLU()
        widths = in_channels, self.expansion * filters
        self.skip = _skip(shortcut, *widths, stride, norm and not preactivation) if skip else None

    def _layer(self, before: int, after: int, kernel: int, stride: int = 1) -> tuple[nn.Module, nn.Module]:
        """A convolution and its normalisation, which stands behind it, or pre-activated before it."""
        convolution = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=not self.norm)
        return convolution, _norm(before if self.preactivation else after, self.norm)

    def forward(self, x: Tensor) -> Tensor:  # [N, C, H, W] → [N, C', H / stride, W / stride]
        if x.ndim != 4 or x.shape[1] != self.conv1.in_channels:
            wanted, got = self.conv1.in_channels, list(x.shape)
            raise ValueError(f"conv1 of this block takes {wanted} channels, [N, {wanted}, H, W], and got {got}.")
        f = self.g(x) if self.skip is None else self.g(x) + self.skip(x)
        return f if self.preactivation else self.relu(f)


class BasicBlock(Block):
    """Two 3×3 convolutions g(x), and the skip that adds x (He et al. 2016, figure 2); its arguments are `Block`'s.

    The lecture's two blocks are `BasicBlock(8, 8)` and `BasicBlock(8, 16, stride=2)`.

    >>> block = BasicBlock(8, 16, stride=2)
    >>> block(torch.rand(1, 8, 32, 32)).shape
    torch.Size([1, 16, 16, 16])
    """

    def _build(self, in_channels: int, filters: int, stride: int) -> None:
        self.conv1, self.norm1 = self._layer(in_channels, filters, 3, stride)  # [N, filters, H / stride, W / stride]
        self.conv2, self.norm2 = self._layer(filters, filters, 3)

    def g(self, x: Tensor) -> Tensor:
        if self.preactivation:
            x = self.conv1(self.relu(self.norm1(x)))
            return self.conv2(self.relu(self.norm2(x)))
        x = self.relu(self.norm1(self.conv1(x)))
        return self.norm2(self.conv2(x))


class Bottleneck(Block):
    """A 3×3 convolution between two of 1×1, of which the last widens fourfold (He et al. 2016, figure 5).

    The stride stands in the 3×3, as in torchvision. The paper has it in the first 1×1, which then never sees three
    of four places.

    >>> Bottleneck(256, 64)(torch.rand(1, 256, 8, 8)).shape
    torch.Size([1, 256, 8, 8])
    """

    expansion = 4

    def _build(self, in_channels: int, filters: int, stride: int) -> None:
        self.conv1, self.norm1 = self._layer(in_channels, filters, 1)  # [N, filters, H, W]
        self.conv2, self.norm2 = self._layer(filters, filters, 3, stride)  # [N, filters, H / stride, W / stride]
        self.conv3, self.norm3 = self._layer(filters, 4 * filters, 1)

    def g(self, x: Tensor) -> Tensor:
        if self.preactivation:
            x = self.conv1(self.relu(self.norm1(x)))
            x = self.conv2(self.relu(self.norm2(x)))
            return self.conv3(self.relu(self.norm3(x)))
        x = self.relu(self.norm1(self.conv1(x)))
        x = self.relu(self.norm2(self.conv2(x)))
        return self.norm3(self.conv3(x))


class PaddedSkip(nn.Module):
    """The skip without parameters: x at every `stride`-th place, and `more` channels of zeros."""

    def __init__(self, more: int, stride: int):
        super().__init__()
        self.more, self.stride = more, stride

    def forward(self, x: Tensor) -> Tensor:  # [N, C, H, W] → [N, C + more, H / stride, W / stride]
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.more))


def _norm(channels: int, norm: bool) -> nn.Module:
    return nn.BatchNorm2d(channels) if norm else nn.Identity()


def _skip(shortcut: str, in_channels: int, out_channels: int, stride: int, norm: bool) -> nn.Module:
    """The identity wherever both summands have one shape already."""
    check_choice("skip: shortcut", shortcut, ("projection", "padding"), says="is 'projection' or 'padding'")
    if stride == 1 and in_channels == out_channels:
        return nn.Identity()
    if shortcut == "padding":
        if out_channels < in_channels:
            raise ValueError(f"skip: padding cannot make {out_channels} channels of {in_channels}; use 'projection'.")
        return PaddedSkip(out_channels - in_channels, stride)
    projection = nn.Sequential(nn.Conv2d(in_channels, out_channels, 1, stride, bias=False))
    return projection.append(nn.BatchNorm2d(out_channels)) if norm else projection


# ---- the networks ----------------------------------------------------------------------------------------------
TABLE: dict[int, tuple[type[Block], tuple[int, int, int, int]]] = {  # He et al. 2016, table 1
    # layers: block, and how many of them in conv2_x, conv3_x, conv4_x, conv5_x (here stage1 … stage4)
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
    152: (Bottleneck, (3, 8, 36, 3)),
}


def stage(block: type[Block], in_channels: int, filters: int, count: int, stride: int, **how) -> nn.Sequential:
    """`count` blocks of one size in a row; the first brings the stride and the new width. `how` is as in `Block`."""
    _check("stage", count=count)
    first = block(in_channels, filters, stride, **how)
    return nn.Sequential(first, *(block(block.expansion * filters, filters, **how) for _ in range(count - 1)))


def blocks(network: nn.Module) -> list[Block]:
    """All blocks of a network, in the order of computation."""
    return [module for module in network.modules() if isinstance(module, Block)]


class _Staged(nn.Module):
    """What the networks share: a stem, stages of blocks, the mean over all places, a linear layer."""

    def _finish(self, channels: int, classes: int, *, norm: bool = True, preactivation: bool = False) -> None:
        """What stands behind the last block; only a pre-activated one still needs its ReLU."""
        _check("classifier", classes=classes)
        self.last = nn.Sequential(_norm(channels, norm), nn.ReLU()) if preactivation else nn.Identity()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def stages(self) -> dict[str, nn.Sequential]:
        """Name → stage, in the order of computation."""
        return {name: part for name, part in self.named_children() if name.startswith("stage")}

    def parts(self) -> dict[str, nn.Module]:
        """The network as a chain, name → part: stem, every block, head. Called one after the other they are it."""
        blocks = {f"{name}.{k}": block for name, row in self.stages().items() for k, block in enumerate(row)}
        head = nn.Sequential(self.last, self.pool, nn.Flatten(), self.classifier)
        return {"stem": self.stem, **blocks, "head": head}

    def forward(self, x: Tensor) -> Tensor:  # [N, 3, H, W] → [N, classes]
        x = self.stem(x)
        for row in self.stages().values():
            x = row(x)
        return self.classifier(self.pool(self.last(x)).flatten(1))


class SignsResNet(_Staged):
    """A ResNet-18 at a quarter of its width, for pictures of 64×64 pixels: `blocks` residual blocks a stage."""

    def __init__(self, classes: int = 20, width: int = 16, blocks: int = 2):
        super().__init__()
        self.stem = _stem(width, kernel=3, stride=2)  # [N, 16, 32, 32]
        self.stage1 = stage(BasicBlock, width, width, blocks, stride=1)  # [N, 16, 32, 32]
        self.stage2 = stage(BasicBlock, width, 2 * width, blocks, stride=2)  # [N, 32, 16, 16]
        self.stage3 = stage(BasicBlock, 2 * width, 4 * width, blocks, stride=2)  # [N, 64, 8, 8]
        self.stage4 = stage(BasicBlock, 4 * width, 8 * width, blocks, stride=2)  # [N, 128, 4, 4]
        self._finish(8 * width, classes)


class ResNet(_Staged):
    """The ResNets of the paper's table 1, for pictures of 224×224 pixels.

    Args:
        depth: 18, 34, 50, 101 or 152, a row of `TABLE`: convolutions and linear layers one after the other.
        width: filters of the first stage.
        skip: False makes the plain twin.

    The first weights are those of `initialise(network, "he", 0)`; nobody's random state moves.

    >>> ResNet(18, classes=20)(torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 20])
    """

    def __init__(self, depth: int = 18, classes: int = 1000, *, width: int = 64, skip: bool = True):
        super().__init__()
        if depth not in TABLE:
            rows = ", ".join(map(str, TABLE))
            raise ValueError(f"the table has no ResNet-{depth}; choose one of {rows}, or a SmallResNet of any depth.")
        block, counts = TABLE[depth]
        out = block.expansion
        with torch.random.fork_rng(devices=[]):
            self.stem = _stem(width, 7, 2)  # conv1 [N, 64, 112, 112]
            self.stem.append(nn.MaxPool2d(3, stride=2, padding=1))  # [N, 64, 56, 56], as the shapes are for 18 and 34
            self.stage1 = stage(block, width, width, counts[0], 1, skip=skip)  # conv2_x [N, 64, 56, 56]
            self.stage2 = stage(block, out * width, 2 * width, counts[1], 2, skip=skip)  # conv3_x [N, 128, 28, 28]
            self.stage3 = stage(block, 2 * out * width, 4 * width, counts[2], 2, skip=skip)  # conv4_x [N, 256, 14, 14]
            self.stage4 = stage(block, 4 * out * width, 8 * width, counts[3], 2, skip=skip)  # conv5_x [N, 512, 7, 7]
            self._finish(8 * out * width, classes)
        initialise(self)


class SmallResNet(_Staged):
    """A narrow ResNet of any depth for small pictures: stem, three stages, linear layer (He et al. 2016, section 4.2).

    The skips have no parameters, so the plain twin (`skip=False`, same seed) has the very same weights in the very
    same places: only the "+ x" is missing.

    Args:
        depth: 8, 14, 20 …: the stem, three stages of n blocks with two convolutions each, and the linear layer.
        width: filters of the first stage; each of the two others doubles them and halves height and width.
        stem_stride: 2 halves the pictures at once, 1 keeps their size.
        skip, norm, preactivation, shortcut: as in `Block`, for all blocks.
        seed: of the first weights, drawn as `initialise(network, "he", seed)`; nobody else's random state moves.

    >>> twins = [SmallResNet(20, width=4, skip=skip) for skip in (True, False)]
    >>> torch.equal(*(twin.stage1[0].conv1.weight for twin in twins))
    True
    """

    def __init__(
        self,
        depth: int = 20,
        classes: int = 20,
        *,
        width: int = 16,
        stem_stride: int = 1,
        skip: bool = True,
        norm: bool = True,
        preactivation: bool = False,
        shortcut: str = "padding",
        seed: int = 0,
    ):
        super().__init__()
        count = _blocks_a_stage(depth)
        how = {"skip": skip, "norm": norm, "preactivation": preactivation, "shortcut": shortcut}
        with torch.random.fork_rng(devices=[]):
            self.stem = _stem(width, 3, stem_stride, norm=norm, preactivation=preactivation)  # [N, 16, H, W]
            self.stage1 = stage(BasicBlock, width, width, count, 1, **how)  # [N, 16, H, W]
            self.stage2 = stage(BasicBlock, width, 2 * width, count, 2, **how)  # [N, 32, H / 2, W / 2]
            self.stage3 = stage(BasicBlock, 2 * width, 4 * width, count, 2, **how)  # [N, 64, H / 4, W / 4]
            self._finish(4 * width, classes, norm=norm, preactivation=preactivation)
        initialise(self, "he", seed)


def shorten(network: SmallResNet, depth: int) -> SmallResNet:
    """The same network with 6n + 2 layers, the first blocks of every stage; it shares them with the long one."""
    count, there = _blocks_a_stage(depth), len(network.stage1)
    if count > there:
        raise ValueError(f"this network has {6 * there + 2} layers and cannot be shortened to {depth}.")
    short = copy.copy(network)
    short._modules = {**network._modules, **{name: row[:count] for name, row in network.stages().items()}}
    return short


def _stem(width: int, kernel: int, stride: int, *, norm: bool = True, preactivation: bool = False) -> nn.Sequential:
    """The first convolution; in a pre-activated network the first block brings the normalisation and the ReLU."""
    _check("stem", width=width)
    convolution = nn.Conv2d(3, width, kernel, stride, padding=kernel // 2, bias=not norm)
    return nn.Sequential(convolution) if preactivation else nn.Sequential(convolution, _norm(width, norm), nn.ReLU())


# ---- first weights ---------------------------------------------------------------------------------------------
STARTS = ("he", "xavier", "torch", "zero")  # what `initialise` knows


@torch.no_grad()
def initialise(network: nn.Module, how: str = "he", seed: int = 0) -> nn.Module:
    """Draw a network's first weights; biases are 0, batch normalisations begin at γ = 1, β = 0.

    Args:
        network: changed in place.
        how: "he" keeps the size of a signal that meets a ReLU behind every layer (He et al. 2015); "xavier" is made
            for layers without one (Glorot and Bengio 2010); "torch" is what `nn.Conv2d` does by itself; "zero" is
            "he", but the last layer of every g starts at 0, so that g(x) = 0 (Goyal et al. 2017, section 5.1).
        seed: of the draw.

    >>> block = initialise(BasicBlock(2, 2), "zero").eval()
    >>> block.g(torch.rand(1, 2, 4, 4)).any()
    tensor(False)
    """
    check_choice("first weights", how, STARTS, says=f"are drawn as one of {', '.join(STARTS)}")
    draw = runtime.generator(seed, next(network.parameters()).device)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.reset_parameters()  # and the running statistics
        elif isinstance(layer, (nn.Conv2d, nn.Linear)):
            if isinstance(layer, nn.Linear) or how == "xavier":
                nn.init.xavier_normal_(layer.weight, generator=draw)
            elif how == "torch":
                nn.init.kaiming_uniform_(layer.weight, a=5**0.5, generator=draw)
            else:
                nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu", generator=draw)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    if how == "zero":
        for block in blocks(network):
            set_to_zero(block)
    return network


@torch.no_grad()
def set_to_zero(block: Block) -> None:
    """Make g(x) = 0, in place, by the last layer of g: what is left of the block is its skip."""
    number = 3 if isinstance(block, Bottleneck) else 2
    norm, convolution = getattr(block, f"norm{number}"), getattr(block, f"conv{number}")
    last = convolution if block.preactivation or isinstance(norm, nn.Identity) else norm
    for parameter in last.parameters():
        parameter.zero_()


# ---- torchvision's weights -------------------------------------------------------------------------------------
_NAMES = (  # torchvision's names, and ours
    (r"^conv1\.", "stem.0."),
    (r"^bn1\.", "stem.1."),
    (r"^layer(\d)\.", r"stage\1."),
    (r"\.bn(\d)\.", r".norm\1."),
    (r"\.downsample\.", ".skip."),
    (r"^fc\.", "classifier."),
)


def from_torchvision(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of torchvision's ResNets under this module's names: layer1.0.bn2.weight → stage1.0.norm2.weight.

    `weights.load_weights` puts them into a `ResNet` of the same depth.

    >>> list(from_torchvision({"layer1.0.bn2.weight": torch.ones(64)}))
    ['stage1.0.norm2.weight']
    """
    return rename(state, _NAMES)


# ---- what can be wrong -----------------------------------------------------------------------------------------
def _check(layer: str, **numbers: int) -> None:
    for name, number in numbers.items():
        check_whole(f"{layer}: {name}", number)


def _blocks_a_stage(depth: int) -> int:
    _check("SmallResNet", depth=depth)
    if depth < 8 or (depth - 2) % 6:
        below = max(8, depth - (depth - 2) % 6)
        raise ValueError(f"a small ResNet has 6n + 2 layers, 8, 14, 20 …; got {depth}. Try {below} or {below + 6}.")
    return (depth - 2) // 6
