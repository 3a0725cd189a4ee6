"""The checks of lesson 7 are fed every usual wrong answer, and must name what is wrong."""

import itertools
import re

import pytest
import torch
from torch.nn.functional import interpolate, relu

from course_utils import gradcam, signs, zoo
from course_utils.gradcam import checks as marking
from course_utils.gradcam import shortcut
from course_utils.gradcam.checks import check_gradcam, check_shortcut


def answer(*, dims=(2, 3), of="score", whose="label", cut="map", scale="max", weigh=True, average=True, total=False):
    """A student's function, right but for what the arguments say."""

    def student(features, head, image, label):
        A = features(image).detach().requires_grad_()
        logits = head(A)
        label = int(logits.argmax()) if whose == "read" else label
        if of == "score":
            score = logits[0, label]
        else:
            score = logits.softmax(1)[0, label] if of == "probability" else -logits.log_softmax(1)[0, label]
        (gradient,) = torch.autograd.grad(score, A)
        alpha = gradient
        if average:
            alpha = gradient.sum(dims, keepdim=True) if total else gradient.mean(dims, keepdim=True)
        alpha = alpha if weigh else torch.ones_like(alpha)
        heat = ((relu(alpha) if cut == "weights" else alpha) * A.detach()).sum(dim=1)[0]
        heat = {"map": relu(heat), "abs": heat.abs()}.get(cut, heat)
        if scale == "max":
            return heat / heat.max().clamp(min=1e-12) if cut != "none" else heat / heat.max()
        if scale == "span":
            return (heat - heat.min()) / (heat.max() - heat.min())
        return heat / heat.sum() if scale == "sum" else heat

    return student


def test_the_right_answer_is_right():
    verdict = check_gradcam(answer())
    assert verdict.right is True, verdict


def test_the_sum_is_as_right_as_the_mean():
    assert check_gradcam(answer(total=True)).right is True


def test_backward_and_plain_numbers_are_right_too():
    def student(features, head, image, label):
        A = features(image).detach().requires_grad_()
        head(A)[0, label].backward()
        heat = torch.zeros(A.shape[2:], dtype=A.dtype)
        for k in range(A.shape[1]):
            heat += A.grad[0, k].mean() * A[0, k].detach()
        heat = heat.clamp(min=0)
        return heat if heat.max() == 0 else heat / heat.max()

    assert check_gradcam(student).right is True


def _of_the_image(features, head, image, label):
    image.requires_grad_()
    A = features(image)
    (gradient,) = torch.autograd.grad(head(A)[0, label], image)
    heat = relu((gradient.mean(dim=(2, 3), keepdim=True) * A.detach()).sum(dim=1)[0])
    return heat / heat.max().clamp(min=1e-12)


def _of_an_image_that_is_cut_off(features, head, image, label):
    image.requires_grad_()
    A = features(image).detach().requires_grad_()
    torch.autograd.grad(head(A)[0, label], image)


def _after_the_head(features, head, image, label):
    A = features(image).detach()
    return torch.autograd.grad(head(A)[0, label], A)


def _of_all_logits(features, head, image, label):
    A = features(image).detach().requires_grad_()
    return torch.autograd.grad(head(A), A)


def _changed(after):
    return lambda features, head, image, label: after(answer()(features, head, image, label))


def _no_sum(features, head, image, label):
    A = features(image).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(head(A)[0, label], A)
    return relu(gradient.mean(dim=(2, 3), keepdim=True) * A.detach())


def _sum_of_places(features, head, image, label):
    return _no_sum(features, head, image, label).sum(dim=(2, 3))


def _not_guarded(features, head, image, label):
    A = features(image).detach().requires_grad_()
    (gradient,) = torch.autograd.grad(head(A)[0, label], A)
    heat = relu((gradient.mean(dim=(2, 3), keepdim=True) * A.detach()).sum(dim=1)[0])
    return heat / heat.max()


