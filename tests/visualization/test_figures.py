"""The drawings of lesson 6: every picture in its place, every number written, bad input in one sentence."""

import numpy as np
import pytest

from course_utils import figures
from course_utils.visualization import figures as drawings

SHADES = [np.full((64, 64, 3), (20 + 10 * k, 200 - 10 * k, 5 * k), dtype=np.uint8) for k in range(16)]


def count(pixels, colour):
    """How many pixels have exactly this colour."""
    return int((pixels == np.asarray(colour)).all(axis=-1).sum())


def centre(pixels, colour):
    """The middle of all pixels of this colour, (row, column)."""
    return np.argwhere((pixels == np.asarray(colour)).all(axis=-1)).mean(axis=0)


@pytest.mark.parametrize("notes", [None, [["a 1", "a 2", "a 3"], ["b 1", "b 2", "b 3"]]])
def test_the_ladder_shows_every_snapshot_in_its_row_and_column(notes):
    rows = [SHADES[:3], SHADES[3:6]]
    drawn = drawings.ladder(rows, title="T", names=["one", "two\nlines"], steps=[0, 8, "end"], notes=notes)
    assert drawn.shape[1] == figures.WIDTH
    assert drawn.dtype == np.uint8
    sizes = {count(drawn, shade[0, 0]) for shade in SHADES[:6]}
    assert len(sizes) == 1
    assert min(sizes) >= 128 * 128  # each enlarged by a whole factor, none covered
    places = [[centre(drawn, picture[0, 0]) for picture in row] for row in rows]
    for row in places:
        assert np.ptp([place[0] for place in row]) < 1
        assert np.all(np.diff([place[1] for place in row]) > 128)
    assert places[1][0][0] - places[0][0][0] > 128
    assert count(drawings.ladder(rows, title="T", names=["", ""], steps=["", "", ""]), (255, 255, 255)) > count(
        drawings.ladder(rows, title="T", names=["one", "two"], steps=["", "", ""]), (255, 255, 255)
    )  # the names are written


def test_notes_take_ink():
    rows = [SHADES[:2]]
    how = {"title": "T", "names": ["one"], "steps": [0, 1]}
    noted, blank = (drawings.ladder(rows, notes=[[words] * 2], **how) for words in ("answer 3.1", ""))
    assert noted.shape == blank.shape
    below = noted[88 + 130 :] != blank[88 + 130 :]
    assert below.any()
    assert (noted[: 88 + 128] == blank[: 88 + 128]).all()


def test_a_sheet_shows_all_its_pictures_in_rows():
    drawn = drawings.sheet(SHADES[:11], [f"filter {k}" for k in range(11)], title="T")
    places = [centre(drawn, shade[0, 0]) for shade in SHADES[:11]]
    assert all(np.isfinite(place).all() for place in places)
    assert [sum(abs(place[0] - places[k][0]) < 1 for place in places) for k in (0, 8)] == [8, 3]
    assert drawings.sheet(SHADES[:2], ["a", "b"], title="T").shape[1] == figures.WIDTH


def test_the_exchange_is_bluer_where_a_network_is_surer():
    sure = np.array([[1.0, 0.5, 0.0], [0.0, 1.0, 0.0], [0.2, 0.0, 1.0]])
    drawn = drawings.exchange(SHADES[:3], sure, title="T", names=["first", "second", "third"], label="stop")
    blue = [int(figures.BLUE[k : k + 2], 16) for k in (1, 3, 5)]
    assert all(count(drawn, shade[0, 0]) >= 128 * 128 for shade in SHADES[:3])
    filled = [
        count(drawings.exchange(SHADES[:3], np.eye(3) * k, title="T", names="abc", label="s"), blue) for k in (0, 1)
    ]
    assert filled[0] == 0
    assert filled[1] > 3 * 10_000


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: drawings.ladder([], title="", names=[], steps=[]), "one name for each row"),
        (lambda: drawings.ladder([SHADES[:2]], title="", names=["a", "b"], steps=[0, 1]), "2 names and 2 steps"),
        (lambda: drawings.ladder([SHADES[:2]], title="", names=["a"], steps=[0]), "one step for each"),
        (lambda: drawings.sheet(SHADES[:2], ["a"], title=""), "2 pictures, 1 titles"),
        (lambda: drawings.sheet([], [], title=""), "0 pictures"),
        (lambda: drawings.exchange(SHADES[:2], np.eye(3), title="", names="ab", label=""), r"shape \[3, 3\]"),
        (lambda: drawings.exchange(SHADES[:2], np.eye(2), title="", names="a", label=""), "1 names"),
    ],
)
def test_what_does_not_fit_is_told(draw, words):
    with pytest.raises(ValueError, match=words):
        draw()
