"""Grad-CAM and its relatives: what a layer's maps say for one class, weighted by the gradient.

Serves notebook 7. Papers: Selvaraju et al. 2017, arXiv:1610.02391 (Grad-CAM, guided Grad-CAM); Chattopadhay et al.
2018, arXiv:1710.11063 (Grad-CAM++); Draelos and Carin 2020, arXiv:2011.08891 (HiResCAM); Jiang et al. 2021 (LayerCAM).
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import runtime
from course_utils.gradcam import saliency

WEIGHTS = ("mean", "sum")
SIDEWAYS = (nn.Identity, nn.Dropout, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


@dataclass(frozen=True)
class Evidence:
    """What a layer computed, and how the class's score changes with each number of it; without gradients."""

    activation: Tensor  # A, [N, C, h, w]
    gradient: Tensor  # ∂score/∂A, [N, C, h, w]
    logits: Tensor  # [N, classes]


def evidence(
    network: nn.Module, images: Tensor, labels=None, *, layer: str | nn.Module | None = None, of: str = "score"
) -> Evidence:
    """Run the network once, and back only from the score to the layer: the graph begins at the layer's output.

    Args:
        network: takes pictures in [0, 1], answers with logits; looked at in evaluation mode, left as it was.
        images: float [N, 3, H, W] in [0, 1].
        labels: the class to explain: one for all, or [N]; None takes the class that the network reads.
        layer: the layer, or its name, with `body.` or without; None takes `last_layer`. Where a network uses a layer
            several times in one pass, its last use counts.
        of: "score" (the logit) or "probability" (after softmax).

    Raises:
        ValueError, TypeError: an argument is out of its range, or the layer has no maps over places.
    """
    saliency.check(network, images)
    labels = saliency.as_classes(labels, images)
    if layer is None:
        layer = last_layer(network, images)
    name, module = _found(network, layer)
    with runtime.kept(network), torch.enable_grad(), _cut_behind(module) as leaves:
        logits = network(images.detach())
        leaf = _maps_over_places(leaves, name)
        total = saliency.score(logits, labels, of).sum()
        (gradient,) = torch.autograd.grad(total, leaf, allow_unused=True) if total.requires_grad else (None,)
    if gradient is None:
        raise ValueError(f"the scores do not depend on the layer {name!r}; choose one on the way to the logits.")
    return Evidence(leaf.detach(), gradient, logits.detach())


