"""1×1 convolution against torch's own, squeezes against the theorem, the bottleneck against the accounts."""

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import conv2d

from course_utils import conv1x1, figures, inception, runtime, signs, zoo
from course_utils.conv1x1 import (
    bottleneck,
    found,
    kept_share,
    learn,
    maps_at,
    pca,
    random_mixtures,
    rebuilt_best,
    strongest,
)
from course_utils.conv1x1.figures import channels, costs
from course_utils.costs import accounting, roofline

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


# ---- a matrix at every pixel -------------------------------------------------------------------------------------
@given(*[st.integers(1, 5)] * 5, st.booleans(), st.integers(0, 99))
def test_equals_torch_s_convolution_in_values_and_in_gradients(batch, before, after, height, width, biased, seed):
    given = [numbers(batch, before, height, width, seed=seed), numbers(after, before, seed=seed + 1)]
    given += [numbers(after, seed=seed + 2)] if biased else []
    given = [value.requires_grad_() for value in given]
    ours = conv1x1.conv1x1(*given)
    theirs = conv2d(given[0], given[1][:, :, None, None], *given[2:])
    assert torch.allclose(ours, theirs)
    push = numbers(*theirs.shape, seed=seed + 3)
    for one, other in zip(
        torch.autograd.grad(ours, given, push), torch.autograd.grad(theirs, given, push), strict=True
    ):
        assert torch.allclose(one, other)


def test_equals_a_linear_layer_at_every_pixel_and_takes_torch_s_weights():
    layer, linear, maps = nn.Conv2d(3, 5, 1), nn.Linear(3, 5), torch.rand(2, 3, 4, 6)
    linear.load_state_dict({"weight": conv1x1.as_matrix(layer), "bias": layer.bias.detach()})
    mixed = conv1x1.conv1x1(maps, layer.weight, layer.bias)
    assert torch.allclose(mixed, layer(maps), atol=1e-6)
    assert torch.allclose(mixed.movedim(1, -1), linear(maps.movedim(1, -1)), atol=1e-6)


def test_a_pixel_knows_nothing_of_its_neighbours():
    maps, weight = numbers(1, 3, 5, 5).requires_grad_(), numbers(4, 3, seed=1)
    (gradient,) = torch.autograd.grad(conv1x1.conv1x1(maps, weight)[0, :, 2, 3].sum(), maps)
    assert gradient[0].abs().sum(dim=0).nonzero().tolist() == [[2, 3]]


@pytest.mark.parametrize(
    ("given", "trouble", "words"),
    [
        ((torch.ones(1, 3, 4, 4, dtype=torch.uint8), torch.ones(2, 3)), TypeError, "maps holds uint8.*float"),
        ((torch.ones(1, 3, 4, 4), torch.ones(2, 3, dtype=torch.long)), TypeError, "weight holds int64"),
        (([[1.0]], torch.ones(2, 3)), TypeError, "maps is a tensor"),
        ((torch.ones(3, 4, 4), torch.ones(2, 3)), ValueError, r"maps has the shape \[N, C, H, W\]; got \[3, 4, 4\]"),
        ((torch.ones(0, 3, 4, 4), torch.ones(2, 3)), ValueError, r"maps of shape \[0, 3, 4, 4\] is empty"),
        ((torch.ones(1, 3, 4, 4), torch.ones(2, 4)), ValueError, "4 columns and the maps 3 channels"),
        ((torch.ones(1, 3, 4, 4), torch.ones(2, 3, 3, 3)), ValueError, r"weight has the shape \[C', C\]"),
        ((torch.ones(1, 3, 4, 4), torch.ones(2, 3), torch.ones(3)), ValueError, "2 new channels and 3 biases"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(given, trouble, words):
    with pytest.raises(trouble, match=words) as told:
        conv1x1.conv1x1(*given)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 4, 3), nn.Linear(3, 4), nn.Conv2d(4, 4, 1, groups=2)])
def test_what_is_no_matrix_is_refused(layer):
    with pytest.raises(ValueError, match="only a 1×1 convolution is one matrix"):
        conv1x1.as_matrix(layer)


def test_found_is_1_on_the_object_0_beside_it_and_the_covered_share_at_random():
    mask = torch.zeros(40, 40)
    mask[10:30, 5:25] = 1
    assert found(mask, mask) == 1
    assert found(-mask, mask) == 0
    assert abs(found(torch.rand(40, 40, generator=runtime.generator(0)), mask) - 0.25) < 0.05
    assert found(torch.zeros(40, 40), mask) == 0.25  # all alike: as good as chance, wherever the object lies
    with pytest.raises(ValueError, match="shows no object"):
        found(mask, 0 * mask)
    with pytest.raises(ValueError, match="alike"):
        found(mask[:5], mask)


