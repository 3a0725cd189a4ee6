"""The check of a lesson's parameters: what is allowed passes, anything else is named in a sentence; in all lessons."""

import ast
import math
import os

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_utils import figures, lesson
from course_utils.lesson import Choice, Claims, Number, Text, Whole
from scripts import notebooks

NETWORKS = ("signs-alexnet", "signs-resnet")


def written(network="signs-resnet", epsilon=8 / 255, steps=20) -> bool:
    """Whether a small lesson's parameters are as they were written, or its sentence about them."""
    claim = lesson.check(
        network=Choice(network, "signs-resnet", NETWORKS),
        epsilon=Number(epsilon, 8 / 255, 0, 1, unit="pixels run from 0 to 1"),
        steps=Whole(steps, 20, 1, 100),
    )
    return claim.as_written


def test_the_lesson_as_written_is_told_from_a_changed_one():
    assert written() is True
    assert written(network="signs-alexnet") is False
    assert written(epsilon=0) is False


@given(st.integers(1, 100), st.floats(0, 1))
def test_whatever_lies_between_the_bounds_passes(steps, epsilon):
    assert written(steps=steps, epsilon=epsilon) is (steps == 20 and epsilon == 8 / 255)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"network": "signs-resnt"},
            "network must be one of 'signs-alexnet', 'signs-resnet'; got 'signs-resnt'. Did you mean 'signs-resnet'?",
        ),
        ({"network": 7}, "network must be one of 'signs-alexnet', 'signs-resnet'; got 7. Mend"),
        ({"epsilon": 8}, r"epsilon must be a number from 0 to 1 (pixels run from 0 to 1); got 8. Did you mean 8/255?"),
        ({"epsilon": -0.1}, "got -0.1. Mend"),
        ({"epsilon": math.nan}, "got nan. Mend"),
        ({"epsilon": "8/255"}, "got '8/255'. Mend"),
        ({"steps": 0}, "steps must be a whole number from 1 to 100; got 0."),
        ({"steps": 20.0}, "got 20.0"),
        ({"steps": True}, "got True"),
    ],
)
def test_what_is_wrong_is_named(wrong, sentence):
    with pytest.raises(ValueError) as caught:
        written(**wrong)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith("Mend it in the cell of parameters and run the lesson again.")


def test_all_that_is_wrong_is_named_at_once():
    with pytest.raises(ValueError, match=r"network must .* epsilon must .* steps must"):
        written("no", 2, 0)


def test_a_name_must_be_a_word():
    assert not lesson.check(layer=lesson.Text("stage2", "stage3")).as_written
    with pytest.raises(ValueError, match="layer must be a name; got ''"):
        lesson.check(layer=lesson.Text("", "stage3"))


def test_how_figures_look_changes_no_sentence_but_has_to_be_known():
    assert all(lesson.check(style=lesson.Look(style, figures.STYLES)).as_written for style in figures.STYLES)
    assert not lesson.check(style=lesson.Look("stage", figures.STYLES), steps=Whole(3, 5, 1, 9)).as_written
    with pytest.raises(ValueError, match=r"style must be one of 'notebook', 'stage'; got 'stag'\. Did you mean 'st"):
        lesson.check(style=lesson.Look("stag", figures.STYLES))


@pytest.mark.parametrize("value", [True, False])
def test_a_switch_is_on_or_off(value):
    assert lesson.check(fast=lesson.Switch(value, value)).as_written
    assert not lesson.check(fast=lesson.Switch(not value, value)).as_written


@pytest.mark.parametrize("wrong", [1, 0, "yes", "True", None])
def test_a_switch_is_nothing_else(wrong):
    with pytest.raises(ValueError) as caught:
        lesson.check(fast=lesson.Switch(wrong, False))
    assert f"fast must be True or False; got {wrong!r}. Mend" in str(caught.value)


# ---- claims ------------------------------------------------------------------------------------------------------
KINDS = ("__call__", "always", "timed")


@pytest.fixture
def run_by(monkeypatch):
    """Says who runs the lesson: a student (None), "strict" or "stored"."""

    def say(whom: str | None) -> None:
        monkeypatch.delenv(lesson.RUN_BY) if whom is None else monkeypatch.setenv(lesson.RUN_BY, whom)

    monkeypatch.setenv(lesson.RUN_BY, "")
    return say


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("whom", [None, "strict", "stored"])
@pytest.mark.parametrize("as_written", [True, False])
@pytest.mark.parametrize("truth", [True, lambda: 1, torch.tensor(True), np.True_])
def test_a_claim_that_holds_says_nothing(kind, whom, as_written, truth, run_by, capsys):
    run_by(whom)
    getattr(Claims(as_written), kind)("two is two", truth)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("as_written", "words"), [(True, "on this machine"), (False, "with these parameters")])
