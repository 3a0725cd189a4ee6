"""Pooling by hand: maximum, average, and maximum with a blur; its windows one after the other; and none at all.

Serves notebook 2 and its labs. Papers: Zhang 2019, "Making Convolutional Networks Shift-Invariant Again",
arXiv:1904.11486 (blur pooling, consistency under shift); Szegedy et al. 2015, arXiv:1409.4842 (GoogLeNet's table).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils.arguments import check_pair
from course_utils.networks.pooled import binomial

Size = int | tuple[int, int]  # one number for both axes, or (height, width)
SLIDE_MAX = ((29, 15, 28, 184), (0, 100, 70, 38), (12, 12, 7, 2), (12, 12, 45, 6))  # the lecture's example
SLIDE_AVERAGE = ((31, 15, 28, 184), *SLIDE_MAX[1:])  # its first number is another one


# ---- the arithmetic of sizes -----------------------------------------------------------------------------------
def output_size(
    size: int, kernel_size: int, stride: int, padding: int = 0, dilation: int = 1, ceil_mode: bool = False
) -> int:
    """How many windows fit along one axis: ⌊(size + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1.

    Args:
        size: pixels along the axis.
        kernel_size, stride, padding, dilation: of the pooling along this axis, in pixels.
        ceil_mode: round up, so that a last window may hang over the edge; it must begin on a pixel, though.

    Returns:
        The number of windows, which is the size of the result; 0 or less where no window fits.
    """
    arguments = {"kernel_size": kernel_size, "stride": stride, "padding": padding, "dilation": dilation}
    for name, value in arguments.items():
        _pair(name, value)
    room = size + 2 * padding - dilation * (kernel_size - 1) - 1  # how far the first window can travel
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= size + padding else count


# ---- the three kinds -------------------------------------------------------------------------------------------
def max_pool2d(
    images: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    dilation: Size = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """The largest number in each window: `torch.nn.functional.max_pool2d`, in lines that one can read.

    Args:
        images: float [N, C, H, W]; every channel is pooled by itself.
        kernel_size: height and width of the window, at least 1.
        stride: from one window to the next, at least 1; None takes the kernel's size, so that windows do not overlap.
        padding: pixels of −∞ around the picture, from 0 to half the kernel.
        dilation: from one pixel of a window to the next, at least 1.
        ceil_mode: a last window may hang over the edge.

    Returns:
        Float [N, C, H', W'] with the sizes that `output_size` tells.
    """
    grid = _grid(images, kernel_size, stride, padding, dilation, ceil_mode)
    padded = F.pad(images, grid.borders(), value=-math.inf)  # a padding of 0 would win against negative numbers
    return grid.windows(padded).max(dim=-1).values  # [N, C, H', W', K] → [N, C, H', W']


def avg_pool2d(
    images: Tensor,
    kernel_size: Size,
    stride: Size | None = None,
    padding: Size = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Tensor:
    """The mean of each window: `torch.nn.functional.avg_pool2d`, in lines that one can read.

    Args:
        count_include_pad: divide by the window's size, padding included (torch's habit: borders get darker);
            False divides by the number of pixels of the picture that the window covers.
        images, kernel_size, stride, padding, ceil_mode: as for `max_pool2d`; the padding is 0.

    Returns:
        Float [N, C, H', W'].
    """
    grid = _grid(images, kernel_size, stride, padding, 1, ceil_mode)
    total = grid.windows(F.pad(images, grid.borders())).sum(dim=-1)  # [N, C, H', W']
    ones = images.new_ones(1, 1, *images.shape[2:])  # the same windows over ones count the pixels
    ones = F.pad(ones, grid.padded(), value=float(count_include_pad))
    ones = F.pad(ones, grid.overhang())  # what hangs over the edge in ceil_mode never counts
    return total / grid.windows(ones).sum(dim=-1)


def blur_pool2d(images: Tensor, kernel_size: Size = 2, stride: Size = 2, padding: Size = 0, taps: int = 3) -> Tensor:
    """Max pooling as Zhang mends it: the maximum at every pixel, then a blur, and only then the stride.

    Args:
        images: float [N, C, H, W].
        kernel_size, padding: of the maximum, which is taken with stride 1.
        stride: of the blur, at least 1.
        taps: of the binomial filter, at least 1: 2 is (1, 1)/2, 3 is (1, 2, 1)/4, 5 is (1, 4, 6, 4, 1)/16.

    Returns:
        Float [N, C, ⌈H'/stride⌉, ⌈W'/stride⌉], where H'×W' is the size after the maximum.

    Source: Zhang 2019, arXiv:1904.11486, section 3.2 (MaxBlurPool).
    """
    _pair("stride", stride)
    return blur2d(max_pool2d(images, kernel_size, 1, padding), stride, taps)


def pool2d(images: Tensor, kind: str, kernel_size: Size, stride: Size, padding: Size = 0, dilation: Size = 1) -> Tensor:
    """One of the three by its name.

    Args:
        kind: "max", "average" or "blur"; only "max" knows a dilation other than 1.
        images, kernel_size, stride, padding, dilation: as for `max_pool2d`.
    """
    if kind == "max":
        return max_pool2d(images, kernel_size, stride, padding, dilation)
    if kind not in ("average", "blur"):
        raise ValueError(f"pooling takes the 'max', the 'average', or the maximum with a 'blur'; got {kind!r}.")
    if _pair("dilation", dilation) != (1, 1):
        raise ValueError(f"only max pooling spreads its window by a dilation; for {kind!r} set it back to 1.")
    return (avg_pool2d if kind == "average" else blur_pool2d)(images, kernel_size, stride, padding)


def blur2d(images: Tensor, stride: Size = 1, taps: int = 3) -> Tensor:
    """Blur every channel with a binomial filter, and keep every stride-th pixel.

    Args:
        images: float [N, C, H, W]; beyond its edges the picture is mirrored.
        stride: at least 1.
        taps: of the filter along each axis, at least 1; half of them must fit into the picture.

    Returns:
        Float [N, C, ⌈H/stride⌉, ⌈W/stride⌉].
    """
    weights = binomial(taps).to(images)  # [taps, taps]
    before, after = (taps - 1) // 2, taps // 2
    if after >= min(images.shape[2:]):
        height, width = images.shape[2:]
        raise ValueError(
            f"a blur of {taps} taps mirrors {after} pixels beyond the edge, and a picture of {height}×{width} pixels"
            " has too few; use fewer taps or a larger picture."
        )
    mirrored = F.pad(images, (before, after, before, after), mode="reflect")
    grid = _grid(mirrored, taps, stride)
    return (grid.windows(mirrored) * weights.flatten()).sum(dim=-1)


# ---- windows ---------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class _Grid:
    """Where the windows of a pooling stand on a picture; all pairs are (height, width)."""

    size: tuple[int, int]  # of the picture
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]
    dilation: tuple[int, int]
    count: tuple[int, int]  # of windows

    def reach(self, axis: int) -> int:
        """Pixels from the first to the last of a window, both counted."""
        return self.dilation[axis] * (self.kernel[axis] - 1) + 1

    def windows(self, padded: Tensor) -> Tensor:
        """Every window's numbers in a row: [N, C, …, …] → [N, C, H', W', K], K = kernel height × width."""
        down, right = self.dilation
        rows = padded.unfold(2, self.reach(0), self.stride[0])  # [N, C, H', …, reach]
        views = rows.unfold(3, self.reach(1), self.stride[1])  # [N, C, H', W', reach, reach]
        return views[..., ::down, ::right].flatten(-2)

    def padded(self) -> tuple[int, int, int, int]:
        """The padding as `F.pad` wants it: left, right, top, bottom."""
        return (self.padding[1],) * 2 + (self.padding[0],) * 2

    def overhang(self) -> tuple[int, int, int, int]:
        """How far the last window hangs over the padded picture (ceil_mode); less than 0 where it stays short of it."""
        bottom, right = (
            (self.count[axis] - 1) * self.stride[axis] + self.reach(axis) - self.size[axis] - 2 * self.padding[axis]
            for axis in (0, 1)
        )
        return 0, right, 0, bottom

    def borders(self) -> tuple[int, int, int, int]:
        """Padding and overhang together."""
        left, right, top, bottom = self.padded()
        return left, right + self.overhang()[1], top, bottom + self.overhang()[3]

    def has_empty_windows(self) -> bool:
        """Whether a window falls between the pixels, on nothing but padding; dilation makes it possible."""

        def is_empty(axis: int, index: int) -> bool:
            start = index * self.stride[axis] - self.padding[axis]
            taken = range(start, start + self.reach(axis), self.dilation[axis])
            return not any(0 <= place < self.size[axis] for place in taken)

        return any(is_empty(axis, index) for axis in (0, 1) for index in range(self.count[axis]))


