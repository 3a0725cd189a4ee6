"""The sanity check: throw a network's weights away from the top down, and see how much its maps still look alike.

Serves notebook 7. Papers: Adebayo et al. 2018, arXiv:1810.03292; Wang et al. 2004 (SSIM).
"""

from __future__ import annotations

import copy
from collections import ChainMap

import numpy as np
import torch
from scipy import stats
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
    parts = _with_weights(getattr(network, "body", network))
    if len(parts) < 3:  # such as AlexNet's features and classifier: go one level deeper
        deeper = [_with_weights(part, f"{name}.") for name, part in parts.items()]
        parts = dict(ChainMap(*deeper)) or parts
    order: list[str] = []
    with runtime.kept(network), torch.no_grad(), watch(parts, before=lambda name, _: order.append(name)):
        network(images[:1])
    return list(dict.fromkeys(reversed(order)))


def _with_weights(module: nn.Module, prefix: str = "") -> dict[str, nn.Module]:
    return {prefix + name: part for name, part in module.named_children() if next(part.parameters(), None) is not None}


def randomise(network: nn.Module, parts: list[str], seed: int = 0) -> nn.Module:
    """A copy of a network in which some parts have fresh random weights, as before any training.

    Args:
        network: stays as it is.
        parts: names, as `cascade` gives them.

    Source: Adebayo et al. 2018, arXiv:1810.03292, section 3.

    >>> network = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    >>> [torch.equal(a, b) for a, b in zip(network.parameters(), randomise(network, ["1"]).parameters())]
    [True, True, False, False]
    """
    forgetful = copy.deepcopy(network)
    layers = [layer for name in parts for layer in layer_of(forgetful, name).modules()]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.default_generator.manual_seed(seed)  # layers draw from torch's own generator, on the processor
        for layer in (layer for layer in layers if hasattr(layer, "reset_parameters")):
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
    ranks = (stats.rankdata(_numbers(maps.flatten(1)), axis=1) for maps in (first, second))
    x, y = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    norms = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    alike = (x * y).sum(axis=1) / np.where(norms > 0, norms, 1)
    return torch.tensor(alike.tolist(), dtype=torch.float32, device=first.device)


def ssim(first: Tensor, second: Tensor) -> Tensor:
    """The structural similarity of maps [N, H, W] in [0, 1], [N] in [-1, 1], in windows of 7×7 pixels; scikit-image's.

    Source: Wang et al. 2004, "Image Quality Assessment: From Error Visibility to Structural Similarity".
    """
    from skimage.metrics import structural_similarity  # here, because it is slow to import and only this needs it

    check_alike("first", first, "second", second)
    pairs = zip(_numbers(first), _numbers(second), strict=True)
    alike = [structural_similarity(*pair, data_range=1.0) for pair in pairs]
    return torch.tensor(alike, dtype=torch.float32, device=first.device)


def _numbers(maps: Tensor) -> np.ndarray:
    """Maps of any type, on any device, as numpy and its friends take them."""
    return maps.detach().float().cpu().numpy().astype(np.float64)  # some devices have no float64


def likeness(first: Tensor, second: Tensor) -> dict[str, Tensor]:
    """How alike two batches of maps are: "rank correlation" and "SSIM" (of the stretched maps), [N] each."""
    return {"rank correlation": rank_correlation(first, second), "SSIM": ssim(normalise(first), normalise(second))}