@contextmanager
def _cut_behind(module: nn.Module) -> Iterator[list]:
    """Inside, autograd's graph begins at this module's output, which is kept; the hook is gone afterwards.

    What goes on through the network is a copy: an in-place ReLU behind the layer does not write into what was kept.
    """
    leaves = []

    def cut(_module, _inputs, output):
        if not isinstance(output, Tensor) or not output.is_floating_point():
            leaves.append(output)
            return None
        leaves.append(output.detach().clone().requires_grad_())
        return leaves[-1].clone()

    hook = module.register_forward_hook(cut)
    try:
        yield leaves
    finally:
        hook.remove()


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

    Raises:
        ValueError, TypeError: an argument is out of its range, with a sentence that says which.

    Source: Selvaraju et al. 2017, arXiv:1610.02391, equations 1 and 2.
    """
    if weights not in WEIGHTS:
        raise ValueError(f"weights is 'mean' (the paper) or 'sum' (the slide); got {weights!r}.")
    seen = evidence(network, images, labels, layer=layer, of=of)
    alpha = getattr(seen.gradient, weights)(dim=(2, 3))  # [N, C]
    return _finished((alpha[:, :, None, None] * seen.activation).sum(dim=1), images, relu, enlarge)


def gradcam_plus_plus(
    network: nn.Module, images: Tensor, labels=None, *, layer=None, of: str = "score", relu=True, enlarge=True
) -> Tensor:
    """Grad-CAM++: places whose gradient is positive count, by closed-form weights, so that several objects all show.

    Arguments, returns and errors: as in `gradcam`. The second and third derivatives are powers of the first, as the
    paper has it for the exponential of the score.

    Source: Chattopadhay et al. 2018, arXiv:1710.11063, equations 10 and 19.
    """
    seen = evidence(network, images, labels, layer=layer, of=of)
    gradient, total = seen.gradient, seen.activation.sum(dim=(2, 3), keepdim=True)  # [N, C, h, w], [N, C, 1, 1]
    below = 2 * gradient**2 + total * gradient**3 + 1e-6
    share = gradient**2 / below.where(below != 0, torch.ones_like(below))  # where A is negative it can be 0
    alpha = (share * gradient.clamp(min=0)).sum(dim=(2, 3))  # [N, C]; where the gradient is 0, so is its part
    return _finished((alpha[:, :, None, None] * seen.activation).sum(dim=1), images, relu, enlarge)


def hirescam(
    network: nn.Module, images: Tensor, labels=None, *, layer=None, of: str = "score", relu=True, enlarge=True
) -> Tensor:
    """HiResCAM: every place keeps its own gradient; nothing is averaged before the product.

    Behind global average pooling and one linear layer the gradient is the same at all places, and this is Grad-CAM.
    Arguments, returns and errors: as in `gradcam`.

    Source: Draelos and Carin 2020, arXiv:2011.08891.
    """
    seen = evidence(network, images, labels, layer=layer, of=of)
    return _finished((seen.gradient * seen.activation).sum(dim=1), images, relu, enlarge)


def layercam(
    network: nn.Module, images: Tensor, labels=None, *, layer=None, of: str = "score", relu=True, enlarge=True
) -> Tensor:
    """LayerCAM: as HiResCAM, but of the gradient only what is positive; made for early layers.

    Arguments, returns and errors: as in `gradcam`.

    Source: Jiang et al. 2021, "LayerCAM", IEEE Transactions on Image Processing 30, equation 6.
    """
    seen = evidence(network, images, labels, layer=layer, of=of)
    return _finished((seen.gradient.clamp(min=0) * seen.activation).sum(dim=1), images, relu, enlarge)


def guided_gradcam(
    network: nn.Module, images: Tensor, labels=None, *, layer=None, of: str = "score", per_channel: bool = False
) -> Tensor:
    """Guided Grad-CAM: guided back-propagation, shown only where Grad-CAM is warm.

    Args:
        per_channel: give the signed product itself, [N, 3, H, W], in place of a map.
        network, images, labels, layer, of: as in `evidence`.

    Returns:
        The maps, [N, H, W], at least 0: the largest of red, green and blue.

    Source: Selvaraju et al. 2017, arXiv:1610.02391, section 3.2.
    """
    labels = saliency.classes(network, images, labels)
    fine = saliency.guided_backprop(network, images, labels, of=of, per_channel=True)  # [N, 3, H, W]
    product = fine * gradcam(network, images, labels, layer=layer, of=of)[:, None]
    return product if per_channel else product.abs().amax(dim=1)


METHODS: dict[str, Callable[..., Tensor]] = {  # name in menus and tables → function of (network, images, labels, …)
    "Grad-CAM": gradcam,
    "Grad-CAM++": gradcam_plus_plus,
    "HiResCAM": hirescam,
    "LayerCAM": layercam,
    "guided Grad-CAM": guided_gradcam,
}


def _finished(maps: Tensor, images: Tensor, relu: bool, enlarge: bool) -> Tensor:
    maps = maps.clamp(min=0) if relu else maps
    return resized(maps, images.shape[2:]) if enlarge else maps


def resized(maps: Tensor, size: tuple[int, int] | torch.Size) -> Tensor:
    """Maps [N, h, w] at another size, bilinear, as the slide's last line wants it: [N, H, W]."""
    return F.interpolate(maps[:, None], size=tuple(size), mode="bilinear", align_corners=False)[:, 0]


# ---- layers ----------------------------------------------------------------------------------------------------
def spatial_layers(network: nn.Module, images: Tensor | None = None) -> dict[str, tuple[int, int, int]]:
    """The layers whose output has places, in the order of computation: name → channels, height, width.

    Names are those of `network.body` where there is one; a layer that is used several times counts at its last use.

    Args:
        network: left as it was.
        images: any batch that it takes; a `PixelNetwork` needs none.
    """
    return {name: tuple(output.shape[1:]) for name, (_, output) in _outputs(network, images).items()}


