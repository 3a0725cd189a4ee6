"""The sanity check: throw a network's weights away from the top down, and see how much its maps still look alike.

Serves notebook 7. Papers: Adebayo et al. 2018, arXiv:1810.03292; Wang et al. 2004 (SSIM).
"""

from __future__ import annotations

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import runtime
from course_utils.arguments import check_alike
from course_utils.gradcam.saliency import normalise
from course_utils.layers.find import layer_of
from course_utils.layers.hooks import watch


# ---- weights thrown away ---------------------------------------------------------------------------------------
def cascade(network: nn.Module, images: Tensor) -> list[str]:
    """The parts of a network from the top (the logits) down, in the order in which the check throws weights away.

    Args:
        network: its outermost parts that hold weights are named, `body` opened first.
        images: any batch that it can take, to see the order of computation.

    >>> from course_utils import zoo
    >>> cascade(zoo.load("signs-resnet", device="cpu"), torch.zeros(1, 3, 64, 64))
    ['classifier', 'stage4', 'stage3', 'stage2', 'stage1', 'stem']
    """
    body = getattr(network, "body", network)
    parts = _with_weights(body)
    if len(parts) < 3:  # such as AlexNet's features and classifier: go one level deeper
        deeper = {
            f"{name}.{inner}": leaf for name, part in parts.items() for inner, leaf in _with_weights(part).items()
        }
        parts = deeper or parts
    order: list[str] = []
    watching = watch(parts, before=lambda name, _inputs: order.append(name))
    with runtime.kept(network), torch.no_grad(), watching:
        network(images[:1])
    return list(dict.fromkeys(reversed(order)))


def _with_weights(module: nn.Module) -> dict[str, nn.Module]:
    return {name: part for name, part in module.named_children() if any(True for _ in part.parameters())}


def randomise(network: nn.Module, parts: list[str], seed: int = 0) -> nn.Module:
    """A copy of a network in which some parts have fresh random weights, as before any training.

    Args:
        network: stays as it is.
        parts: names, as `cascade` gives them.
        seed: of the weights.

    Source: Adebayo et al. 2018, arXiv:1810.03292, section 3.

    >>> network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    >>> [torch.equal(a, b) for a, b in zip(network.parameters(), randomise(network, ["1"]).parameters())]
    [True, True, False, False]
    """
    forgetful = copy.deepcopy(network)
    chosen = [layer_of(forgetful, name) for name in parts]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)  # layers draw from torch's own generator, on the processor
        for part in chosen:
            for layer in part.modules():
                if hasattr(layer, "reset_parameters"):
                    where = next(layer.parameters(), torch.empty(0)).device
                    layer.to("cpu").reset_parameters()
                    if isinstance(layer, (nn.Conv2d, nn.Linear)):  # torch's own start is too small to reach the top
                        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                    layer.to(where)
    return forgetful


# ---- how alike two maps are ------------------------------------------------------------------------------------
def rank_correlation(first: Tensor, second: Tensor) -> Tensor:
    """Spearman's correlation of two maps' pixels, [N] in [-1, 1]; 0 where one of them is the same everywhere.

    Args:
        first, second: [N, H, W]; equal pixels share their middle rank.

    >>> maps = torch.rand(1, 4, 4)
    >>> rank_correlation(maps, maps.exp())
    tensor([1.])
    """
    check_alike("first", first, "second", second)
    ranks = []
    for maps in (first, second):
        flat = maps.flatten(1).contiguous()
        ordered = flat.sort(dim=1).values
        below, upto = (torch.searchsorted(ordered, flat, side=side) for side in ("left", "right"))
        middle = (below + upto).to(runtime.exact_dtype(maps.device))
        ranks.append(middle - middle.mean(dim=1, keepdim=True))
    norms = ranks[0].norm(dim=1) * ranks[1].norm(dim=1)
    return ((ranks[0] * ranks[1]).sum(dim=1) / norms.where(norms > 0, torch.ones_like(norms))).float()


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """The structural similarity of two maps in [0, 1], [N] in [-1, 1]; scikit-image's, which takes one pair at a time.

    Args:
        first, second: [N, H, W], such as `saliency.normalise` gives.

    Source: Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity"; in windows of
    7×7 pixels.
    """
    check_alike("first", first, "second", second)
    x, y = (maps[:, None].to(runtime.exact_dtype(maps.device)) for maps in (first, second))
    x_mean, y_mean = F.avg_pool2d(x, 7, 1), F.avg_pool2d(y, 7, 1)
    fair = 49 / 48  # the sample's variance, not the window's
    xx, yy, xy = (fair * F.avg_pool2d(product, 7, 1) for product in (x * x, y * y, x * y))
    x_spread, y_spread, both = xx - fair * x_mean**2, yy - fair * y_mean**2, xy - fair * x_mean * y_mean
    small, smaller = 0.01**2, 0.03**2
    light = (2 * x_mean * y_mean + small) / (x_mean**2 + y_mean**2 + small)
    structure = (2 * both + smaller) / (x_spread + y_spread + smaller)
    return (light * structure).mean(dim=(1, 2, 3)).float()


def likeness(first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """How alike two batches of maps are: "rank correlation" and "SSIM" (of the stretched maps), [N] each."""
    return {"rank correlation": rank_correlation(first, second), "SSIM": ssim(normalise(first), normalise(second))}
