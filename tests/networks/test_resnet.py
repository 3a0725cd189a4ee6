"""The blocks are the slide's, the networks the paper's: torchvision's weights go in and give the same logits."""

import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import relu

from course_utils import zoo
from course_utils.networks import resnet, weights

models = pytest.importorskip("torchvision").models
REFERENCE = os.environ.get("COURSE_REFERENCE")


def stirred(network: nn.Module, seed: int = 0) -> nn.Module:
    """In evaluation mode, with running statistics and affine parameters as training might leave them."""
    draw = torch.Generator().manual_seed(seed)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.normal_(0, 0.1, generator=draw)
            layer.running_var.uniform_(0.8, 1.2, generator=draw)
            nn.init.uniform_(layer.weight, 0.4, 0.9, generator=draw)
            nn.init.normal_(layer.bias, 0, 0.1, generator=draw)
    return network.eval()


def convolutions(block):
    """Name → (channels in, filters, kernel, stride, padding) of the convolutions along g, and of the skip."""
    found = {name: layer for name, layer in block.named_modules() if isinstance(layer, nn.Conv2d)}
    return {
        name: (layer.in_channels, layer.out_channels, layer.kernel_size, layer.stride, layer.padding)
        for name, layer in found.items()
    }


# ---- the slide's two blocks ----------------------------------------------------------------------------------------
def test_the_slide_s_first_block_has_8_filters_padding_1_stride_1():
    block = resnet.BasicBlock(8, 8)
    three = (8, 8, (3, 3), (1, 1), (1, 1))
    assert convolutions(block) == {"conv1": three, "conv2": three}
    assert block(torch.rand(2, 8, 12, 12)).shape == (2, 8, 12, 12)


def test_the_slide_s_second_block_has_16_filters_stride_2_and_a_1x1_skip():
    block = resnet.BasicBlock(8, 16, stride=2)
    assert convolutions(block) == {
        "conv1": (8, 16, (3, 3), (2, 2), (1, 1)),
        "conv2": (16, 16, (3, 3), (1, 1), (1, 1)),
        "skip.0": (8, 16, (1, 1), (2, 2), (0, 0)),
    }
    assert block(torch.rand(2, 8, 12, 12)).shape == (2, 16, 6, 6)


KINDS = [(kind, how) for kind in (resnet.BasicBlock, resnet.Bottleneck) for how in (False, True)]


@pytest.mark.parametrize(("kind", "preactivation"), KINDS)
def test_a_block_is_g_plus_x(kind, preactivation):
    block = stirred(kind(4 * kind.expansion, 4, preactivation=preactivation))
    x = torch.rand(2, 4 * kind.expansion, 6, 6)
    total = block.g(x) + x
    assert torch.equal(block(x), total if preactivation else relu(total))


@pytest.mark.parametrize(("kind", "preactivation"), KINDS)
@pytest.mark.parametrize("norm", [False, True])
def test_a_block_whose_g_is_zero_is_its_skip(kind, preactivation, norm):
    block = stirred(kind(4 * kind.expansion, 4, preactivation=preactivation, norm=norm))
    resnet.set_to_zero(block)
    x = torch.rand(2, 4 * kind.expansion, 6, 6)
    assert torch.equal(block(x), x)


@given(
    kind=st.sampled_from([resnet.BasicBlock, resnet.Bottleneck]),
    channels=st.integers(1, 9),
    filters=st.integers(3, 9),
    stride=st.integers(1, 3),
    side=st.integers(1, 9),
    shortcut=st.sampled_from(["projection", "padding"]),
    preactivation=st.booleans(),
    norm=st.booleans(),
)
def test_both_summands_have_one_shape(kind, channels, filters, stride, side, shortcut, preactivation, norm):
    how = {"preactivation": preactivation, "norm": norm}
    wide = filters * kind.expansion
    block = kind(min(channels, wide), filters, stride, shortcut=shortcut, **how).eval()
    x = torch.rand(2, min(channels, wide), side, side)
    assert block.g(x).shape == block.skip(x).shape == block(x).shape
    assert block(x).shape[1] == wide
    assert (shortcut == "padding") <= (not list(block.skip.parameters()))


def test_the_padded_skip_is_x_at_every_second_place_and_zeros():
    x = torch.rand(1, 3, 6, 6)
    padded = resnet.PaddedSkip(more=2, stride=2)(x)
    assert torch.equal(padded[:, :3], x[:, :, ::2, ::2])
    assert (padded[:, 3:] == 0).all()


# ---- the table, and the proof --------------------------------------------------------------------------------------
@pytest.mark.parametrize("depth", resnet.TABLE)
def test_torchvision_s_weights_give_the_same_logits(depth):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(depth)
        theirs = stirred(models.get_model(f"resnet{depth}", weights=None))
        x = torch.rand(2, 3, 64, 96)
    ours = resnet.ResNet(depth).eval()
    weights.load_weights(ours, resnet.from_torchvision(theirs.state_dict()))
    with torch.no_grad():
        expected, got = theirs(x), ours(x)
    assert expected.std() > 0.01  # not a comparison of zeros
    assert (expected - got).abs().max() <= 1e-5


