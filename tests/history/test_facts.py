"""The timeline and ImageNet's errors: every row has what a reader needs to look it up, and the known facts hold."""

import re

import pytest

from course_utils import runtime, zoo
from course_utils.history import facts

ENTRIES, SCORES, MACHINES = facts.read_timeline(), facts.read_imagenet(), facts.read_machines()


# ---- the facts ---------------------------------------------------------------------------------------------------
def test_the_timeline_runs_from_1943_to_today():
    assert ENTRIES[0].year == 1943
    assert ENTRIES[-1].year >= 2025
    assert len(ENTRIES) >= 25
    assert {entry.thread for entry in ENTRIES} == set(facts.THREADS)


@pytest.mark.parametrize("row", [*ENTRIES, *SCORES, *MACHINES], ids=lambda row: getattr(row, "what", None) or row.who)
def test_every_row_has_a_source_with_a_year_and_a_link(row):
    assert re.match(r"https?://\S+\.\S+/\S+$", row.link)
    assert re.search(r"(19|20)\d\d", row.source)
    assert all(not re.search(r"\s{2}|\s$|^\s", str(value)) for value in vars(row).values())


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.what)
def test_an_entry_says_why_it_mattered_in_a_sentence(entry):
    assert 40 < len(entry.why) <= 170
    assert entry.why[-1] in ".”)"
    assert len(entry.what) <= 75


def test_no_entry_is_told_twice():
    assert len({entry.what for entry in ENTRIES}) == len(ENTRIES)
    assert len({entry.link for entry in ENTRIES}) == len(ENTRIES)


@pytest.mark.parametrize(
    ("year", "words"),
    [
        (1943, "McCulloch"),
        (1958, "Rosenblatt"),
        (1969, "Minsky"),
        (1986, "Backpropagation"),
        (1989, "zip codes"),
        (1995, "“Convolutional networks”"),
        (1998, "LeNet-5"),
        (1999, "SIFT"),
        (2005, "HOG"),
        (2006, "SURF"),
        (2006, "Deep belief nets"),
        (2006, "A CNN on a graphics card"),
        (2007, "CUDA"),
        (2009, "ImageNet"),
        (2009, "Raina"),
        (2010, "without code"),
        (2012, "AlexNet"),
        (2015, "ResNet"),
        (2017, "PGD"),
        (2022, "ChatGPT, 30 November 2022"),
        (2025, "Vibe coding"),
    ],
)
def test_what_the_lecture_names_stands_in_its_year(year, words):
    assert any(entry.year == year and words in entry.what for entry in ENTRIES)


def test_the_winners_are_those_of_the_challenge():
    winners = {score.year: score.error for score in SCORES if score.kind == "winner"}
    assert winners == {2010: 28.2, 2011: 25.8, 2012: 16.4, 2013: 11.7, 2014: 6.7, 2015: 3.57, 2016: 2.99, 2017: 2.25}
    assert list(winners.values()) == sorted(winners.values(), reverse=True)


def test_outside_data_helps_and_the_people_are_two():
    winners = {score.year: score.error for score in SCORES if score.kind == "winner"}
    outside = [score for score in SCORES if score.kind == "outside data"]
    assert [(score.year, score.error) for score in outside] == [(2012, 15.3), (2013, 11.2)]
    assert all(score.error < winners[score.year] for score in outside)
    assert sorted(score.error for score in SCORES if score.kind == "human") == [5.1, 12.0]


@pytest.mark.parametrize(
    ("year", "kind", "operations", "seconds"),
    [
        (1989, "training", 2 * 3 * 64_660 * 23 * 7291, 3 * 86_400),  # forwards, and twice as much backwards
        (2012, "training", 2 * 3 * 714e6 * 1.2e6 * 90, 5.5 * 86_400),
        (2010, "data sheet", 2 * 512 * 2, 1 / 1.544e9),  # two cards, 512 units, a multiply-add a clock
        (2012, "data sheet", 4 * 16, 1 / 3.5e9),  # four cores, 8 additions and 8 multiplications a clock
    ],
)
def test_a_machine_s_rate_follows_from_what_is_told_of_it(year, kind, operations, seconds):
    (machine,) = [one for one in MACHINES if (one.year, one.kind) == (year, kind)]
    assert machine.rate == pytest.approx(operations / seconds, rel=0.01)


# ---- the reader ----------------------------------------------------------------------------------------------------
HEAD = "year,thread,what,why,source,link\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + "1943,networks,a,b,c,\n", "line 2 of timeline.csv says nothing under 'link'"),
        ("year,thread,what\n1943,networks,a\n", "says nothing under 'why'"),
        (HEAD + "MCM,networks,a,b,c,d\n", "has no number"),
        (HEAD + "1943,rumours,a,b,c,d\n", "a thread is one of 'networks'"),
        (HEAD + "1958,networks,a,b,c,d\n1943,networks,a,b,c,d\n", "out of order"),
    ],
)
def test_a_bad_timeline_is_refused_in_a_sentence(tmp_path, monkeypatch, text, message):
    monkeypatch.setattr(runtime, "DATA", tmp_path)
    (tmp_path / "history").mkdir()
    (tmp_path / "history" / "timeline.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        facts.read_timeline()


def test_a_missing_file_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(runtime, "DATA", tmp_path)
    with pytest.raises(ValueError, match=r"imagenet\.csv cannot be read"):
        facts.read_imagenet()


@pytest.mark.parametrize(
    ("error", "kind", "message"), [(101, "winner", "between 0 and 100"), (5, "dog", "the kind of a score is one of")]
)
def test_a_score_that_makes_no_sense_is_refused(error, kind, message):
    with pytest.raises(ValueError, match=message):
        facts.Score(2012, kind, "x", "x", "learnt", error, "x", "x")


def test_a_rate_that_makes_no_sense_is_refused():
    with pytest.raises(ValueError, match="the kind of a rate is one of 'training', 'data sheet'"):
        facts.Machine(2012, "hearsay", "x", 1e9, "x", "x", "x")
    with pytest.raises(ValueError, match="the rate of x must be more than 0"):
        facts.Machine(2012, "training", "x", 0, "x", "x", "x")


def test_alexnet_s_multiply_adds_in_the_lesson_are_torchvision_s():
    assert zoo.card("alexnet")["multiply_adds"] == pytest.approx(714e6, rel=0.005)
