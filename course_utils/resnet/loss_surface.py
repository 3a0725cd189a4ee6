"""The loss as a surface over the weights: a plane through the trained network, along two random directions.

Serves notebook 05. Paper: Li et al. 2018, "Visualizing the Loss Landscape of Neural Nets", arXiv:1712.09913,
section 4 (filter normalisation).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn.functional import cross_entropy

from course_utils import runtime
from course_utils.arguments import check_images, check_labels, check_number, check_whole


@dataclass(frozen=True)
class Surface:
    """The losses l(θ + α·first + β·second) over a square of α and β, as far as they are known."""

    axis: Tensor  # [P], the values of α and of β, from -reach to reach; the network itself stands in the middle
    losses: Tensor  # [P, P], mean cross-entropy at β = axis[row], α = axis[column]; NaN where not computed yet

    @property
    def share(self) -> float:
        """How much of the square is known, 0 to 1."""
        return 1 - self.losses.isnan().float().mean().item()

    @property
    def centre(self) -> float:
        """The loss of the network itself."""
        middle = len(self.axis) // 2
        return self.losses[middle, middle].item()

    @property
    def low_share(self) -> float:
        """How much of what is known of the square lies below a loss of 1, 0 to 1."""
        return (self.losses[~self.losses.isnan()] < 1).float().mean().item()

    @property
    def rim(self) -> float:
        """The mean loss on the border of the square."""
        border = torch.ones_like(self.losses, dtype=torch.bool)
        border[1:-1, 1:-1] = False
        return self.losses[border].mean().item()


def draw_direction(network: nn.Module, seed: int = 0) -> dict[str, Tensor]:
    """A random direction in which every filter moves in proportion to its own norm (filter normalisation).

    Random numbers alone would compare badly: a network with batch normalisation may have large or small filters and
    compute the same. So each random filter dᵢ is given the norm of the network's filter θᵢ: dᵢ ← dᵢ / ‖dᵢ‖ · ‖θᵢ‖.
    Two networks with equal shapes get the same random numbers from a seed.

    Returns:
        Name → tensor, for every convolution and matrix; a row of a matrix counts as a filter. Biases and the γ and β
        of batch normalisations have no filters; they do not move and have no entry, as in the paper's own code.
    """
    draw, direction = runtime.generator(seed), {}
    for name, weight in network.named_parameters():
        if weight.ndim > 1:
            random = torch.randn(weight.shape, generator=draw).to(weight.device, weight.dtype)
            direction[name] = random / filter_norms(random).clamp(min=1e-10) * filter_norms(weight.detach())
    return direction


def filter_norms(weight: Tensor) -> Tensor:
    """The norm of each filter of a layer, [filters, 1, …], so that it divides the weight [filters, …]."""
    return torch.linalg.vector_norm(weight, dim=tuple(range(1, weight.ndim)), keepdim=True)


def surface_steps(
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    points: int,
    reach: float = 1.0,
    seed: int = 0,
    chunk: int = 8,
) -> Iterator[Surface]:
    """The surface, some points more an item: the middle first, then a coarse net of points, then the finer ones.

    The network is looked at in evaluation mode: its batch normalisations keep the means and variances of the
    training at every point, as in the paper's own code. Whenever an item is handed over it is as it was.

    Args:
        images, labels: [N, 3, H, W] in [0, 1], and [N].
        points: P, along each axis; an odd number from 3 on, so that the network itself is one of the points.
        reach: α and β run from -reach to reach; at 1 every filter has moved by its own norm.
        seed: of the two directions.
        chunk: how many points are computed side by side.
    """
    check_images(images)
    check_labels("labels", labels, len(images))
    middle = "must be odd and at least 3, so that the network stands in the middle"
    if check_whole("points", points, 3, says=middle) % 2 == 0:
        raise ValueError(f"points {middle}; got {points}.")
    check_whole("chunk", chunk)
    check_number("reach", reach, above=True, says="must be a positive number, such as 1 (each filter's own norm)")
    first, second = draw_direction(network, 2 * seed), draw_direction(network, 2 * seed + 1)
    plain = torch.contiguous_format  # vmap has no rule for pooling in channels_last, in which training leaves a network
    weights = {name: weight.detach().clone(memory_format=plain) for name, weight in network.named_parameters()}
    buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
    where = next(iter(weights.values())).device
    images, labels = images.to(where), labels.to(where)

    def loss(alpha: Tensor, beta: Tensor) -> Tensor:  # of one point: numbers in, a number out
        moved = {name: weights[name] + alpha * first[name] + beta * second[name] for name in first}
        return cross_entropy(functional_call(network, {**weights, **buffers, **moved}, (images,)), labels)

    axis = torch.linspace(-reach, reach, points)
    axis[points // 2] = 0.0  # exactly: here stands the network itself

    def walk() -> Iterator[Surface]:
        losses = torch.full((points, points), math.nan)
        for rows, columns in (part.T for part in coarse_first(points).split(chunk)):
            with torch.no_grad(), runtime.kept(network):
                losses[rows, columns] = vmap(loss)(axis[columns].to(where), axis[rows].to(where)).float().cpu()
            yield Surface(axis, losses.clone())

    return walk()


def surface(network: nn.Module, images: Tensor, labels: Tensor, **how) -> Surface:
    """Run `surface_steps` to its end; all arguments are those of `surface_steps`.

    >>> from course_utils.networks.resnet import SmallResNet
    >>> found = surface(SmallResNet(8, 3, width=2), torch.rand(6, 3, 8, 8), torch.arange(6) % 3, points=3)
    >>> found.losses.shape, found.share, 0.9 < found.centre < 1.5  # guessing among three: ln 3 = 1.1
    (torch.Size([3, 3]), 1.0, True)
    """
    *_, last = surface_steps(network, images, labels, **how)
    return last


@lru_cache(maxsize=1)
def load_surfaces() -> dict[str, Surface]:
    """The fine surfaces of the pair that ships, "plain" and "residual", from data/resnet/surfaces.npz.

    >>> {name: surface.losses.shape for name, surface in load_surfaces().items()}
    {'plain': torch.Size([31, 31]), 'residual': torch.Size([31, 31])}
    """
    with np.load(runtime.DATA / "resnet" / "surfaces.npz") as stored:
        axis = torch.from_numpy(stored["axis"])
        return {name: Surface(axis, torch.from_numpy(stored[name])) for name in ("plain", "residual")}


def coarse_first(points: int) -> Tensor:
    """The places of a square grid in the order of a picture that sharpens: rows and columns, [points², 2].

    The middle comes first, then every eighth place counted from it (or every fourth, in a small grid), then what a
    net half as wide adds, and so on.
    """
    offsets = torch.arange(points) - points // 2
    fineness = sum((offsets % step == 0).float() for step in (1, 2, 4, 8) if step <= points // 2)
    coarse = torch.minimum(fineness[:, None], fineness[None, :])
    coarse[points // 2, points // 2] = math.inf
    order = torch.argsort(coarse.flatten(), descending=True, stable=True)
    return torch.stack([order // points, order % points], dim=1)
