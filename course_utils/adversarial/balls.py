"""The balls B_ε(x) around a picture x, inside which an attack has to stay: their norm, projection and step.

Serves notebook 8 (adversarial examples); `pgd.py` and `apgd.py` walk in them. Papers: Goodfellow et al. 2015 (FGSM),
arXiv:1412.6572; Madry et al. 2018 (PGD), arXiv:1706.06083; Duchi et al. 2008 (projection onto the L1 ball).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import pad

from course_utils.arguments import check_distance, check_images, check_labels, check_number, check_one_each
from course_utils.runtime import exact_dtype


@dataclass(frozen=True)
class Ball(ABC):
    """All pictures at most epsilon away from a centre, and inside the box [0, 1] where pictures live.

    A norm is what the sub-class adds: how far is far, where is the nearest point, which step climbs fastest.
    """

    epsilon: float | Tensor  # radius ε in pixels (they run from 0 to 1): one number, or [N], one for each picture
    LARGEST: ClassVar[float] = math.inf

    def __post_init__(self) -> None:
        check_distance("epsilon", self.epsilon, self.LARGEST)

    @abstractmethod
    def norm(self, difference: Tensor) -> Tensor:
        """Length [N] of differences [N, C, H, W]."""

    @abstractmethod
    def project(self, images: Tensor, centre: Tensor) -> Tensor:
        """The nearest pictures (Euclidean) to [N, C, H, W] in both ball and box [0, 1]; the centre lies in the box."""

    @abstractmethod
    def random_start(self, centre: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a picture, uniformly in the ball, around each centre [N, C, H, W]; then into the box [0, 1]."""

    @abstractmethod
    def ascend(self, images: Tensor, gradient: Tensor, step_size: float | Tensor) -> Tensor:
        """Of all steps of length step_size in this norm, take the steepest; a zero gradient goes nowhere."""

    def _limit(self, centre: Tensor) -> Tensor:
        """ε as a column, [N, 1] or [1, 1], in the precision of `exact`."""
        return exact(torch.as_tensor(self.epsilon, dtype=centre.dtype, device=centre.device)).view(-1, 1)


class Linf(Ball):
    """No pixel may change by more than epsilon, in [0, 1]; 8/255 is what most papers use.

    >>> x = torch.full((1, 3, 2, 2), 0.5)
    >>> Linf(0.25).project(x + 0.4, x).unique()
    tensor([0.7500])
    """

    LARGEST = 1.0

    def norm(self, difference: Tensor) -> Tensor:
        return difference.flatten(1).abs().amax(dim=1)  # [N]

    def project(self, images: Tensor, centre: Tensor) -> Tensor:
        # Ball and box are both boxes, so what they share is a box; clamping finds its nearest point.
        epsilon = per_picture(self.epsilon, centre)
        return images.clamp((centre - epsilon).clamp(min=0), (centre + epsilon).clamp(max=1))

    def random_start(self, centre: Tensor, generator: torch.Generator) -> Tensor:
        uniform = torch.rand(centre.shape, generator=generator, device=centre.device, dtype=centre.dtype)
        noise = per_picture(self.epsilon, centre) * (2 * uniform - 1)  # U(-ε, ε)
        return self.project(centre + noise, centre)

    def ascend(self, images: Tensor, gradient: Tensor, step_size: float | Tensor) -> Tensor:
        return images + per_picture(step_size, images) * gradient.sign()


