"""Squeezes against the theorem; which half of one does the reading; the network that is looked into stays as it was."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_utils import runtime, signs, zoo
from course_utils.conv1x1 import (
    accuracy_through,
    as_matrix,
    explained_variance,
    fit_rebuild,
    layer_of,
    learn,
    maps_at,
    pca,
    project_at_random,
    select_maps,
)

NETWORK, LAYER = "signs-alexnet", "features.4"


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=runtime.generator(seed), dtype=torch.float64)


@pytest.fixture(scope="module")
def network():
    return zoo.load(NETWORK, device="cpu")


@pytest.fixture(scope="module")
def scenes():
    return signs.render(30, seed=11, device="cpu")


@pytest.fixture(scope="module")
def maps(network, scenes):
    return maps_at(network, LAYER, scenes.images)


# ---- squeezed and rebuilt ----------------------------------------------------------------------------------------
@settings(max_examples=25)
@given(st.integers(2, 7), st.integers(1, 7), st.integers(0, 99))
def test_no_other_squeeze_rebuilds_more_than_pca(channels, kept, seed):
    kept = min(kept, channels)
    maps = (numbers(2, channels, 4, 5, seed=seed).movedim(1, -1) @ numbers(channels, channels, seed=seed)).movedim(
        -1, 1
    )
    best = explained_variance(maps, pca(maps, kept)(maps))
    for other in (project_at_random(maps, kept, seed), select_maps(maps, kept)):
        assert explained_variance(maps, other(maps)) <= best + 1e-9


@pytest.mark.parametrize("kept", [1, 16, 48])
def test_pca_wins_on_the_maps_of_a_real_network_and_keeps_what_its_eigenvalues_say(maps, kept):
    best = explained_variance(maps, pca(maps, kept)(maps))
    values = np.linalg.eigvalsh(np.cov(maps.double().movedim(1, 0).flatten(1).numpy()))[::-1]
    assert math.isclose(best, values[:kept].sum() / values.sum(), abs_tol=1e-5)  # float32 maps
    assert best > explained_variance(maps, select_maps(maps, kept)(maps))
    assert best > explained_variance(maps, project_at_random(maps, kept)(maps))


def test_all_channels_lose_nothing(maps):
    assert explained_variance(maps, pca(maps, 64)(maps)) > 1 - 1e-6
    assert explained_variance(maps, select_maps(maps, 64)(maps)) > 1 - 1e-6


def test_least_squares_finds_the_rebuild_of_pca(maps):
    axes = pca(maps, 8)
    again = fit_rebuild(maps, axes.down)
    assert torch.allclose(again.up, axes.up, atol=1e-8)
    assert torch.allclose(again.bias, axes.bias, atol=1e-8)


def test_a_squeeze_is_two_1x1_convolutions(maps):
    squeeze = pca(maps, 16)
    down, up = nn.Conv2d(64, 16, 1, bias=False), nn.Conv2d(16, 64, 1)
    with torch.no_grad():
        down.weight.copy_(squeeze.down[:, :, None, None])
        up.weight.copy_(squeeze.up[:, :, None, None])
        up.bias.copy_(squeeze.bias)
        assert torch.allclose(up(down(maps)), squeeze(maps), atol=1e-4)


@pytest.mark.parametrize("squeeze", [pca, select_maps, project_at_random])
@pytest.mark.parametrize("k", [0, 65])
def test_a_squeeze_to_no_such_number_is_refused(maps, k, squeeze):
    with pytest.raises(ValueError, match=f"k is how many of 64 channels are left, 1 to 64; got {k}"):
        squeeze(maps, k)


@pytest.mark.parametrize("squeeze", [pca, select_maps, project_at_random])
@pytest.mark.parametrize("k", [True, 2.5])
def test_a_squeeze_to_no_whole_number_is_refused(maps, k, squeeze):
    with pytest.raises(TypeError, match=f"k must be a whole number from 1 to 64; got {k}"):
        squeeze(maps, k)


def test_what_is_rebuilt_has_the_shape_of_the_maps(maps):
    with pytest.raises(ValueError, match="maps and rebuilt must have the same shape; got "):
        explained_variance(maps, maps[:, :1])


# ---- inside a network --------------------------------------------------------------------------------------------
def test_the_network_is_left_as_it_was(network, scenes):
    wanted = [parameter.requires_grad for parameter in network.parameters()]
    with torch.no_grad():
        before = network(scenes.images)
        same = accuracy_through(network, LAYER, lambda maps: maps, scenes.images, scenes.labels)
        accuracy_through(network, LAYER, torch.zeros_like, scenes.images, scenes.labels)
        next(learn(network, LAYER, scenes.images, scenes.labels, steps=1))
        assert torch.equal(network(scenes.images), before)
    assert same == (before.argmax(dim=1) == scenes.labels).float().mean()
    assert [parameter.requires_grad for parameter in network.parameters()] == wanted
    assert all(parameter.grad is None for parameter in network.parameters())
    assert not any(layer._forward_hooks for layer in network.modules())


def test_maps_before_a_layer_are_those_behind_the_layer_before(network, scenes):
    assert torch.equal(
        maps_at(network, "features.5", scenes.images, before=True), maps_at(network, LAYER, scenes.images)
    )


def test_an_unknown_layer_is_told_with_names_that_exist(network, scenes):
    with pytest.raises(ValueError, match=r"signs-alexnet has no layer 'conv2'; there are .*features\.0"):
        maps_at(network, "conv2", scenes.images)


def test_learning_a_squeeze_lowers_the_loss_and_depends_on_its_seed_only(network, scenes):
    def run(seed):
        torch.manual_seed(seed + 5)  # nobody's business
        return list(learn(network, LAYER, scenes.images, scenes.labels, k=16, steps=25, seed=seed))

    path, again, other = run(0), run(0), run(1)
    losses = [moment.loss for moment in path]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert [moment.step for moment in path] == list(range(1, 26))
    assert torch.equal(path[-1].squeeze.down, again[-1].squeeze.down)
    assert not torch.equal(path[-1].squeeze.down, other[-1].squeeze.down)


def test_a_first_half_that_is_kept_stays_as_it_is(network, scenes):
    start = project_at_random(maps_at(network, LAYER, scenes.images), 8)
    before = start.up.clone()
    path = list(learn(network, LAYER, scenes.images, scenes.labels, start=start, keep_down=True, steps=25))
    assert torch.equal(path[-1].squeeze.down, start.down.float())
    assert torch.equal(start.up, before)  # what is given is not changed
    assert not torch.equal(path[0].squeeze.up, path[-1].squeeze.up)
    assert sum(moment.loss for moment in path[-5:]) < 0.9 * sum(moment.loss for moment in path[:5])


def test_random_directions_have_length_1_and_stand_at_right_angles(maps):
    down = project_at_random(maps, 16, seed=3).down
    assert torch.allclose(down @ down.T, torch.eye(16, dtype=down.dtype), atol=1e-9)


@pytest.mark.parametrize("bad", [{"k": 0}, {"steps": 0}])
def test_learning_with_nothing_is_refused_at_the_call(network, scenes, bad):
    with pytest.raises(ValueError, match="must be at least 1; got 0"):
        learn(network, LAYER, scenes.images, scenes.labels, **bad)


def stored(side, *ways):
    rows = json.loads((runtime.DATA / "conv1x1" / "halves.json").read_text(encoding="utf-8"))["rows"]
    return [row[side] for row in rows if row["first half"] in ways]


def test_behind_any_mixtures_a_second_half_that_has_learnt_reads():
    """What the lesson says of the stored runs: the choice of the mixtures matters to a rebuild only."""
    assert min(stored("rebuilt", "PCA")) > max(stored("rebuilt", "random", "learnt", "strongest"))
    assert min(stored("least squares", "PCA")) > max(stored("least squares", "random")) + 0.1
    assert min(stored("labels", "PCA", "random", "strongest", "learnt")) >= 0.975
    assert abs(sum(stored("labels", "random")) - sum(stored("labels", "learnt"))) / 3 < 0.01


@pytest.mark.parametrize("seed", [5, 6])
def test_a_second_half_learns_to_read_random_mixtures(network, seed):
    """The stored runs' control once more, small, with other mixtures and other scenes."""
    scenes, fresh = (signs.render(count, seed=seed + 50 * count, device="cpu") for count in (100, 80))
    start = project_at_random(maps_at(network, LAYER, scenes.images), 16, seed)
    *_, last = learn(network, LAYER, scenes.images, scenes.labels, start=start, keep_down=True, steps=30, seed=seed)
    rebuilt, learnt = (
        accuracy_through(network, LAYER, squeeze, fresh.images, fresh.labels) for squeeze in (start, last.squeeze)
    )
    assert rebuilt < 0.9
    assert learnt > max(rebuilt + 0.05, 0.85)


@pytest.mark.parametrize("name", ["inception_a.conv_5x5.0.0", "inception_c.conv_5x5.0.0", "inception_d.conv_3x3.0.0"])
def test_a_trained_reduction_keeps_less_than_pca_and_more_than_chance(name):
    trained = zoo.load("signs-inception", device="cpu")
    maps = maps_at(trained, name, signs.render(40, seed=5, device="cpu").images, before=True)
    matrix = as_matrix(layer_of(trained, name))
    own = explained_variance(maps, fit_rebuild(maps, matrix)(maps))
    assert (
        explained_variance(maps, project_at_random(maps, len(matrix))(maps))
        < own
        < explained_variance(maps, pca(maps, len(matrix))(maps))
    )
