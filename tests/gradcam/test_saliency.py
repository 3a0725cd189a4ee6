"""Saliency maps: equal to the peers', true to their definitions, and without a trace in the network."""

import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import torchvision
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course_utils import images as course_images
from course_utils import runtime, signs, zoo
from course_utils.gradcam import saliency, sanity
from course_utils.gradcam.class_score import PART, room

captum = pytest.importorskip("captum.attr", reason="captum is not installed")


def scenes(count=2, seed=5):
    return signs.render(count, seed=seed, device="cpu")


@pytest.fixture(scope="module", params=["signs-alexnet", "signs-resnet", "signs-inception"])
def network(request):
    return zoo.load(request.param, device="cpu")


def tiny(seed=0, relu=None):
    """A small smooth-less network whose layers we know; `relu` is a module or a function."""
    torch.manual_seed(seed)
    parts = [nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 5, 3), nn.ReLU()]
    network = nn.Sequential(*parts, nn.Flatten(), nn.Linear(5 * 6 * 6, 4)).double().eval()
    network[1].running_mean.normal_(0, 0.1)
    if relu is not None:
        network[2], network[4] = relu(), relu()
    return network


def images(count=2, size=8, seed=0):
    return torch.rand(count, 3, size, size, generator=runtime.generator(seed), dtype=torch.float64)


def near(ours, theirs, tolerance=1e-5):
    """Equal up to a share of the largest number."""
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max()
    assert theirs.abs().max() > 0


# ---- equal to Captum -------------------------------------------------------------------------------------------
def test_the_gradient_is_captums(network):
    made = scenes()
    theirs = captum.Saliency(network).attribute(made.images, made.labels, abs=False)
    near(saliency.vanilla_gradient(network, made.images, made.labels, per_channel=True), theirs)
    near(saliency.vanilla_gradient(network, made.images, made.labels), theirs.abs().amax(dim=1))


def test_gradient_times_input_is_captums(network):
    made = scenes()
    theirs = captum.InputXGradient(network).attribute(made.images, made.labels)
    near(saliency.gradient_times_input(network, made.images, made.labels, per_channel=True), theirs.detach())


def test_integrated_gradients_are_captums(network):
    made = scenes()
    theirs = captum.IntegratedGradients(network).attribute(
        made.images, torch.full_like(made.images, 0.3), made.labels, n_steps=12, method="riemann_middle"
    )
    ours = saliency.integrated_gradients(network, made.images, made.labels, steps=12, baseline=0.3, per_channel=True)
    near(ours, theirs.float().detach())


def test_smoothgrad_is_captums_when_there_is_nothing_to_draw(network):
    made = scenes()
    smooth = captum.NoiseTunnel(captum.Saliency(network))
    theirs = smooth.attribute(made.images, nt_samples=2, stdevs=0.0, target=made.labels, abs=False)
    near(saliency.smoothgrad(network, made.images, made.labels, samples=2, noise=0, per_channel=True), theirs)


def test_guided_backprop_is_captums():
    network, made = zoo.load("signs-alexnet", device="cpu"), scenes()
    with pytest.warns(UserWarning, match="backward hooks on ReLU"):
        theirs = captum.GuidedBackprop(copy.deepcopy(network)).attribute(made.images, made.labels)
    near(saliency.guided_backprop(network, made.images, made.labels, per_channel=True), theirs)


def test_guided_backprop_is_pytorch_gradcams_where_a_relu_is_used_twice():
    peer = pytest.importorskip("pytorch_grad_cam")
    torch.manual_seed(0)
    network, made = torchvision.models.resnet18(weights=None, num_classes=7).eval(), scenes(1)
    theirs = peer.GuidedBackpropReLUModel(copy.deepcopy(network), device="cpu")(made.images, 3)
    ours = saliency.guided_backprop(network, made.images, 3, per_channel=True)[0]
    near(ours, torch.from_numpy(np.ascontiguousarray(theirs)).movedim(-1, 0))


