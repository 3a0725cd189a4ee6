"""The balls: what it means to be inside, nearest, uniform, steepest."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from course_utils.adversarial.balls import L1, L2, Linf, per_picture, raw_ascend
from course_utils.runtime import generator

ROUNDING = 5e-6  # a few dozen numbers of single precision, added up
BALLS = {"Linf": Linf, "L2": L2, "L1": L1}
every_ball = st.sampled_from([Linf, L2, L1])
one_number_at_a_time = partial(L1, share=0)  # the steepest step in L1, by definition
radii = st.floats(0, 1)
seeds = st.integers(0, 2**32)


def pictures(seed: int, *shape: int, low: float = 0.0, high: float = 1.0) -> torch.Tensor:
    return low + (high - low) * torch.rand(shape, generator=generator(seed))


def centre_and_wanderer(seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Pictures in the box, some with pixels on its walls, and pictures somewhere in and around it."""
    centre = pictures(seed, 3, 3, 4, 5, low=-0.2, high=1.2).clamp(0, 1)
    return centre, pictures(seed + 1, 3, 3, 4, 5, low=-1, high=2)


@given(kind=every_ball, epsilon=radii, seed=seeds)
@settings(deadline=None)
def test_projection_lands_in_ball_and_box(kind, epsilon, seed):
    centre, outside = centre_and_wanderer(seed)
    ball = kind(epsilon)
    inside = ball.project(outside, centre)
    assert (ball.norm(inside - centre) <= epsilon + ROUNDING).all()
    assert inside.min() >= 0
    assert inside.max() <= 1


@given(kind=every_ball, epsilon=radii, seed=seeds)
@settings(deadline=None)
def test_projecting_twice_changes_nothing(kind, epsilon, seed):
    centre, outside = centre_and_wanderer(seed)
    once = kind(epsilon).project(outside, centre)
    torch.testing.assert_close(kind(epsilon).project(once, centre), once, rtol=0, atol=ROUNDING)


@given(kind=every_ball, epsilon=st.floats(0.01, 1), seed=seeds)
@settings(deadline=None)
def test_projection_leaves_alone_what_is_inside(kind, epsilon, seed):
    centre, _ = centre_and_wanderer(seed)
    inside = kind(0.9 * epsilon).random_start(centre, generator(seed))
    torch.testing.assert_close(kind(epsilon).project(inside, centre), inside, rtol=0, atol=ROUNDING)


@given(epsilon=radii, seed=seeds)
@settings(deadline=None)
def test_linf_projection_is_the_nearest_point(epsilon, seed):
    """No other point of ball and box is nearer, pixel by pixel; so in no norm."""
    centre, outside = centre_and_wanderer(seed)
    nearest = Linf(epsilon).project(outside, centre)
    other = Linf(epsilon).random_start(centre, generator(seed + 2))
    assert ((outside - nearest).abs() <= (outside - other).abs() + ROUNDING).all()


def wide(epsilon: float, kind) -> float:
    """Radii that mean something in each norm: from far too small up to where the walls of the box matter."""
    return epsilon * {Linf: 1, L2: 3, L1: 12}[kind]


@given(kind=every_ball, epsilon=radii, seed=seeds)
@settings(deadline=None)
def test_projection_is_the_nearest_point_of_ball_and_box(kind, epsilon, seed):
    """From the nearest point p, whatever else ball and box hold lies behind: (outside − p)·(other − p) ≤ 0."""
    centre, outside = (part.double() for part in centre_and_wanderer(seed))
    ball = kind(wide(epsilon, kind))
    nearest = ball.project(outside, centre)
    assert (ball.norm(nearest - centre) <= ball.epsilon + 1e-12).all()
    for other in (ball.random_start(centre, generator(seed)), ball.project(outside.roll(1, 0), centre), centre):
        assert (((outside - nearest) * (other - nearest)).flatten(1).sum(1) <= 1e-9).all()


