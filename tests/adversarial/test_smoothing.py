"""Randomised smoothing: the exact bound is exact, the vote's radius is true, equal seeds vote alike."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_utils import runtime, zoo
from course_utils.adversarial import smoothing
from course_utils.runtime import generator
from course_utils.signs import small


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=generator(seed))


# Exact bounds of a probability, and the vote


@given(trials=st.integers(1, 500), data=st.data(), alpha=st.floats(0.001, 0.5))
@settings(deadline=None, max_examples=40)
def test_the_lower_bound_is_scipy_s_exact_one(trials, data, alpha):
    from scipy.stats import binomtest

    successes = data.draw(st.integers(0, trials))
    one_sided = binomtest(successes, trials, alternative="greater").proportion_ci(1 - alpha, method="exact")
    assert float(smoothing.lower_bound(successes, trials, alpha)) == pytest.approx(one_sided.low, abs=1e-9)


@pytest.mark.parametrize("truth", [0.03, 0.5, 0.9])
def test_the_lower_bound_fails_as_seldom_as_it_promises(truth):
    """Exactly: the chance of a count whose bound lies above the truth."""
    from scipy.stats import binom

    counts = np.arange(101)
    fails = smoothing.lower_bound(counts, np.full_like(counts, 100), 0.05) > truth
    chance = binom.pmf(counts, 100, truth)[fails].sum()
    assert 0.005 < chance <= 0.05


class Coin(nn.Module):
    """Reads class 0 where the first number lies below its threshold: the vote's share is known exactly."""

    def forward(self, images):
        below = images[:, 0, 0, 0] < 0.5
        return torch.stack([below, ~below], dim=1).float()


def test_the_vote_s_radius_is_the_true_distance_to_the_border():
    """For a half-space smoothing is exact: σ·Φ⁻¹(p) is the distance to the border, and the bound stays below it."""
    images = torch.full((3, 3, 4, 4), 0.5)
    images[:, 0, 0, 0] = torch.tensor([0.5 - 0.3, 0.5 - 0.05, 0.5 + 0.2])
    smooth = smoothing.smooth_certify(Coin(), images, sigma=0.25, samples=20000)
    assert smooth.prediction.tolist() == [0, 0, 1]
    for radius, truth in zip(smooth.radius.tolist(), (0.3, 0.05, 0.2), strict=True):
        assert truth - 0.03 < radius < truth
    share = smooth.votes[0, 0].item() / 20000
    assert share == pytest.approx(0.5 * (1 + math.erf(0.3 / 0.25 / math.sqrt(2))), abs=0.01)


def test_the_vote_abstains_on_the_border():
    images = torch.full((2, 3, 4, 4), 0.5)
    images[1, 0, 0, 0] = 0.0
    smooth = smoothing.smooth_certify(Coin(), images, sigma=0.25, samples=200)
    assert smooth.prediction.tolist() == [-1, 0]
    assert smooth.radius[0] == 0


def test_the_copies_that_choose_the_class_are_not_those_that_are_counted(monkeypatch):
    asked, votes = [], smoothing.smooth_votes
    monkeypatch.setattr(smoothing, "smooth_votes", lambda *args, **how: (asked.append(how), votes(*args, **how))[1])
    for seed in (3, 4):
        smoothing.smooth_certify(Coin(), pictures(1), sigma=0.5, samples=7, seed=seed)
    assert [how["samples"] for how in asked] == [100, 7, 100, 7]
    assert len({how["seed"] for how in asked}) == 4


def test_equal_seeds_give_equal_votes_and_every_copy_has_one():
    images = pictures(3)
    network = Coin()
    votes = smoothing.smooth_votes(network, images, sigma=0.5, samples=40, seed=1)
    assert votes.equal(smoothing.smooth_votes(network, images, sigma=0.5, samples=40, seed=1))
    assert not votes.equal(smoothing.smooth_votes(network, images, sigma=0.5, samples=40, seed=2))
    assert votes.sum(1).tolist() == [40] * 3


def test_what_the_vote_brings_to_a_device_has_a_precision_that_it_knows(monkeypatch):
    """Apple's GPU has no float64; the same vote in float32."""
    usual = smoothing.smooth_certify(Coin(), pictures(2), sigma=0.5, samples=50)
    monkeypatch.setattr(runtime, "exact_dtype", lambda where: torch.float32)
    there = smoothing.smooth_certify(Coin(), pictures(2), sigma=0.5, samples=50)
    assert (usual.radius.dtype, there.radius.dtype, there.probability.dtype) == (torch.float64, *[torch.float32] * 2)
    torch.testing.assert_close(there.radius, usual.radius.float())


def test_the_network_is_left_as_it_was():
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Flatten(), nn.Dropout(0.5), nn.Linear(192, 3)).train()
    network[0].eval()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes, state = [module.training for module in network.modules()], torch.get_rng_state()
    smoothing.smooth_certify(network, pictures(4), sigma=0.1, samples=20)
    assert [module.training for module in network.modules()] == modes
    assert all(before[name].equal(value) for name, value in network.state_dict().items())
    assert all(p.grad is None for p in network.parameters())
    assert torch.get_rng_state().equal(state)


# The networks that ship


def test_smoothing_is_empty_without_noise_in_the_training_and_bites_with_it():
    images, labels = (part[:16] for part in small.scenes(24, seed=12))
    shares, sigma = {}, zoo.card("certify-noise")["sigma"]
    for name in ("resnet-skip", "certify-noise"):
        network = zoo.load(name, device="cpu")
        smooth = smoothing.smooth_certify(network, images, sigma=sigma, samples=100)
        shares[name] = ((smooth.prediction == labels) & (smooth.radius > 0.3)).float().mean().item()
        abstains = smooth.prediction < 0
        assert (smooth.radius[abstains] == 0).all()
        assert (smooth.probability[abstains] <= 0.5).all()
        assert smooth.votes.sum(1).tolist() == [100] * 16
    assert shares["certify-noise"] > 0.7
    assert shares["resnet-skip"] < 0.4


def test_the_votes_that_ship_say_what_the_lesson_says():
    told = json.loads((runtime.DATA / "adversarial" / "smoothing.json").read_text(encoding="utf-8"))
    noise = told["networks"]["certify-noise"]
    assert noise["certified"] == sorted(noise["certified"], reverse=True)
    assert noise["right"] > 0.8 > 0.5 > told["networks"]["resnet-skip"]["right"]


# A sentence for every mistake

IMAGES = pictures(2)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda n: smoothing.smooth_votes(n, IMAGES, sigma=0, samples=9), ValueError, "sigma.*above 0 .*; got 0"),
        (lambda n: smoothing.smooth_votes(n, IMAGES, sigma=8, samples=9), ValueError, "above 0 and up to 4.*; got 8"),
        (lambda n: smoothing.smooth_votes(n, IMAGES, sigma=0.1, samples=0), ValueError, "samples must be at least 1"),
        (lambda _: smoothing.lower_bound(3, 4, 0), ValueError, "alpha.*between 0 and 1; got 0"),
        (lambda _: smoothing.lower_bound(5, 4), ValueError, "0 to 4 successes in 4 trials; got 5"),
        (lambda _: smoothing.lower_bound(0.5, 4), TypeError, "give whole numbers"),
    ],
)
def test_a_mistake_gets_its_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call(Coin())
