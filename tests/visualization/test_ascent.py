"""Gradient ascent on pictures: equal to the plain loop, each row its own, the network kept, every mistake told."""

import copy
import time
from dataclasses import replace
from functools import partial

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_utils import zoo
from course_utils.layers.find import outer_layers
from course_utils.runtime import generator
from course_utils.visualization import ascent, canvas
from course_utils.visualization.ascent import ADAM, climb, climb_steps, score
from course_utils.visualization.canvas import noise
from course_utils.visualization.objectives import Filter, Layer, Logit, Neuron, Probability
from course_utils.visualization.reader import Reader
from course_utils.visualization.recipes import LADDER, NAIVE, Recipe

SGD = partial(torch.optim.SGD, lr=3.0)
STILL = Recipe("fourier", True, 0, 0.0, 0.0, 0, 0.0, 0.0, 0.0)  # nothing moves, nothing is punished


class Small(nn.Module):
    """What makes trouble: running statistics, dropout, a ReLU in place that is used twice, a layer nobody calls."""

    input_size = 12

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 6, 3, stride=2, padding=1)
        self.norm2 = nn.BatchNorm2d(6)
        self.relu = nn.ReLU(inplace=True)
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(6 * 36, 4)
        self.never = nn.Conv2d(3, 3, 1)

    def forward(self, x):
        x = self.relu(self.norm1(self.conv1(x)))
        x = self.relu(self.norm2(self.conv2(x)))
        return self.linear(self.dropout(x.flatten(1)))


@pytest.fixture(scope="module")
def trained() -> Small:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = Small()
        for _ in range(20):
            network(torch.rand(16, 3, 12, 12))  # fills the running statistics
    return network.eval()


@pytest.fixture
def network(trained) -> Small:
    return copy.deepcopy(trained)


@pytest.fixture(scope="module")
def alexnet():
    return zoo.load("signs-alexnet", device="cpu")


@pytest.fixture(scope="module")
def resnet():
    return zoo.load("signs-resnet", device="cpu")


def dead(result) -> torch.Tensor:
    """[N], true where the score never changed: no gradient, and nothing to climb, from this start at least."""
    return (result.scores == result.scores[0]).all(dim=0)


# The slide's loop, mended, and the engine


@pytest.mark.parametrize("optimizer", [ADAM, partial(torch.optim.SGD, lr=20.0)])
def test_the_slides_dozen_lines_are_the_engine_without_regularisers(alexnet, optimizer):
    start = noise(1, 64, seed=5)
    image = start.clone().requires_grad_()
    rule = optimizer([image])
    layer = alexnet.body.features[0]
    activations = []
    for _ in range(50):
        rule.zero_grad()
        activation = layer((image - alexnet.mean) / alexnet.std)
        loss = -activation[0, 5].mean()
        loss.backward()
        rule.step()
        image.data = image.data.clamp(0, 1)
        activations.append(-loss.item())
    alexnet.zero_grad(set_to_none=True)
    ours = climb(alexnet, Filter("features.0", 5), steps=50, start=start, recipe=NAIVE, optimizer=optimizer)
    torch.testing.assert_close(ours.images, image.detach(), rtol=0, atol=2e-3)
    torch.testing.assert_close(ours.scores[:-1, 0], torch.tensor(activations), rtol=1e-3, atol=1e-4)
    assert activations[-1] > activations[0] + 0.5


def test_the_loop_is_the_engine_to_the_last_digit_in_double_precision(network):
    network = network.double()
    start = noise(1, 12).double()
    image = start.clone().requires_grad_()
    rule = torch.optim.SGD([image], lr=5.0)
    for _ in range(8):
        rule.zero_grad()
        (-network.norm2(network.conv2(network.relu(network.norm1(network.conv1(image)))))[0, 2].mean()).backward()
        rule.step()
        image.data = image.data.clamp(0, 1)
    how = {"steps": 8, "recipe": NAIVE, "optimizer": partial(torch.optim.SGD, lr=5.0)}
    ours = climb(network, Filter("norm2", 2), start=start, **how)
    torch.testing.assert_close(ours.images, image.detach(), rtol=0, atol=1e-10)