def _grid(
    images: Tensor, kernel_size: Size, stride: Size | None, padding: Size = 0, dilation: Size = 1, ceil_mode=False
) -> _Grid:
    """Check a pooling's arguments and lay its windows out."""
    _check_images(images)
    kernel = _pair("kernel_size", kernel_size)
    stride = kernel if stride is None else _pair("stride", stride)
    padding, dilation = _pair("padding", padding), _pair("dilation", dilation)
    for pad, edge in zip(padding, kernel, strict=True):
        if pad > edge // 2:
            raise ValueError(
                f"padding must be at most half the kernel, {edge // 2} for a kernel of {edge}, or whole windows would "
                f"see nothing but padding; got {pad}."
            )
    size = tuple(images.shape[2:])
    axes = zip(size, kernel, stride, padding, dilation, strict=True)
    grid = _Grid(size, kernel, stride, padding, dilation, tuple(output_size(*axis, ceil_mode) for axis in axes))
    if min(grid.count) < 1:
        height, width = grid.reach(0), grid.reach(1)
        spread = "" if max(dilation) == 1 else f" (spread over {height}×{width} by its dilation)"
        around = f" with padding {max(padding)}" if max(padding) else ""
        raise ValueError(
            f"a kernel of {kernel[0]}×{kernel[1]} pixels{spread} does not fit into a picture of {size[0]}×{size[1]} "
            f"pixels{around}; take a smaller kernel or a larger picture."
        )
    if max(dilation) > 1 and grid.has_empty_windows():
        raise ValueError(
            f"with padding {max(padding)} and dilation {max(dilation)} a window sees nothing but padding; take less of "
            "one of them, or a larger picture."
        )
    return grid


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


