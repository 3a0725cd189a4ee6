"""Saliency maps: how much each pixel matters to one class, by the gradient and what was made of it, or by covering it.

Serves notebook 7. Papers: Simonyan et al. 2014 (the gradient); Shrikumar et al. 2016 (times the input); Smilkov et al.
2017 (SmoothGrad); Sundararajan et al. 2017 (integrated gradients); Springenberg et al. 2015 (guided back-propagation);
Zeiler and Fergus 2014 (occlusion). All share the arguments of `vanilla_gradient`, and what comes back.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from course_utils import runtime
from course_utils.arguments import as_classes, check_number, check_whole
from course_utils.gradcam.class_score import check, classes, in_parts, room, score

BRIGHTNESS = "is a brightness from 0 (black) to 1 (white)"
RELUS = frozenset({F.relu, F.relu_, F.relu6, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_})
CUT = frozenset({F.hardtanh, F.hardtanh_})  # from a lower to an upper end; from 0 on it is a ReLU: nn.ReLU6 asks for it


def vanilla_gradient(network: nn.Module, images: Tensor, labels=None, *, per_channel: bool = False) -> Tensor:
    """How fast the class score changes with each pixel: |∂s/∂x|, the largest of red, green and blue.

    Args:
        network: takes pictures in [0, 1], answers with logits; looked at in evaluation mode, left as it was.
        images: float [N, 3, H, W] in [0, 1].
        labels: the class to explain: one for all, or [N]; None takes the class that the network reads.
        per_channel: give the signed gradient itself, [N, 3, H, W], in place of a map.

    Returns:
        The maps, [N, H, W], at least 0, not normalised.

    Source: Simonyan et al. 2014, arXiv:1312.6034, section 3.

    >>> network, x = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.rand(1, 3, 2, 2)
    >>> gradient = vanilla_gradient(network, x, 0, per_channel=True)
    >>> torch.equal(gradient.flatten(), network[1].weight[0])
    True
    """
    check(network, images)
    gradient = _gradient(network, images, as_classes(labels, images))
    return gradient if per_channel else gradient.abs().amax(dim=1)


def gradient_times_input(network: nn.Module, images: Tensor, labels=None, *, per_channel: bool = False) -> Tensor:
    """What each pixel adds to the score in a linear picture of the network: |Σ x·∂s/∂x|, summed over the colours.

    A black pixel adds nothing, whatever its gradient.

    Source: Shrikumar et al. 2016, arXiv:1605.01713.

    >>> network, x = nn.Sequential(nn.Flatten(), nn.Linear(12, 2, bias=False)), torch.rand(1, 3, 2, 2)
    >>> torch.allclose(gradient_times_input(network, x, 0, per_channel=True).sum(), network(x)[0, 0])
    True
    """
    product = vanilla_gradient(network, images, labels, per_channel=True) * images.detach()
    return product if per_channel else product.sum(dim=1).abs()


def smoothgrad(
    network: nn.Module, images: Tensor, labels=None, *, samples: int = 25, noise=0.15, seed=0, per_channel: bool = False
) -> Tensor:
    """The mean gradient over noisy copies of the picture; what changes from copy to copy averages out.

    Args:
        samples: how many noisy copies, at least 1.
        noise: standard deviation of the noise, as a share of the picture's own range (its largest less its smallest).
        seed: of the noise; every picture of the batch gets the same.

    Source: Smilkov et al. 2017, arXiv:1706.03825.

    >>> network, x = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.rand(1, 3, 2, 2)
    >>> torch.allclose(smoothgrad(network, x, 0), vanilla_gradient(network, x, 0))  # linear: the noise does nothing
    True
    """
    check_whole("samples", samples)
    check_number("noise", noise, says="is a share of the picture's range, such as 0.15")
    labels = classes(network, images, labels)
    draw = runtime.generator(seed, images.device)
    hiss = torch.randn((samples, *images.shape[1:]), generator=draw, device=images.device)  # [S, 3, H, W]
    spread = noise * (images.amax(dim=(1, 2, 3)) - images.amin(dim=(1, 2, 3))).detach()  # [N]

    def smooth(some: Tensor, wanted: Tensor, size: Tensor) -> Tensor:
        noisy = some[:, None] + size.view(-1, 1, 1, 1, 1) * hiss  # [n, S, 3, H, W]
        return _mean_gradient(network, noisy, wanted)

    gradient = in_parts(smooth, images.detach(), labels, spread, copies=samples)
    return gradient if per_channel else gradient.abs().amax(dim=1)


def integrated_gradients(
    network: nn.Module, images: Tensor, labels=None, *, steps: int = 32, baseline=0.0, per_channel: bool = False
) -> Tensor:
    """The gradient collected on the straight way from a blank picture to this one, times the way.

    The signed map (`per_channel=True`), summed over all its numbers, is what the score gained on that way, if the steps
    are fine enough (completeness). The map without signs does not add up to it.

    Args:
        steps: points on the way at which the gradient is taken, at least 1: the middles of equal stretches.
        baseline: the brightness of the blank picture, in [0, 1].

    Source: Sundararajan et al. 2017, arXiv:1703.01365, equation 3.

    >>> network, x = nn.Sequential(nn.Flatten(), nn.Linear(12, 2)), torch.rand(1, 3, 2, 2)
    >>> gained = network(x)[0, 0] - network(0 * x)[0, 0]
    >>> torch.allclose(integrated_gradients(network, x, 0, per_channel=True).sum(), gained, atol=1e-5)
    True
    """
    check_whole("steps", steps)
    check_number("baseline", baseline, 0, 1, says=BRIGHTNESS)
    labels = classes(network, images, labels)
    along = (torch.arange(steps, device=images.device, dtype=images.dtype) + 0.5) / steps  # [K]

    def collect(some: Tensor, wanted: Tensor) -> Tensor:
        way = some - baseline
        points = baseline + along.view(1, -1, 1, 1, 1) * way[:, None]  # [n, K, 3, H, W]
        return way * _mean_gradient(network, points, wanted)

    attribution = in_parts(collect, images.detach(), labels, copies=steps)
    return attribution if per_channel else attribution.sum(dim=1).abs()


def guided_backprop(network: nn.Module, images: Tensor, labels=None, *, per_channel: bool = False) -> Tensor:
    """The gradient, but every ReLU lets only positive gradients through on the way back.

    The network is not rebuilt, so it works for modules and for functions, in place or not: each result of a ReLU is
    given a hook of its own, which goes with it. A ReLU6 is a ReLU as well: what reached 6 lets nothing through anyway.

    Source: Springenberg et al. 2015, arXiv:1412.6806, section 3.4.

    >>> network = nn.Sequential(nn.ReLU(), nn.Flatten(), nn.Linear(12, 2))
    >>> bool((guided_backprop(network, torch.rand(1, 3, 2, 2), 0, per_channel=True) >= 0).all())
    True
    """
    with GuidedReLU():
        return vanilla_gradient(network, images, labels, per_channel=per_channel)


class GuidedReLU(TorchFunctionMode):
    """Inside, what flows back into a ReLU loses its negative part; networks are not touched."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        output = function(*args, **(kwargs or {}))
        if _is_relu(function, *args, **(kwargs or {})) and output.requires_grad:
            output.register_hook(lambda gradient: gradient.clamp(min=0))
        return output


