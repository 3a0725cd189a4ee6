"""Occlusion: equal to Captum's, true to its definition; what all maps share is tested beside saliency."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from course_utils import signs, zoo
from course_utils.gradcam.saliency import _squares, occlusion

captum = pytest.importorskip("captum.attr", reason="captum is not installed")


@pytest.mark.parametrize(("window", "stride"), [(16, 8), (13, 5)])
def test_occlusion_is_captums(window, stride):
    network, made = zoo.load("signs-resnet", device="cpu"), signs.render(2, seed=5, device="cpu")
    with torch.no_grad():
        theirs = captum.Occlusion(network).attribute(
            made.images, (3, window, window), (3, stride, stride), 0.5, made.labels
        )
    ours = occlusion(network, made.images, made.labels, window=window, stride=stride)
    theirs = theirs[:, 0].clamp(min=0)  # where the square helps the class, ours is 0
    assert (ours - theirs).abs().max() <= 1e-5 * theirs.max()
    assert theirs.max() > 0


def test_occlusion_finds_the_only_pixels_that_count():
    class Corner(nn.Module):
        def forward(self, x):
            return torch.stack([x[:, :, :4, 4:].sum(dim=(1, 2, 3)), 0 * x[:, 0, 0, 0]], dim=1)

    x = torch.ones(1, 3, 8, 8)
    maps = occlusion(Corner(), x, 0, window=2, stride=2, fill=0.0)
    expected = torch.zeros(8, 8)
    expected[:4, 4:] = 12  # four pixels of three colours
    assert torch.equal(maps[0], expected)
    assert torch.equal(occlusion(Corner(), x, 1, window=2, stride=2), torch.zeros(1, 8, 8))


@given(st.integers(1, 9), st.integers(1, 9), st.integers(5, 12), st.integers(5, 12))
def test_the_squares_cover_every_pixel(window, stride, height, width):
    squares = _squares(height, width, window, min(stride, window), torch.device("cpu"))
    assert (squares.sum(dim=0) >= 1).all()
    assert squares.amax() == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"window": 3, "stride": 4}, "stride ≤ window"),
        ({"window": 0}, "window must be at least 1"),
        ({"fill": -1}, "fill is a brightness"),
    ],
)
def test_bad_options_are_told_in_one_sentence(options, words):
    with pytest.raises(ValueError, match=words):
        occlusion(nn.Sequential(nn.Flatten(), nn.Linear(192, 2)), torch.rand(2, 3, 8, 8), 1, **options)