# ---- true to their definitions ---------------------------------------------------------------------------------
def test_in_a_linear_network_gradient_times_input_adds_up_to_the_score():
    torch.manual_seed(0)
    network, x = nn.Sequential(nn.Flatten(), nn.Linear(192, 3, bias=False)).double(), images()
    product = saliency.gradient_times_input(network, x, 1, per_channel=True)
    torch.testing.assert_close(product.sum(dim=(1, 2, 3)), network(x)[:, 1])


def test_integrated_gradients_add_up_to_what_the_score_gained():
    network, x = tiny(), images(4)
    found = saliency.integrated_gradients(network, x, 2, steps=3000, per_channel=True)
    with torch.no_grad():
        gained = (network(x) - network(torch.zeros_like(x)))[:, 2]
    torch.testing.assert_close(found.sum(dim=(1, 2, 3)), gained, atol=0.005 * float(gained.abs().max()), rtol=0)


def test_integrated_gradients_add_up_on_a_network_that_ships():
    network, made = zoo.load("signs-resnet", device="cpu"), scenes()
    found = saliency.integrated_gradients(network, made.images, made.labels, steps=256, per_channel=True)
    with torch.no_grad():
        ends = [network(x).gather(1, made.labels[:, None])[:, 0] for x in (made.images, 0 * made.images)]
    gained = ends[0] - ends[1]
    torch.testing.assert_close(found.sum(dim=(1, 2, 3)), gained, atol=0.03 * float(gained.abs().max()), rtol=0)


def test_smoothgrad_is_the_mean_over_its_noisy_copies():
    network, x = tiny(), images()
    draw = runtime.generator(4)
    hiss = torch.randn((7, 3, 8, 8), generator=draw)
    spread = 0.2 * (x.amax(dim=(1, 2, 3)) - x.amin(dim=(1, 2, 3)))
    by_hand = torch.stack(
        [
            torch.stack([_gradient(network, (one + size * each)[None], 2)[0] for each in hiss]).mean(dim=0)
            for one, size in zip(x, spread, strict=True)
        ]
    )
    ours = saliency.smoothgrad(network, x, 2, samples=7, noise=0.2, seed=4, per_channel=True)
    torch.testing.assert_close(ours, by_hand)


def _gradient(network, x, label):
    x = x.clone().requires_grad_()
    return torch.autograd.grad(network(x)[:, label].sum(), x)[0]


def test_with_more_copies_smoothgrad_depends_less_on_its_noise():
    network, made = zoo.load("signs-resnet", device="cpu"), scenes(4)

    def agreement(samples):
        one, other = (
            saliency.smoothgrad(network, made.images, made.labels, samples=samples, seed=seed, per_channel=True)
            for seed in (1, 2)
        )
        return F.cosine_similarity(one.flatten(1), other.flatten(1))

    assert (agreement(25) > agreement(2)).all()


class Functional(nn.Module):
    """The tiny network again, written with functions."""

    def __init__(self, parts, relu):
        super().__init__()
        self.parts, self.relu = parts, relu

    def forward(self, x):
        x = self.relu(self.parts[1](self.parts[0](x)))
        return self.parts[6](self.relu(self.parts[3](x)).flatten(1))


RELUS = {
    "module": None,
    "module in place": lambda: nn.ReLU(inplace=True),
    "F.relu": F.relu,
    "F.relu in place": lambda x: F.relu(x, inplace=True),
    "torch.relu": torch.relu,
    "torch.relu_": torch.relu_,
    "tensor.relu": lambda x: x.relu(),
    "tensor.relu_": lambda x: x.relu_(),
}


@pytest.mark.parametrize("name", RELUS)
def test_guided_backprop_knows_every_way_to_write_a_relu(name):
    x, relu = images(), RELUS[name]
    if relu is None or name == "module in place":
        network = tiny(relu=relu)
    else:
        network = Functional(tiny(), relu)
    torch.testing.assert_close(saliency.guided_backprop(network, x, 1, per_channel=True), _guided(x, 1))


def _guided(x, label):
    """By hand, layer by layer: what flows back through a ReLU is cut twice."""
    network = tiny()
    first = network[1](network[0](x))
    second = network[3](first.relu())
    flow = network[6].weight[label].view(1, 5, 6, 6) * (second > 0)
    flow = flow.clamp(min=0)
    flow = F.conv_transpose2d(flow, network[3].weight).clamp(min=0) * (first > 0)
    scale = network[1].weight / (network[1].running_var + network[1].eps).sqrt()
    return F.conv_transpose2d(flow * scale[:, None, None], network[0].weight, padding=1).detach()


