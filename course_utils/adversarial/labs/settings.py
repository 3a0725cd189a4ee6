"""What the lab of adversarial examples lets one choose: norms with their units, stories, and the column of controls.

Serves notebook 8's lab, `attack.py`. Papers: none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from course_utils import signs
from course_utils.adversarial.balls import L1, L2, Ball, Linf
from course_utils.labs import base
from course_utils.labs.own import OwnPicture
from course_utils.labs.seeing import pictures_to_choose

UNTARGETED, NONE = "none: any wrong class", "none"
SIGN, RAW = "η along the sign (PGD)", "η times the gradient (the slide)"
BARS, MAP = "probabilities", "loss and decision map"
EPSILONS = tuple(range(33))  # in units of the norm
STEP_SIZES = ("auto", 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32)  # η in units of the norm
MORE_SCENES = (  # class and seed of the scenes in the menu, beside the lesson's own STOP
    ("stop", 10),
    ("stop", 31),
    ("yield", 3),
    ("yield", 10),
    ("50 limit", 31),
    ("120 limit", 28),
    ("no entry", 10),
    ("priority road", 3),
    ("keep right", 31),
    ("roundabout", 10),
)


@dataclass(frozen=True)
class Norm:
    """A ball, and the unit in which the lab's sliders count in it: so that 8 is a fair ε in each."""

    ball: type[Ball]
    unit: float  # in pixels

    def words(self, value: float) -> str:
        """ "8/255" or "0.8": a slider's value in pixels."""
        return f"{value:g}/255" if self.ball is Linf else f"{round(value * self.unit, 4):g}"

    def tell(self, distance: float) -> str:
        """How large a change is, in this norm, as a caption."""
        if distance == 0:
            return "nothing changed"
        if self.ball is Linf:
            return f"no pixel moves more than {round(255 * distance, 1):g}/255"
        return f"length {distance:.2f}" if self.ball is L2 else f"all changes together {distance:.1f}"


NORMS = {"L∞": Norm(Linf, 1 / 255), "L2": Norm(L2, 0.1), "L1": Norm(L1, 2.0)}
STORIES: Mapping[str, Mapping[str, Any]] = {  # what each changes in the plain settings
    "one step": {"steps": 1, "random_start": False},
    "the slide's PGD": {"step_size": 1},
    "the slide's formula": {"step_size": 1, "step": RAW},
    "too large η": {"epsilon": 5, "step_size": 32},
    "STOP becomes YIELD": {"target": "yield"},
    "few pixels, changed much": {"norm": "L1", "epsilon": 12, "steps": 50},
    "robust network": {"step_size": 1, "network": "signs-resnet-robust", "second": "signs-resnet"},
    "a cat becomes guacamole": {
        "network": "efficientnet-lite0",
        "picture": "photograph: cat",
        "epsilon": 4,
        "target": "guacamole",
    },
}
FREE = "your own settings"


# ---- the controls --------------------------------------------------------------------------------------------------
def plain(network: str) -> dict[str, Any]:
    """The plain settings: the values of all controls that a story sets; the picture it may leave as it is."""
    return {
        "network": network,
        "second": NONE,
        "norm": "L∞",
        "epsilon": 8,
        "steps": 20,
        "step_size": "auto",
        "step": SIGN,
        "target": UNTARGETED,
        "random_start": True,
        "restarts": 1,
        "seed": 0,
    }


def stories(network: str, known: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Every story whose networks are there, as the values of all controls that it sets."""
    every = {name: plain(network) | changes for name, changes in STORIES.items()}
    return {name: told for name, told in every.items() if {told["network"], told["second"]} <= {*known, NONE}}


def controls(
    networks: Sequence[tuple[str, str]], pictures: Sequence[str], preset: str, told: Mapping, start: Mapping
) -> dict[str, Any]:
    """The column of controls, over the stories that are told, with the settings of the start."""
    norm, choosable = NORMS[start["norm"]], pictures_to_choose(pictures)
    targets = list(dict.fromkeys([*targets_to_choose(signs.CLASS_NAMES), start["target"]]))
    sizes, radii = label_values(STEP_SIZES, norm), label_values(EPSILONS, norm)
    return {
        "preset": base.menu("story", [FREE, *told], preset, "settings that go together, set at once"),
        "picture": base.menu("picture", choosable, start.get("picture", pictures[0]), "the clean picture x"),
        "upload": OwnPicture(),
        "network": base.menu("network", networks, start["network"], "what is attacked"),
        "second": base.menu(
            "beside it", [(NONE, NONE), *networks], start["second"], "a second one, attacked the same way"
        ),
        "norm": base.menu("norm", list(NORMS), start["norm"], "how a change is measured: which ball"),
        "epsilon": base.pixel_slider("ε", radii, start["epsilon"], "the ball's radius: how far the picture may move"),
        "steps": base.whole_slider("steps k", 1, 50, start["steps"], "how many steps the attack takes"),
        "step_size": base.pixel_slider("step η", sizes, start["step_size"], "how long one step is"),
        "step": base.menu("step is", [SIGN, RAW], start["step"], "what η multiplies"),
        "target": base.menu("target", targets, start["target"], "what the network shall read"),
        "random_start": base.switch(
            "random start", start["random_start"], "begin at a random point of the ball, not at x"
        ),
        "restarts": base.whole_slider("restarts", 1, 10, start["restarts"], "random starts; the best one is shown"),
        "seed": base.whole_number("seed", 0, 9999, start["seed"], "which random start"),
        "below": base.menu("below", [MAP, BARS], MAP, "what stands under the pictures"),
    }


def targets_to_choose(class_names: Sequence[str]) -> list[str]:
    """The entries of the menu of targets; where there are many classes, in the order in which one looks them up."""
    many = len(class_names) > 100
    return list(dict.fromkeys([UNTARGETED, *(sorted(class_names, key=str.casefold) if many else class_names)]))


def label_values(values: Sequence, norm: Norm) -> list[tuple[str, Any]]:
    """A slider's values with the words that they have in a norm."""
    return [("2.5·ε/k" if value == "auto" else norm.words(value), value) for value in values]


def relabel(slider, options: Sequence[tuple[str, Any]]) -> None:
    """Other words for the same values; the value stays."""
    if tuple(options) != tuple(slider.options):
        value, slider.options = slider.value, options
        slider.value = value
