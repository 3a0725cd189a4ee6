"""The training loop and the networks that it trains."""

import itertools

import pytest
import torch
from torch import nn

from course_utils import inception, signs, training
from course_utils.adversarial.balls import Linf
from course_utils.adversarial.pgd import pgd, pgd_steps
from course_utils.networks import alexnet, resnet

ARCHITECTURES = [alexnet.SignsAlexNet, inception.SignsInception, resnet.SignsResNet]
EASY = (signs.Dials.clean(),)


def tiny_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(4), nn.Flatten(),
        nn.Linear(128, 20),
    )  # fmt: skip


@pytest.fixture(scope="module")
def pool():
    return training.Pool(256, EASY, size=32, seed=1, device="cpu")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_architecture_answers_with_logits_and_learns_in_every_layer(architecture):
    network = architecture(classes=7)
    logits = network(torch.rand(2, 3, 64, 64))
    assert logits.shape == (2, 7)
    logits.logsumexp(dim=1).sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_a_residual_block_whose_g_is_zero_passes_a_positive_input_on():
    block = resnet.BasicBlock(4, 4).eval()
    nn.init.zeros_(block.norm2.weight)
    x = torch.rand(2, 4, 8, 8)
    assert torch.equal(block(x), x)


def test_an_inception_module_lays_its_branches_side_by_side():
    module = inception.Inception(6, 2, (3, 4), (2, 3), 5).eval()
    x = torch.rand(1, 6, 8, 8)
    y = module(x)
    assert y.shape == (1, module.out_channels, 8, 8) == (1, 2 + 4 + 3 + 5, 8, 8)
    assert torch.equal(y[:, 2:6], module.conv_3x3(x))
    assert torch.equal(y[:, 9:], module.pool(x))


def test_a_long_gradient_is_shortened_to_5(pool):
    network = tiny_network()
    network[5].weight.data *= 1000
    for step in training.train(network, pool.batches(16), steps=2):
        length = torch.stack([parameter.grad.norm() for parameter in network.parameters()]).norm()
        assert length == pytest.approx(5.0, rel=1e-4), step


def test_the_rate_is_highest_after_15_percent_and_the_mean_begins_after_20(pool, monkeypatch):
    made, remembered = [], []
    adam, update = torch.optim.AdamW, training.AveragedModel.update_parameters
    monkeypatch.setattr(torch.optim, "AdamW", lambda *given, **how: made.append(adam(*given, **how)) or made[-1])
    monkeypatch.setattr(
        training.AveragedModel, "update_parameters", lambda *given: remembered.append(len(rates)) or update(*given)
    )
    rates = []
    for _ in training.train(tiny_network(), pool.batches(4), steps=40, learning_rate=0.02, averaging=0.9):
        rates.append(made[0].param_groups[0]["lr"])
    assert rates.index(max(rates)) + 1 == pytest.approx(0.15 * 40, abs=1)
    assert max(rates) == pytest.approx(0.02, rel=0.02)
    assert remembered == list(range(9, 40))


def test_training_lowers_the_loss_and_ends_in_evaluation_mode(pool):
    network = tiny_network()
    steps = list(training.train(network, pool.batches(32), steps=80, learning_rate=0.02))
    assert [step.index for step in steps] == list(range(80))
    assert not network.training
    first, last = (sum(step.loss for step in part) / 10 for part in (steps[:10], steps[-10:]))
    assert last < 0.8 * first
    assert training.accuracy(network, pool.images[:128].float() / 255, pool.labels[:128]) > 0.15  # chance is 0.05


def test_the_same_seeds_train_the_same_network():
    weights = []
    for _ in range(2):
        network, pool = tiny_network(), training.Pool(64, EASY, size=32, seed=1, device="cpu")
        list(training.train(network, pool.batches(16), steps=3, averaging=0.5))
        weights.append(torch.cat([parameter.flatten() for parameter in network.parameters()]))
    assert torch.equal(*weights)


def test_training_may_be_left_at_any_time(pool):
    network = tiny_network()
    for step in itertools.islice(training.train(network, pool.batches(8), steps=50), 3):
        assert step.seconds > 0
    assert network(torch.rand(1, 3, 32, 32)).isfinite().all()


def test_the_average_of_the_weights_replaces_them(pool):
    plain, averaged = tiny_network(), tiny_network()
    batches = list(itertools.islice(pool.batches(8), 10))
    list(training.train(plain, batches, steps=10))
    list(training.train(averaged, batches, steps=10, averaging=0.9))
    assert not torch.equal(plain[0].weight, averaged[0].weight)


