"""The exercise of notebook 5, the forward pass of a residual block: a check that knows the usual slips.

Serves notebook 5. Paper: He et al. 2016, figure 5 (right), the block of ResNet-50.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn.functional import relu

from course_utils.checks.base import NOT_YET, Verdict, same, together, try_out, wrong
from course_utils.checks.progress import remembered


class _Layers(nn.Module):
    """The layers of a bottleneck block, and no forward: that is the exercise. It counts which layers were called."""

    def __init__(self, in_channels: int, filters: int, out_channels: int, stride: int):
        super().__init__()
        self.conv1 = nn.Conv2d(in_channels, filters, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(filters)
        self.conv2 = nn.Conv2d(filters, filters, 3, stride, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(filters)
        self.conv3 = nn.Conv2d(filters, out_channels, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(out_channels)
        self.projection: nn.Module | None = None
        if stride != 1 or in_channels != out_channels:
            convolution = nn.Conv2d(in_channels, out_channels, 1, stride, bias=False)
            self.projection = nn.Sequential(convolution, nn.BatchNorm2d(out_channels))
        self.called: list[str] = []
        for name, layer in self.named_children():
            layer.register_forward_hook(lambda *_, name=name: self.called.append(name))


def _problems() -> list[tuple[_Layers, Tensor]]:
    """A block that keeps the shape, of one width throughout so that a wrong tensor can be added; one that does not."""
    problems = []
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(5)
        for shape, stride in (((5, 5, 5), 1), ((4, 3, 6), 2)):
            block = _Layers(*shape, stride).double().eval()
            for layer in block.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.running_mean.normal_(0, 0.5)
                    layer.running_var.uniform_(0.05, 0.2)
                    nn.init.normal_(layer.bias, 0, 0.5)
            problems.append((block, torch.randn(2, shape[0], 6, 6, dtype=torch.float64)))
    return problems


def _residual(block: _Layers, x: Tensor, slip: str = "") -> Tensor:
    """The exercise's answer, or the wrong one that a slip of `_SLIPS` makes of it."""
    cut = nn.Identity() if slip == "no ReLU in g" else relu
    norm1, norm2, norm3 = [nn.Identity()] * 3 if slip == "no norms" else [block.norm1, block.norm2, block.norm3]
    first = cut(norm1(block.conv1(x)))
    second = cut(norm2(block.conv2(first)))
    g = norm3(block.conv3(second))
    way = x if block.projection is None else block.projection(x)
    others = {"first": first, "second": second, "g twice": g, "relu(x)": relu(way), "no skip": 0, "g alone": 0}
    added = others.get(slip, way)
    if slip == "x behind the ReLU":
        return relu(g) + added
    total = (relu(g) if slip == "two ReLUs" else g) + added
    return total if slip in ("g alone", "no ReLU behind the sum") else relu(total)


_SLIPS = {  # what went wrong → what to say
    "no skip": "The skip is missing: you return relu(g(x)), which is a plain block; add x before the last ReLU.",
    "g alone": "You return g(x) alone: the skip is missing, and so is the ReLU behind the sum.",
    "x behind the ReLU": "x is added after the last ReLU: relu(g(x)) + x. So the block could only ever add and never "
    "take away; add first, then one ReLU over the sum: relu(g(x) + x).",
    "two ReLUs": "One ReLU too many: you cut off g(x) before the sum and the sum again; g must be free to be negative, "
    "so leave out the one before the sum.",
    "no ReLU behind the sum": "The ReLU behind the sum is missing: f(x) = relu(g(x) + x).",
    "first": "You add the wrong tensor, what comes out of the first convolution; the skip carries x.",
    "second": "You add the wrong tensor, what comes out of the second convolution; the skip carries x.",
    "g twice": "You add the wrong tensor, g(x) to itself; the skip carries x. (Was x overwritten on the way?)",
    "relu(x)": "You add relu(x); the skip carries x as it came.",
    "no ReLU in g": "There is no ReLU inside g: behind norm1 and norm2 each there must be one.",
    "no norms": "The normalisations are missing: behind each convolution comes its norm.",
}
_RIGHT = "Right. The one plus is all that is new, and it comes before the last ReLU."


