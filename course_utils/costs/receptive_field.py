"""Which part of the picture one number of a layer may see: followed through every operation of a run.

Serves notebooks 02 to 05, through `accounting`. The recursion is that of Araujo, Norris and Sim 2019, "Computing
Receptive Fields of Convolutional Neural Networks" (equations 2 and 3), for convolutions, pooling, sums and branches.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

REDUCTIONS = {"mean", "sum", "amax", "amin", "max", "min", "var", "std", "prod", "logsumexp", "linalg_vector_norm"}
PRODUCTS = {"mm": (0, 1), "addmm": (1, 2), "bmm": (0, 1), "baddbmm": (1, 2)}  # where the two matrices stand
PADDINGS = {"constant_pad_nd", "reflection_pad2d", "replication_pad2d"}


@dataclass(frozen=True)
class Window:
    """Output 0 of a layer sees the input from `first` to `last`; each further output sees `jump` pixels further on."""

    first: int | Fraction = 0
    last: int | Fraction = 0
    jump: int | Fraction = 1

    def slide(self, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> Window:
        """The same behind a kernel that slides."""
        first = self.first - padding * self.jump
        return Window(first, self.last + (dilation * (kernel - 1) - padding) * self.jump, self.jump * stride)


@dataclass(frozen=True)
class Field:
    """What the numbers of a tensor see: a window for the rows and one for the columns of the input."""

    windows: tuple[Window, Window]  # of rows, of columns
    grid: tuple[int, int]  # how many places the tensor has, height and width; its windows overlap

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the input that one number may see; padding counts, as if the picture had no edge."""
        return tuple(math.ceil(window.last - window.first) + 1 for window in self.windows)

    @property
    def stride(self) -> tuple[int | float, int | float]:
        """Pixels of the input from one number to the next."""
        jumps = (window.jump for window in self.windows)
        return tuple(int(jump) if jump == int(jump) else float(jump) for jump in jumps)

    def whole(self) -> Field:
        """What a number sees that depends on all places: all their windows together."""
        return _slid(self, (1, 1), kernel=self.grid)


