"""1×1 convolution against torch's own, and how well a channel finds a sign."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import conv2d

from course_utils import conv1x1, runtime, signs
from course_utils.conv1x1 import as_matrix, share_on_object


def numbers(*shape, seed=0):
    return torch.randn(shape, generator=runtime.generator(seed), dtype=torch.float64)


@given(*[st.integers(1, 5)] * 5, st.booleans(), st.integers(0, 99))
def test_equals_torch_s_convolution_in_values_and_in_gradients(batch, before, after, height, width, biased, seed):
    given = [numbers(batch, before, height, width, seed=seed), numbers(after, before, seed=seed + 1)]
    given += [numbers(after, seed=seed + 2)] if biased else []
    given = [value.requires_grad_() for value in given]
    ours = conv1x1.conv1x1(*given)
    theirs = conv2d(given[0], given[1][:, :, None, None], *given[2:])
    assert torch.allclose(ours, theirs)
    push = numbers(*theirs.shape, seed=seed + 3)
    for one, other in zip(
        torch.autograd.grad(ours, given, push), torch.autograd.grad(theirs, given, push), strict=True
    ):
        assert torch.allclose(one, other)


def test_equals_a_linear_layer_at_every_pixel_and_takes_torch_s_weights():
    layer, linear, maps = nn.Conv2d(3, 5, 1), nn.Linear(3, 5), torch.rand(2, 3, 4, 6)
    linear.load_state_dict({"weight": as_matrix(layer), "bias": layer.bias.detach()})
    mixed = conv1x1.conv1x1(maps, layer.weight, layer.bias)
    assert torch.allclose(mixed, layer(maps), atol=1e-6)
    assert torch.allclose(mixed.movedim(1, -1), linear(maps.movedim(1, -1)), atol=1e-6)


def test_a_pixel_knows_nothing_of_its_neighbours():
    maps, weight = numbers(1, 3, 5, 5).requires_grad_(), numbers(4, 3, seed=1)
    (gradient,) = torch.autograd.grad(conv1x1.conv1x1(maps, weight)[0, :, 2, 3].sum(), maps)
    assert gradient[0].abs().sum(dim=0).nonzero().tolist() == [[2, 3]]


@pytest.mark.parametrize(
    ("given", "trouble", "words"),
    [
        ((torch.ones(1, 3, 4, 4, dtype=torch.uint8), torch.ones(2, 3)), TypeError, "maps holds uint8.*float"),
        ((torch.ones(1, 3, 4, 4), torch.ones(2, 3, dtype=torch.long)), TypeError, "weight holds int64"),
        (([[1.0]], torch.ones(2, 3)), TypeError, "maps is a tensor"),
        ((torch.ones(3, 4, 4), torch.ones(2, 3)), ValueError, r"maps has the shape \[N, C, H, W\]; got \[3, 4, 4\]"),
        ((torch.ones(0, 3, 4, 4), torch.ones(2, 3)), ValueError, r"maps of shape \[0, 3, 4, 4\] is empty"),
        ((torch.ones(1, 3, 4, 4), torch.ones(2, 4)), ValueError, "4 columns and the maps 3 channels"),
        ((torch.ones(1, 3, 4, 4), torch.ones(2, 3, 3, 3)), ValueError, r"weight has the shape \[C', C\]"),
        ((torch.ones(1, 3, 4, 4), torch.ones(2, 3), torch.ones(3)), ValueError, "2 new channels and 3 biases"),
    ],
)
def test_what_does_not_fit_is_said_in_one_sentence(given, trouble, words):
    with pytest.raises(trouble, match=words) as told:
        conv1x1.conv1x1(*given)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("layer", [nn.Conv2d(3, 4, 3), nn.Linear(3, 4), nn.Conv2d(4, 4, 1, groups=2)])
def test_what_is_no_matrix_is_refused(layer):
    with pytest.raises(ValueError, match="only a 1×1 convolution is one matrix"):
        as_matrix(layer)


def test_the_share_on_an_object_is_1_on_the_object_0_beside_it_and_the_covered_share_at_random():
    mask = torch.zeros(40, 40)
    mask[10:30, 5:25] = 1
    assert share_on_object(mask, mask) == 1
    assert share_on_object(-mask, mask) == 0
    assert abs(share_on_object(torch.rand(40, 40, generator=runtime.generator(0)), mask) - 0.25) < 0.05
    assert share_on_object(torch.zeros(40, 40), mask) == 0.25  # all alike: as good as chance, wherever the object lies
    with pytest.raises(ValueError, match="shows no object"):
        share_on_object(mask, 0 * mask)
    with pytest.raises(ValueError, match="alike"):
        share_on_object(mask[:5], mask)


def test_what_the_red_filter_misses_is_white():
    """What the lesson says of its first picture: the letters, where green is nearly as strong as red."""
    scene = signs.render([signs.STOP], size=128, seed=5, device="cpu")
    (red, green, blue), there = scene.images[0], scene.masks[0, 0] > 0.5
    channel = red - green / 2 - blue / 2
    missed = there & (channel < channel.flatten().topk(int(there.sum())).values[-1])
    assert 0.05 < missed.sum() / there.sum() < 0.2
    assert (green > 0.6 * red)[missed].float().mean() > 0.95
    assert (green > 0.6 * red)[there & ~missed].float().mean() < 0.3


@pytest.mark.parametrize("first", [1000, 2000])
def test_light_decides_whether_red_finds_a_sign_and_weights_that_add_to_0_do_not_mind(first):
    """The lesson's control on other scenes: the sign darker, then its surroundings darker, all else the same."""
    scenes = [signs.render([signs.STOP], size=64, seed=first + seed, device="cpu") for seed in range(20)]
    pictures, masks = (torch.cat([getattr(scene, part) for scene in scenes]) for part in ("images", "masks"))
    less = 2 ** (-3 / 2.2)  # three stops

    def median(light, *row):
        channels = conv1x1.conv1x1(pictures * light, torch.tensor([row]))[:, 0]
        shares = [share_on_object(*pair) for pair in zip(channels, masks[:, 0], strict=True)]
        return float(torch.tensor(shares).median())

    dark_sign, dark_street, as_it_is = 1 - masks + masks * less, masks + (1 - masks) * less, torch.ones(1)
    red, mixture, between = (1.0, 0.0, 0.0), (1.0, -0.5, -0.5), (1.0, -0.25, -0.25)
    assert median(dark_sign, *red) < 0.35 < median(as_it_is, *red) < 0.9 < median(dark_street, *red)
    assert median(dark_sign, *mixture) > median(as_it_is, *mixture) - 0.15
    assert median(dark_sign, *between) < median(as_it_is, *between) - 0.3
