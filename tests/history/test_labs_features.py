"""The lab of features without a browser."""

import itertools

import numpy as np
import pytest

from course_utils import figures, signs, zoo
from course_utils.history import classical, learning_curve
from course_utils.history.labs import features as features_lab
from tests.seen import pixels_of, png, put, refuses_a_broken_file, words

SIZES = [20, 60, 200]


# ---- features --------------------------------------------------------------------------------------------------
@pytest.fixture
def features(monkeypatch):
    """The lab over a network that was never trained, so that it needs none that ships."""
    network = zoo.PixelNetwork(
        learning_curve.small_network(seed=0), name="small", class_names=signs.CLASS_NAMES, input_size=64
    ).eval()
    monkeypatch.setattr(zoo, "load", lambda name, device=None, progress=True: network)
    return features_lab.FeaturesLab("small")


def test_the_lab_counts_the_numbers_of_each_way_of_seeing(features):
    points = classical.sift(signs.render([signs.STOP], seed=0, device="cpu").images)
    assert f"{len(points) * 128:,} numbers in SIFT's points" in words(features.headline)
    assert "12,288 pixel values" in words(features.headline)
    assert "576 in HOG's cells" in words(features.headline)
    assert "16,384 in the answers" in words(features.headline)


@pytest.mark.parametrize("points", [0, 100])
@pytest.mark.parametrize("cell", [4, 32])
@pytest.mark.parametrize("filter", [0, 15])
@pytest.mark.parametrize("below", [features_lab.FILTERS, features_lab.ANSWERS])
def test_every_corner_of_the_controls_gives_a_picture(features, points, cell, filter, below):
    features.set(points=points, cell=cell, filter=filter, below=below)
    assert features.message.value == ""
    assert pixels_of(features).shape[1] == figures.WIDTH


@pytest.mark.parametrize(
    ("control", "value", "left", "right"),
    [("points", 60, 0, 370), ("cell", 16, 370, 740), ("filter", 3, 740, 1120)],
)
def test_a_control_changes_its_own_panel_and_no_other(features, control, value, left, right):
    before = pixels_of(features)[60:360]  # the panels, without titles, captions and strip
    features.controls[control].value = value
    changed = (np.abs(pixels_of(features)[60:360] - before) > 40).any(axis=(0, 2))
    assert changed[left:right].any()
    changed[left:right] = False
    assert not changed.any()


def test_the_strip_shows_filters_or_answers(features):
    before = pixels_of(features)[460:]
    features.set(below=features_lab.ANSWERS)
    assert (np.abs(pixels_of(features)[460:] - before) > 40).any()


def test_every_picture_can_be_chosen(features):
    for picture in features.controls["picture"].options:
        if picture != features_lab.OWN:
            features.set(picture=picture)
            assert features.message.value == "", picture


def test_sift_looks_once_at_a_picture(features, monkeypatch):
    calls, real = [], classical.sift
    monkeypatch.setattr(classical, "sift", lambda picture: calls.append(1) or real(picture))
    for points, cell in itertools.product((0, 5, 50), (5, 8)):
        features.set(points=points, cell=cell)
    assert calls == []
    features.set(picture="YIELD, scene 3")
    assert len(calls) == 1


def test_an_upload_becomes_the_picture_and_a_flat_one_has_no_points(features):
    put(features, png(np.full((90, 120, 3), 130, np.uint8)))
    assert features.message.value == ""
    assert features.controls["picture"].value == features_lab.OWN
    assert " 0 numbers in SIFT's points" in words(features.headline)


def test_a_broken_upload_and_a_missing_one_are_told(features):
    features.set(picture=features_lab.OWN)
    assert "press “Upload a picture”" in words(features.message)
    refuses_a_broken_file(features, "YIELD, scene 3")


def test_another_network_brings_its_filters_and_the_chosen_one_comes_back():
    lab = features_lab.FeaturesLab("signs-alexnet")
    lab.set(picture="photograph: cat", filter=23)
    for network, last, shown in (("signs-resnet", 15, 15), ("efficientnet-lite0", 31, 23), ("signs-alexnet", 31, 23)):
        lab.set(network=network)
        assert lab.message.value == ""
        assert (lab.controls["filter"].max, lab.controls["filter"].value) == (last, shown)
    lab.set(network="efficientnet-lite0", filter=31)
    assert "150,528 pixel values" in words(lab.headline)
    lab.set(network="signs-resnet")
    lab.reset_button.click()
    assert lab.controls["network"].value == "signs-alexnet"
    assert (lab.controls["filter"].max, lab.controls["filter"].value) == (31, 7)


def test_reset_brings_the_first_picture_back(features):
    first = features.image.value
    features.set(points=90, cell=5, filter=1, below=features_lab.ANSWERS, picture="YIELD, scene 3")
    features.reset_button.click()
    assert features.image.value == first
