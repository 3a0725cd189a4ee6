"""Pictures that no network was trained for: they are what they say, and noise is led without leaving its bounds."""

import math

import pytest
import torch

from course_utils import images, signs, zoo
from course_utils.history import out_of_distribution

KINDS = list(out_of_distribution.KINDS)


@pytest.fixture(scope="module")
def network():
    return zoo.load("signs-resnet", device="cpu")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [32, 64, 96])
def test_every_kind_gives_pictures(kind, size):
    pictures = out_of_distribution.draw(kind, 5, size=size, seed=3)
    assert pictures.shape == (5, 3, size, size)
    assert pictures.dtype == torch.float32
    assert 0 <= pictures.min() <= pictures.max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_pictures_and_another_seed_others(kind):
    torch.manual_seed(1)
    first, state = out_of_distribution.draw(kind, 3, seed=1), torch.get_rng_state()
    assert torch.equal(first, out_of_distribution.draw(kind, 3, seed=1))
    assert not torch.equal(first, out_of_distribution.draw(kind, 3, seed=2))
    assert torch.equal(state, torch.get_rng_state())


def test_grey_is_one_shade_and_a_checkerboard_has_two_colours():
    assert out_of_distribution.draw("grey", 4).flatten(1).std(dim=1).max() == 0
    for board in out_of_distribution.draw("checkerboard", 12, seed=2):
        colours = board.flatten(1).T.unique(dim=0)
        assert len(colours) == 2


def test_a_sign_upside_down_is_a_scene_turned_by_half_a_circle(network):
    turned_back = out_of_distribution.draw("upside down", 100, seed=1).flip(2, 3)
    read = [network.class_names[k] for k in out_of_distribution.ask(network, turned_back).labels]
    assert sum(name.endswith("limit") for name in read) > 95
    assert len({name for name in read if name.endswith("limit")}) == 7


def test_forty_is_no_class_of_the_course():
    assert not any(name.startswith("40") for name in signs.CLASS_NAMES)
    assert 4 not in {int(sign.name[0]) for sign in signs.CLASSES if sign.name.endswith("limit")}


def test_an_answer_s_confidence_and_entropy_are_those_of_its_probabilities(network):
    answer = out_of_distribution.ask(network, out_of_distribution.draw("noise", 8))
    assert torch.allclose(answer.probabilities.sum(dim=1), torch.ones(8))
    assert torch.equal(answer.confidence, answer.probabilities.amax(dim=1))
    by_hand = torch.distributions.Categorical(probs=answer.probabilities).entropy() / math.log(2)
    assert torch.allclose(answer.entropy, by_hand, atol=1e-5)
    assert answer.entropy.max() <= math.log2(20)


def test_entropy_is_0_when_all_is_certain_and_not_nan():
    class Certain(torch.nn.Module):
        def forward(self, x):
            return torch.tensor([[1000.0, 0.0, 0.0]]).expand(len(x), -1)

    answer = out_of_distribution.ask(Certain(), torch.zeros(2, 3, 8, 8))
    assert answer.entropy.tolist() == [0, 0]


@pytest.mark.parametrize("seed", [0, 1, 99])
def test_noise_can_be_led_to_any_class_and_stays_noise(network, seed):
    for label in (signs.STOP, signs.YIELD):
        led = out_of_distribution.lead_noise(network, label, seed=seed)
        answer = out_of_distribution.ask(network, led)
        assert answer.labels.item() == label
        assert answer.confidence.item() > 0.99
        start = out_of_distribution.draw("noise", seed=seed)
        assert 0 <= led.min() <= led.max() <= 1
        assert (led - start).abs().max() <= 32 / 255 + 1e-6


def test_a_network_of_signs_knows_scenes_and_one_of_photographs_the_photographs_that_it_reads(network):
    large = zoo.load("efficientnet-lite0", device="cpu")
    assert out_of_distribution.knows_signs(network)
    assert not out_of_distribution.knows_signs(large)
    assert out_of_distribution.known(network).shape == (100, 3, 64, 64)
    x = out_of_distribution.known(large)
    assert x.shape == (len(out_of_distribution.NAMED), 3, 224, 224)
    words = [large.class_names[label] for label in out_of_distribution.ask(large, x).labels]
    assert all(word in right for word, right in zip(words, out_of_distribution.NAMED.values(), strict=True))


def test_a_network_that_reads_no_photograph_is_shown_all_of_them():
    class AlwaysTench(torch.nn.Module):
        def forward(self, x):
            return torch.eye(1000)[0].expand(len(x), -1)

    names = zoo.card("efficientnet-lite0")["class_names"]
    blind = zoo.PixelNetwork(AlwaysTench(), name="blind", class_names=names, input_size=32)
    assert out_of_distribution.known(blind).shape == (len(out_of_distribution.NAMED), 3, 32, 32)


def test_the_words_are_imagenet_s_and_the_nameless_have_none():
    names = zoo.card("efficientnet-lite0")["class_names"]
    assert {word for words in out_of_distribution.NAMED.values() for word in words} <= set(names)
    assert {*out_of_distribution.NAMED, *out_of_distribution.NAMELESS} <= set(images.PHOTOGRAPHS)


def test_asking_leaves_the_network_as_it_was(network):
    network.train()
    out_of_distribution.ask(network, out_of_distribution.draw("grey"))
    assert network.training
    assert all(parameter.requires_grad for parameter in network.parameters())
    network.eval()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "giraffe"}, "no out-of-distribution picture 'giraffe'"),
        ({"kind": "cat", "count": 0}, "count must be at least 1; got 0"),
        ({"kind": "cat", "size": 8}, r"size must lie in \[32, 512\]; got 8"),
    ],
)
def test_what_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        out_of_distribution.draw(**arguments)


def test_a_picture_is_led_and_no_pixel_leaves_its_bounds(network):
    stop = signs.render([signs.STOP], seed=3, device="cpu").images
    led = out_of_distribution.lead(network, stop, signs.YIELD, most=8 / 255)
    assert out_of_distribution.ask(network, led).labels.item() == signs.YIELD
    assert (led - stop).abs().max() <= 8 / 255 + 1e-6
    assert 0 <= led.min() <= led.max() <= 1
    assert not led.requires_grad
    assert torch.equal(stop, signs.render([signs.STOP], seed=3, device="cpu").images)


def test_noise_is_led_to_a_class_that_there_is(network):
    with pytest.raises(ValueError, match="label is a class of this network, 0 to 19; got 20"):
        out_of_distribution.lead_noise(network, 20)
    with pytest.raises(TypeError, match=r"label must be a whole number from 0 to 19; got 2\.5"):
        out_of_distribution.lead_noise(network, 2.5)
