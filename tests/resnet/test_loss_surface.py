"""The loss surface over the weights: its directions, its points, and that the network does not notice."""

import copy
import json
import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from course_utils import runtime, zoo
from course_utils.networks import resnet
from course_utils.resnet import loss_surface, twins
from course_utils.signs import small

IMAGES = torch.rand(6, 3, 32, 32, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(6) % 3


def network(skip=True, depth=8, **how):
    """A small ResNet whose batch normalisations have seen something, so that evaluation mode means something."""
    body = resnet.SmallResNet(depth, 3, width=4, stem_stride=2, skip=skip, **how)
    body.train()
    with torch.no_grad():
        body(IMAGES)
        for layer in body.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.weight.uniform_(0.5, 1.5, generator=torch.Generator().manual_seed(2))
    return zoo.PixelNetwork(body, name="small", class_names="abc", input_size=32).eval()


def loss_at(net, alpha, beta, first, second):
    """The surface's definition, the slow way: move the weights of a copy, ask it."""
    moved = copy.deepcopy(net).eval()
    with torch.no_grad():
        for name, weight in moved.named_parameters():
            if name in first:
                weight += alpha * first[name] + beta * second[name]
        return cross_entropy(moved(IMAGES), LABELS).item()


# ---- directions --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("skip", [True, False])
def test_every_filter_of_a_direction_has_the_norm_of_the_network_s(skip):
    net = network(skip)
    found = loss_surface.draw_direction(net, seed=3)
    filters = {name: weight for name, weight in net.named_parameters() if weight.ndim > 1}
    assert found.keys() == filters.keys()
    for name, weight in filters.items():
        wanted = weight.flatten(1).norm(dim=1)
        assert torch.allclose(found[name].flatten(1).norm(dim=1), wanted, rtol=1e-5), name


def test_biases_and_batch_normalisations_do_not_move():
    found = loss_surface.draw_direction(network())
    assert not [name for name in found if "norm" in name or name.endswith("bias")]
    assert "body.stem.1.weight" not in found  # the stem's batch normalisation
    assert "body.classifier.weight" in found


def test_a_filter_of_zeros_stays():
    net = network()
    with torch.no_grad():
        net.body.stem[0].weight[1] = 0
    found = loss_surface.draw_direction(net)["body.stem.0.weight"]
    assert (found[1] == 0).all()
    assert (found[0] != 0).any()


def test_the_direction_does_not_care_how_large_a_filter_is():
    """Twice the filter before a batch normalisation is the same network; its direction is twice as long."""
    net, twice = network(), network()
    with torch.no_grad():
        twice.body.stem[0].weight *= 2
    name = "body.stem.0.weight"
    assert torch.allclose(loss_surface.draw_direction(twice)[name], 2 * loss_surface.draw_direction(net)[name])


def test_a_seed_is_a_direction_and_leaves_the_global_generator_alone():
    net = network()
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    first, same, other = (loss_surface.draw_direction(net, seed) for seed in (0, 0, 1))
    assert torch.equal(torch.rand(1), expected)
    for name in first:
        assert torch.equal(first[name], same[name])
        assert not torch.equal(first[name], other[name])


def test_twins_get_the_same_random_numbers():
    ways = [loss_surface.draw_direction(network(skip, depth=14), 5) for skip in (True, False)]
    assert ways[0].keys() == ways[1].keys()
    for name in ways[0]:
        assert torch.allclose(ways[0][name], ways[1][name])  # they are born with the same weights


# ---- the surface -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("skip", [True, False])
@pytest.mark.parametrize("chunk", [1, 4, 25])
def test_side_by_side_equals_one_after_the_other(skip, chunk):
    net = network(skip)
    found = loss_surface.surface(net, IMAGES, LABELS, points=5, reach=0.8, seed=2, chunk=chunk)
    first, second = loss_surface.draw_direction(net, 4), loss_surface.draw_direction(net, 5)
    for row, beta in enumerate(found.axis.tolist()):
        for column, alpha in enumerate(found.axis.tolist()):
            wanted = loss_at(net, alpha, beta, first, second)
            assert found.losses[row, column].item() == pytest.approx(wanted, rel=1e-4, abs=1e-5)


def test_in_the_middle_stands_the_network():
    net = network()
    found = loss_surface.surface(net, IMAGES, LABELS, points=7)
    with torch.no_grad():
        wanted = cross_entropy(net(IMAGES), LABELS).item()
    assert found.axis[3] == 0
    assert found.centre == pytest.approx(wanted, rel=1e-5)
    assert found.losses[3, 3].item() == found.centre


def test_a_quadratic_bowl_has_its_known_surface():
    """A network of one number w with l = log(1 + exp(-w)): along d the surface is known in closed form."""

    class Number(nn.Module):
        def __init__(self):
            super().__init__()
            self.w = nn.Parameter(torch.tensor([[2.0]]))

        def forward(self, images):
            return torch.cat([self.w.expand(len(images), 1), torch.zeros(len(images), 1)], dim=1)

    net, images, labels = Number(), IMAGES[:1], torch.zeros(1, dtype=torch.long)
    first, second = (loss_surface.draw_direction(net, seed)["w"].item() for seed in (6, 7))
    assert (abs(first), abs(second)) == (2, 2)  # the norm of the only filter
    found = loss_surface.surface(net, images, labels, points=3, reach=0.5, seed=3)
    for row, beta in enumerate((-0.5, 0, 0.5)):
        for column, alpha in enumerate((-0.5, 0, 0.5)):
            wanted = math.log1p(math.exp(-(2 + alpha * first + beta * second)))
            assert found.losses[row, column].item() == pytest.approx(wanted, rel=1e-4)


@pytest.mark.parametrize("training", [True, False])
def test_the_network_does_not_notice(training):
    net = network()
    net.train(training)
    net.body.stage1.eval()  # a mixture of modes stays a mixture
    modes = [module.training for module in net.modules()]
    state = copy.deepcopy(net.state_dict())
    steps = loss_surface.surface_steps(net, IMAGES, LABELS, points=5)
    for _ in steps:  # also between two items
        assert [module.training for module in net.modules()] == modes
        assert all(parameter.requires_grad and parameter.grad is None for parameter in net.parameters())
    assert state.keys() == net.state_dict().keys()
    assert all(torch.equal(state[name], tensor) for name, tensor in net.state_dict().items())


def test_a_loop_left_early_leaves_the_network_as_it_was():
    net = network().train()
    state = copy.deepcopy(net.state_dict())
    steps = loss_surface.surface_steps(net, IMAGES, LABELS, points=5, chunk=4)
    first = next(steps)
    steps.close()
    assert int((~first.losses.isnan()).sum()) == 4
    assert net.training
    assert all(torch.equal(state[name], tensor) for name, tensor in net.state_dict().items())


def test_training_mode_does_not_change_the_surface():
    """The means and variances are the training's, whatever mode the caller's network is in."""
    one, other = (loss_surface.surface(network().train(mode), IMAGES, LABELS, points=3) for mode in (True, False))
    assert torch.equal(one.losses, other.losses)


def test_no_warning_reaches_the_student():
    net = network().to(memory_format=torch.channels_last)  # as training.train leaves it
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss_surface.surface(net, IMAGES, LABELS, points=3)


def test_what_is_known_grows_and_what_was_told_stays():
    shares, before = [], None
    for step in loss_surface.surface_steps(network(), IMAGES, LABELS, points=5, chunk=3):
        shares.append(step.share)
        if before is not None:
            known = ~before.losses.isnan()
            assert torch.equal(before.losses[known], step.losses[known])
        before = step
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(3 / 25)
    assert shares[-1] == 1
    assert len(shares) == math.ceil(25 / 3)


@given(half=st.integers(1, 20))
def test_the_coarse_order_names_every_place_once_and_the_middle_first(half):
    points = 2 * half + 1
    order = loss_surface.coarse_first(points)
    assert order[0].tolist() == [half, half]
    assert {tuple(place) for place in order.tolist()} == {(i, j) for i in range(points) for j in range(points)}
    assert len(order) == points**2


def test_the_coarse_order_goes_from_far_apart_to_close():
    order = loss_surface.coarse_first(17) - 8
    assert (order[:9] % 8 == 0).all()
    assert (order[:25] % 4 == 0).all()
    assert (order[:81] % 2 == 0).all()


# ---- bad input ---------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"points": 4}, "must be odd"),
        ({"points": 1}, "at least 3"),
        ({"reach": 0}, "positive number"),
        ({"reach": math.nan}, "positive number"),
        ({"chunk": 0}, "chunk must be at least 1"),
    ],
)
def test_bad_numbers_are_refused_in_a_sentence_at_the_call(how, message):
    with pytest.raises(ValueError, match=message):
        loss_surface.surface_steps(network(), IMAGES, LABELS, **{"points": 3} | how)


