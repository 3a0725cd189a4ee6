"""The lab of learning curves: what ships first, then the same comparison live, a shorter one, on scenes of one's own.

Serves notebook 1. It wires `learning_curve.compare` to `figures.classical.learning_curves`.
Papers: see `learning_curve`.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from course_utils import signs
from course_utils.history import learning_curve
from course_utils.history.figures.classical import learning_curves
from course_utils.history.learning_curve import CNN, HOG, METHODS, Curves, Progress
from course_utils.labs import base, started

ALT = "Accuracy against the number of training scenes: SIFT words and HOG begin higher, a small CNN ends higher."
SHORTER = {  # the menu: up to how many training scenes, with what takes how long
    "20 to 200 scenes (half a minute)": (20, 60, 200),
    "20 to 600 scenes (a minute)": (20, 60, 200, 600),
    "20 to 2,000 scenes (some minutes)": (20, 60, 200, 600, 2000),
}
WHO = {"all four": METHODS, "HOG and the CNN (quicker)": (HOG, CNN), "the CNN alone": (CNN,)}
TEST_SCENES = 200


class LearningCurveLab(started.StartedLab):
    """Watch four readers learn from more and more scenes: how many, which readers, which scenes.

    >>> LearningCurveLab().set(seed=5)
    [A lab: Accuracy against the number of training scenes: SIFT words and HOG begin higher, a small CNN ends higher.]
    """

    def __init__(self):
        self._curves = learning_curve.load_curves()
        self._last: tuple[int, np.ndarray] | None = None  # how many readings were drawn, and the drawing
        controls = {
            "sizes": base.menu("train on", list(SHORTER), next(iter(SHORTER)), "how far the training set grows"),
            "readers": base.menu("readers", list(WHO), "all four", "who takes part"),
            "seed": base.whole_number("seed", 0, 99, 3, "which training scenes; 0, 1 and 2 are the shipped ones"),
        }
        super().__init__(controls, alt=ALT)

    def waiting(self, sizes, readers, seed) -> base.Frame:
        """The shipped curves."""
        many = len(self._curves.accuracies[CNN])
        return base.Frame(
            drawn(self._curves),
            f"What ships: the mean of {many} training sets, tested on {self._curves.test_scenes:,} test scenes; bands"
            " reach from the worst to the best. <b>Start</b> runs a shorter comparison.",
        )

    def steps(self, sizes, readers, seed) -> Iterator[Progress]:
        """The comparison itself."""
        self._last = None
        yield from learning_curve.compare(SHORTER[sizes], seed=seed, test_scenes=TEST_SCENES, methods=WHO[readers])

    def share(self, step: Progress) -> float:
        """How far the work is."""
        return step.share

    def draw(self, step: Progress) -> base.Frame:
        """The shipped curves, pale, and a ring for each reading so far."""
        if self._last is None or self._last[0] != len(step.readings):
            self._last = (len(step.readings), drawn(self._curves, step))
        return base.Frame(self._last[1], headline(step))


def drawn(curves: Curves, progress: Progress | None = None) -> np.ndarray:
    """The learning curves; with a comparison under way, its readings as rings."""
    return learning_curves(
        {method: (curves.sizes, curves.mean(method)) for method in METHODS},
        title="Made by hand wins while data is short, learnt wins when there is plenty",
        bands={method: curves.band(method) for method in METHODS},
        live=progress and {method: progress.points(method) for method in METHODS},
        chance=1 / len(signs.CLASSES),
    )


def headline(progress: Progress) -> str:
    """What goes on, or how it ended, in one sentence (HTML)."""
    if not progress.done:
        return f"{progress.doing} …"
    largest = progress.readings[-1].size
    last = [one for one in progress.readings if one.size == largest]
    told = ", ".join(f"{one.method} <b>{100 * one.accuracy:.0f} %</b>" for one in last)
    return f"After {largest:,} training scenes, of {TEST_SCENES} test scenes: {told}."
