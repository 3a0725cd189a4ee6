"""The labs of Inception: a module drawn in true proportions, branches to switch off, a race with and without 1×1.

Serves notebook 4. It wires `inception`, `accounting`, `branches` and `reductions` to `figures.inception`.
Paper: Szegedy et al. 2015, "Going Deeper with Convolutions", figure 2 and table 1.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from course_utils import figures, images, runtime, signs, zoo
from course_utils.costs import accounting
from course_utils.inception import branches, race
from course_utils.inception import figures as drawings
from course_utils.inception.figures import Branch
from course_utils.labs import base, started
from course_utils.networks import inception
from course_utils.networks.inception import BRANCHES, MODULES

OWN, BOTH = "your own", "both"
SIDES = {"3": 28, "4": 14, "5": 7}  # height and width of the modules 3a, 3b, 4a …
KERNELS = (1, 3, 5, 7, 9)


# ---- the module ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Plan:
    """An Inception module on paper: all that `inception.Inception` and its drawing need."""

    title: str
    widths: tuple  # (in, 1×1, (reduce, 3×3), (reduce, 5×5), pool), as in `inception.MODULES`
    kernels: tuple[int, int]
    side: int  # height and width of what comes in

    def without_reductions(self) -> Plan:
        """The same branches, the 1×1 filters in front left out."""
        in_channels, one, (_, three), (_, five), pool = self.widths
        return Plan(self.title, (in_channels, one, (None, three), (None, five), pool), self.kernels, self.side)


@lru_cache(maxsize=256)
def account(plan: Plan) -> accounting.Account:
    """What a planned module costs; nothing is computed, so it takes some milliseconds."""
    with torch.device("meta"):
        module = inception.Inception(*plan.widths, kernels=plan.kernels)
    return accounting.account(module, (plan.widths[0], plan.side, plan.side))


def drawing(plan: Plan) -> figures.Picture:
    """A module in true proportions, standing still."""
    alt = "An Inception module from left to right: each bar is as high as it has channels."
    return figures.Picture(_drawn_plan(plan), alt)


def _drawn_plan(plan: Plan) -> np.ndarray:
    cost, (in_channels, *widths) = account(plan), plan.widths
    kernels = (1, *plan.kernels, 3)
    drawn = []
    for name, width, kernel in zip(BRANCHES, widths, kernels, strict=True):
        row, pair = cost[name], isinstance(width, tuple)
        reduce, filters = width if pair else (None, width)
        drawn.append(Branch(name, reduce, kernel, filters, row.parameters, row.macs, row.receptive_field[0]))
    return drawings.module(in_channels, drawn, title=plan.title)


class InceptionLab(base.Lab):
    """Turn the widths of an Inception module, and see its proportions and its costs.

    Args:
        module: the module of GoogLeNet that the lab begins with, "3a" … "5b".

    Raises:
        ValueError: there is no such module.
    """

    def __init__(self, module: str = "3a"):
        if module not in MODULES:
            raise ValueError(f"GoogLeNet has the modules {', '.join(MODULES)}; got {module!r}.")
        self._preset = module  # whose widths the sliders show, or OWN
        values = _sliders(module)
        reduce, filters = "1×1 filters in front of them", "filters, which are channels that come out"
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
            "kernel_three": base.menu("3×3 is", [(f"{n}×{n}", n) for n in KERNELS], 3, "size of these filters"),
            "kernel_five": base.menu("5×5 is", [(f"{n}×{n}", n) for n in KERNELS], 5, "size of these filters"),
            "reductions": base.switch("1×1 reductions", True, "1×1 filters in front of the large ones"),
        }
        super().__init__(controls, alt="An Inception module: each bar is as high as it has channels; and its costs.")

    def steps(self, module, kernel_three, kernel_five, reductions, **sliders) -> Iterator[Plan]:
        """One plan; a module just chosen moves the sliders, and a slider that was moved makes the module one's own."""
        if module not in (OWN, self._preset):
            sliders = _sliders(module)
        elif module != OWN and sliders != _sliders(module):
            module = OWN
        self._preset = module
        with self.quietly():
            for name, value in {"module": module, **sliders}.items():
                self.controls[name].value = value
        three, five = (sliders["reduce_three"], sliders["three"]), (sliders["reduce_five"], sliders["five"])
        widths = (sliders["channels"], sliders["one"], three, five, sliders["pool"])
        name = "A module of your own" if module == OWN else f"inception ({module})"
        title = f"{name}: each bar is as high as it has channels"
        plan = Plan(title, widths, (kernel_three, kernel_five), sliders["side"])
        yield plan if reductions else plan.without_reductions()

    def draw(self, plan: Plan) -> base.Frame:
        """The module, and its sums in one sentence."""
        cost, bare = account(plan), account(plan.without_reductions())
        (out, height, width), sees = cost.rows[-1].shape[1:], max(plan.kernels)
        told = (
            f"{plan.side}×{plan.side}×{plan.widths[0]} → <b>{height}×{width}×{out}</b>: {cost.parameters:,} parameters,"
            f" <b>{accounting.count(cost.macs)} multiply-adds</b>."
        )
        if bare.macs != cost.macs:
            told += f" Without the 1×1 reductions: {bare.macs / cost.macs:.1f} times as many."
        told += f" One output sees {max(sees, 3)}×{max(sees, 3)} of the input."
        return base.Frame(_drawn_plan(plan), told)


