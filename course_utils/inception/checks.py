"""The exercise of notebook 4, the forward pass of an Inception module: a check that watches what is called, and how.

Serves notebook 4. Paper: Szegedy et al. 2015, figure 2b.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import permutations

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, relu
from torch.overrides import TorchFunctionMode

from course_utils import runtime
from course_utils.checks.base import Verdict, same, together, try_out, wrong
from course_utils.checks.progress import remembered

Filters = Mapping[str, Tensor]
FILTERS = ("1x1", "3x3 reduce", "3x3", "5x5 reduce", "5x5", "pool 1x1")
NAMES = ("1×1", "3×3", "5×5", "pooling")
_WIDTHS = (  # as in inception.MODULES
    (6, 3, (4, 3), (2, 3), 3),  # branches that are equally wide, so that even a sum has a shape
    (7, 2, (4, 5), (3, 6), 1),  # all numbers differ
)


class _Watch(TorchFunctionMode):
    """Remembers the windows that were moved over pictures: what it was, its filters, its input, its output."""

    def __init__(self):
        super().__init__()
        self.calls: list[tuple[str, Tensor | None, Tensor, Tensor | None]] = []  # no output where torch refused

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs, kind = kwargs or {}, getattr(function, "__name__", "")
        if kind not in ("conv2d", "max_pool2d", "avg_pool2d"):
            return function(*args, **kwargs)
        image = args[0] if args else kwargs.get("input")
        filters = (args[1] if len(args) > 1 else kwargs.get("weight")) if kind == "conv2d" else None
        self.calls.append((kind, filters, image, None))
        output = function(*args, **kwargs)
        self.calls[-1] = (kind, filters, image, output)
        return output


def _problems() -> list[tuple[Tensor, Filters]]:
    """Pictures, and the filters of a module."""
    draw = partial(torch.randn, generator=runtime.generator(4), dtype=torch.float64)
    problems = []
    for channels, one, three, five, pool in _WIDTHS:
        outs = one, *three, *five, pool
        ins = channels, channels, three[0], channels, five[0], channels
        shapes = zip(FILTERS, outs, ins, (1, 1, 3, 1, 5, 1), strict=True)
        filters = {name: draw(out, come, side, side) for name, out, come, side in shapes}
        problems.append((draw(2, channels, 9, 8), filters))
    return problems


_PASS = nn.Identity()
_MAX, _MEAN = (partial(pool, kernel_size=3, stride=1, padding=1) for pool in (max_pool2d, avg_pool2d))


def _branches(x: Tensor, f: Filters, *, between=relu, after=relu, pool=_MAX, late=False) -> tuple[Tensor, ...]:
    """The exercise's four branches, and with other arguments the usual wrong ones."""
    three = conv2d(between(conv2d(x, f["3x3 reduce"])), f["3x3"], padding=1)
    five = conv2d(between(conv2d(x, f["5x5 reduce"])), f["5x5"], padding=2)
    last = pool(after(conv2d(x, f["pool 1x1"]))) if late else after(conv2d(pool(x), f["pool 1x1"]))
    return after(conv2d(x, f["1x1"])), after(three), after(five), last


_MISTAKES: tuple[tuple[dict, str], ...] = (  # what went wrong → what to say
    ({"between": _PASS, "after": _PASS}, "There is no ReLU: behind each convolution comes one, relu(conv2d(…))."),
    ({"after": _PASS}, "The last ReLU of the branches is missing: behind each convolution comes one, relu(conv2d(…))."),
    ({"pool": _MEAN}, "You take the average of each window; this branch takes the maximum, max_pool2d."),
    ({"pool": _PASS}, "The pooling branch does not pool: max_pool2d(x, 3, stride=1, padding=1) comes before its 1×1."),
    ({"late": True}, "In the pooling branch you pool behind the 1×1; the order is pooling first, then the 1×1."),
)
_RIGHT = "Right. Four branches over the same input, each of the same height and width, side by side in the channels."


@remembered
def check_inception(student: Callable) -> Verdict:
    """Mark a student's forward pass of an Inception module.

    Args:
        student: a function of (x, filters): x [N, C, H, W], and filters under the names in `FILTERS`; it returns the
            four branches side by side.

    >>> check_inception(lambda x, filters: relu(conv2d(x, filters["1x1"])))
    … Not yet: you return the first branch alone; the other three are waiting.
    """
    return together((_mark(student, *problem) for problem in _problems()), _RIGHT)