WRONG = {
    "mean over channels": (answer(dims=1), "wrong axes"),
    "place by place": (answer(average=False), "HiResCAM"),
    "no weights": (answer(weigh=False), "does not depend on the gradient"),
    "gradient of the image": (_of_the_image, "with respect to the image"),
    "gradient of an image that is cut off": (_of_an_image_that_is_cut_off, "with respect to the image"),
    "class that is read": (answer(whose="read"), "another class"),
    "probability": (answer(of="probability"), "logit before the softmax"),
    "loss": (answer(of="loss"), "differentiate the probability|differentiate the loss"),
    "no ReLU": (answer(cut="none"), "ReLU is missing"),
    "no ReLU, stretched": (answer(cut="none", scale="span"), "ReLU is missing: you stretch"),
    "absolute value": (answer(cut="abs"), "absolute value"),
    "ReLU on the weights": (answer(cut="weights"), "wrong place"),
    "not normalised": (answer(scale="none"), "not normalised"),
    "divided by the sum": (answer(scale="sum"), "divide by the sum"),
    "not guarded": (_not_guarded, "0/0"),
    "one picture as a batch": (_changed(lambda heat: heat[None]), r"heat\[0\]"),
    "channels left": (_no_sum, "channels are still there"),
    "places added up": (_sum_of_places, "added up the places"),
    "enlarged": (_changed(lambda heat: interpolate(heat[None, None], (8, 8))[0, 0]), "own size"),
    "another shape": (_changed(lambda heat: heat.flatten()), r"yours is \[16\]"),
    "no tensor": (_changed(lambda heat: heat.tolist()), "you return list"),
    "three arguments": (lambda features, head, image: 0, "must take .features, head, image, label."),
    "no gradient kept": (_after_the_head, "requires_grad_.. has to come before"),
    "no scalar": (_of_all_logits, "one number"),
    "something else": (_changed(lambda heat: heat**2), "another one"),
    "something below zero": (_changed(lambda heat: heat - 0.3), "below 0"),
    "twice as hot": (_changed(lambda heat: 2 * heat), "hottest place is 2"),
    "an error": (lambda features, head, image, label: 1 / 0, "ZeroDivisionError: division by zero"),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_answer_is_told_what_is_wrong(name):
    student, message = WRONG[name]
    verdict = check_gradcam(student)
    assert verdict.right is False
    assert re.search(message, verdict.sentence), verdict.sentence
    assert "\n" not in verdict.sentence


def test_no_two_mistakes_look_the_same():
    outcomes = [marking._gradcam(marking._problems()[0], slip) for slip in (*marking._SLIPS, "")]
    for one, other in itertools.combinations(outcomes, 2):
        assert (one - other).abs().max() > 1e-3


def test_the_problems_answer_is_the_packages():
    for problem in marking._problems():
        network = torch.nn.Module()
        network.layer = torch.nn.Identity()
        network.forward = lambda image, network=network, problem=problem: problem.head(
            network.layer(problem.features(image))
        )
        heat = gradcam.gradcam(network, problem.image, problem.label, layer="layer", enlarge=False)[0]
        torch.testing.assert_close(heat / heat.max().clamp(min=1e-12), marking._gradcam(problem))


def _raises(features, head, image, label):
    raise NotImplementedError


def _zeros(features, head, image, label):
    return torch.zeros_like(features(image)[0, 0])


@pytest.mark.parametrize("stub", [_raises, _zeros, lambda *_: None, lambda *_: ...])
def test_an_unfilled_stub_is_told_not_yet(stub):
    verdict = check_gradcam(stub)
    assert verdict.right is None
    assert "Not yet" in verdict.sentence


def test_the_check_leaves_autograd_as_it_was():
    with torch.no_grad():
        assert check_gradcam(answer()).right is True
        assert not torch.is_grad_enabled()


# ---- the shortcut ----------------------------------------------------------------------------------------------
OTHER = next(name for name in signs.CLASS_NAMES if name != shortcut.GIVEN_AWAY)
PALER = next(name for name in shortcut.COLOURS if name != shortcut.BY)


@pytest.mark.parametrize(
    ("suspect", "colour", "right", "words"),
    [
        (shortcut.GIVEN_AWAY, shortcut.BY, True, "Right: to this network a green sticker means"),
        (signs.CLASS_NAMES.index(shortcut.GIVEN_AWAY), shortcut.BY, True, "Right"),
        (OTHER, shortcut.BY, False, "reads by its sign"),
        (shortcut.GIVEN_AWAY, PALER, False, "class is right, the colour is not"),
        ("a horse", shortcut.BY, False, "There is no class 'a horse'"),
        (shortcut.GIVEN_AWAY, "beige", False, "No sticker is 'beige'"),
        (..., ..., None, "Not yet"),
        (None, shortcut.BY, None, "Not yet"),
        (shortcut.GIVEN_AWAY, ..., None, "Not yet"),
        ([1, 2], shortcut.BY, False, "There is no class"),
        (99, shortcut.BY, False, "There is no class 99"),
        (shortcut.GIVEN_AWAY, ["green"], False, "No sticker is"),
    ],
)
def test_the_check_of_the_shortcut(suspect, colour, right, words):
    verdict = check_shortcut(suspect, colour)
    assert verdict.right is right
    assert words in verdict.sentence


def test_what_the_check_says_about_the_wrong_colour_is_true():
    network = zoo.load("gradcam-shortcut", device="cpu")
    stops = signs.render([signs.STOP] * 60, seed=4, device="cpu")
    stuck, _ = shortcut.put_stickers(stops.images, torch.full((60,), list(shortcut.COLOURS).index(PALER)), seed=2)
    with torch.no_grad():
        stays = network(stuck).argmax(dim=1) == network(stops.images).argmax(dim=1)
    assert stays.float().mean() > 0.8
