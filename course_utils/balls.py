"""The balls B_ε(x) around a picture x, inside which an attack has to stay: their norm, projection and step.

Serves notebook 8 (adversarial examples); `pgd.py` walks in them.
Papers: Goodfellow et al. 2015 (FGSM), arXiv:1412.6572; Madry et al. 2018 (PGD), arXiv:1706.06083.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from numbers import Real
from typing import ClassVar

import torch
from torch import Tensor


@dataclass(frozen=True)
class Ball(ABC):
    """All pictures at most epsilon away from a centre, and inside the box [0, 1] where pictures live.

    A norm is what the sub-class adds: how far is far, where is the nearest point, which step climbs fastest.

    Args:
        epsilon: radius ε in pixels (they run from 0 to 1), one number, or a tensor [N] with one for each
            picture (on the pictures' device).

    Raises:
        ValueError: epsilon is negative, infinite or NaN, or too large for this norm.
        TypeError: epsilon is not a number.
    """

    epsilon: float | Tensor
    LARGEST: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        check_size("epsilon", self.epsilon, largest=self.LARGEST)

    @abstractmethod
    def norm(self, difference: Tensor) -> Tensor:
        """Length [N] of differences [N, C, H, W]."""

    @abstractmethod
    def project(self, images: Tensor, centre: Tensor) -> Tensor:
        """Bring pictures [N, C, H, W] back into the ball around centre and into the box [0, 1]."""

    @abstractmethod
    def random_start(self, centre: Tensor, generator: torch.Generator) -> Tensor:
        """Draw one picture, uniformly in the ball, around each centre [N, C, H, W]; then into the box [0, 1].

        The generator has to live on the device of `centre`.
        """

    @abstractmethod
    def ascend(self, images: Tensor, gradient: Tensor, step_size: float | Tensor) -> Tensor:
        """Of all steps of length step_size in this norm, take the steepest; a zero gradient goes nowhere."""

    def repeat(self, times: int) -> Ball:
        """The same ball for a batch that is stacked `times` times upon itself."""
        if not isinstance(self.epsilon, Tensor):
            return self
        return replace(self, epsilon=self.epsilon.repeat(times))


class Linf(Ball):
    """No pixel may change by more than epsilon, in [0, 1]; 8/255 is what most papers use."""

    LARGEST = 1.0

    def norm(self, difference: Tensor) -> Tensor:
        return difference.flatten(1).abs().amax(dim=1)  # [N]

    def project(self, images: Tensor, centre: Tensor) -> Tensor:
        # Ball and box are both boxes, so what they share is a box; clamping finds its nearest point.
        epsilon = per_picture(self.epsilon, centre)
        lowest = (centre - epsilon).clamp(min=0)
        highest = (centre + epsilon).clamp(max=1)
        return images.clamp(lowest, highest)

    def random_start(self, centre: Tensor, generator: torch.Generator) -> Tensor:
        uniform = torch.rand(centre.shape, generator=generator, device=centre.device, dtype=centre.dtype)
        noise = per_picture(self.epsilon, centre) * (2 * uniform - 1)  # U(-ε, ε)
        return self.project(centre + noise, centre)

    def ascend(self, images: Tensor, gradient: Tensor, step_size: float | Tensor) -> Tensor:
        return images + per_picture(step_size, images) * gradient.sign()


class L2(Ball):
    """The Euclidean length of the change, over all pixels and channels, may not exceed epsilon."""

    def norm(self, difference: Tensor) -> Tensor:
        return torch.linalg.vector_norm(difference.flatten(1), dim=1)  # [N]

    def project(self, images: Tensor, centre: Tensor) -> Tensor:
        # First onto the ball, then into the box. The centre lies in the box, so clamping moves no pixel away
        # from it: the distance cannot grow, and the result lies in both. (It need not be the nearest there.)
        change = images - centre
        epsilon = per_picture(self.epsilon, centre)
        length = per_picture(self.norm(change), centre).clamp(min=torch.finfo(centre.dtype).tiny)
        shrink = (epsilon / length).clamp(max=1)  # [N, 1, 1, 1], 1 where the picture is inside already
        return (centre + shrink * change).clamp(0, 1)

    def random_start(self, centre: Tensor, generator: torch.Generator) -> Tensor:
        # A normal vector points anywhere with equal chance. The volume within radius r grows as r^d, so the
        # radius that is uniform in volume is U^(1/d); in the thousands of dimensions of a picture, nearly 1.
        like = {"generator": generator, "device": centre.device, "dtype": centre.dtype}
        direction = self._unit(torch.randn(centre.shape, **like))
        pixels = centre[0].numel()  # d
        radius = torch.rand(len(centre), **like) ** (1 / pixels)  # [N], as a part of ε
        noise = per_picture(self.epsilon, centre) * per_picture(radius, centre) * direction
        return self.project(centre + noise, centre)

    def ascend(self, images: Tensor, gradient: Tensor, step_size: float | Tensor) -> Tensor:
        return images + per_picture(step_size, images) * self._unit(gradient)

    def _unit(self, vectors: Tensor) -> Tensor:
        """Scale each vector [N, C, H, W] to length 1; zero stays zero."""
        # Divided by the largest entry first: a confident network's gradients are so small that their squares
        # would be rounded to zero.
        tiny = torch.finfo(vectors.dtype).tiny
        largest = per_picture(vectors.flatten(1).abs().amax(dim=1), vectors)
        vectors = vectors / largest.clamp(min=tiny)
        return vectors / per_picture(self.norm(vectors), vectors).clamp(min=tiny)


def raw_ascend(images: Tensor, gradient: Tensor, step_size: float | Tensor) -> Tensor:
    """Step along the gradient as it is, x + η g, as the slide writes it: no norm sets its length."""
    return images + per_picture(step_size, images) * gradient


def per_picture(number: float | Tensor, images: Tensor) -> float | Tensor:
    """Shape a tensor [N] as [N, 1, 1, 1], to multiply picture by picture; a plain number stays what it is."""
    if not isinstance(number, Tensor):
        return number
    return number.to(images).view(-1, *[1] * (images.ndim - 1))


def check_size(name: str, size: float | Tensor, *, largest: float = math.inf) -> None:
    """Refuse what cannot be a length in pixels: radius or step.

    Args:
        name: what it is called in the error's sentence.
        size: one number, or a tensor [N] of them; allowed are 0 to `largest`, finite.

    Raises:
        TypeError: not a number.
        ValueError: out of range, or a tensor of another shape than [N].
    """
    if isinstance(size, Tensor):
        if size.ndim != 1:
            raise ValueError(
                f"{name} is one number, or a tensor [N] with one for each picture; got a tensor of shape "
                f"{list(size.shape)}."
            )
        numbers = size.tolist()
    elif isinstance(size, Real) and not isinstance(size, bool):
        numbers = [size]
    else:
        raise TypeError(f"{name} is one number, or a tensor [N] with one for each picture; got {size!r}.")
    for number in numbers:
        if not (0 <= number <= largest and math.isfinite(number)):
            allowed = f"lie in [0, {largest:g}] (pixels run from 0 to 1)"
            if math.isinf(largest):
                allowed = "be finite and at least 0 (it is a distance between pictures)"
            advice = f" Did you mean {number:g}/255?" if largest < number <= 255 else ""
            raise ValueError(f"{name} must {allowed}; got {number:g}.{advice}")
