"""The exercise of notebook 3, a 1×1 convolution as a matrix product: a check that knows the usual mistakes.

Serves notebook 3. Paper: Lin et al. 2014, "Network in Network", arXiv:1312.4400.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from course_utils import runtime
from course_utils.checks.base import Verdict, same, together, try_out, wrong
from course_utils.checks.progress import remembered
from course_utils.conv1x1.conv1x1 import conv1x1

_PROBLEMS = ((2, 5, 3, 4, 6), (2, 4, 4, 4, 4))  # N, C, C', H, W; where all edges are alike, no error gives itself away


# ---- the usual wrong answers -------------------------------------------------------------------------------------
def _tear(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """Pixels are taken for channels: rows of C neighbouring numbers are mixed, [N·H·W, C']."""
    return x.reshape(-1, x.shape[1]) @ w.T + b


def _deal_out(numbers: Tensor, x: Tensor, w: Tensor) -> Tensor:
    """Reshaped to new maps, where the channels should have been moved."""
    return numbers.reshape(len(x), len(w), *x.shape[2:])


_TORN = (
    "The pixels are torn: reshape cuts the numbers in the order in which they lie in memory, where the neighbours of a "
    "number are pixels, not channels."
)
_MISTAKES: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {  # what to say → what was computed
    "The bias is missing: add bias[c] to every pixel of new channel c.": lambda x, w, b: conv1x1(x, w),
    "The weight is transposed: a row of it belongs to a new channel, a column to a channel that comes in; sum over the "
    "columns.": lambda x, w, b: conv1x1(x, w.T, b),
    "The weight is transposed, and the bias is missing: a row of the weight belongs to a new channel.": (
        lambda x, w, b: conv1x1(x, w.T)
    ),
    f"{_TORN} Move the channels to the end first (movedim(1, -1)), or flatten only the pixels (flatten(2)).": (
        lambda x, w, b: _tear(x, w, b).reshape(len(x), *x.shape[2:], len(w)).movedim(-1, 1)
    ),
    f"{_TORN} Flatten only the pixels (flatten(2)), or move the channels.": (
        lambda x, w, b: _deal_out(_tear(x, w, b), x, w)
    ),
    "The product is right, but then the numbers are dealt out wrongly: your channels come last, and reshape does not "
    "move them to the front; movedim(-1, 1) does.": lambda x, w, b: _deal_out(x.movedim(1, -1) @ w.T + b, x, w),
    "Rows and columns are swapped: give the pixels back as height × width, in this order.": (
        lambda x, w, b: conv1x1(x, w, b).mT
    ),
    "You add a ReLU: a convolution is linear, numbers below 0 stay below 0; the ReLU is a layer of its own.": (
        lambda x, w, b: conv1x1(x, w, b).relu()
    ),
    "You add a softmax: a convolution is linear; leave its numbers as they are.": (
        lambda x, w, b: conv1x1(x, w, b).softmax(dim=1)
    ),
    "You take the softmax of the weights: take them as they are, they may be negative.": (
        lambda x, w, b: conv1x1(x, w.softmax(dim=1), b)
    ),
    "The channels are mixed in the wrong order: column c of the weight belongs to channel c, counted from 0.": (
        lambda x, w, b: conv1x1(x.flip(1), w, b)
    ),
    "The new channels stand in the wrong order: row c of the weight makes channel c.": (
        lambda x, w, b: conv1x1(x, w, b).flip(1)
    ),
    "The bias is added along the wrong axis: bias[:, None, None] belongs to channels, not to columns.": (
        lambda x, w, b: conv1x1(x, w) + b
    ),
    "The bias is added along the wrong axis: bias[:, None, None] belongs to channels, not to rows.": (
        lambda x, w, b: conv1x1(x, w) + b[:, None]
    ),
    "You take the mean over the channels; a convolution takes the sum.": (
        lambda x, w, b: conv1x1(x, w, b) / x.shape[1]
    ),
}


# ---- the check ---------------------------------------------------------------------------------------------------
class _Watch(TorchFunctionMode):
    """Notices whether torch's own convolution is called, by this or another name."""

    def __init__(self):
        super().__init__()
        self.convolved = False

    def __torch_function__(self, function, types, args=(), kwargs=None):
        self.convolved |= "conv" in getattr(function, "__name__", "")
        return function(*args, **(kwargs or {}))


@remembered
def check_conv1x1(student: Callable) -> Verdict:
    """Mark a student's 1×1 convolution: run it on two small problems and say what is wrong with it, if anything.

    Args:
        student: a function of (maps, weight, bias), [N, C, H, W], [C', C] and [C'], that returns [N, C', H, W] without
            torch's convolution.

    >>> check_conv1x1(lambda maps, weight, bias: conv1x1(maps, weight))
    ✗ The bias is missing: add bias[c] to every pixel of new channel c.
    """
    praise = "Right, in values and in gradients: one matrix, the same at every pixel. That is all a 1×1 convolution is."
    return together((_mark(student, *_numbers(number, *sizes)) for number, sizes in enumerate(_PROBLEMS)), praise)


def _numbers(seed: int, batch: int, before: int, after: int, height: int, width: int) -> tuple[Tensor, Tensor, Tensor]:
    draw = runtime.generator(seed)
    shapes = (batch, before, height, width), (after, before), (after,)
    maps, weight, bias = (torch.randn(shape, generator=draw, dtype=torch.float64) for shape in shapes)
    return maps, weight, bias + 2


def _mark(student: Callable, maps: Tensor, weight: Tensor, bias: Tensor) -> Verdict | None:
    """One problem: run, then look for what is wrong, from the plain to the subtle."""
    given = [value.clone().requires_grad_() for value in (maps, weight, bias)]
    with _Watch() as watch:
        answer = try_out(student, *given, takes="maps, weight, bias", returns="the new maps, a tensor")
    if isinstance(answer, Verdict):
        return answer
    right = conv1x1(*given)
    if answer.shape != right.shape:
        return wrong(_shape_sentence(list(answer.shape), list(right.shape), list(maps.shape)))
    if watch.convolved:
        return wrong("You call torch's convolution; do without it: a matrix product (@) or einsum is enough.")
    if same(answer, right):
        return _mark_gradients(answer, right, given)
    for sentence, mistaken in _MISTAKES.items():
        try:
            other = mistaken(maps, weight, bias)
        except (ValueError, RuntimeError):  # this mistake is not possible with these shapes
            continue
        if same(answer, other):
            return wrong(sentence)
    if not answer.isfinite().all():
        return wrong("Your maps hold NaN or infinity; nothing here divides.")
    if same(answer[0], right[0]):
        return wrong("The first picture is right and the others are not: each picture has its own pixels.")
    return wrong(
        "The shape is right and the numbers are not: new channel o at a pixel is bias[o] + Σ weight[o, c] · maps[c], "
        "over all channels c of this pixel, and of no other."
    )


def _shape_sentence(got: list[int], wanted: list[int], given: list[int]) -> str:
    batch, after, height, width = wanted
    told = {
        (batch, after, height * width): "put the pixels back in rows and columns (unflatten or reshape)",
        (batch, height, width, after): "the channels stand last; move them to the second place (movedim(-1, 1))",
        (batch, height * width, after): "swap pixels and channels, then put the pixels back in rows and columns",
        (batch, after, width, height): "rows and columns are swapped",
        (after, height, width): "every picture of the batch needs its own answer",
        (after, batch, height, width): "the first axis is the picture, the second the channel",
        tuple(given): "there are as many new channels as the weight has rows",
    }.get(tuple(got), "look at what each axis means")
    return f"The new maps have the shape [N, C', H, W] = {wanted}; yours have {got}: {told}."


def _mark_gradients(answer: Tensor, right: Tensor, given: list[Tensor]) -> Verdict | None:
    """The values are right; whether training could use them too."""
    if not answer.requires_grad:
        advice = "work on the tensors themselves (no detach, no numpy)"
        return wrong(f"The values are right, but no gradient comes back: {advice}.")
    push = torch.linspace(-1, 1, right.numel(), dtype=right.dtype).view_as(right)
    ours = torch.autograd.grad(right, given, push)
    theirs = torch.autograd.grad(answer, given, push.to(answer.dtype), allow_unused=True)
    for name, one, other in zip(("maps", "weight", "bias"), ours, theirs, strict=True):
        if other is None or not same(one, other):
            return wrong(f"The values are right, but the gradient of {name} is not: something was detached.")
    return None