# A batch


EVERY = [
    Filter("conv2", 1),
    Neuron("norm1", 3),
    Neuron("conv1", 2, at=(0, 11)),
    Layer("norm2"),
    Logit(1),
    Probability(2),
    0.3 * Filter("conv1", 0) + 0.7 * Filter("conv1", 4),
    0.5 * (Filter("norm2", 0) + Logit(3)),
]


@pytest.mark.parametrize("recipe", [NAIVE, STILL, replace(STILL, total_variation=0.2, l2=0.3, blur=0.4)])
def test_a_batch_of_many_kinds_is_as_many_runs_of_one(network, recipe):
    network, start = network.double(), noise(len(EVERY), 12).double()
    together = climb(network, EVERY, steps=5, start=start, recipe=recipe)
    for row, objective in enumerate(EVERY):
        alone = climb(network, objective, steps=5, start=start[row : row + 1], recipe=recipe)
        torch.testing.assert_close(together.images[row], alone.images[0], rtol=0, atol=1e-7)
        torch.testing.assert_close(together.scores[:, row], alone.scores[:, 0])
        torch.testing.assert_close(together.gradients[:, row], alone.gradients[:, 0])


def test_scores_are_what_they_are_called(network):
    images = noise(2, 12, seed=3)
    with torch.no_grad():
        one = network.conv1(images)
        two = network.norm2(network.conv2(network.norm1(one).relu()))
        logits = network.linear(two.relu().flatten(1))
    wanted = {
        Filter("conv1", 3): one[:, 3].mean(dim=(1, 2)),
        Neuron("conv1", 3): one[:, 3, 6, 6],
        Neuron("conv1", 3, (1, 2)): one[:, 3, 1, 2],
        Layer("norm2"): two.square().mean(dim=(1, 2, 3)),
        Filter("relu", 4): two.relu()[:, 4].mean(dim=(1, 2)),  # used twice: the last use counts
        Filter("linear", 2): logits[:, 2],
        Logit(2): logits[:, 2],
        Probability(2): logits.softmax(1)[:, 2],
        2.0 * Logit(2) + -1 * Filter("norm2", 1): 2 * logits[:, 2] - two[:, 1].mean(dim=(1, 2)),
    }
    for objective, values in wanted.items():
        torch.testing.assert_close(score(network, objective, images), values, rtol=1e-4, atol=1e-5)
    together = score(network, list(wanted), images[:1])
    torch.testing.assert_close(together, torch.stack([values[0] for values in wanted.values()]), rtol=1e-4, atol=1e-5)


def test_one_start_serves_all_objectives_and_one_objective_all_starts(network):
    start = noise(3, 12)
    assert climb(network, EVERY, steps=1, start=start[:1]).images.shape == (len(EVERY), 3, 12, 12)
    assert climb(network, Filter("conv1", 0), steps=1, start=start).images.shape == (3, 3, 12, 12)
    with pytest.raises(ValueError, match="one picture for each objective; got 3 and 2"):
        climb(network, EVERY[:2], steps=1, start=start)


# It climbs, inside the range, and stops early


@pytest.mark.parametrize("rung", LADDER)
def test_every_rung_climbs_and_stays_in_the_range(resnet, rung):
    objectives = [Filter("stage2", 3), Logit(10)]
    result = climb(resnet, objectives, steps=12, recipe=LADDER[rung], snapshots=(0, 3))
    assert (score(resnet, objectives, result.images) > score(resnet, objectives, result.snapshots[0])).all()
    assert result.scores.shape == result.gradients.shape == (13, 2)
    for pictures in (result.images, *result.snapshots.values()):
        assert pictures.shape == (2, 3, 64, 64)
        assert 0 <= pictures.min() <= pictures.max() <= 1
        assert not pictures.requires_grad
    assert not dead(result).any()


