"""Decision maps: a plane of pictures through x, and what a network reads at each of its points.

Serves notebook 8 and its lab: the lecture's plane of g and g⊥, the plane of two attacks, and the loss l(f(x'), y) as a
surface over such a plane. Papers: Goodfellow et al. 2015, arXiv:1412.6572; Madry et al. 2018, arXiv:1706.06083.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, interpolate

from course_utils.adversarial.balls import L1, Ball, check_batch
from course_utils.adversarial.pgd import loss_and_gradient
from course_utils.arguments import check_choice, check_classes, check_number, check_one_image, check_whole
from course_utils.runtime import generator, kept

COARSE = 8  # cells along the first, coarse grid; halved until `points` are there
GRIDS = tuple(COARSE * 2**k + 1 for k in range(10))  # 9, 17, 33 …: the points of grids that can be halved
ANGLES = 180  # corners of the polygon that stands for a ball's edge


# ---- planes ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Plane:
    """The pictures x + α·first + β·second; α and β have the unit of ε."""

    centre: Tensor  # [1, C, H, W], the picture x
    first: Tensor  # [1, C, H, W], of length 1 in the norm of the ball that the plane was made for
    second: Tensor  # the same, at right angles to it
    names: tuple[str, str]  # of the axes

    def images(self, places: Tensor) -> Tensor:
        """The pictures at places [P, 2] of (α, β), cut to the box [0, 1]: [P, C, H, W]."""
        return (self.centre + self._changes(places)).clamp(0, 1)

    def places(self, images: Tensor) -> Tensor:
        """The shadows [N, 2] of pictures [N, C, H, W]: the nearest points of the plane, as (α, β)."""
        change = (images - self.centre).flatten(1)  # [N, d]
        ways = torch.cat([self.first, self.second]).flatten(1)  # [2, d]
        return (change @ ways.T) / ways.square().sum(dim=1)

    def outline(self, ball: Ball) -> Tensor:
        """The edge of the ball round x where it cuts the plane, a polygon [ANGLES, 2] of (α, β), without the box."""
        angles = torch.arange(ANGLES) * (2 * math.pi / ANGLES)
        ways = torch.stack([angles.cos(), angles.sin()], dim=1)  # [ANGLES, 2]
        # A norm grows in proportion along every ray, so one look a ray tells where it crosses the edge.
        length = ball.norm(self._changes(ways)).cpu()  # [ANGLES]
        return ways * (float(ball.epsilon) / length)[:, None]

    def shadow(self, ball: Ball) -> Tensor:
        """The edge of the whole ball's shadow on the plane, a polygon [ANGLES, 2] of (α, β), without the box.

        The shadows of all pictures of the ball lie in it, also of those that lie beside the plane.
        """
        ball = replace(ball, share=0.0) if isinstance(ball, L1) else ball  # its very steepest step
        angles = torch.arange(ANGLES) * (2 * math.pi / ANGLES)
        duals = [way / way.square().sum() for way in (self.first, self.second)]  # change · dual = its place
        far = []
        for angle in angles.tolist():  # the picture of the ball whose shadow falls farthest this way
            grey = torch.full_like(self.centre, 0.5)
            way = math.cos(angle) * duals[0] + math.sin(angle) * duals[1]
            change = ball.ascend(grey, way, float(ball.epsilon)) - grey
            far.append(torch.stack([(change * dual).sum() for dual in duals]))
        return torch.stack(far).cpu()

    def _changes(self, places: Tensor) -> Tensor:
        alpha, beta = places.to(self.centre).view(-1, 2, 1, 1, 1).unbind(dim=1)
        return alpha * self.first + beta * self.second


def gradient_plane(network: nn.Module, images: Tensor, labels: Tensor, *, ball: Ball) -> Plane:
    """The lecture's plane: along the gradient g = ∇l(f(x), y), and along a random direction g⊥ at right angles to it.

    Along g as the ball measures it: the sign of the gradient in Linf, its direction in L2, its largest numbers in L1.

    Args:
        network, images, labels: as in `pgd_steps`, for one picture [1, C, H, W].
        ball: whose norm counts.

    Raises:
        ValueError: the network's answer does not depend on the picture at all.

    >>> from course_utils import signs, zoo
    >>> from course_utils.adversarial import Linf
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> plane = gradient_plane(network, stop.images, stop.labels, ball=Linf(8 / 255))
    >>> plane.first.abs().max()  # a step of length 1 in L∞: every pixel by 1
    tensor(1.)
    """
    x = _one("images", images)
    check_batch(x, labels, None, ball)
    labels, _ = check_classes(network, x, labels)
    _, _, gradient = loss_and_gradient(network, x, labels)
    if not gradient.any():  # so sure that 1 - p rounds to 0: the margin of the logits still has a direction
        _, _, gradient = loss_and_gradient(network, x, labels, "margin")
    if not gradient.any():
        raise ValueError("the gradient is zero at this picture, so there is no direction g; take another picture.")
    grey = torch.full_like(x, 0.5)  # from here no number stands on a wall of the box, which L1 would pass over
    first = ball.ascend(grey, gradient, 1.0) - grey
    # Plus and minus one at random, as the gradient's sign has it: so the two axes look alike in every norm.
    random = torch.randint(0, 2, x.shape, generator=generator(0, x.device), device=x.device).to(x) * 2 - 1
    return _plane(x, first, random, ball, ("g", "g⊥"))


def attack_plane(
    images: Tensor, one: Tensor, other: Tensor, *, ball: Ball, names: tuple[str, str] = ("to one attack", "to another")
) -> Plane:
    """The plane through a picture x and two more, [1, C, H, W] each; the first axis runs to `one`.

    Raises:
        ValueError: the three lie on one line.

    >>> from course_utils.adversarial.balls import Linf
    >>> x = torch.full((1, 3, 8, 8), 0.5)
    >>> one = x + 0.1 * torch.eye(8)
    >>> attack_plane(x, one, x + 0.1, ball=Linf(0.2)).names
    ('to one attack', 'to another')
    """
    x = _one("images", images)
    first, second = _one("one", one) - x, _one("other", other) - x
    if not first.any() or _across(second, first).norm() <= 1e-4 * second.norm():
        raise ValueError("the three pictures lie on one line, which spans no plane; take two different attacks.")
    return _plane(x, first, second, ball, names)


def path_plane(images: Tensor, path: Tensor, *, ball: Ball) -> Plane:
    """The plane in which a path of an attack is seen best: along its end, and along what bends most from there.

    Args:
        images: the picture x, [1, C, H, W].
        path: the points of the path, [T, C, H, W] with T ≥ 2.
        ball: whose norm counts.

    Raises:
        ValueError: the path ends where it began, at x.

    >>> from course_utils.adversarial.balls import Linf
    >>> x = torch.full((1, 3, 8, 8), 0.5)
    >>> path = torch.stack([x[0], x[0] + 0.1 * torch.eye(8), x[0] + 0.1])
    >>> path_plane(x, path, ball=Linf(0.2)).names
    ("to the attack's end", 'where its path bends')
    """
    x = _one("images", images)
    change = path - x
    end = change[-1:]
    if not end.any():
        raise ValueError("the path ends at the picture itself, so there is no direction to look along.")
    rest = _across(change, end).flatten(1)  # [T, d]
    _, lengths, ways = torch.linalg.svd(rest, full_matrices=False)
    bend = ways[:1].view_as(x) if lengths[0] > 1e-6 else torch.linspace(-1, 1, x.numel()).to(x).view_as(x)
    return _plane(x, end, bend, ball, ("to the attack's end", "where its path bends"))


def _plane(x: Tensor, first: Tensor, second: Tensor, ball: Ball, names: tuple[str, str]) -> Plane:
    """Right angles, and lengths of 1 in the ball's norm."""
    second = _across(second, first)
    return Plane(x, first / ball.norm(first).item(), second / ball.norm(second).item(), names)