def nearest_by_a_solver(kind, epsilon: float, outside: np.ndarray, centre: np.ndarray) -> np.ndarray:
    """The quadratic program, solved by scipy: centre + up − down, each between 0 and its wall."""
    from scipy.optimize import minimize

    size = len(centre)
    walls = [(0, float(room)) for room in np.minimum(np.concatenate([1 - centre, centre]), epsilon)]
    inside = {
        Linf: lambda moved: 0 * moved.sum() + 1,  # the walls already say it
        L2: lambda moved: epsilon**2 - ((moved[:size] - moved[size:]) ** 2).sum(),
        L1: lambda moved: epsilon - moved.sum(),
    }[kind]
    answer = minimize(
        lambda moved: ((centre + moved[:size] - moved[size:] - outside) ** 2).sum(),
        np.full(2 * size, 1e-3),
        bounds=walls,
        constraints=[{"type": "ineq", "fun": inside}],
        method="SLSQP",
        options={"ftol": 1e-12, "maxiter": 300},
    )
    return centre + answer.x[:size] - answer.x[size:]


@given(kind=every_ball, epsilon=st.floats(0.05, 1), seed=seeds)
@settings(deadline=None, max_examples=25)
def test_projection_agrees_with_a_quadratic_program(kind, epsilon, seed):
    centre = pictures(seed, 1, 1, 2, 2, low=-0.2, high=1.2).clamp(0, 1).double()
    outside = pictures(seed + 1, 1, 1, 2, 2, low=-1, high=2).double()
    solved = nearest_by_a_solver(kind, epsilon, outside.numpy().ravel(), centre.numpy().ravel())
    ours = kind(epsilon).project(outside, centre).numpy().ravel()
    np.testing.assert_allclose(ours, solved, atol=2e-4)
    target = outside.numpy().ravel()
    assert ((ours - target) ** 2).sum() <= ((solved - target) ** 2).sum() + 1e-6


@given(kind=every_ball, seed=seeds)
@settings(deadline=None)
def test_epsilon_zero_allows_nothing(kind, seed):
    centre, outside = centre_and_wanderer(seed)
    assert kind(0).project(outside, centre).equal(centre)
    assert kind(0).random_start(centre, generator(seed)).equal(centre)


@given(kind=every_ball, seed=seeds)
@settings(deadline=None)
def test_each_picture_can_have_its_own_epsilon(kind, seed):
    centre, outside = centre_and_wanderer(seed)
    epsilons = [0.0, 0.03, 0.4]
    together = kind(torch.tensor(epsilons)).project(outside, centre)
    for row, epsilon in enumerate(epsilons):
        alone = kind(epsilon).project(outside[row : row + 1], centre[row : row + 1])
        torch.testing.assert_close(together[row : row + 1], alone, rtol=0, atol=ROUNDING)


def test_norms_are_those_of_numpy():
    difference = pictures(0, 4, 3, 5, 6, low=-1)
    rows = difference.flatten(1).numpy()
    largest, lengths, sums = abs(rows).max(axis=1), (rows**2).sum(axis=1) ** 0.5, abs(rows).sum(axis=1)
    assert L1(0.1).norm(difference).tolist() == pytest.approx(sums.tolist())
    assert Linf(0.1).norm(difference).tolist() == pytest.approx(largest.tolist())
    assert L2(0.1).norm(difference).tolist() == pytest.approx(lengths.tolist())


def distance_from_uniform(sample: torch.Tensor) -> float:
    """Kolmogorov's distance of a sample from uniform on [0, 1], times the root of its size."""
    count = len(sample)
    steps = torch.arange(1, count + 1) / count
    return ((sample.sort().values - steps).abs().max() * math.sqrt(count)).item()


NOT_UNIFORM = 2.0  # Kolmogorov's distance gets there once in 1500 uniform samples; the seeds are fixed


@pytest.mark.parametrize("size", [1, 2, 4], ids="{0}x{0} pixels".format)
def test_l2_start_is_uniform_in_the_ball(size):
    """The share (r/ε)^d of the volume within the radius is uniform, and no direction is preferred."""
    centre = torch.full((4000, 3, size, size), 0.5)
    ball = L2(0.3)
    noise = ball.random_start(centre, generator(1)) - centre
    dimensions = 3 * size * size
    assert distance_from_uniform((ball.norm(noise) / 0.3) ** dimensions) < NOT_UNIFORM
    spread = 0.3 / math.sqrt(dimensions + 2)  # standard deviation of one coordinate of a uniform ball
    assert noise.flatten(1).std(dim=0).tolist() == pytest.approx([spread] * dimensions, rel=0.1)
    assert noise.flatten(1).mean(dim=0).abs().max() < 5 * spread / math.sqrt(4000)


