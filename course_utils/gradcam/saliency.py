"""Saliency maps: how much each pixel matters to one class, by gradients, by many gradients, by covering pixels up.

Serves notebook 7. Papers: Simonyan et al. 2014, arXiv:1312.6034 (the gradient); Smilkov et al. 2017, arXiv:1706.03825
(SmoothGrad); Sundararajan et al. 2017, arXiv:1703.01365 (integrated gradients); Zeiler and Fergus 2014 (occlusion);
Springenberg et al. 2015, arXiv:1412.6806 (guided back-propagation); Adebayo et al. 2018, arXiv:1810.03292 (sanity).
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from course_utils import runtime
from course_utils.arguments import (
    as_classes,
    check_choice,
    check_images,
    check_logits,
    check_network,
    check_number,
    check_whole,
    is_whole,
)
from course_utils.images import ROUNDING
from course_utils.layers.find import layer_of
from course_utils.layers.hooks import watch

PART = 64  # pictures that go through the network at once: more are slower on a processor and fill a GPU
RELUS = frozenset({F.relu, F.relu_, F.relu6, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_})
BRIGHTNESS = "is a brightness from 0 (black) to 1 (white)"
OF = ("score", "probability")  # what may be differentiated: the logit, or what softmax makes of it


# ---- maps from gradients ---------------------------------------------------------------------------------------
def vanilla_gradient(
    network: nn.Module, images: Tensor, labels=None, *, of: str = "score", per_channel: bool = False
) -> Tensor:
    """How fast the class score changes with each pixel: |∂s/∂x|, the largest of red, green and blue.

    Args:
        network: takes pictures in [0, 1], answers with logits; looked at in evaluation mode, left as it was.
        images: float [N, 3, H, W] in [0, 1].
        labels: the class to explain: one for all, or [N]; None takes the class that the network reads.
        of: "score" (the logit) or "probability" (after softmax).
        per_channel: give the signed gradient itself, [N, 3, H, W], in place of a map.

    Returns:
        The maps, [N, H, W], at least 0, not normalised.

    Source: Simonyan et al. 2014, arXiv:1312.6034, section 3.
    """
    gradient = input_gradient(network, images, labels, of=of)
    return gradient if per_channel else gradient.abs().amax(dim=1)


def gradient_times_input(
    network: nn.Module, images: Tensor, labels=None, *, of: str = "score", per_channel: bool = False
) -> Tensor:
    """What each pixel adds to the score in a linear picture of the network: |Σ x·∂s/∂x|, summed over the colours.

    A black pixel adds nothing, whatever its gradient. Arguments, returns and errors: as in `vanilla_gradient`.

    Source: Shrikumar et al. 2016, arXiv:1605.01713.
    """
    product = input_gradient(network, images, labels, of=of) * images.detach()
    return product if per_channel else product.sum(dim=1).abs()


def smoothgrad(
    network: nn.Module,
    images: Tensor,
    labels=None,
    *,
    samples: int = 25,
    noise: float = 0.15,
    seed: int = 0,
    of: str = "score",
    per_channel: bool = False,
) -> Tensor:
    """The mean gradient over noisy copies of the picture; what changes from copy to copy averages out.

    Args:
        samples: how many noisy copies, at least 1.
        noise: standard deviation of the noise, as a share of the picture's own range (its largest less its smallest).
        seed: of the noise; every picture of the batch gets the same.
        network, images, labels, of, per_channel: as in `vanilla_gradient`, and so is what comes back.

    Source: Smilkov et al. 2017, arXiv:1706.03825.
    """
    check(network, images, samples=samples)
    check_number("noise", noise, says="is a share of the picture's range, such as 0.15")
    labels = classes(network, images, labels)
    draw = runtime.generator(seed, images.device)
    hiss = torch.randn((samples, *images.shape[1:]), generator=draw, device=images.device)  # [S, 3, H, W]
    spread = noise * (images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3))).detach()  # [N]

    def mean_gradient(some: Tensor, wanted: Tensor, size: Tensor) -> Tensor:
        noisy = some[:, None] + size.view(-1, 1, 1, 1, 1) * hiss  # [n, S, 3, H, W]
        found = _gradient(network, noisy.flatten(0, 1), wanted.repeat_interleave(samples), of)
        return found.unflatten(0, (-1, samples)).mean(dim=1)

    gradient = in_parts(mean_gradient, images.detach(), labels, spread, copies=samples)
    return gradient if per_channel else gradient.abs().amax(dim=1)


def integrated_gradients(
    network: nn.Module,
    images: Tensor,
    labels=None,
    *,
    steps: int = 32,
    baseline: float = 0.0,
    of: str = "score",
    per_channel: bool = False,
) -> Tensor:
    """The gradient collected on the straight way from a blank picture to this one, times the way.

    The signed map (`per_channel=True`), summed over all its numbers, is what the score gained on that way, if the steps
    are fine enough (completeness). The map without signs does not add up to it.

    Args:
        steps: points on the way at which the gradient is taken, at least 1: the middles of equal stretches.
        baseline: the brightness of the blank picture, in [0, 1].
        network, images, labels, of, per_channel: as in `vanilla_gradient`, and so is what comes back.

    Source: Sundararajan et al. 2017, arXiv:1703.01365, equation 3.
    """
    check(network, images, steps=steps)
    check_number("baseline", baseline, 0, 1, says=BRIGHTNESS)
    labels = classes(network, images, labels)
    along = (torch.arange(steps, device=images.device, dtype=images.dtype) + 0.5) / steps  # [K]

    def collected(some: Tensor, wanted: Tensor) -> Tensor:
        way = some - baseline
        points = baseline + along.view(1, -1, 1, 1, 1) * way[:, None]  # [n, K, 3, H, W]
        found = _gradient(network, points.flatten(0, 1), wanted.repeat_interleave(steps), of)
        return way * found.unflatten(0, (-1, steps)).mean(dim=1)

    attribution = in_parts(collected, images.detach(), labels, copies=steps)
    return attribution if per_channel else attribution.sum(dim=1).abs()


def guided_backprop(
    network: nn.Module, images: Tensor, labels=None, *, of: str = "score", per_channel: bool = False
) -> Tensor:
    """The gradient, but every ReLU lets only positive gradients through on the way back.

    Arguments, returns and errors: as in `vanilla_gradient`. The network is not rebuilt, so it works for modules and for
    functions, in place or not: each result of a ReLU is given a hook of its own, which goes with it.

    Source: Springenberg et al. 2015, arXiv:1412.6806, section 3.4.
    """
    gradient = input_gradient(network, images, labels, of=of, mode=GuidedReLU)
    return gradient if per_channel else gradient.abs().amax(dim=1)


class GuidedReLU(TorchFunctionMode):
    """Inside, what flows back into a ReLU loses its negative part; networks are not touched."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        if function in RELUS and output.requires_grad:
            output.register_hook(lambda gradient: gradient.clamp(min=0))
        return output


