"""The lab of the race: two small Inceptions trained by turns, one with the 1×1 reductions, one without.

Serves notebook 4. Paper: Szegedy et al. 2015, "Going Deeper with Convolutions", section 4.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from course_utils.costs import accounting
from course_utils.inception import figures, race
from course_utils.labs import base, started

BOTH = "both"
Measured = Mapping[str, tuple[tuple[int, float], ...]]  # name → (steps, share of test scenes right)


@dataclass(frozen=True)
class Stage:
    """Where the race stands, with all that its drawing needs."""

    steps: int
    rendered: float = 1.0  # share of the scenes, before the first step
    done: int = 0  # steps of the network that is behind
    measured: Measured | None = None
    seconds: Mapping[str, float] | None = None  # name → so far


class RaceLab(started.StartedLab):
    """Train two small Inceptions by turns on the same scenes: one with the 1×1 reductions, one without.

    Before the first start the lab shows a run that ships.

    >>> RaceLab().set(network="without").running
    False
    """

    def __init__(self):
        self._scenes: tuple[Tensor, Tensor] | None = None  # rendered at the first start
        self._pixels_of: tuple[tuple, np.ndarray] | None = None  # the last picture, and what it shows
        both = [(BOTH, BOTH), (race.WITH, race.WITH), ("without reductions", race.WITHOUT)]
        controls = {
            "network": base.menu("network", both, BOTH, "which of the two is trained"),
            "steps": base.whole_slider("steps", 20, 300, race.STEPS, "batches of 64 scenes for each network"),
            "seed": base.whole_number("seed", 0, 9999, 0, "which first weights, which order of the scenes"),
        }
        alt = "What two small Inception networks read right, over the pictures seen and over the multiply-adds spent."
        super().__init__(controls, alt=alt, start="Train")

    def waiting(self, network, steps, seed) -> base.Frame:
        """A run that ships, to its end; another seed, another run, as far as there are some."""
        shipped = race.load_races()
        *_, whole = shipped.steps
        runs = {name: runs[seed % len(runs)] for name, runs in shipped.test.items() if network in (BOTH, name)}
        measured = {name: tuple(zip(shipped.steps, run, strict=True)) for name, run in runs.items()}
        seconds = {name: whole * shipped.seconds[name] for name in runs}
        frame = self.draw(Stage(whole, done=whole, measured=measured, seconds=seconds))
        return base.Frame(frame.pixels, f"<b>Press Train.</b> Until then, a run of before: {frame.headline}")

    def steps(self, network, steps, seed) -> Iterator[Stage]:
        """Render the scenes once, then train by turns, asking about test scenes every few steps."""
        if self._scenes is None:
            blocks = []
            for block in race.scene_blocks(race.SCENES):
                blocks.append(block)
                yield Stage(steps, rendered=len(blocks) * race.BLOCK / race.SCENES)
            self._scenes = tuple(torch.cat(part) for part in zip(*blocks, strict=True))
        test = race.scenes(race.TEST_SCENES, seed=race.TEST_SEED)
        pair = {name: one for name, one in race.build_pair(seed).items() if network in (BOTH, name)}
        measured, seconds = dict.fromkeys(pair, ()), dict.fromkeys(pair, 0.0)
        *_, last = pair
        for name, step, right in race.race_steps(pair, self._scenes, test, steps=steps, seed=seed):
            seconds[name] = step.seconds
            if right is not None:
                measured[name] += ((step.index + 1, right),)
            done = step.index + (name == last)
            yield Stage(steps, done=done, measured=dict(measured), seconds=dict(seconds))

    def share(self, stage: Stage) -> float:
        """How far both trainings are."""
        return stage.done / stage.steps

    def draw(self, stage: Stage) -> base.Frame:
        """Both curves on two axes; drawn anew only when something was measured."""
        measured = stage.measured or {}
        shown = stage.steps, tuple(measured.items())
        if self._pixels_of is None or self._pixels_of[0] != shown:
            self._pixels_of = shown, _draw_curves(stage.steps, measured)
        return base.Frame(self._pixels_of[1], _headline(stage))


def _draw_curves(steps: int, measured: Measured) -> np.ndarray:
    thousand, billions = race.BATCH / 1e3, {name: macs / 1e9 for name, macs in race.count_work().items()}
    by_pictures, by_work = {}, {}
    for name, billion in billions.items():
        at, right = zip(*measured[name], strict=True) if measured.get(name) else ((), ())
        by_pictures[name] = [step * thousand for step in at], right
        by_work[name] = [step * billion for step in at], right
    ends = {"pictures": steps * thousand, "work": steps * max(billions.values())}
    return figures.race(by_pictures, by_work, goal=race.GOAL, **ends)


def _headline(stage: Stage) -> str:
    """Where the race stands, in one sentence (HTML)."""
    if stage.measured is None:
        return f"The road-sign scenes are rendered first: {stage.rendered:.0%} …"
    told = []
    for name, points in stage.measured.items():
        spent = accounting.count(stage.done * race.count_work()[name])
        right = f"{100 * points[-1][1]:.0f} % right" if points else "…"
        told.append(f"<b>{name}</b>: {right}, {stage.seconds[name]:.0f} s, {spent} multiply-adds")
    return f"step {stage.done} of {stage.steps}; {'; '.join(told)}."