def test_linf_start_is_uniform_in_every_pixel():
    centre = torch.full((4000, 3, 1, 1), 0.5)
    noise = Linf(0.3).random_start(centre, generator(1)) - centre
    for pixel in (noise.flatten(1) / 0.6 + 0.5).T:
        assert distance_from_uniform(pixel) < NOT_UNIFORM


@pytest.mark.parametrize("size", [1, 2, 4], ids="{0}x{0} pixels".format)
def test_l1_start_is_uniform_in_the_ball(size):
    """The share (r/ε)^d of the volume is uniform; so is, for every pixel, the share that changes it less."""
    centre = torch.full((4000, 3, size, size), 0.5)
    noise = (L1(0.3).random_start(centre, generator(1)) - centre).flatten(1) / 0.3
    dimensions = 3 * size * size
    assert distance_from_uniform(noise.abs().sum(1) ** dimensions) < NOT_UNIFORM
    for pixel in noise.T[:6]:
        assert distance_from_uniform((1 - pixel.abs()) ** dimensions) < NOT_UNIFORM
        assert abs((pixel > 0).float().mean().item() - 0.5) < 5 * 0.5 / math.sqrt(4000)


@pytest.mark.parametrize("kind", BALLS.values(), ids=BALLS)
def test_a_start_that_is_not_uniform_would_be_caught(kind):
    """The tests above have teeth: half of the radius, or the radius squared, is far from uniform."""
    centre = torch.full((4000, 3, 1, 1), 0.5)
    share = (kind(0.3).norm(kind(0.3).random_start(centre, generator(1)) - centre) / 0.3) ** 3
    assert distance_from_uniform(share) < NOT_UNIFORM
    assert distance_from_uniform(share / 2) > 3 * NOT_UNIFORM
    assert distance_from_uniform(share**2) > 3 * NOT_UNIFORM


@given(kind=every_ball, epsilon=radii, seed=seeds)
@settings(deadline=None)
def test_random_start_lies_in_ball_and_box(kind, epsilon, seed):
    centre, _ = centre_and_wanderer(seed)
    start = kind(epsilon).random_start(centre, generator(seed))
    assert (kind(epsilon).norm(start - centre) <= epsilon + ROUNDING).all()
    assert start.min() >= 0
    assert start.max() <= 1


@pytest.mark.parametrize("kind", BALLS.values(), ids=BALLS)
def test_random_start_is_a_function_of_the_generator(kind):
    centre = pictures(0, 2, 3, 8, 8)
    before = torch.get_rng_state()
    one, same, other = (kind(0.1).random_start(centre, generator(seed)) for seed in (1, 1, 2))
    assert one.equal(same)
    assert not one.equal(other)
    assert torch.get_rng_state().equal(before)


@given(kind=st.sampled_from([Linf, L2, one_number_at_a_time]), step_size=st.floats(0.001, 2), seed=seeds)
@settings(deadline=None)
def test_ascend_is_the_steepest_step_of_its_length(kind, step_size, seed):
    """Of all steps as long as this one, none gains more along the gradient."""
    images, gradient = torch.full((2, 3, 4, 4), 0.5), pictures(seed, 2, 3, 4, 4, low=-1)
    ball = kind(0.1)
    best = ball.ascend(images, gradient, step_size) - images
    torch.testing.assert_close(ball.norm(best), torch.full((2,), step_size), rtol=1e-4, atol=1e-6)
    other = pictures(seed + 1, 2, 3, 4, 4, low=-1)
    other = step_size * other / per_picture(ball.norm(other), other)
    assert ((gradient * best).sum((1, 2, 3)) >= (gradient * other).sum((1, 2, 3)) - ROUNDING).all()


@given(share=st.floats(0, 1), step_size=st.floats(0.001, 2), seed=seeds)
@settings(deadline=None, max_examples=30)
def test_an_l1_step_moves_the_largest_slopes_by_equal_parts(share, step_size, seed):
    images, gradient = torch.full((2, 3, 4, 4), 0.5).double(), pictures(seed, 2, 3, 4, 4, low=-1).double()
    ball, count = L1(1, share=share), max(1, round(share * 48))
    step = (ball.ascend(images, gradient, step_size) - images).flatten(1)
    moved = step != 0
    assert moved.sum(1).tolist() == [count, count]
    assert step.abs().amax(1).tolist() == pytest.approx([step_size / count] * 2, rel=1e-3)
    slopes = gradient.flatten(1).abs()
    assert (slopes.masked_fill(~moved, 2).amin(1) >= slopes.masked_fill(moved, 0).amax(1)).all()
    assert (step * gradient.flatten(1) >= 0).all()


