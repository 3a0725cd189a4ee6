"""Pictures as pixels or Fourier coefficients: there and back, inside [0, 1], and moved as it is said."""

import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils import signs
from course_utils.runtime import generator
from course_utils.visualization import canvas as p
from course_utils.visualization.recipes import NAIVE

SIZES = st.tuples(st.integers(2, 17), st.integers(2, 17))


def pictures(count, size, seed=0, low=0.05, high=0.95):
    return low + (high - low) * torch.rand(count, 3, *size, generator=generator(seed), dtype=torch.float64)


@settings(max_examples=20, deadline=None)
@given(SIZES, st.booleans(), st.integers(0, 99))
def test_fourier_coefficients_give_the_picture_back(size, decorrelated, seed):
    start = pictures(2, size, seed)
    torch.testing.assert_close(p.Fourier(start, decorrelated).images(), start, rtol=0, atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(SIZES, st.booleans(), st.integers(0, 99))
def test_pixels_give_the_picture_back(size, decorrelated, seed):
    start = pictures(2, size, seed)
    torch.testing.assert_close(p.Pixels(start, decorrelated).images(), start, rtol=0, atol=1e-9)


def test_decorrelated_colours_can_be_undone():
    colours = pictures(3, (5, 4)) * 8 - 4
    torch.testing.assert_close(p.from_decorrelated(p.to_decorrelated(colours)), colours)
    torch.testing.assert_close(p.to_decorrelated(p.from_decorrelated(colours)), colours)


def test_the_colours_are_those_of_our_scenes_and_decorrelate_them():
    """The constants come from 1000 scenes; 200 others agree."""
    pixels = signs.render(200, seed=1, device="cpu").images
    values = p.to_decorrelated(pixels - 0.5).movedim(1, -1).reshape(-1, 3)
    correlation = torch.corrcoef(values.T)
    assert (correlation - torch.eye(3)).abs().max() < 0.15
    plain = torch.corrcoef((pixels - 0.5).movedim(1, -1).reshape(-1, 3).T)
    assert plain[0, 1] > 0.7  # red and green rise and fall together
    assert plain[1, 2] > 0.7
    deviations = values.std(dim=0)
    assert deviations.max() / deviations.min() < 1.3  # and each direction counts alike


@pytest.mark.parametrize("decorrelated", [False, True])
def test_pixels_that_left_are_brought_back(decorrelated):
    pixels = p.Pixels(pictures(2, (6, 5)), decorrelated)
    inside = pixels.images().detach().clone()
    with torch.no_grad():
        pixels.values.add_(3 * torch.randn(pixels.values.shape, generator=generator(1), dtype=torch.float64))
    wild = pixels.images().detach().clone()
    assert wild.max() > 1
    pixels.project()
    torch.testing.assert_close(pixels.images().detach(), wild.clamp(0, 1), rtol=0, atol=1e-9)
    pixels = p.Pixels(inside, decorrelated)
    pixels.project()
    torch.testing.assert_close(pixels.images().detach(), inside)


def randomized(shape, amount, draw, *, decorrelated=True):
    waves = p.Fourier(torch.full(shape, 0.5), decorrelated)
    waves.randomize(amount, draw)
    return waves


def test_waves_never_leave_the_range():
    waves = randomized((2, 3, 8, 8), 5.0, generator(0))
    assert 0 <= waves.images().min() <= waves.images().max() <= 1


@settings(max_examples=20, deadline=None)
@given(st.integers(8, 40), st.integers(8, 40))
def test_the_noise_is_as_strong_as_asked_at_any_size(height, width):
    flat = torch.logit(randomized((24, 3, height, width), 0.1, generator(height), decorrelated=False).images()) / 4
    assert 0.07 < flat.square().mean().sqrt() < 0.13


def test_coarse_waves_are_stronger_than_fine_ones():
    weights = p.spectrum((16, 16))
    assert weights[0, 1] == weights.max()
    assert weights[0, 1] == pytest.approx(8 * weights[0, 8].item())  # 1/16 and 1/2 waves a pixel
    whole = torch.cat([weights, weights[:, 1:-1]], dim=1)  # rfft2 leaves out what follows from the rest
    assert whole.square().mean().sqrt() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("kind", [p.Pixels, p.Fourier])
def test_blur_takes_fine_waves_and_leaves_coarse_ones(kind):
    """cos(2πf x) under a Gaussian of σ: its height falls to exp(-2(πσf)²)."""
    x = torch.arange(32, dtype=torch.float64)
    heights = {}
    for waves in (2, 12):
        wave = 0.5 + 0.02 * torch.cos(2 * math.pi * waves / 32 * x)
        changed = kind(wave.expand(1, 3, 32, 32).clone(), False)
        changed.blur(0.8)
        heights[waves] = (changed.images().detach()[..., 8:24].amax() - 0.5).item() / 0.02
        expected = math.exp(-2 * (math.pi * 0.8 * waves / 32) ** 2)
        assert heights[waves] == pytest.approx(expected, abs=0.05)
    assert heights[12] < 0.2 < 0.9 < heights[2]


def test_a_view_without_movement_is_the_middle():
    canvas = pictures(2, (12, 10))
    assert p.crop(canvas, replace(NAIVE, padding=2)).equal(canvas[:, :, 2:10, 2:8])


def test_jitter_shifts_by_whole_pixels_and_each_row_its_own_way():
    canvas = pictures(30, (14, 14))
    views = p.transform(canvas, replace(NAIVE, padding=3, jitter=3), generator(4))
    shifts = set()
    for view, whole in zip(views, canvas, strict=True):
        cuts = {(y, x): whole[:, y : y + 8, x : x + 8] for y in range(7) for x in range(7)}
        best = min(cuts, key=lambda at: (cuts[at] - view).abs().max())
        torch.testing.assert_close(view, cuts[best], rtol=0, atol=1e-5)
        shifts.add(best)
    assert len(shifts) > 15


def test_turning_and_scaling_do_what_they_say():
    """A ramp that rises to the right: turned, its slope turns; scaled, it steepens; never beyond the limit."""
    ramp = torch.linspace(0, 1, 33, dtype=torch.float64).expand(40, 3, 33, 33).contiguous()
    for rotation, scale in ((40.0, 0.0), (0.0, 0.5)):
        views = p.transform(ramp, replace(NAIVE, padding=12, rotation=rotation, scale=scale), generator(2))
        right = (views[:, 0, 4, 5] - views[:, 0, 4, 3]) * 16  # slope a pixel, in units of the ramp's
        down = (views[:, 0, 5, 4] - views[:, 0, 3, 4]) * 16
        slope, angle = torch.hypot(right, down), torch.atan2(down, right).abs().rad2deg()
        assert slope.min() >= 1 / (1 + scale) - 1e-6
        assert slope.max() <= 1 + scale + 1e-6
        assert angle.max() <= rotation + 1e-4
        if rotation:
            assert angle.max() > 30
        else:
            assert slope.max() - slope.min() > 0.4


def test_the_same_generator_gives_the_same_view_and_none_is_needed_for_none():
    canvas = pictures(3, (10, 10))
    still_recipe = replace(NAIVE, padding=1)
    recipe = replace(still_recipe, jitter=2, rotation=10.0, scale=0.1)
    first, second = (p.transform(canvas, recipe, generator(7)) for _ in range(2))
    assert first.equal(second)
    still = generator(7)
    before = still.get_state()
    assert p.transform(canvas, still_recipe, still).equal(p.crop(canvas, still_recipe))
    assert still.get_state().equal(before)


def test_penalties_by_hand():
    board = torch.zeros(1, 1, 2, 3)
    board[0, 0] = torch.tensor([[0.0, 1.0, 1.0], [0.5, 1.0, 0.0]])
    below = (0.5 + 0 + 1) / 3
    beside = (1 + 0 + 0.5 + 1) / 4
    assert p.total_variation(board).item() == pytest.approx(below + beside)
    squared = p.penalty(board, replace(NAIVE, l2=1.0))
    assert squared.item() == pytest.approx((0.25 * 5 + 0) / 6)
    both = p.penalty(board, replace(NAIVE, l2=2.0, total_variation=3.0))
    assert both.item() == pytest.approx(2 * squared.item() + 3 * (below + beside))
    assert p.total_variation(torch.full((2, 3, 4, 4), 0.7)).tolist() == [0, 0]


def test_beyond_the_canvas_its_last_pixels_go_on():
    plain = torch.full((4, 3, 8, 8), 0.7)
    views = p.transform(plain, replace(NAIVE, jitter=4, rotation=30.0, scale=0.3), generator(0))
    torch.testing.assert_close(views, plain)
