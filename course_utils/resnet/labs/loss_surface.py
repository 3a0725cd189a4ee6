"""The lab of the loss surface: a square of weights round two trained networks, computed point by point.

Serves notebook 5. It wires `loss_surface.surface_steps` to `figures.loss_surface.contours`; both do their work
without it. Paper: Li et al. 2018.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache

from course_utils import zoo
from course_utils.labs import base, started
from course_utils.resnet import twins
from course_utils.resnet.figures import loss_surface as drawings
from course_utils.resnet.loss_surface import Surface, load_surfaces, surface_steps
from course_utils.signs import small

ALT = "Two loss surfaces from above, of a plain and of a residual network; dark valleys, bright heights."
REACHES, POINTS, SCENES = (0.05, 0.1, 0.2, 0.5, 1.0), (5, 9, 13, 17, 25), (48, 96, 192)
TITLE = "The loss round two trained networks: without skips and with them"
Pair = Mapping[str, Surface]  # name of the twin → its surface, as far as it is known
trained = lru_cache(maxsize=2)(zoo.load)  # each of the twins is loaded when it is first walked round
some = lru_cache(maxsize=len(SCENES))(small.scenes)  # what the loss is a mean of, rendered once


class LossSurfaceLab(started.StartedLab):
    """Walk away from two trained networks along two random directions, and see how soon the loss climbs.

    Before the first start the lab shows the fine surfaces that ship.

    >>> LossSurfaceLab()
    [A lab: ...]
    """

    def __init__(self):
        controls = {
            "seed": base.whole_number("directions", 0, 9999, 1, "which two random directions"),
            "reach": base.menu("reach", [(f"−{r:g} … {r:g}", r) for r in REACHES], 0.5, "how far α and β go"),
            "points": base.menu("points", [(f"{p}×{p}", p) for p in POINTS], 13, "how fine the net is"),
            "scenes": base.menu("scenes", SCENES, SCENES[1], "how many road-sign scenes the loss is a mean of"),
        }
        super().__init__(controls, alt=ALT, start="Compute")

    def waiting(self, seed, reach, points, scenes) -> base.Frame:
        """The fine surfaces that ship."""
        surfaces = load_surfaces()
        fine, frame = len(surfaces[twins.PLAIN].axis), self.draw(surfaces)
        told = f"<b>Press Compute.</b> Until then, {fine}×{fine} points that were computed before. {frame.headline}"
        return base.Frame(frame.pixels, told)

    def steps(self, seed, reach, points, scenes) -> Iterator[Pair]:
        """Both surfaces by turns, some points at a time, the coarse ones first."""
        how = {"points": points, "reach": reach, "seed": seed, "chunk": max(1, 192 // scenes)}
        pair = {name: trained(stored, progress=False) for name, stored in twins.STORED.items()}
        walks = {name: surface_steps(network, *some(scenes), **how) for name, network in pair.items()}
        surfaces = {name: next(walk) for name, walk in walks.items()}
        yield dict(surfaces)
        while surfaces[twins.RESIDUAL].share < 1:
            for name, walk in walks.items():
                surfaces[name] = next(walk)
                yield dict(surfaces)

    def share(self, surfaces: Pair) -> float:
        """How many of the points are known."""
        return sum(surface.share for surface in surfaces.values()) / len(surfaces)

    def draw(self, surfaces: Pair) -> base.Frame:
        """Both from above, in one scale of colours."""
        depth = zoo.card(twins.STORED[twins.PLAIN])["arguments"]["depth"]
        losses, told = {}, []
        for name, surface in surfaces.items():
            losses[f"{name}, {depth} layers"] = surface.losses.numpy()
            low = f"{surface.low_share:.0%} of the square below 1"
            told.append(f"<b>{name}</b>: {surface.centre:.2g} in the middle, {low}")
        pixels = drawings.contours(losses, surfaces[twins.PLAIN].axis[-1].item(), title=TITLE)
        return base.Frame(pixels, f"Loss of {'; '.join(told)}.")
