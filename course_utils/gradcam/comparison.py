"""Heat maps compared: all methods and four blind baselines, scored on scenes whose masks are known, with error bars.

Serves notebook 7. Papers: Adebayo et al. 2018, arXiv:1810.03292 (edges and random weights); Petsiuk et al. 2018,
arXiv:1806.07421 (deletion, insertion); Wilson 1927 (the interval of a share); Student 1908 (that of a mean).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor, nn

from course_utils import runtime, signs
from course_utils.arguments import check_whole
from course_utils.gradcam import saliency
from course_utils.gradcam.class_score import classes, in_parts, score
from course_utils.gradcam.gradcam import METHODS, gradcam, resize
from course_utils.gradcam.localisation import SCORES
from course_utils.gradcam.sanity import cascade, randomise
from course_utils.images import blur

Method = Callable[[nn.Module, Tensor, Tensor], Tensor]  # (network, images, labels) → maps
DIALS = signs.Dials(distance=0.7)  # the world of the comparison: signs of all sizes, some far off the centre
HITS = ("pointing game",)  # scores that count hits: a share of scenes; the others are means


# ---- what no skill at all scores: beside these every method has to be seen ---------------------------------------
def centre(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The blind guess of who takes photographs: hot in the middle, colder outwards, [N, H, W]; looks at nothing.

    >>> round(centre(None, torch.zeros(1, 3, 5, 5), None)[0, 2, 2].item(), 6)
    1.0
    """
    height, width = images.shape[2:]
    y = torch.linspace(-1, 1, height, device=images.device).view(-1, 1)
    x = torch.linspace(-1, 1, width, device=images.device)
    return torch.exp(-2 * (x**2 + y**2)).expand(len(images), -1, -1)


