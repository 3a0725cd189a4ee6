"""The graders of lesson 2: fed every usual wrong answer, they must name what is wrong."""

import json
import math
import re
from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

from course_utils import pooling
from course_utils.pooling.checks import check_avg_pool, check_max_pool

LESSON = Path(__file__).parents[2] / "notebooks" / "02_pooling.ipynb"
CHECKS = {"max": check_max_pool, "average": check_avg_pool}


def answer(kind, *, fill=None, window=0, step="stride", divide=None, keep=None):
    """A student's function in plain loops, right but for what the arguments say."""
    fill = (-math.inf if kind == "max" else 0.0) if fill is None else fill
    keep = keep or (torch.amax if kind == "max" else torch.sum)

    def pool(images, kernel_size, stride, padding):
        images = F.pad(images, (padding,) * 4, value=fill)
        move = {"stride": stride, "one": 1, "kernel": kernel_size}[step]
        height, width = (edge - kernel_size for edge in images.shape[2:])
        size = kernel_size + window
        rows = []
        for y in range(0, height + 1, move):
            line = [keep(images[:, :, y : y + size, x : x + size], dim=(2, 3)) for x in range(0, width + 1, move)]
            rows.append(torch.stack(line, dim=-1))
        pooled = torch.stack(rows, dim=-2)  # [N, C, H', W']
        return pooled if kind == "max" else pooled / (divide(kernel_size, stride) if divide else kernel_size**2)

    return pool


@pytest.mark.parametrize("kind", CHECKS)
def test_the_right_answer_is_right_however_it_is_written(kind):
    ours = pooling.max_pool2d if kind == "max" else pooling.avg_pool2d
    theirs = F.max_pool2d if kind == "max" else F.avg_pool2d
    for student in (answer(kind), ours, lambda *given: theirs(*given)):
        verdict = CHECKS[kind](student)
        assert verdict.right is True, verdict


