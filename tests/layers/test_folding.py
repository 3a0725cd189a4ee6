"""Batch normalisation folded away: the same answers, or the same network."""

import copy

import pytest
import torch
from torch import nn

from course_utils import zoo
from course_utils.layers.folding import fold


class Small(nn.Module):
    """Two convolutions with their normalisations and a ReLU in place that is used twice."""

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 6, 3, stride=2, padding=1)
        self.norm2 = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.linear = nn.Linear(6 * 36, 4)

    def forward(self, x):
        x = self.relu(self.norm1(self.conv1(x)))
        x = self.relu(self.norm2(self.conv2(x)))
        return self.linear(x.flatten(1))


class Twice(nn.Module):
    """The convolution's answer goes on beside its normalisation: folding would change it."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.last = nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 1)

    def forward(self, x):
        x = self.conv(x)
        return self.last(x + self.norm(x))


@pytest.fixture
def network() -> Small:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Small()
        for _ in range(20):
            network(torch.rand(16, 3, 12, 12))  # fills the running statistics
    return network.eval()


def noise(count, size):
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(2))


def test_the_folded_copy_answers_as_the_network_does():
    resnet = zoo.load("signs-resnet", device="cpu")
    lean, images = fold(resnet, noise(1, 64)), noise(4, 64)
    assert nn.BatchNorm2d not in [type(module) for module in lean.modules()]
    torch.testing.assert_close(lean(images), resnet(images), rtol=1e-3, atol=1e-3)
    assert sum(isinstance(module, nn.BatchNorm2d) for module in resnet.modules()) == 20


def test_what_cannot_be_folded_comes_back_as_it_is(network):
    alexnet, twice = zoo.load("signs-alexnet", device="cpu"), Twice().eval()
    assert fold(alexnet, noise(1, 64)) is alexnet
    network.norm1 = nn.Identity()
    assert fold(network, noise(1, 12), spared=["conv2"]) is network
    twice.norm.running_mean += 1
    assert fold(twice, noise(1, 12)) is twice


def test_what_is_spared_answers_as_it_did(network):
    lean, images = fold(network, noise(1, 12), spared=["conv1"]), noise(2, 12)
    assert [type(lean.norm1), type(lean.norm2)] == [nn.BatchNorm2d, nn.Identity]
    assert torch.equal(lean.conv1(images), network.conv1(images))
    torch.testing.assert_close(lean(images), network(images), rtol=1e-4, atol=1e-5)


def test_a_trial_that_ends_early_counts_as_far_as_it_came(network):
    lean = fold(network, noise(1, 20))  # too large for the linear layer
    assert [type(lean.norm1), type(lean.norm2)] == [nn.Identity] * 2
    torch.testing.assert_close(lean(noise(2, 12)), network(noise(2, 12)), rtol=1e-4, atol=1e-5)


def test_the_network_is_left_as_it_was(network):
    network.train()
    before = copy.deepcopy(network.state_dict())
    fold(network, noise(1, 12))
    assert all(module.training and not module._forward_hooks for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
