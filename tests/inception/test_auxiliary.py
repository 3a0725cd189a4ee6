"""The gradients with and without the two auxiliary classifiers are those of the weighted losses; nothing changes."""

import pytest
import torch
from torch import nn

from course_utils import inception, runtime
from course_utils.inception import auxiliary


@pytest.fixture(scope="module")
def googlenet():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return inception.GoogLeNet(5)


def test_without_normalisation_is_a_copy_with_the_same_filters(googlenet):
    bare = auxiliary.remove_norm(googlenet)
    assert not any(isinstance(part, nn.BatchNorm2d) for part in bare.modules())
    assert any(isinstance(part, nn.BatchNorm2d) for part in googlenet.modules())
    assert torch.equal(bare.inception_4a.conv_5x5[1][0].weight, googlenet.inception_4a.conv_5x5[1][0].weight)
    assert bare.inception_4a.conv_5x5[1][0].weight is not googlenet.inception_4a.conv_5x5[1][0].weight
    drawn = auxiliary.initialise_xavier(googlenet)
    weight = drawn.inception_4a.conv_5x5[1][0].weight
    assert weight.std().item() == pytest.approx((2 / (25 * (16 + 48))) ** 0.5, rel=0.05)
    assert torch.equal(weight, auxiliary.initialise_xavier(googlenet).inception_4a.conv_5x5[1][0].weight)


def test_the_gradients_are_those_of_the_weighted_losses_and_nothing_changes(googlenet):
    images, labels = torch.randn(2, 3, 224, 224, generator=runtime.generator(0)), torch.tensor([0, 3])
    before = {name: value.clone() for name, value in googlenet.state_dict().items()}
    found = auxiliary.gradient_norms(googlenet, images, labels, weight=0.5)
    assert list(found) == list(auxiliary.ROWS)
    assert all(torch.equal(value, before[name]) for name, value in googlenet.state_dict().items())
    assert all(value.grad is None for value in googlenet.parameters())
    assert any(part.p for part in googlenet.modules() if isinstance(part, nn.Dropout))
    alone = auxiliary.gradient_norms(googlenet, images, labels, weight=0)
    for row in ("inception_4e", "inception_5a", "inception_5b", "linear"):  # behind both classifiers
        assert found[row] == pytest.approx(alone[row], rel=1e-4)
    assert found["inception_4a"] != pytest.approx(alone["inception_4a"], rel=1e-4)


def test_a_network_without_the_two_classifiers_is_refused():
    with pytest.raises(ValueError, match="no auxiliary classifiers; build it with aux=True"):
        auxiliary.gradient_norms(inception.GoogLeNet(5, aux=False), torch.zeros(1, 3, 224, 224), torch.tensor([0]))


def test_another_network_is_refused():
    with pytest.raises(TypeError, match=r"must be the course's GoogLeNet.*; got Linear"):
        auxiliary.gradient_norms(nn.Linear(3, 2), torch.zeros(1, 3, 224, 224), torch.tensor([0]))
