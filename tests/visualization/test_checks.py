"""The check of lesson 6 is fed every usual wrong answer, and must name what is wrong."""

import re

import pytest
import torch

from course_utils.visualization import checks as marking
from course_utils.visualization.checks import check_ascent


def answer(*, way=1, clamp="each", filter=0, layer=0, mean=True, step="raw", more=0):
    """A student's function, right but for what the arguments say."""

    def student(network, layer_, filter_, image, steps, step_size):
        x = image.clone()
        for _ in range(steps + more):
            x = x.detach().requires_grad_()
            activation = network[: layer_ + layer + 1](x)
            chosen = activation[0] if filter is None else activation[0, (filter_ + filter) % 4]
            score = chosen.mean() if mean else chosen.sum()
            (gradient,) = torch.autograd.grad(score, x)
            gradient = {"raw": gradient, "sign": gradient.sign(), "unit": gradient / gradient.norm()}[step]
            x = x.detach() + way * step_size * gradient
            if clamp == "each":
                x = x.clamp(0, 1)
            elif clamp == "slide":
                x = x.clamp(-1.5, 1.5)
        return x.clamp(0, 1) if clamp == "end" else x

    return student


def of_the_slide(
    network, layer, filter, image, steps, step_size, *, zero=True, sense=-1, who="x", kind=torch.optim.SGD
):
    """As the slide writes it: an optimizer, the loss, backward, step, clamp."""
    x = image.clone().requires_grad_()
    optimizer = kind([x] if who == "x" else network.parameters(), lr=step_size)
    for _ in range(steps):
        if zero:
            optimizer.zero_grad()
        loss = sense * network[: layer + 1](x)[0, filter].mean()
        loss.backward()
        optimizer.step()
        x.data = x.data.clamp(0, 1)
    return x


def changed(**how):
    return lambda *given: of_the_slide(*given, **how)


def stub(network, layer, filter, image, steps, step_size):
    x = image.clone()
    for _ in range(steps):
        ...
    return x


def test_the_check_leaves_the_random_state_alone():
    marking._problems.cache_clear()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    check_ascent(answer())
    assert torch.equal(torch.rand(3), expected)


def test_the_right_answer_is_right():
    verdict = check_ascent(answer())
    assert verdict.right is True, verdict


def test_the_slides_way_is_right_too():
    verdict = check_ascent(of_the_slide)
    assert verdict.right is True, verdict


def test_the_stub_is_not_yet_begun():
    def raises(*_given):
        raise NotImplementedError

    for nothing in (stub, raises, lambda *_: None, lambda *_: ...):
        verdict = check_ascent(nothing)
        assert verdict.right is None
        assert "Not yet" in verdict.sentence


@pytest.mark.parametrize(
    ("student", "told"),
    [
        (answer(way=-1), "descends"),
        (changed(sense=1), "descends"),
        (changed(zero=False), "pile up"),
        (answer(clamp="none"), "clamp is missing"),
        (answer(clamp="end"), "once, at the end"),
        (answer(clamp="slide"), "±1.5"),
        (answer(filter=None), "mean over all filters"),
        (answer(filter=1), "the next filter"),
        (answer(filter=-1), "the filter before"),
        (answer(layer=1), "one layer too late"),
        (answer(layer=-1), "one layer too early"),
        (answer(mean=False), "the sum of the map"),
        (answer(step="sign"), "sign of the gradient"),
        (answer(step="unit"), "by its norm"),
        (answer(more=-1), "one step too few"),
        (answer(more=1), "one step too many"),
        (changed(kind=torch.optim.Adam), "Adam"),
        (changed(who="weights"), "trained the network"),
    ],
)
def test_every_usual_mistake_is_named(student, told):
    verdict = check_ascent(student)
    assert verdict.right is False
    assert told in verdict.sentence, verdict


def _no_leaf(network, layer, filter, image, steps, step_size):
    x = image.clone().requires_grad_()
    for _ in range(steps):
        network[: layer + 1](x)[0, filter].mean().backward()
        x = (x + step_size * x.grad).clamp(0, 1)
    return x


def _no_grad(network, layer, filter, image, steps, step_size):
    score = network[: layer + 1](image)[0, filter].mean()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return torch.autograd.grad(score, image)


def _map(network, layer, filter, image, steps, step_size):
    x = image.clone().requires_grad_()
    network[: layer + 1](x)[0, filter].backward()
    return x


def _in_place(network, layer, filter, image, steps, step_size):
    x = image.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network[: layer + 1](x)[0, filter].mean(), x)
    x += step_size * gradient
    return x


def _dragging(network, layer, filter, image, steps, step_size):
    x = image.clone().requires_grad_()
    score = network[: layer + 1](x)[0, filter].mean()
    for _ in range(steps):
        score.backward()
    return x


def _callers(network, layer, filter, image, steps, step_size):
    image += 0.1
    return image


@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch warns the student too
@pytest.mark.parametrize(
    ("student", "told"),
    [
        (_no_leaf, "x.grad is None"),
        (_map, "gradient of one number"),
        (_in_place, "in place"),
        (_dragging, "drags the steps before"),
        (_callers, "caller's image"),
        (lambda network, *_: network(_[2]) and None, "stopped with"),
        (lambda network, layer, filter, image, *_: network(image), "the activation, perhaps?"),
        (lambda *_: [1], "you return list"),
        (lambda network, layer, filter, image, *_: image * torch.nan, "NaN or infinity"),
        (lambda network, layer, filter, image, *_: (network(image), image)[1], "never moves"),
        (lambda network, layer, filter, image, *_: 0.5 * image, "another one"),
        (lambda network, layer, filter, image, *_: 3 + image, "clamp it after every step"),
        (lambda network, layer: network, r"must take (network, layer, filter, image, steps, step_size)"),
    ],
)
def test_other_mistakes_are_told_in_a_sentence(student, told):
    verdict = check_ascent(student)
    assert verdict.right is False
    assert told in verdict.sentence, verdict


def test_without_a_gradient_the_reason_is_told():
    verdict = check_ascent(_no_grad)
    assert verdict.right is False
    assert re.search("requires_grad_|stopped with|never moves", verdict.sentence), verdict


def test_every_mistake_is_told_apart_from_every_other():
    for problem in marking._problems():
        answers = problem.wrong
        for k, one in enumerate(answers):
            same = [i for i, other in enumerate(answers) if torch.allclose(one, other, rtol=0, atol=1e-6)]
            assert same == [k], list(marking._MISTAKES)[k]
