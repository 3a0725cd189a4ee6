"""A patch keeps to its place on the sign, in every pose, and learns to be read as something else."""

from itertools import pairwise

import pytest
import torch

from course_utils import signs, zoo
from course_utils.adversarial import patch

TARGET = signs.CLASS_NAMES.index("caution")


@pytest.fixture(scope="module")
def scenes():
    return signs.render([signs.STOP] * 12, seed=2**40 + 5, dials=signs.Dials.clean(perspective=0.8), device="cpu")


@pytest.fixture(scope="module")
def network():
    return zoo.load("signs-resnet", device="cpu")


def test_a_patch_changes_its_place_and_nothing_else(scenes):
    red = torch.tensor([1.0, 0.0, 0.0]).view(3, 1, 1).expand(3, 8, 8)
    changed = (patch.apply(scenes, red) - scenes.images).abs().amax(dim=1)  # [N, S, S]
    assert (changed[scenes.masks[:, 0] == 0] == 0).all()  # never beside the sign
    share = (changed > 0.02).sum(dim=(1, 2)) / (scenes.masks[:, 0] > 0.5).sum(dim=(1, 2))
    assert (share < 2 * patch.Place().share).all()
    assert (share > 0.3 * patch.Place().share).all()


def test_a_patch_moves_with_the_sign(scenes):
    white = torch.ones(3, 8, 8)
    below = patch.apply(scenes, white, patch.Place(0.0, 0.6, 0.2)) - patch.apply(
        scenes, 0 * white, patch.Place(0.0, 0.6, 0.2)
    )
    rows = torch.linspace(-1, 1, 64).view(1, 64, 1)
    weight = below.mean(dim=1)
    middle = (weight * rows).sum(dim=(1, 2)) / weight.sum(dim=(1, 2))  # where the patch is, by height
    wanted = (scenes.poses @ torch.tensor([0.0, 0.6, 1.0])).T  # [3, N]: where the pose puts it
    assert torch.allclose(middle, wanted[1] / wanted[2], atol=0.05)


def test_the_light_dims_the_patch(scenes):
    white, light = torch.ones(3, 8, 8), torch.full((len(scenes),), 0.5)
    bright, dim = patch.apply(scenes, white), patch.apply(scenes, white, light=light)
    assert (dim <= bright + 1e-6).all()
    assert torch.allclose((bright - dim).amax(dim=(1, 2, 3)), torch.tensor(0.5), atol=0.05)


def test_printing_makes_the_target_likelier_and_leaves_the_network_alone(network, scenes):
    before = {name: value.clone() for name, value in network.state_dict().items()}
    steps = list(patch.patch_steps(network, scenes, TARGET, steps=12, batch=4, side=8))
    assert [step.index for step in steps] == list(range(13))
    assert all(0 <= step.patch.min() <= step.patch.max() <= 1 for step in steps)
    assert sum(step.loss for step in steps[-4:]) < 0.9 * sum(step.loss for step in steps[:4])
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_strides_grow_shorter_and_the_first_is_as_long_as_asked(network, scenes):
    """Of colours that stay clear of black and white."""
    patches = [step.patch for step in patch.patch_steps(network, scenes, TARGET, steps=4, batch=4, side=8)]
    strides = [(after - before).abs().median().item() for before, after in pairwise(patches)]
    assert strides == pytest.approx([0.05 * (1 - 0.9 * index / 4) for index in range(4)], abs=1e-6)


def test_a_hand_sticks_it_on_a_little_to_every_side():
    draws = list(patch._draws(12, 400, 4, torch.Generator().manual_seed(0)))
    moves = torch.tensor([move for _, move, _ in draws])  # [400, 3]: to the right, down, larger
    assert torch.allclose(moves.amin(dim=0), torch.tensor(-0.04), atol=1e-3)
    assert torch.allclose(moves.amax(dim=0), torch.tensor(0.04), atol=1e-3)
    assert {index for chosen, _, _ in draws for index in chosen.tolist()} == set(range(12))


def test_equal_seeds_give_equal_patches(network, scenes):
    one, other = (patch.train_patch(network, scenes, TARGET, steps=2, batch=2, side=8, seed=4) for _ in range(2))
    assert torch.equal(one, other)


def test_printing_waits_for_the_device_once_and_not_in_every_step(network, scenes, monkeypatch):
    """Each number that is brought to the processor makes a GPU wait."""
    brought = []

    def counted(name):
        fetch = getattr(torch.Tensor, name)
        return lambda numbers: (brought.append(name), fetch(numbers))[1]

    for name in ("item", "tolist", "__float__"):
        monkeypatch.setattr(torch.Tensor, name, counted(name))
    patch.train_patch(network, scenes, TARGET, steps=3, batch=2, side=8)
    assert brought == ["tolist"]


@pytest.mark.parametrize("name", ["steps", "batch", "side"])
def test_what_prints_nothing_is_refused(network, scenes, name):
    with pytest.raises(ValueError, match=f"{name} must be at least 1; got 0"):
        patch.patch_steps(network, scenes, TARGET, **{name: 0})


def test_the_signs_own_class_is_no_target(network, scenes):
    with pytest.raises(ValueError, match="take another class"):
        patch.patch_steps(network, scenes, signs.STOP)
    with pytest.raises(ValueError, match="target 99 is no class of this network; it knows 0 to 19"):
        patch.train_patch(network, scenes, 99)
    with pytest.raises(TypeError, match=r"target must be a whole number of at least 0; got 2\.5"):
        patch.patch_steps(network, scenes, 2.5)


def test_the_patches_that_ship_do_what_their_file_says(network):
    told = patch.load_results()
    target = signs.CLASS_NAMES.index(told["target"])
    fresh = signs.render([signs.STOP] * 60, seed=77, device="cpu")
    fooled = {
        name: (patch.predict(network, fresh, pixels) == target).float().mean().item()
        for name, pixels in {"many scenes": patch.load("many-scenes"), "one scene": patch.load("one-scene")}.items()
    }
    for name, share in fooled.items():
        assert share == pytest.approx(told["fooled"]["signs-resnet"][name], abs=0.2)
    assert told["fooled"]["signs-resnet"]["many scenes"] > 1.2 * told["fooled"]["signs-resnet"]["one scene"]
    assert told["fooled"]["signs-resnet"]["grey"] < 0.05
    assert told["right"]["signs-resnet"]["grey"] > 0.9
    home = signs.render([signs.STOP], seed=told["own scene"]["seed"], device="cpu")[torch.zeros(20, dtype=torch.long)]
    assert (patch.predict(network, home, patch.load("one-scene")) == target).float().mean() > 0.7
