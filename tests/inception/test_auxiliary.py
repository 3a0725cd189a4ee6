"""The gradients with and without the two auxiliary classifiers are those of the weighted losses; nothing changes."""

import copy

import pytest
import torch
from torch import nn

from course_utils import inception, runtime, signs
from course_utils.inception import auxiliary, timing


@pytest.fixture(scope="module")
def googlenet():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return inception.GoogLeNet(5)


def test_the_first_weights_of_2014_are_as_wide_as_xavier_says_and_leave_the_network_alone(googlenet):
    before = googlenet.inception_4a.conv_5x5[1][0].weight.clone()
    drawn = auxiliary.initialise_xavier(googlenet)
    weight = drawn.inception_4a.conv_5x5[1][0].weight
    assert weight.std().item() == pytest.approx((2 / (25 * (16 + 48))) ** 0.5, rel=0.05)
    assert torch.equal(weight, auxiliary.initialise_xavier(googlenet).inception_4a.conv_5x5[1][0].weight)
    assert torch.equal(before, googlenet.inception_4a.conv_5x5[1][0].weight)


def test_the_gradients_are_those_of_the_weighted_losses_and_nothing_changes(googlenet):
    images, labels = torch.randn(2, 3, 224, 224, generator=runtime.generator(0)), torch.tensor([0, 3])
    before = {name: value.clone() for name, value in googlenet.state_dict().items()}
    found = auxiliary.gradient_norms(googlenet, images, labels, weight=0.5)
    assert list(found.maps) == list(found.filters) == list(auxiliary.ROWS)
    assert all(torch.equal(value, before[name]) for name, value in googlenet.state_dict().items())
    assert all(value.grad is None for value in googlenet.parameters())
    assert any(part.p for part in googlenet.modules() if isinstance(part, nn.Dropout))
    alone = auxiliary.gradient_norms(googlenet, images, labels, weight=0)
    for with_both, without in zip(found, alone, strict=True):  # by the maps, by the filters
        for row in ("inception_4e", "inception_5a", "inception_5b", "linear"):  # behind both classifiers
            assert with_both[row] == pytest.approx(without[row], rel=1e-4)
        assert with_both["inception_4a"] != pytest.approx(without["inception_4a"], rel=1e-4)


def test_the_last_row_s_gradient_is_that_of_the_cross_entropy(googlenet):
    """By the logits it is (softmax - one-hot) / N, whatever the network."""
    images, labels = torch.randn(2, 3, 224, 224, generator=runtime.generator(0)), torch.tensor([0, 3])
    asked = copy.deepcopy(googlenet).train()
    for part in asked.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
    with torch.no_grad():
        logits = asked(images).logits
    expected = (logits.softmax(dim=1) - nn.functional.one_hot(labels, 5)) / 2
    found = auxiliary.gradient_norms(googlenet, images, labels, weight=0).maps["linear"]
    assert found == pytest.approx(expected.norm().item(), rel=1e-3)


@pytest.mark.parametrize("seed", [1, 2])  # the lesson's own is 0
def test_what_the_lesson_says_of_the_two_classifiers_holds_for_other_first_weights(seed):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        modern = inception.GoogLeNet(20)
    scenes = signs.render([0, 10], size=224, seed=seed, device="cpu")
    images = (scenes.images - 0.42) / 0.27

    def arrives(network, weight):
        return auxiliary.gradient_norms(network, images, scenes.labels, weight=weight)

    bare = timing.remove(modern, nn.BatchNorm2d)
    alone, both = arrives(bare, 0), arrives(bare, auxiliary.WEIGHT)
    assert alone.maps["linear"] / alone.maps["conv1"] > 1e5  # it fades on its way …
    assert max(alone.filters.values()) / min(alone.filters.values()) < 30  # … and by the filters one would not see it
    assert 30 < both.maps["conv1"] / alone.maps["conv1"] < 300
    xavier = auxiliary.initialise_xavier(bare)
    assert 1.5 < arrives(xavier, auxiliary.WEIGHT).maps["conv1"] / arrives(xavier, 0).maps["conv1"] < 3.5
    normal, more = arrives(modern, 0), arrives(modern, auxiliary.WEIGHT)
    assert normal.maps["conv1"] > normal.maps["inception_5b"]  # with normalisation it does not fade
    assert 0.9 < more.maps["conv1"] / normal.maps["conv1"] < 1.2


def test_a_network_without_the_two_classifiers_is_refused():
    with pytest.raises(ValueError, match="no auxiliary classifiers; build it with aux=True"):
        auxiliary.gradient_norms(inception.GoogLeNet(5, aux=False), torch.zeros(1, 3, 224, 224), torch.tensor([0]))


def test_another_network_is_refused():
    with pytest.raises(TypeError, match=r"must be the course's GoogLeNet.*; got Linear"):
        auxiliary.gradient_norms(nn.Linear(3, 2), torch.zeros(1, 3, 224, 224), torch.tensor([0]))
