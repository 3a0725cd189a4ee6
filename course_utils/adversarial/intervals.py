"""What no attack can beat: interval bounds for a network whose layers stand in a row, and training for them.

Serves notebook 8. Paper: Gowal et al. 2018, "On the Effectiveness of Interval Bound Propagation for Training Verifiably
Robust Models", arXiv:1810.12715.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from course_utils import runtime, training
from course_utils.adversarial.balls import Linf, check_batch, per_picture
from course_utils.arguments import check_classes, check_distance, check_images, check_one_each, check_whole
from course_utils.networks.alexnet import SignsAlexNet
from course_utils.networks.pixels import PixelNetwork

ROUNDING = 1e-4  # of a logit: what sums of `exact_products` may be off; a certificate must have more room than that
LARGEST = 32 / 255  # ε at which the search for a radius begins
# Larger numbers in, larger numbers out: the ends of an interval simply go through.
MONOTONE = (nn.ReLU, nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.Flatten, nn.Dropout, nn.Identity)
AFFINE = (nn.Linear, nn.Conv2d, nn.BatchNorm2d)
CHAINS = (nn.Sequential, SignsAlexNet)  # their children are asked one after the other


def interval_bounds(network: nn.Module, images: Tensor, epsilon: float | Tensor) -> tuple[Tensor, Tensor]:
    """Between which two numbers [N, classes] each logit must lie, whatever picture of the L∞ ball in [0, 1] is shown.

    Args:
        network: layers in a row: `Linear`, `Conv2d`, `BatchNorm2d`, `ReLU`, pooling, `Flatten`, `Dropout`.
        images: float [N, C, H, W] in [0, 1].
        epsilon: radius of the ball in pixels; one number, or a tensor [N].

    Raises:
        TypeError: a layer has no rule here (a skip, say).

    Source: Gowal et al. 2018, section 3.

    >>> from course_utils.networks.certifiable import CertifiableNet
    >>> low, high = interval_bounds(CertifiableNet(), torch.rand(2, 3, 32, 32), epsilon=8 / 255)
    >>> low.shape, bool((low <= high).all())
    (torch.Size([2, 6]), True)
    """
    check_images(images)
    check_distance("epsilon", epsilon, Linf.LARGEST)
    check_one_each("epsilon", epsilon, len(images))
    with runtime.kept(network), torch.no_grad(), runtime.exact_products():
        return _bounds(chain(network), images, epsilon)


def worst_margins(network: nn.Module, images: Tensor, labels: Tensor, epsilon: float | Tensor) -> Tensor:
    """The most that each class can be ahead of the label anywhere in the ball, zᵢ − z_label, [N, classes].

    The last layer is taken together with the difference, which is tighter than the difference of two bounds.

    Args:
        network, images, epsilon: as in `interval_bounds`; the last layer is `Linear`.
        labels: the true classes, whole numbers [N].
    """
    check_batch(images, labels, None, Linf(epsilon))
    labels, _ = check_classes(network, images, labels)
    with runtime.kept(network), torch.no_grad(), runtime.exact_products():
        return _margins(chain(network), images, labels, epsilon)


def certify(network: nn.Module, images: Tensor, labels: Tensor, epsilon: float | Tensor) -> Tensor:
    """Whether every picture of the ball is read as its label, bool [N]: a proof, no experiment.

    False says nothing: the intervals are wider than the truth. Arguments and errors as in `worst_margins`.

    >>> from course_utils import zoo
    >>> from course_utils.signs import small
    >>> network, (images, labels) = zoo.load("certify-interval", device="cpu"), small.scenes(4, seed=1)
    >>> certify(network, images, labels, 1 / 255), certify(network, images, labels, 64 / 255)
    (tensor([True, True, True, True]), tensor([False, False, False, False]))
    """
    others = worst_margins(network, images, labels, epsilon)
    others = others.scatter(1, labels.to(others.device, torch.int64)[:, None], -math.inf)
    return others.amax(dim=1) < -ROUNDING


def certified_radius(network: nn.Module, images: Tensor, labels: Tensor, *, halvings: int = 12) -> Tensor:
    """The largest ε up to 32/255, by bisection, at which a picture is still certified, [N]; 0 where nothing is.

    Args:
        network, images, labels: as in `worst_margins`.
        halvings: how often the gap between yes and no is halved, at least 1.
    """
    check_whole("halvings", halvings)
    yes = torch.zeros(len(images), device=images.device)
    no = torch.full_like(yes, 2 * LARGEST)
    for _ in range(halvings + 1):
        middle = (yes + no) / 2  # `LARGEST` in the first round
        proven = certify(network, images, labels, middle)
        yes, no = torch.where(proven, middle, yes), torch.where(proven, no, middle)
        no = no.clamp(max=LARGEST)
    return yes


def chain(network: nn.Module) -> list[Callable[[Tensor], Tensor]]:
    """A network's layers in the order in which a picture meets them.

    Raises:
        TypeError: the layers do not stand in a row, or one of them has no rule for intervals.
    """
    if isinstance(network, PixelNetwork):
        return [lambda images: (images - network.mean) / network.std, *chain(network.body)]
    if isinstance(network, CHAINS):
        return [layer for part in network.children() for layer in chain(part)]
    padded_otherwise = isinstance(network, nn.Conv2d) and network.padding_mode != "zeros"
    if isinstance(network, (*MONOTONE, *AFFINE)) and not padded_otherwise:
        return [network]
    known = ", ".join(kind.__name__ for kind in (*AFFINE, *MONOTONE))
    raise TypeError(
        f"there is no rule for the intervals of {type(network).__name__}; a network that can be certified here is a "
        f"row of {known}."
    )


def _bounds(layers: list[Callable], images: Tensor, epsilon: float | Tensor) -> tuple[Tensor, Tensor]:
    """What the ball, from the lowest to the highest value of every pixel, becomes behind the layers."""
    epsilon = per_picture(epsilon, images)
    low, high = (images - epsilon).clamp(min=0), (images + epsilon).clamp(max=1)
    for layer in layers:
        low, high = _through(layer, low, high)
    return low, high


def _through(layer: Callable, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """What an interval [low, high] becomes in one layer."""
    if not isinstance(layer, AFFINE):
        return layer(low), layer(high)
    middle, reach = (low + high) / 2, (high - low) / 2
    middle = layer(middle)  # A sum W·x + b is off by |W|·reach at the most.
    if isinstance(layer, nn.Linear):
        reach = functional.linear(reach, layer.weight.abs())
    elif isinstance(layer, nn.Conv2d):
        where = layer.stride, layer.padding, layer.dilation, layer.groups
        reach = functional.conv2d(reach, layer.weight.abs(), None, *where)
    else:
        scale = (layer.running_var + layer.eps).rsqrt() * (1 if layer.weight is None else layer.weight)
        reach = reach * scale.abs()[:, None, None]
    return middle - reach, middle + reach


def _margins(layers: list[Callable], images: Tensor, labels: Tensor, epsilon: float | Tensor) -> Tensor:
    """`worst_margins`, with gradients, as a training needs them."""
    *body, last = layers
    if not isinstance(last, nn.Linear):
        raise TypeError(f"the last layer must be Linear, so that it gives logits; it is {type(last).__name__}.")
    low, high = _bounds(body, images, epsilon)
    ahead = last.weight - last.weight[labels][:, None]  # [N, classes, features], rows of class i less the label's
    bias = last.bias - last.bias[labels][:, None]
    middle, reach = (low + high) / 2, (high - low) / 2
    return (ahead @ middle[:, :, None] + ahead.abs() @ reach[:, :, None])[:, :, 0] + bias


# ---- training for a certificate ----------------------------------------------------------------------------------
def train_certified(
    network: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], *, steps: int, epsilon: float
) -> Iterator[training.TrainingStep]:
    """Train a network in place on the worst logits that the intervals allow; ε grows from 0 in the course of it.

    Args:
        network: layers in a row, as for `interval_bounds`; in evaluation mode afterwards.
        batches: (images [N, 3, H, W] in [0, 1], labels [N]); `steps` of them are taken.
        epsilon: ε in pixels from the middle of the training on; 0 trains plainly.

    Source: Gowal et al. 2018, section 3.3: half the loss is that of the clean picture.
    """
    check_whole("steps", steps)
    check_distance("epsilon", epsilon, 1.0)
    layers = chain(network)

    def loss(network: nn.Module, images: Tensor, labels: Tensor, progress: float) -> tuple[Tensor, Tensor]:
        share = epsilon_share(progress)
        logits, worst = network(images), _margins(layers, images, labels, share * epsilon)
        clean, certified = (functional.cross_entropy(scores, labels) for scores in (logits, worst))
        return (1 - share / 2) * clean + share / 2 * certified, logits

    return training.train(network, batches, steps=steps, learning_rate=2e-3, weight_decay=0.0, loss=loss, exact=True)


def epsilon_share(progress: float) -> float:
    """The share of ε that a training has reached: 0 for its first tenth, then growing, 1 from its middle on."""
    return min(1.0, max(0.0, 2.5 * progress - 0.25))
