"""The baselines: maps like any other that know nothing of the network, or of its training."""

import numpy as np
import pytest
import torch
from skimage.filters import sobel_h, sobel_v

from course_utils import gradcam, runtime, signs, zoo
from course_utils.gradcam import comparison


@pytest.fixture(scope="module")
def network():
    return zoo.load("signs-resnet", device="cpu")


@pytest.fixture(scope="module")
def scenes():
    return signs.render(6, seed=5, device="cpu")


@pytest.mark.parametrize("name", comparison.BASELINES)
def test_a_baseline_is_a_map_like_any_other(name, network, scenes):
    maps = comparison.BASELINES[name](network, scenes.images, scenes.labels)
    assert maps.shape == (6, 64, 64)
    assert maps.isfinite().all()
    assert maps.min() >= 0
    assert torch.equal(maps, comparison.BASELINES[name](network, scenes.images, scenes.labels))


def test_the_centre_is_in_the_centre_and_edges_are_at_edges(network):
    x = torch.zeros(1, 3, 16, 16)
    x[..., 8:] = 1
    centre = comparison.centre(network, x, None)
    assert centre[0, 7:9, 7:9].min() == centre.max()
    edges = comparison.sobel_edges(network, x, None)
    assert (edges[0, :, 7:9] > 0).all()
    assert not edges[0, :, :6].any()
    assert not edges[0, :, 11:].any()


def test_sobel_is_scikit_images(network):
    x = torch.rand(1, 1, 20, 20, generator=runtime.generator(0)).expand(-1, 3, -1, -1)
    grey = x[0, 0].numpy().astype(float)
    theirs = 4 * np.hypot(sobel_h(grey), sobel_v(grey))
    ours = comparison.sobel_edges(network, x, None)[0].numpy()
    np.testing.assert_allclose(ours[1:-1, 1:-1], theirs[1:-1, 1:-1], atol=1e-5)


def test_the_untrained_network_is_another_one_and_leaves_the_trained_one_alone(network, scenes):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    maps = comparison.untrained(network, scenes.images, scenes.labels)
    assert not torch.allclose(maps, gradcam.gradcam(network, scenes.images, scenes.labels))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())
