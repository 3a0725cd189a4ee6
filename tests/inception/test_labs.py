"""The labs of lesson 4 without a browser, and the pictures that they draw."""

import asyncio
import re
import statistics
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import ImageColor

from course_utils import figures, inception
from course_utils.inception import labs, race
from course_utils.inception.figures import Branch
from tests.seen import pixels_of, words


def column(pixels, x, colour):
    """How many pixels of one column have a colour."""
    return int((pixels[:, x] == np.array(ImageColor.getrgb(colour))).all(axis=-1).sum())


# ---- the module ------------------------------------------------------------------------------------------------
@pytest.fixture
def module_lab():
    return labs.InceptionLab("3a")


def test_every_preset_is_googlenet_s_own_module(module_lab):
    for name, (channels, one, three, five, pool) in inception.MODULES.items():
        module_lab.set(module=name)
        chosen = module_lab.choices()
        assert (chosen["channels"], chosen["one"], chosen["pool"]) == (channels, one, pool)
        assert (chosen["reduce_three"], chosen["three"]) == three
        assert (chosen["reduce_five"], chosen["five"]) == five
        out = one + three[1] + five[1] + pool
        side = {"3": 28, "4": 14, "5": 7}[name[0]]
        assert words(module_lab.headline).startswith(f"{side}×{side}×{channels} → {side}×{side}×{out}: ")
        assert chosen["module"] == name
        assert module_lab.message.value == ""


def test_the_headline_tells_what_the_account_says(module_lab):
    assert "164,064 parameters, 128 M multiply-adds. Without the 1×1 reductions: 2.4 times" in words(
        module_lab.headline
    )
    assert "One output sees 5×5" in words(module_lab.headline)
    module_lab.controls["kernel_five"].value = 9
    assert "One output sees 9×9" in words(module_lab.headline)
    module_lab.set(kernel_three=1, kernel_five=1)
    assert "One output sees 3×3" in words(module_lab.headline)  # the pooling branch does
    module_lab.controls["reductions"].value = False
    assert "Without the 1×1 reductions" not in words(module_lab.headline)


def test_a_moved_slider_makes_the_module_one_s_own(module_lab):
    module_lab.controls["three"].value = 200
    assert module_lab.controls["module"].value == labs.OWN
    assert "×328:" in words(module_lab.headline)
    module_lab.controls["module"].value = "3a"
    assert module_lab.controls["three"].value == 128
    module_lab.controls["module"].value = labs.OWN
    assert module_lab.controls["three"].value == 128


def test_a_choice_survives_another_module(module_lab):
    module_lab.set(kernel_five=3, reductions=False)
    module_lab.controls["module"].value = "5b"
    assert module_lab.controls["kernel_five"].value == 3
    assert module_lab.controls["reductions"].value is False
    module_lab.reset()
    assert module_lab.choices()["module"] == "3a"
    assert module_lab.choices()["channels"] == 192
    assert "128 M" in words(module_lab.headline)


def test_no_such_module_is_told():
    with pytest.raises(ValueError, match=r"has the modules 3a, 3b, .*; got '6a'"):
        labs.InceptionLab("6a")


def test_the_extremes_of_all_sliders_draw(module_lab):
    sliders = ("channels", "one", "reduce_three", "three", "reduce_five", "five", "pool")
    for end in ("min", "max"):
        module_lab.set(**{name: getattr(module_lab.controls[name], end) for name in sliders})
        assert module_lab.message.value == ""
        assert pixels_of(module_lab).shape == (660, figures.WIDTH, 3)


