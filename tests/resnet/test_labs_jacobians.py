"""The lab of the gradient's way back without a browser: every control changes the picture, every extreme is told."""

import re

import numpy as np
import pytest
import torch

from course_utils.networks import resnet
from course_utils.resnet import jacobians
from course_utils.resnet.labs import jacobians as labs
from tests.seen import pixels_of, words


@pytest.fixture(scope="module")
def lab():
    return labs.GradientLab()


@pytest.fixture(autouse=True)
def _as_in_the_beginning(lab):
    lab.reset()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("depth", 98),
        ("width", 16),
        ("norm", True),
        ("start", "torch"),
        ("order", True),
        ("skips", labs.PLAIN),
        ("size", 8),
        ("seed", 1),
    ],
)
def test_every_control_changes_the_picture(lab, name, value):
    before = pixels_of(lab)
    lab.controls[name].value = value
    assert np.abs(pixels_of(lab) - before).max() > 100
    assert words(lab.message) == ""


@pytest.mark.parametrize("depth", [8, 98])
@pytest.mark.parametrize("width", [4, 16])
@pytest.mark.parametrize("start", resnet.STARTS)
def test_the_extremes_are_drawn(lab, depth, width, start):
    for norm in (False, True):
        lab.set(depth=depth, width=width, start=start, norm=norm)
        assert words(lab.message) == ""
        assert f"{depth} layers" in words(lab.headline)
        assert len(np.unique(pixels_of(lab).reshape(-1, 3), axis=0)) > 10


def test_the_lab_measures_what_the_method_measures(lab):
    (found,) = lab.steps(**lab.choices() | {"depth": 20, "norm": True})
    for skip, sizes in found.norms.items():
        network = labs.deepest(8, True, "he", False, skip, 0)
        assert sizes == jacobians.gradient_norms(resnet.shorten(network, 20), *labs.pictures(16))


def test_the_twins_of_the_lab_have_the_same_weights():
    one, other = (labs.deepest(8, False, "he", False, skip, 3) for skip in (True, False))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_the_headline_says_how_much_arrives(lab):
    lab.set(start="torch", norm=False, depth=50)
    assert re.fullmatch(
        r"The gradient on its way through 50 layers: plain × (\d·)?10⁻²., residual × 0\.\d", words(lab.headline)
    )
    lab.set(start="zero")
    assert "plain × 0, residual × 0." in words(lab.headline)
    lab.set(skips=labs.RESIDUAL)
    assert "plain" not in words(lab.headline)


@pytest.mark.parametrize(
    ("plain", "residual", "said"),
    [
        (1e-9, 1.0, "dies without skips and arrives with skips"),
        (1e9, 40.0, "explodes without skips and arrives with skips"),
        (0.01, 1e5, "arrives without skips and explodes with skips"),
        (0.0, 0.3, "dies without skips and arrives with skips"),
    ],
)
def test_the_title_says_what_became_of_it(plain, residual, said):
    found = labs.Gradients(8, {False: {1: plain, 7: 1.0}, True: {1: residual, 7: 1.0}})
    assert labs.title(found).endswith(said)


def test_another_depth_builds_no_network(lab, monkeypatch):
    lab.set(depth=50)  # builds the deepest one of both twins; of these the others are the first blocks
    monkeypatch.setattr(resnet.SmallResNet, "__init__", None)
    for depth in (8, 20, 44, 98):
        lab.controls["depth"].value = depth
        assert words(lab.message) == ""
        assert f"through {depth} layers" in words(lab.headline)