@pytest.mark.parametrize("kind", KINDS)
def test_a_student_reads_what_is_different_and_goes_on(kind, as_written, words, run_by, capsys):
    run_by(None)
    getattr(Claims(as_written), kind)("one is two", lambda: 1 == 2)
    assert "one is two. It is not so " + words in capsys.readouterr().out


STOPPED = {  # (kind, as written) → who is stopped by a claim that does not hold
    ("__call__", True): {"strict", "stored"},
    ("__call__", False): set(),
    ("always", True): {"strict", "stored"},
    ("always", False): {"strict", "stored"},
    ("timed", True): {"stored"},
    ("timed", False): set(),
}


@pytest.mark.parametrize("whom", ["strict", "stored"])
@pytest.mark.parametrize(("kind", "as_written"), STOPPED)
def test_a_test_and_the_stored_run_stop_where_a_sentence_is_wrong(kind, as_written, whom, run_by, capsys):
    run_by(whom)
    claim = getattr(Claims(as_written), kind)
    if whom in STOPPED[kind, as_written]:
        with pytest.raises(AssertionError, match="the lesson says: one is two"):
            claim("one is two", False)
    else:
        claim("one is two", False)
    assert (capsys.readouterr().out == "") is (whom in STOPPED[kind, as_written] or (kind, whom) == ("timed", "strict"))


def test_a_question_that_other_parameters_cannot_even_ask_is_no_traceback(run_by, capsys):
    run_by("strict")
    Claims(as_written=False)("the third is right", lambda: [][3])
    assert "with these parameters" in capsys.readouterr().out
    with pytest.raises(IndexError):
        Claims(as_written=True)("the third is right", lambda: [][3])


def test_the_tests_of_the_lessons_are_strict():
    assert os.environ[lesson.RUN_BY] == "strict"


# ---- the lessons' own ----------------------------------------------------------------------------------------------
def source(path, needle: str) -> str:
    """The first code cell of a lesson in which some words stand."""
    return next(cell.source for cell in notebooks.code_cells(notebooks.read(path)) if needle in cell.source)


@pytest.fixture(scope="module", params=notebooks.find([]), ids=lambda path: path.stem)
def lesson_cells(request):
    """A lesson's parameters as they are written, its cell that checks them, and what it has imported until then."""
    tagged = [cell for cell in notebooks.read(request.param).cells if "parameters" in cell.metadata.get("tags", [])]
    written, imported = {}, {}
    exec(tagged[0].source, {}, written)
    exec(source(request.param, "runtime.describe_machine()"), imported)
    return written, source(request.param, "lesson.check("), imported


def checked(check: str) -> dict[str, ast.Call]:
    """The arguments of `lesson.check` in a cell."""
    calls = [node for node in ast.walk(ast.parse(check)) if isinstance(node, ast.Call)]
    (call,) = (call for call in calls if ast.unparse(call.func) == "lesson.check")
    return {keyword.arg: keyword.value for keyword in call.keywords}


def wrong_for(parameter) -> list:
    if isinstance(parameter, Whole | Number):
        return [None, parameter.low - 1, parameter.high + 1, math.nan]
    return [None, ""] if isinstance(parameter, Text) else [None, -1, "nonsense"]


def test_a_lesson_as_written_passes_its_check_in_which_every_parameter_is_named(lesson_cells):
    written, check, imported = lesson_cells
    assert {"fast", "style"} < set(written)
    assert {name: ast.unparse(call.args[0]) for name, call in checked(check).items()} == {n: n for n in written}
    names = imported | written
    exec(check, names)
    assert names["claim"].as_written
    assert {
        name: names[name] for name in written
    } == written  # none of them becomes smaller, as it does in a first look


def test_a_wrong_value_of_each_parameter_stops_the_lesson_with_a_sentence(lesson_cells):
    written, check, imported = lesson_cells
    names = imported | {"lesson": lesson} | written
    for name, call in checked(check).items():
        for wrong in wrong_for(eval(ast.unparse(call), names)):
            with pytest.raises(ValueError, match=rf"^{name} must be .* got .*Mend it in the cell of parameters"):
                exec(check, names | {name: wrong})


@pytest.mark.parametrize("path", notebooks.find([]), ids=lambda path: path.stem)
def test_a_first_look_does_less_in_every_lesson(path):
    assert " if fast else " in source(path, " if fast ")
