"""The lab of the gradient's way back without a browser: every control changes the picture, every extreme is told."""

import re
import time

import numpy as np
import pytest
import torch

from course_utils import resnet
from course_utils.resnet import jacobians
from course_utils.resnet.figures import plans as drawings
from course_utils.resnet.labs import jacobians as labs
from tests.seen import pixels_of, words


@pytest.fixture(scope="module")
def lab():
    return labs.GradientLab()


@pytest.fixture(autouse=True)
def _as_in_the_beginning(lab):
    lab.reset()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("depth", 98),
        ("width", 16),
        ("norm", True),
        ("start", "torch"),
        ("order", True),
        ("skips", labs.PLAIN),
        ("size", 8),
        ("seed", 1),
    ],
)
def test_every_control_changes_the_picture(lab, name, value):
    before = pixels_of(lab)
    lab.controls[name].value = value
    assert np.abs(pixels_of(lab) - before).max() > 100
    assert words(lab.message) == ""


@pytest.mark.parametrize("depth", [8, 98])
@pytest.mark.parametrize("width", [4, 16])
@pytest.mark.parametrize("start", resnet.STARTS)
def test_the_extremes_are_drawn(lab, depth, width, start):
    for norm in (False, True):
        lab.set(depth=depth, width=width, start=start, norm=norm)
        assert words(lab.message) == ""
        assert f"{depth} layers" in words(lab.headline)
        assert len(np.unique(pixels_of(lab).reshape(-1, 3), axis=0)) > 10


def test_the_lab_measures_what_the_method_measures(lab):
    (view,) = lab.steps(**lab.choices() | {"depth": 20, "norm": True})
    for skip, sizes in view.profiles.items():
        network = labs.deepest(8, True, "he", False, skip, 0)
        assert sizes == jacobians.by_layer(resnet.shorten(network, 20), *labs.pictures(16))


def test_the_twins_of_the_lab_have_the_same_weights():
    one, other = (labs.deepest(8, False, "he", False, skip, 3) for skip in (True, False))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_the_headline_says_how_much_arrives(lab):
    lab.set(start="torch", norm=False, depth=50)
    assert re.fullmatch(
        r"The gradient on its way through 50 layers: plain × (\d·)?10⁻²., residual × 0\.\d", words(lab.headline)
    )
    lab.set(start="zero")
    assert "plain × 0, residual × 0." in words(lab.headline)
    lab.set(skips=labs.RESIDUAL)
    assert "plain" not in words(lab.headline)


@pytest.mark.parametrize(
    ("plain", "residual", "said"),
    [
        (1e-9, 1.0, "dies without skips and arrives with skips"),
        (1e9, 40.0, "explodes without skips and arrives with skips"),
        (0.01, 1e5, "arrives without skips and explodes with skips"),
        (0.0, 0.3, "dies without skips and arrives with skips"),
    ],
)
def test_the_title_says_what_became_of_it(plain, residual, said):
    view = labs.View(8, {False: {1: plain, 7: 1.0}, True: {1: residual, 7: 1.0}})
    assert labs.title(view).endswith(said)


def test_a_redraw_takes_less_than_a_tenth_of_a_second(lab):
    lab.set(depth=50)  # builds the deepest network once
    taken = []
    for depth in (8, 20, 32, 44, 56, 68, 80, 92, 98):
        begin = time.perf_counter()
        lab.controls["depth"].value = depth
        taken.append(time.perf_counter() - begin)
    assert sorted(taken)[len(taken) // 2] < 0.3  # 0.03 on a quiet core; other programs may run beside the test


# ---- the drawings ----------------------------------------------------------------------------------------------------
def test_zero_is_white_and_signs_have_their_colours():
    shown = drawings.diverging(np.array([[0.0, 1.0, -1.0, 0.01]]))
    assert shown[0, 0].tolist() == [255, 255, 255]
    assert shown[0, 1].tolist() == [0xD5, 0x5E, 0x00]
    assert shown[0, 2].tolist() == [0x00, 0x72, 0xB2]
    assert shown[0, 3].sum() < 3 * 255  # small, and seen


def test_matrices_share_one_scale():
    small, large = np.full((4, 4), 0.5), np.eye(4)
    pixels = drawings.matrices([small, large], ["a", "b"], signs="+")
    assert (0xD5, 0x5E, 0x00) in {tuple(p) for p in pixels[:, 560:].reshape(-1, 3)}
    assert (0xD5, 0x5E, 0x00) not in {tuple(p) for p in pixels[:, :500].reshape(-1, 3)}
    drawings.matrices([np.zeros((3, 3))], ["nothing"])


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (0.47, "0.5"),
        (0.0, "0"),
        (1.0, "1"),
        (157.2, "200"),
        (0.032, "0.03"),
        (1300, "1,000"),
        (2.3e-24, "2·10⁻²⁴"),
        (1.2e-19, "10⁻¹⁹"),
        (6.4e6, "6·10⁶"),
        (0.004, "4·10⁻³"),
    ],
)
def test_a_factor_is_said_as_a_reader_says_it(factor, said):
    assert drawings.times(factor) == said


@pytest.mark.parametrize(
    ("share", "word"), [(0, "dies"), (1e-4, "dies"), (0.3, "arrives"), (200, "arrives"), (1e4, "explodes")]
)
def test_a_gradient_has_one_of_three_fates(share, word):
    assert drawings.fate(share) == word


def test_the_table_of_fates_has_a_colour_for_each():
    pixels = drawings.fates(["a", "b", "c"], {"plain": [1e-9, 1, 1e9]}, title="Three fates")
    row = pixels[pixels.shape[0] - 30]
    assert len({tuple(row[x]) for x in (270, 560, 850)}) == 3
