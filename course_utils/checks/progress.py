"""Which exercises are solved: remembered in one small file on this machine, and sent to nobody.

Serves the last cell of all eight notebooks. Papers: none.
"""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from course_utils.checks.base import Verdict

FOLDER = "COURSE_PROGRESS"  # this environment variable names another folder


def path() -> Path:
    """The file: `.course_utils/progress.json` in the home folder, or in the folder that COURSE_PROGRESS names."""
    folder = os.environ.get(FOLDER)
    return (Path(folder) if folder else Path.home() / ".course_utils") / "progress.json"


def solved() -> frozenset[str]:
    """Names of the checks that were green once; none where the file is missing or cannot be read."""
    try:
        names = json.loads(path().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return frozenset()
    return frozenset(name for name in names if isinstance(name, str)) if isinstance(names, list) else frozenset()


def remembered(check: Callable[..., Verdict]) -> Callable[..., Verdict]:
    """Decorate a check: when it is green, its name is kept. Green stays green, whatever is tried afterwards."""

    @functools.wraps(check)
    def checked(*answer, **options) -> Verdict:
        verdict = check(*answer, **options)
        if verdict and check.__name__ not in (before := solved()):
            file, names = path(), sorted(before | {check.__name__})
            fresh = file.with_name(f"{file.name}.{os.getpid()}")  # written whole, then put in place
            with suppress(OSError):  # where the disk refuses, the verdict on the screen has to do
                file.parent.mkdir(parents=True, exist_ok=True)
                fresh.write_text(json.dumps(names, indent=1) + "\n", encoding="utf-8")
                fresh.replace(file)
        return verdict

    return checked


@dataclass(frozen=True)
class Standing:
    """A lesson's exercises, in its own words, and which of them are solved."""

    exercises: Mapping[str, bool]

    def __repr__(self) -> str:
        return "\n".join(f"{'✓' if done else '…'} {words}" for words, done in self.exercises.items())

    def _repr_html_(self) -> str:
        lines = "".join(
            Verdict(True if done else None, words + (": solved" if done else ": not yet"))._repr_html_()
            for words, done in self.exercises.items()
        )
        told = "Kept in a small file on this machine, and sent to nobody."
        return f'{lines}<div style="font-size:14px; padding:2px 12px">{told}</div>'


def standing(exercises: Mapping[str, Callable[..., Verdict]]) -> Standing:
    """Where the student stands at the end of a lesson.

    Args:
        exercises: what an exercise is called in the lesson → its check, such as `check_max_pool`.

    >>> def check_nothing(answer): ...
    >>> standing({"an exercise that nobody has solved": check_nothing})
    … an exercise that nobody has solved
    """
    done = solved()
    return Standing({words: check.__name__ in done for words, check in exercises.items()})