def test_what_the_red_filter_misses_at_dusk_is_white():
    """What the lesson says of its first picture: the letters, where green is nearly as strong as red."""
    scene = signs.render([signs.STOP], size=128, seed=5, device="cpu")
    (red, green, blue), there = scene.images[0], scene.masks[0, 0] > 0.5
    channel = red - green / 2 - blue / 2
    missed = there & (channel < channel.flatten().topk(int(there.sum())).values[-1])
    assert 0.05 < missed.sum() / there.sum() < 0.15
    assert (green > 0.6 * red)[missed].all()
    assert (green > 0.6 * red)[there & ~missed].float().mean() < 0.3


# ---- squeezed and rebuilt ------------------------------------------------------------------------------------------
@settings(max_examples=25)
@given(st.integers(2, 7), st.integers(1, 7), st.integers(0, 99))
def test_no_other_squeeze_rebuilds_more_than_pca(channels, kept, seed):
    kept = min(kept, channels)
    maps = (numbers(2, channels, 4, 5, seed=seed).movedim(1, -1) @ numbers(channels, channels, seed=seed)).movedim(
        -1, 1
    )
    best = kept_share(maps, pca(maps, kept)(maps))
    for other in (random_mixtures(maps, kept, seed), strongest(maps, kept)):
        assert kept_share(maps, other(maps)) <= best + 1e-9


@pytest.mark.parametrize("kept", [1, 16, 48])
def test_pca_wins_on_the_maps_of_a_real_network_and_keeps_what_its_eigenvalues_say(maps, kept):
    best = kept_share(maps, pca(maps, kept)(maps))
    values = np.linalg.eigvalsh(np.cov(conv1x1.columns(maps).numpy().T))[::-1]
    assert math.isclose(best, values[:kept].sum() / values.sum(), abs_tol=1e-5)  # float32 maps
    assert best > kept_share(maps, strongest(maps, kept)(maps))
    assert best > kept_share(maps, random_mixtures(maps, kept)(maps))


def test_all_channels_lose_nothing(maps):
    assert kept_share(maps, pca(maps, 64)(maps)) > 1 - 1e-6
    assert kept_share(maps, strongest(maps, 64)(maps)) > 1 - 1e-6


def test_least_squares_finds_the_rebuild_of_pca(maps):
    axes = pca(maps, 8)
    again = rebuilt_best(maps, axes.down)
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


@pytest.mark.parametrize("kept", [0, 65, True, 2.0])
def test_a_squeeze_to_no_such_number_is_refused(maps, kept):
    with pytest.raises(ValueError, match="64 maps can be squeezed to 1 … 64"):
        pca(maps, kept)


# ---- inside a network --------------------------------------------------------------------------------------------
def test_the_network_is_left_as_it_was(network, scenes):
    wanted = [parameter.requires_grad for parameter in network.parameters()]
    with torch.no_grad():
        before = network(scenes.images)
        same = conv1x1.right(network, LAYER, lambda maps: maps, scenes.images, scenes.labels)
        conv1x1.right(network, LAYER, torch.zeros_like, scenes.images, scenes.labels)
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
        return list(learn(network, LAYER, scenes.images, scenes.labels, kept=16, steps=25, batch=16, seed=seed))

    path, again, other = run(0), run(0), run(1)
    losses = [moment.loss for moment in path]
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])
    assert [moment.step for moment in path] == list(range(1, 26))
    assert torch.equal(path[-1].squeeze.down, again[-1].squeeze.down)
    assert not torch.equal(path[-1].squeeze.down, other[-1].squeeze.down)


@pytest.mark.parametrize("bad", [{"kept": 0}, {"steps": 0}, {"batch": 0}, {"rate": 0.0}])
def test_learning_with_nothing_is_refused(network, scenes, bad):
    with pytest.raises(ValueError, match="above 0"):
        next(learn(network, LAYER, scenes.images, scenes.labels, **bad))


