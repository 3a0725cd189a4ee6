"""A contest of heat maps: all methods and four blind rivals on scenes whose masks are known, with error bars.

Serves notebook 7. Papers: Adebayo et al. 2018, arXiv:1810.03292 (edges and random weights as rivals); Efron and
Tibshirani 1993 (the bootstrap); Selvaraju et al. 2017, arXiv:1610.02391 (asking for each of two classes).
"""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import runtime, signs
from course_utils.gradcam import localisation, saliency
from course_utils.gradcam.gradcam import METHODS, gradcam, resized
from course_utils.signs.backgrounds import Dice, street

DIALS = signs.Dials(distance=0.7)  # the world of the contest: signs of all sizes, some far off the centre
SANITY = ("gradient", "SmoothGrad", "guided backprop", "Grad-CAM, stage3", "guided Grad-CAM, stage3", "Sobel edges")


# ---- what no skill at all scores -------------------------------------------------------------------------------
def centre(network: nn.Module, images: Tensor, labels=None) -> Tensor:
    """The blind guess of who takes photographs: hot in the middle, colder outwards, [N, H, W]; looks at nothing."""
    height, width = images.shape[2:]
    y = torch.linspace(-1, 1, height, device=images.device).view(-1, 1)
    x = torch.linspace(-1, 1, width, device=images.device)
    return torch.exp(-2 * (x**2 + y**2)).expand(len(images), -1, -1)


def sobel_edges(network: nn.Module, images: Tensor, labels=None) -> Tensor:
    """How strong the edges are, [N, H, W]: looks at the picture and at no network (Sobel's filter, on grey)."""
    filters = images.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    filters = torch.stack([filters, filters.T])[:, None]  # [2, 1, 3, 3]
    grey = F.pad(images.mean(dim=1, keepdim=True), (1,) * 4, mode="replicate")
    return F.conv2d(grey, filters).norm(dim=1)


def random_blobs(network: nn.Module, images: Tensor, labels=None, *, seed: int = 0) -> Tensor:
    """Dice, as coarse as Grad-CAM's map: 4×4 random numbers, enlarged, [N, H, W]; looks at nothing."""
    draw = runtime.generator(seed, images.device)
    return resized(torch.rand(len(images), 4, 4, generator=draw, device=images.device), images.shape[2:])


def untrained(network: nn.Module, images: Tensor, labels=None, *, seed: int = 0) -> Tensor:
    """Grad-CAM of the same network before it has learnt anything, [N, H, W]: looks with random weights."""
    parts = saliency.cascade(network, images)
    return gradcam(saliency.randomised(network, parts, seed), images, saliency.classes(network, images, labels))


Method = Callable[[nn.Module, Tensor, Tensor], Tensor]  # (network, images, labels) → maps
BASELINES: dict[str, Method] = {
    "centre": centre,
    "Sobel edges": sobel_edges,
    "random": random_blobs,
    "untrained network": untrained,
}


# ---- the contest -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Interval:
    """A mean over scenes, and where the true mean may lie: bars made like this hold it 95 times in 100."""

    mean: float
    low: float
    high: float