@remembered
def check_residual(student: Callable) -> Verdict:
    """Mark a student's forward pass of a residual block: on a block that keeps the shape and on one that does not.

    Args:
        student: a function of (block, x); the block has conv1, norm1, conv2, norm2, conv3, norm3, and `projection`,
            which is None where x has the right shape already.

    >>> check_residual(lambda block, x: ...)
    … Not yet: fill the gap and run this cell again. The hint below helps.
    """
    return together((_mark(student, block, x) for block, x in _problems()), _RIGHT)


def _mark(student: Callable, block: _Layers, start: Tensor) -> Verdict:
    """One block: run forwards, look at what came out, then backwards."""
    leaf = start.clone().requires_grad_()
    x = leaf * 1  # no leaf, as in the middle of a network
    how = {"takes": "block, x", "returns": "a tensor", "writes": _WRITES}
    answer = try_out(student, block, x, explain=lambda trouble: _explain(trouble, block), **how)
    called = set(block.called)  # before the comparisons below call them, too
    if isinstance(answer, Verdict):
        return answer
    if not called:
        return NOT_YET
    wanted = _residual(block, start)
    if answer.shape != wanted.shape:
        return wrong(f"f(x) must have the shape {list(wanted.shape)} here; yours has {list(answer.shape)}.")
    if not same(answer, wanted):
        return _compare(answer, block, start, called)
    return _go_back(answer, leaf, block)


_WRITES = (
    "You write into x itself (+= or an in-place ReLU on it): the backward pass still needs x as it was. "
    "Write g + x, which makes a new tensor."
)


def _explain(trouble: Exception, block: _Layers) -> str | None:
    """What an exception means in this exercise."""
    told = str(trouble)
    if isinstance(trouble, TypeError) and block.projection is None and "NoneType" in told:
        return "block.projection is None where x has the right shape already: then add x itself."
    if isinstance(trouble, RuntimeError) and block.projection is not None and "must match the size" in told:
        return "With stride 2 the shapes of g(x) and x differ: there block.projection(x), and not x, must be added."
    return None


def _compare(answer: Tensor, block: _Layers, x: Tensor, called: set[str]) -> Verdict:
    """Beside the usual wrong answers, all from the same x."""
    for slip, sentence in _SLIPS.items():
        try:
            usual = _residual(block, x, slip)
        except RuntimeError:  # here the wrong tensor has another shape
            continue
        if same(answer, usual):
            return wrong(sentence)
    if block.projection is not None and "projection" not in called:
        return wrong("With stride 2 the skip is block.projection(x); you never call it.")
    if unused := [name for name, _ in block.named_children() if name not in called]:
        return wrong(f"You never call block.{unused[0]}.")
    return wrong(
        "The numbers are others: take conv1, norm1, ReLU, conv2, norm2, ReLU, conv3, norm3 in this order, add the "
        "skip, and one ReLU at the end."
    )


def _go_back(answer: Tensor, leaf: Tensor, block: _Layers) -> Verdict:
    """The right numbers; does the right gradient come back, too?"""
    weight = torch.linspace(-1, 1, answer.numel(), dtype=answer.dtype).view_as(answer)
    try:
        (gradient,) = torch.autograd.grad((answer * weight).sum(), leaf)
    except RuntimeError as trouble:
        if "inplace" in str(trouble):
            return wrong("An in-place operation (+=) overwrote what the backward pass needs; write g + x.")
        return wrong("No gradient comes back: is there a .detach() or a no_grad() in your function?")
    again = leaf.detach().requires_grad_()
    (wanted,) = torch.autograd.grad((_residual(block, again) * weight).sum(), again)
    if not same(gradient, wanted):
        return wrong("The numbers are right, but the gradient is not: is there a .detach() on one of the two ways?")
    return Verdict(True, _RIGHT)