def test_the_shipped_squeeze_reads_what_its_file_says(network):
    stored = json.loads((runtime.DATA / "conv1x1" / "squeeze.json").read_text(encoding="utf-8"))
    squeeze = conv1x1.shipped_squeeze()
    assert (squeeze.down.shape, squeeze.up.shape, squeeze.bias.shape) == ((16, 64), (64, 16), (64,))
    assert len(stored["losses"]) == stored["steps"]
    fresh = signs.render(100, seed=301, device="cpu")
    assert abs(conv1x1.right(network, LAYER, squeeze, fresh.images, fresh.labels) - stored["right"]) < 0.05


def test_the_learnt_squeeze_rebuilds_less_than_pca_and_reads_more(network):
    """What the lesson says: the best for rebuilding is not the best for reading."""
    fit, fresh = (signs.render(count, seed=seed, device="cpu") for count, seed in ((60, 21), (200, 22)))
    maps = maps_at(network, LAYER, fit.images)
    best, learnt = pca(maps, 16), conv1x1.shipped_squeeze()
    rebuilt = rebuilt_best(maps, learnt.down)  # the most that could be rebuilt from what it keeps
    assert kept_share(maps, rebuilt(maps)) < kept_share(maps, best(maps)) - 0.05
    read = [conv1x1.right(network, LAYER, squeeze, fresh.images, fresh.labels) for squeeze in (learnt, best)]
    assert read[0] > read[1] + 0.02


@pytest.mark.parametrize("name", ["inception_a.conv_5x5.0.0", "inception_c.conv_5x5.0.0", "inception_d.conv_3x3.0.0"])
def test_a_trained_reduction_keeps_less_than_pca_and_more_than_chance(name):
    trained = zoo.load("signs-inception", device="cpu")
    maps = maps_at(trained, name, signs.render(40, seed=5, device="cpu").images, before=True)
    matrix = conv1x1.as_matrix(conv1x1.layer_of(trained, name))
    own = kept_share(maps, rebuilt_best(maps, matrix)(maps))
    assert (
        kept_share(maps, random_mixtures(maps, len(matrix))(maps))
        < own
        < kept_share(maps, pca(maps, len(matrix))(maps))
    )


# ---- the bottleneck ------------------------------------------------------------------------------------------------
@given(*[st.integers(1, 40)] * 3, st.sampled_from([1, 3, 5, 7]), st.integers(1, 30), st.integers(1, 3))
def test_the_arithmetic_is_that_of_the_accounts(before, between, after, kernel, size, batch):
    one = bottleneck.direct(before, after, kernel, size, batch)
    two = bottleneck.squeezed(before, between, after, kernel, size, batch)
    with torch.device("meta"):
        networks = [
            nn.Sequential(
                *(nn.Conv2d(c.in_channels, c.out_channels, c.kernel, padding="same", bias=False) for c in way)
            )
            for way in (one, two)
        ]
    for way, network in zip((one, two), networks, strict=True):
        told = accounting.account(network, (batch, before, size, size))
        assert bottleneck.macs(way) == told.macs
        assert sum(conv.parameters for conv in way) == told.parameters
        assert [conv.out_channels * conv.size**2 * 4 * batch for conv in way] == [
            row.activation_bytes for row in told.rows
        ]


@given(st.integers(1, 300), st.integers(1, 300), st.sampled_from([3, 5, 7]))
def test_below_the_break_even_the_bottleneck_is_cheaper_and_above_it_is_not(before, after, kernel):
    limit = bottleneck.break_even(before, after, kernel)
    whole = bottleneck.macs(bottleneck.direct(before, after, kernel, 4))
    for between in {max(1, math.floor(limit) - 1), math.floor(limit) + 2}:
        squeezed = bottleneck.macs(bottleneck.squeezed(before, between, after, kernel, 4))
        assert (squeezed < whole) == (between < limit) or squeezed == whole


def test_the_paper_s_5x5_branch_costs_a_tenth():
    in_channels, _, _, (reduced, filters), _ = inception.MODULES["3a"]
    one, two = bottleneck.direct(in_channels, filters, 5, 28), bottleneck.squeezed(in_channels, reduced, filters, 5, 28)
    assert bottleneck.macs(one) == 120_422_400
    assert bottleneck.macs(two) == 2_408_448 + 10_035_200
    assert round(bottleneck.macs(one) / bottleneck.macs(two), 1) == 9.7


def test_a_depthwise_convolution_has_one_filter_a_map():
    conv = bottleneck.Conv(192, 192, 3, 28, groups=192)
    assert conv.parameters == 192 * 9
    assert conv.prepared(torch.device("cpu"))().shape == (1, 192, 28, 28)
    assert conv.intensity < 9 / 8  # nine multiply-adds for a number that comes and one that goes


