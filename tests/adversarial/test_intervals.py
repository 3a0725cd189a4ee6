"""Interval bounds: no picture of the ball escapes them, no attack wins inside, a training makes them bite."""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_utils import runtime, training, zoo
from course_utils.adversarial import intervals
from course_utils.adversarial.apgd import apgd_ensemble, attack_radius
from course_utils.adversarial.balls import Linf
from course_utils.runtime import generator
from course_utils.signs import small

CLASSES, ROUNDING = 4, 1e-4


def every_layer(seed: int = 0) -> nn.Sequential:
    """One of each layer that has a rule."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Conv2d(3, 6, 3, padding=1),
            nn.BatchNorm2d(6),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1),
            nn.Conv2d(6, 8, 3, stride=2, padding=1, groups=2),
            nn.AvgPool2d(2),
            nn.Identity(),
            nn.Flatten(),
            nn.Dropout(0.5),
            nn.Linear(8, 10),
            nn.ReLU(),
            nn.Linear(10, CLASSES),
        )
        network[1].running_mean.normal_(0, 0.1)
        network[1].running_var.uniform_(0.05, 2)
        network[1].weight.data.normal_()  # negative scales turn an interval round
    return network


@pytest.fixture(scope="module")
def network() -> nn.Module:
    return every_layer()


def pictures(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=generator(seed))


# Interval bounds


@given(epsilon=st.floats(0, 0.5), seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=20)
def test_no_picture_of_the_ball_escapes_the_bounds(epsilon, seed):
    network, images = every_layer(seed % 5).eval(), pictures(3, seed)
    low, high = intervals.interval_bounds(network, images, epsilon)
    draw = generator(seed + 1)
    for number in range(6):
        inside = Linf(epsilon).random_start(images, draw)
        if number % 2:  # a corner of the ball: that is where the worst lies
            inside = Linf(epsilon).project(images + epsilon * (inside - images).sign(), images)
        logits = network(inside)
        assert (logits >= low - ROUNDING).all()
        assert (logits <= high + ROUNDING).all()


@given(seed=st.integers(0, 2**32))
@settings(deadline=None, max_examples=20)
def test_a_larger_ball_has_wider_bounds_and_no_ball_none(seed):
    network, images = every_layer(seed % 5).eval(), pictures(2, seed)
    low, high = intervals.interval_bounds(network, images, 0)
    torch.testing.assert_close(low, network(images), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(high, network(images), rtol=1e-4, atol=1e-4)
    for epsilon in (0.01, 0.1, 0.3):
        wider_low, wider_high = intervals.interval_bounds(network, images, epsilon)
        assert (wider_low <= low + ROUNDING).all()
        assert (wider_high >= high - ROUNDING).all()
        low, high = wider_low, wider_high


def test_one_linear_layer_has_exact_bounds():
    """The worst corner of the ball can be written down: every pixel against the sign of its weight."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    images = 0.3 + 0.4 * pictures(5)
    low, high = intervals.interval_bounds(network, images, 0.1)
    for row in range(3):
        corner = 0.1 * network[1].weight.data[row].sign().view(1, 3, 8, 8)
        torch.testing.assert_close(low[:, row], network(images - corner)[:, row].detach(), rtol=0, atol=1e-5)
        torch.testing.assert_close(high[:, row], network(images + corner)[:, row].detach(), rtol=0, atol=1e-5)


def test_pixels_cannot_leave_the_box():
    """A white picture only gets darker: the bounds know it."""
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 1, bias=False))
    network[1].weight.data.fill_(1.0)
    low, high = intervals.interval_bounds(network, torch.ones(1, 3, 8, 8), 0.25)
    assert high.item() == pytest.approx(192)
    assert low.item() == pytest.approx(192 * 0.75)


def test_margins_are_tighter_than_bounds_apart_and_still_true(network):
    images, labels = pictures(20), torch.arange(20) % CLASSES
    low, high = intervals.interval_bounds(network, images, 0.02)
    margins = intervals.worst_margins(network, images, labels, 0.02)
    apart = high - low.gather(1, labels[:, None])
    assert (margins <= apart + ROUNDING).all()
    others = ~nn.functional.one_hot(labels, CLASSES).bool()
    assert (margins[others] < apart[others]).float().mean() > 0.9
    assert margins.gather(1, labels[:, None]).abs().max() < ROUNDING
    for seed in range(5):
        inside = Linf(0.02).random_start(images, generator(seed))
        logits = network.eval()(inside)
        assert (logits - logits.gather(1, labels[:, None]) <= margins + ROUNDING).all()


