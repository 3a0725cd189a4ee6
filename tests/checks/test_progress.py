"""What is remembered of a student's exercises: green stays green, and nothing breaks without a disk."""

import importlib
import json

import pytest

from course_utils import checks
from course_utils.checks import progress
from course_utils.checks.base import Verdict


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv(progress.FOLDER, str(tmp_path / "mine"))
    return tmp_path / "mine"


@progress.remembered
def check_sum(answer) -> Verdict:
    """Check 1 + 1."""
    return Verdict(None, "Not yet.") if answer is ... else Verdict(answer == 2, "It is two.")


EXERCISES = {"one and one": check_sum}


def test_a_fresh_student_has_solved_nothing(folder):
    assert repr(checks.standing(EXERCISES)) == "… one and one"
    assert not folder.exists()


@pytest.mark.parametrize("answer", [..., 3])
def test_what_is_not_green_is_not_kept(answer, folder):
    assert not check_sum(answer)
    assert not folder.exists()


def test_green_stays_green(folder):
    assert check_sum(2).right
    assert not check_sum(3)
    assert repr(checks.standing(EXERCISES)) == "✓ one and one"
    assert json.loads(progress.path().read_text()) == ["check_sum"]
    assert [file.name for file in folder.iterdir()] == ["progress.json"]


def test_a_check_is_still_itself():
    assert check_sum.__name__ == "check_sum"
    assert check_sum.__doc__ == "Check 1 + 1."


@pytest.mark.parametrize("stored", ["", "{", "null", '{"a": 1}', "[1, null]"])
def test_a_spoilt_file_counts_as_empty_and_is_replaced(stored, folder):
    folder.mkdir()
    progress.path().write_text(stored)
    assert progress.solved() == frozenset()
    assert check_sum(2).right
    assert progress.solved() == {"check_sum"}


def test_where_nothing_can_be_written_the_verdict_stands(folder):
    folder.write_text("a file where the folder should be")
    assert check_sum(2).right
    assert progress.solved() == frozenset()


WINGS = ("history", "pooling", "conv1x1", "inception", "resnet", "visualization", "gradcam", "adversarial")


@pytest.mark.parametrize("wing", WINGS)
def test_every_exercise_of_the_course_is_remembered(wing):
    marks = importlib.import_module(f"course_utils.{wing}.checks")
    every = [one for name, one in vars(marks).items() if name.startswith("check_")]
    assert every
    assert [check.__name__ for check in every if not hasattr(check, "__wrapped__")] == []
