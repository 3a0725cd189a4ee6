"""How to climb: what keeps a climb among pictures, each a number of a `Recipe`, and the ladder that adds them up.

Serves notebook 6 and its labs. Papers: Yosinski et al. 2015, arXiv:1506.06579 (L2, blur); Mahendran and Vedaldi 2015,
arXiv:1412.0035 (total variation); Olah, Mordvintsev and Schubert 2017, "Feature Visualization" (all else).
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import accumulate

from course_utils.arguments import check_choice, check_number, check_whole

_WHOLE = {"jitter": 64, "padding": 256}  # the parts that are numbers, and the most that they may be
_MOST = {"rotation": 180, "scale": 1, "blur": 16, "total_variation": math.inf, "l2": math.inf, "noise": 1}


@dataclass(frozen=True)
class Recipe:
    """How to climb: what is changed, how it is moved before the network sees it, what is punished."""

    parameterisation: str = "fourier"  # see `canvas.Fourier`; or "pixel", clamped to [0, 1] after each step
    decorrelated: bool = True  # step along the principal directions of our scenes' colours, not red, green and blue
    jitter: int = 4  # pixels by which the picture moves at most, each way; anew at each step, each row its own way
    rotation: float = 5.0  # degrees by which it turns at most, each way
    scale: float = 0.05  # share by which it grows or shrinks at most
    padding: int = 4  # pixels round the picture that are climbed too and cut off at the end: what moves shows no edge
    blur: float = 0.4  # σ, in pixels, of the Gaussian that the picture goes through after each step
    total_variation: float = 2.0  # weight of the mean distance of neighbours, subtracted from the score
    l2: float = 2.0  # weight of the mean squared distance from grey, subtracted from the score
    noise: float = 0.1  # standard deviation of the start picture, round grey

    def __post_init__(self):
        check_choice("parameterisation", self.parameterisation, ("pixel", "fourier"), says="is 'pixel' or 'fourier'")
        if not isinstance(self.decorrelated, bool):
            raise TypeError(f"decorrelated is True or False; got {self.decorrelated!r}.")
        for name, most in _WHOLE.items():
            check_whole(name, getattr(self, name), 0, most)
        for name, most in _MOST.items():
            check_number(name, getattr(self, name), 0, most)


FULL = Recipe()  # all that helps
NAIVE = Recipe("pixel", False, 0, 0.0, 0.0, 0, 0.0, 0.0, 0.0, noise=0.25)  # the slide's loop: no regulariser at all


def part_of_full(parts: Iterable[str]) -> Recipe:
    """The slide's loop with some of what helps, each as strong as in `FULL`."""
    return replace(NAIVE, **{part: getattr(FULL, part) for part in parts})


_RUNGS = {  # each keeps what the one before it brought
    "pixels, as on the slide": (),
    "+ L2, total variation": ("l2", "total_variation"),
    "+ blur": ("blur",),
    "+ jitter, rotation, scale": ("jitter", "rotation", "scale", "padding"),
    "+ Fourier coefficients": ("parameterisation", "noise"),
    "+ decorrelated colours": ("decorrelated",),
}
LADDER: dict[str, Recipe] = dict(zip(_RUNGS, map(part_of_full, accumulate(_RUNGS.values())), strict=True))
