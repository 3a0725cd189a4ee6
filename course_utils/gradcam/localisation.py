"""How good a heat map is, where the truth is known: scores against masks, against the network, and likeness of maps.

Serves notebook 7. Papers: Zhang et al. 2016, arXiv:1608.00507 (pointing game); Wang et al. 2020, arXiv:1910.01279
(energy inside); Petsiuk et al. 2018, arXiv:1806.07421 (deletion, insertion); Wang et al. 2004 (SSIM).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import runtime
from course_utils.gradcam import saliency


# ---- against the truth: where the sign is ----------------------------------------------------------------------
def pointing_game(maps: Tensor, masks: Tensor) -> Tensor:
    """Does the hottest pixel lie on the sign? 1 or 0; where several are as hot, the share of them that does.

    So a map that is the same everywhere scores the mask's share of the picture: what a blind finger would hit.

    Args:
        maps: float [N, H, W]; what is below 0 counts as 0.
        masks: [N, 1, H, W] or [N, H, W] in [0, 1]; a pixel is the sign's where more than half of it is.

    Returns:
        [N] in [0, 1].

    Raises:
        ValueError, TypeError: shapes that do not fit, a map with NaN, a mask without a pixel of the sign.

    Source: Zhang et al. 2016, arXiv:1608.00507, section 4.2; here without a margin round the mask.
    """
    maps, inside = _checked(maps, masks)
    hottest = maps == maps.amax(dim=1, keepdim=True)  # [N, H·W]
    return (hottest & inside).sum(dim=1) / hottest.sum(dim=1)


def energy_inside(maps: Tensor, masks: Tensor) -> Tensor:
    """Which share of the map's heat lies on the sign? A map of zeros counts as one that is the same everywhere.

    Arguments, returns and errors: as in `pointing_game`.

    Source: Wang et al. 2020, arXiv:1910.01279, section 4.3.
    """
    maps, inside = _checked(maps, masks)
    total = maps.sum(dim=1)
    share = inside.float().mean(dim=1)
    return torch.where(total > 0, (maps * inside).sum(dim=1) / total.where(total > 0, torch.ones_like(total)), share)


def best_iou(maps: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union of sign and heat, cut at whatever threshold suits this map best.

    Every threshold that makes a difference is tried: the pixels are sorted once. A threshold chosen with the truth in
    hand flatters every map, the blind ones too; so compare it with theirs. Arguments, returns, errors: as in
    `pointing_game`.
    """
    maps, inside = _checked(maps, masks)
    heat, order = maps.sort(dim=1, descending=True, stable=True)
    hits = inside.gather(1, order).cumsum(dim=1)  # [N, H·W], the sign's pixels among the k hottest
    taken = torch.arange(1, maps.shape[1] + 1, device=maps.device)
    iou = hits / (taken + inside.sum(dim=1, keepdim=True) - hits)
    ends = torch.ones_like(inside)  # pixels that are equally hot are taken together or not at all
    ends[:, :-1] = heat[:, 1:] < heat[:, :-1]
    return iou.where(ends, torch.zeros_like(iou)).amax(dim=1)


SCORES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # name in tables → function of (maps, masks)
    "pointing game": pointing_game,
    "energy inside": energy_inside,
    "best IoU": best_iou,
}


# ---- against the network: what it does without the hottest pixels ----------------------------------------------
@torch.no_grad()
def deletion(
    network: nn.Module, images: Tensor, maps: Tensor, labels=None, *, steps: int = 16, seed: int = 0
) -> Tensor:
    """Paint the picture grey from the hottest pixel down: how long does the network still read the class?

    Args:
        network: takes pictures in [0, 1], answers with logits; looked at in evaluation mode, left as it was.
        images: float [N, 3, H, W] in [0, 1].
        maps: float [N, H, W].
        labels: the classes, as in `saliency.vanilla_gradient`.
        steps: how many equal portions the pixels are taken in, at least 1.
        seed: of the order among pixels that are equally hot.

    Returns:
        The probability of the class, [N, steps + 1]: untouched first, all grey last. A good map falls early.

    Source: Petsiuk et al. 2018, arXiv:1806.07421, section 4.2.
    """
    _check_walk(network, images, maps, steps)
    return _walked(network, images, images, torch.full_like(images, 0.5), maps, labels, steps, seed)


@torch.no_grad()
def insertion(
    network: nn.Module, images: Tensor, maps: Tensor, labels=None, *, steps: int = 16, seed: int = 0
) -> Tensor:
    """Bring a blurred picture into focus from the hottest pixel down: how soon does the network read the class?

    Arguments: as in `deletion`.

    Returns:
        The probability of the class, [N, steps + 1]: all blurred first, untouched last. A good map rises early.

    Source: Petsiuk et al. 2018, arXiv:1806.07421, section 4.2.
    """
    _check_walk(network, images, maps, steps)
    return _walked(network, images, blurred(images, images.shape[-2] / 10), images, maps, labels, steps, seed)


def area(curves: Tensor) -> Tensor:
    """The area under each curve [N, steps + 1] over the share of pixels, [N] in [0, 1], by the trapezoid rule."""
    return (curves[:, 1:] + curves[:, :-1]).mean(dim=1) / 2