def test_a_result_filled_in_place_is_right_too():
    def student(images, kernel_size, stride, padding):
        images = F.pad(images, (padding,) * 4, value=-math.inf)
        height, width = ((edge - kernel_size) // stride + 1 for edge in images.shape[2:])
        pooled = torch.zeros(*images.shape[:2], height, width)
        for i in range(height):
            for j in range(width):
                y, x = i * stride, j * stride
                pooled[:, :, i, j] = images[:, :, y : y + kernel_size, x : x + kernel_size].amax((2, 3))
        return pooled

    assert check_max_pool(student).right is True


def over_the_picture(keep):
    return lambda images, kernel_size, stride, padding: keep(images, dim=(2, 3))


def mixed(pool, keep):
    return lambda *given: keep(pool(*given), dim=1, keepdim=True)


def unpadded(pool):
    return lambda images, kernel_size, stride, padding: pool(images, kernel_size, stride, 0)


BOTH = {
    "stride of 1": ({"step": "one"}, "stride is ignored.*at every pixel"),
    "stride of the kernel": ({"step": "kernel"}, "stride is ignored.*kernel_size = 3 apart"),
    "window a pixel short": ({"window": -1}, "window is not whole.*3×3 numbers, you look at 2×2"),
}
WRONG = [(kind, name, answer(kind, **how), words) for kind in CHECKS for name, (how, words) in BOTH.items()]
WRONG += [
    ("max", "padding of 0", answer("max", fill=0.0), "pad with 0.*Pad with −∞"),
    ("max", "no padding", unpadded(F.max_pool2d), "padding is ignored"),
    ("max", "whole picture", over_the_picture(torch.amax), "maximum over the whole picture"),
    ("max", "channels mixed", mixed(F.max_pool2d, torch.amax), "channels are mixed"),
    ("max", "minimum", answer("max", keep=torch.amin, fill=math.inf), "smallest number"),
    ("max", "average", F.avg_pool2d, "This is average pooling"),
    ("max", "absolute value", lambda x, *window: F.max_pool2d(x.abs(), *window), "absolute value"),
    ("max", "axes exchanged", lambda *given: F.max_pool2d(*given).mT, "Rows and columns are exchanged"),
    ("average", "no padding", unpadded(F.avg_pool2d), "padding is ignored"),
    ("average", "whole picture", over_the_picture(torch.mean), "mean over the whole picture"),
    ("average", "channels mixed", mixed(F.avg_pool2d, torch.mean), "channels are mixed"),
    ("average", "sum", answer("average", divide=lambda k, s: 1), "sum, not the mean.*kernel_size² = 9"),
    ("average", "divided by k", answer("average", divide=lambda k, s: k), "wrong number, by kernel_size:"),
    ("average", "divided by s", answer("average", divide=lambda k, s: s), "wrong number, by stride:"),
    ("average", "divided by s²", answer("average", divide=lambda k, s: s * s), "wrong number, by stride²"),
    ("average", "divided by 4", answer("average", divide=lambda k, s: 4), "wrong number, by 4"),
    ("average", "maximum", answer("average", keep=torch.amax, divide=lambda k, s: 1), "This is max pooling"),
    (
        "average",
        "pixels inside only",
        lambda *given: F.avg_pool2d(*given, count_include_pad=False),
        "At the border.*count_include_pad",
    ),
]


@pytest.mark.parametrize(("kind", "name", "student", "words"), WRONG, ids=[f"{w[0]}, {w[1]}" for w in WRONG])
def test_a_wrong_answer_is_told_what_is_wrong(kind, name, student, words):
    verdict = CHECKS[kind](student)
    assert verdict.right is False
    assert re.search(words, verdict.sentence), verdict
    assert not verdict


@pytest.mark.parametrize("kind", CHECKS)
def test_other_troubles_get_a_sentence_too(kind):
    check, right = CHECKS[kind], answer(kind)

    def spoils(images, kernel_size, stride, padding):
        images += 1
        return right(images, kernel_size, stride, padding)

    def spoils_behind_the_back(images, *window):
        images.data += 1
        return right(images, *window)

    told = {
        "write into the pictures": (spoils, spoils_behind_the_back),
        "Your function must take": (lambda images: images,),
        "stopped with ZeroDivisionError at kernel_size=3": (lambda *given: 1 / 0,),
        "a tensor; you return int": (lambda *given: 3,),
        "no gradient can come back": (lambda *given: right(*given).detach(),),
        "The shape is wrong.*The formula": (lambda *given: right(*given)[:, :, 1:],),
        "numbers are wrong.*yours is": (lambda *given: right(*given) + 0.1,),
        "gradient is not": (lambda *given: right(*given).detach() + 0 * given[0].sum(),),
    }
    for words, students in told.items():
        for student in students:
            verdict = check(student)
            assert verdict.right is False
            assert re.search(words, verdict.sentence), verdict


@pytest.mark.parametrize("kind", CHECKS)
def test_what_was_not_begun_is_not_wrong(kind):
    def raises(*given):
        raise NotImplementedError

    def zeros(images, kernel_size, stride, padding):
        return torch.zeros_like(F.max_pool2d(images, kernel_size, stride, padding))

    for student in (raises, zeros, lambda *given: None, lambda *given: ...):
        assert CHECKS[kind](student).right is None


@pytest.mark.parametrize("kind", CHECKS)
def test_a_check_leaves_the_random_state_alone(kind):
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    CHECKS[kind](answer(kind))
    assert torch.equal(torch.rand(2), expected)


def solutions():
    cells = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
    text = "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown")
    return re.findall(r"<summary>The solution</summary>\s*```python\n(.*?)```", text, flags=re.DOTALL)


def test_the_solutions_in_the_lesson_are_right():
    names = {"torch": torch, "F": F, "math": math}
    for solution in solutions():
        exec(solution, names)
    assert check_max_pool(names["my_max_pool"]).right is True
    assert check_avg_pool(names["my_avg_pool"]).right is True