@pytest.mark.skipif(not REFERENCE, reason="COURSE_REFERENCE is not set: no real ImageNet weights to check with")
def test_the_trained_resnet18_gives_the_same_logits():
    state = torch.load(Path(REFERENCE) / "networks" / "resnet18.pth", map_location="cpu", weights_only=True)
    theirs = models.resnet18(weights=None)
    theirs.load_state_dict(state)
    ours = weights.load_weights(resnet.ResNet(18), resnet.from_torchvision(state)).eval()
    pictures = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert (theirs.eval()(pictures) - ours(pictures)).abs().max() <= 1e-5


@pytest.mark.parametrize("depth", resnet.TABLE)
def test_the_depth_counts_convolutions_and_the_linear_layer(depth):
    network = resnet.ResNet(depth, width=1)
    layers = [name for name, layer in network.named_modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]
    assert sum("skip" not in name for name in layers) == depth


def test_the_stages_have_the_table_s_output_sizes():
    network, x, sizes = resnet.ResNet(50, width=4), torch.rand(1, 3, 224, 224), {}
    with torch.no_grad():
        x = network.stem(x)
        for name, row in network.stages().items():
            x = row(x)
            sizes[name] = tuple(x.shape[1:])
    assert sizes == {"stage1": (16, 56, 56), "stage2": (32, 28, 28), "stage3": (64, 14, 14), "stage4": (128, 7, 7)}


def test_the_shipped_resnets_still_load():
    for name in ("signs-resnet", "signs-resnet-robust"):
        assert isinstance(zoo.load(name, device="cpu").body, resnet.SignsResNet)


# ---- the small family and its plain twins --------------------------------------------------------------------------
@pytest.mark.parametrize("depth", [8, 14, 20, 98])
def test_a_small_resnet_has_as_many_layers_as_it_says(depth):
    network = resnet.SmallResNet(depth, width=2)
    assert sum(isinstance(layer, (nn.Conv2d, nn.Linear)) for layer in network.modules()) == depth


def test_a_shortened_network_is_the_first_blocks_of_every_stage():
    network = stirred(resnet.SmallResNet(26, width=4))
    short, x = resnet.shorten(network, 14), torch.rand(2, 3, 16, 16)
    kept = [f"stage{s}.{k}" for s in (1, 2, 3) for k in (0, 1)]
    assert list(short.parts()) == ["stem", *kept, "head"]
    expected = network.stem(x)
    for name in kept:
        expected = network.get_submodule(name)(expected)
    assert torch.equal(short(x), network.parts()["head"](expected))
    assert len(network.stage1) == 4  # the long one is as it was
    assert torch.equal(resnet.shorten(network, 26)(x), network(x))


@pytest.mark.parametrize(("depth", "sentence"), [(32, "has 26 layers and cannot be shortened to 32"), (9, "6n")])
def test_a_network_cannot_be_shortened_to_any_depth(depth, sentence):
    with pytest.raises(ValueError, match=sentence):
        resnet.shorten(resnet.SmallResNet(26, width=1), depth)


HOWS = [{}, {"norm": False}, {"preactivation": True}, {"shortcut": "projection"}, {"stem_stride": 2}, {"skip": False}]


@pytest.mark.parametrize("how", HOWS)
def test_the_parts_in_a_row_are_the_network(how):
    network = stirred(resnet.SmallResNet(14, width=4, **how))
    x = images = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        for part in network.parts().values():
            x = part(x)
        assert torch.equal(x, network(images))
    assert x.shape == (2, 20)
    assert [name for name in network.parts() if "." in name] == [f"stage{s}.{k}" for s in (1, 2, 3) for k in (0, 1)]


@pytest.mark.parametrize("how", [{}, {"norm": False}, {"preactivation": True}])
def test_the_plain_twin_has_the_same_weights_and_only_the_sum_is_missing(how):
    residual, plain = (resnet.SmallResNet(14, width=4, skip=skip, seed=5, **how) for skip in (True, False))
    assert residual.state_dict().keys() == plain.state_dict().keys()
    for one, other in zip(residual.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)
    x = torch.rand(2, 4, 8, 8)
    total, without = resnet.blocks(residual)[0], resnet.blocks(plain)[0]
    assert torch.equal(total.g(x), without.g(x))
    assert torch.equal(without(x), without.g(x) if how.get("preactivation") else relu(without.g(x)))
    assert not torch.equal(total(x), without(x))


def test_a_network_of_zero_blocks_is_what_its_skips_are():
    network = resnet.initialise(resnet.SmallResNet(14, width=4), "zero").eval()
    x = torch.rand(2, 3, 16, 16)
    parts = network.parts()
    expected = parts["stem"](x)
    for block in resnet.blocks(network):
        expected = block.skip(expected)
    assert torch.equal(parts["head"](expected), network(x))


