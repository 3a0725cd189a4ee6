"""Lesson 1's drawing of a machine at work: what it reaches on a layer, and what its limits would allow.

Serves notebook 1. Nothing here computes: it shows what it is given. Paper: Williams et al. 2009.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from course_utils.figures.base import WIDTH
from course_utils.figures.charts import dress
from course_utils.figures.colours import BLUE, INK, ORANGE, PALE
from course_utils.figures.style import finish, sheet, stronger
from course_utils.history.hardware import Throughput

COLOURS = {"arithmetic": BLUE, "memory": ORANGE}


def throughput(found: Sequence[Throughput], *, title: str) -> np.ndarray:
    """Bars on a logarithmic axis, layer by layer: what was reached; a black mark: the limit.

    Args:
        found: such as `hardware.measure` gives.
        title: the figure's one message.

    >>> from course_utils.history import hardware
    >>> throughput(hardware.measure(budget=0.1), title="10⁹ a second").shape[1]
    1120
    """
    layers = {name: [one for one in found if one.layer == name] for name in dict.fromkeys(one.layer for one in found)}
    figure, canvas = sheet(WIDTH, 130 + sum(60 + 46 * len(mine) for mine in layers.values()), layout="constrained")
    figure.suptitle(title, fontsize=18, fontweight="bold", x=0.015, ha="left")
    sizes = [len(mine) for mine in layers.values()]
    parts = figure.subplots(len(layers), sharex=True, squeeze=False, height_ratios=sizes)[:, 0]
    for axes, (name, mine) in zip(parts, layers.items(), strict=True):
        limits = " and ".join(sorted({one.bound for one in mine}))
        axes.barh(range(len(mine)), [one.gflops for one in mine], 0.7, color=[COLOURS[one.bound] for one in mine])
        for k, one in enumerate(mine):
            axes.vlines(one.most, k - 0.44, k + 0.44, color=INK, linewidth=3)
            told = f"{number(one.gflops)}: {100 * one.gflops / one.most:.0f} % of the limit"
            axes.text(
                1.02, k, told, fontsize=14, color=stronger(PALE), va="center", transform=axes.get_yaxis_transform()
            )
        dress(axes, "", "", "")
        axes.set_title(f"{name}; {limits} is the limit", fontsize=13, fontweight="bold", loc="left", x=-0.2)
        axes.grid(visible=False, axis="y")
        axes.set_axisbelow(True)
        axes.set_yticks(range(len(mine)), [one.label for one in mine], fontsize=14)
        axes.invert_yaxis()
    parts[-1].set_xlabel("10⁹ additions and multiplications a second", fontsize=16)
    lowest, highest = min(one.gflops for one in found) / 1.5, max(one.most for one in found) * 1.05
    axes.set(xscale="log", xlim=[10 ** f(math.log10(x)) for f, x in ((math.floor, lowest), (math.ceil, highest))])
    axes.xaxis.set_major_formatter("{x:,.12g}")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    return finish(canvas)


def number(value: float) -> str:
    """A rate with no more digits than it was measured with: 7.5, 167, 1,310."""
    return f"{value:.1f}" if value < 10 else f"{float(f'{value:.3g}'):,.0f}"