def test_the_race_times_all_three_by_turns():
    path = list(bottleneck.race(bottleneck.direct(8, 8, 3, 8), bottleneck.squeezed(8, 2, 8, 3, 8), rounds=3))
    assert len(path) == 3 * (3 + 1)
    assert path[2].direct is None  # the first call of each counts for nobody
    assert path[2].bottleneck is None
    assert path[-1].bottleneck == path[-1].squeeze + path[-1].rest > 0
    times = [moment.direct for moment in path if moment.direct is not None]
    assert times == sorted(times, reverse=True)


@pytest.mark.slow
def test_a_ninth_of_the_work_is_quicker_by_the_clock_too():
    one, two = bottleneck.direct(192, 32, 5, 28, 4), bottleneck.squeezed(192, 16, 32, 5, 28, 4)
    with runtime.threads(1):
        *_, last = bottleneck.race(one, two, device="cpu", rounds=15)
    assert last.direct > 2 * last.bottleneck


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ((0, 8, 3, 8), "in_channels is a whole number from 1 on; got 0"),
        ((8, 8.0, 3, 8), "out_channels is a whole number"),
        ((8, 8, 4, 8), "odd edge"),
        ((8, 8, 3, -1), "size is a whole number from 1 on; got -1"),
        ((8, 8, 3, 8, 0), "batch is a whole number"),
        ((8, 9, 3, 8, 1, 3), "groups must divide the channels"),
    ],
)
def test_a_convolution_that_cannot_be_is_refused(bad, words):
    with pytest.raises(ValueError, match=words):
        bottleneck.Conv(*bad)
    with pytest.raises(ValueError, match="one round or more"):
        next(bottleneck.race(bottleneck.direct(1, 1, 1, 1), bottleneck.squeezed(1, 1, 1, 1, 1), rounds=0))


# ---- the drawings --------------------------------------------------------------------------------------------------
def test_numbers_become_colours_that_tell_their_sign():
    pixels = channels.signed(np.array([[-2.0, 0.0, 2.0]])).astype(int)
    assert pixels[0, 0, 2] > pixels[0, 0, 0]  # blue
    assert pixels[0, 1].tolist() == [255, 255, 255]
    assert pixels[0, 2, 0] > pixels[0, 2, 2]  # vermillion
    assert (channels.signed(np.zeros((2, 2))) == 255).all()
    assert channels.grey(np.array([[0.0, 1.0]]), 1.0).tolist() == [[[0] * 3, [255] * 3]]
    assert (channels.grey(np.zeros((2, 2)), 0.0) == 0).all()


def test_every_figure_is_a_picture_of_the_course_s_width():
    block = costs.Block("convolution", 8, 8, 16)
    bar = costs.Bar((1.0, None), "…")
    point = costs.Point("5×5", 20.0, 3e10)
    square = np.random.default_rng(0).normal(size=(6, 6))
    drawn = [
        conv1x1.figures.mixture(
            [abs(square)] * 6, ["map"] * 6, [1.0] * 6, square, picture=np.zeros((6, 6, 3), np.uint8), formula="x"
        ),
        conv1x1.figures.matrix(square, title="a matrix"),
        conv1x1.figures.maps({"before": [square] * 5, "after": [square] * 5}, title="maps"),
        conv1x1.figures.shares({"layer": {"one": 0.5, "other": 1.2}}, title="shares", x_label="kept"),
        costs.funnel([block, block, costs.Block("linear", 1, 1, 10)], title="a funnel"),
        costs.bottleneck((["8 maps", "5×5", "4 maps"],) * 2, {"work": (costs.Bar((1.0,), "1"), bar)}),
        costs.roofline([point], 4e10, 1e10, title="a roof"),
    ]
    for pixels in drawn:
        assert pixels.dtype == np.uint8
        assert pixels.shape[1:] == (figures.WIDTH, 3)
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 5


def test_a_point_lies_higher_the_more_it_does():
    """In the roofline's picture the mark of quick work stands above that of slow work."""
    machine = roofline.Roofline(8e10, 1e10)

    def height(speed):
        pixels = costs.roofline([costs.Point("", 10.0, speed)], machine.macs_per_second(1e9), 1e10, title="").astype(
            int
        )
        blue = (pixels[..., 2] > pixels[..., 0] + 100)[:, : figures.WIDTH - 330]
        return blue.any(axis=1).nonzero()[0].mean()

    assert height(3.5e10) < height(1e10) - 50
