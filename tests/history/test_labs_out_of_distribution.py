"""The lab of nonsense without a browser: ask every network about what it never learnt, at the ends of all controls."""

import re

import numpy as np
import pytest

from course_utils import figures, zoo
from course_utils.history import out_of_distribution
from course_utils.history.labs import out_of_distribution as labs
from course_utils.labs.seeing import PHOTOGRAPHS
from tests.seen import pixels_of, png, put, refuses_a_broken_file, words


@pytest.fixture(scope="module")
def shared():
    return labs.NonsenseLab()


@pytest.fixture
def lab(shared, monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    shared.set(**shared.defaults)
    return shared


def test_a_limit_of_40_is_read_as_60_and_believed(lab):
    assert re.match(r"It answers 60 LIMIT \((9\d\.\d|> 99\.9) %\)\. ▲ You believe it\.", words(lab.headline))


def test_a_higher_threshold_turns_belief_into_doubt_and_asks_nothing_anew(lab, monkeypatch):
    lab.set(picture="noise")
    monkeypatch.setattr(out_of_distribution, "ask", lambda *_: pytest.fail("the network was asked again"))
    lab.set(threshold=99)
    assert "✓ Not sure enough for you" in words(lab.headline)
    lab.set(threshold=5)
    assert "▲ You believe it" in words(lab.headline)


@pytest.mark.parametrize("picture", [*out_of_distribution.KINDS, labs.CONVINCED, labs.KNOWN])
def test_every_picture_at_both_ends_of_the_seeds_and_thresholds(lab, picture):
    shown = set()
    for seed in (0, 99):
        for threshold in (5, 99):
            lab.set(picture=picture, seed=seed, threshold=threshold)
            assert lab.message.value == ""
            assert pixels_of(lab).shape[1] == figures.WIDTH
        shown.add(lab.image.value)
    assert len(shown) == 2


@pytest.mark.parametrize("network", zoo.shipped())
def test_every_network_can_be_asked_and_noise_led_to_stop_convinces_it(lab, network):
    lab.set(network=network, picture=labs.CONVINCED)
    assert lab.message.value == ""
    assert words(lab.headline).startswith("It answers STOP (> 99.9 %)") or "STOP (99." in words(lab.headline)


@pytest.mark.parametrize("photograph", PHOTOGRAPHS)
@pytest.mark.parametrize("network", ["signs-resnet", *zoo.photographs()])
def test_every_photograph_can_be_asked_about(lab, network, photograph):
    lab.set(network=network, picture=photograph)
    assert lab.message.value == ""
    assert words(lab.headline).startswith("It answers ")


@pytest.mark.parametrize("network", zoo.photographs())
def test_a_network_for_photographs_is_measured_by_photographs(lab, network):
    lab.set(network=network, picture="photograph: cat")
    assert words(lab.headline).startswith("It answers EGYPTIAN CAT (3")
    x, (confidence, entropy) = lab._known[network]
    assert len(x) == len(out_of_distribution.NAMED)
    assert 0.3 < confidence < 0.6
    assert 1 < entropy < 4
    for seed in (0, 1, 99):
        lab.set(picture=labs.KNOWN, seed=seed)
        assert lab.message.value == ""
    lab.set(picture=labs.CONVINCED, seed=0)
    assert words(lab.headline).startswith("It answers STREET SIGN (")


def test_what_is_usual_lies_near_certainty(lab):
    _, (confidence, entropy) = lab._known["signs-resnet"]
    assert confidence > 0.999
    assert entropy < 0.01


def test_one_s_own_picture_must_be_uploaded_first(lab):
    good = lab.image.value
    lab.set(picture=labs.OWN)
    assert "press “Upload a picture”" in words(lab.message)
    assert lab.image.value == good


def test_an_upload_is_asked_about_and_a_broken_one_is_told(lab):
    put(lab, png(np.full((80, 120, 3), 128, dtype=np.uint8)))
    assert lab.message.value == ""
    assert lab.controls["picture"].value == labs.OWN
    refuses_a_broken_file(lab, "noise")