class L2(Ball):
    """The Euclidean length of the change, over all pixels and channels, may not exceed epsilon.

    >>> x = torch.full((1, 3, 2, 2), 0.5)
    >>> L2(0.25).norm(L2(0.25).project(x + 0.4, x) - x)
    tensor([0.2500])
    """

    def norm(self, difference: Tensor) -> Tensor:
        return torch.linalg.vector_norm(difference.flatten(1), dim=1)  # [N]

    def project(self, images: Tensor, centre: Tensor) -> Tensor:
        # Without the box: back along the straight line, x + s·change. With it the nearest point is clamp(x + s·change),
        # and as clamping shortens the way, s may be larger.
        change = images - centre
        length = per_picture(self.norm(change), centre).clamp(min=torch.finfo(centre.dtype).tiny)
        # s is 1 where the picture is inside already, [N, 1, 1, 1]
        shrink = (per_picture(self.epsilon, centre) / length).clamp(max=1)
        straight = centre + shrink * change
        meets_walls = ((straight < 0) | (straight > 1)).flatten(1).any(dim=1)  # [N]
        shrink = torch.where(per_picture(meets_walls, centre) > 0, self._shrink_in_box(change, centre), shrink)
        return (centre + shrink * change).clamp(0, 1)

    def _shrink_in_box(self, change: Tensor, centre: Tensor) -> Tensor:
        """The largest s in [0, 1] with ‖clamp(x + s·change) − x‖ ≤ ε, [N, 1, 1, 1].

        A number that has `room` to its wall meets it at s = room / |change|. Between two such s the squared length is
        s² · (squares of the free numbers) + (squares of the rooms of those that met their walls): sort, then solve.
        """
        squares, rooms = exact(change).flatten(1) ** 2, exact(room(change, centre)).flatten(1) ** 2
        meetings, order = (rooms / squares).nan_to_num(nan=math.inf).sort(dim=1)  # s² at which each meets its wall
        squares, rooms = squares.gather(1, order), rooms.gather(1, order)
        meetings, walls = pad(meetings, (1, 0)), pad(rooms.cumsum(dim=1), (1, 0))  # before the first wall, none is met
        free = (squares.sum(dim=1, keepdim=True) - pad(squares.cumsum(dim=1), (1, 0))).clamp(min=0)
        limit = self._limit(centre) ** 2
        inside = (meetings * free + walls <= limit).sum(dim=1, keepdim=True)  # [N, 1]; none where there is a NaN
        met = (inside - 1).clamp(min=0)  # walls inside the ball
        last, walls, free = (numbers.gather(1, met) for numbers in (meetings, walls, free))
        solved = (limit - walls).clamp(min=0) / free.clamp(min=torch.finfo(free.dtype).tiny)
        return per_picture(torch.maximum(solved, last).clamp(max=1).sqrt().flatten(), centre)

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


@dataclass(frozen=True)
class L1(Ball):
    """The changes of all numbers, added up, may not exceed epsilon: a few numbers may change much.

    The steepest step moves one number of the picture only, the one with the largest gradient. `share=0` takes it. One
    number a step needs very many steps, so attacks take a compromise (Tramèr and Boneh 2019, "SLIDE"): the numbers
    with the largest gradients move by equal parts. What stands on a wall of the box and is pushed outward is passed
    over.

    >>> x = torch.full((1, 3, 2, 2), 0.5)
    >>> L1(3.0).project(x + 0.4, x).unique()  # 12 numbers, a quarter each
    tensor([0.7500])
    """

    share: float = 0.01  # of the picture's numbers that a step moves, in [0, 1]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("share", self.share, 0, 1)

    def norm(self, difference: Tensor) -> Tensor:
        return difference.flatten(1).abs().sum(dim=1)  # [N]

    def project(self, images: Tensor, centre: Tensor) -> Tensor:
        # The nearest point takes the same λ off the change of every number, down to nothing at the least, up to the
        # wall at the most: min(max(|change| − λ, 0), room). What remains is to find λ.
        change = images - centre
        size, free = exact(change.abs()).flatten(1), exact(room(change, centre)).flatten(1)
        kept = (size - self._threshold(size, free, centre)).clamp(min=0).minimum(free).to(centre.dtype)
        return (centre + kept.view_as(change).copysign(change)).clamp(0, 1)

    def _threshold(self, size: Tensor, free: Tensor, centre: Tensor) -> Tensor:
        """The smallest λ ≥ 0 that leaves no more than ε of the changes, [N, 1] (Duchi et al. 2008, by sorting).

        Let λ come down from above. At λ = |change| a number begins to move, at λ = |change| − room it has met its wall
        and stops; in between what moves grows as fast as λ falls.
        """
        bends = torch.cat([size, (size - free).clamp(min=0)], dim=1)
        bends, order = bends.sort(dim=1, descending=True)
        rate = torch.where(order < size.shape[1], 1, -1).cumsum(dim=1)  # how many numbers move below each bend
        gained = pad((rate[:, :-1] * -bends.diff(dim=1)).cumsum(dim=1), (1, 0))  # moved in all, at each bend
        limit = self._limit(centre)
        last = (gained <= limit).sum(dim=1, keepdim=True) - 1  # the last bend inside the ball
        bend, rate, gained = (numbers.gather(1, last) for numbers in (bends, rate, gained))
        return (bend - (limit - gained) / rate.clamp(min=1)).clamp(min=0)

    def random_start(self, centre: Tensor, generator: torch.Generator) -> Tensor:
        # Exponential numbers, divided by their sum, are uniform on the simplex; one more than there are pixels, left
        # out afterwards, makes them uniform below it too. A coin for each sign does the rest.
        shape, like = (len(centre), centre[0].numel()), {"device": centre.device, "dtype": centre.dtype}
        waits = torch.empty(shape[0], shape[1] + 1, **like).exponential_(generator=generator)
        parts = waits[:, :-1] / waits.sum(dim=1, keepdim=True)  # [N, d]
        signs = 2 * torch.randint(2, shape, generator=generator, **like) - 1
        noise = per_picture(self.epsilon, centre) * (signs * parts).view_as(centre)
        return self.project(centre + noise, centre)

    def ascend(self, images: Tensor, gradient: Tensor, step_size: float | Tensor) -> Tensor:
        outward = ((images <= 0) & (gradient < 0)) | ((images >= 1) & (gradient > 0))
        slopes = gradient.masked_fill(outward, 0).flatten(1)
        count = max(1, round(self.share * slopes.shape[1]))
        chosen = slopes.abs().topk(count, dim=1).indices
        step = torch.zeros_like(slopes).scatter(1, chosen, slopes.gather(1, chosen).sign())
        step = step / self.norm(step).clamp(min=1)[:, None]  # of length 1, or 0 where there is no slope at all
        return images + per_picture(step_size, images) * step.view_as(images)


