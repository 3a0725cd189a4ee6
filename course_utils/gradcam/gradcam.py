"""Grad-CAM and its relatives: what a layer's maps say for one class, weighted by the gradient.

Serves notebook 7. Papers: Selvaraju et al. 2017, arXiv:1610.02391 (Grad-CAM, guided Grad-CAM); Chattopadhay et al.
2018, arXiv:1710.11063 (Grad-CAM++); Draelos and Carin 2020, arXiv:2011.08891 (HiResCAM); Jiang et al. 2021 (LayerCAM).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import runtime
from course_utils.arguments import as_classes, check_choice
from course_utils.gradcam.class_score import check, classes, score
from course_utils.gradcam.saliency import guided_backprop
from course_utils.layers.find import last_layer, layer_of, name_of
from course_utils.layers.hooks import replace

WEIGHTS = ("mean", "sum")


def evidence(
    network: nn.Module, images: Tensor, labels=None, *, layer: str | nn.Module | None = None, of: str = "score"
) -> tuple[Tensor, Tensor]:
    """Run the network once, and back only from the score to the layer: the graph begins at the layer's output.

    Args:
        network: takes pictures in [0, 1], answers with logits; looked at in evaluation mode, left as it was.
        images: float [N, 3, H, W] in [0, 1].
        labels: the class to explain: one for all, or [N]; None takes the class that the network reads.
        layer: the layer, or its name, with `body.` or without; None takes `last_layer`. Where a network uses a layer
            several times in one pass, its last use counts.
        of: "score" (the logit) or "probability" (after softmax).

    Returns:
        What the layer computed, A, and how the class's score changes with each number of it, ∂score/∂A: [N, C, h, w].
    """
    check(network, images)
    labels = as_classes(labels, images)
    if layer is None:
        layer = last_layer(network, images)
    name, module = name_of(network, layer).removeprefix("body."), layer_of(network, layer)
    leaves = []

    def cut(output: Tensor) -> Tensor | None:
        """Autograd's graph begins here. A copy goes on: an in-place ReLU behind the layer must not write into A."""
        if not isinstance(output, Tensor) or not output.is_floating_point():
            leaves.append(output)
            return None
        leaves.append(output.detach().clone().requires_grad_())
        return leaves[-1].clone()

    with runtime.kept(network), torch.enable_grad(), replace([module], cut):
        total = score(network(images.detach()), labels, of).sum()
        leaf = _maps_over_places(leaves, name)
        (gradient,) = torch.autograd.grad(total, leaf, allow_unused=True) if total.requires_grad else (None,)
    if gradient is None:
        raise ValueError(f"the scores do not depend on the layer {name!r}; choose one on the way to the logits.")
    return leaf.detach(), gradient


# ---- the maps --------------------------------------------------------------------------------------------------
def gradcam(
    network: nn.Module,
    images: Tensor,
    labels=None,
    *,
    layer: str | nn.Module | None = None,
    of: str = "score",
    weights: str = "mean",
    relu: bool = True,
    enlarge: bool = True,
) -> Tensor:
    """Grad-CAM: the layer's maps, each weighted with its gradient, added up: ReLU(Σₖ αₖ Aₖ).

    As it stands it is the paper's; with `of="probability", weights="sum", relu=False` it is the lecture's slide.

    Args:
        weights: "mean" (the paper) or "sum" (the slide) of ∂score/∂Aₖ over all places is αₖ.
        relu: cut off what is negative, where the layer speaks against the class.
        enlarge: bring the maps to the size of the pictures (bilinear); False leaves them [N, h, w], as they are.
        network, images, labels, layer, of: as in `evidence`.

    Returns:
        The maps, [N, H, W], not normalised; all 0 where nothing speaks for the class.

    Source: Selvaraju et al. 2017, arXiv:1610.02391, equations 1 and 2.

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-resnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> gradcam(network, stop.images, stop.labels, layer="stage4", enlarge=False).shape
    torch.Size([1, 4, 4])
    """
    check_choice("weights", weights, WEIGHTS, says="is 'mean' (the paper) or 'sum' (the slide)")
    A, gradient = evidence(network, images, labels, layer=layer, of=of)
    alpha = getattr(gradient, weights)(dim=(2, 3), keepdim=True)  # [N, C, 1, 1]
    heat = (alpha * A).sum(dim=1)  # [N, h, w]
    heat = F.relu(heat) if relu else heat
    return resize(heat, images.shape[2:]) if enlarge else heat


