"""The signs' measures against the regulation's: each plate is drawn plainly, from the front, and measured in pixels.

Source of the numbers, where nothing else is said: the sheets of the German sign catalogue (VzKat 2017) in their
public-domain redrawings; all are shares of a plate's width. EXACT is one pixel and a bit of these drawings.
"""

from functools import lru_cache

import numpy as np
import pytest
from scipy import ndimage

from course_utils.signs import CLASSES, drawings

SIDE = 400
WIDTH = SIDE * drawings.RADIUS  # of a plate, in pixels
EXACT = 0.003
STROKE = 28.05 / 480  # of a limit's digits (sheet 274-70)
LIMITS = drawings.LIMITS


@lru_cache(maxsize=64)
def drawn(number, variant=0):
    return drawings.draw(number, SIDE, drawings.Make.variant(variant))


def black(plate):
    return (plate[:3].max(axis=0) < 0.4) & (plate[3] > 0.9)


def white(plate):
    return (plate[:3].min(axis=0) > 0.7) & (plate[3] > 0.9)


def parts(shape, least=1e-4):
    """Connected components from left to right, the tiny ones left out."""
    labels, _ = ndimage.label(shape)
    boxes = [(box, labels[box] == i) for i, box in enumerate(ndimage.find_objects(labels), start=1)]
    return [part for box, part in sorted(boxes, key=lambda b: b[0][1].start) if part.sum() > least * SIDE**2]


def runs(line):
    """Where a row of pixels changes, as shares of a plate's width from its middle."""
    return (np.flatnonzero(np.diff(np.pad(line.astype(int), 1))) - SIDE / 2) / WIDTH


def high(part):
    return part.shape[0] / WIDTH


def wide(part):
    return part.shape[1] / WIDTH


