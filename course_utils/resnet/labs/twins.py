"""The lab of the twins: two deep networks, one with skips and one without, trained before one's eyes.

Serves notebook 5. It wires `training.train_by_turns` to `figures.quick_curves`; both do their work without it.
Paper: He et al. 2016, figure 6 (plain networks of 20 … 56 layers against residual ones).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import torch
from torch import Tensor

from course_utils import figures, training
from course_utils.labs import base, started
from course_utils.resnet import twins
from course_utils.signs import small

ALT = "The training loss of two deep networks over the steps, one with skips and one without."
DEPTHS = (8, 20, 32, 56)
RATES = (0.002, 0.005, 0.01, 0.02)
TEST_SCENES = 300
TOP = 2.4  # of the axis; a residual network may begin far above
WINDOW = 10  # batches that a point of the curve averages
NO_STEP = {twins.PLAIN: (), twins.RESIDUAL: ()}


@dataclass(frozen=True)
class Trainings:
    """Where both trainings stand, with all that their drawing needs."""

    depth: int
    steps: int
    losses: Mapping[str, Sequence[float]]  # name of the twin → loss of each batch so far
    right: Mapping[str, Sequence[float]]  # name of the twin → share of each batch that was right
    rendered: float = 1.0  # share of the scenes, before the first step
    test: Mapping[str, float] | None = None  # name of the twin → share of the test scenes that is right, at the end


class TwinsLab(started.StartedLab):
    """Train twins of one depth: the same layers, the same first weights, the same batches; only "+ x" differs.

    Before the first start the lab shows a run that ships.

    >>> TwinsLab()
    [A lab: ...]
    """

    def __init__(self):
        self._scenes: tuple[Tensor, Tensor] | None = None  # rendered at the first start
        controls = {
            "depth": base.menu("depth", [(f"{d} layers", d) for d in DEPTHS], 56, "layers of both networks"),
            "norm": base.switch("batch normalisation", True, "after every convolution"),
            "steps": base.whole_slider("steps", 20, 400, twins.STEPS, "batches of 64 scenes for each network"),
            "rate": base.menu("rate", [(f"{r:g}", r) for r in RATES], twins.LEARNING_RATE, "the learning rate's peak"),
            "seed": base.whole_number("seed", 0, 9999, 0, "which first weights, which order of the scenes"),
        }
        super().__init__(controls, alt=ALT, start="Train")

    def waiting(self, depth, norm, steps, rate, seed) -> base.Frame:
        """A run that ships, of the chosen depth."""
        runs = twins.load_runs()
        kept = {"losses": runs.losses[depth], "right": runs.right[depth]}
        first = {key: {name: seeds[0] for name, seeds in by_twin.items()} for key, by_twin in kept.items()}
        frame = self.draw(Trainings(depth, len(first["losses"][twins.PLAIN]), **first))
        told = f"<b>Press Train.</b> Until then, a run of before, {depth} layers: {frame.headline}"
        return base.Frame(frame.pixels, told)

    def steps(self, depth, norm, steps, rate, seed) -> Iterator[Trainings]:
        """Render the scenes once, train both by turns, then ask both about test scenes."""
        if self._scenes is None:
            blocks = []
            for block in small.scene_blocks(twins.SCENES):
                blocks.append(block)
                yield Trainings(depth, steps, NO_STEP, NO_STEP, rendered=len(blocks) * small.BLOCK / twins.SCENES)
            self._scenes = tuple(torch.cat(part) for part in zip(*blocks, strict=True))
        pair = twins.build_pair(depth, seed=seed, norm=norm)
        losses, right = dict(NO_STEP), dict(NO_STEP)
        how = {"steps": steps, "batch": twins.BATCH, "learning_rate": rate, "seed": seed}
        for name, step in training.train_by_turns(pair, *self._scenes, **how):
            losses[name] += (step.loss,)
            right[name] += (step.accuracy,)
            yield Trainings(depth, steps, dict(losses), dict(right))
        asked = small.scenes(TEST_SCENES, seed=twins.TEST_SEED)
        test = {name: training.accuracy(network, *asked) for name, network in pair.items()}
        yield Trainings(depth, steps, losses, right, test=test)

    def share(self, now: Trainings) -> float:
        """How far both trainings are."""
        return len(now.losses[twins.RESIDUAL]) / now.steps

    def draw(self, now: Trainings) -> base.Frame:
        """Both curves on one axis, and the level of guessing."""
        series = {}
        for name, losses in now.losses.items():
            smooth = twins.smooth(losses, WINDOW)  # below: a gap where a curve stands above the axis
            series[f"{name}, {now.depth} layers"] = [loss if loss <= TOP else math.nan for loss in smooth]
        pixels = figures.quick_curves(
            series | {"guessing: ln 6": ([0, now.steps - 1], [small.GUESSING] * 2)},
            title="Same layers, same first weights, same scenes: only “+ x” differs",
            x_label="step",
            y_label=f"loss, mean of {WINDOW} batches",
            x_range=(0, now.steps - 1),
            y_range=(0, TOP),
        )
        return base.Frame(pixels, headline(now))


def headline(now: Trainings) -> str:
    """Where both trainings stand, in one sentence (HTML)."""
    if not now.losses[twins.PLAIN]:
        return f"The road-sign scenes are rendered first: {now.rendered:.0%} …"
    told = []
    for name, losses in now.losses.items():
        if losses:
            loss, right = fmean(losses[-20:]), fmean(now.right[name][-20:])
            told.append(f"<b>{name}</b>: loss {loss:.2f}, {right:.0%} right")
    words = f"step {len(now.losses[twins.RESIDUAL])} of {now.steps}, {', '.join(told)}."
    if now.test:
        asked = ", ".join(f"{name} {share:.0%}" for name, share in now.test.items())
        words += f" On new scenes: {asked} right."
    return words
