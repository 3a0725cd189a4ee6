"""The exercise of notebook 4, the forward pass of an Inception module: a check that watches what is called, and how.

Serves notebook 4. Paper: Szegedy et al. 2015, figure 2b.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from itertools import permutations

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, relu
from torch.overrides import TorchFunctionMode

from course_utils import runtime
from course_utils.checks.base import Verdict, attempt, together
from course_utils.checks.progress import remembered

Filters = Mapping[str, Tensor]
FILTERS = ("1x1", "3x3 reduce", "3x3", "5x5 reduce", "5x5", "pool 1x1")
NAMES = ("1×1", "3×3", "5×5", "pooling")


class _Watch(TorchFunctionMode):
    """Remembers the windows that were moved over pictures: what it was, its filters, its input, its output."""

    def __init__(self):
        super().__init__()
        self.calls: list[tuple[str, Tensor | None, Tensor, Tensor | None]] = []

    def __torch_function__(self, func, types, given=(), named=None):
        named, kind = named or {}, getattr(func, "__name__", "")
        if kind not in ("conv2d", "max_pool2d", "avg_pool2d"):
            return func(*given, **named)
        image = given[0] if given else named.get("input")
        filters = (given[1] if len(given) > 1 else named.get("weight")) if kind == "conv2d" else None
        self.calls.append((kind, filters, image, None))
        output = func(*given, **named)
        self.calls[-1] = (kind, filters, image, output)
        return output


def _problems() -> list[tuple[Tensor, Filters]]:
    """A module whose branches are equally wide, so that even a sum has a shape; and one where all numbers differ."""
    draw = runtime.generator(4)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=draw, dtype=torch.float64)

    found = []
    for channels, one, (reduce_three, three), (reduce_five, five), pool in (
        (6, 3, (4, 3), (2, 3), 3),
        (7, 2, (4, 5), (3, 6), 1),
    ):
        filters = {
            "1x1": normal(one, channels, 1, 1),
            "3x3 reduce": normal(reduce_three, channels, 1, 1),
            "3x3": normal(three, reduce_three, 3, 3),
            "5x5 reduce": normal(reduce_five, channels, 1, 1),
            "5x5": normal(five, reduce_five, 5, 5),
            "pool 1x1": normal(pool, channels, 1, 1),
        }
        found.append((normal(2, channels, 9, 8), filters))
    return found


def _branches(
    x: Tensor, f: Filters, *, cut: str = "all", pool: str = "max", window: str = "before"
) -> tuple[Tensor, ...]:
    """The exercise's four branches, and with other arguments the usual wrong ones."""
    after = relu if cut == "all" else (lambda signal: signal)
    between = relu if cut in ("all", "between") else (lambda signal: signal)
    slide = max_pool2d if pool == "max" else avg_pool2d

    def pooled(signal: Tensor) -> Tensor:
        return signal if pool == "none" else slide(signal, 3, stride=1, padding=1)

    three = conv2d(between(conv2d(x, f["3x3 reduce"])), f["3x3"], padding=1)
    five = conv2d(between(conv2d(x, f["5x5 reduce"])), f["5x5"], padding=2)
    last = after(conv2d(pooled(x), f["pool 1x1"])) if window == "before" else pooled(after(conv2d(x, f["pool 1x1"])))
    return after(conv2d(x, f["1x1"])), after(three), after(five), last


_MISTAKES: tuple[tuple[dict, str], ...] = (  # what went wrong → what to say
    ({"cut": "none"}, "There is no ReLU: behind each convolution comes one, relu(conv2d(…))."),
    (
        {"cut": "between"},
        "The last ReLU of the branches is missing: behind each convolution comes one, relu(conv2d(…)).",
    ),
    ({"pool": "avg"}, "You take the average of each window; this branch takes the maximum, max_pool2d."),
    ({"pool": "none"}, "The pooling branch does not pool: max_pool2d(x, 3, stride=1, padding=1) comes before its 1×1."),
    ({"window": "after"}, "In the pooling branch you pool behind the 1×1; the order is pooling first, then the 1×1."),
)
_RIGHT = "Right. Four views of the same input, each of the same height and width, side by side in the channels."
_NOT_YET = Verdict(None, "Not yet: fill the gaps and run this cell again. The hint below helps.")


@remembered
def check_inception(student: Callable) -> Verdict:
    """Mark a student's forward pass of an Inception module.

    Args:
        student: a function of (x, filters): x [N, C, H, W], and filters under the names in `FILTERS`; it returns the
            four branches side by side.

    Returns:
        The verdict; `right` is None where the exercise was not begun.
    """
    return together((_marked(student, x, filters) for x, filters in _problems()), _RIGHT)


def _marked(student: Callable, x: Tensor, filters: Filters) -> Verdict:
    """One problem: run, look at the windows that were moved, then at what came out."""
    watch, before = _Watch(), x.clone()
    with watch, torch.no_grad():
        raised = partial(_raised, student, watch, filters)
        answer = attempt(student, x, dict(filters), raised=raised, not_yet=_NOT_YET)
    if isinstance(answer, Verdict):
        return answer
    if not isinstance(answer, Tensor):
        return Verdict(
            False, f"Return one tensor, the branches joined by torch.cat; you return {type(answer).__name__}."
        )
    if not torch.equal(x, before):
        return Verdict(
            False, "You write into x itself, so the branches after that see another input; leave x as it is."
        )
    if (fault := _window_fault(watch, filters)) is not None:
        return Verdict(False, fault)
    return _compared(answer, x, filters)


