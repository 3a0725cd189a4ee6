"""What marks a student's own work: a verdict with a sentence, and quizzes with feedback on every answer.

Serves all eight notebooks; each lesson's own checks stand in its wing, in checks.py. Papers: none.
"""

from __future__ import annotations

import html
import inspect
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets
import torch
from torch import Tensor

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
        """A line with a mark and a coloured edge: colour is never the only sign."""
        mark, colour = _MARKS[self.right]
        style = (
            f"font-size:16px; line-height:1.5; white-space:normal; padding:6px 12px; margin:4px 0;"
            f" border-left:5px solid {colour}; background:#F5F7FA; color:{figures.INK}"
        )
        words = f'<b style="color:{colour}">{mark}</b> {html.escape(self.sentence)}'
        return f'<div role="status" aria-live="polite" style="{style}">{words}</div>'


_MARKS = {True: ("✓", figures.GREEN), False: ("✗", figures.VERMILLION), None: ("…", figures.BLUE)}


# ---- marking ---------------------------------------------------------------------------------------------------
NOT_YET = Verdict(None, "Not yet: fill the gap and run this cell again. The hint below helps.")
_WRITES = "You write into what you were given; make new tensors instead (no +=, no index on the left)."


def wrong(sentence: str) -> Verdict:
    """The verdict on what is wrong."""
    return Verdict(False, sentence)


def try_out(
    student: Callable,
    *given: Any,
    takes: str,
    returns: str | None,
    writes: str = _WRITES,
    explain: Callable[[Exception], str | None] = lambda trouble: None,
    where: str = "",
    not_yet: Verdict = NOT_YET,
) -> Any:
    """Call a student's function: what it returns, or a `Verdict` where it was not begun, stopped, or did harm.

    Gradients are on, and torch's random numbers begin at the same place each time and are put back afterwards.

    Args:
        given: what the function is called with; tensors among them must stay what they are.
        takes: the names of its arguments, as in "images, kernel_size, stride, padding".
        returns: what it shall return, as in "the map, a tensor"; None where it may be something else than a tensor.
        writes: what to say where it writes into a tensor that was given.
        explain: what to say of an exception; None where it tells nothing that the student would not read in it.
        where: behind the name of any other exception, as in " at stride=2".
        not_yet: of a stub, which raises NotImplementedError or returns None or three dots.
    """
    before = [one.detach().clone() if isinstance(one, Tensor) else None for one in given]
    try:
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            torch.default_generator.manual_seed(0)
            answer = student(*given)
    except NotImplementedError:
        return not_yet
    except Exception as trouble:  # from what is sure to what is only told on
        told = " ".join(str(trouble).split())[:160]
        if isinstance(trouble, TypeError) and "ellipsis" in told.lower():
            return Verdict(None, "Not yet: one of the gaps still holds the three dots.")
        if fault := _mismatch(student, given, takes):
            return wrong(fault)
        in_place = "leaf Variable that requires grad is being used in an in-place" in told
        stopped = f"Your function stopped with {type(trouble).__name__}{where}: {told or 'no words'}"
        return wrong(explain(trouble) or (writes if in_place else stopped))
    if answer is None or answer is Ellipsis:
        return not_yet
    if any(old is not None and not torch.equal(old, now) for old, now in zip(before, given, strict=True)):
        return wrong(writes)
    if returns and not isinstance(answer, Tensor):
        return wrong(f"Return {returns}; you return {type(answer).__name__}.")
    return answer


def _mismatch(student: Callable, given: tuple, takes: str) -> str | None:
    """What is wrong with a function that cannot even be called with these arguments; None if nothing is."""
    try:
        signature = inspect.signature(student)
    except (TypeError, ValueError):
        return f"Give your function itself, of ({takes})."
    try:
        signature.bind(*given)
    except TypeError:
        return f"Your function must take ({takes}), in this order."
    return None


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors hold the same numbers, whatever float type the student computes in.

    >>> same(torch.tensor([1 / 3]), torch.tensor([1 / 3], dtype=torch.float64))
    True
    """
    pair = (tensor.detach().cpu().double() for tensor in (one, other))
    return one.shape == other.shape and torch.allclose(*pair, rtol=1e-4, atol=1e-5)


def together(verdicts: Iterable[Verdict | None], praise: str) -> Verdict:
    """One verdict of several problems, marked one after the other: the first that finds something, or the praise."""
    return next((verdict for verdict in verdicts if verdict is not None and not verdict), Verdict(True, praise))


# ---- quizzes ---------------------------------------------------------------------------------------------------
class Quiz:
    """One question with several answers, one of them right, and feedback on each.

    Args:
        answers: answer → why it is right or wrong, in the order shown; at least two.
        right: the right answer, word for word.

    >>> quiz("Two and two?", {"3": "Count again.", "4": "Yes."}, right="4")
    [A quiz: Two and two?]
    """

    def __init__(self, question: str, answers: dict[str, str], right: str):
        if len(answers) < 2 or right not in answers:
            raise ValueError(
                f"a quiz has two answers or more, the right one among them; got {list(answers)} and right={right!r}."
            )
        self.question, self.answers, self.right = question, dict(answers), right
        self.title = f'<div style="{_QUESTION}">{html.escape(question)}</div>'
        wide = {"width": "100%", "min_height": "fit-content"}
        self.choice = widgets.RadioButtons(options=list(answers), value=None, layout=wide)
        self.choice.observe(self._answered, "value")
        self.feedback = widgets.HTML()
        parts = [widgets.HTML(self.title), self.choice, self.feedback]
        self.widget = widgets.VBox(parts, layout={"width": "100%"})

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
        view = {"version_major": 2, "version_minor": 0, "model_id": self.widget.model_id}
        page = {"text/plain": repr(self), "text/html": f"{self.title}<ul>{folded}</ul>"}
        return page | {"application/vnd.jupyter.widget-view+json": view}


_QUESTION = "font-size:17px; font-weight:bold; line-height:1.4; white-space:normal; padding:4px 0"
quiz = Quiz  # what a lesson writes
