"""The lab of the loss surface: a square of weights round two trained networks, computed point by point.

Serves notebook 5. It wires `loss_surface.surface_steps` to `figures.loss_surface.heat`; both do their work without it.
Paper: Li et al. 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass

from torch import Tensor

from course_utils import zoo
from course_utils.labs import base, started
from course_utils.resnet import loss_surface, twins
from course_utils.resnet.figures import loss_surface as drawings
from course_utils.signs import small

ALT = "Two loss surfaces from above, of a plain and of a residual network; dark valleys, bright heights."
# At a reach of 1 each filter has moved by its own length.
REACHES, POINTS, SCENES = (0.05, 0.1, 0.2, 0.5, 1.0), (5, 9, 13, 17, 25), (48, 96, 192)
TITLE = "The loss round two trained networks: without skips and with them"


@dataclass(frozen=True)
class View:
    """What one drawing needs."""

    surfaces: Mapping[str, loss_surface.Surface]  # name of the twin → as far as it is known
    depth: int
    reach: float


class LandscapeLab(started.StartedLab):
    """Walk away from two trained networks along two random directions, and see how soon the loss climbs.

    Before the first start the lab shows the fine surfaces that ship.
    """

    def __init__(self):
        self._pair: dict[str, zoo.PixelNetwork] = {}
        self._scenes: dict[int, tuple[Tensor, Tensor]] = {}
        controls = {
            "seed": base.whole_number("directions", 0, 9999, 1, "which two random directions"),
            "reach": base.menu("reach", [(f"−{r:g} … {r:g}", r) for r in REACHES], 0.5, "how far α and β go"),
            "points": base.menu("points", [(f"{p}×{p}", p) for p in POINTS], 13, "how fine the net is"),
            "scenes": base.menu("scenes", SCENES, SCENES[1], "how many road-sign scenes the loss is a mean of"),
        }
        super().__init__(controls, alt=ALT, start="Compute")

    def waiting(self, seed, reach, points, scenes) -> base.Frame:
        """The fine surfaces that ship."""
        surfaces = loss_surface.shipped()
        fine, far = len(surfaces[twins.PLAIN].axis), surfaces[twins.PLAIN].axis[-1].item()
        frame = self.draw(View(surfaces, zoo.card(twins.STORED[twins.PLAIN])["arguments"]["depth"], far))
        told = f"<b>Press Compute.</b> Until then, {fine}×{fine} points that were computed before. {frame.headline}"
        return base.Frame(frame.pixels, told)

    def steps(self, seed, reach, points, scenes) -> Iterator[View]:
        """Both surfaces by turns, some points at a time, the coarse ones first."""
        for name, stored in twins.STORED.items():
            if name not in self._pair:
                self._pair[name] = zoo.load(stored, progress=False)
        if scenes not in self._scenes:
            self._scenes[scenes] = small.scenes(scenes)
        depth = zoo.card(twins.STORED[twins.PLAIN])["arguments"]["depth"]
        how = {"points": points, "reach": reach, "seed": seed, "chunk": max(1, 192 // scenes)}
        with ExitStack() as stack:
            walks = {
                name: stack.enter_context(closing(loss_surface.surface_steps(network, *self._scenes[scenes], **how)))
                for name, network in self._pair.items()
            }
            surfaces = {name: next(walk) for name, walk in walks.items()}
            yield View(dict(surfaces), depth, reach)
            while surfaces[twins.RESIDUAL].share < 1:
                for name, walk in walks.items():
                    surfaces[name] = next(walk)
                    yield View(dict(surfaces), depth, reach)

    def share(self, view: View) -> float:
        """How many of the points are known."""
        return sum(surface.share for surface in view.surfaces.values()) / len(view.surfaces)

    def draw(self, view: View) -> base.Frame:
        """Both from above, in one scale of colours."""
        losses = {f"{name}, {view.depth} layers": part.losses.numpy() for name, part in view.surfaces.items()}
        pixels = drawings.heat(losses, view.reach, title=TITLE)
        told = [
            f"<b>{name}</b>: {part.centre:.2g} in the middle, {part.low_share:.0%} of the square below 1"
            for name, part in view.surfaces.items()
        ]
        return base.Frame(pixels, f"Loss of {'; '.join(told)}.")