def _across(change: Tensor, way: Tensor) -> Tensor:
    """What of changes [N, C, H, W] is left at right angles to a direction [1, C, H, W]."""
    unit = way / way.norm()
    return change - (change * unit).sum(dim=(1, 2, 3), keepdim=True) * unit


def _one(name: str, images: Tensor) -> Tensor:
    check_one_image(name, images)
    return images.detach()


# ---- maps --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class DecisionMap:
    """What a network reads on a square of a plane, as far as it was asked."""

    plane: Plane
    axis: Tensor  # [P], the values of α and of β, from -reach to reach
    classes: Tensor  # int64 [P, P], the class read at β = axis[row], α = axis[column]
    confidence: Tensor  # [P, P], the probability of that class
    losses: Tensor  # [P, P], the cross-entropy of the label there
    asked: int  # pictures that the network was asked about
    done: bool  # False while it will still sharpen

    @property
    def reach(self) -> float:
        """α and β run from -reach to reach."""
        return float(self.axis[-1])


def map_steps(
    network: nn.Module, plane: Plane, label: int, *, reach: float, points: int = 65, full: bool = False
) -> Iterator[DecisionMap]:
    """Ask a network on a square grid of a plane, coarse first, then finer where the class changes.

    Between two points of the same class the class is taken to be the same, confidence and loss to lie between theirs:
    so a 65×65 map costs some hundred looks in the place of 4,225. An island that is smaller than an eighth of the
    square may be missed; `full` asks everywhere.

    Args:
        network, plane: who is asked, about which pictures; the network is as it was whenever an item is handed over.
        label: the class whose loss is kept.
        reach: α and β run from -reach to reach, in the unit of ε.
        points: P, along each axis: 9, 17, 33, 65, 129 …
        full: ask at every point.

    Returns:
        `DecisionMap`s that sharpen, one after every batch of looks; each is whole.
    """
    check_whole("label", label, 0)
    check_number("reach", reach, above=True, says="must be a positive number, such as 2 * epsilon")
    check_whole("points", points)
    check_choice("points", points, GRIDS, says="must be 9, 17, 33, 65, 129 …, so that a grid can be halved")
    check_classes(network, plane.centre, torch.tensor([label]))
    batch = 16 if plane.centre.device.type == "cpu" else 256  # few on a processor, so that a map is seen early
    axis = torch.linspace(-reach, reach, points)
    axis[points // 2] = 0.0  # exactly: here stands x

    def walk() -> Iterator[DecisionMap]:
        stride, asked = (points - 1) // COARSE, 0
        level = torch.zeros(3, COARSE + 1, COARSE + 1)  # class, confidence, loss
        wanted = torch.ones(COARSE + 1, COARSE + 1, dtype=torch.bool)
        while stride:
            rows, columns = wanted.nonzero().unbind(dim=1)
            for start in range(0, len(rows), batch):
                row, column = rows[start : start + batch], columns[start : start + batch]
                places = torch.stack([axis[column * stride], axis[row * stride]], dim=1)
                level[:, row, column] = _look(network, plane.images(places), label)
                asked += len(row)
                yield DecisionMap(plane, axis, *_whole(level, stride), asked, False)
            if stride > 1:
                level, wanted = _finer(level, full)
            stride //= 2
        yield DecisionMap(plane, axis, *_whole(level, 1), asked, True)

    return walk()


def decision_map(network: nn.Module, plane: Plane, label: int, **how) -> DecisionMap:
    """Run `map_steps` to its end; all arguments are those of `map_steps`.

    >>> from course_utils import zoo
    >>> from course_utils.adversarial import Linf
    >>> from course_utils.signs import small
    >>> network, (images, labels) = zoo.load("certify-plain", device="cpu"), small.scenes(1, seed=1)
    >>> plane = gradient_plane(network, images, labels, ball=Linf(8 / 255))
    >>> seen = decision_map(network, plane, labels.item(), reach=16 / 255, points=9)
    >>> seen.classes.shape, seen.classes[4, 4].item() == labels.item()  # in the middle stands x
    (torch.Size([9, 9]), True)
    """
    *_, last = map_steps(network, plane, label, **how)
    return last


def _look(network: nn.Module, images: Tensor, label: int) -> Tensor:
    """Class, confidence and loss of pictures, [3, N], on the processor."""
    with kept(network), torch.no_grad():
        logits = network(images).float()
    confidence, classes = logits.softmax(dim=1).max(dim=1)
    losses = cross_entropy(logits, torch.full_like(classes, label), reduction="none")
    return torch.stack([classes.float(), confidence, losses]).cpu()


def _finer(level: Tensor, full: bool) -> tuple[Tensor, Tensor]:
    """A grid twice as fine [3, Q, Q], filled from its neighbours, and where to ask [Q, Q]: where those disagree."""
    index = torch.arange(fine := 2 * level.shape[1] - 1)
    before, after = index // 2, (index + 1) // 2
    corners = [level[0][row][:, column] for row in (before, after) for column in (before, after)]  # [Q, Q] each
    differ = torch.stack(corners).amax(dim=0) != torch.stack(corners).amin(dim=0)
    known = (index % 2 == 0)[:, None] & (index % 2 == 0)
    smooth = interpolate(level[None], size=(fine, fine), mode="bilinear", align_corners=True)[0]
    smooth[0] = corners[0]
    return smooth, ~known if full else differ & ~known


def _whole(level: Tensor, stride: int) -> tuple[Tensor, Tensor, Tensor]:
    """Classes, confidence and losses on the finest grid: the nearest class, the rest in between."""
    points = (level.shape[1] - 1) * stride + 1
    nearest = (torch.arange(points) + stride // 2) // stride
    classes = level[0][nearest][:, nearest].long()
    smooth = interpolate(level[None, 1:], size=(points, points), mode="bilinear", align_corners=True)[0]
    return classes, smooth[0], smooth[1]
