"""The lab of an Inception module: its widths as sliders, its proportions and its costs as a picture.

Serves notebook 4. Paper: Szegedy et al. 2015, "Going Deeper with Convolutions", figure 2 and table 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from course_utils.arguments import check_choice
from course_utils.costs import accounting
from course_utils.inception import figures
from course_utils.labs import base
from course_utils.networks.inception import MODULES, Inception

OWN = "your own"
SIDES = {"3": 28, "4": 14, "5": 7}  # height and width of the modules 3a, 3b, 4a …
SLIDERS = ("channels", "one", "reduce_three", "three", "reduce_five", "five", "pool", "side")


def account(widths: Sequence, kernels: tuple[int, int], side: int, *, reductions: bool = True) -> accounting.Account:
    """What an Inception module costs; nothing is computed, so it takes some milliseconds.

    Args:
        widths: (in, 1×1, (reduce, 3×3), (reduce, 5×5), pool), as in `MODULES`.
        kernels: sizes of the filters in the branches conv_3x3 and conv_5x5.
        side: height and width of what comes in.
        reductions: whether the 1×1 filters stand in front.
    """
    if not reductions:
        widths = [(None, width[1]) if isinstance(width, (tuple, list)) else width for width in widths]
    with torch.device("meta"):
        module = Inception(*widths, kernels=kernels)
    return accounting.account(module, (widths[0], side, side))


class InceptionLab(base.Lab):
    """Turn the widths of an Inception module, and see its proportions and its costs.

    Args:
        module: the module of GoogLeNet that the lab begins with, "3a" … "5b".

    >>> InceptionLab("5b").set(kernel_five=3).choices()["channels"]
    832
    """

    def __init__(self, module: str = "3a"):
        check_choice("GoogLeNet", module, MODULES, says=f"has the modules {', '.join(MODULES)}")
        self._preset = module  # whose widths the sliders show, or OWN
        values = _sliders(module)
        reduce, filters = "1×1 filters in front of them", "filters, which are channels that come out"
        kernels = [(f"{n}×{n}", n) for n in (1, 3, 5, 7, 9)]
        controls = {
            "module": base.menu("module", [*MODULES, OWN], module, "the widths of one of GoogLeNet's nine modules"),
            "channels": base.whole_slider("in", 1, 1024, values["channels"], "channels that come in"),
            "one": base.whole_slider("1×1", 1, 512, values["one"], filters),
            "reduce_three": base.whole_slider("for 3×3", 1, 256, values["reduce_three"], reduce),
            "three": base.whole_slider("3×3", 1, 512, values["three"], filters),
            "reduce_five": base.whole_slider("for 5×5", 1, 256, values["reduce_five"], reduce),
            "five": base.whole_slider("5×5", 1, 512, values["five"], filters),
            "pool": base.whole_slider("after pool", 1, 512, values["pool"], "1×1 filters behind the pooling"),
            "side": base.menu("picture", [(f"{n}×{n}", n) for n in (56, 28, 14, 7)], values["side"], "what comes in"),
            "kernel_three": base.menu("3×3 is", kernels, 3, "size of these filters"),
            "kernel_five": base.menu("5×5 is", kernels, 5, "size of these filters"),
            "reductions": base.switch("1×1 reductions", True, "1×1 filters in front of the large ones"),
        }
        super().__init__(controls, alt="An Inception module: each bar is as high as it has channels; and its costs.")

    def steps(self, module, kernel_three, kernel_five, reductions, **sliders) -> Iterator[tuple]:
        """One module's title, its costs, and those that it would have without reductions.

        A module just chosen moves the sliders, and a slider that was moved makes the module one's own.
        """
        if module not in (OWN, self._preset):
            sliders = _sliders(module)
        elif module != OWN and sliders != _sliders(module):
            module = OWN
        self._preset = module
        with self.quietly():
            for name, value in {"module": module, **sliders}.items():
                self.controls[name].value = value
        channels, one, reduce_three, three, reduce_five, five, pool, side = (sliders[name] for name in SLIDERS)
        widths = channels, one, (reduce_three, three), (reduce_five, five), pool
        planned = widths, (kernel_three, kernel_five), side
        bare = account(*planned, reductions=False)
        name = "A module of your own" if module == OWN else f"inception ({module})"
        yield f"{name}: each bar is as high as it has channels", account(*planned) if reductions else bare, bare

    def draw(self, step: tuple[str, accounting.Account, accounting.Account]) -> base.Frame:
        """The module, and its sums in one sentence."""
        title, cost, bare = step
        (_, channels, height, width), whole = cost.input_shape, cost.rows[-1]
        told = (
            f"{height}×{width}×{channels} → <b>{whole.shape[2]}×{whole.shape[3]}×{whole.shape[1]}</b>: "
            f"{cost.parameters:,} parameters, <b>{accounting.count(cost.macs)} multiply-adds</b>."
        )
        if bare.macs != cost.macs:
            told += f" Without the 1×1 reductions: {bare.macs / cost.macs:.1f} times as many."
        told += " One output sees {}×{} of the input.".format(*whole.receptive_field)
        return base.Frame(figures.module(cost, title=title), told)


def _sliders(module: str) -> dict[str, int]:
    """The sliders' values of one of GoogLeNet's modules."""
    channels, one, three, five, pool = MODULES[module]
    return dict(zip(SLIDERS, (channels, one, *three, *five, pool, SIDES[module[0]]), strict=True))
