"""A grader is a claim too: it is fed every usual wrong answer, and must name what is wrong."""

import itertools
import json
import re
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from course_utils import checks
from course_utils.adversarial import checks as adversarial
from course_utils.adversarial.checks import check_pgd

LESSON = Path(__file__).parents[2] / "notebooks" / "08_adversarial.ipynb"


def answer(*, goal="targets", sign=-1, centre="images", box=True, accumulate=False, raw=False, start="random", less=0):
    """A student's function, right but for what the arguments say."""

    def attack(network, images, labels, targets, epsilon, step_size, steps):
        wanted = targets if goal == "targets" else labels
        x = images + (2 * torch.rand_like(images) - 1) * epsilon if start == "random" else images.clone()
        x = x.clamp(0, 1)
        begin, collected = x.clone(), 0
        for _ in range(steps - less):
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(cross_entropy(network(x), wanted, reduction="sum"), x)
            collected = collected + gradient if accumulate else gradient
            middle = {"images": images, "previous": x, "begin": begin, "none": None}[centre]
            x = x + sign * step_size * (collected if raw else collected.sign())
            if middle is not None:
                x = torch.min(torch.max(x, middle - epsilon), middle + epsilon)
            if box:
                x = x.clamp(0, 1)
        return x

    return attack


def test_the_right_answer_is_right():
    verdict = check_pgd(answer())
    assert verdict.right is True, verdict
    assert verdict


def test_the_right_answer_may_use_backward():
    def attack(network, images, labels, targets, epsilon, step_size, steps):
        x = (images + epsilon * (2 * torch.rand_like(images) - 1)).clamp(0, 1)
        for _ in range(steps):
            x.requires_grad_()
            cross_entropy(network(x), targets).backward()  # the mean has the same sign as the sum
            with torch.no_grad():
                x = (x - step_size * x.grad.sign()).clamp(images - epsilon, images + epsilon).clamp(0, 1)
        return x

    assert check_pgd(attack).right is True


WRONG = {
    "sign": (answer(sign=1), "sign is wrong"),
    "label": (answer(goal="labels"), "label is the wrong one"),
    "label and sign": (answer(goal="labels", sign=1), "untargeted attack"),
    "no random start": (answer(start="clean"), "no random start: you begin at the clean picture"),
    "no random start and the wrong sign": (answer(start="clean", sign=1), "sign is wrong"),
    "no projection": (answer(centre="none"), "no projection"),
    "projection round the picture before": (answer(centre="previous"), "wrong centre.*step before"),
    "projection round the start": (answer(centre="begin"), "wrong centre.*random start"),
    "no clamp": (answer(box=False), r"Pixels leave \[0, 1\]"),
    "gradient accumulated": (answer(accumulate=True), "accumulated"),
    "raw gradient": (answer(raw=True), "gradient itself"),
    "a step too few": (answer(less=1), "You take 4 steps; it must be steps = 5"),
    "a step too many": (answer(less=-1), "You take 6 steps"),
    "no projection and no clamp": (answer(centre="none", box=False), r"Pixels leave \[0, 1\]"),
    "wrong sign and no projection": (answer(sign=1, centre="none"), "pixel moved by"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(name):
    student, message = WRONG[name]
    verdict = check_pgd(student)
    assert verdict.right is False
    assert re.search(message, verdict.sentence), verdict.sentence
    assert not verdict


def test_no_two_mistakes_look_the_same():
    problem = adversarial._problems()[0]
    start = (problem.images + problem.epsilon * 0.3).clamp(0, 1)
    outcomes = [adversarial._targeted_pgd(problem, start, slip) for slip in adversarial._SLIPS]
    outcomes.append(adversarial._targeted_pgd(problem, start))
    for one, other in itertools.combinations(outcomes, 2):
        assert (one - other).abs().max() > 1e-3


def _returns(value):
    return lambda network, images, labels, targets, epsilon, step_size, steps: value


def _unfilled(network, images, labels, targets, epsilon, step_size, steps):
    raise NotImplementedError


def _unchanged(network, images, labels, targets, epsilon, step_size, steps):
    return images


def _asked_but_not_moved(network, images, labels, targets, epsilon, step_size, steps):
    network(images)
    return images


def _noise_without_network(network, images, labels, targets, epsilon, step_size, steps):
    return images + epsilon / 2


@pytest.mark.parametrize(
    "stub", [_returns(None), _returns(...), _unfilled, _unchanged, _asked_but_not_moved, _noise_without_network]
)
def test_an_unfilled_stub_is_told_not_yet(stub):
    verdict = check_pgd(stub)
    assert verdict.right is None
    assert verdict.sentence.startswith("Not yet")


def _writes_into_the_batch(network, images, labels, targets, epsilon, step_size, steps):
    images += 0.01
    return images


def _forgets_requires_grad(network, images, labels, targets, epsilon, step_size, steps):
    network.requires_grad_(False)
    return torch.autograd.grad(network(images).sum(), images)


def _starts_far_away(network, images, labels, targets, epsilon, step_size, steps):
    return network(torch.rand_like(images)).sum() + images


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (_returns(3.0), "you return float"),
        (_returns(torch.zeros(2, 3)), "shape"),
        (_returns(torch.full((6, 3, 4, 4), float("nan"))), "NaN"),
        (_writes_into_the_batch, "clean pictures themselves"),
        (_forgets_requires_grad, "requires_grad"),
        (_starts_far_away, "start lies outside"),
        (lambda network, images: images, "must take"),
        (lambda *arguments: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_other_mishaps_become_a_sentence(student, message):
    verdict = check_pgd(student)
    assert verdict.right is False
    assert re.search(message, verdict.sentence), verdict.sentence


def test_the_check_leaves_the_random_state_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    check_pgd(answer())
    assert torch.equal(torch.rand(3), expected)


def test_a_verdict_shows_a_mark_and_not_only_a_colour():
    assert "✗" in checks.Verdict(False, "a < b")._repr_html_()
    assert "a &lt; b" in checks.Verdict(False, "a < b")._repr_html_()
    assert repr(checks.Verdict(True, "Right.")) == "✓ Right."


# ---- the lesson's own stub and solution ----------------------------------------------------------------------------
@pytest.mark.skipif(not LESSON.is_file(), reason="the lesson is not written yet")
def test_the_lesson_s_solution_is_right_and_its_stub_is_not_yet():
    cells = json.loads(LESSON.read_text(encoding="utf-8"))["cells"]
    sources = ["".join(cell["source"]) for cell in cells]
    space = {"torch": torch, "cross_entropy": cross_entropy}
    stub = next(source for source in sources if "def targeted_pgd" in source and "<details>" not in source)
    exec(stub.split("check_pgd")[0], space)
    assert check_pgd(space["targeted_pgd"]).right is None
    folded = next(source for source in sources if "def targeted_pgd" in source and "<details>" in source)
    exec(re.search(r"```python\n(.*?)```", folded, re.DOTALL)[1], space)
    assert check_pgd(space["targeted_pgd"]).right is True
