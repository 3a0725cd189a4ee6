"""What gradient ascent may change: a picture's pixels or its Fourier coefficients, and how the network sees it.

Serves notebook 6. Papers: Olah, Mordvintsev and Schubert 2017, "Feature Visualization" (Fourier, decorrelated colours,
moving views); Mahendran and Vedaldi 2015, arXiv:1412.0035 (total variation).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.arguments import check_pair
from course_utils.images import blur
from course_utils.runtime import generator as seeded
from course_utils.visualization.recipes import Recipe

# The colours of our scenes: U√S of the covariance of all pixels of signs.render(1000, seed=0), divided by the largest
# standard deviation. Its columns are the principal directions: bright or dark, red or blue, green or violet.
COLOURS = ((-0.5391, 0.2874, 0.0380), (-0.5849, -0.0537, -0.1250), (-0.6061, -0.2037, 0.0867))
EDGE = 0.005  # a picture's pixels end here and at 1 - EDGE before the inverse of the sigmoid, which has no 0 and no 1


# ---- colours ---------------------------------------------------------------------------------------------------
def from_decorrelated(values: Tensor) -> Tensor:
    """Amounts of the three principal directions of colour → red, green and blue, both [N, 3, H, W]; linear."""
    return torch.einsum("rc,nchw->nrhw", values.new_tensor(COLOURS), values)


def to_decorrelated(colours: Tensor) -> Tensor:
    """The inverse of `from_decorrelated`, [N, 3, H, W]."""
    inverse = torch.linalg.inv(torch.tensor(COLOURS, dtype=torch.float64)).to(colours)
    return torch.einsum("cr,nrhw->nchw", inverse, colours)


# ---- what is changed -------------------------------------------------------------------------------------------
def noise(count: int = 1, size: int | tuple[int, int] = 64, *, seed: int = 0, amount: float = 0.25) -> Tensor:
    """Where the slide's loop begins: grey with normal noise, pixel by pixel, clamped to [0, 1].

    Args:
        count, size: of the pictures, [count, 3, height, width].
        seed: equal seeds give equal noise.
        amount: its standard deviation.

    >>> noise(2, 64, amount=0.1).shape
    torch.Size([2, 3, 64, 64])
    """
    return _noise((count, 3, *check_pair("size", size)), amount, seeded(seed))


def _noise(shape: tuple[int, ...], amount: float, generator: torch.Generator) -> Tensor:
    return (0.5 + amount * torch.randn(shape, generator=generator)).clamp(0, 1)


class Pixels:
    """A picture by its pixels, as on the slide: after each step, what left [0, 1] is brought back.

    Args:
        images: where to begin, [N, 3, H, W] in [0, 1].
        decorrelated: the optimizer moves along the principal directions of colour, not along red, green and blue.
    """

    def __init__(self, images: Tensor, decorrelated: bool):
        self.decorrelated = decorrelated
        self.values = self._values(images.detach()).requires_grad_()  # the leaf that the optimizer moves

    def _values(self, images: Tensor) -> Tensor:
        return to_decorrelated(images - 0.5) if self.decorrelated else images.clone()

    def images(self) -> Tensor:
        """The pictures, [N, 3, H, W]; in [0, 1] after `project`."""
        return 0.5 + from_decorrelated(self.values) if self.decorrelated else self.values

    @torch.no_grad()
    def randomize(self, amount: float, generator: torch.Generator) -> None:
        """Begin anew, from grey with noise of that standard deviation."""
        self.values.copy_(self._values(_noise(self.values.shape, amount, generator).to(self.values)))

    @torch.no_grad()
    def project(self) -> None:
        """Bring every pixel back to [0, 1]."""
        self.values.copy_(self._values(self.images().clamp(0, 1)))

    @torch.no_grad()
    def blur(self, sigma: float) -> None:
        """Blur the pictures by a Gaussian of σ pixels."""
        self.values.copy_(blur(self.values, sigma))


class Fourier:
    """A picture by its Fourier coefficients, each weighted with 1/frequency, as in nature; a sigmoid ends it at [0, 1].

    The same step of the optimizer moves a coarse wave far and a fine one little, so no noise comes up. The weights are
    scaled so that a change of all coefficients by r changes the picture by r in its root mean square, about.
    """

    def __init__(self, images: Tensor, decorrelated: bool):
        self.size, self.decorrelated = tuple(images.shape[2:]), decorrelated
        self.weights = spectrum(self.size).to(images)  # [H, W // 2 + 1]
        flat = torch.logit(images.detach().clamp(EDGE, 1 - EDGE)) / 4  # before the sigmoid
        flat = to_decorrelated(flat) if decorrelated else flat
        waves = torch.fft.rfft2(flat, norm="ortho") / self.weights
        self.values = torch.view_as_real(waves).contiguous().requires_grad_()  # [N, 3, H, W // 2 + 1, 2]

    def images(self) -> Tensor:
        """The pictures, [N, 3, H, W] in [0, 1]."""
        waves = torch.view_as_complex(self.values) * self.weights
        flat = torch.fft.irfft2(waves, s=self.size, norm="ortho")
        return torch.sigmoid(4 * (from_decorrelated(flat) if self.decorrelated else flat))

    @torch.no_grad()
    def randomize(self, amount: float, generator: torch.Generator) -> None:
        """Begin anew, from random coefficients: clouds, whose standard deviation in the picture is about `amount`."""
        self.values.copy_(amount * math.sqrt(0.5) * torch.randn(self.values.shape, generator=generator))

    def project(self) -> None:
        """Nothing to do: the sigmoid never leaves [0, 1]."""

    @torch.no_grad()
    def blur(self, sigma: float) -> None:
        """Blur the pictures (before the sigmoid) by a Gaussian of σ pixels: fine waves lose most."""
        damping = torch.exp(-2 * (math.pi * sigma * frequencies(self.size)) ** 2).to(self.values)
        self.values.mul_(damping[..., None])


def frequencies(size: tuple[int, int]) -> Tensor:
    """Waves a pixel of each coefficient that `rfft2` gives, [H, W // 2 + 1]."""
    return torch.hypot(torch.fft.fftfreq(size[0])[:, None], torch.fft.rfftfreq(size[1])[None])


def spectrum(size: tuple[int, int]) -> Tensor:
    """1/frequency of each coefficient, scaled to a root mean square of 1 over the whole plane, [H, W // 2 + 1]."""
    whole = torch.hypot(torch.fft.fftfreq(size[0])[:, None], torch.fft.fftfreq(size[1])[None])
    lowest = 1 / max(size)  # the mean colour, frequency 0, counts as the coarsest wave
    scale = whole.clamp(min=lowest).pow(-2).mean().sqrt()
    return 1 / frequencies(size).clamp(min=lowest) / scale


# ---- what the network sees -------------------------------------------------------------------------------------
def crop(images: Tensor, recipe: Recipe) -> Tensor:
    """The middle of pictures [N, 3, H + 2p, W + 2p], without the recipe's padding p: [N, 3, H, W]."""
    return F.pad(images, (-recipe.padding,) * 4)


def transform(images: Tensor, recipe: Recipe, generator: torch.Generator) -> Tensor:
    """What the network sees of pictures: their middle, moved, turned and scaled a little, each its own way.

    Args:
        images: [N, 3, H + 2p, W + 2p].
        recipe: its `padding` p, `jitter`, `rotation` and `scale`.
        generator: of the random numbers, on the processor; not touched where the last three are 0.

    Returns:
        [N, 3, H, W]; beyond the padding, its last pixels go on.
    """
    if not (recipe.jitter or recipe.rotation or recipe.scale):
        return crop(images, recipe)
    count, (tall, wide) = len(images), images.shape[2:]
    height, width = tall - 2 * recipe.padding, wide - 2 * recipe.padding
    shift = torch.randint(-recipe.jitter, recipe.jitter + 1, (count, 2), generator=generator)  # x, y in pixels
    turn, zoom = 2 * torch.rand(2, count, generator=generator) - 1
    angle, zoom = math.radians(recipe.rotation) * turn, torch.exp(math.log1p(recipe.scale) * zoom)
    cos, sin = zoom * angle.cos(), zoom * angle.sin()
    across = torch.stack([cos * width, -sin * height, 2 * shift[:, 0]], dim=1) / wide
    down = torch.stack([sin * width, cos * height, 2 * shift[:, 1]], dim=1) / tall
    there = torch.stack([across, down], dim=1)  # [N, 2, 3]: a place in what is seen → on the picture, from -1 to 1
    grid = F.affine_grid(there.to(images), [count, 3, height, width], align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=False)


# ---- what is punished ------------------------------------------------------------------------------------------
def penalty(images: Tensor, recipe: Recipe) -> Tensor | float:
    """What is subtracted from the scores, [N]: total variation and the mean squared distance from grey, as weighed."""
    total = 0.0
    if recipe.total_variation:
        total = total + recipe.total_variation * total_variation(images)
    if recipe.l2:
        total = total + recipe.l2 * (images - 0.5).pow(2).mean(dim=(1, 2, 3))
    return total


def total_variation(images: Tensor) -> Tensor:
    """The mean distance of neighbours, beside and below each other: pictures [N, C, H, W] → [N]."""
    below = (images[:, :, 1:] - images[:, :, :-1]).abs().mean(dim=(1, 2, 3))
    return below + (images[:, :, :, 1:] - images[:, :, :, :-1]).abs().mean(dim=(1, 2, 3))