def test_whole_numbers_must_be_whole():
    with pytest.raises(TypeError, match="points must be a whole number"):
        loss_surface.surface_steps(network(), IMAGES, LABELS, points=5.0)


def test_pictures_without_labels_are_refused():
    with pytest.raises(ValueError, match=r"labels must have shape \[6\], a class for each picture; got \[2\]"):
        loss_surface.surface_steps(network(), IMAGES, LABELS[:2], points=3)


# ---- what ships --------------------------------------------------------------------------------------------------
def test_the_shipped_surface_is_the_shipped_pair_s():
    surfaces = loss_surface.load_surfaces()
    with np.load(runtime.DATA / "resnet" / "surfaces.npz") as stored:
        made = json.loads(str(stored["made"]))
    images, labels = small.scenes(made["scenes"])
    for name, stored in twins.STORED.items():
        network, surface = zoo.load(stored, device="cpu"), surfaces[name]
        reach = surface.axis[-1].item()
        corners = loss_surface.surface(
            network, images, labels, points=3, reach=reach, seed=made["directions_seed"], chunk=3
        )
        fine = surface.losses[:: len(surface.axis) // 2, :: len(surface.axis) // 2]
        assert torch.allclose(corners.losses.log(), fine.log(), atol=0.02), name
        assert surface.share == 1


def test_the_residual_network_stands_in_the_wider_and_deeper_bowl():
    """In the shipped square, and a little way off in ten others."""
    surfaces = loss_surface.load_surfaces()
    plain, residual = surfaces[twins.PLAIN].low_share, surfaces[twins.RESIDUAL].low_share
    assert residual > 1.5 * plain
    told = json.loads((runtime.DATA / "resnet" / "rims.json").read_text(encoding="utf-8"))
    for reach, rims in told["rims"][twins.PLAIN].items():
        assert np.median(rims) > 2 * np.median(told["rims"][twins.RESIDUAL][reach]), reach