def outer_layers(network: nn.Module, images: Tensor | None = None) -> dict[str, tuple[int, int, int]]:
    """Those of `spatial_layers` that are worth a place in a menu: the outermost parts, or theirs where they are few.

    Args:
        network, images: as in `spatial_layers`.
    """
    every = {
        name: tuple(output.shape[1:])
        for name, (module, output) in _outputs(network, images).items()
        if output.shape[2:].numel() > 1 and not isinstance(module, (nn.Identity, nn.Dropout))
    }
    for dots in (0, 1):
        some = {name: size for name, size in every.items() if name.count(".") == dots}
        if len(some) >= 3:
            return some
    return every


def last_layer(network: nn.Module, images: Tensor | None = None) -> str:
    """The last layer with maps over places: where Grad-CAM is taken unless you say otherwise.

    Pooling layers, dropout and identities are passed over, and so is what only hands their output on.
    """
    outputs = _outputs(network, images)
    skipped = {id(output) for module, output in outputs.values() if isinstance(module, SIDEWAYS[1:])}
    names = [
        name
        for name, (module, output) in outputs.items()
        if not isinstance(module, SIDEWAYS) and id(output) not in skipped and output.shape[2:].numel() > 1
    ]
    if not names:
        raise ValueError("this network has no layer with maps over places, so there is nothing for Grad-CAM to show.")
    return names[-1]


@torch.no_grad()
def _outputs(network: nn.Module, images: Tensor | None) -> dict[str, tuple[nn.Module, Tensor]]:
    """Name → module and output [1, C, h, w] of all layers with more than one place, in the order of computation."""
    body = getattr(network, "body", network)
    if images is None:
        side = getattr(network, "input_size", None)
        if side is None:
            raise ValueError("the size of this network's pictures is not known; give a batch of them.")
        images = next(network.parameters()).new_zeros(1, 3, side, side)
    found: dict[str, tuple[nn.Module, Tensor]] = {}

    def remember(name: str) -> Callable:
        def hook(module, _inputs, output):
            if isinstance(output, Tensor) and output.ndim == 4:
                found.pop(name, None)  # the last use counts, also for the order
                found[name] = (module, output)

        return hook

    hooks = [module.register_forward_hook(remember(name)) for name, module in body.named_modules() if name]
    try:
        with runtime.kept(network):
            network(images[:1])
    finally:
        for hook in hooks:
            hook.remove()
    return found


def _found(network: nn.Module, layer: str | nn.Module) -> tuple[str, nn.Module]:
    """A layer with its name, from either."""
    known = dict(network.named_modules())
    if isinstance(layer, nn.Module):
        for name, module in known.items():
            if module is layer:
                return name, module
        raise ValueError(f"this {type(layer).__name__} is no layer of this network; take one of its own, or a name.")
    if not isinstance(layer, str):
        raise TypeError(f"layer is a layer of the network or its name, such as 'stage4'; got {layer!r}.")
    for name in (layer, f"body.{layer}"):
        if name in known and name:
            return layer, known[name]
    names = [name.removeprefix("body.") for name in known if name not in ("", "body")]
    similar = difflib.get_close_matches(layer, names, n=1, cutoff=0.5)
    question = f"did you mean {similar[0]!r}" if similar else f"its layers are {', '.join(names[:8])} …"
    raise ValueError(f"this network has no layer {layer!r}; {question}? gradcam.spatial_layers lists those with maps.")


def _maps_over_places(leaves: list, name: str) -> Tensor:
    """The layer's output, known to be [N, C, h, w] with more than one place."""
    if not leaves:
        raise ValueError(f"the network never used its layer {name!r}; choose one on the way to the logits.")
    output, advice = leaves[-1], "take an earlier one (gradcam.spatial_layers lists those with maps)."
    if not isinstance(output, Tensor):
        raise ValueError(f"the layer {name!r} gives a {type(output).__name__}, not one tensor; {advice}")
    if output.ndim != 4:
        raise ValueError(f"the layer {name!r} gives {list(output.shape)}, without height and width; {advice}")
    if output.shape[2:].numel() == 1:
        raise ValueError(f"the layer {name!r} has maps of 1×1, which say nothing about places; {advice}")
    return output