def test_each_rung_of_the_ladder_adds_to_the_one_before():
    rungs = list(LADDER.values())
    assert rungs[0] == NAIVE
    assert rungs[-1] == Recipe()
    assert len(set(rungs)) == len(rungs) == 6


def test_the_regularisers_do_what_they_are_for(resnet):
    objective, how = Filter("stage2", 3), {"steps": 15, "start": noise(1, 64)}
    plain = climb(resnet, objective, recipe=NAIVE, **how).images
    for change, measure in (
        ({"total_variation": 20.0}, canvas.total_variation),
        ({"l2": 20.0}, lambda x: (x - 0.5).square().mean()),
        ({"blur": 0.5}, canvas.total_variation),
        ({"decorrelated": True}, lambda x: (x[:, 0] - x[:, 2]).abs().mean()),  # less gaudy
    ):
        other = climb(resnet, objective, recipe=replace(NAIVE, **change), **how).images
        assert measure(other) < 0.8 * measure(plain), change


def test_a_snapshot_is_the_picture_of_its_step(network):
    path = list(climb_steps(network, EVERY, steps=4))
    result = climb(network, EVERY, steps=4, snapshots=[1, 4])
    assert [step.index for step in path] == [0, 1, 2, 3, 4]
    assert sorted(result.snapshots) == [1, 4]
    assert result.snapshots[1].equal(path[1].images)
    assert result.images.equal(path[4].images)
    assert result.snapshots[4].equal(path[4].images)


def test_nothing_behind_the_layer_is_computed(network):
    calls = []
    network.conv2.register_forward_pre_hook(lambda *_: calls.append("conv2"))
    climb(network, Filter("norm1", 1), steps=10, recipe=NAIVE)
    before = len(calls)  # trial passes only, whatever the number of steps
    climb(network, Filter("norm1", 1), steps=20, recipe=NAIVE)
    assert len(calls) == 2 * before <= 8
    calls.clear()
    climb(network, Filter("conv2", 1), steps=10, recipe=NAIVE)
    assert len(calls) > 10


def test_pictures_that_only_a_late_layer_refuses_serve_an_early_one(alexnet):
    assert climb(alexnet, Filter("features.3", 2), steps=2, size=(40, 90)).images.shape == (1, 3, 40, 90)
    with pytest.raises(ValueError, match=r"40×90 pixels are too small for the logits; take 64×64"):
        climb(alexnet, Logit(2), steps=2, size=(40, 90))


# The network is as it was


def state_of(network):
    modes = [module.training for module in network.modules()]
    flags = [(p.requires_grad, p.grad is None) for p in network.parameters()]
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) + len(m._backward_hooks) for m in network.modules()]
    return modes, flags, hooks


def test_mode_gradients_hooks_statistics_and_random_state_stay(network):
    network.train()
    network.norm2.eval()
    network.conv1.weight.requires_grad_(False)
    weights, before, random = copy.deepcopy(network.state_dict()), state_of(network), torch.get_rng_state()
    for step in climb_steps(network, EVERY, steps=3):
        assert state_of(network) == before, step.index  # also between the steps
    score(network, EVERY, step.images)
    assert state_of(network) == before
    assert torch.get_rng_state().equal(random)
    assert all(value.equal(weights[name]) for name, value in network.state_dict().items())


def test_a_network_in_training_mode_is_climbed_in_evaluation_mode(network):
    start = noise(1, 12)
    wanted = climb(network, Logit(1), steps=4, start=start, recipe=NAIVE)
    again = climb(network.train(), Logit(1), steps=4, start=start, recipe=NAIVE)
    assert again.images.equal(wanted.images)
    assert network.training