def _sliders(module: str) -> dict[str, int]:
    """The sliders' values of one of GoogLeNet's modules."""
    channels, one, (reduce_three, three), (reduce_five, five), pool = MODULES[module]
    return {
        "channels": channels, "one": one, "reduce_three": reduce_three, "three": three, "reduce_five": reduce_five,
        "five": five, "pool": pool, "side": SIDES[module[0]],
    }  # fmt: skip


def module_plan(module: str) -> Plan:
    """The plan of one of GoogLeNet's modules, "3a" … "5b"."""
    title = f"inception ({module}): each bar is as high as it has channels"
    return Plan(title, MODULES[module], (3, 5), SIDES[module[0]])


# ---- the branches ----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Silence:
    """How a network reads while some branches of one module are off, with all that the drawing needs."""

    picture: Tensor  # [1, 3, S, S]
    maps: Mapping[str, np.ndarray]  # branch → [channels, H, W]
    off: tuple[str, ...]  # branches of the module
    before: Tensor  # [classes], the probabilities with all branches on
    after: Tensor  # [classes], with these off
    whole: float  # share of the scenes that is read right with all branches on
    reading: branches.Reading  # with these off, so far
    scenes: int


class BranchLab(base.Lab):
    """Switch the branches of a trained network off, and see what it still reads.

    Args:
        network: one with Inception modules.
        scenes: how many fresh scenes are read.
        seed: of the scenes.
        picture_seed: of the picture that is shown.
    """

    def __init__(
        self,
        network: str = "signs-inception",
        *,
        scenes: int = 200,
        seed: int = 1004,
        picture_seed: int = 3,
    ):
        self._network = zoo.load(network)
        where = runtime.device()
        street = signs.render(scenes, seed=seed, device="cpu")
        self._images = street.images.to(where, memory_format=torch.channels_last)
        self._labels = street.labels.to(where)
        self._seed = picture_seed
        self._read: dict[tuple, branches.Reading] = {}  # what was asked once is known
        shown = ("stop", "yield", "50 limit", "no entry", "priority road", "keep right", "roundabout")
        controls = {
            "module": base.menu("module", list(branches.modules(self._network)), "inception_b", "which module"),
            **{name: base.switch(name, True, "on, or silent") for name in BRANCHES},
            "fill": base.menu(
                "when off", [("zeros", "zero"), ("its mean", "mean")], "zero", "what stands in the place of a branch"
            ),
            "picture": base.menu("picture", shown, "stop", "whose activations are shown"),
        }
        super().__init__(controls, alt="What four branches say about a picture, and what is read without some of them.")

    def steps(self, module, fill, picture, **on) -> Iterator[Silence]:
        """Ask about one picture first, then about all scenes, some at a time."""
        off = tuple(name for name in BRANCHES if not on[name])
        names = [f"{module}.{name}" for name in off]
        label = signs.CLASS_NAMES.index(picture)
        image = signs.render([label], seed=self._seed, device="cpu").images.to(runtime.device())
        maps = {name: said[0].cpu().numpy() for name, said in branches.views(self._network, image, module).items()}
        with torch.no_grad(), runtime.kept(self._network):
            before = self._network(image).softmax(dim=1)[0]
            with branches.switched_off(self._network, *names, fill=fill):
                after = self._network(image).softmax(dim=1)[0]
        if () not in self._read:
            *_, self._read[()] = branches.read(self._network, self._images, self._labels)
        whole, key = self._read[()].accuracy, (module, off, fill) if off else ()
        known = self._read.get(key)
        for reading in [known] if known else branches.read(self._network, self._images, self._labels, names, fill=fill):
            yield Silence(image, maps, off, before, after, whole, reading, len(self._labels))
        self._read[key] = reading

    def draw(self, view: Silence) -> base.Frame:
        """The four views above, the two accuracies below."""
        above = drawings.views(images.to_pixels(view.picture)[0], view.maps, view.off)
        left = "nothing is off" if not view.off else f"without {' and '.join(view.off)}"
        if len(view.off) > 2:
            left = f"without {len(view.off)} branches"
        now = (left, view.reading.accuracy)
        below = drawings.without(("all branches on", view.whole), now, view.reading.asked / view.scenes)
        return base.Frame(np.concatenate([above, below]), self._headline(view))

    def _headline(self, view: Silence) -> str:
        def says(answer: Tensor) -> str:
            best = int(answer.argmax())
            return f"<b>{html.escape(self._network.class_names[best].upper())}</b> ({figures.percent(answer[best])})"

        if not view.off:
            return f"All branches on: it reads {says(view.before)}. Switch one off."
        asked, right = view.reading.asked, view.reading.right
        share = 100 * right / asked
        return f"It reads {says(view.before)} → {says(view.after)}; and {right} of {asked} scenes right, {share:.0f} %."