def sobel_edges(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """How strong the edges are, [N, H, W]: looks at the picture and at no network (Sobel's filter, on grey)."""
    filters = images.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    filters = torch.stack([filters, filters.T])[:, None]  # [2, 1, 3, 3]
    grey = F.pad(images.mean(dim=1, keepdim=True), (1,) * 4, mode="replicate")
    return F.conv2d(grey, filters).norm(dim=1)


def random_blobs(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Dice, as coarse as Grad-CAM's map: 4×4 random numbers, enlarged, [N, H, W]; looks at nothing."""
    draw = runtime.generator(0, images.device)
    return resize(torch.rand(len(images), 4, 4, generator=draw, device=images.device), images.shape[2:])


def untrained(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Grad-CAM of the same network before it has learnt anything, [N, H, W]: looks with random weights."""
    return gradcam(randomise(network, cascade(network, images)), images, classes(network, images, labels))


BASELINES: dict[str, Method] = {
    "centre": centre,
    "Sobel edges": sobel_edges,
    "random": random_blobs,
    "untrained network": untrained,
}


# ---- how good a map is for the network: what it reads without the hottest pixels, or with them alone ---------------
def deletion(network: nn.Module, images: Tensor, maps: Tensor, labels=None, *, steps: int = 16) -> Tensor:
    """Paint the picture grey from the hottest pixel down: how long does the network still read the class?

    Args:
        network, images, labels: as in `saliency.vanilla_gradient`.
        maps: float [N, H, W]; pixels that are equally hot go in a random order, the same at every call.
        steps: how many equal portions the pixels are taken in, at least 1.

    Returns:
        The probability of the class, [N, steps + 1]: untouched first, all grey last. A good map falls early.

    Source: Petsiuk et al. 2018, arXiv:1806.07421, section 4.2.
    """
    return _exchange(network, images, lambda x: (x, torch.full_like(x, 0.5)), maps, labels, steps)


def insertion(network: nn.Module, images: Tensor, maps: Tensor, labels=None, *, steps: int = 16) -> Tensor:
    """Bring a blurred picture into focus from the hottest pixel down: how soon does the network read the class?

    Arguments and returns: as in `deletion`, all blurred first, untouched last. A good map rises early.

    Source: Petsiuk et al. 2018, arXiv:1806.07421, section 4.2.
    """
    return _exchange(network, images, lambda x: (blur(x, x.shape[-2] / 10), x), maps, labels, steps)


def area(curves: Tensor) -> Tensor:
    """The area under each curve [N, steps + 1] over the share of pixels, [N] in [0, 1], by the trapezoid rule."""
    return (curves[:, 1:] + curves[:, :-1]).mean(dim=1) / 2


@torch.no_grad()
def _exchange(network, images: Tensor, ends, maps: Tensor, labels, steps: int) -> Tensor:
    """The probability of the class while a picture's one end becomes the other, the hottest pixels first."""
    check_whole("steps", steps)
    labels = classes(network, images, labels)
    wanted = [len(images), *images.shape[2:]]
    if not isinstance(maps, Tensor) or list(maps.shape) != wanted:
        got = list(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise ValueError(f"maps must be {wanted}, one for each picture and of its size; got {got}.")
    pixels = maps[0].numel()
    shuffled = torch.randperm(pixels, generator=runtime.generator(0, maps.device), device=maps.device)
    order = shuffled[maps.flatten(1)[:, shuffled].argsort(dim=1, descending=True, stable=True)]  # [N, H·W]
    rank = order.argsort(dim=1).view_as(maps)  # 0 is the hottest
    gone = torch.arange(steps + 1, device=maps.device).view(-1, 1, 1) * pixels / steps  # pixels, behind each step

    def curve(first: Tensor, last: Tensor, ranks: Tensor, wanted: Tensor) -> Tensor:
        changed = ranks[:, None] < gone  # [n, steps + 1, H, W]
        way = torch.where(changed[:, :, None], last[:, None], first[:, None])  # [n, steps + 1, 3, H, W]
        answers = network(way.flatten(0, 1))
        return score(answers, wanted.repeat_interleave(steps + 1), "probability").view(-1, steps + 1)

    with runtime.kept(network):
        return in_parts(curve, *ends(images), rank, labels, copies=steps + 1)


# ---- the comparison ----------------------------------------------------------------------------------------------
def methods(coarse: str = "stage4", fine: str = "stage3") -> dict[str, Method]:
    """Everything that is scored, by its name in the tables: maps from gradients, from layers, and the baselines.

    Args:
        coarse, fine: the last layer and the one before, for networks that call them otherwise than `signs-resnet`.

    >>> len(methods())
    16
    """
    cams = {f"{name}, {fine}": partial(method, layer=fine) for name, method in METHODS.items()}
    return {**saliency.METHODS, f"Grad-CAM, {coarse}": partial(gradcam, layer=coarse), **cams, **BASELINES}


def compare(
    network: nn.Module, scenes: signs.Scenes, chosen: Mapping[str, Method], walks: int
) -> dict[str, dict[str, Tensor]]:
    """Score methods on scenes with known masks.

    Args:
        network: whose answers are explained, each scene for its true class.
        chosen: name → method.
        walks: take pixels away in the first so many scenes only.

    Returns:
        name of the method → name of the score → a number for each scene, [N]: those of `localisation.SCORES`, and
        "deletion" and "insertion", the areas under the curves, [walks].
    """
    found, images, labels = {}, scenes.images, scenes.labels
    for name, method in chosen.items():
        maps = method(network, images, labels)
        found[name] = {kind: of(maps, scenes.masks) for kind, of in SCORES.items()}
        for walk in (deletion, insertion):
            found[name][walk.__name__] = area(walk(network, images[:walks], maps[:walks], labels[:walks]))
    return found


class Interval(NamedTuple):
    """A mean over scenes, and where the true mean may lie: bars made like this hold it 95 times in 100, or more."""

    mean: float
    low: float
    high: float


def interval(kind: str, values: Tensor) -> Interval:
    """The mean of a score over scenes, with its 95 % interval.

    A share of hits has Wilson's interval, which stays right near 0 and 1, where that of a mean shrinks to a point. A
    scene may count in part (two pixels equally hot, two questions): it varies less than a hit, so this is the safe
    side; the sum is rounded. A mean has Student's t interval.

    Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference"; Student 1908, "The
    probable error of a mean".

    >>> interval("pointing game", torch.ones(60))
    Interval(mean=1.0, low=0.93..., high=1.0)
    """
    scores = torch.as_tensor(values).cpu().double().numpy()  # in this order: not every device has float64
    if kind in HITS:
        ends = stats.binomtest(round(scores.sum()), len(scores)).proportion_ci(method="wilson")
        return Interval(float(scores.mean()), float(ends.low), float(ends.high))
    mean, half = float(scores.mean()), float(stats.t.ppf(0.975, len(scores) - 1) * stats.sem(scores))
    return Interval(mean, mean - half, mean + half)


def load_table(name: str) -> dict:
    """A table that ships, made by scripts/results_gradcam.py: "scores", "pairs", "nuisances", "layers", "sanity".

    Of photographs: "collages", "collage_layers", "sanity_photographs".

    >>> load_table("pairs")["scenes"]
    60
    """
    return json.loads((runtime.DATA / "gradcam" / f"{name}.json").read_text(encoding="utf-8"))