@pytest.mark.parametrize("when", ["trial", "climb"])
def test_hooks_are_gone_after_an_error(network, when):
    before = state_of(network.train())
    if when == "trial":
        network.conv2 = nn.Conv2d(5, 6, 3)  # does not fit
        with pytest.raises(ValueError, match="do not come through to the layer 'conv2'"):
            climb(network, Filter("conv2", 1), steps=2)
    else:

        def explode(*_):
            raise KeyboardInterrupt

        path = climb_steps(network, [Filter("conv2", 1), Layer("conv1")], steps=3)
        next(path)
        hook = path.gi_frame.f_locals["reader"].modules["conv2"].register_forward_hook(explode, prepend=True)
        with pytest.raises(KeyboardInterrupt):
            next(path)
        hook.remove()
    assert state_of(network) == before


def test_a_convolution_before_its_normalisation_is_not_folded_when_it_is_the_aim(network):
    start = noise(1, 12)
    with torch.no_grad():
        wanted = network.conv1(start)[0, 2].mean()
    first = next(climb_steps(network, Filter("conv1", 2), start=start, recipe=NAIVE))
    torch.testing.assert_close(first.scores[0], wanted, rtol=1e-4, atol=1e-5)


# Chance


def test_the_same_seed_gives_the_same_picture_and_another_one_another(network):
    first, again = (climb(network, Filter("conv2", 1), steps=4, seed=3).images for _ in range(2))
    assert first.equal(again)
    assert not first.equal(climb(network, Filter("conv2", 1), steps=4, seed=4).images)


def test_jitter_makes_another_picture_from_the_same_start(network):
    start = noise(1, 12)
    still, moved = (
        climb(network, Filter("conv2", 1), steps=4, start=start, recipe=replace(NAIVE, jitter=j)).images for j in (0, 2)
    )
    assert not still.equal(moved)


@settings(max_examples=12, deadline=None)
@given(st.integers(0, 6), st.floats(0, 45), st.floats(0, 0.5), st.integers(0, 5), st.sampled_from(["pixel", "fourier"]))
def test_any_recipe_gives_pictures_of_the_right_size(trained, jitter, rotation, scale, padding, kind):
    recipe = Recipe(kind, True, jitter, rotation, scale, padding)
    images = climb(trained, [Filter("conv2", 1), Logit(0)], steps=2, recipe=recipe).images
    assert images.shape == (2, 3, 12, 12)
    assert 0 <= images.min() <= images.max() <= 1


def test_a_climb_goes_on_from_a_picture(network):
    how = {"recipe": NAIVE, "optimizer": SGD}
    whole = climb(network, Filter("conv2", 1), steps=6, start=noise(1, 12), **how)
    half = climb(network, Filter("conv2", 1), steps=3, start=noise(1, 12), **how)
    rest = climb(network, Filter("conv2", 1), steps=3, start=half.images, **how)
    torch.testing.assert_close(rest.images, whole.images, rtol=0, atol=1e-5)


def test_the_padding_of_a_start_goes_on_with_its_last_pixels(network):
    """Round a plain picture no edge stands, so total variation has nothing to push at."""
    plain, how = torch.full((1, 3, 12, 12), 0.7), {"steps": 1, "recipe": replace(NAIVE, padding=4)}
    without = climb(network, Filter("conv2", 1), start=plain, **how)
    how["recipe"] = replace(how["recipe"], total_variation=5.0)
    assert climb(network, Filter("conv2", 1), start=plain, **how).gradients[0].equal(without.gradients[0])


# What can be wrong


def test_a_dead_filter_leaves_the_start_as_it_was(network):
    with torch.no_grad():
        network.norm2.weight[3], network.norm2.bias[3] = 0.0, -1.0
    start = noise(1, 12)
    both = [Filter("relu", 3), Filter("relu", 1)]
    result = climb(network, both, steps=3, start=start, recipe=NAIVE)
    assert dead(result).tolist() == [True, False]
    assert result.images[0].equal(start[0])
    assert result.scores[:, 0].tolist() == [0, 0, 0, 0]
    assert result.gradients[:, 0].tolist() == [0, 0, 0, 0]
    assert climb(network, both, steps=3).images.isfinite().all()


