"""The history of reading pictures as facts: a timeline, ImageNet's errors, machines; each row with its source.

Serves notebook 1. The facts stand in data/history/*.csv, to be read and mended as text.
Papers: one or more a row; ImageNet's: Russakovsky et al. 2015, arXiv:1409.0575.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TypeVar

from course_utils import runtime
from course_utils.arguments import check_choice, check_number

THREADS = ("networks", "features", "ingredients", "doubts", "words")
KINDS = ("winner", "outside data", "human")
RATES = ("training", "data sheet")


@dataclass(frozen=True)
class Entry:
    """One event of the timeline."""

    year: int
    thread: str  # one of THREADS
    what: str
    why: str  # what it was good for, in one or two sentences
    source: str  # the citation
    link: str

    def __post_init__(self):
        check_choice("a thread", self.thread, THREADS)


@dataclass(frozen=True)
class Score:
    """A top-5 error on ImageNet's yearly challenge."""

    year: int
    kind: str  # one of KINDS
    who: str
    method: str
    made: str  # how the features came about: hand-made, learnt, human
    error: float  # top-5 error on the test pictures, in percent
    source: str
    link: str

    def __post_init__(self):
        check_choice("the kind of a score", self.kind, KINDS)
        check_number(f"the error of {self.who}", self.error, 0, 100, says="lies between 0 and 100 percent")


@dataclass(frozen=True)
class Machine:
    """How much a machine computed while it trained a network, or could at most by its data sheet."""

    year: int
    kind: str  # one of RATES
    who: str
    rate: float  # additions and multiplications a second
    how: str  # what the rate was computed from
    source: str
    link: str

    def __post_init__(self):
        check_choice("the kind of a rate", self.kind, RATES)
        check_number(f"the rate of {self.who}", self.rate, above=True)


Row = TypeVar("Row", Entry, Score, Machine)


def read_timeline() -> tuple[Entry, ...]:
    """The timeline, oldest first; a row with a gap, nonsense or a year out of order is a `ValueError`.

    >>> read_timeline()[0].what
    'A neuron as a formula (McCulloch and Pitts)'
    """
    entries = _rows(Entry, runtime.DATA / "history" / "timeline.csv")
    years = [entry.year for entry in entries]
    if years != sorted(years):
        raise ValueError("the timeline is out of order; put its rows in the order of their years.")
    return entries


def read_imagenet() -> tuple[Score, ...]:
    """ImageNet's winning top-5 errors by year, those with outside data, and the two people who tried.

    >>> [(score.year, score.error) for score in read_imagenet() if score.who.startswith("AlexNet")][0]
    (2012, 16.4)
    """
    return _rows(Score, runtime.DATA / "history" / "imagenet.csv")


def read_machines() -> tuple[Machine, ...]:
    """What machines computed a second, from the workstation of 1989 to a data centre's card.

    >>> [f"{machine.rate:.0e}" for machine in read_machines() if machine.kind == "training"]
    ['3e+05', '1e+12']
    """
    return _rows(Machine, runtime.DATA / "history" / "machines.csv")


def _rows(kind: type[Row], path: Path) -> tuple[Row, ...]:
    """A CSV file as objects; every field is filled, years and errors are numbers."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            table = list(csv.DictReader(file))
    except OSError as problem:
        raise ValueError(f"{path.name} cannot be read ({problem.strerror}); install the course again.") from None
    names, rows = [field.name for field in fields(kind)], []
    for line, row in enumerate(table, start=2):
        missing = [name for name in names if not (row.get(name) or "").strip()]
        if missing:
            raise ValueError(f"line {line} of {path.name} says nothing under {missing[0]!r}; every field is needed.")
        try:
            values = {name: {"year": int, "error": float, "rate": float}.get(name, str)(row[name]) for name in names}
        except ValueError:
            raise ValueError(f"line {line} of {path.name} has no number for its year, error or rate.") from None
        rows.append(kind(**values))
    return tuple(rows)