def raw_ascend(images: Tensor, gradient: Tensor, step_size: float | Tensor) -> Tensor:
    """Step along the gradient as it is, x + η g, as the slide writes it: no norm sets its length."""
    return images + per_picture(step_size, images) * gradient


def per_picture(number: float | Tensor, images: Tensor) -> float | Tensor:
    """Shape a tensor [N] as [N, 1, 1, 1], to multiply picture by picture; a plain number stays what it is."""
    if not isinstance(number, Tensor):
        return float(number)  # numpy's own numbers would make arrays of tensors
    return number.to(images).view(-1, *[1] * (images.ndim - 1))


def room(change: Tensor, centre: Tensor) -> Tensor:
    """How far each number of the centre can move in the direction of its change before it meets a wall of the box."""
    return torch.where(change > 0, 1 - centre, centre)


def exact(numbers: Tensor) -> Tensor:
    """In double precision where the device has it: thousands of numbers are going to be added up."""
    return numbers.to(exact_dtype(numbers.device))


# ---- what can be wrong -------------------------------------------------------------------------------------------
def check_ball(ball: Ball) -> None:
    """Refuse what is no ball."""
    if not isinstance(ball, Ball):
        raise TypeError(f"ball must be Linf(epsilon), L2(epsilon) or L1(epsilon), as in Linf(8/255); got {ball!r}.")


def check_one_size(what: str, ball: Ball) -> None:
    """Refuse what is no ball, or has a radius for each picture."""
    check_ball(ball)
    if isinstance(ball.epsilon, Tensor):
        raise ValueError(f"{what} takes one ε for all pictures; attack those of another ε by themselves.")


def check_batch(images: Tensor, labels: Tensor, targets: Tensor | None, ball: Ball) -> None:
    """Refuse pictures, labels, targets and balls that do not make an attack together."""
    check_images(images)
    check_ball(ball)
    check_one_each("epsilon", ball.epsilon, len(images))
    check_labels("labels", labels, len(images))
    if targets is not None:
        check_labels("targets", targets, len(images))
        same = (targets.to(labels.device) == labels).nonzero()
        if len(same):
            row = int(same[0])
            what = f"targets[{row}] is {int(targets[row])}, which is that picture's true label"
            raise ValueError(f"{what}; choose another class as its target.")