def test_the_lab_s_questions_have_the_answers_that_the_lesson_means(module_lab):
    factors = {}
    for name in inception.MODULES:
        module_lab.set(module=name)
        factors[name] = float(re.search(r"reductions: ([\d.]+) times", words(module_lab.headline))[1])
    assert max(factors, key=factors.get) == "5a"  # 1: many channels in, and wide branches
    module_lab.set(module="3a")
    module_lab.set(five=128)
    cost = labs.account(labs.Plan("", (192, 64, (96, 128), (16, 128), 32), (3, 5), 28))
    assert cost["conv_3x3"].macs > cost["conv_5x5"].macs > 3 * 12e6  # 2: the 3×3 still, thanks to 16 in front
    paper, torchvision = (labs.account(replace(labs.module_plan("3a"), kernels=(3, k))) for k in (5, 3))
    assert 0.04 < 1 - torchvision.macs / paper.macs < 0.06  # 3: a twentieth
    plan = labs.Plan("", (192, 112, (40, 80), (8, 32), 32), (3, 5), 28)
    assert labs.account(plan).rows[-1].shape[1] == 256  # 4: it can be done
    assert labs.account(plan).macs < 64e6


def test_a_module_redraws_within_a_tenth_of_a_second(module_lab):
    times = []
    for value in range(100, 109):
        begin = time.process_time()
        module_lab.controls["three"].value = value
        times.append(time.process_time() - begin)
    assert statistics.median(times) < 0.1


def test_bars_are_as_high_as_they_have_channels():
    branches = [
        Branch("conv_1x1", None, 1, 100, 10, 10, 1),
        Branch("conv_3x3", 50, 3, 200, 10, 10, 3),
        Branch("conv_5x5", 25, 5, 100, 10, 10, 5),
        Branch("pool", None, 3, 50, 10, 10, 3),
    ]
    pixels = inception.figures.module(200, branches, title="t")[: inception.figures.BOTTOM + 10]
    x = inception.figures.LAST + 5
    heights = {branch.name: column(pixels, x, inception.figures.COLOURS[branch.name]) for branch in branches}
    unit = heights["conv_3x3"] / 200
    assert unit > 0.4
    for branch in branches:
        assert heights[branch.name] == pytest.approx(branch.filters * unit, abs=2)
    assert column(pixels, inception.figures.FIRST + 5, figures.PALE) == pytest.approx(200 * unit, abs=3)
    squeezed = inception.figures.SQUEEZED + 5
    assert column(pixels, squeezed, figures.ORANGE) == pytest.approx(50 * unit, abs=3)
    assert column(pixels, squeezed, figures.PURPLE) == pytest.approx(200 * unit, abs=3)  # pooling keeps all channels


def test_a_thin_branch_still_has_room_and_nothing_runs_over_the_edge():
    for filters, channels in (((1, 1, 1, 1), 1024), ((512, 1, 1, 512), 1), ((1, 512, 512, 1), 3)):
        names = list(inception.figures.COLOURS)
        drawn = [Branch(name, 256, 3, count, 10, 10, 3) for name, count in zip(names, filters, strict=True)]
        pixels = inception.figures.module(channels, drawn, title="t")
        band = pixels[inception.figures.BOTTOM + 12 : 552, 60:1060]  # between the diagram and the shares
        assert (band == 255).all()


# ---- the branches ----------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def branch_lab():
    return labs.BranchLab(scenes=60)


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
    grey = np.abs(after[100:110, 690:700] - np.array(ImageColor.getrgb(figures.GRID))).max()
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
    monkeypatch.setattr(labs.branches, "read", None)
    branch_lab.controls["conv_1x1"].value = False
    assert branch_lab.message.value == ""
    assert "of 60 scenes right" in words(branch_lab.headline)


def test_a_request_that_is_given_up_leaves_nothing_behind(branch_lab):
    branch_lab.reset()
    run = branch_lab._begin()
    with branch_lab.quietly():
        branch_lab.controls["conv_3x3"].value = False
    run = branch_lab._begin()
    branch_lab._advance(run)  # a third of the scenes
    branch_lab._begin().close()
    assert ("inception_b", ("conv_3x3",), "zero") not in branch_lab._read
    assert not any(part._forward_hooks for part in branch_lab._network.modules())


def test_the_branch_lab_s_questions_have_the_answers_that_the_lesson_means():
    lab = labs.BranchLab()

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


# ---- the race --------------------------------------------------------------------------------------------------
@pytest.fixture
def race_lab(monkeypatch):
    """A race of seconds: few scenes."""
    monkeypatch.setattr(race, "SCENES", 256)
    monkeypatch.setattr(race, "TEST_SCENES", 40)
    return labs.RaceLab().set(steps=20)


