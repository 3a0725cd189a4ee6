"""A class by its logit and by its probability, and what other networks read in the pictures."""

import copy

import pytest
import torch

from course_utils import signs, zoo
from course_utils.visualization import classes as c
from course_utils.visualization import results
from course_utils.visualization.ascent import ADAM, climb
from course_utils.visualization.canvas import noise
from course_utils.visualization.objectives import Logit, Probability
from course_utils.visualization.recipes import NAIVE, part_of_full


@pytest.fixture(scope="module")
def networks():
    return [zoo.load(name, device="cpu") for name in results.NETWORKS]


@pytest.fixture(scope="module")
def resnet(networks):
    return networks[2]


@pytest.fixture(scope="module")
def both(resnet):
    return c.climb_class(resnet, signs.STOP, noise(1, 64, seed=3, amount=0.1), steps=40)


def test_both_climbs_begin_at_one_picture(both):
    assert both.images.shape == (2, 3, 64, 64)
    for path in (both.logits, both.probabilities, both.gradients):
        assert path.shape == (41, 2)
    assert both.logits[0, 0] == both.logits[0, 1]
    assert both.probabilities[0, 0] == both.probabilities[0, 1]


def test_the_numbers_are_those_of_the_network_and_of_autograd(resnet, both):
    picture = noise(1, 64, seed=3, amount=0.1).requires_grad_()
    logits = resnet(picture)
    slope = torch.autograd.grad(logits[0, signs.STOP], picture, retain_graph=True)[0].norm()
    slope_p = torch.autograd.grad(logits.softmax(1)[0, signs.STOP], picture)[0].norm()
    torch.testing.assert_close(both.gradients[0], torch.stack([slope, slope_p]), rtol=1e-2, atol=1e-5)
    with torch.no_grad():
        last = resnet(both.images)
    torch.testing.assert_close(both.logits[-1], last[:, signs.STOP], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(both.probabilities[-1], last.softmax(1)[:, signs.STOP])


def test_the_probability_stalls_when_it_is_nearly_one_and_the_logit_goes_on(both):
    assert (both.probabilities[4] > 0.98).all()  # both won early
    assert both.gradients[-1, 0] > 1
    assert both.gradients[-1, 1] < 1e-3 * both.gradients[0, 1]
    gain = both.logits[-1] - both.logits[0]
    assert gain[0] > 3 * gain[1] > 0


@pytest.fixture(scope="module")
def give_way():
    """A picture that is surely something else than STOP."""
    return signs.render([signs.YIELD], size=64, seed=3, device="cpu").images


def test_where_the_probability_is_near_zero_plain_steps_do_not_find_the_hill(resnet, give_way):
    """p (1 − p) is as small at the other end."""
    both = c.climb_class(resnet, signs.STOP, give_way, steps=10)
    assert both.probabilities[0, 1] < 1e-8
    assert both.gradients[0, 1] < 1e-6 * both.gradients[0, 0]
    torch.testing.assert_close(both.probabilities[:, 1], both.probabilities[:1, 1].expand(11))  # it never moved
    assert both.probabilities[-1, 0] > 0.999  # the logit's climber got there
    assert both.logits[-1, 0] > both.logits[-1, 1] + 20


def test_adam_finds_the_hill_even_where_the_probability_is_near_zero(resnet, give_way):
    """It divides by the gradient's own length, as the docstring says; so the story is one of plain steps."""
    path = climb(resnet, Probability(signs.STOP), steps=10, start=give_way, recipe=NAIVE, optimizer=ADAM)
    probabilities = c.predict([resnet], torch.cat([give_way, path.images]))[:, 0, signs.STOP]
    assert probabilities[0] < 1e-8
    assert probabilities[1] > 0.99


def test_predictions_are_probabilities_and_leave_the_networks_alone(networks):
    lent = [copy.deepcopy(network).train() for network in networks[:2]]
    pictures = noise(3, 64)
    found = c.predict(lent, pictures)
    assert found.shape == (3, 2, 20)
    torch.testing.assert_close(found.sum(dim=2), torch.ones(3, 2))
    with torch.no_grad():
        torch.testing.assert_close(found[:, 1], networks[1](pictures).softmax(1))
    assert all(module.training for network in lent for module in network.modules())


def test_the_slides_picture_convinces_its_own_network_and_not_all_others(networks):
    """alexnet's STOP without regularisers, twelve steps: 1 by itself, and few of the others follow."""
    found = climb(networks[0], Logit(signs.STOP), steps=30, recipe=NAIVE, optimizer=ADAM, seed=1).images
    read = c.predict(networks, found)[0, :, signs.STOP]
    assert read[0] > 0.999
    assert read[1:].min() < 0.5


def test_pictures_that_survive_moves_convince_other_networks_more_often(networks):
    """Lesson 6 says which rung of the ladder makes the networks agree: the moves, more than anything else."""
    labels, moves = [10, 9, 0, 8, 13], part_of_full(("jitter", "rotation", "scale", "padding"))
    believed = []
    for recipe in (NAIVE, moves):
        drawn = climb(networks[0], [Logit(label) for label in labels], steps=32, recipe=recipe, seed=1).images
        believed.append(c.predict(networks[1:3], drawn)[range(5), :, labels].mean())
    assert believed[1] > believed[0] + 0.2
