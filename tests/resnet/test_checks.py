"""The check of lesson 5's exercise names each usual mistake, accepts every right way to write it, and never raises."""

import itertools
import json
import re
from pathlib import Path

import pytest
import torch
from torch.nn.functional import relu

from course_utils.resnet import checks as resnet
from course_utils.resnet.checks import check_residual

LESSON = Path(__file__).resolve().parents[2] / "notebooks" / "05_resnet.ipynb"


def g(block, x):
    x = relu(block.norm1(block.conv1(x)))
    x = relu(block.norm2(block.conv2(x)))
    return block.norm3(block.conv3(x))


def way(block, x):
    return x if block.projection is None else block.projection(x)


def first(block, x):
    return relu(block.norm1(block.conv1(x)))


def overwritten(block, x):
    x = relu(block.norm1(block.conv1(x)))
    x = relu(block.norm2(block.conv2(x)))
    x = block.norm3(block.conv3(x))
    return relu(x + x)


def wrote_in_place(block, x):
    total = g(block, x)
    x += total
    return relu(x)


def relu_in_place(block, x):
    skip = way(block, x)
    return relu(g(block, x) + torch.relu_(skip))


def without_norms(block, x):
    y = block.conv3(relu(block.conv2(relu(block.conv1(x)))))
    return relu(y + way(block, x))


def without_inner_relus(block, x):
    y = block.norm3(block.conv3(block.norm2(block.conv2(block.norm1(block.conv1(x))))))
    return relu(y + way(block, x))


def detached(block, x):
    return relu(g(block, x) + way(block, x).detach())


def all_detached(block, x):
    return relu(g(block, x) + way(block, x)).detach()


def overwrote_its_own(block, x):
    y = g(block, x) + way(block, x)
    z = torch.exp(y)
    z *= 0
    return relu(y) + z


RIGHT = {
    "as in the solution": lambda block, x: relu(g(block, x) + way(block, x)),
    "the other way round": lambda block, x: way(block, x).add(g(block, x)).clamp(min=0),
    "in place on g's own result": lambda block, x: relu(g(block, x).add_(way(block, x))),
    "an in-place ReLU over the sum": lambda block, x: torch.relu_(g(block, x) + way(block, x)),
}

WRONG = {
    "skip forgotten": (lambda block, x: relu(g(block, x)), "skip is missing"),
    "g alone": (lambda block, x: g(block, x), "g\\(x\\) alone"),
    "x after the last relu": (lambda block, x: relu(g(block, x)) + way(block, x), "after the last ReLU"),
    "relu twice": (lambda block, x: relu(relu(g(block, x)) + way(block, x)), "One ReLU too many"),
    "no relu behind the sum": (lambda block, x: g(block, x) + way(block, x), "behind the sum is missing"),
    "another tensor": (lambda block, x: relu(g(block, x) + first(block, x)), "wrong tensor.*first convolution"),
    "x was overwritten": (overwritten, "wrong tensor.*itself"),
    "no projection": (lambda block, x: relu(g(block, x) + x), "block.projection\\(x\\), and not x"),
    "every second place instead": (
        lambda block, x: relu(g(block, x) + (x if block.projection is None else x.repeat(1, 2, 1, 1)[:, :6, ::2, ::2])),
        "you never call it",
    ),
    "projection always": (lambda block, x: relu(g(block, x) + block.projection(x)), "projection is None"),
    "writes into x": (wrote_in_place, "write into x itself"),
    "relu in place on x": (relu_in_place, "write into x itself"),
    "adds relu(x)": (lambda block, x: relu(g(block, x) + relu(way(block, x))), "add relu\\(x\\)"),
    "no norms": (without_norms, "normalisations are missing"),
    "no relus inside": (without_inner_relus, "no ReLU inside g"),
    "skip detached": (detached, "gradient is not"),
    "everything detached": (all_detached, "No gradient comes back"),
    "in place on what backward needs": (overwrote_its_own, "in-place operation"),
    "x twice": (lambda block, x: relu(g(block, x) + 2 * way(block, x)), "The numbers are others"),
    "a layer left out": (
        lambda block, x: relu(block.norm3(block.conv3(first(block, x))) + x),
        "never call block.conv2",
    ),
    "wrong shape": (lambda block, x: g(block, x).mean(dim=1), "must have the shape \\[2, 5, 6, 6\\]"),
    "no tensor": (lambda block, x: [block.conv1(x)], "you return list"),
    "one argument": (lambda x: x, "must take \\(block, x\\)"),
    "a mishap": (lambda block, x: 1 / 0, "ZeroDivisionError"),
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_answer_is_right(name):
    assert check_residual(RIGHT[name]).right is True


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(name):
    student, message = WRONG[name]
    verdict = check_residual(student)
    assert verdict.right is False
    assert re.search(message, verdict.sentence), verdict.sentence


def _unfilled(block, x):
    raise NotImplementedError


@pytest.mark.parametrize("stub", [lambda block, x: ..., lambda block, x: None, lambda block, x: x, _unfilled])
def test_an_unfilled_stub_is_told_not_yet(stub):
    verdict = check_residual(stub)
    assert verdict.right is None
    assert verdict.sentence.startswith("Not yet")


def test_no_two_mistakes_look_the_same():
    block, x = resnet._problems()[0]
    outcomes = [resnet._residual(block, x, slip) for slip in (*resnet._SLIPS, "")]
    for one, other in itertools.combinations(outcomes, 2):
        assert (one - other).abs().max() > 1e-2


def test_the_check_leaves_the_random_state_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    check_residual(RIGHT["as in the solution"])
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.skipif(not LESSON.is_file(), reason="the lesson is not written yet")
def test_the_lesson_s_solution_is_right_and_its_stub_is_not_yet():
    sources = ["".join(cell["source"]) for cell in json.loads(LESSON.read_text(encoding="utf-8"))["cells"]]
    space = {"torch": torch, "relu": relu}
    stub = next(source for source in sources if "def bottleneck" in source and "<details>" not in source)
    exec(stub.split("check_residual")[0], space)
    assert check_residual(space["bottleneck"]).right is None
    folded = next(source for source in sources if "def bottleneck" in source and "<details>" in source)
    exec(re.search(r"```python\n(.*?)```", folded, re.DOTALL)[1], space)
    assert check_residual(space["bottleneck"]).right is True