# ---- with and without the reductions ---------------------------------------------------------------------------
@dataclass(frozen=True)
class View:
    """Where the race stands, with all that its drawing needs."""

    steps: int
    rendered: float = 1.0  # share of the scenes, before the first step
    done: int = 0  # steps of the network that is behind
    measured: Mapping[str, tuple[tuple[int, float], ...]] | None = None  # name → (steps, share of test scenes right)
    seconds: Mapping[str, float] | None = None  # name → so far


class RaceLab(started.StartedLab):
    """Train two small Inceptions by turns on the same scenes: one with the 1×1 reductions, one without.

    Before the first start the lab shows a run that ships.
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
        shipped = race.shipped()
        *_, whole = shipped.steps
        measured, seconds = {}, {}
        for name, runs in shipped.test.items():
            if network in (BOTH, name):
                measured[name] = tuple(zip(shipped.steps, runs[seed % len(runs)], strict=True))
                seconds[name] = whole * shipped.seconds[name]
        frame = self.draw(View(whole, done=whole, measured=measured, seconds=seconds))
        return base.Frame(frame.pixels, f"<b>Press Train.</b> Until then, a run of before: {frame.headline}")

    def steps(self, network, steps, seed) -> Iterator[View]:
        """Render the scenes once, then train by turns, asking about test scenes every few steps."""
        if self._scenes is None:
            blocks = []
            for block in race.scene_blocks(race.SCENES):
                blocks.append(block)
                yield View(steps, rendered=len(blocks) * race.BLOCK / race.SCENES)
            self._scenes = tuple(torch.cat(part) for part in zip(*blocks, strict=True))
        test = race.scenes(race.TEST_SCENES, seed=signs.TEST_SEED)
        pair = {name: one for name, one in race.pair(seed).items() if network in (BOTH, name)}
        measured, seconds = dict.fromkeys(pair, ()), dict.fromkeys(pair, 0.0)
        *_, last = pair
        for step in race.race(pair, self._scenes, test, steps=steps, seed=seed):
            seconds[step.network] = step.seconds
            if step.test is not None:
                measured[step.network] += ((step.index + 1, step.test),)
            done = step.index + (step.network == last)
            yield View(steps, done=done, measured=dict(measured), seconds=dict(seconds))

    def share(self, view: View) -> float:
        """How far both trainings are."""
        return view.done / view.steps

    def draw(self, view: View) -> base.Frame:
        """Both curves on two axes; drawn anew only when something was measured."""
        measured = view.measured or {}
        shown = view.steps, tuple(measured.items())
        if self._pixels_of is None or self._pixels_of[0] != shown:
            self._pixels_of = shown, _race(view.steps, measured)
        return base.Frame(self._pixels_of[1], _race_headline(view))


def _race(steps: int, measured: Mapping[str, tuple[tuple[int, float], ...]]) -> np.ndarray:
    thousand, billion = race.BATCH / 1e3, {name: work / 1e9 for name, work in race.work().items()}
    by_pictures, by_work = {}, {}
    for name in race.work():
        at, right = zip(*measured[name], strict=True) if measured.get(name) else ((), ())
        by_pictures[name] = [step * thousand for step in at], right
        by_work[name] = [step * billion[name] for step in at], right
    ends = {"pictures": steps * thousand, "work": steps * max(billion.values())}
    return drawings.race(by_pictures, by_work, goal=race.GOAL, **ends)


def _race_headline(view: View) -> str:
    """Where the race stands, in one sentence (HTML)."""
    if view.measured is None:
        return f"The road-sign scenes are rendered first: {view.rendered:.0%} …"
    told = []
    for name, points in view.measured.items():
        spent = accounting.count(view.done * race.work()[name])
        right = f"{100 * points[-1][1]:.0f} % right" if points else "…"
        told.append(f"<b>{name}</b>: {right}, {view.seconds[name]:.0f} s, {spent} multiply-adds")
    return f"step {view.done} of {view.steps}; {'; '.join(told)}."
