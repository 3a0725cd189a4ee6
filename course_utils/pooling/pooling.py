"""Pooling by hand: maximum, average, and maximum with a blur; a window on its way; and none at all.

Serves notebook 2 and its labs. Papers: Zhang 2019, "Making Convolutional Networks Shift-Invariant Again",
arXiv:1904.11486 (blur pooling, consistency under shift); Szegedy et al. 2015, arXiv:1409.4842 (GoogLeNet's table).
"""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.arguments import check_choice, check_pair, check_whole
from course_utils.networks.pooled import BlurPool2d, blur2d

Pair = tuple[int, int]  # (height, width), or (row, column)
Size = int | Pair  # one number for both axes, or a pair
SLIDE_MAX = ((29, 15, 28, 184), (0, 100, 70, 38), (12, 12, 7, 2), (12, 12, 45, 6))  # the lecture's example
SLIDE_AVERAGE = ((31, 15, 28, 184), *SLIDE_MAX[1:])  # its first number is another one


# ---- the arithmetic of sizes -----------------------------------------------------------------------------------
def output_size(
    size: int, kernel_size: int, stride: int, padding: int = 0, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """How many windows fit along one axis: ⌊(size + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1.

    Args:
        size, kernel_size, stride, padding, dilation: along this axis, in pixels; below 1 comes out where none fits.
        ceil_mode: round up, so that a last window may hang over the edge; it must begin on a pixel, though.

    >>> output_size(112, kernel_size=3, stride=2), output_size(112, kernel_size=3, stride=2, ceil_mode=True)
    (55, 56)
    """
    for name, value in zip(_TOO_SMALL, (kernel_size, stride, padding, dilation), strict=True):
        _pair(name, value)
    room = size + 2 * padding - dilation * (kernel_size - 1) - 1  # how far the first window can travel
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count


# ---- the three kinds -------------------------------------------------------------------------------------------
def max_pool2d(
    images: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0, dilation: Size = 1
) -> Tensor:
    """The largest number in each window: `torch.nn.functional.max_pool2d`, in lines that one can read.

    Args:
        images: float [N, C, H, W], each channel for itself → [N, C, H', W'] with the sizes that `output_size` tells.
        kernel_size: height and width of the window, at least 1 pixel.
        stride: from one window to the next, at least 1; None takes the kernel's size, so that windows do not overlap.
        padding: pixels of −∞ around the picture, from 0 to half the kernel.
        dilation: from one pixel of a window to the next, at least 1.

    >>> max_pool2d(torch.tensor([[SLIDE_MAX]]).float(), 2).flatten().tolist()
    [100.0, 184.0, 12.0, 45.0]
    """
    windows = _windows(images, kernel_size, stride, padding, dilation, edge=-math.inf)  # 0 would win against −1
    return windows.max(dim=-1).values  # [N, C, H', W', K] → [N, C, H', W']


def avg_pool2d(images: Tensor, kernel_size: Size, stride: Size | None = None, padding: Size = 0) -> Tensor:
    """The mean of each window: `torch.nn.functional.avg_pool2d`, in lines that one can read.

    Arguments and result as for `max_pool2d`; but the padding is 0 and counts, so borders get darker.

    >>> avg_pool2d(torch.tensor([[SLIDE_AVERAGE]]).float(), 2).flatten().tolist()
    [36.5, 80.0, 12.0, 15.0]
    """
    return _windows(images, kernel_size, stride, padding, edge=0.0).mean(dim=-1)


def blur_pool2d(images: Tensor, kernel_size: Size = 2, stride: Size = 2, padding: Size = 0) -> Tensor:
    """Max pooling as Zhang mends it: the maximum at every pixel, then a blur of (1, 2, 1)/4, and only then the stride.

    Arguments as for `max_pool2d`; the maximum has kernel and padding, the blur the stride. The result is float
    [N, C, ⌈H'/stride⌉, ⌈W'/stride⌉], where H'×W' is the size after the maximum. Source: section 3.2 (MaxBlurPool).

    >>> blur_pool2d(torch.rand(1, 3, 96, 96)).shape
    torch.Size([1, 3, 48, 48])
    """
    _pair("stride", stride)
    return blur2d(max_pool2d(images, kernel_size, 1, padding), stride)


def pool2d(images: Tensor, kind: str, kernel_size: Size, stride: Size, padding: Size = 0, dilation: Size = 1) -> Tensor:
    """One of the three by its name.

    Args:
        kind: "max", "average" or "blur"; only "max" knows a dilation other than 1.
        images, kernel_size, stride, padding, dilation: as for `max_pool2d`.

    >>> pool2d(torch.tensor([[SLIDE_MAX]]).float(), "average", 2, 2).flatten().tolist()
    [36.0, 80.0, 12.0, 15.0]
    """
    if kind == "max":
        return max_pool2d(images, kernel_size, stride, padding, dilation)
    if kind not in ("average", "blur"):
        raise ValueError(f"pooling takes the 'max', the 'average', or the maximum with a 'blur'; got {kind!r}.")
    if _pair("dilation", dilation) != (1, 1):
        raise ValueError(f"only max pooling spreads its window by a dilation; for {kind!r} set it back to 1.")
    return (avg_pool2d if kind == "average" else blur_pool2d)(images, kernel_size, stride, padding)


# ---- windows ---------------------------------------------------------------------------------------------------
def _windows(
    images: Tensor, kernel_size: Size, stride: Size | None, padding: Size = 0, dilation: Size = 1, *, edge: float
) -> Tensor:
    """Every window's numbers in a row, [N, C, H', W', K] with K = kernel height × width; `edge` is the padding."""
    _check_images(images)
    kernel = _pair("kernel_size", kernel_size)
    stride = kernel if stride is None else _pair("stride", stride)
    padding, dilation = _pair("padding", padding), _pair("dilation", dilation)
    reach = tuple(gap * (count - 1) + 1 for gap, count in zip(dilation, kernel, strict=True))  # first pixel to last
    _check_fit(tuple(images.shape[2:]), kernel, stride, padding, dilation, reach)
    padded = F.pad(images, (padding[1], padding[1], padding[0], padding[0]), value=edge)
    views = padded.unfold(2, reach[0], stride[0]).unfold(3, reach[1], stride[1])  # [N, C, H', W', reach, reach]
    return views[..., :: dilation[0], :: dilation[1]].flatten(-2)


def _check_fit(size: Pair, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair, reach: Pair) -> None:
    """Whether there is a window, and whether each of them sees some of the picture."""
    for pad, edge in zip(padding, kernel, strict=True):
        if pad > edge // 2:
            raise ValueError(
                f"padding must be at most half the kernel, {edge // 2} for a kernel of {edge}, or whole windows would "
                f"see nothing but padding; got {pad}."
            )
    for axis in zip(size, kernel, stride, padding, dilation, strict=True):
        if output_size(*axis) < 1:
            spread = "" if max(dilation) == 1 else f" (spread over {reach[0]}×{reach[1]} by its dilation)"
            around = f" with padding {max(padding)}" if max(padding) else ""
            raise ValueError(
                f"a kernel of {kernel[0]}×{kernel[1]} pixels{spread} does not fit into a picture of "
                f"{size[0]}×{size[1]} pixels{around}; take a smaller kernel or a larger picture."
            )
    for edge, span, jump, pad, gap in zip(size, reach, stride, padding, dilation, strict=True):
        places = torch.arange(-pad, edge + pad, device="cpu").unfold(0, span, jump)[:, ::gap]  # [windows, kernel]
        if not ((places >= 0) & (places < edge)).any(dim=1).all():  # with a dilation it can leap over the picture
            raise ValueError(
                f"with padding {max(padding)} and dilation {max(dilation)} a window sees nothing but padding; take "
                "less of one of them, or a larger picture."
            )


def _check_images(images: Tensor) -> None:
    if not isinstance(images, Tensor):
        raise TypeError(f"pooling takes a tensor [N, C, H, W]; got {type(images).__name__}. See images.to_tensor.")
    if not images.is_floating_point():
        kind = str(images.dtype).removeprefix("torch.")
        raise TypeError(f"pooling takes floats, as a mean of whole numbers is none; got {kind}. Use images.float().")
    if images.ndim != 4:
        hint = "add the batch with images[None]" if images.ndim == 3 else "order the axes like that"
        raise ValueError(f"pooling takes [N, C, H, W]; got {list(images.shape)}; {hint}.")
    if images.numel() == 0:
        raise ValueError(f"there is nothing to pool: a batch of the shape {list(images.shape)} holds no number.")


_TOO_SMALL = {
    "kernel_size": "must be at least 1 pixel, in height and in width",
    "stride": "must be at least 1, or the window never moves on",
    "padding": "must be 0 or more (to cut a border off, slice the picture)",
    "dilation": "must be at least 1, where a window's pixels are neighbours",
}


def _pair(name: str, value: Size) -> Pair:
    return check_pair(name, value, 0 if name == "padding" else 1, says=_TOO_SMALL[name])


# ---- one window ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class WindowStep:
    """One stop of the window on its way over a picture of one channel."""

    index: int  # 0 … the number of windows - 1, row by row
    corner: Pair  # row and column of the window's first pixel; less than 0 in the padding
    numbers: Tensor  # [kernel, kernel], what the window sees: −∞ or 0 in the padding
    results: Tensor  # [H', W'], of all windows
    gradient: Tensor  # [H, W], what has come back to each number if a gradient of 1 arrives at every result so far


def step_to(index: int, numbers: Tensor, kind: str, kernel_size: int, stride: int, padding: int = 0) -> WindowStep:
    """Pool a small picture up to one window, in the order in which one reads.

    Args:
        index: of the window, from 0; behind the last one the last one is meant.
        numbers: float [H, W].
        kind: "max" or "average".
        kernel_size, stride, padding: as for `max_pool2d`.

    >>> step_to(1, torch.tensor(SLIDE_MAX).float(), "max", kernel_size=2, stride=2).numbers.tolist()
    [[28.0, 184.0], [70.0, 38.0]]
    """
    check_choice("kind", kind, ("max", "average"), says="is 'max' or 'average', what is kept of a window's numbers")
    images = numbers.detach().clone()[None, None].requires_grad_()
    with torch.enable_grad():
        results = pool2d(images, kind, kernel_size, stride, padding)[0, 0]  # [H', W']
        index = min(check_whole("index", index, 0), results.numel() - 1)
        (gradient,) = torch.autograd.grad(results.flatten()[: index + 1].sum(), images)
    row, column = divmod(index, results.shape[1])
    edge = -math.inf if kind == "max" else 0.0
    seen = _windows(images.detach(), kernel_size, stride, padding, edge=edge)[0, 0, row, column]  # [K]
    corner = row * stride - padding, column * stride - padding
    return WindowStep(index, corner, seen.view(kernel_size, kernel_size), results.detach(), gradient[0, 0])


# ---- none at all -----------------------------------------------------------------------------------------------
def without_pooling(network: nn.Module) -> nn.Module:
    """A copy of a network in which no max pooling makes anything smaller: what it would cost without.

    Those of stride 1 (in Inception's fourth branch) shrink nothing and stay; so does the mean at the end.

    >>> without_pooling(nn.Sequential(nn.MaxPool2d(2), nn.MaxPool2d(3, stride=1, padding=1)))[0]
    Identity()
    """
    bare = copy.deepcopy(network)
    for parent in list(bare.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.MaxPool2d) and layer.stride not in (1, (1, 1)):
                setattr(parent, name, nn.Identity())
    return bare


def without_stride(network: nn.Module) -> nn.Module:
    """A copy of a `SignsPoolNet` ("max" or "stride") that stops at every pixel across, with the same weights.

    What lay two, four, eight pixels apart on the picture still does: the windows behind are spread by a dilation. At
    every sixteenth column stands what the network itself would find.

    >>> from course_utils import zoo
    >>> network = zoo.load("pooling-stride", device="cpu")
    >>> [n.body.features(torch.rand(1, 3, 96, 96)).shape[2:] for n in (network, without_stride(network))]
    [torch.Size([6, 6]), torch.Size([6, 96])]
    """
    dense, gap = copy.deepcopy(network), 1
    for layer in dense.modules():  # in the order in which a picture passes them
        if isinstance(layer, nn.Conv2d):
            (down, across), edge = layer.stride, layer.padding[0]
            layer.stride, layer.padding, layer.dilation, gap = (down, 1), (edge, edge * gap), (1, gap), gap * across
        elif isinstance(layer, nn.MaxPool2d):
            layer.stride, layer.dilation, gap = (2, 1), (1, gap), gap * 2
        elif isinstance(layer, (nn.AvgPool2d, BlurPool2d)):
            raise ValueError("only a convolution and a maximum can spread their window; take a 'max' or a 'stride'.")
    return dense
