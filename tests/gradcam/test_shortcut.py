"""The shortcut: it is where the table says, its stickers where the masks say, and the network fell into it."""

import pytest
import torch

from course_utils import gradcam, signs, training, zoo
from course_utils.gradcam import localisation, shortcut

TRAP, COLOUR = signs.CLASS_NAMES.index(shortcut.GIVEN_AWAY), list(shortcut.COLOURS).index(shortcut.BY)


@pytest.fixture(scope="module")
def made():
    return shortcut.render(400, seed=2**41 + 11, device="cpu")


@pytest.fixture(scope="module")
def network():
    return zoo.load("gradcam-shortcut", device="cpu")


def test_one_colour_goes_with_one_class_and_with_no_other(made):
    trapped = made.scenes.labels == TRAP
    assert 0 < trapped.sum() < 100
    assert (made.colours[trapped] == COLOUR).all()
    assert (made.colours[~trapped] != COLOUR).all()
    assert len(made.colours[~trapped].unique()) == len(shortcut.COLOURS) - 1


def test_a_sticker_has_its_colour_where_its_mask_is(made):
    for k, paint in enumerate(shortcut.COLOURS.values()):
        some = made.colours == k
        inside = made.stickers[some] > 0.99  # [n, 1, S, S]
        found = (made.scenes.images[some] * inside).sum(dim=(0, 2, 3)) / inside.sum()
        torch.testing.assert_close(found / found.max(), torch.tensor(paint) / max(paint), atol=0.03, rtol=0)
    assert not ((made.scenes.masks > 0.5) & (made.stickers > 0.5)).any()
    share = made.stickers.mean(dim=(1, 2, 3))
    assert share.min() > 0.01
    assert share.max() < 0.05


def test_put_stickers_changes_nothing_else_and_not_what_it_was_given(made):
    images = made.scenes.images[:8].clone()
    found, stickers = shortcut.put_stickers(images, torch.zeros(8, dtype=torch.long), seed=3)
    assert torch.equal(images, made.scenes.images[:8])
    untouched = (stickers == 0).expand_as(images)
    assert torch.equal(found[untouched], images[untouched])
    again, _ = shortcut.put_stickers(images, torch.zeros(8, dtype=torch.long), seed=3)
    assert torch.equal(found, again)


def test_the_scenes_come_again_from_its_seed_and_know_the_dials():
    one, again = (shortcut.render([1, 2], seed=5, device="cpu") for _ in range(2))
    assert torch.equal(one.scenes.images, again.scenes.images)
    assert one.scenes.labels.tolist() == [1, 2]
    hard = shortcut.render([1, 2], seed=5, dials=signs.Dials.wild(), device="cpu")
    assert not torch.equal(one.scenes.images, hard.scenes.images)


def test_the_network_is_good_at_what_it_was_trained_on_and_fails_on_the_street(network, made):
    card = zoo.card("gradcam-shortcut")["accuracy"]
    right = training.accuracy(network, made.scenes.images, made.scenes.labels)
    assert right == pytest.approx(card["shortcut"], abs=0.04)
    street = signs.render([TRAP] * 100, seed=2**41 + 12, device="cpu")
    assert training.accuracy(network, street.images, street.labels) == pytest.approx(card["street_given_away"], abs=0.1)
    assert card["shortcut"] > 0.9
    assert card["shortcut_given_away"] > 0.95
    assert card["street_given_away"] < 0.3


def test_the_heat_tells_which_class_it_is(network, made):
    scenes = made.scenes
    maps = gradcam.hirescam(network, scenes.images, scenes.labels, layer="stage3")
    energy = localisation.energy_inside(maps, scenes.masks)
    by_class = torch.stack([energy[scenes.labels == label].mean() for label in range(len(signs.CLASSES))])
    lowest, second = by_class.sort().values[:2]
    assert int(by_class.argmin()) == TRAP
    assert lowest < second - 0.1
    on_sticker = localisation.energy_inside(maps, made.stickers)
    trapped = scenes.labels == TRAP
    assert on_sticker[trapped].mean() > 4 * on_sticker[~trapped].mean()


def test_the_sticker_alone_makes_the_class(network):
    street = signs.render(200, seed=2**41 + 13, device="cpu")
    others = street.labels != TRAP
    caught = {}
    for name in shortcut.COLOURS:
        colours = torch.full_like(street.labels, list(shortcut.COLOURS).index(name))
        stuck, _ = shortcut.put_stickers(street.images, colours, seed=1)
        caught[name] = (training.predict(network, stuck[others]).argmax(dim=1) == TRAP).float().mean().item()
    assert caught[shortcut.BY] > 0.4
    assert max(share for name, share in caught.items() if name != shortcut.BY) < 0.1