def _walked(network, images: Tensor, start: Tensor, end: Tensor, maps: Tensor, labels, steps: int, seed: int) -> Tensor:
    """The probability of the class while the pixels of `start` are exchanged for those of `end`, hottest first."""
    labels = saliency.classes(network, images, labels)
    draw = runtime.generator(seed, maps.device)
    shuffled = torch.randperm(maps[0].numel(), generator=draw, device=maps.device)
    order = shuffled[maps.flatten(1)[:, shuffled].argsort(dim=1, descending=True, stable=True)]  # [N, H·W]
    rank = order.argsort(dim=1).view_as(maps)  # 0 is the hottest
    ends = torch.arange(steps + 1, device=maps.device) * maps[0].numel() / steps

    def curve(first: Tensor, last: Tensor, ranks: Tensor, wanted: Tensor) -> Tensor:
        changed = ranks[:, None] < ends.view(-1, 1, 1)  # [n, steps + 1, H, W]
        way = torch.where(changed[:, :, None], last[:, None], first[:, None])  # [n, steps + 1, 3, H, W]
        answers = network(way.flatten(0, 1))
        return saliency.score(answers, wanted.repeat_interleave(steps + 1), "probability").view(-1, steps + 1)

    with runtime.kept(network):
        return saliency.in_parts(curve, start, end, rank, labels, copies=steps + 1)


def blurred(images: Tensor, sigma: float) -> Tensor:
    """Pictures [N, C, H, W] seen out of focus: a Gaussian of this standard deviation, in pixels."""
    reach = max(1, round(2.5 * sigma))
    x = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    bell = torch.exp(-0.5 * (x / sigma) ** 2)
    bell = (bell / bell.sum()).expand(images.shape[1], 1, 1, -1)  # [C, 1, 1, 2·reach + 1]
    padded = F.pad(images, (reach,) * 4, mode="replicate")
    across = F.conv2d(padded, bell, groups=images.shape[1])
    return F.conv2d(across, bell.transpose(2, 3), groups=images.shape[1])


# ---- how alike two maps are ------------------------------------------------------------------------------------
def rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Spearman's correlation of two maps' pixels, [N] in [-1, 1]; 0 where one of them is the same everywhere.

    Args:
        first, second: [N, H, W]; equal pixels share their middle rank.
    """
    ranks = []
    for maps in (first, second):
        flat = maps.flatten(1).contiguous()
        ordered = flat.sort(dim=1).values
        below, upto = (torch.searchsorted(ordered, flat, side=side) for side in ("left", "right"))
        middle = (below + upto).to(runtime.exact_dtype(maps.device))
        ranks.append(middle - middle.mean(dim=1, keepdim=True))
    lengths = ranks[0].norm(dim=1) * ranks[1].norm(dim=1)
    return ((ranks[0] * ranks[1]).sum(dim=1) / lengths.where(lengths > 0, torch.ones_like(lengths))).float()


def ssim(first: Tensor, second: Tensor, window: int = 7) -> Tensor:
    """The structural similarity of two maps in [0, 1], [N] in [-1, 1]; equals scikit-image's.

    Args:
        first, second: [N, H, W], such as `saliency.normalised` gives.
        window: side of the square over which it is taken, in pixels.

    Source: Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity".
    """
    x, y = (maps[:, None].to(runtime.exact_dtype(maps.device)) for maps in (first, second))
    x_mean, y_mean = F.avg_pool2d(x, window, 1), F.avg_pool2d(y, window, 1)
    fair = window**2 / (window**2 - 1)  # the sample's variance, not the window's
    xx, yy, xy = (fair * F.avg_pool2d(product, window, 1) for product in (x * x, y * y, x * y))
    x_spread, y_spread, both = xx - fair * x_mean**2, yy - fair * y_mean**2, xy - fair * x_mean * y_mean
    small, smaller = 0.01**2, 0.03**2
    light = (2 * x_mean * y_mean + small) / (x_mean**2 + y_mean**2 + small)
    structure = (2 * both + smaller) / (x_spread + y_spread + smaller)
    return (light * structure).mean(dim=(1, 2, 3)).float()


def likeness(first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """How alike two batches of maps are: "rank correlation" and "SSIM" (of the stretched maps), [N] each."""
    stretched = saliency.normalised(first), saliency.normalised(second)
    return {"rank correlation": rank_correlation(first, second), "SSIM": ssim(*stretched)}


# ---- what can be wrong -----------------------------------------------------------------------------------------
def _checked(maps: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
    """Maps [N, H·W], at least 0, and whether each pixel is the sign's, [N, H·W]."""
    if not isinstance(maps, Tensor) or maps.ndim != 3:
        got = list(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise TypeError(f"maps must be a tensor [N, H, W], as gradcam.gradcam gives it; got {got}.")
    masks = masks[:, 0] if masks.ndim == 4 else masks
    if masks.shape != maps.shape:
        raise ValueError(f"maps and masks must have one shape; got {list(maps.shape)} and {list(masks.shape)}.")
    if not maps.isfinite().all():
        raise ValueError("maps holds NaN or infinity; look where it was divided by 0.")
    inside = masks.flatten(1) > 0.5
    if not inside.any(dim=1).all():
        raise ValueError("a mask shows no sign at all, so nothing can be hit; leave that scene out.")
    return maps.flatten(1).clamp(min=0), inside


def _check_walk(network: nn.Module, images: Tensor, maps: Tensor, steps: int) -> None:
    saliency.check(network, images, steps=steps)
    wanted = [len(images), *images.shape[2:]]
    if not isinstance(maps, Tensor) or list(maps.shape) != wanted:
        got = list(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise ValueError(f"maps must be {wanted}, one for each picture and of its size; got {got}.")