def test_each_picture_can_have_its_own_epsilon(network):
    images, labels, epsilons = pictures(3), torch.tensor([0, 1, 2]), torch.tensor([0.0, 0.01, 0.2])
    together = intervals.worst_margins(network, images, labels, epsilons)
    for row, epsilon in enumerate(epsilons.tolist()):
        alone = intervals.worst_margins(network, images[row : row + 1], labels[row : row + 1], epsilon)
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-4)


def test_a_network_of_the_zoo_is_normalised_inside():
    body = every_layer().eval()
    images = pictures(4)
    wrapped = zoo.PixelNetwork(body, name="x", class_names="abcd", input_size=8, mean=(0.4,) * 3, std=(0.3,) * 3).eval()
    low, high = intervals.interval_bounds(wrapped, images, 0)
    torch.testing.assert_close(low, wrapped(images), rtol=1e-4, atol=1e-4)
    narrow = intervals.interval_bounds(body, ((images - 0.4) / 0.3).clamp(0, 1), 0)[0]
    assert not torch.allclose(low, narrow)
    low, high = intervals.interval_bounds(wrapped, images, 0.05)
    logits = wrapped(Linf(0.05).random_start(images, generator(0)))
    assert (low - ROUNDING <= logits).all()
    assert (logits <= high + ROUNDING).all()


def test_the_network_is_left_as_it_was():
    network = every_layer().train()
    network[1].eval()
    network[0].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    state = torch.get_rng_state()
    images, labels = pictures(4), torch.arange(4)
    intervals.certified_radius(network, images, labels, halvings=3)
    assert [module.training for module in network.modules()] == modes
    assert all(before[name].equal(value) for name, value in network.state_dict().items())
    assert network[0].weight.requires_grad is False
    assert all(p.grad is None for p in network.parameters())
    assert torch.get_rng_state().equal(state)


