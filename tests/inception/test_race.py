"""The race with and without the reductions is fair, counts right, and what ships is what the lesson says."""

import math

import pytest
import torch
from torch import nn

from course_utils import signs, training
from course_utils.costs import accounting
from course_utils.inception import race
from course_utils.networks.inception import SmallInception


@pytest.fixture(scope="module")
def scenes():
    return race.scenes(160, seed=5)


def test_the_two_networks_differ_in_nothing_but_the_reductions():
    pair = race.build_pair(seed=3, device="cpu")
    with_1x1, without = (pair[name].body for name in (race.WITH, race.WITHOUT))
    for name in ("inception_a", "inception_b"):
        assert getattr(with_1x1, name).widths == getattr(without, name).widths
        assert getattr(with_1x1, name).in_channels == getattr(without, name).in_channels
    kinds = [
        [part.kernel_size for part in body.modules() if isinstance(part, nn.Conv2d)] for body in (with_1x1, without)
    ]
    assert sorted(kinds[0]) == sorted(kinds[1] + [(1, 1)] * 4)
    assert pair[race.WITH](torch.rand(2, 3, 32, 32)).shape == (2, 20)


def test_building_a_pair_leaves_the_random_state_alone_and_is_repeatable():
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    one, two = race.build_pair(1, device="cpu"), race.build_pair(1, device="cpu")
    assert torch.equal(torch.rand(2), expected)
    for name in one:
        assert all(torch.equal(a, b) for a, b in zip(one[name].parameters(), two[name].parameters(), strict=True))


def test_scenes_come_in_blocks_and_from_their_seed():
    blocks = list(race.scene_blocks(150, seed=2))
    assert [len(labels) for _, labels in blocks] == [128, 22]
    images, labels = race.scenes(150, seed=2)
    assert torch.equal(torch.cat([block for block, _ in blocks]), images)
    assert not torch.equal(race.scenes(150, seed=3)[0], images)
    assert images.shape == (150, 3, 32, 32)
    assert len(labels) == 150


def test_no_scene_to_measure_with_is_one_to_train_with():
    known, test = race.scenes(race.BLOCK), race.scenes(race.BLOCK, seed=race.TEST_SEED)
    apart = (known[0][:, None, :, ::8, ::8] - test[0][None, :, :, ::8, ::8]).abs().mean(dim=(2, 3, 4))
    assert apart.min() > 0.01
    assert race.load_races().made["test_seed"] == race.TEST_SEED


def test_both_are_trained_by_turns_and_measured_now_and_then(scenes, monkeypatch):
    monkeypatch.setattr(race, "EVERY", 2)
    pair = race.build_pair(device="cpu")
    turns = list(race.race_steps(pair, scenes, scenes, steps=5))
    assert [(name, step.index) for name, step, _ in turns] == [(name, k) for k in range(5) for name in pair]
    assert [right is not None for _, _, right in turns[::2]] == [False, True, False, True, True]
    for network in pair:
        spent = [step.seconds for name, step, _ in turns if name == network]
        assert spent == sorted(spent)
        assert spent[0] > 0
    assert turns[-1][2] == training.accuracy(pair[race.WITHOUT], *scenes)


def test_both_see_the_very_same_batches(scenes, monkeypatch):
    seen = {name: [] for name in (race.WITH, race.WITHOUT)}
    pair = race.build_pair(device="cpu")
    for name, network in pair.items():
        network.register_forward_pre_hook(lambda module, given, name=name: seen[name].append(given[0].sum().item()) if module.training else None)  # fmt: skip  # noqa: E501
    for _ in race.race_steps(pair, scenes, scenes, steps=3, seed=9):
        pass
    assert seen[race.WITH] == seen[race.WITHOUT]
    assert len(set(seen[race.WITH])) == 3


def test_leaving_the_race_leaves_two_usable_networks(scenes):
    pair = race.build_pair(device="cpu")
    turns = race.race_steps(pair, scenes, scenes, steps=5)
    next(turns)
    turns.close()
    assert not any(network.training for network in pair.values())


def test_the_work_of_a_step_is_three_forward_passes_of_a_batch():
    work = race.count_work()
    body = SmallInception(len(signs.CLASSES))
    assert work[race.WITH] == 3 * 64 * accounting.account(body, 32).macs
    assert 3.8 < work[race.WITHOUT] / work[race.WITH] < 3.9


def test_where_the_goal_is_reached_is_found_between_two_measurements():
    assert race.steps_to(0.9, [10, 20, 30], [0.5, 0.8, 1.0]) == pytest.approx(25)
    assert race.steps_to(0.5, [10, 20], [1.0, 1.0]) == pytest.approx(5)
    assert math.isnan(race.steps_to(0.9, [10, 20], [0.5, 0.6]))


def test_the_race_that_ships_reaches_equal_accuracy_for_a_quarter_of_the_work():
    shipped, work = race.load_races(), race.count_work()
    needed, ends = {}, {}
    for name, runs in shipped.test.items():
        assert len(runs) == 4
        assert all(len(run) == len(shipped.steps) for run in runs)
        needed[name] = sum(race.steps_to(race.GOAL, shipped.steps, run) for run in runs) / 4
        ends[name] = sum(run[-1] for run in runs) / 4
    assert abs(ends[race.WITH] - ends[race.WITHOUT]) < 0.02
    assert min(ends.values()) > 0.95
    spent = {name: steps * work[name] for name, steps in needed.items()}
    assert 2.5 < spent[race.WITHOUT] / spent[race.WITH] < 6
    assert 1 < shipped.seconds[race.WITHOUT] / shipped.seconds[race.WITH] < 3.9
    assert "command" in shipped.made
