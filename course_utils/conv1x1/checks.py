"""The exercise of notebook 3, a 1×1 convolution as a matrix product: a check that knows the usual mistakes.

Serves notebook 3. Paper: Lin et al. 2014, "Network in Network", arXiv:1312.4400.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from course_utils import runtime
from course_utils.checks.base import Verdict, attempt, together
from course_utils.checks.progress import remembered
from course_utils.conv1x1.conv1x1 import conv1x1

_RIGHT = "Right, in values and in gradients: one matrix, the same at every pixel. That is all a 1×1 convolution is."
_PROBLEMS = ((2, 5, 3, 4, 6), (2, 4, 4, 4, 4))  # N, C, C', H, W; where all edges are alike, no error gives itself away


def _without_order(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The product is right, its channels come last, and are reshaped instead of moved."""
    mixed = maps.movedim(1, -1) @ weight.T + bias  # [N, H, W, C']
    return mixed.reshape(len(maps), len(weight), *maps.shape[2:])


def _torn(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """Pixels are taken for channels: rows of C neighbouring numbers are mixed."""
    mixed = maps.reshape(-1, maps.shape[1]) @ weight.T + bias  # [N·H·W, C'], but not of one pixel each
    moved = mixed.reshape(len(maps), *maps.shape[2:], len(weight)).movedim(-1, 1)
    return moved.contiguous()


def _torn_twice(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    mixed = maps.reshape(-1, maps.shape[1]) @ weight.T + bias
    return mixed.reshape(len(maps), len(weight), *maps.shape[2:])


def _turned(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return conv1x1(maps, weight, bias).transpose(2, 3)


def _bias_along(axis: int) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    def mistaken(maps: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        shape = [1, 1, 1, 1]
        shape[axis] = len(bias)
        return conv1x1(maps, weight) + bias.view(shape)

    return mistaken


_MISTAKES: tuple[tuple[Callable[[Tensor, Tensor, Tensor], Tensor], str], ...] = (  # what was computed → what to say
    (
        lambda maps, weight, bias: conv1x1(maps, weight),
        "The bias is missing: add bias[c] to every pixel of new channel c.",
    ),
    (
        lambda maps, weight, bias: conv1x1(maps, weight.T, bias),
        "The weight is transposed: a row of it belongs to a new channel, a column to a channel that comes in; sum over "
        "the columns.",
    ),
    (
        lambda maps, weight, bias: conv1x1(maps, weight.T),
        "The weight is transposed, and the bias is missing: a row of the weight belongs to a new channel.",
    ),
    (
        _torn,
        "The pixels are torn: reshape cuts the numbers in the order in which they lie in memory, where the neighbours "
        "of a number are pixels, not channels. Move the channels to the end first (movedim(1, -1)), or flatten only "
        "the pixels (flatten(2)).",
    ),
    (
        _torn_twice,
        "The pixels are torn: reshape cuts the numbers in the order in which they lie in memory, where the neighbours "
        "of a number are pixels, not channels. Flatten only the pixels (flatten(2)), or move the channels.",
    ),
    (
        _without_order,
        "The product is right, but then the numbers are dealt out wrongly: your channels come last, and reshape does "
        "not move them to the front; movedim(-1, 1) does.",
    ),
    (_turned, "Rows and columns are swapped: give the pixels back as height × width, in this order."),
    (
        lambda maps, weight, bias: conv1x1(maps, weight, bias).relu(),
        "You add a ReLU: a convolution is linear, numbers below 0 stay below 0; the ReLU is a layer of its own.",
    ),
    (
        lambda maps, weight, bias: conv1x1(maps, weight, bias).softmax(dim=1),
        "You add a softmax: a convolution is linear; leave its numbers as they are.",
    ),
    (
        lambda maps, weight, bias: conv1x1(maps, weight.softmax(dim=1), bias),
        "You take the softmax of the weights: take them as they are, they may be negative.",
    ),
    (
        lambda maps, weight, bias: conv1x1(maps.flip(dims=[1]), weight, bias),
        "The channels are mixed in the wrong order: column c of the weight belongs to channel c, counted from 0.",
    ),
    (
        lambda maps, weight, bias: conv1x1(maps, weight, bias).flip(dims=[1]),
        "The new channels stand in the wrong order: row c of the weight makes channel c.",
    ),
    (
        _bias_along(3),
        "The bias is added along the wrong axis: bias[:, None, None] belongs to channels, not to columns.",
    ),
    (_bias_along(2), "The bias is added along the wrong axis: bias[:, None, None] belongs to channels, not to rows."),
    (
        lambda maps, weight, bias: conv1x1(maps, weight, bias) / maps.shape[1],
        "You take the mean over the channels; a convolution takes the sum.",
    ),
)


class _Watch(TorchDispatchMode):
    """Notices whether torch's own convolution is called."""

    def __init__(self):
        super().__init__()
        self.convolved = False

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        self.convolved |= "convolution" in operation.overloadpacket.__name__
        return operation(*args, **(kwargs or {}))


@remembered
def check_conv1x1(student: Callable) -> Verdict:
    """Mark a student's 1×1 convolution: run it on two small problems and say what is wrong with it, if anything.

    Args:
        student: a function of (maps, weight, bias), [N, C, H, W], [C', C] and [C'], that returns [N, C', H, W] without
            torch's convolution.

    Returns:
        The verdict; `right` is None where the exercise was not begun.
    """
    return together((_marked(student, *_numbers(number, *sizes)) for number, sizes in enumerate(_PROBLEMS)), _RIGHT)


def _numbers(seed: int, batch: int, before: int, after: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    draw = runtime.generator(seed)
    shapes = (batch, before, height, width), (after, before), (after,)
    maps, weight, bias = (torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes)
    return maps, weight, bias + 2


def _marked(student: Callable, maps: Tensor, weight: Tensor, bias: Tensor) -> Verdict:
    """One problem: run, then look for what is wrong, from the plain to the subtle."""
    given = [value.clone().requires_grad_() for value in (maps, weight, bias)]
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), _Watch() as watch:
        answer = attempt(student, *given, raised=lambda trouble: _raised(student, trouble))
    if isinstance(answer, Verdict):
        return answer
    if any(not torch.equal(one, other) for one, other in zip(given, (maps, weight, bias), strict=True)):
        return Verdict(
            False, "You write into what you were given; make new tensors instead (no +=, no index on the left)."
        )
    expected = conv1x1(*given)
    if (fault := _shape_fault(answer, expected, maps)) is not None:
        return fault
    if watch.convolved:
        return Verdict(False, "You call torch's convolution; do without it: a matrix product (@) or einsum is enough.")
    if not torch.allclose(answer, expected):
        return _mistake(answer.detach(), maps, weight, bias)
    return _gradients(answer, expected, given)


def _raised(student: Callable, trouble: Exception) -> Verdict:
    if isinstance(trouble, TypeError) and len(inspect.signature(student).parameters) != 3:
        return Verdict(False, "Your function must take (maps, weight, bias), in this order.")
    if isinstance(trouble, RuntimeError) and "leaf Variable" in str(trouble):
        return Verdict(
            False, "You write into what you were given; make new tensors instead (no +=, no index on the left)."
        )
    first = " ".join(str(trouble).split())[:160]
    return Verdict(False, f"Your function stopped with {type(trouble).__name__}: {first}")


def _shape_fault(answer, expected: Tensor, maps: Tensor) -> Verdict | None:
    if not isinstance(answer, Tensor):
        return Verdict(False, f"Return the new maps, a tensor; you return {type(answer).__name__}.")
    wanted, got = list(expected.shape), list(answer.shape)
    if wanted == got:
        return None
    batch, after, height, width = wanted
    told = {
        (batch, after, height * width): "put the pixels back in rows and columns (unflatten or reshape)",
        (batch, height, width, after): "the channels stand last; move them to the second place (movedim(-1, 1))",
        (batch, height * width, after): "swap pixels and channels, then put the pixels back in rows and columns",
        (batch, after, width, height): "rows and columns are swapped",
        (after, height, width): "every picture of the batch needs its own answer",
        (after, batch, height, width): "the first axis is the picture, the second the channel",
        tuple(maps.shape): "there are as many new channels as the weight has rows",
    }.get(tuple(got), "look at what each axis means")
    return Verdict(False, f"The new maps have the shape [N, C', H, W] = {wanted}; yours have {got}: {told}.")


def _mistake(answer: Tensor, maps: Tensor, weight: Tensor, bias: Tensor) -> Verdict:
    """Name the usual mistake that computes these very numbers."""
    for wrong, sentence in _MISTAKES:
        try:
            other = wrong(maps, weight, bias)
        except (ValueError, RuntimeError):  # this mistake is not possible with these shapes
            continue
        if other.shape == answer.shape and torch.allclose(answer, other.to(answer.dtype), rtol=1e-4, atol=1e-5):
            return Verdict(False, sentence)
    if not answer.isfinite().all():
        return Verdict(False, "Your maps hold NaN or infinity; nothing here divides.")
    if len(answer) > 1 and torch.allclose(answer[0].double(), conv1x1(maps, weight, bias)[0], atol=1e-5):
        return Verdict(False, "The first picture is right and the others are not: each picture has its own pixels.")
    return Verdict(
        False,
        "The shape is right and the numbers are not: new channel o at a pixel is bias[o] + Σ weight[o, c] · maps[c], "
        "over all channels c of this pixel, and of no other.",
    )


def _gradients(answer: Tensor, expected: Tensor, given: list[Tensor]) -> Verdict:
    """The values are right; whether training could use them too."""
    if not answer.requires_grad:
        return Verdict(
            False,
            "The values are right, but no gradient comes back: work on the tensors themselves (no detach, no numpy).",
        )
    push = torch.linspace(-1, 1, expected.numel(), dtype=expected.dtype).view_as(expected)
    ours = torch.autograd.grad(expected, given, push)
    theirs = torch.autograd.grad(answer, given, push.to(answer.dtype), allow_unused=True)
    for name, one, other in zip(("maps", "weight", "bias"), ours, theirs, strict=True):
        if other is None or not torch.allclose(one, other.to(one.dtype), rtol=1e-4, atol=1e-5):
            return Verdict(False, f"The values are right, but the gradient of {name} is not: something was detached.")
    return _RIGHT