def test_filters_that_do_not_answer_to_one_noise_get_another():
    robust = zoo.load("signs-resnet-robust", device="cpu")
    objectives = [Filter("stage4", k) for k in range(16)]
    one = Recipe().noise * torch.randn(1, 3, 64, 64, generator=generator(0)) + 0.5
    from_one_start = climb(robust, objectives, steps=2, start=one.clamp(0, 1))
    assert dead(from_one_start).any()
    woken = climb(robust, objectives, steps=2)
    assert not dead(woken).any()
    assert woken.images.equal(climb(robust, objectives, steps=2).images)


@pytest.mark.parametrize(
    ("objective", "error", "words"),
    [
        (Filter("conv2", 6), ValueError, "'conv2' has 6 filters, 0 to 5; there is no filter 6"),
        (Filter("conv9", 0), ValueError, r"no layer 'conv9'; did you mean 'conv\d'\? There are conv1, norm1, conv2"),
        (Filter("xyz", 0), ValueError, "no layer 'xyz'; there are conv1, norm1, conv2, norm2, relu"),
        (Filter("never", 0), ValueError, "never used its layer 'never'"),
        (Neuron("conv2", 0, (6, 0)), ValueError, r"the maps of 'conv2' are 6×6; there is no place \(6, 0\)"),
        (Neuron("linear", 0), ValueError, "without height and width; take a Filter"),
        (Logit(4), ValueError, "knows 4 classes, 0 to 3; got label 4"),
        (Probability(11), ValueError, "knows 4 classes, 0 to 3; got label 11"),
        (Filter("conv2", 0) + Filter("conv2", 7), ValueError, "no filter 7"),
        ("conv2", TypeError, "an objective is a Filter, Neuron, Layer"),
        ([], ValueError, "at least one objective"),
    ],
)
def test_an_aim_that_is_not_there_is_told(network, objective, error, words):
    for attempt in (lambda: climb_steps(network, objective), lambda: score(network, objective, noise(1, 12))):
        with pytest.raises(error, match=words):
            attempt()


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: Filter("conv1", -1), ValueError, "index is counted from 0; got -1"),
        (lambda: Filter("conv1", 1.0), TypeError, "index must be a whole number"),
        (lambda: Filter("", 1), TypeError, "layer is the name of a layer"),
        (lambda: Neuron("conv1", 1, 3), TypeError, r"\(row, column\)"),
        (lambda: Neuron("conv1", 1, (-1, 3)), ValueError, "the row is counted from 0"),
        (lambda: Logit(True), TypeError, "label must be a whole number"),
        (lambda: Logit(1) + "b", TypeError, "an objective is a Filter, Neuron, .* got 'b'"),
        (lambda: "much" * Logit(1), TypeError, "the weight of an objective must be a number; got 'much'"),
        (lambda: Logit(1) * float("nan"), ValueError, "the weight of an objective must be a finite number; got nan"),
        (lambda: Recipe("wavelet"), ValueError, "'pixel' or 'fourier'; got 'wavelet'"),
        (lambda: Recipe(decorrelated=1), TypeError, "decorrelated is True or False"),
        (lambda: Recipe(jitter=-1), ValueError, r"jitter must lie in \[0, 64\]; got -1"),
        (lambda: Recipe(jitter=1.5), TypeError, "jitter must be a whole number"),
        (lambda: Recipe(rotation=200), ValueError, r"rotation must lie in \[0, 180\]"),
        (lambda: Recipe(scale=2.0), ValueError, r"scale must lie in \[0, 1\]"),
        (lambda: Recipe(blur=float("nan")), ValueError, "blur must lie"),
        (lambda: Recipe(l2=float("inf")), ValueError, "l2 must be at least 0 and finite"),
        (lambda: Recipe(total_variation=-0.1), ValueError, "total_variation must be at least 0"),
        (lambda: Recipe(noise="much"), TypeError, "noise must be a number"),
    ],
)
def test_a_wrong_aim_or_recipe_is_told(make, error, words):
    with pytest.raises(error, match=words):
        make()


