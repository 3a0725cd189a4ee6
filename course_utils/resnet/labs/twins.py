"""The lab of the twins: two deep networks, one with skips and one without, trained before one's eyes.

Serves notebook 5. It wires `training.train_by_turns` to `figures.quick_curves`; both do their work without it.
Paper: He et al. 2016, figure 6 (plain networks of 20 … 56 layers against residual ones).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from course_utils import figures, signs, training
from course_utils.labs import base, started
from course_utils.resnet import twins
from course_utils.signs import small

ALT = "The training loss of two deep networks over the steps, one with skips and one without."
DEPTHS = (8, 20, 32, 56)
RATES = (0.002, 0.005, 0.01, 0.02)
TEST_SCENES = 300
TOP = 2.4  # of the axis; a residual network may begin far above
WINDOW = 10  # batches that a point of the curve averages


@dataclass(frozen=True)
class View:
    """Where the race stands, with all that its drawing needs."""

    depth: int
    steps: int
    rendered: float = 1.0  # share of the scenes, before the first step
    losses: Mapping[str, tuple[float, ...]] | None = None  # name of the twin → loss of each batch so far
    right: Mapping[str, tuple[float, ...]] | None = None  # name of the twin → share of each batch that was right
    test: Mapping[str, float] | None = None  # name of the twin → share of the test scenes that is right, at the end


class TwinsLab(started.StartedLab):
    """Train twins of one depth: the same layers, the same first weights, the same batches; only "+ x" differs.

    Before the first start the lab shows a run that ships.
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
        shipped = twins.shipped()
        losses = {name: runs[0] for name, runs in shipped.losses[depth].items()}
        right = {name: runs[0] for name, runs in shipped.right[depth].items()}
        test = {name: runs[0] for name, runs in shipped.test[depth].items()}
        frame = self.draw(View(depth, len(losses[twins.PLAIN]), losses=losses, right=right, test=test))
        told = f"<b>Press Train.</b> Until then, a run of before, {depth} layers: {frame.headline}"
        return base.Frame(frame.pixels, told)

    def steps(self, depth, norm, steps, rate, seed) -> Iterator[View]:
        """Render the scenes once, train both by turns, then ask both about scenes that they have never met."""
        if self._scenes is None:
            blocks = []
            for block in small.scene_blocks(twins.SCENES):
                blocks.append(block)
                yield View(depth, steps, rendered=len(blocks) * small.BLOCK / twins.SCENES)
            self._scenes = tuple(torch.cat(part) for part in zip(*blocks, strict=True))
        pair = twins.twins(depth, seed=seed, norm=norm)
        losses, right = dict.fromkeys(pair, ()), dict.fromkeys(pair, ())
        how = {"steps": steps, "batch": twins.BATCH, "learning_rate": rate, "seed": seed}
        for name, step in training.train_by_turns(pair, *self._scenes, **how):
            losses[name] += (step.loss,)
            right[name] += (step.accuracy,)
            yield View(depth, steps, losses=dict(losses), right=dict(right))
        asked = small.scenes(TEST_SCENES, seed=signs.TEST_SEED)
        test = {name: training.accuracy(network, *asked) for name, network in pair.items()}
        yield View(depth, steps, losses=losses, right=right, test=test)

    def share(self, view: View) -> float:
        """How far both trainings are."""
        return len(view.losses[twins.RESIDUAL]) / view.steps if view.losses else 0.0

    def draw(self, view: View) -> base.Frame:
        """Both curves on one axis, and the level of guessing."""
        losses = view.losses or {twins.PLAIN: (), twins.RESIDUAL: ()}
        series = {f"{name}, {view.depth} layers": _below(twins.smoothed(losses[name], WINDOW)) for name in losses}
        pixels = figures.quick_curves(
            series | {"guessing: ln 6": ([0, view.steps - 1], [small.GUESSING] * 2)},
            title="Same layers, same first weights, same scenes: only “+ x” differs",
            x_label="step",
            y_label=f"training loss, mean of {WINDOW} batches",
            x_range=(0, view.steps - 1),
            y_range=(0, TOP),
        )
        return base.Frame(pixels, headline(view))


def _below(values: list[float]) -> list[float]:
    """The values on the axis; a gap where they stand above it."""
    return [value if value <= TOP else math.nan for value in values]


def headline(view: View) -> str:
    """Where the race stands, in one sentence (HTML)."""
    if view.rendered < 1 or not view.losses:
        return f"The road-sign scenes are rendered first: {view.rendered:.0%} …"
    told = []
    for name in (twins.PLAIN, twins.RESIDUAL):
        values = view.losses[name][-20:]
        if values:
            loss, right = sum(values) / len(values), sum(view.right[name][-20:]) / len(values)
            told.append(f"<b>{name}</b>: loss {loss:.2f}, {right:.0%} right")
    done = len(view.losses[twins.RESIDUAL])
    words = f"step {done} of {view.steps}, {', '.join(told)}."
    if view.test:
        asked = ", ".join(f"{name} {view.test[name]:.0%}" for name in (twins.PLAIN, twins.RESIDUAL))
        words += f" On new scenes: {asked} right."
    return words
