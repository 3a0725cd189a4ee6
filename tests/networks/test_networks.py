"""The networks that ship are as good, as small and as fragile (or robust) as their cards and the README say."""

import math
import re

import pytest
import torch

from course_utils import signs, training, zoo
from scripts import networks

STANDARD = ("signs-alexnet", "signs-inception", "signs-resnet")
ROBUST = "signs-resnet-robust"
SCENES = 400


@pytest.fixture(scope="module")
def fresh():
    """Scenes that neither training nor the cards have used."""
    return signs.render(SCENES, seed=signs.TEST_SEED + 77, device="cpu")


def below(share: float, count: int) -> float:
    """The least that `count` scenes may show when the truth is `share`: three standard errors below it."""
    return share - 3 * math.sqrt(max(share * (1 - share), 0.002) / count)


def test_the_four_networks_ship():
    assert set(zoo.shipped()) == {*STANDARD, ROBUST} == set(networks.RECIPES)


@pytest.mark.parametrize("name", [*STANDARD, ROBUST])
def test_the_card_keeps_what_the_course_promises(name):
    accuracy = zoo.card(name)["accuracy"]
    assert accuracy["rendered"] >= (0.90 if name == ROBUST else 0.98)
    if name == ROBUST:
        assert accuracy["pgd50_5restarts_8_255"] >= 0.70
    else:
        assert accuracy["pgd50_5restarts_8_255"] < 0.05


@pytest.mark.parametrize("name", [*STANDARD, ROBUST])
def test_fresh_scenes_are_read_as_well_as_the_card_says(name, fresh):
    network, promised = zoo.load(name, device="cpu"), zoo.card(name)["accuracy"]["rendered"]
    assert training.accuracy(network, fresh.images, fresh.labels) >= below(promised, SCENES)


@pytest.mark.parametrize("name", STANDARD)
def test_a_standard_network_falls_to_pgd(name, fresh):
    network = zoo.load(name, device="cpu")
    assert networks.robust_accuracy(network, fresh[:32], steps=50, restarts=1) < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 32)


def test_the_robust_network_stands_against_pgd(fresh):
    network, promised = zoo.load(ROBUST, device="cpu"), zoo.card(ROBUST)["accuracy"]["pgd50_5restarts_8_255"]
    standing = networks.robust_accuracy(network, fresh[:100], steps=30, restarts=1)
    assert standing >= below(promised, 100)


@pytest.mark.parametrize("name", [*STANDARD, ROBUST])
def test_real_photographs_are_read_as_well_as_the_card_says(name):
    real = networks.photographs()
    if real is None:
        pytest.skip("COURSE_REFERENCE is not set: there are no real photographs to check against")
    promised = zoo.card(name)["accuracy"]["photographs"]
    network = zoo.load(name, device="cpu")
    # Half-precision rounding and another machine's sums may turn a picture or two.
    assert abs(training.accuracy(network, *real) - promised) < 0.01


def test_a_recipe_makes_a_network_that_can_be_loaded(tmp_path, monkeypatch):
    """The committed command, on a hundredth of its data; its scores are poor, its card is whole."""
    monkeypatch.setattr("course_utils.runtime.DATA", tmp_path)
    monkeypatch.delenv("COURSE_REFERENCE", raising=False)
    (tmp_path / "networks").mkdir()
    monkeypatch.setattr(networks, "MEASURED", (40, 20))
    networks.make("signs-alexnet", networks.RECIPES["signs-alexnet"], share=0.001, robust_scenes=2)
    card = zoo.card("signs-alexnet")
    assert 0 <= card["accuracy"]["rendered"] <= 1
    assert "COURSE_REFERENCE" in card["accuracy"]["photographs"]
    assert torch.isfinite(zoo.load("signs-alexnet", device="cpu")(torch.rand(1, 3, 64, 64))).all()


def test_adversarial_training_stays_in_the_ball():
    scenes, network = signs.render(4, device="cpu"), zoo.load("signs-alexnet", device="cpu")
    for progress in (0.0, 0.1, 0.6, 0.99):
        found = networks.adversary(network, scenes.images, scenes.labels, progress)
        assert (found - scenes.images).abs().max() <= networks.EPSILON * min(1.0, progress / 0.2) + 1e-6


def test_the_readme_says_what_the_cards_say(root):
    assert networks.summary() in (root / "README.md").read_text(encoding="utf-8")


def test_the_readme_s_example_reads_the_two_signs(root, capsys, monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    (example,) = re.findall(r"```python\n(.*?)```", (root / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)
    exec(example, {})
    assert capsys.readouterr().out == "['stop', 'yield']\n"
