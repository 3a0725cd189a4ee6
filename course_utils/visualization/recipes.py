"""How to climb: what keeps a climb among pictures, each a number of a `Recipe`, and the ladder that adds them up.

Serves notebook 6 and its labs. Papers: Yosinski et al. 2015, arXiv:1506.06579 (L2, blur); Mahendran and Vedaldi 2015,
arXiv:1412.0035 (total variation); Olah, Mordvintsev and Schubert 2017, "Feature Visualization" (all else).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from course_utils.arguments import check_choice, check_number, check_whole


@dataclass(frozen=True)
class Recipe:
    """How to climb: what is changed, how it is moved before the network sees it, what is punished.

    Args:
        parameterisation: "pixel" (clamped to [0, 1] after each step) or "fourier" (see `canvas.Fourier`).
        decorrelated: step along the principal directions of our scenes' colours, not along red, green and blue.
        jitter: pixels by which the picture moves at most, each way; anew at each step, each row its own way.
        rotation: degrees by which it turns at most, each way.
        scale: share by which it grows or shrinks at most.
        padding: pixels round the picture that are climbed too and cut off at the end: what moves shows no edge.
        blur: σ, in pixels, of the Gaussian that the picture goes through after each step.
        total_variation: weight of the mean distance of neighbours, subtracted from the score.
        l2: weight of the mean squared distance from grey, subtracted from the score.
        noise: standard deviation of the start picture, round grey.
    """

    parameterisation: str = "fourier"
    decorrelated: bool = True
    jitter: int = 4
    rotation: float = 5.0
    scale: float = 0.05
    padding: int = 4
    blur: float = 0.4
    total_variation: float = 2.0
    l2: float = 2.0
    noise: float = 0.1

    def __post_init__(self):
        check_choice("parameterisation", self.parameterisation, ("pixel", "fourier"), says="is 'pixel' or 'fourier'")
        if not isinstance(self.decorrelated, bool):
            raise TypeError(f"decorrelated is True or False; got {self.decorrelated!r}.")
        for name, most in {"jitter": 64, "padding": 256}.items():
            check_whole(name, getattr(self, name), 0, most)
        for name, most in _MOST.items():
            check_number(name, getattr(self, name), 0, most)


_MOST = {"rotation": 180, "scale": 1, "blur": 16, "total_variation": math.inf, "l2": math.inf, "noise": 1}
FULL = Recipe()  # all that helps
NAIVE = Recipe("pixel", False, 0, 0.0, 0.0, 0, 0.0, 0.0, 0.0, noise=0.25)  # the slide's loop: no regulariser at all

_PENALTIES = replace(NAIVE, total_variation=2.0, l2=2.0)
_BLUR = replace(_PENALTIES, blur=0.4)
_MOVE = replace(_BLUR, jitter=4, rotation=5.0, scale=0.05, padding=4)
_FOURIER = replace(_MOVE, parameterisation="fourier", noise=0.1)
LADDER: dict[str, Recipe] = {  # each rung keeps what the one before it brought
    "pixels, as on the slide": NAIVE,
    "+ L2, total variation": _PENALTIES,
    "+ blur": _BLUR,
    "+ jitter, rotation, scale": _MOVE,
    "+ Fourier coefficients": _FOURIER,
    "+ decorrelated colours": FULL,
}
