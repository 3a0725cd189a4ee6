"""How good a heat map is where the truth is known: three scores against the mask of the sign.

Serves notebook 7. Papers: Zhang et al. 2016, arXiv:1608.00507 (pointing game); Wang et al. 2020, arXiv:1910.01279
(energy inside).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def pointing_game(maps: Tensor, masks: Tensor) -> Tensor:
    """Does the hottest pixel lie on the sign? 1 or 0, [N]; where several are as hot, the share of them that does.

    So a map that is the same everywhere scores the mask's share of the picture: what a blind finger would hit.

    Args:
        maps: float [N, H, W]; what is below 0 counts as 0.
        masks: [N, 1, H, W] or [N, H, W] in [0, 1]; a pixel is the sign's where more than half of it is.

    Source: Zhang et al. 2016, arXiv:1608.00507, section 4.2; here without a margin round the mask.

    >>> maps, masks = torch.tensor([[[0.0, 1.0, 3.0]]]), torch.tensor([[[0.0, 0.0, 1.0]]])
    >>> pointing_game(maps, masks)
    tensor([1.])
    """
    maps, inside = _check(maps, masks)
    hottest = maps == maps.amax(dim=1, keepdim=True)  # [N, H·W]
    return (hottest & inside).sum(dim=1) / hottest.sum(dim=1)


def energy_inside(maps: Tensor, masks: Tensor) -> Tensor:
    """Which share of a map's heat lies on the sign, as in `pointing_game`? A map of zeros counts as one all alike.

    Source: Wang et al. 2020, arXiv:1910.01279, section 4.3.

    >>> energy_inside(torch.tensor([[[0.0, 1.0, 3.0]]]), torch.tensor([[[0.0, 0.0, 1.0]]]))
    tensor([0.7500])
    """
    maps, inside = _check(maps, masks)
    total, share = maps.sum(dim=1), inside.float().mean(dim=1)
    return torch.where(total > 0, (maps * inside).sum(dim=1) / total, share)


def best_iou(maps: Tensor, masks: Tensor) -> Tensor:
    """Intersection over union of sign and heat, cut at whatever threshold suits this map best.

    Every threshold that makes a difference is tried: the pixels are sorted once. A threshold chosen with the truth in
    hand flatters every map, the blind ones too; so compare it with theirs.
    """
    maps, inside = _check(maps, masks)
    heat, order = maps.sort(dim=1, descending=True, stable=True)
    hits = inside.gather(1, order).cumsum(dim=1)  # [N, H·W], the sign's pixels among the k hottest
    taken = torch.arange(1, maps.shape[1] + 1, device=maps.device)
    iou = hits / (taken + inside.sum(dim=1, keepdim=True) - hits)
    ends = torch.ones_like(inside)  # pixels that are equally hot are taken together or not at all
    ends[:, :-1] = heat[:, 1:] < heat[:, :-1]
    return (iou * ends).amax(dim=1)


SCORES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {  # name in tables → function of (maps, masks)
    "pointing game": pointing_game,
    "energy inside": energy_inside,
    "best IoU": best_iou,
}


def _check(maps: Tensor, masks: Tensor) -> tuple[Tensor, Tensor]:
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