@pytest.mark.parametrize(
    ("how", "error", "words"),
    [
        ({"steps": 0}, ValueError, "steps must be at least 1; got 0"),
        ({"steps": 2.0}, TypeError, "steps must be a whole number"),
        ({"size": 0}, ValueError, "at least 1 pixel"),
        ({"size": "12"}, TypeError, "whole number of pixels"),
        ({"size": 9, "start": noise(1, 12)}, ValueError, "have 12×12 pixels; leave size out"),
        ({"start": 255 * noise(1, 12)}, ValueError, "divide by 255"),
        ({"start": noise(1, 12)[0]}, ValueError, r"a batch \[N, 3, H, W\]"),
        ({"start": noise(1, 12).byte()}, TypeError, "floats in"),
        ({"recipe": {"jitter": 3}}, TypeError, "recipe is a Recipe"),
        ({"optimizer": lambda values: None}, TypeError, "optimizer makes an optimizer"),
        ({"optimizer": torch.optim.LBFGS}, TypeError, "it mixes the pictures"),
        ({"seed": "one"}, TypeError, "a seed is a whole number"),
    ],
)
def test_a_wrong_argument_is_told_at_the_call(network, how, error, words):
    with pytest.raises(error, match=words):
        climb_steps(network, Filter("conv2", 1), **how)


def test_what_else_goes_wrong_is_told(network, resnet):
    with pytest.raises(TypeError, match=r"torch\.nn\.Module"):
        climb_steps("signs-resnet", Logit(0))
    with pytest.raises(ValueError, match="snapshots are taken at steps from 0 to 3; got 4"):
        climb(network, Logit(0), steps=3, snapshots=[0, 4])
    del Small.input_size
    try:
        with pytest.raises(ValueError, match="say it, as in size=64"):
            climb(network, Logit(0))
    finally:
        Small.input_size = 12
    with torch.no_grad():
        network.conv1.weight[0] = float("nan")
    with pytest.raises(ValueError, match="ended in NaN or infinity"):
        climb(network, Logit(0), steps=2)


def test_pictures_too_small_for_a_layer_are_told():
    deep = nn.Sequential(nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), nn.Conv2d(4, 4, 5))
    assert climb(deep, Filter("2", 1), steps=1, size=12).images.shape[-1] == 12
    with pytest.raises(ValueError, match="8×8 pixels do not come through to the layer '2'"):
        climb(deep, Filter("2", 1), steps=1, size=8)


def test_layers_are_named_as_in_the_menus(resnet):
    names = outer_layers(resnet)
    assert len(names) >= 4
    for name in names:
        assert len(climb(resnet, [Filter(name, 0), Filter(f"body.{name}", 1)], steps=1).images) == 2


# Speed


@pytest.mark.parametrize("count", [1, 16])
def test_sixteen_filters_at_once_ask_the_network_as_often_as_one(alexnet, monkeypatch, count):
    asked = []
    monkeypatch.setattr(ascent, "Reader", lambda *given, **how: Counting(asked, *given, **how))
    climb(alexnet, [Filter("features.8", k) for k in range(count)], steps=4, start=noise(1, 64))
    assert asked == [count] * 5  # pictures in each pass: one pass a step, and one at the start


class Counting(Reader):
    """Notes how many pictures are looked at together."""

    def __init__(self, asked, *given, **how):
        super().__init__(*given, **how)
        self.asked = asked

    def scores(self, images):
        self.asked.append(len(images))
        return super().scores(images)


def test_sixteen_filters_at_once_take_less_than_one_after_the_other(alexnet):
    objectives, how = [Filter("features.8", k) for k in range(16)], {"steps": 4, "recipe": NAIVE}

    def seconds(task) -> float:
        started = time.perf_counter()
        task()
        return time.perf_counter() - started

    ratios = []
    for _ in range(3):
        together = seconds(lambda: climb(alexnet, objectives, **how))
        one_by_one = seconds(lambda: [climb(alexnet, objective, **how) for objective in objectives])
        ratios.append(together / one_by_one)
    assert min(ratios) < 0.9
