"""The sanity check: weights thrown away from the top down, and how alike two maps are, beside scipy's and skimage's."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from skimage.metrics import structural_similarity
from torch.utils._python_dispatch import TorchDispatchMode

from course_utils import runtime, signs, zoo
from course_utils.gradcam import saliency, sanity


def random(count=3, side=12, seed=0):
    return torch.rand(count, side, side, generator=runtime.generator(seed))


# ---- weights thrown away ---------------------------------------------------------------------------------------
def test_the_cascade_begins_at_the_logits():
    x = signs.render(1, seed=5, device="cpu").images
    resnet = sanity.cascade(zoo.load("signs-resnet", device="cpu"), x)
    assert resnet == ["classifier", "stage4", "stage3", "stage2", "stage1", "stem"]
    alexnet = sanity.cascade(zoo.load("signs-alexnet", device="cpu"), x)
    assert alexnet[:2] == ["classifier.5", "classifier.2"]
    assert alexnet[-1] == "features.0"


def test_randomise_changes_the_named_parts_of_a_copy_and_nothing_else():
    network = zoo.load("signs-resnet", device="cpu")
    before, state = copy.deepcopy(network.state_dict()), torch.get_rng_state()
    other = sanity.randomise(network, ["classifier", "stage4"], seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name])
        changed = not torch.equal(tensor, other.state_dict()[name])
        if name.startswith(("body.classifier", "body.stage4")) and tensor.ndim > 1:
            assert changed, name
        elif not name.startswith(("body.classifier", "body.stage4")):
            assert not changed, name
    again = sanity.randomise(network, ["classifier", "stage4"], seed=3)
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), again.parameters(), strict=True))
    another = sanity.randomise(network, ["classifier", "stage4"], seed=4)
    assert not torch.equal(another.body.classifier.weight, other.body.classifier.weight)


def test_a_network_without_its_weights_knows_nothing():
    network, made = zoo.load("signs-resnet", device="cpu"), signs.render(40, seed=5, device="cpu")
    empty = sanity.randomise(network, sanity.cascade(network, made.images))
    with torch.no_grad():
        right = (empty(made.images).argmax(dim=1) == made.labels).float().mean()
        assert (network(made.images).argmax(dim=1) == made.labels).float().mean() > 0.9
    assert right < 0.3
    with pytest.raises(ValueError, match="has no layer 'stage9'; did you mean 'stage"):
        sanity.randomise(network, ["stage9"])


maps_of = st.lists(st.integers(-2, 3), min_size=16, max_size=16).map(
    lambda numbers: torch.tensor(numbers, dtype=torch.float32).view(1, 4, 4)
)


# ---- how alike -------------------------------------------------------------------------------------------------
@given(maps_of, maps_of)
@settings(max_examples=40)
def test_rank_correlation_is_scipys(first, second):
    ours = float(sanity.rank_correlation(first, second))
    if len(first.unique()) == 1 or len(second.unique()) == 1:
        assert ours == 0
    else:
        assert ours == pytest.approx(stats.spearmanr(first.flatten(), second.flatten()).statistic, abs=1e-5)


def test_ssim_is_scikit_images_of_each_pair():
    first, second = random(3, 20, seed=1), random(3, 20, seed=2)
    second = 0.6 * first + 0.4 * second
    theirs = [structural_similarity(a.numpy(), b.numpy(), data_range=1.0) for a, b in zip(first, second, strict=True)]
    np.testing.assert_allclose(sanity.ssim(first, second).numpy(), theirs, atol=1e-5)
    torch.testing.assert_close(sanity.ssim(first, first), torch.ones(3))


@pytest.mark.parametrize("alike", [sanity.rank_correlation, sanity.ssim])
def test_maps_of_two_shapes_are_not_compared(alike):
    with pytest.raises(ValueError, match=r"first and second must have the same shape; got \[1, 8, 8\] and \[1, 9, 9\]"):
        alike(random(1, 8, seed=1), random(1, 9, seed=1))


class NoFloat64(TorchDispatchMode):
    """Refuses float64, as Apple's GPU does."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        output = operation(*args, **(kwargs or {}))
        if isinstance(output, torch.Tensor) and output.dtype == torch.float64:
            raise TypeError("this device has no float64")
        return output


@pytest.mark.parametrize("alike", [sanity.rank_correlation, sanity.ssim])
def test_maps_are_compared_on_a_device_without_float64(alike):
    first, second = random(2, 32, seed=1), random(2, 32, seed=1) ** 2 + 0.1 * random(2, 32, seed=2)
    exact = alike(first, second)
    with NoFloat64():
        torch.testing.assert_close(alike(first, second), exact, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", [torch.uint8, torch.int64, torch.bfloat16, torch.float64])
def test_maps_of_any_type_are_compared(kind):
    first = torch.arange(98).view(2, 7, 7).to(kind)
    for likeness in (sanity.rank_correlation, sanity.ssim):
        assert likeness(first, first).tolist() == pytest.approx([1.0, 1.0])
        assert likeness(first, first).dtype == torch.float32
    maps = torch.rand(2, 7, 7, requires_grad=True)
    assert sanity.ssim(maps, maps).tolist() == pytest.approx([1.0, 1.0])


# ---- the lesson's reasons ----------------------------------------------------------------------------------------
def test_what_guided_backprop_draws_hangs_on_the_first_stages_more_than_on_the_last():
    network = zoo.load("signs-resnet", device="cpu")
    scenes = signs.render(8, seed=61, device="cpu")
    before = saliency.guided_backprop(network, scenes.images, scenes.labels)

    def alike(part: str) -> float:
        maps = [
            saliency.guided_backprop(sanity.randomise(network, [part], seed), scenes.images, scenes.labels)
            for seed in (0, 1, 2)
        ]
        return sum(sanity.rank_correlation(before, one).mean().item() for one in maps) / 3

    first, last = max(alike("stem"), alike("stage1")), min(alike("stage4"), alike("classifier"))
    assert first < 0.8 < last - 0.05