def test_an_l1_step_passes_over_what_stands_on_its_wall():
    images, gradient = torch.zeros(1, 3, 2, 2), torch.zeros(1, 3, 2, 2)
    gradient[0, 0, 0, 0], gradient[0, 1, 1, 1] = -5, 1  # the steepest slope leads out of the box
    step = one_number_at_a_time(1).ascend(images, gradient, 0.5)
    assert step[0, 0, 0, 0] == 0
    assert step[0, 1, 1, 1] == 0.5


@pytest.mark.parametrize("kind", BALLS.values(), ids=BALLS)
def test_zero_gradient_goes_nowhere(kind):
    images, gradient = pictures(0, 2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    gradient[1, 0, 0, 0] = 1
    after = kind(0.1).ascend(images, gradient, 0.1)
    assert after[0].equal(images[0])
    assert after[1].isfinite().all()
    assert not after[1].equal(images[1])


@pytest.mark.parametrize("magnitude", [1e-44, 1e-30, 1e-12, 1.0, 1e30])
def test_l2_step_has_its_length_however_small_or_large_the_gradient(magnitude):
    images = torch.zeros(2, 3, 4, 4)
    gradient = magnitude * pictures(0, 2, 3, 4, 4, low=0.5)
    assert L2(1).norm(L2(1).ascend(images, gradient, 0.25)).tolist() == pytest.approx([0.25, 0.25], rel=1e-2)


def test_raw_ascend_follows_the_gradient_as_it_is():
    images, gradient = pictures(0, 2, 3, 4, 4), pictures(1, 2, 3, 4, 4, low=-1)
    assert raw_ascend(images, gradient, 0.5).equal(images + 0.5 * gradient)


def test_each_picture_can_have_its_own_step_size():
    images, gradient = torch.zeros(2, 3, 4, 4), pictures(0, 2, 3, 4, 4, low=-1)
    steps = torch.tensor([0.1, 0.3])
    assert Linf(1).norm(Linf(1).ascend(images, gradient, steps)).tolist() == pytest.approx([0.1, 0.3])
    assert L2(1).norm(L2(1).ascend(images, gradient, steps)).tolist() == pytest.approx([0.1, 0.3])
    assert L1(1).norm(L1(1).ascend(images, gradient, steps)).tolist() == pytest.approx([0.1, 0.3])


@pytest.mark.parametrize(
    ("kind", "epsilon", "error", "words"),
    [
        (Linf, 8, ValueError, r"epsilon must lie in \[0, 1\] .*got 8\. Did you mean 8/255\?"),
        (Linf, -0.1, ValueError, r"epsilon must lie in \[0, 1\] .*got -0\.1\.$"),
        (Linf, math.nan, ValueError, r"got nan\.$"),
        (Linf, math.inf, ValueError, r"got inf\.$"),
        (Linf, torch.tensor([0.1, 4.0]), ValueError, r"got 4\. Did you mean 4/255\?"),
        (Linf, torch.tensor([0.1, math.nan]), ValueError, "got nan"),
        (Linf, torch.tensor([[0.1]]), ValueError, r"one for each picture; got a tensor of shape \[1, 1\]"),
        (Linf, "8/255", TypeError, "epsilon is one number.*got '8/255'"),
        (Linf, None, TypeError, "epsilon is one number.*got None"),
        (Linf, True, TypeError, "epsilon is one number.*got True"),
        (L2, -1, ValueError, "epsilon must be finite and at least 0 .*got -1"),
        (L2, math.nan, ValueError, "got nan"),
        (L1, -1, ValueError, "epsilon must be finite and at least 0 .*got -1"),
        (partial(L1, share=5), 1, ValueError, r"share must lie in \[0, 1\]"),
    ],
)
def test_a_bad_epsilon_is_refused_in_a_clear_sentence(kind, epsilon, error, words):
    with pytest.raises(error, match=words):
        kind(epsilon)


def test_an_l2_ball_may_be_larger_than_a_pixel():
    assert L2(3).epsilon == 3
