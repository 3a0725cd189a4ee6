"""Accuracy against ε: it only falls, its band holds the truth, and the attack spends nothing on what has fallen."""

import math
from statistics import NormalDist

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_utils import zoo
from course_utils.adversarial import robustness
from course_utils.adversarial.balls import L2, Linf
from course_utils.adversarial.pgd import pgd


class Threshold(nn.Module):
    """Reads class 1 where the mean pixel is above a half: it falls exactly where ε exceeds the distance to it."""

    def __init__(self):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(20.0))
        self.seen = 0

    def forward(self, images):
        self.seen += len(images)
        mean = images.flatten(1).mean(dim=1)
        return torch.stack([torch.zeros_like(mean), self.slope * (mean - 0.5)], dim=1)


@pytest.fixture
def greys():
    """Pictures at the distances 0.01 … 0.1 below the border, and their class."""
    levels = 0.5 - torch.arange(1, 11) / 100
    return levels.view(-1, 1, 1, 1).expand(-1, 3, 4, 4).clone(), torch.zeros(10, dtype=torch.int64)


# ---- the band ----------------------------------------------------------------------------------------------------
@given(st.integers(1, 500), st.data())
@settings(max_examples=40)
def test_the_band_holds_the_share_and_stays_between_0_and_1(total, data):
    right = data.draw(st.integers(0, total))
    low, high = robustness.wilson(right, total)
    assert 0 <= low <= right / total <= high <= 1
    assert low < high


def test_the_band_is_wilsons_formula():
    z = NormalDist().inv_cdf(0.975)
    for right, total in ((0, 10), (3, 40), (40, 40), (150, 300)):
        share, weight = right / total, z**2 / total
        half = math.sqrt(weight * share * (1 - share) + weight**2 / 4)
        written = [(share + weight / 2 + sign * half) / (1 + weight) for sign in (-1, 1)]
        assert robustness.wilson(right, total) == pytest.approx(written, abs=1e-12)


def test_the_band_holds_the_truth_about_as_often_as_it_says():
    draw = torch.Generator().manual_seed(0)
    truth, total = 0.9, 100
    counts = (torch.rand(2000, total, generator=draw) < truth).sum(dim=1).tolist()
    held = [low <= truth <= high for low, high in (robustness.wilson(count, total) for count in counts)]
    assert 0.93 <= sum(held) / len(held) <= 0.97


@pytest.mark.parametrize(("arguments", "words"), [((5, 4), "between 0 and total"), ((0, 0), "at least 1")])
def test_no_band_of_nonsense(arguments, words):
    with pytest.raises(ValueError, match=words):
        robustness.wilson(*arguments)


# ---- the curve ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("norm", "unit"), [(Linf, 1.0), (L2, 48**0.5)])
def test_every_picture_falls_where_the_ball_reaches_the_border(greys, norm, unit):
    radii = [unit * n / 1000 for n in (0, 15, 35, 75, 105)]
    found = robustness.curve(Threshold(), *greys, epsilons=radii, norm=norm)
    assert found.right == (10, 9, 7, 3, 0)
    assert found.accuracy == (1.0, 0.9, 0.7, 0.3, 0.0)
    low, high = found.band
    assert all(a <= b <= c for a, b, c in zip(low, found.accuracy, high, strict=True))


def test_what_has_fallen_is_not_attacked_again(greys):
    network, asked, right = Threshold(), [], []
    for found in robustness.curve_steps(network, *greys, epsilons=(0.0, 0.035, 0.055, 0.2)):
        asked.append(network.seen)
        right.append(found.right[-1])
    assert right == [10, 7, 5, 0]
    assert asked[2] - asked[1] < asked[1] - asked[0]


def test_the_attack_asks_no_more_about_what_has_fallen(greys):
    network, ball = Threshold(), Linf(0.055)
    plain = pgd(network, *greys, ball=ball, step_size=2.5 * ball.epsilon / 20, steps=20).success
    asked, network.seen = network.seen, 0
    fallen = robustness.pgd_attacker(losses=("cross-entropy",))(network, *greys, ball)
    assert fallen.equal(plain)
    assert int(fallen.sum()) == 5
    assert network.seen < 0.8 * asked


def test_an_attacker_is_handed_labels_as_an_attack_wants_them(greys):
    """Whatever whole numbers came, beside the pictures; so one of one's own need not move them."""
    images, labels = greys
    handed = []

    def attacker(network, images, labels, ball):
        handed.append((labels.dtype, labels.device == images.device))
        return torch.ones(len(images), dtype=torch.bool)

    robustness.curve(Threshold(), images, labels.short(), epsilons=(0.01,), attacker=attacker)
    assert handed == [(torch.int64, True)]


def test_a_picture_that_is_wrong_from_the_beginning_counts_as_fallen(greys):
    images, labels = greys
    assert robustness.curve(Threshold(), images, labels + 1, epsilons=(0.0, 0.01)).right == (0, 0)


NAN = float("nan")


@pytest.mark.parametrize("radii", [(), (0.1, 0.1), (0.2, 0.1), (-0.1, 0.1), (0, NAN), (NAN, 0.1), (0, NAN, 0.1)])
def test_radii_have_to_grow(greys, radii):
    with pytest.raises(ValueError, match="epsilons must grow"):
        robustness.curve_steps(Threshold(), *greys, epsilons=radii)


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    [
        ({"labels": torch.full((10,), 99)}, ValueError, "label 99 is no class of this network; it knows 0 to 1"),
        ({"labels": torch.zeros(2).long()}, ValueError, "a class for each picture"),
        ({"images": torch.full((10, 3, 4, 4), 120.0)}, ValueError, "divide by 255"),
        ({"epsilons": (0, 8)}, ValueError, "Did you mean 8/255"),
    ],
)
def test_what_gives_no_curve_is_refused_at_the_call(greys, mistake, error, words):
    arguments = {"images": greys[0], "labels": greys[1], "epsilons": (0, 0.1), **mistake}
    with pytest.raises(error, match=words):
        robustness.curve_steps(Threshold(), arguments.pop("images"), arguments.pop("labels"), **arguments)


@pytest.mark.parametrize(
    ("mistake", "words"),
    [
        ({"steps": 0}, "steps must be at least 1"),
        ({"losses": ()}, "at least one loss"),
        ({"losses": ("ce",)}, "there is no loss 'ce'"),
    ],
)
def test_an_attacker_without_steps_or_losses_is_none(mistake, words):
    with pytest.raises(ValueError, match=words):
        robustness.pgd_attacker(**mistake)


# ---- what ships --------------------------------------------------------------------------------------------------
def test_the_curves_that_ship_fall_and_only_the_robust_network_holds():
    curves = robustness.load_curves()
    assert set(curves) == set(zoo.shipped())
    for found in curves.values():
        assert list(found.right) == sorted(found.right, reverse=True)
        assert found.right[0] > 0.95 * found.total
    place = curves["signs-resnet"].epsilons.index(8 / 255)
    held = {name: found.accuracy[place] for name, found in curves.items()}
    assert held.pop("signs-resnet-robust") > 0.85
    assert max(held.values()) < 0.25
