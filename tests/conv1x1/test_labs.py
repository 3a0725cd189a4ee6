"""The labs of lesson 3 without a browser: move a control, look at the pixels and at what is said."""

import html
import re

import numpy as np
import pytest
import torch

from course_utils import runtime, signs, zoo
from course_utils.conv1x1 import bottleneck, labs, maps_at, share_on_object
from course_utils.costs.roofline import Roofline
from course_utils.labs import base
from course_utils.labs.own import OWN
from course_utils.labs.seeing import PHOTOGRAPHS
from tests.seen import words

MACHINE = Roofline(flops_per_second=8e10, bytes_per_second=1e10)


@pytest.fixture
def mix():
    return labs.MixLab()


def test_each_weight_changes_the_pixels_and_the_formula(mix):
    seen = {mix._pixels.tobytes()}
    for name in ("w0", "w1", "w2", "bias"):
        mix.controls[name].value = -0.5
        assert mix._pixels.tobytes() not in seen
        seen.add(mix._pixels.tobytes())
    assert words(mix.message) == ""


def test_the_grey_of_a_mixture_is_what_the_formula_says(mix):
    (made,) = mix.steps(**mix.choices() | {"w0": 1.0, "w1": -0.5, "w2": 0.25, "bias": 0.1})
    red, green, blue = made.source.channels[0].numpy()
    assert np.allclose(made.new.numpy(), red - 0.5 * green + 0.25 * blue + 0.1, atol=1e-6)
    assert labs.formula(made) == "1.00·red − 0.50·green + 0.25·blue + 0.10"
    (made,) = mix.steps(**mix.choices() | {"w0": -1.0, "relu": True})
    assert made.new.min() >= 0
    assert labs.formula(made) == "max(0, − 1.00·red)"


def share(lab):
    return int(re.search(r"brightest places (\d+)%", words(lab.headline))[1])


def test_what_the_lesson_promises_can_be_found_with_the_sliders(mix):
    assert share(mix) <= 45  # red alone
    assert 65 <= share(mix.set(w1=-0.5, w2=-0.5)) <= 85  # the first section's recipe
    assert share(mix.set(w1=-1.0, w2=0.5)) > 90  # which does not add to 0
    assert share(mix.set(picture="STOP before a bright sky")) <= 75
    assert share(mix.set(w1=-0.5, w2=-0.5)) >= 80
    assert share(mix.set(w1=0.0, w2=0.0)) <= 10
    assert share(mix.set(picture="STOP beside yellow", w1=-0.5, w2=-0.5)) <= 75
    assert share(mix.set(w2=0.25)) >= 85
    assert share(mix.set(w1=-1.0, w2=0.5)) > 90
    assert share(mix.set(picture="keep right", w0=-0.5, w1=-0.5, w2=1.0)) >= 80


def test_yellow_fools_the_recipe_and_no_other_green_helps(mix):
    """What the lesson says of the third task: the wrong places are yellow, and blue is the weight to move."""
    mix.set(picture="STOP beside yellow", w1=-0.5, w2=-0.5)
    before = share(mix)
    assert max(share(mix.set(w1=green / 4)) for green in range(-8, 9)) < before + 5
    assert share(mix.set(w1=-0.5, w2=0.25)) > before + 15
    (made,) = mix.steps(**mix.choices() | {"w2": -0.5})
    there = made.source.mask > 0.5
    red, green, blue = made.source.channels[0]
    wrong = (made.new > made.new.flatten().topk(int(there.sum())).values[-1]) & ~there
    assert ((red > blue + 0.1) & (green > blue + 0.1))[wrong].float().mean() > 0.9


def test_a_trained_map_glows_on_red_signs_and_another_on_blue_ones(mix):
    """What the lesson says about maps 4 and 1 of signs-alexnet's first layer."""
    red, blue = labs.CHOSEN.index(4), labs.CHOSEN.index(1)
    for index, pictures in ((red, (labs.STOP, "STOP before a bright sky")), (blue, ("keep right",))):
        weights = {f"w{k}": float(k == index) for k in range(6)}
        for picture in pictures:
            assert share(mix.set(picture=picture, channels=labs.LAYER, **weights)) >= 80


