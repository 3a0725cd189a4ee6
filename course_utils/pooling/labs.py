"""The labs of pooling: a window that moves over sixteen numbers, and pooling of a real picture.

Serves notebook 2. They wire `pooling` to `pooling.figures`; both do their work without them.
Papers: Zhang 2019, arXiv:1904.11486, for the blur.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

from course_utils import images, runtime
from course_utils.labs import base
from course_utils.labs.own import OwnPicture
from course_utils.labs.seeing import SeeingLab, pictures_to_choose
from course_utils.pooling import figures as drawings
from course_utils.pooling import pooling

# ---- sixteen numbers -------------------------------------------------------------------------------------------
RANDOM = "5×5 at random"
NUMBERS = {
    "the slide's, max pooling": pooling.SLIDE_MAX,
    "the slide's, average": pooling.SLIDE_AVERAGE,
    # Some of them below 0: there the padding of a maximum matters.
    RANDOM: torch.randint(-99, 100, (5, 5), generator=runtime.generator(2)).tolist(),
}


class WindowLab(base.Lab):
    """A window moves over the slide's numbers, a stop at a time: kind, kernel, stride, padding; numbers or gradient.

    >>> WindowLab().set(window=2)
    [A lab: A window on a grid of numbers, what it computes, and the results so far.]
    """

    def __init__(self):
        controls = {
            "numbers": base.menu("numbers", NUMBERS, next(iter(NUMBERS)), "the picture: one channel, a few pixels"),
            "kind": base.menu("kind", ["max", "average"], "max", "what is kept of each window"),
            "kernel": base.whole_slider("kernel k", 0, 6, 2, "side of the window"),
            "stride": base.whole_slider("stride s", 0, 4, 2, "from one window to the next"),
            "padding": base.whole_slider("padding p", -1, 3, 0, "rows and columns around the picture"),
            "window": base.whole_slider("window", 1, 4, 1, "move it: which stop of the window is shown"),
            "gradient": base.switch("show the gradient", False, "what comes back to each number in training"),
        }
        super().__init__(controls, alt="A window on a grid of numbers, what it computes, and the results so far.")

    def steps(self, numbers, kind, kernel, stride, padding, window, gradient) -> Iterator[tuple[dict, str]]:
        """Find the chosen stop; the slider gets as many stops as there are windows."""
        grid = torch.tensor(NUMBERS[numbers], dtype=torch.float32)
        stop = pooling.step_to(window - 1, grid, kind, kernel, stride, padding)
        with self.quietly():
            self.controls["window"].max = stop.results.numel()
        formula = f"⌊(H + 2p − k) / s⌋ + 1 = ⌊({len(grid)} + 2·{padding} − {kernel}) / {stride}⌋ + 1"
        drawing = {"numbers": grid, "step": stop, "kind": kind, "padding": padding, "gradient": gradient}
        yield drawing, f"H′ = {formula} = <b>{len(stop.results)}</b>"

    def draw(self, step: tuple[dict, str]) -> base.Frame:
        """The grid with the window on it, and the formula of the output's size with the student's numbers."""
        drawing, formula = step
        return base.Frame(drawings.window(**drawing), formula)


# ---- a real picture --------------------------------------------------------------------------------------------
STOP = "STOP beside a hedge"
SCENES = {"YIELD": ("yield", 3), "50 limit": ("50 limit", 31), "roundabout": ("roundabout", 10)}
LARGEST = 128  # pixels along an edge; larger ones would not follow the slider


@lru_cache(maxsize=1)
def _stop() -> Tensor:
    """The photograph that ships, [1, 3, 128, 128]."""
    return images.photograph("stop", size=LARGEST, device="cpu")


@dataclass(frozen=True)
class Pooled:
    """A picture before and after, with all that its drawing needs."""

    before: Tensor  # [1, 3, H, H]
    after: Tensor  # [1, 3, H', H']
    gradient: Tensor | None  # [H, H], what comes back to each pixel, where it was asked for
    kind: str
    window: dict[str, int]  # kernel_size, stride, padding, dilation


class PoolingLab(SeeingLab):
    """Pool a picture: which one, its size, the kind, kernel, stride, padding, dilation; pixels or gradient.

    >>> PoolingLab().set(kind="blur", stride=8)
    [A lab: A picture, the same picture after pooling, and the arithmetic of its size.]
    """

    scenes = SCENES

    def __init__(self):
        controls = {
            "picture": base.menu("picture", [STOP, *pictures_to_choose(SCENES)], STOP, "what is pooled"),
            "upload": OwnPicture(),
            "side": base.whole_slider("side H", 8, LARGEST, LARGEST, "height and width of the picture, in pixels"),
            "kind": base.menu("kind", ["max", "average", "blur"], "max", "blur: a maximum at each pixel, then a blur"),
            "kernel": base.whole_slider("kernel k", 0, 16, 4, "side of the window, in pixels"),
            "stride": base.whole_slider("stride s", 0, 16, 4, "from one window to the next, in pixels"),
            "padding": base.whole_slider("padding p", -1, 8, 0, "pixels around the picture"),
            "dilation": base.whole_slider("dilation d", 0, 8, 1, "from one pixel of a window to its next"),
            "gradient": base.switch("show the gradient", False, "which pixels learn something in training"),
        }
        super().__init__(controls, alt="A picture, the same picture after pooling, and the arithmetic of its size.")

    def steps(self, picture, upload, side, kind, kernel, stride, padding, dilation, gradient) -> Iterator[Pooled]:
        """Pool the chosen picture."""
        large = _stop() if picture == STOP else self.picture(picture, upload, LARGEST, "cpu")
        before = images.to_tensor(large, size=side, device="cpu")
        asked = before.requires_grad_(gradient)
        window = {"kernel_size": kernel, "stride": stride, "padding": padding, "dilation": dilation}
        after = pooling.pool2d(asked, kind, **window)
        back = torch.autograd.grad(after.sum(), asked)[0][0].sum(dim=0) if gradient else None
        yield Pooled(before.detach(), after.detach(), back, kind, window)

    def draw(self, step: Pooled) -> base.Frame:
        """Before and after, and the formula with the student's numbers."""
        before, right, name = images.to_pixels(step.before)[0], images.to_pixels(step.after)[0], "after"
        if step.gradient is not None:
            right, name = drawings.gradient_map(step.gradient.numpy()), "the gradient arrives here"
        pixels = drawings.pooled_picture(before, right, name=name, lines=_arithmetic(step), window=step.window)
        return base.Frame(pixels, _headline(step))


