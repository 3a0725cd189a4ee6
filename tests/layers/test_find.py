"""Layers by their names, and those with maps over places."""

import warnings

import pytest
import torch
import torchvision
from torch import nn

from course_utils import zoo
from course_utils.layers import find
from course_utils.layers.find import outer_layers, spatial_layers


@pytest.fixture(scope="module")
def resnet():
    return zoo.load("signs-resnet", device="cpu")


# ---- one by its name -------------------------------------------------------------------------------------------
def test_a_layer_has_a_name_with_body_or_without_or_is_given_itself(resnet):
    wanted = resnet.body.stage3
    for layer in ("stage3", "body.stage3", wanted):
        assert find.layer_of(resnet, layer) is wanted
        assert find.name_of(resnet, layer) == "body.stage3"
    assert find.layer_of(resnet.body, "stage3") is wanted
    assert find.name_of(resnet.body, "stage3") == "stage3"


def test_every_layer_is_found_by_the_name_that_torch_gives_it(resnet):
    for name, module in resnet.named_modules():
        if name:
            assert find.layer_of(resnet, name) is module


@pytest.mark.parametrize(
    ("layer", "error", "words"),
    [
        ("stage9", ValueError, r"^signs-resnet has no layer 'stage9'; did you mean 'stage\d'\? There are stem, stage1"),
        ("xyz", ValueError, "no layer 'xyz'; there are stem, .*classifier, and the parts of these, such as 'stem.0'.$"),
        ("", ValueError, "no layer ''"),
        (nn.Conv2d(3, 3, 3), ValueError, "this Conv2d is no layer of this network"),
        (3, TypeError, "layer is a layer of the network or its name, such as 'stage3'; got 3"),
        (None, TypeError, "got None"),
    ],
)
def test_a_layer_that_is_not_there_is_told_with_those_that_are(resnet, layer, error, words):
    for finder in (find.layer_of, find.name_of):
        with pytest.raises(error, match=words) as caught:
            finder(resnet, layer)
        assert str(caught.value).endswith(".")


def test_a_network_without_a_name_or_without_inner_parts_is_told_about_too():
    with pytest.raises(ValueError, match=r"^this network has no layer 'conv'; there are 0, 1\.$"):
        find.layer_of(nn.Sequential(nn.Flatten(), nn.Linear(3, 3)), "conv")


# ---- those with maps -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "layer"),
    [("signs-alexnet", "features.11"), ("signs-resnet", "stage4"), ("signs-inception", "inception_d"),
     ("efficientnet-lite0", "head")],
)  # fmt: skip
def test_the_last_layer_is_the_one_before_the_pooling(name, layer):
    assert find.last_layer(zoo.load(name, device="cpu")) == layer


@pytest.mark.parametrize(
    ("name", "layer"),
    [("alexnet", "features.11"), ("resnet18", "layer4"), ("mobilenet_v2", "features"),
     ("googlenet", "inception5b")],
)  # fmt: skip
def test_the_last_layer_of_torchvisions(name, layer):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        network = getattr(torchvision.models, name)(weights=None).eval()
    assert find.last_layer(network, torch.zeros(1, 3, 224, 224)) == layer


def test_the_layers_are_listed_in_the_order_of_computation(resnet):
    every, outer = find.spatial_layers(resnet), find.outer_layers(resnet)
    assert list(outer) == ["stem", "stage1", "stage2", "stage3", "stage4"]
    assert outer["stage4"] == (128, 4, 4)
    assert every["pool"] == (128, 1, 1)
    assert "classifier" not in every
    assert next(iter(find.outer_layers(zoo.load("signs-alexnet", device="cpu")))) == "features.0"


def test_a_part_in_which_the_maps_shrink_more_than_once_is_opened():
    outer = find.outer_layers(zoo.load("efficientnet-lite0", device="cpu"))
    assert list(outer) == ["stem", *(f"stages.{k}" for k in range(7)), "head"]
    assert [size[1] for size in outer.values()] == [112, 112, 56, 28, 14, 14, 7, 7, 7]
    assert outer["head"] == (1280, 7, 7)


def test_a_layer_that_is_used_twice_stands_at_its_last_use():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.shrink, self.conv, self.input_size = nn.MaxPool2d(2), nn.Conv2d(3, 5, 1), 8

        def forward(self, x):
            return self.shrink(self.conv(self.shrink(x)))

    assert list(find.spatial_layers(Twice()).items()) == [
        ("conv", (5, 4, 4)),
        ("shrink", (5, 2, 2)),
    ]


def test_a_network_without_maps_or_of_an_unknown_size_is_told_so():
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3))
    with pytest.raises(ValueError, match="no layer with maps over places"):
        find.last_layer(network, torch.zeros(2, 3, 8, 8))
    with pytest.raises(ValueError, match="give a batch"):
        find.last_layer(network)


def test_listing_leaves_the_network_as_it_was_also_after_an_error():
    class Breaks(nn.Module):
        def forward(self, x):
            raise RuntimeError("the tail broke")

    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Dropout(), Breaks()).train()
    network.input_size = 8
    with pytest.raises(RuntimeError, match="the tail broke"):
        find.spatial_layers(network)
    assert not any(layer._forward_hooks for layer in network.modules())
    assert all(layer.training for layer in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())


def test_a_bare_network_shows_its_layers_when_it_is_given_pictures():
    network = nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU())
    with pytest.raises(ValueError, match="give a batch"):
        spatial_layers(network)
    assert spatial_layers(network, torch.zeros(1, 3, 8, 8)) == {"0": (2, 6, 6), "1": (2, 6, 6)}
    assert list(outer_layers(network, torch.zeros(1, 3, 8, 8))) == ["0", "1"]