def _mark(student: Callable, x: Tensor, filters: Filters) -> Verdict | None:
    """One problem: run, look at the windows that were moved, then at what came out."""

    def explain(trouble: Exception) -> str | None:
        if fault := _window_fault(watch.calls, filters):
            return fault
        if isinstance(trouble, KeyError):
            return f"There are no filters called {trouble}; there are {', '.join(map(repr, FILTERS))}."
        if "must match" in str(trouble):
            return (
                "The branches have as many channels as they like, so only dim 1 can be joined, and nothing can be "
                "added: torch.cat([…], dim=1)."
            )
        return None

    with _Watch() as watch:
        answer = try_out(
            student,
            x.clone(),
            dict(filters),
            takes="x, filters",
            returns="one tensor, the branches joined by torch.cat",
            writes="You write into x itself, so the branches after that see another input; leave x as it is.",
            explain=explain,
            not_yet=Verdict(None, "Not yet: fill the gaps and run this cell again. The hint below helps."),
        )
    if isinstance(answer, Verdict):
        return answer
    if fault := _window_fault(watch.calls, filters):
        return wrong(fault)
    return _compare(answer, x, filters)


def _window_fault(calls: list[tuple], filters: Filters) -> str | None:
    """What is wrong with a convolution or a pooling that was called."""
    for kind, used, image, output in calls:
        name = next((name for name, known in filters.items() if known is used), None)
        if kind == "conv2d" and used is not None and output is None and image.shape[1] != used.shape[1]:
            called = f"The filters “{name}”" if name else "Your filters"
            front = "; the 1×1 reduction comes first" if name in ("3x3", "5x5") else ""
            return f"{called} take {used.shape[1]} channels and got {image.shape[1]}{front}."
        if output is None or output.shape[2:] == image.shape[2:]:
            continue
        changes = "changes height and width from {}×{} to {}×{}".format(*image.shape[2:], *output.shape[2:])
        if kind != "conv2d":
            needs = "it needs stride=1 (left out, the window jumps by its own side) and padding=1"
            return f"Your pooling {changes}: {needs}."
        side = used.shape[-1]
        if side == 1:
            return f"A 1×1 convolution {changes}: leave padding and stride out."
        return f"Your {side}×{side} convolution {changes}: it needs padding={side // 2} and no stride."
    return None


def _compare(answer: Tensor, x: Tensor, filters: Filters) -> Verdict | None:
    """Beside the right answer and the usual wrong ones."""
    right = _branches(x, filters)
    if same(answer, torch.cat(right, dim=1)):
        return None
    if same(answer, right[0]):
        return Verdict(None, "Not yet: you return the first branch alone; the other three are waiting.")
    if len({branch.shape for branch in right}) == 1:
        if same(answer, sum(right)):
            return wrong("You add the four branches up; they stand side by side: torch.cat([…], dim=1).")
        for dim, what in ((0, "pictures, the batch"), (2, "rows"), (3, "columns")):
            if same(answer, torch.cat(right, dim=dim)):
                return wrong(f"You join along dim={dim}, the {what}; the channels are dim=1.")
    for order in permutations(range(4)):
        if same(answer, torch.cat([right[k] for k in order], dim=1)):
            got = ", ".join(NAMES[k] for k in order)
            return wrong(f"All four are right, in another order ({got}); it is {', '.join(NAMES)}.")
    for mistake, sentence in _MISTAKES:
        if same(answer, torch.cat(_branches(x, filters, **mistake), dim=1)):
            return wrong(sentence)
    return wrong(_see(answer, x, right))


def _see(answer: Tensor, x: Tensor, right: tuple[Tensor, ...]) -> str:
    """Nothing that is known: name what can be seen from outside."""
    wanted, widths = torch.cat(right, dim=1), [branch.shape[1] for branch in right]
    if answer.ndim == 4 and answer.shape[1] == sum(widths[:3]) + x.shape[1]:
        return (
            f"Your pooling branch passes all {x.shape[1]} channels of x on; behind the pooling comes a 1×1 with the "
            f"filters “pool 1x1”, which leaves {widths[3]}."
        )
    if answer.shape != wanted.shape:
        shape = f"{list(wanted.shape)}: the channels of the four branches together"
        return f"The shape must be {shape}; yours is {list(answer.shape)}."
    for name, branch, part in zip(NAMES, right, answer.split(widths, dim=1), strict=True):
        if not same(part, branch):
            return f"The {name} branch is not right yet; compare it with the drawing, arrow by arrow."
    return "The numbers are not those of the module; compare with the drawing, arrow by arrow."
