"""The lab of ablation without a browser: what is off is grey, costs scenes, and is on again afterwards."""

import re

import numpy as np
import pytest
from PIL import ImageColor

from course_utils import figures, inception
from course_utils.inception.labs import branches
from tests.seen import pixels_of, words


@pytest.fixture(scope="module")
def branch_lab():
    return branches.BranchLab(scenes=60)


@pytest.fixture
def whole(branch_lab):
    """The lab with all branches on."""
    branch_lab.reset()
    branch_lab.set(**{branches.OFF: True})
    return branch_lab


def test_the_first_picture_shows_what_a_missing_branch_costs():
    lab = branches.BranchLab(scenes=60)
    assert lab.choices()[branches.OFF] is False
    right, asked = map(int, re.search(r"(\d+) of (\d+) scenes", words(lab.headline)).groups())
    assert right < asked == 60


def test_all_branches_on_is_the_network_itself(whole):
    assert words(whole.headline).startswith("All branches on: it reads STOP (> 99.9 %)")


def test_a_branch_that_is_off_costs_scenes_and_is_drawn_grey(whole):
    before = pixels_of(whole)
    whole.controls["conv_5x5"].value = False
    said = words(whole.headline)
    right, asked = map(int, re.search(r"(\d+) of (\d+) scenes", said).groups())
    assert asked == 60
    assert right < 45
    after = pixels_of(whole)
    assert (after != before).any()
    grey = np.abs(after[100:110, 690:700] - np.array(ImageColor.getrgb(figures.colours.GRID))).max()
    assert grey < 12  # the fourth panel; JPEG
    assert whole.message.value == ""


def test_switches_survive_another_module_and_another_picture(whole):
    whole.controls["pool"].value = False
    whole.controls["module"].value = "inception_c"
    whole.controls["picture"].value = "roundabout"
    assert whole.controls["pool"].value is False
    assert "It reads ROUNDABOUT" in words(whole.headline)
    zero = int(re.search(r"(\d+) of 60", words(whole.headline))[1])
    whole.controls["fill"].value = "mean"
    mean = int(re.search(r"(\d+) of 60", words(whole.headline))[1])
    assert zero < mean


def test_what_was_asked_once_is_known(whole, monkeypatch):
    whole.controls["conv_1x1"].value = False
    whole.controls["conv_1x1"].value = True
    monkeypatch.setattr(whole, "_count", None)
    whole.controls["conv_1x1"].value = False
    assert whole.message.value == ""
    assert "of 60 scenes right" in words(whole.headline)


def test_the_lab_counts_all_scenes_some_at_a_time(branch_lab):
    counts = []
    for count in branch_lab._count(["inception_b.pool"], "zero"):  # between two items the network is whole
        assert not any(part._forward_hooks for part in branch_lab._network.modules())
        counts.append(count)
    assert [asked for asked, _ in counts] == [25, 50, 60]
    counts = list(branch_lab._count([], "zero"))
    assert [asked for asked, _ in counts] == [25, 50, 60]
    assert counts[-1][1] / 60 > 0.95


def test_a_request_that_is_given_up_leaves_nothing_behind(whole):
    run = whole._begin()
    with whole.quietly():
        whole.controls["conv_3x3"].value = False
    run = whole._begin()
    whole._advance(run)  # a third of the scenes
    assert not any(part._forward_hooks for part in whole._network.modules())  # between two frames it is whole
    whole._begin().close()
    assert ("inception_b", ("conv_3x3",), "zero") not in whole._right
    assert not any(part._forward_hooks for part in whole._network.modules())


def test_the_branch_lab_s_questions_have_the_answers_that_the_lesson_means():
    lab = branches.BranchLab()

    def right(**choices):
        lab.reset()
        lab.set(**{branches.OFF: True} | choices)
        return int(re.search(r"(\d+) of 200", words(lab.headline))[1]) / 200

    off = dict.fromkeys(inception.BRANCHES, False)
    assert right(pool=False) > 0.97  # 1
    assert right(pool=False, conv_1x1=False) < right(pool=False) - 0.02
    assert right(module="inception_d", conv_1x1=False, pool=False, conv_5x5=False) > 0.97  # 2: the 3×3 alone
    assert right(module="inception_d", conv_3x3=False, conv_1x1=False, pool=False) < 0.9
    assert right(module="inception_c", **off) < 0.15  # 3: one answer for all, right by chance
