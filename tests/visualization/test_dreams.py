"""DeepDream: what it raises, how far a pixel may go, and that a dream is the same every night of one seed."""

import pytest
import torch

from course_utils import signs, visualization, zoo
from course_utils.visualization import Filter, Layer, dreams


@pytest.fixture(scope="module")
def network():
    return zoo.load("signs-resnet", device="cpu")


@pytest.fixture(scope="module")
def picture():
    return signs.render([signs.STOP], size=32, seed=3, device="cpu").images


@pytest.mark.parametrize("objective", [Layer("stage2"), Filter("stage2", 5)])
def test_a_dream_raises_what_it_dreams_of(network, picture, objective):
    dreamt = dreams.dream(network, picture, objective, octaves=2, steps=5)
    before, after = (float(visualization.score(network, objective, one)[0]) for one in (picture, dreamt))
    assert after > 1.2 * before
    assert dreamt.shape == picture.shape
    assert dreamt.min() >= 0
    assert dreamt.max() <= 1


def test_one_octave_is_plain_ascent_with_steps_of_one_size(network, picture):
    goal = Layer("stage1")
    x = picture.clone()
    for _ in range(3):
        x.requires_grad_()
        kept = []
        hook = network.body.stage1.register_forward_hook(lambda *a, kept=kept: kept.append(a[2]))
        network(x)
        hook.remove()
        (gradient,) = torch.autograd.grad(kept[0].pow(2).mean(), x)
        x = (x.detach() + 0.01 * gradient / gradient.abs().mean()).clamp(0, 1)
    dreamt = dreams.dream(network, picture, goal, octaves=1, steps=3, step_size=0.01, jitter=0)
    torch.testing.assert_close(dreamt, x, rtol=1e-3, atol=1e-4)


def test_octaves_go_from_coarse_to_fine_and_end_at_the_picture(network, picture):
    path = list(dreams.dream_steps(network, picture, Layer("stage1"), octaves=3, steps=2))
    assert [tuple(step.images.shape[2:]) for step in path] == [(16, 16)] * 3 + [(23, 23)] * 3 + [(32, 32)] * 3
    assert [(step.octave, step.index) for step in path] == [(k, i) for k in range(3) for i in range(3)]
    assert {(step.octaves, step.steps) for step in path} == {(3, 2)}


def test_what_was_dreamt_in_small_is_still_there_in_large(network, picture):
    path = list(dreams.dream_steps(network, picture, Layer("stage1"), octaves=2, steps=4, step_size=0.03))
    begun = next(step for step in path if step.octave == 1)  # the second octave, before its first step
    assert (begun.images - picture).abs().mean() > 0.01
    how = {"size": 8, "mode": "bilinear", "antialias": True}
    small, large = (torch.nn.functional.interpolate(one, **how) for one in (path[4].images, begun.images))
    assert (small - large).abs().mean() < 0.01


@pytest.mark.parametrize("seed", [0, 7])
def test_equal_seeds_dream_alike_and_others_do_not(network, picture, seed):
    how = {"octaves": 1, "steps": 2, "jitter": 6}
    once, again = (dreams.dream(network, picture, Layer("stage1"), seed=seed, **how) for _ in range(2))
    assert torch.equal(once, again)
    assert not torch.equal(once, dreams.dream(network, picture, Layer("stage1"), seed=seed + 1, **how))


def test_a_batch_dreams_as_its_pictures_do(network):
    pair = signs.render([0, 9], size=32, seed=1, device="cpu").images
    how = {"octaves": 2, "steps": 2, "jitter": 0}
    both = dreams.dream(network, pair, Layer("stage1"), **how)
    for k in (0, 1):
        torch.testing.assert_close(both[k : k + 1], dreams.dream(network, pair[k : k + 1], Layer("stage1"), **how))


def test_the_network_and_the_picture_stay_as_they_were(network, picture):
    before, state = picture.clone(), {key: value.clone() for key, value in network.state_dict().items()}
    path = dreams.dream_steps(network, picture, Layer("stage1"), octaves=1, steps=3)
    next(path)
    path.close()
    assert torch.equal(picture, before)
    assert all(torch.equal(state[key], value) for key, value in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"octaves": 0}, "octaves is a whole number, at least 1; got 0"),
        ({"octaves": 5}, "the coarsest of 5 octaves would have 8×8 pixels; take fewer, or a larger picture"),
        ({"step_size": 4}, "step_size lies between 0 and 1"),
        ({"steps": 0}, "steps must be at least 1; got 0"),
        ({"jitter": -1}, "jitter must lie"),
        ({"objective": Filter("stage1", 99)}, "there is no filter 99"),
        ({"objective": "stage1"}, "an objective is a Filter"),
        ({"images": torch.rand(3, 32, 32)}, r"the pictures to dream on must be a batch \[N, 3, H, W\]"),
        ({"images": 2 * torch.ones(1, 3, 32, 32)}, r"pixels must lie in \[0, 1\]"),
    ],
)
def test_bad_input_is_refused_at_the_call(network, picture, change, sentence):
    given = {"images": picture, "objective": Layer("stage1"), "octaves": 2} | change
    with pytest.raises((ValueError, TypeError), match=sentence):
        dreams.dream_steps(network, **given)
