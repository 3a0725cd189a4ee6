"""The exercises of notebook 2, max and average pooling: checks that know the usual mistakes by what they compute.

Serves notebook 2. Papers: none; the oracle is torch.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import runtime
from course_utils.checks.base import NOT_YET, Verdict, same, together, try_out, wrong
from course_utils.checks.progress import remembered

_KINDS = {  # the right answer, its padding, what it does with the numbers of a window, and the word for that
    "max": (F.max_pool2d, -math.inf, torch.amax, "maximum"),
    "average": (F.avg_pool2d, 0.0, torch.mean, "mean"),
}


class _Problem(NamedTuple):
    """What a pooling takes: a small batch and a window on which right and wrong answers come apart."""

    images: Tensor  # [N, C, H, W], float64
    kernel_size: int
    stride: int
    padding: int


def _problems() -> list[_Problem]:
    """Windows that leave gaps, that overlap, that do not come out even, that are padded; no two mistakes look alike."""
    cases = (((1, 1, 13, 8), 3, 5, 0), ((2, 3, 7, 6), 3, 2, 0), ((2, 2, 8, 9), 2, 3, 0), ((2, 3, 6, 7), 3, 2, 1))
    draw = runtime.generator(2)
    return [
        _Problem(torch.randn(shape, generator=draw, dtype=torch.float64) - 1.0, *window) for shape, *window in cases
    ]  # more numbers below 0 than above, as behind many a convolution: a padding of 0 would win


# ---- the usual wrong answers: what to say → what they compute ------------------------------------------------------
def _mistakes(problem: _Problem, kind: str) -> dict[str, list[Tensor]]:
    """Those that both kinds know, from the plain to the subtle, then those of one kind."""
    (images, size, stride, _), (pool, edge, keep, what) = problem, _KINDS[kind]
    right, best = pool(*problem), keep(images, dim=(2, 3))  # [N, C, H', W'], [N, C]
    mixed = keep(right, dim=1, keepdim=True)  # [N, 1, H', W']
    square = _windows(problem, edge).unflatten(-1, (size, size))  # [N, C, H', W', kernel, kernel]
    short = square[..., :-1, :-1].flatten(-2)  # a pixel short in both directions
    too_large = f"You take the {what} over the whole picture; take it over each window."
    all_one = "The channels are mixed: pool each channel by itself; a result has as many channels as the picture."
    not_whole = f"The window is not whole: it has {size}×{size} numbers, you look at"
    too_short = f"{not_whole} {size - 1}×{size - 1}; remember that a slice a:b ends before b."
    no_padding = "The padding is ignored: put `padding` rows and columns around the picture first."
    return {
        f"The stride is ignored: you take a window at every pixel; begin the next one stride = {stride} pixels "
        "further, in both directions.": [keep(_windows(problem._replace(stride=1), edge), dim=-1)],
        f"The stride is ignored: your windows stand kernel_size = {size} apart and must stand stride = {stride} "
        "apart.": [keep(_windows(problem._replace(stride=size), edge), dim=-1)],
        too_large: [best, best[..., None, None].expand_as(right)],
        all_one: [mixed[:, 0], mixed, mixed.expand_as(right)],
        "Rows and columns are exchanged: the result is [N, C, H′, W′].": [right.mT],
        too_short: [keep(short, dim=-1), short.sum(dim=-1) / size**2],
        f"{not_whole} its first row.": [keep(square[..., 0, :], dim=-1)],
        f"{not_whole} its first column.": [keep(square[..., 0], dim=-1)],
        no_padding: [pool(*problem._replace(padding=0))],
        **(_only_max(problem) if kind == "max" else _only_average(problem)),
    }


def _windows(problem: _Problem, fill: float = 0.0) -> Tensor:
    """Windows over the padded batch: [N, C, H', W', K]."""
    images, size, stride, padding = problem
    padded = F.pad(images, (padding,) * 4, value=fill)
    return padded.unfold(2, size, stride).unfold(3, size, stride).flatten(-2)


def _only_max(problem: _Problem) -> dict[str, list[Tensor]]:
    images, *window = problem
    return {
        "You pad with 0: where all numbers of a window are below 0, the padding wins. Pad with −∞, which never does.": [
            _windows(problem).amax(dim=-1)
        ],
        "This is the smallest number of each window; take the largest.": [-F.max_pool2d(-images, *window)],
        "This is average pooling; take the largest number of each window.": [F.avg_pool2d(*problem)],
        "You take the largest absolute value; but −3 is smaller than 2.": [_windows(problem).abs().amax(dim=-1)],
    }


def _only_average(problem: _Problem) -> dict[str, list[Tensor]]:
    images, size, stride, _ = problem
    sums = _windows(problem).sum(dim=-1)
    real = _windows(problem._replace(images=torch.ones_like(images))).sum(dim=-1)
    divisor = f"divide by the count of the numbers in a window, kernel_size² = {size**2}"
    wrong_numbers = {
        "kernel_size": size,
        "stride²": stride**2,
        "stride": stride,
        "4, which is right for 2×2 windows only": 4,
        "the count of the pixels in the picture": images[0, 0].numel(),
    }
    return {
        f"You give the sum, not the mean: {divisor}.": [sums],
        **{
            f"You divide by the wrong number, by {name}: {divisor}.": [sums / number]
            for name, number in wrong_numbers.items()
        },
        "At the border you divide by the pixels inside the picture. One can do that (count_include_pad=False), but "
        f"here, as in torch's default, {divisor}, also at the border.": [sums / real],
        "This is max pooling; take the mean of each window.": [F.max_pool2d(*problem)],
    }


# ---- the checks --------------------------------------------------------------------------------------------------
@remembered
def check_max_pool(student: Callable) -> Verdict:
    """Mark a student's max pooling on four small batches, and say what is wrong with it, if anything.

    Args:
        student: a function of (images [N, C, H, W], kernel_size, stride, padding) that returns [N, C, H', W'].

    >>> check_max_pool(F.avg_pool2d)
    ✗ This is average pooling; take the largest number of each window.
    """
    praise = "Right: as torch's own, in numbers and in gradients. And the padding of −∞ can never win."
    return together((_mark(student, problem, "max") for problem in _problems()), praise)


@remembered
def check_avg_pool(student: Callable) -> Verdict:
    """Mark a student's average pooling in the same way; the padding counts.

    >>> check_avg_pool(F.max_pool2d)
    ✗ This is max pooling; take the mean of each window.
    """
    praise = "Right: as torch's own, in numbers and in gradients."
    return together((_mark(student, problem, "average") for problem in _problems()), praise)


def _mark(student: Callable, problem: _Problem, kind: str) -> Verdict:
    """One batch: run, then look for what is wrong, from the plain to the subtle."""
    images, size, stride, padding = given = problem._replace(images=problem.images.clone().requires_grad_())
    case = f"kernel_size={size}, stride={stride}, padding={padding}"
    answer = try_out(
        student,
        *given,
        takes="images, kernel_size, stride, padding",
        returns="the pooled pictures, a tensor",
        writes="You write into the pictures themselves; write the results into a new tensor.",
        where=f" at {case}",
    )
    if isinstance(answer, Verdict):
        return answer
    right = _KINDS[kind][0](*given)
    if same(answer, right):
        return _mark_gradient(answer, right, images)
    if answer.shape == right.shape and not answer.any():
        return NOT_YET
    for sentence, results in _mistakes(problem, kind).items():
        if any(same(answer, result) for result in results):
            return wrong(sentence)
    if answer.shape != right.shape:
        return wrong(
            f"The shape is wrong: pictures {list(images.shape)} with {case} give {list(right.shape)}, yours "
            f"is {list(answer.shape)}. The formula: ⌊(H + 2·padding − kernel_size) / stride⌋ + 1."
        )
    off = ~torch.isclose(answer.detach().to(right), right, rtol=1e-4, atol=1e-5)
    place = tuple(off.nonzero()[0].tolist())
    return wrong(
        f"{int(off.sum())} of {right.numel()} numbers are wrong with {case}; the first stands at "
        f"{list(place)}: yours is {answer[place]:.3f}, the right one {right[place]:.3f}."
    )


def _mark_gradient(answer: Tensor, right: Tensor, images: Tensor) -> Verdict:
    """The numbers are right; does the gradient come back too?"""
    if not answer.requires_grad:
        return wrong(
            "The numbers are right, but no gradient can come back: use torch's functions all the way (.item(), "
            "float() and numpy cut the path)."
        )
    gradient, expected = (torch.autograd.grad(result.sum(), images)[0] for result in (answer, right))
    if not same(gradient, expected):
        return wrong("The numbers are right, but the gradient is not; look for a detach() or a .data.")
    return Verdict(True, "")
