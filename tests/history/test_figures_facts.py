"""The drawings of the timeline, of ImageNet's errors and of how sure a network is: everything fits, nothing hides."""

import numpy as np
import pytest

from course_utils import figures
from course_utils.figures.colours import ORANGE, PURPLE
from course_utils.history import facts
from course_utils.history.figures import facts as drawings

ENTRIES, SCORES = facts.read_timeline(), facts.read_imagenet()


def inked(pixels, colour):
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return (np.abs(pixels.astype(int) - wanted).max(axis=2) < 8).sum()


@pytest.mark.parametrize("chosen", range(len(ENTRIES)))
def test_every_entry_fits_on_its_card(chosen):
    pixels = drawings.timeline(ENTRIES, chosen)
    assert pixels.shape == drawings.timeline(ENTRIES, 0).shape
    assert (pixels[-6:] == 255).all()  # nothing is written over the lower edge of the card
    assert (pixels[300:, -19:] == 255).all()  # nor over its right edge
    assert inked(pixels[274:], drawings.LANES[ENTRIES[chosen].thread][1]) > 1500


def test_a_thread_that_is_followed_keeps_its_colour_and_the_others_lose_theirs():
    all_threads, one = drawings.timeline(ENTRIES, 14), drawings.timeline(ENTRIES, 14, thread="features")
    lanes = slice(0, 270)
    assert inked(one[lanes], PURPLE) == 0 < inked(all_threads[lanes], PURPLE)
    assert inked(one[lanes], ORANGE) > 500


def test_no_dot_of_the_timeline_hides_another():
    places = drawings._places(ENTRIES)
    for k, one in enumerate(places):
        for other in places[:k]:
            assert np.hypot(one[0] - other[0], one[1] - other[1]) >= 2 * drawings._DOT


def test_the_bars_of_imagenet_are_as_high_as_the_errors():
    pixels = drawings.imagenet(SCORES, title="x")
    winners = [score for score in SCORES if score.kind == "winner"]
    learnt, by_hand = (sum(one.error for one in winners if one.made == made) for made in ("learnt", "hand-made"))
    ratio = inked(pixels, figures.BLUE) / inked(pixels, ORANGE)
    assert ratio == pytest.approx(learnt / by_hand, rel=0.1)  # numbers and lines cover a little
    heights = (np.abs(pixels.astype(int) - (0xE6, 0x9F, 0x00)).max(axis=2) < 8).sum(axis=0)
    first, second = heights[100:140].max(), heights[210:250].max()
    assert first / second == pytest.approx(28.2 / 25.8, rel=0.02)


def test_an_answer_shows_the_picture_the_bars_and_the_gauges():
    picture = np.full((64, 64, 3), (10, 200, 30), dtype=np.uint8)
    sure = drawings.answer(picture, ["a", "b"], [0.95, 0.05], 0.29, usual=(0.99, 0.1), known="signs", title="green")
    open_ = drawings.answer(picture, ["a", "b"], [0.55, 0.45], 0.99, usual=(0.99, 0.1), known="signs", title="green")
    assert inked(sure, "#0AC81E") > 100_000
    assert inked(sure, figures.VERMILLION) > 5_000  # above 90 % the bar changes its colour
    assert inked(open_, figures.VERMILLION) == 0


def test_certainty_counts_what_lies_beyond_the_threshold():
    picture = np.zeros((8, 8, 3), dtype=np.uint8)
    none = drawings.certainty([("a", picture, [0.1, 0.2])], title="x")
    both = drawings.certainty([("a", picture, [0.95, 0.99])], title="x")
    assert inked(none, figures.BLUE) > 30 > inked(both, figures.BLUE)
    assert inked(both, figures.VERMILLION) > inked(none, figures.VERMILLION) + 50


def test_a_scan_names_what_is_believed_and_nothing_else():
    strip = np.full((64, 256, 3), (10, 200, 30), dtype=np.uint8)
    doubts = drawings.scan(strip, [32, 96, 160], [("stop", 0.2), ("stop", 0.5), ("yield", 0.4)], title="x")
    believes = drawings.scan(strip, [32, 96, 160], [("stop", 0.2), ("stop", 0.99), ("yield", 0.95)], title="x")
    assert inked(doubts, "#0AC81E") > 100_000  # the street itself
    dashed = inked(doubts, figures.VERMILLION)  # the line of the threshold
    assert inked(believes, figures.VERMILLION) > dashed + 300  # two dots and their names


@pytest.mark.parametrize(
    ("days", "words"),
    [
        (0.01, "14 minutes"),
        (0.0001, "2 minutes"),
        (0.5, "12 hours"),
        (2.6, "2.6 days"),
        (32, "32 days"),
        (150, "4.9 months"),
        (3652, "10 years"),
    ],
)
def test_a_duration_is_said_as_a_person_says_it(days, words):
    assert drawings.duration(days) == words