def test_an_adversary_makes_training_harder_and_the_network_more_robust(pool):
    def adversary(network, pictures, labels, progress):
        *_, last = pgd_steps(network, pictures, labels, ball=Linf(0.1), step_size=0.1, steps=1, seed=0)
        return last.images

    robust = {}
    for attack in (None, adversary):
        network = tiny_network()
        list(training.train(network, pool.batches(32), steps=120, learning_rate=0.02, attack=attack))
        pictures, labels = pool.images[:128].float() / 255, pool.labels[:128]
        found = pgd(network, pictures, labels, ball=Linf(0.1), step_size=0.03, steps=10)
        robust[attack] = 1 - found.success.float().mean().item()
    assert robust[adversary] > robust[None] + 0.03


def test_a_loss_of_one_s_own_takes_the_place_of_the_cross_entropy(pool):
    asked = []

    def loss(network, images, labels, progress):
        logits = network(images)
        asked.append((progress, images.is_contiguous(memory_format=torch.channels_last), logits.dtype))
        return nn.functional.cross_entropy(logits, labels), logits

    batches = list(itertools.islice(pool.batches(8), 4))
    usual, own = tiny_network(), tiny_network()
    losses = [[step.loss for step in training.train(usual, batches, steps=4, exact=True)]]
    losses.append([step.loss for step in training.train(own, batches, steps=4, loss=loss, exact=True)])
    assert losses[0] == losses[1]
    assert torch.equal(usual[0].weight, own[0].weight)
    assert asked == [(step / 4, False, torch.float32) for step in range(4)]


def test_what_is_done_between_the_steps_is_not_counted_as_theirs(pool, monkeypatch):
    now = [0.0]  # a clock that goes when it is told to
    monkeypatch.setattr(training.time, "perf_counter", lambda: now[0])

    def batches():
        for batch in pool.batches(8):
            now[0] += 1.0  # the work of a step
            yield batch

    run = training.train(tiny_network(), batches(), steps=2)
    assert next(run).seconds == 1.0
    now[0] += 60.0  # whoever asks for the steps takes his time
    assert next(run).seconds == 2.0


def test_both_see_the_very_same_batches_by_turns(pool):
    seen = {}

    class Spy(nn.Module):
        def __init__(self, name):
            super().__init__()
            self.name, self.layer = name, nn.Linear(3, 20)

        def forward(self, images):
            seen.setdefault(self.name, []).append(images.float().sum().item())
            return self.layer(images.mean(dim=(2, 3)))

    pair, some = {"a": Spy("a"), "b": Spy("b")}, (pool.images.float() / 255, pool.labels)
    steps = list(training.train_by_turns(pair, *some, steps=3, batch=8, learning_rate=0.01, seed=5))
    assert [(name, step.index) for name, step in steps] == [(n, k) for k in range(3) for n in "ab"]
    assert seen["a"] == seen["b"]
    assert len(set(seen["a"])) == 3


def test_leaving_a_training_by_turns_leaves_usable_networks(pool):
    pair, some = {"a": tiny_network().eval(), "b": tiny_network().eval()}, (pool.images.float() / 255, pool.labels)
    turns = training.train_by_turns(pair, *some, steps=50, batch=8, learning_rate=0.01)
    next(turns)
    turns.close()
    assert not any(network.training for network in pair.values())


def test_a_pool_draws_shifted_scenes_of_its_own(pool):
    (first, labels), (second, _) = itertools.islice(pool.batches(4), 2)
    assert first.shape == (4, 3, 32, 32)
    assert not torch.equal(first, second)
    (plain, labels) = next(pool.batches(4, shift=0))
    scenes = pool.images.float() / 255
    for picture, label in zip(plain, labels, strict=True):
        same = (scenes == picture).flatten(1).all(dim=1)
        assert same.any()
        assert (pool.labels[same] == label).all()


def test_too_few_batches_or_steps_are_told(pool):
    with pytest.raises(ValueError, match="ended after 1 of 3 steps"):
        list(training.train(tiny_network(), itertools.islice(pool.batches(4), 1), steps=3))
    with pytest.raises(ValueError, match="steps must be at least 1; got 0"):
        training.train(tiny_network(), pool.batches(4), steps=0)
    with pytest.raises(TypeError, match="steps must be a whole number of at least 1; got 'a'"):
        training.train(tiny_network(), pool.batches(4), steps="a")