def interval(values: Tensor, *, draws: int = 2000, seed: int = 0) -> Interval:
    """The mean of some values [N] with its bootstrap interval (the percentiles 2.5 and 97.5 of resampled means).

    Source: Efron and Tibshirani 1993, "An Introduction to the Bootstrap", chapter 13.
    """
    values = torch.as_tensor(values).cpu().double()  # in this order: not every device has float64
    chosen = torch.randint(len(values), (draws, len(values)), generator=runtime.generator(seed))
    means = values[chosen].mean(dim=1)
    low, high = torch.quantile(means, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return Interval(values.mean().item(), low, high)


def scored(
    network: nn.Module, scenes: signs.Scenes, methods: dict[str, Method], *, walks: int | None = None
) -> dict[str, dict[str, Tensor]]:
    """Score methods on scenes with known masks.

    Args:
        network: whose answers are explained, each scene for its true class.
        scenes: images, labels and masks.
        methods: name → function of (network, images, labels).
        walks: take pixels away in the first so many scenes only; None takes all.

    Returns:
        name of the method → name of the score → a number for each scene, [N]: those of `localisation.SCORES`, and
        "deletion" and "insertion", the areas under the curves, [walks].
    """
    found = {}
    for name, method in methods.items():
        maps = method(network, scenes.images, scenes.labels)
        found[name] = {score: function(maps, scenes.masks) for score, function in localisation.SCORES.items()}
        for walk in (localisation.deletion, localisation.insertion):
            some = (scenes.images[:walks], maps[:walks], scenes.labels[:walks])
            found[name][walk.__name__] = localisation.area(walk(network, *some))
    return found


def contestants(coarse: str = "stage4", fine: str = "stage3") -> dict[str, Method]:
    """Everything that is scored, by its name in the tables: maps from gradients, from layers, and the baselines.

    Args:
        coarse, fine: the last layer and the one before, for networks that call them otherwise than `signs-resnet`.
    """
    cams = {f"{name}, {fine}": partial(method, layer=fine) for name, method in METHODS.items()}
    return {
        **saliency.METHODS,
        f"Grad-CAM, {coarse}": partial(gradcam, layer=coarse),
        **cams,
        **BASELINES,
    }


class Table:
    """Scores as a table: one row a method, one column a score, the best of each column in bold; baselines in grey.

    Args:
        rows: name of the method → name of the score → (mean, lower, upper).
        smaller_is_better: scores of which less is more.
    """

    def __init__(self, rows: dict[str, dict[str, tuple]], smaller_is_better: tuple[str, ...] = ("deletion",)):
        self.rows, self.kinds = rows, list(next(iter(rows.values())))
        self.best = {
            kind: (min if kind in smaller_is_better else max)(scores[kind][0] for scores in rows.values())
            for kind in self.kinds
        }

    def __repr__(self) -> str:
        wide = max(map(len, self.rows))
        lines = [f"{'':{wide}}  " + "  ".join(f"{kind:>13}" for kind in self.kinds)]
        for name, scores in self.rows.items():
            lines.append(f"{name:{wide}}  " + "  ".join(f"{scores[kind][0]:13.2f}" for kind in self.kinds))
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        head = "".join(f"<th>{html.escape(kind)}</th>" for kind in self.kinds)
        body = []
        for name, scores in self.rows.items():
            grey = ' style="background:#EFEFEF; color:#1A1A1A"' if name in BASELINES else ""
            cells = [f'<td style="text-align:left">{html.escape(name)}</td>']
            for kind in self.kinds:
                mean, low, high = scores[kind]
                words = f"<b>{mean:.2f}</b>" if mean == self.best[kind] else f"{mean:.2f}"
                cells.append(f"<td>{words} <small>[{low:.2f}, {high:.2f}]</small></td>")
            body.append(f"<tr{grey}>{''.join(cells)}</tr>")
        return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def shipped(name: str) -> dict:
    """A table that ships, made by scripts/results_gradcam.py: "scores", "pairs", "nuisances", "layers", "sanity"."""
    return json.loads((runtime.DATA / "gradcam" / f"{name}.json").read_text(encoding="utf-8"))


# ---- scenes with two signs -------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Pairs:
    """Wide scenes with two signs, and the truth about both.

    Attributes:
        images: [N, 3, S, 2·S] in [0, 1].
        labels: [N, 2], the sign on the left and the one on the right.
        masks: [N, 2, S, 2·S] in [0, 1].
    """

    images: Tensor
    labels: Tensor
    masks: Tensor


def two_signs(left: list[int], right: list[int], *, size: int = 64, seed: int = 0, device=None) -> Pairs:
    """Wide streets with two signs: each is rendered alone, cut out by its mask and set into one background.

    Args:
        left, right: the classes, one of each a scene.
        size: height of the pictures in pixels; they are twice as wide.
        seed: the same seed gives the same scenes.
        device: where to render.
    """
    if len(left) != len(right):
        raise ValueError(f"give as many signs for the left as for the right; got {len(left)} and {len(right)}.")
    where = runtime.device(device)
    dice = Dice(len(left), runtime.generator(seed, where))
    scene = street(dice, 2 * size, 0.7)[..., size // 2 : size // 2 + size, :].clamp(0, 1)  # [N, 3, S, 2·S]
    masks = scene.new_zeros(len(left), 2, *scene.shape[2:])
    dials = signs.Dials.clean(distance=0.4, perspective=0.3, weathering=0.4, shadow=0.2)
    for k, labels in enumerate((left, right)):
        alone = signs.render(list(labels), size=size, seed=2 * seed + k, dials=dials, device=where)
        half = slice(k * size, (k + 1) * size)
        masks[:, k, :, half] = alone.masks[:, 0]
        scene[..., half] = torch.lerp(scene[..., half], alone.images, alone.masks.expand_as(alone.images))
    return Pairs(scene, torch.tensor([list(left), list(right)], device=where).T, masks)


def random_pairs(count: int, *, seed: int = 0, device=None) -> Pairs:
    """Wide scenes with two signs of different classes, drawn at random."""
    draw = runtime.generator(seed)
    left = torch.randint(len(signs.CLASSES), (count,), generator=draw)
    other = torch.randint(1, len(signs.CLASSES), (count,), generator=draw)
    return two_signs(left.tolist(), ((left + other) % len(signs.CLASSES)).tolist(), seed=seed, device=device)


def tell_apart(network: nn.Module, pairs: Pairs, methods: dict[str, Method]) -> dict[str, dict[str, Tensor]]:
    """Ask for each of two signs by its class: does the heat go to the one that was asked for?

    Returns:
        name of the method → "pointing game" → [N], the mean of the two questions of a scene; and "right sign": of the
        heat on both signs, the share on the one asked for; one half where both are cold.
    """
    found = {}
    for name, method in methods.items():
        points, shares = [], []
        for side in (0, 1):
            maps = method(network, pairs.images, pairs.labels[:, side]).clamp(min=0)
            inside = pairs.masks > 0.5  # [N, 2, S, 2·S]
            heat = (maps[:, None] * inside).sum(dim=(2, 3))  # [N, 2]
            points.append(localisation.pointing_game(maps, pairs.masks[:, side]))
            both = heat.sum(dim=1)
            half = torch.full_like(both, 0.5)
            shares.append(torch.where(both > 0, heat[:, side] / both.where(both > 0, half), half))
        found[name] = {"pointing game": sum(points) / 2, "right sign": sum(shares) / 2}
    return found
