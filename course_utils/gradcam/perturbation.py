"""How good a heat map is for the network: what it reads without the hottest pixels, or with them alone.

Serves notebook 7. Papers: Petsiuk et al. 2018, arXiv:1806.07421 (deletion, insertion).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.arguments import check_whole
from course_utils.gradcam.class_score import classes, in_parts, score
from course_utils.images import blur


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
    return _exchange(network, images, lambda x: (x, torch.full_like(x, 0.5)), maps, labels, steps, seed)


def insertion(
    network: nn.Module, images: Tensor, maps: Tensor, labels=None, *, steps: int = 16, seed: int = 0
) -> Tensor:
    """Bring a blurred picture into focus from the hottest pixel down: how soon does the network read the class?

    Arguments: as in `deletion`.

    Returns:
        The probability of the class, [N, steps + 1]: all blurred first, untouched last. A good map rises early.

    Source: Petsiuk et al. 2018, arXiv:1806.07421, section 4.2.
    """
    return _exchange(network, images, lambda x: (blur(x, x.shape[-2] / 10), x), maps, labels, steps, seed)


def area(curves: Tensor) -> Tensor:
    """The area under each curve [N, steps + 1] over the share of pixels, [N] in [0, 1], by the trapezoid rule."""
    return (curves[:, 1:] + curves[:, :-1]).mean(dim=1) / 2


@torch.no_grad()
def _exchange(network, images: Tensor, ends, maps: Tensor, labels, steps: int, seed: int) -> Tensor:
    """The probability of the class while a picture's one end becomes the other, the hottest pixels first."""
    check_whole("steps", steps)
    labels = classes(network, images, labels)
    wanted = [len(images), *images.shape[2:]]
    if not isinstance(maps, Tensor) or list(maps.shape) != wanted:
        got = list(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise ValueError(f"maps must be {wanted}, one for each picture and of its size; got {got}.")
    pixels = maps[0].numel()
    shuffled = torch.randperm(pixels, generator=runtime.generator(seed, maps.device), device=maps.device)
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
