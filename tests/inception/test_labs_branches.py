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


def test_all_branches_on_is_the_network_itself(branch_lab):
    branch_lab.reset()
    assert words(branch_lab.headline).startswith("All branches on: it reads STOP (> 99.9 %)")


def test_a_branch_that_is_off_costs_scenes_and_is_drawn_grey(branch_lab):
    branch_lab.reset()
    before = pixels_of(branch_lab)
    branch_lab.controls["conv_5x5"].value = False
    said = words(branch_lab.headline)
    right, asked = map(int, re.search(r"(\d+) of (\d+) scenes", said).groups())
    assert asked == 60
    assert right < 45
    after = pixels_of(branch_lab)
    assert (after != before).any()
    grey = np.abs(after[100:110, 690:700] - np.array(ImageColor.getrgb(figures.colours.GRID))).max()
    assert grey < 12  # the fourth panel; JPEG
    assert branch_lab.message.value == ""


def test_switches_survive_another_module_and_another_picture(branch_lab):
    branch_lab.reset()
    branch_lab.controls["pool"].value = False
    branch_lab.controls["module"].value = "inception_c"
    branch_lab.controls["picture"].value = "roundabout"
    assert branch_lab.controls["pool"].value is False
    assert "It reads ROUNDABOUT" in words(branch_lab.headline)
    zero = int(re.search(r"(\d+) of 60", words(branch_lab.headline))[1])
    branch_lab.controls["fill"].value = "mean"
    mean = int(re.search(r"(\d+) of 60", words(branch_lab.headline))[1])
    assert zero < mean


def test_what_was_asked_once_is_known(branch_lab, monkeypatch):
    branch_lab.reset()
    branch_lab.controls["conv_1x1"].value = False
    branch_lab.controls["conv_1x1"].value = True
    monkeypatch.setattr(branch_lab, "_count", None)
    branch_lab.controls["conv_1x1"].value = False
    assert branch_lab.message.value == ""
    assert "of 60 scenes right" in words(branch_lab.headline)


def test_the_lab_counts_all_scenes_some_at_a_time(branch_lab):
    counts = []
    for count in branch_lab._count(["inception_b.pool"], "zero"):  # between two items the network is whole
        assert not any(part._forward_hooks for part in branch_lab._network.modules())
        counts.append(count)
    assert [asked for asked, _ in counts] == [25, 50, 60]
    counts = list(branch_lab._count([], "zero"))
    assert [asked for asked, _ in counts] == [25, 50, 60]
    assert counts[-1][1] / 60 > 0.95


def test_a_request_that_is_given_up_leaves_nothing_behind(branch_lab):
    branch_lab.reset()
    run = branch_lab._begin()
    with branch_lab.quietly():
        branch_lab.controls["conv_3x3"].value = False
    run = branch_lab._begin()
    branch_lab._advance(run)  # a third of the scenes
    assert not any(part._forward_hooks for part in branch_lab._network.modules())  # between two frames it is whole
    branch_lab._begin().close()
    assert ("inception_b", ("conv_3x3",), "zero") not in branch_lab._right
    assert not any(part._forward_hooks for part in branch_lab._network.modules())


def test_the_branch_lab_s_questions_have_the_answers_that_the_lesson_means():
    lab = branches.BranchLab()

    def right(**choices):
        lab.reset()
        lab.set(**choices)
        return int(re.search(r"(\d+) of 200", words(lab.headline))[1]) / 200

    off = dict.fromkeys(inception.BRANCHES, False)
    assert right(pool=False) > 0.97  # 1
    assert right(pool=False, conv_1x1=False) < right(pool=False) - 0.02
    assert right(module="inception_d", conv_1x1=False, pool=False, conv_5x5=False) > 0.97  # 2: the 3×3 alone
    assert right(module="inception_d", conv_3x3=False, conv_1x1=False, pool=False) < 0.9
    assert right(module="inception_c", **off) < 0.15  # 3: one answer for all, right by chance