def _is_relu(function: Callable, _input=None, min_val: float = -1.0, *_more, **_named) -> bool:
    """Is this call a ReLU, or one that stops at some height, such as ReLU6? Arguments after it as the call has them."""
    return function in RELUS or (function in CUT and min_val == 0)


def occlusion(
    network: nn.Module, images: Tensor, labels=None, *, window: int | None = None, stride: int | None = None, fill=0.5
) -> Tensor:
    """How far the score falls when a grey square covers a place, averaged over all that cover it; 0 where it *helps*.

    Args:
        window: side of the square in pixels, at least 1; None takes a fifth of the picture's shorter side.
        stride: pixels from one square to the next, from 1 to `window` (so that no pixel is left out); None takes
            half of it.
        fill: brightness of the square, in [0, 1].

    Source: Zeiler and Fergus 2014, arXiv:1311.2901, section 4.2.

    >>> network, x = nn.Sequential(nn.Flatten(), nn.Linear(12, 1, bias=False)), torch.ones(1, 3, 2, 2)
    >>> torch.equal(occlusion(network, x, 0, fill=1), torch.zeros(1, 2, 2))  # white on white: nothing changes
    True
    """
    labels = classes(network, images, labels)
    window = check_whole("window", max(1, min(images.shape[2:]) // 5) if window is None else window)
    stride = check_whole("stride", max(1, window // 2) if stride is None else stride)
    if stride > window:
        words = f"with stride {stride} and window {window} some pixels are never covered; take stride ≤ window."
        raise ValueError(words)
    check_number("fill", fill, 0, 1, says=BRIGHTNESS)
    squares = _squares(*images.shape[2:], window, stride, images.device).to(images.dtype)  # [K, H, W], 1 inside

    @torch.no_grad()
    def fall(some: Tensor, wanted: Tensor) -> Tensor:
        covered = torch.where(squares[:, None] > 0, fill, some[:, None])  # [n, K, 3, H, W]
        before = score(network(some), wanted)  # [n]
        after = torch.cat([network(part) for part in covered.flatten(0, 1).split(4 * room(some))])
        after = score(after, wanted.repeat_interleave(len(squares)))
        drops = before[:, None] - after.unflatten(0, (-1, len(squares)))  # [n, K]
        return torch.einsum("nk,khw->nhw", drops, squares) / squares.sum(dim=0)

    with runtime.kept(network):
        return in_parts(fall, images.detach(), labels, copies=len(squares)).clamp(min=0)


def _squares(height: int, width: int, window: int, stride: int, device: torch.device) -> Tensor:
    """Every place of the square, [K, H, W]; those at the right and lower edge are cut off."""

    def spans(length: int) -> Tensor:
        starts = torch.arange(0, max(length - window, 0) + stride, stride, device=device)
        place = torch.arange(length, device=device)
        return ((place >= starts[:, None]) & (place < starts[:, None] + window)).float()  # [k, length]

    return torch.einsum("ah,bw->abhw", spans(height), spans(width)).flatten(0, 1)


METHODS: dict[str, Callable[..., Tensor]] = {  # name in menus and tables → function of (network, images, labels)
    "gradient": vanilla_gradient,
    "gradient × input": gradient_times_input,
    "SmoothGrad": smoothgrad,
    "integrated gradients": integrated_gradients,
    "guided backprop": guided_backprop,
    "occlusion": occlusion,
}


# ---- what all share --------------------------------------------------------------------------------------------
def _gradient(network: nn.Module, images: Tensor, labels: Tensor | None) -> Tensor:
    """The gradient of the class score for whatever a method makes of pictures: with noise a copy may leave [0, 1]."""

    def gradient(some: Tensor, wanted: Tensor | None = None) -> Tensor:
        x = some.detach().clone().requires_grad_()
        return torch.autograd.grad(score(network(x), wanted).sum(), x)[0]

    with runtime.kept(network), torch.enable_grad():
        return in_parts(gradient, images, *(() if labels is None else (labels,)))


def _mean_gradient(network: nn.Module, points: Tensor, labels: Tensor) -> Tensor:
    """The mean of the gradients at several points for each picture, [n, K, 3, H, W] → [n, 3, H, W]."""
    found = _gradient(network, points.flatten(0, 1), labels.repeat_interleave(points.shape[1]))
    return found.unflatten(0, points.shape[:2]).mean(dim=1)


def normalise(maps: Tensor, *, cut: float = 0.0) -> Tensor:
    """Each map stretched to [0, 1], as for showing it; a map that is the same everywhere becomes 0, never NaN.

    Args:
        maps: float [N, H, W] or [H, W].
        cut: the share of pixels, the hottest, that all become 1, in [0, 1]: a few specks leave all others dark.

    >>> normalise(torch.tensor([[2.0, 4.0, 6.0]]))
    tensor([[0.0000, 0.5000, 1.0000]])
    """
    check_number("cut", cut, 0, 1, says="is a share of the pixels, such as 0.01")
    low = maps.amin(dim=(-2, -1), keepdim=True)
    hottest = (
        maps.flatten(-2).topk(1 + int(cut * (maps.shape[-2:].numel() - 1)), dim=-1).values
    )  # the last is the limit
    high = hottest[..., -1:, None]
    return torch.where(high > low, (maps - low).div(high - low).clamp(max=1), 0)