def _pair(name: str, value: Size) -> tuple[int, int]:
    return check_pair(name, value, 0 if name == "padding" else 1, says=_TOO_SMALL[name])


# ---- one window after the other --------------------------------------------------------------------------------
@dataclass(frozen=True)
class WindowStep:
    """One stop of the window on its way over a picture of one channel."""

    index: int  # 0 … the number of windows - 1, row by row
    cell: tuple[int, int]  # row and column of the result
    corner: tuple[int, int]  # row and column of the window's first pixel; less than 0 in the padding
    numbers: Tensor  # [kernel, kernel], what the window sees: −∞ or 0 in the padding
    result: float
    gradient: Tensor  # [H, W], what has come back to each number if a gradient of 1 arrives at every result so far


def window_steps(numbers: Tensor, kind: str, kernel_size: int, stride: int, padding: int = 0) -> Iterator[WindowStep]:
    """Pool a small picture a window at a time, in the order in which one reads.

    Args:
        numbers: float [H, W].
        kind: "max" or "average".
        kernel_size, stride, padding: as for `max_pool2d`.
    """
    if kind not in ("max", "average"):
        raise ValueError(f"a window takes the 'max' or the 'average' of its numbers; got {kind!r}.")
    images = numbers.detach()[None, None]
    grid = _grid(images, kernel_size, stride, padding)
    windows = grid.windows(F.pad(images, grid.borders(), value=-math.inf if kind == "max" else 0.0))[
        0, 0
    ]  # [H', W', K]
    for index in range(windows.shape[0] * windows.shape[1]):
        row, column = divmod(index, windows.shape[1])
        with torch.enable_grad():
            asked = images.clone().requires_grad_()
            results = pool2d(asked, kind, kernel_size, stride, padding).flatten()  # [H'·W']
            (gradient,) = torch.autograd.grad(results[: index + 1].sum(), asked)
        yield WindowStep(
            index,
            (row, column),
            (row * stride - padding, column * stride - padding),
            windows[row, column].view(kernel_size, kernel_size),
            results[index].item(),
            gradient[0, 0],
        )


# ---- none at all -----------------------------------------------------------------------------------------------
def without_pooling(network: nn.Module) -> nn.Module:
    """A copy of a network in which no max pooling makes anything smaller: what it would cost without.

    Those of stride 1 (in Inception's fourth branch) shrink nothing and stay; so does the mean at the end.
    """
    bare = copy.deepcopy(network)
    for parent in list(bare.modules()):
        for name, layer in parent.named_children():
            if isinstance(layer, nn.MaxPool2d) and layer.stride not in (1, (1, 1)):
                setattr(parent, name, nn.Identity())
    return bare