def test_an_untrained_layer_too_has_a_map_that_glows_on_red_signs():
    """What the lesson says of map 4: among as many random filters one does nearly as well."""
    kinds = [signs.CLASS_NAMES.index(name) for name in ("stop", "no entry")]
    scenes = signs.render(kinds * 30, seed=7, device="cpu")
    masks = torch.nn.functional.adaptive_avg_pool2d(scenes.masks, 32)[:, 0]

    def medians(network):
        maps = maps_at(network, labs.NAME, scenes.images)
        shares = [[share_on_object(one, mask) for one in some] for some, mask in zip(maps, masks, strict=True)]
        return torch.tensor(shares).median(dim=0).values

    trained = zoo.load(labs.NETWORK, device="cpu")
    assert 0.8 < medians(trained)[4] < 0.92
    for seed in range(5):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            trained.body.features[0].reset_parameters()
        assert 0.7 < medians(trained).max() < 0.88


def test_a_layer_s_maps_have_sliders_of_their_own_names(mix):
    assert [mix.controls[f"w{k}"].layout.display for k in range(6)] == [None] * 3 + ["none"] * 3
    assert mix.controls["w0"].description == "× red"
    mix.controls["channels"].value = labs.LAYER
    assert [mix.controls[f"w{k}"].layout.display for k in range(6)] == [None] * 6
    assert mix.controls["w0"].description == "× map 1"
    before = mix._pixels
    mix.controls["w5"].value = 2.0
    assert not np.array_equal(before, mix._pixels)


def test_a_choice_survives_the_change_of_another(mix):
    mix.set(w1=-0.5, bias=0.2, relu=True)
    mix.controls["picture"].value = "YIELD"
    mix.controls["channels"].value = labs.LAYER
    assert (mix.controls["w1"].value, mix.controls["bias"].value, mix.controls["relu"].value) == (-0.5, 0.2, True)
    mix.reset_button.click()
    assert (mix.controls["w0"].value, mix.controls["w1"].value, mix.controls["picture"].value) == (1.0, 0.0, labs.STOP)


def test_a_channel_that_tells_nothing_is_said_so(mix):
    mix.set(w0=0.0)
    assert words(mix.headline) == "The new channel is 0.00 everywhere: it tells nothing."
    mix.set(bias=-2.0, relu=True)
    assert "0.00 everywhere" in words(mix.headline)


@pytest.mark.parametrize("picture", labs.SCENES)
@pytest.mark.parametrize("channels", [labs.COLOURS, labs.LAYER])
def test_every_choice_at_its_extremes_gives_a_picture(mix, picture, channels):
    for weight in (-2.0, 2.0):
        mix.set(picture=picture, channels=channels, **{f"w{k}": weight for k in range(6)}, bias=-weight)
        assert words(mix.message) == ""
        assert "at random it would be" in words(mix.headline)


@pytest.mark.parametrize("photograph", PHOTOGRAPHS)
def test_the_photographs_that_ship_are_mixed_too(mix, photograph):
    for channels in (labs.COLOURS, labs.LAYER):
        seen = {mix.set(picture=photograph, channels=channels, w1=weight)._pixels.tobytes() for weight in (-2.0, 2.0)}
        assert len(seen) == 2
        assert words(mix.message) == ""
        assert words(mix.headline).startswith("The new channel runs from ")  # where the object is, nobody knows


