"""The first layer of a network: its answers are its own convolution's, and the network stays as it was."""

import pytest
import torch

from course_utils import signs, zoo
from course_utils.history import first_layer, learning_curve


def test_the_answers_are_the_first_convolution_s():
    scenes = signs.render([signs.STOP], seed=4, device="cpu").images
    body = learning_curve.small_network(seed=0)
    network = zoo.PixelNetwork(body, name="small", class_names=signs.CLASS_NAMES, input_size=64).train()
    answers = first_layer.answers(network, scenes)
    with torch.no_grad():
        expected = network.body[0]((scenes - 0.5) / 0.5)[0].relu()
    assert torch.allclose(answers, expected)
    assert network.training
    assert not network.body[0]._forward_hooks
    assert first_layer.filters(network).shape == (16, 3, 5, 5)


def test_purity_is_the_share_of_one_pattern_in_one_colour():
    draw = torch.Generator().manual_seed(0)
    colours, patterns = torch.randn(8, 3, 1, 1, generator=draw), torch.randn(8, 1, 5, 5, generator=draw)
    assert torch.allclose(first_layer.purity(colours * patterns), torch.ones(8))
    three = torch.zeros(1, 3, 3, 3)
    three[0, [0, 1, 2], [0, 1, 2], 0] = 1.0  # three patterns alike strong, each in a colour of its own
    assert first_layer.purity(three).item() == pytest.approx(1 / 3)
    assert first_layer.purity(torch.zeros(2, 3, 3, 3)).tolist() == [0, 0]


@pytest.mark.parametrize(("side", "share"), [(3, 0.57), (5, 0.47)])
def test_random_weights_have_the_purity_that_is_told(side, share):
    weights = torch.randn(4000, 3, side, side, generator=torch.Generator().manual_seed(1))
    assert first_layer.purity(weights).median().item() == pytest.approx(share, abs=0.02)
    assert first_layer.purity(weights).min() >= 1 / 3


def test_a_network_without_a_convolution_is_told():
    with pytest.raises(ValueError, match="no convolution that looks at red, green and blue"):
        first_layer.filters(torch.nn.Linear(3, 3))


def test_one_picture_at_a_time_is_told():
    with pytest.raises(ValueError, match=r"one picture \[1, C, H, W\] .*; got \[2, 3, 64, 64\]"):
        first_layer.answers(learning_curve.small_network(seed=0), torch.zeros(2, 3, 64, 64))
