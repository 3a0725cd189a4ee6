"""What marks a student's own work: a verdict with a sentence, and quizzes with feedback on every answer.

Serves all eight notebooks; each lesson's checks stand in a module of their own beside this one. Papers: none.
"""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from course_utils import figures


# ---- feedback --------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Verdict:
    """What a check found: right (True), wrong (False) or not done yet (None), and a sentence that says why."""

    right: bool | None
    sentence: str

    def __bool__(self) -> bool:
        return self.right is True

    def __repr__(self) -> str:
        return f"{_MARKS[self.right][0]} {self.sentence}"

    def _repr_html_(self) -> str:
        return _feedback(self.right, self.sentence)


_MARKS = {True: ("✓", figures.GREEN), False: ("✗", figures.VERMILLION), None: ("…", figures.BLUE)}


def _feedback(right: bool | None, sentence: str) -> str:
    """A line with a mark and a coloured edge: colour is never the only sign."""
    mark, colour = _MARKS[right]
    style = (
        f"font-size:16px; line-height:1.5; white-space:normal; padding:6px 12px; margin:4px 0;"
        f" border-left:5px solid {colour}; background:#F5F7FA; color:{figures.INK}"
    )
    words = f'<b style="color:{colour}">{mark}</b> {html.escape(sentence)}'
    return f'<div role="status" aria-live="polite" style="{style}">{words}</div>'


# ---- marking ---------------------------------------------------------------------------------------------------
NOT_YET = Verdict(None, "Not yet: fill the gap and run this cell again. The hint below helps.")


def attempt(student: Callable, *given: Any, raised: Callable[[Exception], Verdict], not_yet: Verdict = NOT_YET) -> Any:
    """What a student's function returns; in its place a `Verdict`, where it was not begun or stopped.

    Args:
        student: the function.
        given: what it is called with.
        raised: what to say of an exception.
        not_yet: of a stub, which raises NotImplementedError or returns None or three dots.
    """
    try:
        answer = student(*given)
    except NotImplementedError:
        return not_yet
    except Exception as trouble:
        return raised(trouble)
    return not_yet if answer is None or answer is Ellipsis else answer


def together(verdicts: Iterable[Verdict | None], praise: str) -> Verdict:
    """One verdict of several problems, marked one after the other: the first that finds something, or the praise."""
    return next((verdict for verdict in verdicts if verdict is not None and not verdict), Verdict(True, praise))


# ---- quizzes ---------------------------------------------------------------------------------------------------
class Quiz:
    """One question with several answers, one of them right, and feedback on each.

    Args:
        question: in plain words.
        answers: answer → why it is right or wrong, in the order shown; at least two.
        right: the right answer, word for word.

    Raises:
        ValueError: fewer than two answers, or the right one is not among them.
    """

    def __init__(self, question: str, answers: dict[str, str], right: str):
        if len(answers) < 2 or right not in answers:
            raise ValueError(
                f"a quiz has two answers or more, the right one among them; got {list(answers)} and right={right!r}."
            )
        self.question, self.answers, self.right = question, dict(answers), right
        title = widgets.HTML(f'<div style="{_QUESTION}">{html.escape(question)}</div>')
        self.choice = widgets.RadioButtons(
            options=list(answers), value=None, layout=widgets.Layout(width="100%", min_height="fit-content")
        )
        self.feedback = widgets.HTML()
        self.choice.observe(self._answered, "value")
        self.widget = widgets.VBox([title, self.choice, self.feedback], layout=widgets.Layout(width="100%"))

    def verdict(self) -> Verdict:
        """What the present choice is worth."""
        chosen = self.choice.value
        if chosen is None:
            return Verdict(None, "Choose an answer.")
        return Verdict(chosen == self.right, self.answers[chosen])

    def _answered(self, _change: dict) -> None:
        self.feedback.value = self.verdict()._repr_html_()

    def __repr__(self) -> str:
        return f"[A quiz: {self.question}]"

    def _repr_mimebundle_(self, include=None, exclude=None):
        """The live quiz for who has a kernel; the question with folded answers for who has none."""
        folded = "".join(
            f"<li><details><summary>{html.escape(answer)}</summary>"
            f"{'✓' if answer == self.right else '✗'} {html.escape(why)}</details></li>"
            for answer, why in self.answers.items()
        )
        return {
            "text/plain": repr(self),
            "text/html": f'<div style="{_QUESTION}">{html.escape(self.question)}</div><ul>{folded}</ul>',
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.widget.model_id,
            },
        }


_QUESTION = "font-size:17px; font-weight:bold; line-height:1.4; white-space:normal; padding:4px 0"


def quiz(question: str, answers: dict[str, str], right: str) -> Quiz:
    """Ask one question; see `Quiz`."""
    return Quiz(question, answers, right)