def test_a_picture_of_one_s_own_is_mixed_too_and_asked_for_when_there_is_none(mix):
    good = mix.image.value
    mix.controls["picture"].value = OWN
    assert "press “Upload a picture”" in words(mix.message)
    assert mix.image.value == good
    content = (runtime.DATA / "pictures" / "stop.jpg").read_bytes()
    upload = [{"name": "stop.jpg", "content": content}]
    (made,) = mix.steps(**mix.choices() | {"upload": upload})
    assert made.source.picture.shape == (1, 3, labs.SIDE, labs.SIDE)
    assert made.source.mask is None
    assert labs.headline(made).startswith("The new channel runs from ")
    (made,) = mix.steps(**mix.choices() | {"upload": upload, "channels": labs.LAYER})
    assert made.source.channels.shape == (1, 6, 32, 32)
    with pytest.raises(ValueError, match="broken or cut short"):
        list(mix.steps(**mix.choices() | {"upload": [{"name": "x.jpg", "content": content[:2000]}]}))


def test_another_picture_of_one_s_own_replaces_the_first(mix):
    import io

    from PIL import Image

    def file(colour):
        stream = io.BytesIO()
        Image.new("RGB", (40, 40), colour).save(stream, "PNG")
        return [{"name": "x.png", "content": stream.getvalue()}]

    for colour, red in (("red", 1.0), ("black", 0.0)):
        (made,) = mix.steps(**mix.choices() | {"picture": OWN, "upload": file(colour)})
        assert float(made.new.mean()) == pytest.approx(red, abs=0.01)


# ---- the bottleneck ------------------------------------------------------------------------------------------------
def test_the_bottleneck_counts_first_and_times_then():
    lab = labs.BottleneckLab(MACHINE)
    first, *rest = lab.steps(**lab.choices())
    assert first.seconds == (None, None, None)
    assert "9.7 times fewer multiply-adds; the clock is running" in html.unescape(
        re.sub("<[^>]+>", "", labs.verdict(first))
    )
    assert min(rest[-1].seconds) > 0
    assert re.search(r"9\.7 times fewer multiply-adds; the clock says \d+\.\d times", words(lab.headline))


@pytest.fixture
def twice(monkeypatch):
    """Each way is timed twice, not twelve times."""
    monkeypatch.setattr(labs, "ROUNDS", 2)


@pytest.mark.usefixtures("twice")
def test_a_bottleneck_without_gain_is_told_with_the_limit():
    lab = labs.BottleneckLab(MACHINE)
    lab.set(in_channels=192, out_channels=32, kernel=3, reduced=160)
    limit = bottleneck.break_even(192, 32, 3)
    assert f"No gain: 1.4 times as many multiply-adds; it pays below r = {limit:.0f}" in words(lab.headline)


@pytest.mark.usefixtures("twice")
def test_every_control_changes_the_picture_at_both_ends():
    lab = labs.BottleneckLab(MACHINE)
    for name, control in lab.controls.items():
        values = [pair[1] if isinstance(pair, tuple) else pair for pair in control.options]
        ends = (values[-1], values[0]) if control.value != values[-1] else (values[0], values[-1])
        for value in ends:
            before = lab._pixels
            control.value = value
            assert words(lab.message) == "", name
            assert not np.array_equal(before, lab._pixels), (name, value)
        lab.reset()


@pytest.mark.usefixtures("twice")
def test_the_plan_shows_the_student_s_numbers():
    lab = labs.BottleneckLab(MACHINE)
    first = next(lab.steps(**lab.choices() | {"in_channels": 64, "reduced": 8, "batch": 4}))
    reduction = first.works[1]
    assert (reduction.in_channels, reduction.out_channels, reduction.batch) == (64, 8, 4)
    assert isinstance(lab.draw(first), base.Frame)


@pytest.mark.usefixtures("twice")
def test_one_position_of_the_sliders_keeps_the_clock_busy_for_a_moment_only():
    lab = labs.BottleneckLab(MACHINE)
    heavy = lab.choices() | {"in_channels": 256, "reduced": 256, "out_channels": 256, "batch": 4}
    (_, *timed) = lab.steps(**heavy)
    assert len(timed) <= 3 * (2 + 1)
    assert sum(conv.macs for conv in timed[0].works) < 12e9
