"""A branch can be listened to and ablated, and afterwards the network is as it was."""

import pytest
import torch
from torch import nn

from course_utils import inception, runtime, signs, training, zoo
from course_utils.inception import branches
from course_utils.layers.hooks import hear


@pytest.fixture(scope="module")
def network():
    return zoo.load("signs-inception", device="cpu")


@pytest.fixture(scope="module")
def street():
    return signs.render(60, seed=77, device="cpu")


def test_the_four_modules_and_their_sixteen_branches_are_found(network):
    assert list(branches.modules(network)) == ["inception_a", "inception_b", "inception_c", "inception_d"]
    assert len(branches.names(network)) == 16
    assert list(branches.modules(network.body)) == list(branches.modules(network))


def test_a_network_without_modules_is_refused():
    with pytest.raises(TypeError, match="has no Inception module; load signs-inception"):
        branches.modules(nn.Linear(2, 2))


def test_the_activations_are_what_the_module_lays_side_by_side(network, street):
    whole = hear(network, street.images[:3], {"module": network.body.inception_b})["module"]
    said = branches.activations(network, street.images[:3], "inception_b")
    assert list(said) == list(inception.BRANCHES)
    assert torch.equal(torch.cat(list(said.values()), dim=1), whole)
    assert all((values >= 0).all() for values in said.values())
    with pytest.raises(ValueError, match="no module 'inception_z'; choose one of 'inception_a'"):
        branches.activations(network, street.images[:1], "inception_z")


def test_silence_zeroes_the_branch_s_channels_and_no_others(network, street):
    with branches.ablate(network, "inception_c.conv_3x3"), torch.no_grad(), runtime.kept(network):
        said = []
        handle = network.body.inception_c.register_forward_hook(lambda _m, _i, output: said.append(output))
        network(street.images[:2])
        handle.remove()
    before = torch.cat(list(branches.activations(network, street.images[:2], "inception_c").values()), dim=1)
    first, second = network.body.inception_c.widths[:2]
    assert (said[0][:, first : first + second] == 0).all()
    kept = [k for k in range(before.shape[1]) if not first <= k < first + second]
    assert torch.equal(said[0][:, kept], before[:, kept])


def test_the_mean_takes_the_picture_away_and_leaves_the_number(network, street):
    images = street.images[:8]
    before = branches.activations(network, images, "inception_a")["pool"]
    said = []
    with branches.ablate(network, "inception_a.pool", fill="mean"), torch.no_grad(), runtime.kept(network):
        handle = network.body.inception_a.register_forward_hook(lambda _m, _i, output: said.append(output))
        network(images)
        handle.remove()
    after = said[0][:, -before.shape[1] :]
    assert torch.allclose(after.mean(dim=(0, 2, 3)), before.mean(dim=(0, 2, 3)), atol=1e-5)
    assert (after.amax(dim=(0, 2, 3)) - after.amin(dim=(0, 2, 3))).max() < 1e-6


def test_the_network_is_as_it_was_also_when_something_was_raised(network, street):
    with torch.no_grad():
        before = network(street.images[:4])
    hooks = sum(len(part._forward_hooks) for part in network.modules())
    with pytest.raises(ZeroDivisionError), branches.ablate(network, *branches.names(network)):
        raise ZeroDivisionError
    with (
        pytest.raises(ValueError, match=r"no branch 'inception_a\.conv_7x7'"),
        branches.ablate(network, "inception_a.pool", "inception_a.conv_7x7"),
    ):
        pass
    with (
        pytest.raises(ValueError, match="gives 'zero' or 'mean'; got 'noise'"),
        branches.ablate(network, fill="noise"),
    ):
        pass
    network.train()
    with branches.ablate(network, "inception_a.pool"):
        training.accuracy(network, street.images, street.labels)
    assert all(part.training for part in network.modules())
    network.eval()
    assert sum(len(part._forward_hooks) for part in network.modules()) == hooks
    assert all(value.requires_grad and value.grad is None for value in network.parameters())
    with torch.no_grad():
        assert torch.equal(network(street.images[:4]), before)


@pytest.mark.parametrize("seed", [1, 2])  # the lesson's own is 0
def test_it_is_the_max_pooling_that_makes_its_branch_smooth_and_no_training(network, street, seed):
    with_pooling = branches.untrained(network, street.images, seed=seed)
    without = branches.without_pooling(with_pooling, street.images)
    assert not torch.equal(with_pooling.body.conv[0].weight, network.body.conv[0].weight)
    assert torch.equal(with_pooling.body.inception_a.pool[1][0].weight, without.body.inception_a.pool[1][0].weight)
    smooth, rough = (branches.smoothness(one, street.images, "inception_a") for one in (with_pooling, without))
    convolutions = [smooth[name] for name in inception.BRANCHES[:3]]
    assert smooth["pool"] < 0.8 * min(convolutions)
    assert rough["pool"] > 1.25 * smooth["pool"]
    assert all(rough[name] == pytest.approx(smooth[name], rel=1e-3) for name in inception.BRANCHES[:3])


def test_a_silent_network_has_nothing_to_go_by(network, street):
    assert training.accuracy(network, street.images, street.labels) > 0.95
    with branches.ablate(network, *branches.names(network)):
        assert training.accuracy(network, street.images, street.labels) < 0.2  # one class for every picture


def test_the_table_that_ships_is_what_the_network_does(network):
    """On other scenes, within three standard errors of both; for the branches of which the lesson speaks."""
    told = branches.load_table("signs-inception")
    assert set(told) == set(branches.FILLS)
    assert all(set(table) == {"", *branches.names(network)} for table in told.values())
    street = signs.render(300, seed=12345, device="cpu")
    for fill, branch in (("zero", "inception_b.conv_5x5"), ("zero", "inception_c.pool"), ("mean", "inception_c.pool")):
        with branches.ablate(network, branch, fill=fill):
            right = training.accuracy(network, street.images, street.labels, batch=100)
        expected = told[fill][branch]
        assert abs(right - expected) < 3 * (expected * (1 - expected) * (1 / 300 + 1 / 2000)) ** 0.5 + 0.01
    with pytest.raises(ValueError, match="there is none for 'signs-resnet'"):
        branches.load_table("signs-resnet")