def test_training_by_intervals_makes_the_certificate_bite():
    """Five bright squares: a plain training reads them as well, and proves nothing about them."""
    labels = torch.arange(40) % CLASSES
    images = 0.1 + 0.1 * pictures(40, seed=3)
    for row, label in enumerate(labels.tolist()):
        images[row, :, 4 * (label // 2) : 4 * (label // 2) + 4, 4 * (label % 2) : 4 * (label % 2) + 4] += 0.6
    shares = []
    for epsilon in (0.0, 0.1):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            network = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(512, 32))
            network.extend([nn.ReLU(), nn.Linear(32, CLASSES)])
        list(intervals.train_certified(network, [(images, labels)] * 60, steps=60, epsilon=epsilon))
        assert not network.training
        assert training.accuracy(network, images, labels) == 1
        shares.append(intervals.certify(network, images, labels, 0.1).float().mean().item())
    assert shares[0] < 0.1
    assert shares[1] > 0.9


def test_the_ball_of_a_certified_training_grows_from_nothing_to_the_whole():
    reached = [intervals.epsilon_share(step / 40) for step in range(41)]
    assert reached[:5] == [0.0] * 5
    assert reached == sorted(reached)
    assert reached[20:] == [1.0] * 21


# The networks that ship


@pytest.fixture(scope="module")
def street() -> tuple[torch.Tensor, torch.Tensor]:
    return small.scenes(24, seed=12)


def test_a_certificate_is_empty_on_a_network_that_was_not_trained_for_it(street):
    plain, interval = (zoo.load(name, device="cpu") for name in ("certify-plain", "certify-interval"))
    assert training.accuracy(plain, *street) > 0.9
    assert training.accuracy(interval, *street) > 0.9
    assert intervals.certify(plain, *street, 2 / 255).float().mean() < 0.05
    assert intervals.certify(interval, *street, 2 / 255).float().mean() > 0.8
    alexnet = zoo.load("signs-alexnet", device="cpu")
    images = nn.functional.interpolate(street[0][:8], scale_factor=2)
    read = alexnet(images).argmax(1)
    assert not intervals.certify(alexnet, images, read, 0.1 / 255).any()


def test_no_attack_succeeds_inside_a_certificate_and_outside_some_do(street):
    interval = zoo.load("certify-interval", device="cpu")
    proven = intervals.certified_radius(interval, *street)
    attacked = attack_radius(interval, *street, largest=64 / 255, halvings=4, steps=10)
    assert (attacked >= proven).all()
    assert attacked.isfinite().float().mean() > 0.8  # a little further out there are holes
    assert proven.median() > 4 / 255
    for epsilon in (4 / 255, 12 / 255):
        found = apgd_ensemble(interval, *street, ball=Linf(epsilon), steps=10).success
        inside = intervals.certify(interval, *street, epsilon)
        assert inside.equal(proven >= epsilon)
        assert not (found & inside).any()
    assert found.any()


def test_the_radius_is_the_largest_that_is_certified(street):
    interval = zoo.load("certify-interval", device="cpu")
    images, labels = street[0][:12], street[1][:12]
    radius = intervals.certified_radius(interval, images, labels, halvings=14)
    sure = radius > 0
    assert sure.float().mean() > 0.5
    assert intervals.certify(interval, images, labels, radius)[sure].all()
    beyond = intervals.certify(interval, images, labels, radius + 0.1 / 255)
    assert not beyond[radius < 32 / 255].any()  # where the search did not end at its largest
    assert (intervals.certified_radius(interval, images, (labels + 1) % 6) == 0).all()


def test_the_certificates_that_ship_say_what_the_lesson_says():
    told = json.loads((runtime.DATA / "adversarial" / "certificates.json").read_text(encoding="utf-8"))
    plain, interval, alexnet = (
        told["networks"][name] for name in ("certify-plain", "certify-interval", "signs-alexnet")
    )
    at = told["epsilons_255"].index(4)
    assert interval["certified"][at] > 0.8
    assert plain["certified"][at] == 0
    assert max(alexnet["certified"]) == 0
    for found in (plain, interval):
        assert all(low <= high for low, high in zip(found["certified"], found["robust_accuracy"], strict=True))
        assert all(low <= high for low, high in zip(found["certified_255"], found["attacked_255"], strict=True))


# Precision


class TellsPrecision(nn.Linear):
    """Remembers whether its products might have been shortened."""

    def forward(self, features):
        self.shortened = torch.backends.cudnn.allow_tf32 or torch.get_float32_matmul_precision() != "highest"
        return super().forward(features)


@pytest.mark.parametrize("bound", [intervals.interval_bounds, intervals.worst_margins])
def test_no_certificate_is_computed_with_shortened_products(bound):
    """On GPUs torch lets convolutions use TF32 from the start, whose errors are larger than ROUNDING."""
    before = torch.backends.cudnn.allow_tf32
    first = TellsPrecision(48, 5)
    network, labels = (
        nn.Sequential(nn.Flatten(), first, nn.Linear(5, 2)),
        (LABELS,) if bound is intervals.worst_margins else (),
    )
    first.shortened = None
    torch.backends.cudnn.allow_tf32 = True
    try:
        bound(network, torch.rand(2, 3, 4, 4), *labels, 0.1)
    finally:
        torch.backends.cudnn.allow_tf32 = before
    assert first.shortened is False


# A sentence for every mistake

IMAGES, LABELS = pictures(2), torch.tensor([0, 1])


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda n: intervals.certify(n, IMAGES, LABELS, 8), ValueError, "Did you mean 8/255"),
        (lambda n: intervals.certify(n, IMAGES, LABELS, -0.1), ValueError, "got -0.1"),
        (lambda n: intervals.certify(n, 255 * IMAGES, LABELS, 0.1), ValueError, r"pixels must lie in \[0, 1\]"),
        (lambda n: intervals.certify(n, IMAGES / 0 * 0, LABELS, 0.1), ValueError, "images holds NaN"),
        (lambda n: intervals.certify(n, IMAGES, LABELS + 9, 0.1), ValueError, "no class of this network"),
        (lambda n: intervals.interval_bounds(n, IMAGES, 8.0), ValueError, "Did you mean 8/255"),
        (lambda n: intervals.interval_bounds(n, IMAGES, -0.1), ValueError, "got -0.1"),
        (lambda n: intervals.interval_bounds(n, IMAGES, torch.rand(3)), ValueError, "3 numbers for 2 pictures"),
        (lambda n: intervals.interval_bounds(nn.Tanh(), IMAGES, 0.1), TypeError, "no rule for the intervals of Tanh"),
        (lambda n: intervals.worst_margins(n[:-1], IMAGES, LABELS, 0.1), TypeError, "last layer must be Linear.*ReLU"),
        (
            lambda n: intervals.certified_radius(n, IMAGES, LABELS, halvings=0),
            ValueError,
            "halvings must be at least 1",
        ),
        (
            lambda n: next(intervals.train_certified(n, [], steps=0, epsilon=0.1)),
            ValueError,
            "steps must be at least 1",
        ),
        (lambda n: next(intervals.train_certified(n, [], steps=1, epsilon=8)), ValueError, "Did you mean 8/255"),
    ],
)
def test_a_mistake_gets_its_sentence(network, call, error, words):
    with pytest.raises(error, match=words):
        call(network)


def test_a_convolution_that_wraps_round_has_no_rule():
    network = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1, padding_mode="circular"), nn.Flatten(), nn.Linear(32, 2))
    with pytest.raises(TypeError, match="no rule for the intervals of Conv2d"):
        intervals.interval_bounds(network, torch.rand(1, 3, 4, 4), 0.1)
