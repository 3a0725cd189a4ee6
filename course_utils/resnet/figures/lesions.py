"""A lesion study as bars: what is left of two networks without each of their blocks.

Serves notebook 05. Nothing here computes; uint8 [520, WIDTH, 3]. Paper: Veit et al. 2016, figure 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from course_utils.figures.base import WIDTH
from course_utils.figures.charts import dress
from course_utils.figures.colours import BLUE, PALE, VERMILLION
from course_utils.figures.style import finish, sheet, stronger, used


def lesion_bars(
    names: Sequence[str],
    without: Mapping[str, Sequence[float]],
    whole: Mapping[str, float],
    *,
    guess: float,
    title: str,
) -> np.ndarray:
    """What is left without each block: a pair of bars a block, and lines where the whole networks are.

    Args:
        names: of the blocks, first to last.
        without: name of a network → accuracy without each block, 0 to 1; two networks.
        whole: name of a network → its accuracy with all blocks.
        guess: the accuracy of guessing.

    >>> without = {"plain": [0.1, 0.2], "residual": [0.9, 1.0]}
    >>> whole = {"plain": 0.8, "residual": 1.0}
    >>> lesion_bars(["stage1.0", "stage1.1"], without, whole, guess=0.1, title="Who spares a block?").shape
    (520, 1120, 3)
    """
    figure, canvas = sheet(WIDTH, 520, layout="constrained")
    axes = figure.add_subplot()
    places, wide = np.arange(len(names)), 0.4
    for k, ((name, values), colour) in enumerate(zip(without.items(), (BLUE, VERMILLION), strict=True)):
        axes.bar(places + (k - 0.5) * wide, np.asarray(values) * 100, wide * 0.94, color=colour, label=name, zorder=2)
        axes.axhline(whole[name] * 100, color=colour, linewidth=1.6, linestyle=(0, (6 - 2 * k, 4)), zorder=1)
    axes.axhline(guess * 100, color=stronger(PALE), linewidth=1.6, linestyle=":", zorder=3)
    axes.text(len(names) - 0.45, guess * 100, " guessing", fontsize=13, color=stronger(PALE), va="center")
    dress(axes, title, "the block that is taken out", "right, in %", pad=34)
    axes.set_xticks(places, [name.removeprefix("stage") for name in names], fontsize=13 / used().point)
    axes.grid(visible=False, axis="x")
    axes.set(xlim=(-0.7, len(names) - 0.3), ylim=(0, 104))
    axes.legend(fontsize=14, frameon=False, ncols=2, loc="lower left", bbox_to_anchor=(0, 1.0), borderaxespad=0)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    return finish(canvas)
