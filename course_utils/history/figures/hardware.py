"""Lesson 1's drawings of machines at work: what this one reaches on a layer, and all of them on one axis.

Serves notebook 1. Nothing here computes: it shows what it is given. Papers: those of data/history/machines.csv.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from course_utils.figures.base import WIDTH
from course_utils.figures.charts import dress
from course_utils.figures.colours import BLUE, GREEN, INK, ORANGE, PAPER, VERMILLION
from course_utils.figures.style import finish, sheet
from course_utils.history.facts import Machine
from course_utils.history.figures.facts import duration
from course_utils.history.hardware import Throughput


def throughput(found: Sequence[Throughput], *, title: str) -> np.ndarray:
    """A dot a measurement on a logarithmic axis, layer by layer: what was reached.

    Args:
        found: such as `hardware.measure` gives.
        title: the figure's one message.

    >>> from course_utils.history import hardware
    >>> throughput(hardware.measure(budget=0.1), title="10⁹ a second").shape[1]
    1120
    """
    layers = {name: [one for one in found if one.layer == name] for name in dict.fromkeys(one.layer for one in found)}
    figure, canvas = sheet(WIDTH, 120 + sum(52 + 34 * len(mine) for mine in layers.values()), layout="constrained")
    figure.suptitle(title, fontsize=18, fontweight="bold", x=0.015, ha="left")
    sizes = [len(mine) for mine in layers.values()]
    parts = figure.subplots(len(layers), sharex=True, squeeze=False, height_ratios=sizes)[:, 0]
    for axes, colour, (name, mine) in zip(parts, (BLUE, ORANGE, GREEN), layers.items(), strict=False):
        _dots(axes, [(one.label, one.gflops, number(one.gflops), True) for one in mine], [colour] * len(mine))
        axes.set_title(name, fontsize=14, fontweight="bold", loc="left", x=-0.15)
    parts[-1].set_xlabel("10⁹ additions and multiplications a second", fontsize=16)
    parts[-1].xaxis.set_major_formatter("{x:,.12g}")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    return finish(canvas)


def machines(known: Sequence[Machine], mine: Mapping[str, float], *, work: float, title: str) -> np.ndarray:
    """Machines on one logarithmic axis, the slowest above: full dots computed so much, open ones promise it.

    Args:
        known: such as `facts.read_machines` gives.
        mine: this machine's parts and what each reached, in additions and multiplications a second.
        work: additions and multiplications of a training; how long it would take stands on the right.
        title: the figure's one message.

    >>> from course_utils.history import facts
    >>> machines(facts.read_machines(), {"1 core": 1e11}, work=4.6e17, title="AlexNet").shape[1]
    1120
    """
    rows = [(f"{one.who}, {one.year}", one.rate, one.kind == "training", INK) for one in known]
    rows += [(f"this machine: {label}", rate, True, VERMILLION) for label, rate in mine.items()]
    rows.sort(key=lambda row: row[1])
    figure, canvas = sheet(WIDTH, 150 + 38 * len(rows), layout="constrained")
    axes = figure.add_subplot()
    figure.suptitle(title, fontsize=18, fontweight="bold", x=0.015, ha="left")
    told = [(who, rate, duration(work / rate / 86_400), full) for who, rate, full, _ in rows]
    _dots(axes, told, [colour for *_, colour in rows])
    axes.set_xlabel("additions and multiplications a second (open: the most by the data sheet)", fontsize=16)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    return finish(canvas)


def _dots(axes, rows: Sequence[tuple[str, float, str, bool]], colours: Sequence[str]) -> None:
    """A row a dot: its name, its value, what is written on the right, and whether the dot is full."""
    for k, ((_, value, told, full), colour) in enumerate(zip(rows, colours, strict=True)):
        axes.plot(value, k, "o", color=colour, mfc=colour if full else PAPER, ms=11, mew=2.5, zorder=3)
        axes.text(1.02, k, told, fontsize=14, color=colour, va="center", transform=axes.get_yaxis_transform())
    dress(axes, "", "", "")
    axes.set(xscale="log", ylim=(len(rows) - 0.4, -0.6))
    axes.margins(x=0.08)
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows], fontsize=14)


def number(value: float) -> str:
    """A rate with no more digits than it was measured with: 7.5, 167, 1,310."""
    return f"{value:.1f}" if value < 10 else f"{float(f'{value:.3g}'):,.0f}"