@pytest.mark.parametrize("number", LIMITS)
def test_a_limits_digits_are_those_of_din_1451(number):
    """Seven strokes high, round ones a little more (sheets 274-30 … 274-120: 0.409 to 0.420 of the diameter)."""
    text, digits = LIMITS[number], parts(black(drawn(number)))
    assert len(digits) == len(text)
    for digit in digits:
        assert high(digit) == pytest.approx(0.414, abs=0.007)
    zero = digits[-1]
    assert wide(zero) == pytest.approx((4 if len(text) == 2 else 3) * STROKE, abs=EXACT)  # Mittel- and Engschrift
    left, right, *_ = runs(zero[len(zero) // 2])
    assert right - left == pytest.approx(STROKE, abs=EXACT)


@pytest.mark.parametrize(("number", "holes"), [(3, 2), (5, 3)])
@pytest.mark.parametrize("variant", range(drawings.VARIANTS))
def test_the_holes_of_6_and_8_stay_open_at_every_maker(number, holes, variant):
    """The smallest hole, the 8's upper one, is two strokes wide on the sheet."""
    shape = black(drawn(number, variant))
    found = [hole for hole in parts(~shape) if hole.shape[0] < SIDE / 2 and hole.shape[1] < SIDE / 4]
    assert len(found) == holes
    assert min(wide(hole) for hole in found) > 1.6 * STROKE


@pytest.mark.parametrize("number", LIMITS)
@pytest.mark.parametrize("variant", range(drawings.VARIANTS))
def test_digits_touch_neither_one_another_nor_the_rim(number, variant):
    plate = drawn(number, variant)
    assert len(parts(black(plate))) == len(LIMITS[number])
    red = plate[0] - plate[1] > 0.3
    assert not (ndimage.binary_dilation(black(plate), iterations=2) & red).any()


@pytest.mark.parametrize("number", [1, 7, 9, 15])
def test_a_prohibitions_rim(number):
    """Sheet 250: of 480, an edge of 8 and a rim of 64.3."""
    plate = drawn(number)
    outer, inner, *_ = runs((plate[0] - plate[1] > 0.3)[SIDE // 2])
    assert outer + 0.5 == pytest.approx(8.2 / 480, abs=EXACT)
    assert inner - outer == pytest.approx(64.3 / 480, abs=EXACT)


@pytest.mark.parametrize("number", [13, 18])
def test_a_triangles_proportions(number):
    """Sheets 101, 205: of a width of 677.7, height 594.9, white edge 8, rim 64, inner side 471.7."""
    plate = drawn(number)
    (outline,) = parts(plate[3] > 0.5)
    assert wide(outline) == pytest.approx(1, abs=2 * EXACT)
    assert high(outline) == pytest.approx(594.9 / 677.7, abs=2 * EXACT)
    red = runs((plate[0] - plate[1] > 0.3)[:, SIDE // 2 - SIDE // 6])  # beside caution's mark
    level = red[-2:] if number == 18 else red[:2]  # where it crosses the level side
    assert level[1] - level[0] == pytest.approx(64 / 677.7, abs=EXACT)
    inside = next(part for part in parts(white(plate)) if wide(part) < 0.8)  # the edge is wider
    assert wide(inside) == pytest.approx(471.7 / 677.7, abs=3 * EXACT)


def test_cautions_mark():
    """Sheet 101: of 677.7, the dot 64, the stroke 236 high, above 64 wide and below 32."""
    mark = parts(black(drawn(18)))
    dot, stroke = sorted(mark, key=high)
    assert (wide(dot), high(dot)) == pytest.approx((64 / 677.7,) * 2, abs=EXACT)
    assert (wide(stroke), high(stroke)) == pytest.approx((64 / 677.7, 236 / 677.7), abs=EXACT)
    assert stroke[-SIDE // 50].sum() / WIDTH == pytest.approx(32 / 677.7, abs=2 * EXACT)


def test_stops_letters_and_edge():
    """Sheet 206: of 720, edge 36, letters 254 high (round ones 258), 117 to 124 wide, stroke 36, the word 551."""
    plate = drawn(14)
    letters = [part for part in parts(white(plate)) if wide(part) < 0.5]  # the edge is wider
    assert len(letters) == 4
    for letter, height in zip(letters, (258, 254, 258, 254), strict=True):
        assert high(letter) == pytest.approx(height / 720, abs=2 * EXACT)
        assert wide(letter) == pytest.approx(120 / 720, abs=0.008)
    assert letters[1][-9].sum() / WIDTH == pytest.approx(36 / 720, abs=EXACT)  # T's stem
    columns = np.flatnonzero(white(plate)[SIDE // 3 : -SIDE // 3, SIDE // 10 : -SIDE // 10].any(axis=0))
    assert (columns[-1] - columns[0]) / WIDTH == pytest.approx(551 / 720, abs=2 * EXACT)
    left, right, *_ = runs(white(plate)[SIDE // 2])
    assert right - left == pytest.approx(36 / 720, abs=EXACT)


def test_the_priority_roads_frame():
    """Sheet 306: of a half diagonal of 240, yellow 129, a black line round it, white, and another line from 225."""
    plate = drawn(12)
    yellow = (plate[2] < 0.3) & (plate[0] > 0.7)
    (inside,) = parts(yellow)
    assert wide(inside) == pytest.approx(129 / 240, abs=2 * EXACT)
    lines = runs(black(plate)[SIDE // 2])
    assert lines[1] == pytest.approx(-221 / 480, abs=2 * EXACT)
    assert lines[2] == pytest.approx(-137 / 480, abs=2 * EXACT)


def test_no_entrys_bar():
    """Between the Vienna Convention's usual forms of C,1a: 0.75 to 0.89 wide, a sixth to a fifth high."""
    bar = min(parts(white(drawn(17))), key=high)
    assert 0.75 < wide(bar) < 0.89
    assert 1 / 6 < high(bar) < 1 / 5


def test_keep_rights_arrow():
    """Sheet 222: of 481.8, shaft 50.2; it reaches 180.8 from the middle either way; each leg of its head is 44.7."""
    plate = drawn(35)  # the same arrow, upright
    arrow = min(parts(white(plate)), key=wide)
    assert high(arrow) == pytest.approx(2 * 180.8 / 481.8, abs=EXACT)
    assert arrow[-20].sum() / WIDTH == pytest.approx(50.2 / 481.8, abs=EXACT)
    assert wide(arrow) == pytest.approx(2 * 156.8 * 0.5**0.5 / 481.8, abs=EXACT)
    leg = arrow[:, 5].sum() / WIDTH  # along the shaft: the leg's thickness times the root of two
    assert leg == pytest.approx(44.7 * 2**0.5 / 481.8, abs=2 * EXACT)


def test_roundabouts_ring():
    """Sheet 215: of 480.8, a ring whose middle has the radius 144 and whose arrows are 28.7 thick; three apart."""
    plate = drawn(40)
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5 - SIDE / 2) / WIDTH
    radius, angle = np.hypot(x, y), np.degrees(np.arctan2(-y, x)) % 120
    arrows = white(plate) & (radius < 0.46)
    assert len(parts(arrows)) == 3
    shaft = arrows & (angle > 103) & (angle < 118)  # each arrow begins at 100° and bends until 180°
    ring = radius[shaft]
    assert ring.mean() == pytest.approx(144 / 480.8, abs=2 * EXACT)
    assert ring.max() - ring.min() == pytest.approx(28.7 / 480.8, abs=2 * EXACT)


def test_no_passings_cars():
    """Sheet 277.1, whose car it is: of 450, 126 wide and 96 high, its middle 71.3 from the sign's."""
    plate = drawn(9)
    (car,) = parts(black(plate))
    assert (wide(car), high(car)) == pytest.approx((126 / 450, 96 / 450), abs=2 * EXACT)
    columns = np.flatnonzero(black(plate).any(axis=0)) - SIDE / 2
    assert columns.mean() / WIDTH == pytest.approx(71.3 / 450, abs=2 * EXACT)


@pytest.mark.parametrize("variant", range(1, drawings.VARIANTS))
def test_makers_vary_round_the_sheet(variant):
    make = drawings.Make.variant(variant)
    for factor, most in (
        (make.rim, 0.14),
        (make.stroke, 0.14),
        (make.height, 0.06),
        (make.width, 0.06),
        (make.spacing, 0.04),
    ):
        assert 0 < abs(factor - 1) <= most


@pytest.mark.parametrize("sign", CLASSES, ids=lambda sign: sign.name)
def test_every_sign_fills_its_plate_and_leaves_the_border_clear(sign):
    cover = drawn(sign.number)[3] > 0.5
    assert wide(cover[:, cover.any(axis=0)]) == pytest.approx(1, abs=2 * EXACT)
    assert not cover[0].any()
    assert not cover[:, 0].any()
