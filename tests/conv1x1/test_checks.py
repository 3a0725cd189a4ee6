"""The grader of lesson 3 is fed every usual wrong answer, and must name what is wrong."""

import itertools
import json
import re
from pathlib import Path

import pytest
import torch
from torch.nn.functional import conv2d

from course_utils.conv1x1 import checks as grader
from course_utils.conv1x1.checks import check_conv1x1

LESSON = Path(__file__).parents[2] / "notebooks" / "03_conv1x1.ipynb"


def product(maps, weight, bias):
    return (weight @ maps.flatten(2) + bias[:, None]).unflatten(2, maps.shape[2:])


def einsum(maps, weight, bias):
    return torch.einsum("oc,nchw->nohw", weight, maps) + bias[:, None, None]


def columns(maps, weight, bias):
    batch, channels, height, width = maps.shape
    rows = maps.permute(0, 2, 3, 1).reshape(-1, channels) @ weight.T + bias
    return rows.reshape(batch, height, width, -1).permute(0, 3, 1, 2)


def loops(maps, weight, bias):
    new = [sum(weight[o, c] * maps[:, c] for c in range(maps.shape[1])) + bias[o] for o in range(len(weight))]
    return torch.stack(new, dim=1)


@pytest.mark.parametrize("student", [product, einsum, columns, loops])
def test_the_right_answer_is_right_however_it_is_written(student):
    verdict = check_conv1x1(student)
    assert verdict.right is True, verdict


WRONG = {
    "transposed": (lambda m, w, b: einsum(m, w.T if w.shape[0] == w.shape[1] else w, b), "transposed"),
    "transposed, so the shapes break": (lambda m, w, b: product(m, w.T, b), "stopped with RuntimeError"),
    "no bias": (lambda m, w, b: product(m, w, 0 * b), "bias is missing"),
    "bias along the columns": (
        lambda m, w, b: einsum(m, w, 0 * b) + b if m.shape[3] == len(b) else einsum(m, w, b),
        "wrong axis.*columns",
    ),
    "bias along the rows": (
        lambda m, w, b: einsum(m, w, 0 * b) + b[:, None] if m.shape[2] == len(b) else einsum(m, w, b),
        "wrong axis.*rows",
    ),
    "torn at the beginning": (
        lambda m, w, b: (m.reshape(-1, m.shape[1]) @ w.T + b).reshape(len(m), *m.shape[2:], len(w)).permute(0, 3, 1, 2),
        "pixels are torn",
    ),
    "torn at both ends": (
        lambda m, w, b: (m.reshape(-1, m.shape[1]) @ w.T + b).reshape(len(m), len(w), *m.shape[2:]),
        "pixels are torn",
    ),
    "torn at the end": (
        lambda m, w, b: (m.permute(0, 2, 3, 1) @ w.T + b).reshape(len(m), len(w), *m.shape[2:]),
        "dealt out wrongly",
    ),
    "rows and columns swapped": (
        lambda m, w, b: (
            einsum(m, w, b).transpose(2, 3).reshape(len(m), len(w), *m.shape[2:])
            if m.shape[2] == m.shape[3]
            else einsum(m, w, b)
        ),
        "Rows and columns are swapped",
    ),
    "a ReLU": (lambda m, w, b: product(m, w, b).relu(), "add a ReLU"),
    "a softmax": (lambda m, w, b: product(m, w, b).softmax(dim=1), "add a softmax"),
    "a softmax of the weights": (lambda m, w, b: product(m, w.softmax(dim=1), b), "softmax of the weights"),
    "channels from behind": (lambda m, w, b: product(m.flip(1), w, b), "mixed in the wrong order"),
    "new channels from behind": (lambda m, w, b: product(m, w, b).flip(1), "new channels stand in the wrong order"),
    "a mean": (lambda m, w, b: product(m, w, b) / m.shape[1], "mean over the channels"),
    "torch's own": (lambda m, w, b: conv2d(m, w[:, :, None, None], b), "torch's convolution"),
    "only the first picture": (
        lambda m, w, b: product(m[:1], w, b).expand(len(m), -1, -1, -1),
        "first picture is right",
    ),
    "flat": (lambda m, w, b: product(m, w, b).flatten(2), "put the pixels back"),
    "channels last": (lambda m, w, b: product(m, w, b).movedim(1, -1), "channels stand last"),
    "one picture": (lambda m, w, b: product(m, w, b)[0], "every picture of the batch"),
    "no tensor": (lambda m, w, b: product(m, w, b).tolist(), "you return list"),
    "detached": (lambda m, w, b: product(m, w, b).detach(), "no gradient comes back"),
    "the weight detached": (lambda m, w, b: product(m, w.detach(), b), "gradient of weight"),
    "NaN": (lambda m, w, b: product(m, w, b) * float("nan"), "NaN"),
    "something else": (lambda m, w, b: product(m, w, b) + 1, "shape is right and the numbers are not"),
    "two arguments": (lambda m, w: m, "must take"),
    "a mishap": (lambda m, w, b: 1 / 0, "ZeroDivisionError"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(name):
    student, message = WRONG[name]
    verdict = check_conv1x1(student)
    assert verdict.right is False
    assert re.search(message, verdict.sentence), verdict.sentence
    assert "\n" not in verdict.sentence


def _writes_into_the_maps(maps, weight, bias):
    with torch.no_grad():
        maps[:, 0] = 0
    return product(maps, weight, bias)


def _adds_in_place(maps, weight, bias):
    maps += 1
    return product(maps, weight, bias)


@pytest.mark.parametrize("student", [_writes_into_the_maps, _adds_in_place])
def test_writing_into_what_was_given_is_told(student):
    assert "You write into what you were given" in check_conv1x1(student).sentence


def _raises(maps, weight, bias):
    raise NotImplementedError


@pytest.mark.parametrize("stub", [lambda m, w, b: None, lambda m, w, b: ..., _raises])
def test_an_unfilled_stub_is_told_not_yet(stub):
    verdict = check_conv1x1(stub)
    assert verdict.right is None
    assert verdict.sentence.startswith("Not yet")


@pytest.mark.parametrize("sizes", grader._PROBLEMS)
def test_no_two_mistakes_look_the_same(sizes):
    given = grader._numbers(0, *sizes)
    outcomes = {"right": product(*given)}
    for index, wrong in enumerate(grader._MISTAKES.values()):
        try:
            outcomes[index] = wrong(*given)
        except (ValueError, RuntimeError):
            continue
    assert len(outcomes) > 8
    for one, other in itertools.combinations(outcomes, 2):
        if outcomes[one].shape == outcomes[other].shape:
            assert not torch.allclose(outcomes[one], outcomes[other]), (one, other)


def test_the_check_leaves_the_random_state_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    check_conv1x1(lambda m, w, b: torch.rand(3))
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.skipif(not LESSON.is_file(), reason="the lesson is not written yet")
def test_the_lesson_s_solution_is_right_and_its_stub_is_not_yet():
    cells = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    space = {"torch": torch}
    stub = next(source for source in sources if source.startswith("def mix_channels"))
    exec(stub.split("check_conv1x1")[0], space)
    assert check_conv1x1(space["mix_channels"]).right is None
    folded = next(source for source in sources if "def mix_channels" in source and "<details>" in source)
    exec(re.search(r"```python\n(.*?)```", folded, re.DOTALL)[1], space)
    assert check_conv1x1(space["mix_channels"]).right is True