class CutTwice(torch.autograd.Function):
    """ReLU6 by hand: what flows back passes where it is positive and the input lay between 0 and 6."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(0, 6)

    @staticmethod
    def backward(ctx, flow):
        (x,) = ctx.saved_tensors
        return flow * (flow > 0) * (x > 0) * (x < 6)


RELU6S = {
    "module": nn.ReLU6(),
    "module in place": nn.ReLU6(inplace=True),
    "nn.Hardtanh": nn.Hardtanh(0, 6),
    "F.relu6": F.relu6,
    "F.relu6 in place": lambda x: F.relu6(x, inplace=True),
    "F.hardtanh": lambda x: F.hardtanh(x, 0, 6),
    "F.hardtanh, named": lambda x: F.hardtanh(x, max_val=6, min_val=0),
    "F.hardtanh in place": lambda x: F.hardtanh(x, 0, 6, inplace=True),
    "F.hardtanh_": lambda x: F.hardtanh_(x, 0, 6),
}


def steep():
    """The tiny network with maps that reach beyond 6."""
    network = tiny()
    network[1].weight.data.mul_(9)
    return network


@pytest.mark.parametrize("name", RELU6S)
def test_guided_backprop_knows_every_way_to_write_a_relu6(name):
    x = images()
    assert (steep()[:2](x) > 6).any()
    expected = saliency.vanilla_gradient(Functional(steep(), CutTwice.apply), x, 1, per_channel=True)
    plain = saliency.vanilla_gradient(steep(), x, 1, per_channel=True)
    ours = saliency.guided_backprop(Functional(steep(), RELU6S[name]), x, 1, per_channel=True)
    torch.testing.assert_close(ours, expected)
    assert not torch.allclose(ours, plain)


def test_where_nothing_reaches_6_a_relu6_is_captums_relu():
    network, x = tiny(), images()
    assert all(network[:k](x).max() < 6 for k in (2, 4))
    with pytest.warns(UserWarning, match="backward hooks on ReLU"):
        theirs = captum.GuidedBackprop(tiny()).attribute(x, 1)
    near(saliency.guided_backprop(tiny(relu=nn.ReLU6), x, 1, per_channel=True), theirs)


def test_a_tanh_that_is_cut_below_0_is_no_relu():
    x, network = images(), Functional(tiny(), F.hardtanh)
    torch.testing.assert_close(saliency.guided_backprop(network, x, 1), saliency.vanilla_gradient(network, x, 1))


@pytest.mark.parametrize("name", ["cat", "rocket"])
def test_guided_backprop_in_the_network_of_a_thousand_classes_is_the_one_by_hand(name):
    class ByHand(nn.Module):
        def forward(self, x):
            return CutTwice.apply(x)

    network, x = zoo.load("efficientnet-lite0", device="cpu"), course_images.photograph(name, size=224, device="cpu")
    other = copy.deepcopy(network)
    cut = [part for part in other.modules() if hasattr(part, "relu")]
    for part in cut:
        part.relu = ByHand()
    assert len(cut) == 33
    ours = saliency.guided_backprop(network, x, per_channel=True)
    near(ours, saliency.vanilla_gradient(other, x, per_channel=True))
    assert sanity.rank_correlation(ours.abs().amax(1), saliency.vanilla_gradient(network, x)) < 0.9


# ---- without a trace -------------------------------------------------------------------------------------------
ALL = {**saliency.METHODS, "smoothgrad": lambda *a: saliency.smoothgrad(*a, samples=3)}


@pytest.mark.parametrize("name", ALL)
def test_the_network_is_left_as_it_was(name):
    network, made = zoo.load("signs-resnet", device="cpu"), scenes()
    network.train()
    network.body.stage2.eval()
    network.body.stem.requires_grad_(False)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    before = copy.deepcopy(network)
    kept, state = made.images.clone(), torch.get_rng_state()
    ALL[name](network, made.images, made.labels)
    assert torch.equal(made.images, kept)
    assert not made.images.requires_grad
    assert torch.equal(torch.get_rng_state(), state)
    assert [m.training for m in network.modules()] == [m.training for m in before.modules()]
    for one, other in zip(network.parameters(), before.parameters(), strict=True):
        assert one.requires_grad == other.requires_grad
        assert torch.equal(one.grad, torch.ones_like(one))
    for one, other in zip(network.buffers(), before.buffers(), strict=True):
        assert torch.equal(one, other)
    assert not any(m._forward_hooks or m._forward_pre_hooks or m._backward_hooks for m in network.modules())


@pytest.mark.parametrize("name", ALL)
def test_a_network_in_training_mode_answers_as_in_evaluation_mode(name):
    network, made = zoo.load("signs-alexnet", device="cpu"), scenes()
    expected = ALL[name](network, made.images, made.labels)
    torch.testing.assert_close(ALL[name](network.train(), made.images, made.labels), expected)


@pytest.mark.parametrize("name", ALL)
def test_a_frozen_network_and_no_grad_change_nothing(name):
    network, made = zoo.load("signs-resnet", device="cpu"), scenes()
    expected = ALL[name](network, made.images, made.labels)
    network.requires_grad_(False)
    with torch.no_grad():
        torch.testing.assert_close(ALL[name](network, made.images, made.labels), expected)


@pytest.mark.parametrize("name", ALL)
def test_a_batch_is_its_pictures(name):
    network, made = zoo.load("signs-alexnet", device="cpu"), scenes(3)
    together = ALL[name](network, made.images, made.labels)
    alone = torch.cat([ALL[name](network, made.images[k : k + 1], made.labels[k : k + 1]) for k in range(3)])
    assert together.shape == (3, 64, 64)
    torch.testing.assert_close(together, alone, atol=1e-4 * float(alone.max()), rtol=1e-3)


def test_of_large_pictures_fewer_go_through_a_processor_at_once():
    assert [room(torch.zeros(1, 3, side, side)) for side in (8, 64, 128, 224, 4000)] == [PART, PART, PART // 4, 5, 1]
    seen = []
    network = zoo.load("efficientnet-lite0", device="cpu")
    hook = network.register_forward_hook(lambda _network, inputs, _output: seen.append(len(inputs[0])))
    saliency.smoothgrad(network, torch.rand(1, 3, 224, 224), 3, samples=7)
    hook.remove()
    assert seen == [5, 2]


def test_more_pictures_than_fit_into_a_part():
    network, x = tiny(), images(PART + 3)
    torch.testing.assert_close(
        saliency.vanilla_gradient(network, x, 2)[-3:], saliency.vanilla_gradient(network, x[-3:], 2)
    )


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("shade", [0.0, 0.5, 1.0])
def test_a_constant_picture_gives_numbers_and_no_nan(name, shade):
    network = zoo.load("signs-resnet", device="cpu")
    maps = ALL[name](network, torch.full((1, 3, 64, 64), shade), 3)
    assert maps.isfinite().all()
    assert saliency.normalise(maps).isfinite().all()


def test_labels_may_be_none_a_number_a_list_or_a_tensor():
    network, x = tiny(), images(3)
    read = network(x).argmax(dim=1)
    torch.testing.assert_close(saliency.vanilla_gradient(network, x), saliency.vanilla_gradient(network, x, read))
    expected = saliency.vanilla_gradient(network, x, torch.tensor([2, 2, 2]))
    for labels in (2, [2, 2, 2], torch.tensor(2), torch.tensor([2, 2, 2], dtype=torch.uint8)):
        torch.testing.assert_close(saliency.vanilla_gradient(network, x, labels), expected)


def test_the_methods_without_labels_explain_what_is_read():
    network, made = zoo.load("signs-alexnet", device="cpu"), scenes()
    read = network(made.images).argmax(dim=1)
    for name, method in ALL.items():
        torch.testing.assert_close(method(network, made.images, None), method(network, made.images, read), msg=name)


# ---- normalise -------------------------------------------------------------------------------------------------
def test_normalise_runs_from_0_to_1_and_a_flat_map_is_0():
    maps = torch.stack([torch.arange(6.0).view(2, 3) - 2, torch.full((2, 3), 7.0), torch.zeros(2, 3)])
    found = saliency.normalise(maps)
    torch.testing.assert_close(found[0], torch.arange(6.0).view(2, 3) / 5)
    assert torch.equal(found[1:], torch.zeros(2, 2, 3))
    assert torch.equal(saliency.normalise(maps[0]), found[0])


def test_normalise_may_show_the_hottest_pixels_alike():
    maps = torch.arange(100.0).view(1, 10, 10)
    assert torch.equal(saliency.normalise(maps, cut=0), saliency.normalise(maps))
    cut = saliency.normalise(maps, cut=0.1)
    assert (cut == 1).sum() == 10
    torch.testing.assert_close(cut, (maps / 90).clamp(max=1))
    assert not saliency.normalise(maps, cut=1).any()  # the limit is the coldest: nothing is hotter than the rest
    with pytest.raises(ValueError, match=r"cut .*share of the pixels, such as 0\.01"):
        saliency.normalise(maps, cut=2)


@given(st.floats(0.01, 100), st.floats(-100, 100))
def test_normalise_forgets_scale_and_offset(scale, offset):
    maps = torch.rand(2, 5, 5, generator=runtime.generator(1), dtype=torch.float64)
    torch.testing.assert_close(saliency.normalise(scale * maps + offset), saliency.normalise(maps))


# ---- bad input -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", saliency.METHODS)
@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"images": torch.rand(3, 8, 8)}, ValueError, r"image\[None\]"),
        ({"images": torch.zeros(1, 3, 8, 8, dtype=torch.uint8)}, TypeError, "tensor of floats"),
        ({"images": "stop.jpg"}, TypeError, "got str"),
        ({"images": torch.full((1, 3, 8, 8), float("nan"))}, ValueError, "NaN"),
        ({"images": 255 * torch.rand(2, 3, 8, 8)}, ValueError, r"pixels must lie in \[0, 1\].* divide by 255"),
        ({"images": torch.randn(2, 3, 8, 8)}, ValueError, "do not normalise"),
        ({"images": torch.zeros(0, 3, 8, 8)}, ValueError, "at least one picture"),
        ({"labels": 4}, ValueError, "class 4 is none of this network's; it knows 0 to 3"),
        ({"labels": -1}, ValueError, "class -1 is none"),
        ({"labels": [1, 2, 3]}, ValueError, r"labels must have shape \[2\]"),
        ({"labels": torch.tensor([0.5, 1])}, TypeError, "whole numbers"),
        ({"labels": "stop"}, TypeError, "labels is a class such as 10"),
        ({"network": lambda x: x}, TypeError, "must be a torch.nn.Module"),
        ({"network": nn.Conv2d(3, 3, 3).double()}, TypeError, r"logits \[N, classes\]"),
    ],
)
def test_bad_input_is_told_in_one_sentence(name, change, error, words):
    arguments = {"network": tiny(), "images": images(), "labels": 1} | change
    with pytest.raises(error, match=words) as caught:
        saliency.METHODS[name](arguments["network"], arguments["images"], arguments["labels"])
    assert str(caught.value).endswith((".", ")."))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", saliency.METHODS)
def test_what_only_rounding_took_out_of_the_box_is_a_picture(name):
    x = images()
    x[0, 0, 0, 0], x[0, 0, 0, 1] = 1 + 2e-7, -2e-7
    assert saliency.METHODS[name](tiny(), x, 1).isfinite().all()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda n, x: saliency.smoothgrad(n, x, samples=0), ValueError, "samples must be at least 1"),
        (lambda n, x: saliency.smoothgrad(n, x, noise=-0.1), ValueError, "share of the picture's range"),
        (lambda n, x: saliency.integrated_gradients(n, x, steps=2.5), TypeError, "steps must be a whole number"),
        (lambda n, x: saliency.integrated_gradients(n, x, baseline=2), ValueError, "0 .black. to 1"),
    ],
)
def test_bad_options_are_told_in_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call(tiny(), images())
