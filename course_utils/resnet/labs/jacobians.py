"""The lab of the gradient's way back: how much of it arrives at each layer, with the skips and without.

Serves notebook 5. It wires `jacobians.gradient_norms` to `figures.quick_curves`; the trainings have labs of their own.
Papers: He et al. 2016; Glorot and Bengio 2010 and He et al. 2015 for the first weights.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from torch import Tensor
from torch.nn import functional

from course_utils import figures, signs
from course_utils.figures import charts
from course_utils.labs import base
from course_utils.networks import resnet
from course_utils.resnet import jacobians
from course_utils.resnet.figures import jacobians as drawings

ALT = "The norm of the gradient at every layer of a deep network, one line with skips and one without."
DEPTHS = tuple(range(8, 99, 6))
SIZES = (8, 16, 32)  # pixels; in small pictures much of what a 3×3 kernel meets is padding
BOTH, PLAIN, RESIDUAL = "plain and residual", "plain only", "residual only"
NAMES = {False: "plain: f(x) = g(x)", True: "residual: f(x) = g(x) + x"}
STARTS = (
    ("He 2015 (made for ReLU)", "he"),
    ("Xavier 2010", "xavier"),
    ("torch's own", "torch"),
    ("He, every g(x) = 0", "zero"),
)
PLACES = [("behind the sum", False), ("inside g (pre-activation)", True)]


@dataclass(frozen=True)
class Gradients:
    """What one drawing needs."""

    depth: int
    norms: dict[bool, dict[int, float]]  # with skips? → number of the layer → the gradient's norm there

    def shares(self) -> dict[bool, float]:
        """With skips? → what is left at the first layer of what the last block gets."""
        return {skip: norms[min(norms)] / norms[max(norms)] for skip, norms in self.norms.items()}


class GradientLab(base.Lab):
    """Follow the gradient of the loss back to the first layer: depth, width, normalisation, first weights, skips.

    Nothing is trained. The networks are narrow and the pictures few and small, so every move of a control is computed
    anew; in float64, on the processor, where a gradient of 10⁻³⁰ is a number and not a rounding error.

    Args:
        depth: layers at the beginning, one of `DEPTHS`.
        start: the first weights at the beginning, one of `resnet.STARTS`.

    >>> GradientLab(depth=8)
    [A lab: The norm of the gradient at every layer of a deep network, one line with skips and one without.]
    """

    def __init__(self, *, depth: int = 50, start: str = "he"):
        depths = [(f"{d} layers", d) for d in DEPTHS]
        controls = {
            "depth": base.pixel_slider("depth", depths, depth, "how many layers one after the other"),
            "width": base.menu("width", [(f"{w} filters", w) for w in (4, 8, 16)], 8, "filters of the first stage"),
            "norm": base.switch("batch normalisation", False, "after every convolution"),
            "start": base.menu("weights", STARTS, start, "how the first weights are drawn"),
            "order": base.menu("ReLU", PLACES, False, "where it stands"),
            "skips": base.menu("skip", [BOTH, PLAIN, RESIDUAL], BOTH, "which of the twins are drawn"),
            "size": base.menu("pictures", [(f"{p}×{p} pixels", p) for p in SIZES], 16, "what the networks look at"),
            "seed": base.whole_number("seed", 0, 9999, 0, "which first weights"),
        }
        super().__init__(controls, alt=ALT)

    def steps(self, depth, width, norm, start, order, skips, size, seed) -> Iterator[Gradients]:
        """Measure the twins; one piece of work, as both lines shall move together."""
        found = {}
        for skip in {BOTH: (False, True), PLAIN: (False,), RESIDUAL: (True,)}[skips]:
            network = resnet.shorten(deepest(width, norm, start, order, skip, seed), depth)
            found[skip] = jacobians.gradient_norms(network, *pictures(size))
        yield Gradients(depth, found)

    def draw(self, gradients: Gradients) -> base.Frame:
        """A line a twin over the layers, and what is left at its left end in a sentence."""
        series = {NAMES[skip]: (list(norms), list(norms.values())) for skip, norms in gradients.norms.items()}
        every = [norm for norms in gradients.norms.values() for norm in norms.values() if norm > 0]
        pixels = figures.quick_curves(
            series,
            title=title(gradients),
            x_label="layer (the loss stands at the right)",
            y_label="norm of the gradient",
            log_y=True,
            x_range=(1, gradients.depth),
            y_range=(min([1e-3, *every]) / 2, max([10.0, *every]) * 2),
        )
        return base.Frame(pixels, headline(gradients))


@lru_cache(maxsize=4)
def deepest(width: int, norm: bool, start: str, order: bool, skip: bool, seed: int) -> resnet.SmallResNet:
    """The deepest network of a kind, in float64; the others are its first blocks."""
    network = resnet.SmallResNet(DEPTHS[-1], width=width, norm=norm, preactivation=order, skip=skip).double()
    return resnet.initialise(network, start, seed)


@lru_cache(maxsize=4)
def pictures(size: int) -> tuple[Tensor, Tensor]:
    """Two scenes, shrunk and centred round 0, [2, 3, size, size], and their labels, [2]."""
    scenes = signs.render(2, size=64, seed=0, device="cpu")
    return functional.adaptive_avg_pool2d(scenes.images.double(), size) - 0.5, scenes.labels


def title(gradients: Gradients) -> str:
    """What happens to the gradient on its way, in words: it dies, arrives or explodes."""
    words = {False: "without", True: "with"}
    fates = (f"{drawings.fate(share)} {words[skip]} skips" for skip, share in gradients.shares().items())
    return f"On its way back the gradient {' and '.join(fates)}"


def headline(gradients: Gradients) -> str:
    """What is left at the first layer, for each twin: "plain × 3·10⁻²³, residual × 0.5"."""
    looks = {False: ("plain", figures.BLUE), True: ("residual", figures.VERMILLION)}
    shares = ((*looks[skip], charts.times(share)) for skip, share in gradients.shares().items())
    told = [f'<b style="color:{colour}">{name} × {factor}</b>' for name, colour, factor in shares]
    return f"The gradient on its way through {gradients.depth} layers: {', '.join(told)}"
