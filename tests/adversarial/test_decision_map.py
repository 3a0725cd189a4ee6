"""A decision map tells what the network reads: everywhere it was asked, and nearly everywhere it was not."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_utils import signs, zoo
from course_utils.adversarial import decision_map
from course_utils.adversarial.balls import L1, L2, Linf
from course_utils.adversarial.pgd import fgsm, loss_and_gradient, pgd, pgd_steps

EPSILON = 8 / 255


class Halves(nn.Module):
    """Reads class 1 where the mean pixel is above a half: a known border, straight in every plane."""

    def forward(self, images):
        mean = images.flatten(1).mean(dim=1)
        return torch.stack([torch.zeros_like(mean), 100 * (mean - 0.5)], dim=1)


class Constant(nn.Module):
    """Answers the same to everything."""

    def forward(self, images):
        return torch.zeros(len(images), 3) + 0 * images.flatten(1).sum(dim=1, keepdim=True)


@pytest.fixture(scope="module")
def network():
    return zoo.load("signs-resnet", device="cpu")


@pytest.fixture(scope="module")
def stop():
    return signs.render([signs.STOP], seed=3, device="cpu").images


@pytest.fixture(scope="module")
def label():
    return torch.tensor([signs.STOP])


@pytest.fixture(scope="module")
def attacks(network, stop, label):
    how = {"ball": Linf(EPSILON), "step_size": EPSILON / 4, "steps": 8}
    return [pgd(network, stop, label, seed=seed, **how).images for seed in (0, 1)]


# ---- planes ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("ball", [Linf(EPSILON), L2(1.0), L1(9.0)])
def test_the_axes_have_length_one_and_stand_at_right_angles(network, stop, label, ball):
    plane = decision_map.gradient_plane(network, stop, label, ball=ball)
    assert torch.allclose(ball.norm(torch.cat([plane.first, plane.second])), torch.ones(2), atol=1e-5)
    cosine = (plane.first * plane.second).sum() / (plane.first.norm() * plane.second.norm())
    assert abs(float(cosine)) < 1e-4


def test_the_first_axis_is_the_step_of_fgsm(network, stop, label):
    plane = decision_map.gradient_plane(network, stop, label, ball=Linf(EPSILON))
    there = plane.images(torch.tensor([[EPSILON, 0.0]]))
    assert torch.allclose(there, fgsm(network, stop, label, EPSILON), atol=1e-6)


class Slopes(nn.Module):
    """One slope for each number of the picture, the steepest 8 downhill: all that a linear network knows."""

    slopes = torch.linspace(-8, 5, 48).view(1, 3, 4, 4)

    def forward(self, images):
        score = (self.slopes * images).flatten(1).sum(dim=1)
        return torch.stack([torch.zeros_like(score), score], dim=1)


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize(
    ("ball", "most"),  # how much a linear function rises at most along a way of length 1
    [(Linf(EPSILON), Slopes.slopes.abs().sum()), (L2(1.0), Slopes.slopes.norm()), (L1(9.0, share=0.0), 8.0)],
)
@pytest.mark.parametrize("shade", [0.0, 0.3, 1.0])
def test_no_way_of_length_one_is_steeper_than_the_first_axis(ball, most, shade, label):
    x = torch.full((1, 3, 4, 4), shade)
    plane = decision_map.gradient_plane(Slopes(), x, torch.tensor([label]), ball=ball)
    rise = (Slopes.slopes * plane.first).sum() * (1 if label == 0 else -1)  # of the loss: away from the label
    assert ball.norm(plane.first).item() == pytest.approx(1, abs=1e-5)
    assert rise.item() == pytest.approx(float(most), rel=1e-5)


@given(st.floats(-0.05, 0.05), st.floats(-0.05, 0.05))
@settings(max_examples=20)
def test_a_picture_of_the_plane_has_its_own_place(alpha, beta):
    grey = torch.full((1, 3, 4, 4), 0.5)
    plane = decision_map.gradient_plane(Halves(), grey, torch.tensor([0]), ball=Linf(0.1))
    place = torch.tensor([[alpha, beta]])
    assert torch.allclose(plane.places(plane.images(place)), place, atol=1e-6)


def test_the_plane_of_two_attacks_holds_both(stop, attacks):
    plane = decision_map.attack_plane(stop, *attacks, ball=Linf(EPSILON))
    shadows = plane.images(plane.places(torch.cat(attacks)))
    assert torch.allclose(shadows, torch.cat(attacks), atol=1e-5)


def test_the_plane_of_a_path_holds_its_end(network, stop, label):
    how = {"ball": Linf(EPSILON), "step_size": EPSILON / 4, "steps": 6}
    path = torch.cat([step.images for step in pgd_steps(network, stop, label, **how)])
    plane = decision_map.path_plane(stop, path, ball=Linf(EPSILON))
    end = plane.places(path[-1:])
    assert torch.allclose(plane.images(end), path[-1:], atol=1e-5)
    assert abs(float(end[0, 1])) < 1e-6


@pytest.mark.parametrize("ball", [Linf(EPSILON), L2(1.0)])
def test_the_outline_lies_on_the_edge_of_the_ball(network, stop, label, ball):
    plane = decision_map.gradient_plane(network, stop, label, ball=ball)
    edge = plane.outline(ball)[::20]
    changes = edge[:, :1, None, None] * plane.first + edge[:, 1:, None, None] * plane.second
    assert torch.allclose(ball.norm(changes), torch.full((len(edge),), float(ball.epsilon)), rtol=1e-4)


@pytest.mark.parametrize("ball", [Linf(EPSILON), L2(1.0), L1(9.0)])
def test_the_shadow_of_the_ball_holds_every_path_and_its_outline(network, stop, label, ball):
    how = {"ball": ball, "step_size": float(ball.epsilon) / 4, "steps": 6}
    path = torch.cat([step.images for step in pgd_steps(network, stop, label, **how)])
    plane = decision_map.path_plane(stop, path, ball=ball)
    shadow, inside = plane.shadow(ball), torch.cat([plane.places(path), plane.outline(ball)])
    ways = shadow.roll(-1, 0) - shadow
    outward = torch.stack([ways[:, 1], -ways[:, 0]], dim=1)  # the corners run against the clock
    beyond = ((inside[:, None] - shadow) * outward).sum(dim=2) / outward.norm(dim=1).clamp(min=1e-9)
    assert beyond.max() < 0.01 * shadow.norm(dim=1).max()


def test_the_shadow_of_a_euclidean_ball_is_a_circle_and_of_a_box_the_box(network, stop, label):
    circle = decision_map.gradient_plane(network, stop, label, ball=L2(1.0)).shadow(L2(1.0))
    assert torch.allclose(circle.norm(dim=1), torch.ones(len(circle)), atol=1e-3)
    x = torch.full((1, 1, 1, 2), 0.5)
    axes = decision_map.Plane(x, torch.tensor([[[[1.0, 0.0]]]]), torch.tensor([[[[0.0, 1.0]]]]), ("a", "b"))
    assert torch.allclose(axes.shadow(Linf(0.25)).abs().amax(dim=1), torch.full((180,), 0.25))


def test_a_saturated_network_still_has_a_direction(network, stop, label):
    class Loud(nn.Module):
        def forward(self, images):
            return 1000 * network(images)

    assert not loss_and_gradient(Loud(), stop, label)[2].any()
    plane = decision_map.gradient_plane(Loud(), stop, label, ball=Linf(EPSILON))
    assert plane.first.any()


# ---- maps --------------------------------------------------------------------------------------------------------
def test_a_known_border_lies_where_it_is():
    grey = torch.full((1, 3, 4, 4), 0.45)
    plane = decision_map.gradient_plane(Halves(), grey, torch.tensor([0]), ball=Linf(0.1))
    found = decision_map.decision_map(Halves(), plane, 0, reach=0.1, points=33)
    beyond = found.axis > 0.05  # the sign of the gradient is all ones, so the mean is 0.45 + α
    middle = found.classes[16]
    assert torch.equal(middle[found.axis.sub(0.05).abs() > 1e-3], beyond[found.axis.sub(0.05).abs() > 1e-3].long())
    wanted = nn.functional.softplus(100 * (found.axis - 0.05))  # the loss of class 0, along the middle row
    known = torch.arange(33) % 4 == 0  # the coarse grid is asked everywhere
    assert torch.allclose(found.losses[16][known], wanted[known], atol=1e-3)


def test_a_refined_map_agrees_with_one_that_asked_everywhere(network, stop, attacks):
    plane = decision_map.attack_plane(stop, *attacks, ball=Linf(EPSILON))
    how = {"reach": 2 * EPSILON, "points": 17}
    refined = decision_map.decision_map(network, plane, signs.STOP, **how)
    full = decision_map.decision_map(network, plane, signs.STOP, full=True, **how)
    assert full.asked == 17**2
    assert refined.asked < 0.6 * full.asked
    assert len(full.classes.unique()) >= 2
    assert (refined.classes == full.classes).float().mean() > 0.98
    assert (refined.confidence - full.confidence).abs().mean() < 0.05


def test_every_item_is_a_whole_map_and_the_last_one_says_so(network, stop, attacks):
    plane = decision_map.attack_plane(stop, *attacks, ball=Linf(EPSILON))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    found = list(decision_map.map_steps(network, plane, signs.STOP, reach=2 * EPSILON, points=17))
    assert [item.done for item in found] == [False] * (len(found) - 1) + [True]
    assert all(item.classes.shape == item.losses.shape == (17, 17) for item in found)
    assert found[-1].losses.isfinite().all()
    asked = torch.tensor([0, *(item.asked for item in found)]).diff()
    assert asked.min() >= 0
    assert asked.max() == 16  # few at a time on a processor: so the map is seen early
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_a_map_without_a_border_asks_only_the_coarse_grid():
    x = torch.full((1, 3, 4, 4), 0.5)
    plane = decision_map.gradient_plane(Halves(), x, torch.tensor([0]), ball=Linf(0.1))
    found = decision_map.decision_map(Constant(), plane, 0, reach=0.1)
    assert found.done
    assert found.asked == 81
    assert found.classes.unique().tolist() == [0]
    assert torch.allclose(found.losses, torch.tensor(math.log(3)))


def test_the_whole_lecture_picture_costs_a_tenth_of_its_looks(network, stop, label):
    plane = decision_map.gradient_plane(network, stop, label, ball=Linf(EPSILON))
    found = decision_map.decision_map(network, plane, signs.STOP, reach=2 * EPSILON)
    assert found.classes.shape == (65, 65)
    assert found.asked < 0.1 * 65**2


# ---- what can be wrong -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"reach": 0.0}, "reach must be a positive number"),
        ({"reach": math.nan}, "reach must be a positive number"),
        ({"reach": 0.1, "label": 2}, "label 2 is no class of this network; it knows 0 to 1"),
        ({"reach": 0.1, "points": 64}, "points must be 9, 17, 33"),
        ({"reach": 0.1, "points": 25}, "points must be 9, 17, 33"),
    ],
)
def test_what_makes_no_map_is_refused_at_the_call(how, words):
    x = torch.full((1, 3, 4, 4), 0.5)
    plane = decision_map.gradient_plane(Halves(), x, torch.tensor([0]), ball=Linf(0.1))
    with pytest.raises(ValueError, match=words):
        decision_map.map_steps(Halves(), plane, **{"label": 0} | how)


@pytest.mark.parametrize(
    ("how", "words"),
    [({"reach": "a"}, "reach must be a number; got 'a'"), ({"reach": 0.1, "points": 9.0}, "points must be a whole")],
)
def test_what_is_no_number_makes_no_map(how, words):
    x = torch.full((1, 3, 4, 4), 0.5)
    plane = decision_map.gradient_plane(Halves(), x, torch.tensor([0]), ball=Linf(0.1))
    with pytest.raises(TypeError, match=words):
        decision_map.map_steps(Halves(), plane, **{"label": 0} | how)


def test_what_spans_no_plane_is_refused():
    x = torch.full((1, 3, 4, 4), 0.5)
    label, ball = torch.tensor([0]), Linf(0.1)
    with pytest.raises(ValueError, match="gradient is zero"):
        decision_map.gradient_plane(Constant(), x, label, ball=ball)
    with pytest.raises(ValueError, match="lie on one line"):
        decision_map.attack_plane(x, x + 0.1, x + 0.2, ball=ball)
    with pytest.raises(ValueError, match="ends at the picture itself"):
        decision_map.path_plane(x, torch.cat([x + 0.1, x]), ball=ball)
    with pytest.raises(ValueError, match="one picture"):
        decision_map.gradient_plane(Halves(), x.expand(2, -1, -1, -1), label, ball=ball)
    with pytest.raises(ValueError, match="label 99 is no class"):
        decision_map.gradient_plane(Halves(), x, torch.tensor([99]), ball=ball)
    with pytest.raises(ValueError, match="a class for each picture"):
        decision_map.gradient_plane(Halves(), x, torch.tensor([0, 1]), ball=ball)
    with pytest.raises(ValueError, match="divide by 255"):
        decision_map.gradient_plane(Halves(), 255 * x, label, ball=ball)