# ---- a map without gradients -----------------------------------------------------------------------------------
def occlusion(
    network: nn.Module,
    images: Tensor,
    labels=None,
    *,
    window: int | None = None,
    stride: int | None = None,
    fill: float = 0.5,
    of: str = "score",
    signed: bool = False,
) -> Tensor:
    """How far the score falls when a grey square covers a place, averaged over the squares that cover it.

    Args:
        window: side of the square in pixels, at least 1; None takes a fifth of the picture's shorter side.
        stride: pixels from one square to the next, from 1 to `window` (so that no pixel is left out); None takes
            half of it.
        fill: brightness of the square, in [0, 1].
        signed: keep what is negative, where the square *helps* the class; left out it counts as 0.
        network, images, labels, of: as in `vanilla_gradient`.

    Returns:
        The maps, [N, H, W].

    Source: Zeiler and Fergus 2014, section 4.2.
    """
    check(network, images)
    window = max(1, min(images.shape[2:]) // 5) if window is None else window
    stride = max(1, window // 2) if stride is None and is_whole(window) else stride
    check(network, images, window=window, stride=stride)
    if stride > window:
        raise ValueError(
            f"with stride {stride} and window {window} some pixels are never covered; take stride ≤ window."
        )
    check_number("fill", fill, 0, 1, says=BRIGHTNESS)
    labels = classes(network, images, labels)
    squares = _squares(*images.shape[2:], window, stride, images.device).to(images.dtype)  # [K, H, W], 1 inside
    covers = squares.sum(dim=0)  # [H, W]

    @torch.no_grad()
    def fall(some: Tensor, wanted: Tensor) -> Tensor:
        covered = torch.where(squares[:, None] > 0, fill, some[:, None])  # [n, K, 3, H, W]
        before = score(network(some), wanted, of)  # [n]
        after = torch.cat([network(part) for part in covered.flatten(0, 1).split(4 * PART)])
        after = score(after, wanted.repeat_interleave(len(squares)), of)
        drops = before[:, None] - after.unflatten(0, (-1, len(squares)))  # [n, K]
        return torch.einsum("nk,khw->nhw", drops, squares) / covers

    with runtime.kept(network):
        maps = in_parts(fall, images.detach(), labels, copies=len(squares))
    return maps if signed else maps.clamp(min=0)


def _squares(height: int, width: int, window: int, stride: int, device: torch.device) -> Tensor:
    """Every place of the square, [K, H, W]; those at the right and lower edge are cut off."""

    def spans(length: int) -> Tensor:
        starts = torch.arange(0, max(1, math.ceil((length - window) / stride) + 1), device=device) * stride
        place = torch.arange(length, device=device)
        return ((place >= starts[:, None]) & (place < starts[:, None] + window)).float()  # [k, length]

    rows, columns = spans(height), spans(width)
    return torch.einsum("ah,bw->abhw", rows, columns).flatten(0, 1)


# ---- what all share --------------------------------------------------------------------------------------------
def input_gradient(
    network: nn.Module,
    images: Tensor,
    labels=None,
    *,
    of: str = "score",
    mode: Callable[[], AbstractContextManager] = nullcontext,
) -> Tensor:
    """The gradient of a class's score with respect to the pixels, [N, 3, H, W]; the network stays as it was.

    Args:
        mode: makes a context for the forward pass, such as `GuidedReLU`.
        network, images, labels, of: as in `vanilla_gradient`.
    """
    check(network, images)
    return _gradient(network, images, as_classes(labels, images), of, mode)


def _gradient(
    network: nn.Module,
    images: Tensor,
    labels: Tensor | None,
    of: str,
    mode: Callable[[], AbstractContextManager] = nullcontext,
) -> Tensor:
    """`input_gradient` for whatever a method makes of pictures; with its noise a copy may leave [0, 1]."""

    def gradient(some: Tensor, wanted: Tensor | None = None) -> Tensor:
        x = some.detach().clone().requires_grad_()
        with mode():
            logits = network(x)
        return torch.autograd.grad(score(logits, wanted, of).sum(), x)[0]

    with runtime.kept(network), torch.enable_grad():
        return in_parts(gradient, images, *(() if labels is None else (labels,)))


def score(logits: Tensor, labels: Tensor | None, of: str = "score") -> Tensor:
    """The number that is explained, [N]: each picture's logit of its class, or the probability.

    Args:
        logits: [N, classes].
        labels: int64 [N]; None takes the highest.
        of: "score" or "probability".

    Raises:
        ValueError, TypeError: no logits [N, classes], a class that the network does not have, an unknown `of`.
    """
    check_logits(logits)
    check_choice("of", of, OF, says="is 'score' (the logit) or 'probability' (after softmax)")
    labels = logits.argmax(dim=1) if labels is None else labels
    if len(wrong := labels[(labels < 0) | (labels >= logits.shape[1])]):
        raise ValueError(f"class {int(wrong[0])} is none of this network's; it knows 0 to {logits.shape[1] - 1}.")
    answers = logits if of == "score" else logits.softmax(dim=1)
    return answers.gather(1, labels[:, None])[:, 0]


@torch.no_grad()
def classes(network: nn.Module, images: Tensor, labels=None) -> Tensor:
    """The class to explain of every picture, int64 [N]: as given, or what the network reads where None is."""
    check(network, images)
    if labels is not None:
        return as_classes(labels, images)
    with runtime.kept(network):
        return torch.cat([network(part).argmax(dim=1) for part in images.split(PART)])


def in_parts(function: Callable[..., Tensor], *batches: Tensor, copies: int = 1) -> Tensor:
    """Call a function on some pictures at a time, so that `copies` of each fit into one pass; gives all its answers.

    Args:
        function: takes a part of each batch.
        batches: tensors of one length.
        copies: how many pictures the function makes of one.
    """
    size = max(1, PART // copies)
    return torch.cat([function(*part) for part in zip(*(batch.split(size) for batch in batches), strict=True)])


def normalised(maps: Tensor) -> Tensor:
    """Each map stretched to [0, 1], as for showing it; a map that is the same everywhere becomes 0, never NaN.

    Args:
        maps: float [N, H, W] or [H, W].
    """
    low, high = maps.amin(dim=(-2, -1), keepdim=True), maps.amax(dim=(-2, -1), keepdim=True)
    span = high - low
    return torch.where(span > 0, (maps - low) / span.where(span > 0, torch.ones_like(span)), torch.zeros_like(maps))


METHODS: dict[str, Callable[..., Tensor]] = {  # name in menus and tables → function of (network, images, labels)
    "gradient": vanilla_gradient,
    "gradient × input": gradient_times_input,
    "SmoothGrad": smoothgrad,
    "integrated gradients": integrated_gradients,
    "guided backprop": guided_backprop,
    "occlusion": occlusion,
}


# ---- the sanity check ------------------------------------------------------------------------------------------
def cascade(network: nn.Module, images: Tensor) -> list[str]:
    """The parts of a network from the top (the logits) down, in the order in which the check throws weights away.

    Args:
        network: its outermost parts that hold weights are named, `body` opened first.
        images: any batch that it can take, to see the order of computation.
    """
    body = getattr(network, "body", network)
    parts = {name: part for name, part in body.named_children() if any(True for _ in part.parameters())}
    if len(parts) < 3:  # such as AlexNet's features and classifier: go one level deeper
        parts = {
            f"{name}.{deeper}": leaf
            for name, part in parts.items()
            for deeper, leaf in part.named_children()
            if any(True for _ in leaf.parameters())
        } or parts
    order: list[str] = []
    watching = watch(parts, before=lambda name, _inputs: order.append(name))
    with runtime.kept(network), torch.no_grad(), watching:
        network(images[:1])
    return list(dict.fromkeys(reversed(order)))


def randomised(network: nn.Module, parts: list[str], seed: int = 0) -> nn.Module:
    """A copy of a network in which some parts have fresh random weights, as before any training.

    Args:
        network: stays as it is.
        parts: names, as `cascade` gives them.
        seed: of the weights.

    Source: Adebayo et al. 2018, arXiv:1810.03292, section 3.
    """
    forgetful = copy.deepcopy(network)
    chosen = [layer_of(forgetful, name) for name in parts]
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)  # layers draw from torch's own generator, on the processor
        for part in chosen:
            for layer in part.modules():
                if hasattr(layer, "reset_parameters"):
                    where = next(layer.parameters(), torch.empty(0)).device
                    layer.to("cpu").reset_parameters()
                    if isinstance(layer, (nn.Conv2d, nn.Linear)):  # torch's own start is too small to reach the top
                        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                    layer.to(where)
    return forgetful


# ---- what can be wrong -----------------------------------------------------------------------------------------
def check(network: nn.Module, images: Tensor, **counts: int) -> None:
    """Refuse what is no network, no batch of pictures or no count."""
    check_network(network)
    check_images(images, rounding=ROUNDING)
    for name, count in counts.items():
        check_whole(name, count)