class Follow(TorchDispatchMode):
    """Inside, every tensor that depends on an image is followed, and `field` knows what it sees.

    Unless the image is [N, C, H, W] there are no places, and nothing is known.
    """

    def __init__(self, image: Tensor):
        super().__init__()
        whole = Field((Window(), Window()), tuple(image.shape[2:])) if image.ndim == 4 else None
        self._known = {id(image): (image, whole)}  # holds the tensors, so that no id comes twice

    def field(self, tensor: Tensor) -> Field | None:
        """What the numbers of a tensor see; None where that is not known."""
        return self._known.get(id(tensor), (None, None))[1]

    def happened(self, operation: Any, asked: Mapping[str, Any], inputs: list[Tensor], output: Tensor) -> None:
        """Told of every operation on followed tensors, with its arguments by name; here for who counts them."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        output = operation(*args, **(kwargs or {}))
        results = tensors_in(output)
        inputs = [value for value in tensors_in((args, kwargs)) if id(value) in self._known]
        if results and inputs:
            names = (argument.name for argument in operation._schema.arguments)
            asked = dict(zip(names, args, strict=False)) | (kwargs or {})
            word, fields = operation.overloadpacket.__name__, [self.field(value) for value in inputs]
            for result in results:
                self._known[id(result)] = result, behind(word, asked, inputs, fields, result)
            self.happened(operation, asked, inputs, results[0])
        return output


def tensors_in(values: Any) -> list[Tensor]:
    """The tensors of whatever a module or an operation took or gave: lists, dictionaries, one in another."""
    return [value for value in tree_leaves(values) if isinstance(value, Tensor)]


def union(fields: Sequence[Field]) -> Field:
    """What a sum, or branches side by side, see: the smallest window around all of theirs."""
    widest = max(fields, key=lambda field: math.prod(field.grid))
    windows = tuple(
        Window(min(window.first for window in own), max(window.last for window in own), wide.jump)
        for wide, *own in zip(widest.windows, *(field.windows for field in fields), strict=True)
    )
    return Field(windows, widest.grid)


def behind(
    operation: str, asked: Mapping[str, Any], inputs: Sequence[Any], fields: Sequence[Field | None], output: Tensor
) -> Field | None:
    """The field of an operation's output; None: not known, because an input's is not, or places are rearranged.

    Args:
        operation: torch's word for it, "convolution", "cat" …
        asked: its arguments by name.
        inputs: its tensors that depend on the picture.
        fields: what they see; None where that is not known.
        output: what comes out, of which only the shape is looked at.
    """
    if None in fields:
        return None
    seen, shape = union(fields), tuple(output.shape)
    if operation in ("convolution", "max_pool2d_with_indices", "avg_pool2d", "im2col"):
        return _convolved(seen, asked, inputs[0], shape)
    if operation in ("_adaptive_avg_pool2d", "adaptive_max_pool2d") and len(shape) == 4:
        return _adaptive(seen, shape[2:])
    if operation in PRODUCTS:
        return seen if _keeps_places(operation, asked, inputs, seen) else seen.whole()
    if operation in REDUCTIONS and "dim" in asked:
        return seen.whole() if _over_places(asked["dim"], inputs[0], seen) else seen
    if operation in ("slice", "unfold"):
        return _cut(seen, operation, asked, inputs[0], shape)
    if operation in PADDINGS and len(shape) == 4:
        right_to_left = [*asked.get("pad", asked.get("padding")), 0, 0, 0, 0]
        return _slid(seen, shape[2:], padding=(right_to_left[2], right_to_left[0]))
    if operation in REDUCTIONS or "scaled_dot_product" in operation:
        return seen.whole()
    if len(shape) != 4 or seen.grid in (shape[2:], shape[1:3]):
        return seen
    if seen.grid == (1, 1):  # each place sees the same
        return Field(tuple(replace(window, jump=0) for window in seen.windows), shape[2:])
    return None


def _two(value: Any) -> tuple[int, int]:
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * 2 if len(values) == 1 else values


def _slid(seen: Field, grid: Sequence[int], kernel=(1, 1), stride=(1, 1), padding=(0, 0), dilation=(1, 1)) -> Field:
    """Behind a kernel that slides over rows and columns; a negative padding leaves out the first places."""
    settings = zip(seen.windows, kernel, stride, padding, dilation, strict=True)
    return Field(tuple(window.slide(*setting) for window, *setting in settings), tuple(grid))


def _convolved(seen: Field, asked: Mapping[str, Any], image: Tensor, shape: tuple[int, ...]) -> Field | None:
    """Behind a convolution or a pooling layer."""
    if image.ndim != 4 or asked.get("transposed"):
        return None
    kernel = _two(asked["kernel_size"] if "kernel_size" in asked else asked["weight"].shape[2:])
    stride = _two(asked.get("stride") or kernel)
    padding, dilation = _two(asked.get("padding", 0)), _two(asked.get("dilation", 1))
    grid = shape[2:]
    if len(shape) != 4:  # im2col: [N, C·k·k, places]
        settings = zip(seen.grid, kernel, stride, padding, dilation, strict=True)
        grid = [(size + 2 * edge - far * (side - 1) - 1) // step + 1 for size, side, step, edge, far in settings]
    return _slid(seen, grid, kernel, stride, padding, dilation)


def _adaptive(seen: Field, after: tuple[int, int]) -> Field:
    """Behind adaptive pooling: place i of `after` sees the places ⌊i·before/after⌋ to ⌈(i + 1)·before/after⌉ − 1."""
    kernel = [
        max(math.ceil(Fraction((i + 1) * before, places)) - i * before // places for i in range(places))
        for before, places in zip(seen.grid, after, strict=True)
    ]
    return _slid(seen, after, kernel, tuple(map(Fraction, seen.grid, after)))


def _keeps_places(operation: str, asked: Mapping[str, Any], inputs: Sequence[Any], seen: Field) -> bool:
    """Whether a matrix product sums over channels only: then its other edges still hold all places."""
    left, right = (list(asked.values())[k] for k in PRODUCTS[operation])
    sides = [any(one is matrix for one in inputs) for matrix in (left, right)]
    if all(sides):
        return math.prod(seen.grid) == 1
    matrix, summed = (left, -1) if sides[0] else (right, -2)
    return (matrix.numel() // matrix.shape[summed]) % math.prod(seen.grid) == 0


def _over_places(dims: Any, image: Tensor, seen: Field) -> bool:
    """Whether a mean or a maximum is taken over rows and columns, not over channels or inside a window."""
    dims = range(image.ndim) if dims in (None, []) else [dims] if isinstance(dims, int) else dims
    dims = {dim % image.ndim for dim in dims}
    if image.ndim >= 4:
        return bool(dims & {2, 3})
    if image.shape[-1] == math.prod(seen.grid):  # [N, C, places]
        return image.ndim - 1 in dims
    return True


def _cut(seen: Field, operation: str, asked: Mapping[str, Any], image: Tensor, shape: tuple[int, ...]) -> Field | None:
    """Behind x[:, :, ::2] or x.unfold(2, size, step)."""
    axis = asked.get("dim", asked.get("dimension", 0)) % image.ndim - 2
    if image.ndim < 4 or axis not in (0, 1):
        return seen if image.ndim >= 4 or math.prod(seen.grid) == 1 else None
    kernel, stride, padding = [1, 1], [1, 1], [0, 0]
    kernel[axis], stride[axis] = asked.get("size", 1), asked.get("step") or 1
    start, end = asked.get("start") or 0, image.shape[axis + 2]
    padding[axis] = -min(start + end if start < 0 else start, end)
    return _slid(seen, shape[2:4], kernel, stride, padding)
