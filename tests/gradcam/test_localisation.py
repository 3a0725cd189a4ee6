"""Scores of heat maps: by their definitions, beside brute force and the peers, and on tables that can be made again."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import trapezoid
from scipy.ndimage import gaussian_filter
from skimage.metrics import structural_similarity
from torch.utils._python_dispatch import TorchDispatchMode

from course_utils import runtime, signs, zoo
from course_utils.gradcam import localisation, saliency


def grid(numbers) -> torch.Tensor:
    return torch.tensor(numbers, dtype=torch.float32).view(1, 4, 4)


maps_of = st.lists(st.integers(-2, 3), min_size=16, max_size=16).map(grid)
masks_of = st.lists(st.booleans(), min_size=16, max_size=16).filter(any).map(grid)


def random(count=3, side=12, seed=0):
    return torch.rand(count, side, side, generator=runtime.generator(seed))


# ---- against masks ---------------------------------------------------------------------------------------------
@given(maps_of, masks_of)
def test_the_scores_are_shares(maps, masks):
    for score in localisation.SCORES.values():
        assert 0 <= float(score(maps, masks)) <= 1


@given(masks_of)
def test_the_mask_itself_is_perfect_and_its_opposite_is_not(masks):
    for score in localisation.SCORES.values():
        assert float(score(masks, masks)) == 1
    if not masks.all():
        assert float(localisation.pointing_game(1 - masks, masks)) == 0
        assert float(localisation.energy_inside(1 - masks, masks)) == 0


@given(masks_of, st.sampled_from([0.0, -3.0, 7.0]))
def test_a_map_that_is_the_same_everywhere_scores_the_masks_share(masks, shade):
    for score in localisation.SCORES.values():
        torch.testing.assert_close(score(torch.full_like(masks, shade), masks), masks.mean(dim=(1, 2)))


@given(maps_of, masks_of, st.floats(0.1, 50))
def test_the_scale_of_a_map_does_not_matter(maps, masks, scale):
    for score in localisation.SCORES.values():
        torch.testing.assert_close(score(scale * maps, masks), score(maps, masks))


def test_pointing_game_by_hand():
    maps, masks = torch.zeros(3, 4, 4), torch.zeros(3, 1, 4, 4)
    masks[:, :, :2] = 1
    maps[0, 1, 3] = 1  # on the sign
    maps[1, 3, 3] = 1  # beside it
    maps[2, 0, 0] = maps[2, 3, 0] = maps[2, 3, 1] = 1  # three as hot, one of them on it
    torch.testing.assert_close(localisation.pointing_game(maps, masks), torch.tensor([1, 0, 1 / 3]))


def test_energy_inside_by_hand():
    maps, masks = torch.zeros(1, 4, 4), torch.zeros(1, 1, 4, 4)
    masks[:, :, 0] = 0.6  # more than half of the pixel
    masks[:, :, 1] = 0.4
    maps[0, 0, 0], maps[0, 1, 0], maps[0, 3, 3] = 3, 1, -8
    assert float(localisation.energy_inside(maps, masks)) == 0.75


@given(maps_of, masks_of)
@settings(max_examples=60)
def test_the_best_threshold_is_found(maps, masks):
    heat, inside = maps[0].clamp(min=0), masks[0] > 0.5
    cuts = [heat >= cut for cut in heat.unique()]
    best = max(float((cut & inside).sum() / (cut | inside).sum()) for cut in cuts)
    assert float(localisation.best_iou(maps, masks)) == pytest.approx(best)


def test_scores_are_those_of_the_single_maps():
    maps, masks = random(5), random(5, seed=1)[:, None]
    for score in localisation.SCORES.values():
        alone = torch.cat([score(maps[k : k + 1], masks[k : k + 1]) for k in range(5)])
        torch.testing.assert_close(score(maps, masks), alone)


@pytest.mark.parametrize("name", localisation.SCORES)
@pytest.mark.parametrize(
    ("maps", "masks", "error", "words"),
    [
        (torch.zeros(4, 4), torch.ones(4, 4), TypeError, r"tensor \[N, H, W\]"),
        ("map", torch.ones(1, 4, 4), TypeError, "got str"),
        (torch.zeros(1, 4, 4), torch.ones(1, 1, 5, 5), ValueError, r"one shape; got \[1, 4, 4\] and \[1, 5, 5\]"),
        (torch.full((1, 4, 4), float("nan")), torch.ones(1, 4, 4), ValueError, "NaN"),
        (torch.zeros(2, 4, 4), torch.stack([torch.ones(4, 4), torch.zeros(4, 4)]), ValueError, "no sign at all"),
    ],
)
def test_bad_input_is_told_in_one_sentence(name, maps, masks, error, words):
    with pytest.raises(error, match=words):
        localisation.SCORES[name](maps, masks)


# ---- against the network ---------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def network():
    return zoo.load("signs-resnet", device="cpu")


@pytest.fixture(scope="module")
def scenes():
    return signs.render(6, seed=5, device="cpu")


def test_the_ends_of_the_walks(network, scenes):
    maps = random(6, 64)
    with torch.no_grad():
        grey = torch.full_like(scenes.images, 0.5)
        sure, blind = (saliency.score(network(x), scenes.labels, "probability") for x in (scenes.images, grey))
        blurred = localisation.blurred(scenes.images, 6.4)
        dim = saliency.score(network(blurred), scenes.labels, "probability")
    gone = localisation.deletion(network, scenes.images, maps, scenes.labels, steps=5)
    come = localisation.insertion(network, scenes.images, maps, scenes.labels, steps=5)
    assert gone.shape == come.shape == (6, 6)
    for found, expected in ((gone[:, 0], sure), (gone[:, -1], blind), (come[:, 0], dim), (come[:, -1], sure)):
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_the_hottest_pixels_go_first(scenes):
    class Counts(torch.nn.Module):
        """The class is as likely as its corner is still white."""

        def forward(self, x):
            share = x[:, :, :2, :2].mean(dim=(1, 2, 3)).clamp(0.01, 0.99)
            return torch.stack([share.log(), (1 - share).log()], dim=1)

    x, maps = torch.ones(1, 3, 4, 4), torch.zeros(1, 4, 4)
    maps[0, :2, :2] = 1
    first = localisation.deletion(Counts(), x, maps, 0, steps=4)
    last = localisation.deletion(Counts(), x, -maps, 0, steps=4)
    torch.testing.assert_close(first, torch.tensor([[0.99, 0.5, 0.5, 0.5, 0.5]]))
    torch.testing.assert_close(last, torch.tensor([[0.99, 0.99, 0.99, 0.99, 0.5]]))
    assert float(localisation.area(first)) < float(localisation.area(last))


def test_equally_hot_pixels_go_in_a_random_order_that_a_seed_gives_again(network, scenes):
    flat = torch.zeros(6, 64, 64)
    one, again, other = (
        localisation.deletion(network, scenes.images, flat, scenes.labels, steps=4, seed=seed) for seed in (0, 0, 1)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_map_of_the_sign_is_deleted_sooner_than_its_opposite(network, scenes):
    masks = scenes.masks[:, 0]
    on, off = (
        localisation.area(localisation.deletion(network, scenes.images, maps, scenes.labels))
        for maps in (masks, -masks)
    )
    assert (on < off).all()


def test_area_is_the_trapezoid_rule():
    curves = random(4, 9)[:, 0]
    expected = trapezoid(curves.numpy(), dx=1 / 8, axis=1)
    np.testing.assert_allclose(localisation.area(curves).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("maps", "steps", "error", "words"),
    [
        (torch.zeros(6, 8, 8), 4, ValueError, r"maps must be \[6, 64, 64\]"),
        ("map", 4, ValueError, "got str"),
        (torch.zeros(6, 64, 64), 0, ValueError, "steps must be at least 1"),
    ],
)
def test_a_walk_refuses_what_does_not_fit(network, scenes, maps, steps, error, words):
    for walk in (localisation.deletion, localisation.insertion):
        with pytest.raises(error, match=words):
            walk(network, scenes.images, maps, scenes.labels, steps=steps)


def test_blurred_keeps_the_mean_of_what_is_flat_and_equals_scipys():
    flat = torch.full((1, 3, 20, 20), 0.3)
    torch.testing.assert_close(localisation.blurred(flat, 2.0), flat)
    x = random(2, 24)[:, None]
    theirs = np.stack([gaussian_filter(one[0].numpy(), 2.0, mode="nearest", radius=5) for one in x])
    np.testing.assert_allclose(localisation.blurred(x, 2.0)[:, 0].numpy(), theirs, atol=1e-6)


# ---- how alike -------------------------------------------------------------------------------------------------
@given(maps_of, maps_of)
@settings(max_examples=40)
def test_rank_correlation_is_scipys(first, second):
    ours = float(localisation.rank_correlation(first, second))
    if len(first.unique()) == 1 or len(second.unique()) == 1:
        assert ours == 0
    else:
        assert ours == pytest.approx(stats.spearmanr(first.flatten(), second.flatten()).statistic, abs=1e-5)


def test_ssim_is_scikit_images():
    first, second = random(3, 20, seed=1), random(3, 20, seed=2)
    second = 0.6 * first + 0.4 * second
    theirs = [structural_similarity(a.numpy(), b.numpy(), data_range=1.0) for a, b in zip(first, second, strict=True)]
    # It leaves out a border where the window looks beyond the picture, as ours does.
    np.testing.assert_allclose(localisation.ssim(first, second).numpy(), theirs, atol=1e-5)
    torch.testing.assert_close(localisation.ssim(first, first), torch.ones(3))


class NoFloat64(TorchDispatchMode):
    """Refuses float64, as Apple's GPU does."""

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        output = operation(*args, **(kwargs or {}))
        if isinstance(output, torch.Tensor) and output.dtype == torch.float64:
            raise TypeError("this device has no float64")
        return output


@pytest.mark.parametrize("alike", [localisation.rank_correlation, localisation.ssim])
def test_maps_are_compared_on_a_device_without_float64(alike, monkeypatch):
    first, second = random(2, 32, seed=1), random(2, 32, seed=1) ** 2 + 0.1 * random(2, 32, seed=2)
    exact = alike(first, second)
    with pytest.raises(TypeError, match="no float64"), NoFloat64():
        alike(first, second)
    monkeypatch.setattr(runtime, "exact_dtype", lambda where: torch.float32)
    with NoFloat64():
        torch.testing.assert_close(alike(first, second), exact, atol=1e-4, rtol=0)