def _arithmetic(step: Pooled) -> list[str]:
    """The output size and what is left of the numbers, worked out with the student's own numbers."""
    size, result, (k, s, p, d) = step.before.shape[-1], step.after.shape[-1], step.window.values()
    if step.kind == "blur":
        first = pooling.output_size(size, k, 1, p)
        told = [
            f"the maximum, stride 1:  H + 2p − k + 1 = {size} + 2·{p} − {k} + 1 = {first}",
            f"then the blur, stride s:  H′ = ⌈{first} / {s}⌉ = {result}",
        ]
    else:
        told = [
            "H′ = ⌊(H + 2p − d·(k − 1) − 1) / s⌋ + 1",
            f"    = ⌊({size} + 2·{p} − {d}·({k} − 1) − 1) / {s}⌋ + 1 = {result}",
        ]
    return [*told, f"numbers: 3·{size}·{size} = {3 * size**2:,}  →  3·{result}·{result} = {3 * result**2:,}"]


def _headline(step: Pooled) -> str:
    """What pooling did, in one sentence (HTML)."""
    if step.gradient is not None:
        reached = float((step.gradient > 0).float().mean())
        if reached == 1:
            return "In training, <b>every</b> pixel hears something."
        return f"In training, {100 * reached:.3g} % of the pixels hear something; the white ones hear nothing."
    what = {"max": "the largest", "average": "the mean", "blur": "a blur of the largest"}[step.kind]
    count, share = step.window["kernel_size"] ** 2, step.after.numel() / step.before.numel()
    return f"Each result is <b>{what}</b> of {count} numbers; {100 * share:.3g} % of the numbers are left."