def gradcam_plus_plus(network: nn.Module, images: Tensor, labels=None, *, layer=None, enlarge: bool = True) -> Tensor:
    """Grad-CAM++: places whose gradient is positive count, by closed-form weights, so that several objects all show.

    The second and third derivatives are powers of the first, as the paper has it for the exponential of the score.

    Source: Chattopadhay et al. 2018, arXiv:1710.11063, equations 10 and 19.
    """
    A, gradient = evidence(network, images, labels, layer=layer)
    below = 2 * gradient**2 + A.sum(dim=(2, 3), keepdim=True) * gradient**3 + 1e-6  # [N, C, h, w]
    share = gradient**2 / below.where(below != 0, torch.ones_like(below))  # where A is negative it can be 0
    alpha = (share * F.relu(gradient)).sum(dim=(2, 3), keepdim=True)  # where the gradient is 0, so is its part
    heat = F.relu((alpha * A).sum(dim=1))
    return resize(heat, images.shape[2:]) if enlarge else heat


def hirescam(network: nn.Module, images: Tensor, labels=None, *, layer=None, enlarge: bool = True) -> Tensor:
    """HiResCAM: every place keeps its own gradient; nothing is averaged before the product. Arguments as in `gradcam`.

    Behind global average pooling and one linear layer the gradient is the same at all places, and this is Grad-CAM.

    Source: Draelos and Carin 2020, arXiv:2011.08891.

    >>> network = nn.Sequential(nn.Identity(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    >>> given = {"images": torch.rand(1, 3, 4, 4), "labels": 0, "layer": "0"}
    >>> torch.allclose(hirescam(network, **given), gradcam(network, **given))
    True
    """
    A, gradient = evidence(network, images, labels, layer=layer)
    heat = F.relu((gradient * A).sum(dim=1))
    return resize(heat, images.shape[2:]) if enlarge else heat


def layercam(network: nn.Module, images: Tensor, labels=None, *, layer=None, enlarge: bool = True) -> Tensor:
    """LayerCAM: as HiResCAM, but of the gradient only what is positive; made for early layers.

    Source: Jiang et al. 2021, "LayerCAM", IEEE Transactions on Image Processing 30, equation 6.
    """
    A, gradient = evidence(network, images, labels, layer=layer)
    heat = F.relu((F.relu(gradient) * A).sum(dim=1))
    return resize(heat, images.shape[2:]) if enlarge else heat


def guided_gradcam(network: nn.Module, images: Tensor, labels=None, *, layer=None) -> Tensor:
    """Guided Grad-CAM: guided back-propagation, the largest of red, green and blue, only where Grad-CAM is warm.

    Source: Selvaraju et al. 2017, arXiv:1610.02391, section 3.2.
    """
    labels = classes(network, images, labels)
    return guided_backprop(network, images, labels) * gradcam(network, images, labels, layer=layer)


METHODS: dict[str, Callable[..., Tensor]] = {  # name in menus and tables → function of (network, images, labels, …)
    "Grad-CAM": gradcam,
    "Grad-CAM++": gradcam_plus_plus,
    "HiResCAM": hirescam,
    "LayerCAM": layercam,
    "guided Grad-CAM": guided_gradcam,
}


def resize(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Maps [N, h, w] at another size, bilinear, as the slide's last line wants it: [N, H, W]."""
    return F.interpolate(maps[:, None], size=tuple(size), mode="bilinear", align_corners=False)[:, 0]


def _maps_over_places(leaves: list, name: str) -> Tensor:
    """The layer's output, known to be [N, C, h, w] with more than one place."""
    if not leaves:
        raise ValueError(f"the network never used its layer {name!r}; choose one on the way to the logits.")
    output = leaves[-1]
    if not isinstance(output, Tensor):
        fault = f"gives a {type(output).__name__}, not one tensor"
    elif output.ndim != 4:
        fault = f"gives {list(output.shape)}, without height and width"
    elif output.shape[2:].numel() == 1:
        fault = "has maps of 1×1, which say nothing about places"
    else:
        return output
    raise ValueError(f"the layer {name!r} {fault}; take an earlier one (gradcam.spatial_layers lists those with maps).")
