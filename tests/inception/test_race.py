"""The race with and without the reductions is fair, counts right, and what ships is what the lesson says."""

import math

import pytest
import torch
from torch import nn

from course_utils import inception, runtime, signs, training
from course_utils.costs import accounting
from course_utils.inception import auxiliary
from course_utils.inception import race as reductions


@pytest.fixture(scope="module")
def scenes():
    return reductions.scenes(160, seed=5, device="cpu")


def test_the_two_networks_differ_in_nothing_but_the_reductions():
    pair = reductions.pair(seed=3, device="cpu")
    with_1x1, without = (pair[name].body for name in (reductions.WITH, reductions.WITHOUT))
    for name in ("inception_a", "inception_b"):
        assert getattr(with_1x1, name).widths == getattr(without, name).widths
        assert getattr(with_1x1, name).in_channels == getattr(without, name).in_channels
    kinds = [
        [part.kernel_size for part in body.modules() if isinstance(part, nn.Conv2d)] for body in (with_1x1, without)
    ]
    assert sorted(kinds[0]) == sorted(kinds[1] + [(1, 1)] * 4)
    assert pair[reductions.WITH](torch.rand(2, 3, 32, 32)).shape == (2, 20)


def test_building_a_pair_leaves_the_random_state_alone_and_is_repeatable():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    one, two = reductions.pair(1, device="cpu"), reductions.pair(1, device="cpu")
    assert torch.equal(torch.rand(2), expected)
    for name in one:
        assert all(torch.equal(a, b) for a, b in zip(one[name].parameters(), two[name].parameters(), strict=True))


def test_scenes_come_in_blocks_and_from_their_seed():
    blocks = list(reductions.scene_blocks(150, seed=2, device="cpu"))
    assert [len(labels) for _, labels in blocks] == [128, 22]
    images, labels = reductions.scenes(150, seed=2, device="cpu")
    assert torch.equal(torch.cat([block for block, _ in blocks]), images)
    assert not torch.equal(reductions.scenes(150, seed=3, device="cpu")[0], images)
    assert images.shape == (150, 3, 32, 32)
    assert len(labels) == 150


def test_both_are_trained_by_turns_and_measured_now_and_then(scenes):
    pair = reductions.pair(device="cpu")
    steps = list(reductions.race(pair, scenes, scenes, steps=5, every=2))
    assert [(step.network, step.index) for step in steps] == [(name, k) for k in range(5) for name in pair]
    assert [step.test is not None for step in steps[::2]] == [False, True, False, True, True]
    for name in pair:
        spent = [step.seconds for step in steps if step.network == name]
        assert spent == sorted(spent)
        assert spent[0] > 0
    assert steps[-1].test == training.accuracy(pair[reductions.WITHOUT], *scenes)


def test_both_see_the_very_same_batches(scenes, monkeypatch):
    seen = {name: [] for name in (reductions.WITH, reductions.WITHOUT)}
    pair = reductions.pair(device="cpu")
    for name, network in pair.items():
        network.register_forward_pre_hook(lambda module, given, name=name: seen[name].append(given[0].sum().item()) if module.training else None)  # fmt: skip  # noqa: E501
    for _ in reductions.race(pair, scenes, scenes, steps=3, seed=9):
        pass
    assert seen[reductions.WITH] == seen[reductions.WITHOUT]
    assert len(set(seen[reductions.WITH])) == 3


def test_leaving_the_race_leaves_two_usable_networks(scenes):
    pair = reductions.pair(device="cpu")
    race = reductions.race(pair, scenes, scenes, steps=5)
    next(race)
    race.close()
    assert not any(network.training for network in pair.values())


def test_the_work_of_a_step_is_three_forward_passes_of_a_batch():
    work = reductions.work()
    body = inception.SmallInception(len(signs.CLASSES))
    assert work[reductions.WITH] == 3 * 64 * accounting.account(body, 32).macs
    assert 3.8 < work[reductions.WITHOUT] / work[reductions.WITH] < 3.9


def test_where_the_goal_is_reached_is_found_between_two_measurements():
    assert reductions.steps_to(0.9, [10, 20, 30], [0.5, 0.8, 1.0]) == pytest.approx(25)
    assert reductions.steps_to(0.5, [10, 20], [1.0, 1.0]) == pytest.approx(5)
    assert math.isnan(reductions.steps_to(0.9, [10, 20], [0.5, 0.6]))


def test_the_race_that_ships_reaches_equal_accuracy_for_a_quarter_of_the_work():
    shipped, work = reductions.shipped(), reductions.work()
    needed, ends = {}, {}
    for name, runs in shipped.test.items():
        assert len(runs) == 4
        assert all(len(run) == len(shipped.steps) for run in runs)
        needed[name] = sum(reductions.steps_to(reductions.GOAL, shipped.steps, run) for run in runs) / 4
        ends[name] = sum(run[-1] for run in runs) / 4
    assert abs(ends[reductions.WITH] - ends[reductions.WITHOUT]) < 0.02
    assert min(ends.values()) > 0.95
    spent = {name: steps * work[name] for name, steps in needed.items()}
    assert 2.5 < spent[reductions.WITHOUT] / spent[reductions.WITH] < 6
    assert 1 < shipped.seconds[reductions.WITHOUT] / shipped.seconds[reductions.WITH] < 3.9
    assert "command" in shipped.made


# ---- the auxiliary classifiers ---------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def googlenet():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return inception.GoogLeNet(5)


def test_without_normalisation_is_a_copy_with_the_same_filters(googlenet):
    bare = auxiliary.without_norm(googlenet)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in bare.modules())
    assert any(isinstance(part, nn.BatchNorm2d) for part in googlenet.modules())
    assert torch.equal(bare.inception_4a.conv_5x5[1][0].weight, googlenet.inception_4a.conv_5x5[1][0].weight)
    assert bare.inception_4a.conv_5x5[1][0].weight is not googlenet.inception_4a.conv_5x5[1][0].weight
    drawn = auxiliary.with_xavier(googlenet, 4)
    weight = drawn.inception_4a.conv_5x5[1][0].weight
    assert weight.std().item() == pytest.approx((2 / (25 * (16 + 48))) ** 0.5, rel=0.05)
    assert torch.equal(weight, auxiliary.with_xavier(googlenet, 4).inception_4a.conv_5x5[1][0].weight)


def test_the_gradients_are_those_of_the_weighted_losses_and_nothing_changes(googlenet):
    images, labels = torch.randn(2, 3, 224, 224, generator=runtime.generator(0)), torch.tensor([0, 3])
    before = {name: value.clone() for name, value in googlenet.state_dict().items()}
    found = auxiliary.gradients(googlenet, images, labels, weight=0.5)
    assert list(found) == list(auxiliary.ROWS)
    assert all(torch.equal(value, before[name]) for name, value in googlenet.state_dict().items())
    assert all(value.grad is None for value in googlenet.parameters())
    assert any(part.p for part in googlenet.modules() if isinstance(part, nn.Dropout))
    alone = auxiliary.gradients(googlenet, images, labels, weight=0)
    for row in ("inception_4e", "inception_5a", "inception_5b", "linear"):  # behind both classifiers
        assert found[row] == pytest.approx(alone[row], rel=1e-4)
    assert found["inception_4a"] != pytest.approx(alone["inception_4a"], rel=1e-4)


def test_a_network_without_the_two_classifiers_is_refused():
    with pytest.raises(ValueError, match="no auxiliary classifiers; build it with aux=True"):
        auxiliary.gradients(inception.GoogLeNet(5, aux=False), torch.zeros(1, 3, 224, 224), torch.tensor([0]))
