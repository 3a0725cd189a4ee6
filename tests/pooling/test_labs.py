"""The labs of lesson 2 without a browser."""

import io
import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from course_utils import figures, pooling
from course_utils.labs.own import OWN
from course_utils.labs.seeing import PHOTOGRAPHS
from course_utils.pooling import labs
from tests.seen import pixels_of, put, words


# ---- the window over sixteen numbers -----------------------------------------------------------------------------
@pytest.fixture
def window_lab():
    return labs.WindowLab()


def test_the_window_lab_begins_with_the_slide(window_lab):
    assert words(window_lab.headline).endswith("= ⌊(4 + 2·0 − 2) / 2⌋ + 1 = 2")
    assert window_lab.controls["window"].max == 4
    assert pixels_of(window_lab).shape[1] == figures.WIDTH


def test_every_stop_of_the_window_is_another_picture(window_lab):
    seen = set()
    for stop in range(1, 5):
        window_lab.controls["window"].value = stop
        seen.add(window_lab.image.value)
    assert len(seen) == 4


def test_the_slider_has_as_many_stops_as_there_are_windows(window_lab):
    window_lab.set(kernel=3, stride=1, padding=1, window=4)
    assert window_lab.controls["window"].max == 16
    window_lab.set(window=16)
    window_lab.set(padding=0)  # four windows are left: the last of them is shown
    assert window_lab.controls["window"].value == window_lab.controls["window"].max == 4
    assert window_lab.message.value == ""


def test_the_gradient_is_another_picture(window_lab):
    before = window_lab.image.value
    window_lab.set(gradient=True)
    assert window_lab.image.value != before


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"kernel": 5}, "5×5 pixels does not fit into a picture of 4×4"),
        ({"kernel": 0}, "kernel_size must be at least 1"),
        ({"stride": 0}, "stride must be at least 1"),
        ({"padding": -1}, "padding must be 0 or more"),
        ({"padding": 2}, "at most half the kernel, 1 for a kernel of 2"),
    ],
)
def test_what_does_not_fit_is_told_and_the_picture_stays(window_lab, choice, sentence):
    good = window_lab.image.value
    window_lab.set(**choice)
    assert sentence in words(window_lab.message)
    assert window_lab.image.value == good
    window_lab.reset()
    assert window_lab.message.value == ""


def test_among_the_random_numbers_two_windows_go_wrong_with_a_padding_of_zero():
    """The lesson sends the student to look for them."""
    numbers = torch.tensor(labs.NUMBERS[labs.RANDOM]).float()[None]
    right, wrong = F.max_pool2d(numbers, 3, 1, 1), F.max_pool2d(F.pad(numbers, (1, 1, 1, 1)), 3, 1)
    assert (right != wrong).sum() == 2


def test_every_corner_of_the_window_lab_gives_a_picture_or_a_sentence(window_lab):
    bounds = [(c.min, c.max) for c in (window_lab.controls[n] for n in ("kernel", "stride", "padding"))]
    for kernel, stride, padding in itertools.product(*bounds):
        for numbers, kind, gradient in itertools.product(labs.NUMBERS, ("max", "average"), (False, True)):
            choice = {"kernel": kernel, "stride": stride, "padding": padding, "gradient": gradient}
            window_lab.set(numbers=numbers, kind=kind, **choice)
            assert "unexpected" not in words(window_lab.message), choice


# ---- a real picture ------------------------------------------------------------------------------------------------
@pytest.fixture
def lab():
    return labs.PoolingLab()


def test_the_lab_works_the_size_out_with_the_students_numbers(lab):
    lab.set(kernel=3, stride=2, padding=1, dilation=2)
    view = next(lab.steps(**lab.choices()))
    told = labs._arithmetic(view)
    assert told[1].strip() == "= ⌊(128 + 2·1 − 2·(3 − 1) − 1) / 2⌋ + 1 = 63"
    assert told[2] == "numbers: 3·128·128 = 49,152  →  3·63·63 = 11,907"
    assert words(lab.headline) == "Each result is the largest of 9 numbers; 24.2 % of the numbers are left."


def test_the_lab_pools_as_torch_does(lab):
    oracles = {"max": F.max_pool2d, "average": F.avg_pool2d}
    for kind, oracle in oracles.items():
        lab.set(kind=kind, kernel=5, stride=3, padding=2)
        view = next(lab.steps(**lab.choices()))
        torch.testing.assert_close(view.after, oracle(view.before, 5, 3, 2))