@pytest.mark.parametrize("how", resnet.STARTS)
def test_the_seed_alone_decides_the_first_weights(how):
    draws = []
    for seed, state in ((1, 0), (1, 7), (2, 0)):
        torch.manual_seed(state)
        network = resnet.initialise(resnet.SmallResNet(8, width=2), how, seed)
        draws.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_a_network_leaves_the_caller_s_random_state_alone():
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    resnet.SmallResNet(8, width=2)
    resnet.ResNet(18, width=2)
    assert torch.equal(torch.rand(3), expected)


def test_he_s_weights_keep_the_size_of_a_plain_network_s_signal():
    convolution = resnet.initialise(resnet.ResNet(18, width=16), "he").stage3[0].conv2  # 64 filters of 64×3×3
    assert convolution.weight.std().item() == pytest.approx((2 / (64 * 9)) ** 0.5, rel=0.02)
    resnet.initialise(convolution, "torch")
    assert convolution.weight.std().item() == pytest.approx((1 / (3 * 64 * 9)) ** 0.5, rel=0.02)
    resnet.initialise(convolution, "xavier")
    assert convolution.weight.std().item() == pytest.approx((1 / (64 * 9)) ** 0.5, rel=0.02)


def test_a_gradient_reaches_every_parameter():
    for how in HOWS:
        network = resnet.SmallResNet(8, width=4, **how)
        network(torch.rand(4, 3, 16, 16)).square().sum().backward()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


# ---- what is wrong is told, with the layer's name --------------------------------------------------------------------
@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: resnet.BasicBlock(0, 8), "conv1: in_channels must be at least 1; got 0"),
        (lambda: resnet.BasicBlock(8, 0), "conv1: filters must be at least 1; got 0"),
        (lambda: resnet.Bottleneck(8, -2), "conv1: filters must be at least 1; got -2"),
        (lambda: resnet.BasicBlock(8, 8, 0), "conv1: stride must be at least 1"),
        (lambda: resnet.BasicBlock(8, 16, shortcut="identity"), "skip: shortcut is 'projection' or 'padding'"),
        (lambda: resnet.BasicBlock(16, 8, shortcut="padding"), "skip: padding cannot make 8 channels of 16"),
        (lambda: resnet.SignsResNet(width=0), "stem: width must be at least 1"),
        (lambda: resnet.SignsResNet(blocks=0), "stage: count must be at least 1"),
        (lambda: resnet.SmallResNet(8, width=0), "stem: width must be at least 1"),
        (lambda: resnet.ResNet(18, classes=0), "classifier: classes must be at least 1"),
        (lambda: resnet.ResNet(20), "the table has no ResNet-20; choose one of 18, 34, 50, 101, 152"),
        (lambda: resnet.SmallResNet(10), "6n \\+ 2 layers, 8, 14, 20 …; got 10. Try 8 or 14"),
        (lambda: resnet.SmallResNet(2), "got 2. Try 8 or 14"),
        (lambda: resnet.initialise(nn.Linear(1, 1), "magic"), "he, xavier, torch, zero; got 'magic'"),
        (lambda: resnet.BasicBlock(8, 8)(torch.rand(1, 3, 8, 8)), "conv1 of this block takes 8 channels"),
        (lambda: resnet.BasicBlock(8, 8)(torch.rand(8, 8, 8)), r"\[N, 8, H, W\], and got \[8, 8, 8\]"),
    ],
)
def test_a_bad_number_is_refused_with_the_layer_s_name(call, sentence):
    with pytest.raises(ValueError, match=sentence):
        call()


def test_half_a_filter_is_refused():
    with pytest.raises(TypeError, match=r"conv1: filters must be a whole number of at least 1; got 2\.5"):
        resnet.BasicBlock(4, 2.5)


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        (lambda: resnet.ResNet(34, width=4).state_dict(), "stage1.2.conv1.weight is left over"),
        (lambda: resnet.ResNet(50, width=4).state_dict(), r"stage1.0.conv1.weight does not fit, \[4, 4, 3, 3\] here"),
        (lambda: resnet.ResNet(18, width=8).state_dict(), "stem.0.weight does not fit"),
        (lambda: resnet.ResNet(18, 10, width=4).state_dict(), r"classifier.weight does not fit, \[1000, 32\] here"),
        (lambda: resnet.ResNet(18, width=4, skip=False).state_dict(), "stage2.0.skip.0.weight is missing"),
        (lambda: models.resnet18(width_per_group=64).state_dict(), "stem.0.weight is missing"),
    ],
)
def test_the_weights_of_the_wrong_network_are_refused_with_the_layer_s_name(other, sentence):
    network = resnet.ResNet(18, width=4)
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with pytest.raises(ValueError, match=sentence):
        weights.load_weights(network, other())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
