"""Scores of heat maps against masks: by their definitions and beside brute force."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import runtime
from course_utils.gradcam import localisation


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
