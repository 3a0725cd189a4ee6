"""What may stand in a lesson's cell of parameters, and the guard of the sentences that were written for its values.

    claim = lesson.check(
        network_name=lesson.Choice(network_name, "signs-resnet", zoo.shipped()),
        epsilon=lesson.Number(epsilon, 8 / 255, 0, 1, unit="pixels run from 0 to 1"),
        steps=lesson.Whole(steps, 20, 1, 1000),
    )
    claim("the attack turns STOP into another sign", answer != signs.STOP)

Serves all notebooks. A wrong value stops the lesson at that cell, with a sentence, before anything was computed from
it. A claim that does not hold stops a test; a student reads what is different here, and the lesson goes on.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from course_utils.arguments import is_number, is_whole


@dataclass(frozen=True)
class Parameter:
    """A value, and what stands there in the lesson as it was written; each kind knows what is allowed."""

    value: Any
    written: Any

    def fault(self) -> str | None:
        """What is wrong with the value, to be read behind its name ("must be …"); None if nothing is."""
        raise NotImplementedError


@dataclass(frozen=True)
class Choice(Parameter):
    """One of several words or numbers."""

    allowed: Collection

    def fault(self) -> str | None:
        if any(type(self.value) is type(one) and self.value == one for one in self.allowed):
            return None
        near = difflib.get_close_matches(str(self.value), map(str, self.allowed), n=1)
        advice = f" Did you mean {near[0]!r}?" if near and isinstance(self.value, str) else ""
        return f"must be one of {', '.join(map(repr, self.allowed))}; got {self.value!r}.{advice}"


class Look(Choice):
    """One of several ways to draw the same numbers: whichever it is, the lesson's sentences hold as written."""

    def __init__(self, value: Any, allowed: Collection):
        super().__init__(value, value, allowed)


class Text(Parameter):
    """Words of which only a later cell can say whether they name something, such as a layer."""

    def fault(self) -> str | None:
        return None if isinstance(self.value, str) and self.value else f"must be a name; got {self.value!r}."


@dataclass(frozen=True)
class Whole(Parameter):
    """A whole number between two bounds, both allowed."""

    low: int
    high: int

    def fault(self) -> str | None:
        if is_whole(self.value) and self.low <= self.value <= self.high:
            return None
        return f"must be a whole number from {self.low} to {self.high}; got {self.value!r}."


@dataclass(frozen=True)
class Number(Parameter):
    """A number between two bounds, both allowed; `unit` says, where it helps, what is counted."""

    low: float
    high: float
    unit: str = ""

    def fault(self) -> str | None:
        if is_number(self.value) and self.low <= self.value <= self.high:  # NaN lies nowhere
            return None
        unit = f" ({self.unit})" if self.unit else ""
        in_255ths = is_number(self.value) and self.high == 1 < self.value <= 255
        advice = f" Did you mean {self.value:g}/255?" if in_255ths else ""
        return f"must be a number from {self.low:g} to {self.high:g}{unit}; got {self.value!r}.{advice}"


class Switch(Parameter):
    """On or off: True or False, and neither 1 nor "yes"."""

    def fault(self) -> str | None:
        return None if isinstance(self.value, bool) else f"must be True or False; got {self.value!r}."


# Who runs a lesson: nobody says, and it is a student; tests set this variable to "strict", and `make notebooks`, whose
# run is stored, to "stored".
RUN_BY = "COURSE_CLAIMS"


@dataclass(frozen=True)
class Claims:
    """The guard of a lesson's sentences: each cell says what it promises, and whether it came true.

    `as_written` tells whether all parameters have the values that the sentences speak of.
    """

    as_written: bool

    def __call__(self, sentence: str, truth: Any) -> None:
        """Hold a sentence of the lesson against what was computed.

        In tests, an AssertionError says that the parameters are as written and it is not so. A student reads a line
        that says what is different, because processors round and take their time as they like.

        Args:
            sentence: what the lesson says, such as "max pooling keeps at least 97 % of the classes".
            truth: whether it is so; anything with a truth value, or a function of no arguments that finds out
                (for what cannot even be asked with other parameters).

        >>> Claims(as_written=True)("two and two are four", 2 + 2 == 4)
        """
        self._judge(sentence, truth, stops=("strict", "stored") if self.as_written else ())

    def always(self, sentence: str, truth: Any) -> None:
        """The same for what holds with all parameters: a law, not a number."""
        self._judge(sentence, truth, stops=("strict", "stored"))

    def timed(self, sentence: str, truth: Any) -> None:
        """The same for what a clock said, and another processor may say otherwise: only the stored run stops at it."""
        self._judge(sentence, truth, stops=("stored",) if self.as_written else (), silent=("strict",))

    def _judge(self, sentence: str, truth: Any, stops: tuple[str, ...], silent: tuple[str, ...] = ()) -> None:
        run_by = os.environ.get(RUN_BY)
        try:
            holds = bool(truth() if callable(truth) else truth)
        except Exception:  # what was asked has no answer with these parameters
            if self.as_written:
                raise
            holds = False
        if holds or run_by in silent:
            return
        if run_by in stops:
            raise AssertionError(f"the lesson says: {sentence}; and it is not so.")
        where = "on this machine" if self.as_written else "with these parameters"
        print(f"≠ The lesson says: {sentence}. It is not so {where}; why might that be?")


def check(**found: Parameter) -> Claims:
    """Refuse wrong parameters; give the guard of the sentences that were written for the right ones.

    Raises:
        ValueError: some are not allowed; the sentence names each of them.

    >>> check(steps=Whole(20, 20, 1, 1000)).as_written
    True
    """
    faults = [f"{name} {fault}" for name, one in found.items() if (fault := one.fault())]
    if faults:
        raise ValueError(" ".join(faults) + " Mend it in the cell of parameters and run the lesson again.")
    return Claims(all(one.value == one.written for one in found.values()))
