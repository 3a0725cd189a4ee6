"""The four networks of lesson 2: the same weights in the same places, and only their pooling differs."""

import pytest
import torch
from torch import nn

from course_utils import pooling, runtime
from course_utils.networks.pooled import KINDS, SignsPoolNet, blur2d


def test_the_blur_is_zhang_s_triangle():
    point = torch.zeros(1, 1, 5, 5)
    point[0, 0, 2, 2] = 16
    assert blur2d(point)[0, 0, 1:4, 1:4].tolist() == [[1, 2, 1], [2, 4, 2], [1, 2, 1]]
    assert blur2d(point).sum() == 16


def networks(size=2):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = {kind: SignsPoolNet(kind, classes=5).eval() for kind in KINDS}
    for network in made.values():
        network.load_state_dict(made["max"].state_dict())  # all four take the same weights
    return made


def test_the_four_networks_have_the_same_weights_and_sizes():
    for network in networks().values():
        assert network.features(torch.rand(1, 3, 64, 64)).shape == (1, 96, 4, 4)
        assert network(torch.rand(2, 3, 96, 96)).shape == (2, 5)


def test_without_pooling_a_stride_skips_what_the_others_look_at():
    """Convolve at every pixel, then keep every second one: that is what the fourth network does."""
    made = networks()
    x = torch.rand(1, 3, 32, 32, generator=runtime.generator(2))
    expected = x
    for layer in made["max"].features:
        expected = expected[..., ::2, ::2] if isinstance(layer, nn.MaxPool2d) else layer(expected)
    torch.testing.assert_close(made["stride"].features(x), expected)


@pytest.mark.parametrize("kind", ["max", "average", "blur"])
def test_the_networks_pool_as_the_lesson_does(kind):
    network = networks()[kind]
    x = torch.randn(2, 16, 12, 12, generator=runtime.generator(1))
    torch.testing.assert_close(network.features[3](x), pooling.pool2d(x, kind, 2, 2))


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="max, average, blur, stride; got 'median'"):
        SignsPoolNet("median")