def test_the_blur_s_size_is_worked_out_in_two_steps(lab):
    lab.set(kind="blur", kernel=2, stride=4)
    view = next(lab.steps(**lab.choices()))
    first, second, _ = labs._arithmetic(view)
    assert first.endswith("= 128 + 2·0 − 2 + 1 = 127")
    assert second.endswith("= ⌈127 / 4⌉ = 32")
    assert view.after.shape[-1] == 32


def test_the_gradient_of_a_maximum_reaches_few_pixels_and_of_a_mean_all(lab):
    lab.set(kernel=8, stride=8, gradient=True)
    few = next(lab.steps(**lab.choices())).gradient
    assert few.sum() == 3 * 16 * 16
    assert 0 < (few > 0).sum() <= 3 * 16 * 16
    lab.set(kind="average")
    every = next(lab.steps(**lab.choices())).gradient
    assert (every > 0).all()
    assert words(lab.headline) == "In training, every pixel hears something."


@pytest.mark.parametrize(
    ("choice", "sentence"),
    [
        ({"side": 8, "kernel": 16}, "16×16 pixels does not fit into a picture of 8×8"),
        ({"kernel": 0}, "kernel_size must be at least 1"),
        ({"stride": 0}, "stride must be at least 1"),
        ({"padding": -1}, "padding must be 0 or more"),
        ({"padding": 3}, "at most half the kernel, 2 for a kernel of 4"),
        ({"dilation": 0}, "dilation must be at least 1"),
        ({"kind": "average", "dilation": 2}, "only max pooling spreads its window"),
        ({"kind": "blur", "side": 8, "kernel": 8}, "mirrors 1 pixel"),
        ({"picture": OWN}, "press “Upload a picture”"),
    ],
)
def test_bad_input_is_told_and_the_last_picture_stays(lab, choice, sentence):
    good = lab.image.value
    lab.set(**choice)
    assert sentence in words(lab.message)
    assert lab.image.value == good
    lab.reset()
    assert lab.message.value == ""


def test_every_corner_of_the_controls_gives_a_picture_or_a_sentence(lab):
    names = ("side", "kernel", "stride", "padding", "dilation")
    for values in itertools.product(*[(lab.controls[name].min, lab.controls[name].max, 2) for name in names[1:]]):
        for kind, side in itertools.product(("max", "average", "blur"), (8, 128)):
            lab.set(kind=kind, side=side, gradient=side == 8, **dict(zip(names[1:], values, strict=True)))
            assert "unexpected" not in words(lab.message), (kind, side, values)


def test_every_picture_can_be_chosen(lab):
    seen = set()
    for picture in lab.controls["picture"].options[:-1]:
        lab.set(picture=picture)
        assert lab.message.value == ""
        seen.add(lab.image.value)
    assert len(seen) == 1 + len(labs.SCENES) + len(PHOTOGRAPHS)


def test_an_upload_becomes_the_picture_and_a_broken_one_is_told(lab):
    file = io.BytesIO()
    Image.fromarray(np.full((60, 80, 3), (200, 30, 30), dtype=np.uint8)).save(file, "PNG")
    put(lab, file.getvalue())
    assert lab.controls["picture"].value == OWN
    assert lab.message.value == ""
    view = next(lab.steps(**lab.choices()))
    torch.testing.assert_close(view.after[0, :, 0, 0], torch.tensor([200.0, 30, 30]) / 255)
    good = lab.image.value
    put(lab, b"this is no picture")
    assert lab.message.value != ""
    assert lab.image.value == good


def test_a_move_pools_once_and_draws_once(lab, window_lab, monkeypatch):
    """What is left to do for a slider; how soon it stands on the screen, the browser's test measures."""
    counts = Counter()

    def counted(module, name):
        original = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, **named: counts.update([name]) or original(*given, **named))

    for module, name in ((pooling.pooling, "pool2d"), (pooling.figures, "window"), (pooling.figures, "pooled_picture")):
        counted(module, name)
    lab.set(kernel=7)
    assert counts == {"pool2d": 1, "pooled_picture": 1}
    counts.clear()
    window_lab.set(window=3)
    assert counts == {"pool2d": 1, "window": 1}


def test_the_photograph_is_read_once():
    labs._stop.cache_clear()
    for _ in range(2):
        labs.PoolingLab().set(kernel=5)
    assert labs._stop.cache_info().misses == 1
