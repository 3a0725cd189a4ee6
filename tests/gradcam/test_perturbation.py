"""Deletion and insertion: by their definitions, beside scipy, and in an order that a seed gives again."""

import numpy as np
import pytest
import torch
from scipy.integrate import trapezoid

from course_utils import images, runtime, signs, zoo
from course_utils.gradcam import comparison
from course_utils.gradcam.class_score import score


def random(count=3, side=12, seed=0):
    return torch.rand(count, side, side, generator=runtime.generator(seed))


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
        sure, blind = (score(network(x), scenes.labels, "probability") for x in (scenes.images, grey))
        blurred = images.blur(scenes.images, 6.4)
        dim = score(network(blurred), scenes.labels, "probability")
    gone = comparison.deletion(network, scenes.images, maps, scenes.labels, steps=5)
    come = comparison.insertion(network, scenes.images, maps, scenes.labels, steps=5)
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
    first = comparison.deletion(Counts(), x, maps, 0, steps=4)
    last = comparison.deletion(Counts(), x, -maps, 0, steps=4)
    torch.testing.assert_close(first, torch.tensor([[0.99, 0.5, 0.5, 0.5, 0.5]]))
    torch.testing.assert_close(last, torch.tensor([[0.99, 0.99, 0.99, 0.99, 0.5]]))
    assert float(comparison.area(first)) < float(comparison.area(last))


def test_equally_hot_pixels_go_in_the_same_random_order_at_every_call(network, scenes):
    flat = torch.zeros(6, 64, 64)
    rising = torch.arange(64.0 * 64).view(1, 64, 64).expand(6, -1, -1)
    one, again, other = (
        comparison.deletion(network, scenes.images, maps, scenes.labels, steps=4) for maps in (flat, flat, -rising)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_a_map_of_the_sign_is_deleted_sooner_than_its_opposite(network, scenes):
    masks = scenes.masks[:, 0]
    on, off = (
        comparison.area(comparison.deletion(network, scenes.images, maps, scenes.labels)) for maps in (masks, -masks)
    )
    assert (on < off).all()


def test_area_is_the_trapezoid_rule():
    curves = random(4, 9)[:, 0]
    expected = trapezoid(curves.numpy(), dx=1 / 8, axis=1)
    np.testing.assert_allclose(comparison.area(curves).numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("maps", "steps", "error", "words"),
    [
        (torch.zeros(6, 8, 8), 4, ValueError, r"maps must be \[6, 64, 64\]"),
        ("map", 4, ValueError, "got str"),
        (torch.zeros(6, 64, 64), 0, ValueError, "steps must be at least 1"),
    ],
)
def test_a_walk_refuses_what_does_not_fit(network, scenes, maps, steps, error, words):
    for walk in (comparison.deletion, comparison.insertion):
        with pytest.raises(error, match=words):
            walk(network, scenes.images, maps, scenes.labels, steps=steps)