def test_before_the_first_start_the_shipped_race_is_shown(race_lab):
    assert "Press Train." in words(race_lab.headline)
    assert "with 1×1 reductions:" in words(race_lab.headline)
    before = race_lab.image.value
    assert "step 300 of 300" in words(race_lab.headline)
    race_lab.controls["seed"].value = 1
    assert race_lab.image.value != before
    race_lab.controls["network"].value = race.WITH
    assert "without:" not in words(race_lab.headline)
    assert not race_lab.running


def test_start_trains_both_to_the_end(race_lab):
    before = race_lab.image.value
    race_lab.start()
    assert race_lab.image.value != before
    assert race_lab.progress.value == 1.0
    assert not race_lab.running
    assert race_lab.message.value == ""
    said = words(race_lab.headline)
    assert said.startswith("step 20 of 20; with 1×1 reductions: ")
    assert re.search(r"without: \d+ % right, \d+ s, 106 G multiply-adds", said)


def test_one_alone_can_be_trained(race_lab):
    race_lab.set(network=race.WITHOUT)
    race_lab.start()
    said = words(race_lab.headline)
    assert said.startswith("step 20 of 20; without: ")
    assert "with 1×1" not in said


def test_stop_really_stops_and_a_second_start_breaks_nothing(race_lab):
    async def begun():
        race_lab.start_button.click()
        # Not "until the headline says step 2": on a fast machine it may have said so between two looks.
        while not (race_lab.running and race_lab.progress.value):
            await asyncio.sleep(0)

    async def evening():
        await begun()
        race_lab.stop_button.click()
        assert not race_lab.running
        stopped = words(race_lab.headline), race_lab.image.value
        await asyncio.sleep(0.6)
        assert (words(race_lab.headline), race_lab.image.value) == stopped
        await begun()
        race_lab.start_button.click()  # while it runs: the first run ends, the second goes to its end
        while race_lab.running or race_lab.progress.value < 1:
            await asyncio.sleep(0.01)

    asyncio.run(evening())
    assert words(race_lab.headline).startswith("step 20 of 20;")
    assert race_lab.message.value == ""


def test_a_race_of_nothing_is_drawn():
    pixels = inception.figures.race({"a": ([], [])}, {"a": ([], [])}, pictures=9.6, work=800, goal=0.9)
    assert pixels.shape == (440, figures.WIDTH, 3)


# ---- pictures that stand still ---------------------------------------------------------------------------------
def test_tiles_show_the_most_active_channels_first():
    maps = np.zeros((12, 4, 4), dtype=np.float32)
    maps[7] = 1.0
    pixels = inception.figures.tiles(maps, figures.BLUE)
    assert pixels.shape == (200, 200, 3)
    assert (pixels[30, 30] == 255).all()  # white is most
    assert (pixels[30, 100] == ImageColor.getrgb(figures.INK)).all()  # dark is 0
    assert inception.figures.tiles(np.zeros((2, 4, 4)), figures.BLUE).shape == (200, 200, 3)


def test_a_darker_cell_means_more_is_lost():
    table = inception.figures.losses(np.array([[1.0, 0.2]]), np.array([[0.5, 0.5]]), ["m"], ["a", "b"], title="t")
    left, right = table[150, 200], table[150, 1090]
    assert left.astype(int).sum() > right.astype(int).sum() + 100


def test_a_bill_s_bars_have_true_lengths():
    pixels = inception.figures.bill({"x": (25, 100), "y": (50, 50)}, title="t", says=str)
    whole, part = (
        int((pixels[116] == ImageColor.getrgb(colour)).all(axis=1).sum())
        for colour in (figures.VERMILLION, figures.BLUE)
    )
    assert part / (whole + part) == pytest.approx(0.25, abs=0.01)


def test_a_drawing_stands_still_with_words():
    shown = labs.drawing(labs.module_plan("4c"))
    assert shown.alt.startswith("An Inception module")
    assert shown.pixels.shape == (660, figures.WIDTH, 3)
    assert torch.is_tensor(torch.from_numpy(shown.pixels.copy()))
