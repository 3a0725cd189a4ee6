"""Quizzes: silent before an answer, a sentence for each, folded answers for who has no kernel."""

import pytest

from course_utils import checks


def _quiz():
    return checks.quiz("1 + 1?", {"2": "Yes, two.", "3": "One too many."}, right="2")


def test_a_quiz_says_nothing_before_it_is_answered():
    quiz = _quiz()
    assert quiz.choice.value is None
    assert quiz.feedback.value == ""
    assert quiz.verdict().right is None


def test_a_quiz_answers_every_choice():
    quiz = _quiz()
    quiz.choice.value = "3"
    assert "✗" in quiz.feedback.value
    assert "One too many." in quiz.feedback.value
    quiz.choice.value = "2"
    assert "✓" in quiz.feedback.value
    assert quiz.verdict()


def test_a_quiz_without_a_kernel_folds_its_answers():
    bundle = _quiz()._repr_mimebundle_()
    assert bundle["text/html"].count("<details>") == 2
    assert "application/vnd.jupyter.widget-view+json" in bundle


@pytest.mark.parametrize(("answers", "right"), [({"2": "yes"}, "2"), ({"2": "yes", "3": "no"}, "4")])
def test_a_quiz_that_makes_no_sense_is_refused(answers, right):
    with pytest.raises(ValueError, match="two answers or more"):
        checks.quiz("1 + 1?", answers, right)