def _raised(student: Callable, watch: _Watch, filters: Filters, trouble: Exception) -> Verdict:
    if isinstance(trouble, TypeError) and "ellipsis" in str(trouble).lower():
        return Verdict(None, "Not yet: one of the gaps still holds the three dots.")
    if isinstance(trouble, TypeError) and len(inspect.signature(student).parameters) != 2:
        return Verdict(False, "Your function must take (x, filters), in this order.")
    if (fault := _window_fault(watch, filters)) is not None:
        return Verdict(False, fault)
    if isinstance(trouble, KeyError):
        return Verdict(False, f"There are no filters called {trouble}; there are {', '.join(map(repr, FILTERS))}.")
    if "must match" in str(trouble):
        return Verdict(
            False,
            "The branches have as many channels as they like, so only dim 1 can be joined, and nothing can be added: "
            "torch.cat([…], dim=1).",
        )
    return Verdict(False, f"Your function stopped with {type(trouble).__name__}: {trouble}")


def _window_fault(watch: _Watch, filters: Filters) -> str | None:
    """What is wrong with a convolution or a pooling that was called."""
    for kind, used, image, output in watch.calls:
        name = next((name for name, known in filters.items() if known is used), None)
        if kind == "conv2d" and used is not None and output is None and image.shape[1] != used.shape[1]:
            called = f"the filters “{name}”" if name else "your filters"
            front = "; the 1×1 reduction comes first" if name in ("3x3", "5x5") else ""
            return f"{called[0].upper()}{called[1:]} take {used.shape[1]} channels and got {image.shape[1]}{front}."
        if output is None or output.shape[2:] == image.shape[2:]:
            continue
        sizes = " from {}×{} to {}×{}".format(*image.shape[2:], *output.shape[2:])
        if kind == "conv2d":
            side = used.shape[-1]
            if side == 1:
                return f"A 1×1 convolution changes height and width{sizes}: leave padding and stride out."
            padding = "padding=1" if side == 3 else "padding=2"
            return f"Your {side}×{side} convolution changes height and width{sizes}: it needs {padding} and no stride."
        return (
            f"Your pooling changes height and width{sizes}: it needs stride=1 (left out, the window jumps by its own "
            "side) and padding=1."
        )
    return None


def _compared(answer: Tensor, x: Tensor, filters: Filters) -> Verdict:
    """Beside the right answer and the usual wrong ones."""

    def same(other: Tensor) -> bool:
        return answer.shape == other.shape and torch.allclose(answer, other, rtol=0, atol=1e-9)

    right = _branches(x, filters)
    if same(torch.cat(right, dim=1)):
        return Verdict(True, _RIGHT)
    if same(right[0]):
        return Verdict(None, "Not yet: you return the first branch alone; the other three are waiting.")
    if len({branch.shape for branch in right}) == 1:
        if same(sum(right)):
            return Verdict(False, "You add the four branches up; they stand side by side: torch.cat([…], dim=1).")
        for dim, what in ((0, "pictures, the batch"), (2, "rows"), (3, "columns")):
            if same(torch.cat(right, dim=dim)):
                return Verdict(False, f"You join along dim={dim}, the {what}; the channels are dim=1.")
    for order in permutations(range(4)):
        if same(torch.cat([right[k] for k in order], dim=1)):
            got = ", ".join(NAMES[k] for k in order)
            return Verdict(False, f"All four are right, in another order ({got}); it is {', '.join(NAMES)}.")
    for mistake, sentence in _MISTAKES:
        if same(torch.cat(_branches(x, filters, **mistake), dim=1)):
            return Verdict(False, sentence)
    return _by_its_shape(answer, x, right)


def _by_its_shape(answer: Tensor, x: Tensor, right: tuple[Tensor, ...]) -> Verdict:
    """Nothing that is known: name what can be seen from outside."""
    wanted = torch.cat(right, dim=1)
    if answer.ndim == 4 and answer.shape[1] == wanted.shape[1] - right[3].shape[1] + x.shape[1]:
        return Verdict(
            False,
            f"Your pooling branch passes all {x.shape[1]} channels of x on; behind the pooling comes a 1×1 with "
            f"the filters “pool 1x1”, which leaves {right[3].shape[1]}.",
        )
    if answer.shape != wanted.shape:
        return Verdict(
            False,
            f"The shape must be {list(wanted.shape)}: the channels of the four branches together; "
            f"yours is {list(answer.shape)}.",
        )
    start = 0
    for name, branch in zip(NAMES, right, strict=True):
        part = answer[:, start : start + branch.shape[1]]
        if not torch.allclose(part, branch, rtol=0, atol=1e-9):
            return Verdict(False, f"The {name} branch is not right yet; compare it with the drawing, arrow by arrow.")
        start += branch.shape[1]
    return Verdict(False, "The numbers are not those of the module; compare with the drawing, arrow by arrow.")
