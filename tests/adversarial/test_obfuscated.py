"""Obfuscated gradients: the defences change no class, stop plain PGD, and fall to who looks behind them."""

import pytest
import torch

from course_utils import signs, training, zoo
from course_utils.adversarial import obfuscated
from course_utils.adversarial.balls import Linf

BALL = Linf(8 / 255)


@pytest.fixture(scope="module")
def plain():
    return zoo.load("signs-resnet", device="cpu")


@pytest.fixture(scope="module")
def street():
    return signs.render(8, seed=2**40 + 9, device="cpu")


@pytest.fixture(scope="module")
def stop():
    scenes = signs.render([signs.STOP], seed=3, device="cpu")
    return scenes.images, scenes.labels


def test_a_loud_network_reads_the_same_classes(plain, street):
    loud = obfuscated.Loud(plain)
    assert torch.equal(
        training.predict(loud, street.images).argmax(dim=1), training.predict(plain, street.images).argmax(dim=1)
    )
    assert obfuscated.flat_share(loud, street.images, street.labels) > 0.5
    assert obfuscated.flat_share(plain, street.images, street.labels) == 0


def test_a_rounded_network_sees_few_levels_and_has_no_gradient(plain, street):
    rounded = obfuscated.Rounded(plain, levels=4)
    assert len(rounded.round(street.images).unique()) <= 4
    assert (rounded.round(street.images) - street.images).abs().max() <= 1 / 6 + 1e-6
    assert obfuscated.flat_share(rounded, street.images, street.labels) == 1


def test_straight_through_changes_the_way_back_only(plain, street):
    one, other = obfuscated.Rounded(plain), obfuscated.Rounded(plain, straight_through=True)
    with torch.no_grad():
        assert torch.allclose(one(street.images), other(street.images), atol=1e-4)
    assert obfuscated.flat_share(other, street.images, street.labels) == 0


def test_the_defences_stop_pgd_and_fall_to_the_clever_attacks(plain, stop):
    def fooled(defence, attack):
        maker = obfuscated.makers(defence, plain, ball=BALL, steps=12)[attack]
        return obfuscated.robust_accuracy(defence, *stop, maker) == 0

    assert fooled(plain, "PGD, cross-entropy")
    assert not fooled(obfuscated.Loud(plain), "PGD, cross-entropy")
    assert fooled(obfuscated.Loud(plain), "PGD, margin loss")
    assert not fooled(obfuscated.Rounded(plain), "PGD, margin loss")
    assert fooled(obfuscated.Rounded(plain), "PGD through the rounding")


def test_no_attack_leaves_the_ball(plain, stop):
    images, labels = stop
    makers = obfuscated.makers(obfuscated.Rounded(plain), plain, ball=BALL, steps=2)
    assert len(makers) >= 4
    for maker in makers.values():
        made = maker(images, labels)
        assert (made - images).abs().max() <= 8 / 255 + 1e-6
        assert 0 <= made.min() <= made.max() <= 1


def test_what_would_be_no_defence_is_refused(plain):
    with pytest.raises(ValueError, match="factor must be more than 0"):
        obfuscated.Loud(plain, -1)
    with pytest.raises(ValueError, match="levels of brightness must be at least 2; got 1"):
        obfuscated.Rounded(plain, 1)
    with pytest.raises(TypeError, match=r"levels of brightness must be a whole number of at least 2; got 2\.5"):
        obfuscated.Rounded(plain, 2.5)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        obfuscated.makers(plain, plain, ball=BALL, steps=0)
    with pytest.raises(TypeError, match=r"got 0\.03"):
        obfuscated.makers(plain, plain, ball=0.03)


def test_what_ships_says_that_obfuscation_is_no_defence():
    told = obfuscated.load_results()
    held, flat = told["robust_accuracy"], told["flat"]
    assert flat["none"] == 0
    assert flat["rounded"] == 1
    assert held["none"]["PGD, cross-entropy"] < 0.1
    for defence in ("loud", "rounded"):
        assert held[defence]["PGD, cross-entropy"] > 0.5
        assert min(held[defence].values()) < 0.15
