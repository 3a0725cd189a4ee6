"""What no attack can beat: interval bounds for a small network, and randomised smoothing for any.

Serves notebook 8. Papers: Gowal et al. 2018, "On the Effectiveness of Interval Bound Propagation for Training
Verifiably Robust Models", arXiv:1810.12715; Cohen et al. 2019, "Certified Adversarial Robustness via Randomized
Smoothing", arXiv:1902.02918; Clopper and Pearson 1934 (exact bounds of a probability).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from numbers import Real

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from course_utils import runtime, training, zoo
from course_utils.adversarial.balls import Linf, check_size, per_picture
from course_utils.arguments import check_batch, check_classes, check_count, check_images, check_one_each
from course_utils.networks import alexnet
from course_utils.networks.certifiable import CertifiableNet
from course_utils.resnet.twins import MEAN, SIGNS, SIZE, STD, scenes

__all__ = ["MEAN", "SIGNS", "SIZE", "STD", "CertifiableNet", "scenes"]  # the small world of the twins
STORED = {"plain": "certify-plain", "interval": "certify-interval", "noise": "certify-noise"}  # for `zoo.load`
ROUNDING = 1e-4  # of a logit: what sums of `exact_products` may be off; a certificate must have more room than that


# ---- interval bounds ---------------------------------------------------------------------------------------------
MONOTONE = (  # larger numbers in, larger numbers out: the ends of an interval simply go through
    nn.ReLU,
    nn.MaxPool2d,
    nn.AvgPool2d,
    nn.AdaptiveAvgPool2d,
    nn.Flatten,
    nn.Dropout,
    nn.Identity,
)
AFFINE = (nn.Linear, nn.Conv2d, nn.BatchNorm2d)
CHAINS = (nn.Sequential, alexnet.SignsAlexNet)  # their children are asked one after the other


def interval_bounds(network: nn.Module, images: Tensor, epsilon: float | Tensor) -> tuple[Tensor, Tensor]:
    """Between which two numbers each logit must lie, whatever picture of the L∞ ball (and the box [0, 1]) is shown.

    Args:
        network: layers in a row: `Linear`, `Conv2d`, `BatchNorm2d`, `ReLU`, pooling, `Flatten`, `Dropout`.
        images: float [N, C, H, W] in [0, 1].
        epsilon: radius of the ball in pixels; one number, or a tensor [N].

    Returns:
        low [N, classes], high [N, classes].

    Raises:
        ValueError, TypeError: an argument is out of its range; or a layer has no rule here (a skip, say).

    Source: Gowal et al. 2018, section 3.
    """
    check_images(images)
    check_size("epsilon", epsilon, largest=Linf.LARGEST)
    check_one_each("epsilon", epsilon, len(images))
    with runtime.kept(network), torch.no_grad(), runtime.exact_products():
        low, high = _ball(images, epsilon)
        for layer in chain(network):
            low, high = _through(layer, low, high)
    return low, high


def worst_margins(network: nn.Module, images: Tensor, labels: Tensor, epsilon: float | Tensor) -> Tensor:
    """The most that each class can be ahead of the label anywhere in the ball, zᵢ − z_label, [N, classes].

    The last layer is taken together with the difference, which is tighter than the difference of two bounds.

    Args:
        network, images, epsilon: as in `interval_bounds`; the last layer is `Linear`.
        labels: the true classes, whole numbers [N].

    Raises:
        ValueError, TypeError: as `interval_bounds`.
    """
    check_batch(images, labels, None, Linf(epsilon))
    labels, _ = check_classes(network, images, labels, None)
    with runtime.kept(network), torch.no_grad(), runtime.exact_products():
        return _margins(chain(network), images, labels, epsilon)


def certified(network: nn.Module, images: Tensor, labels: Tensor, epsilon: float | Tensor) -> Tensor:
    """Whether every picture of the ball is read as its label, bool [N]: a proof, no experiment.

    False says nothing: the intervals are wider than the truth. Arguments and errors as in `worst_margins`.
    """
    others = worst_margins(network, images, labels, epsilon)
    others = others.scatter(1, labels.to(others.device, torch.int64)[:, None], -math.inf)
    return others.amax(dim=1) < -ROUNDING


def certified_radius(
    network: nn.Module, images: Tensor, labels: Tensor, *, largest: float = 32 / 255, halvings: int = 12
) -> Tensor:
    """The largest ε, by bisection, at which a picture is still certified, [N]; 0 where nothing is.

    Args:
        network, images, labels: as in `worst_margins`.
        largest: where to begin, in pixels.
        halvings: how often the gap between yes and no is halved, at least 1.
    """
    check_count("halvings", halvings)
    yes = torch.zeros(len(images), device=images.device)
    no = torch.full_like(yes, 2 * largest)
    for _ in range(halvings + 1):
        middle = (yes + no) / 2  # `largest` in the first round
        proven = certified(network, images, labels, middle)
        yes, no = torch.where(proven, middle, yes), torch.where(proven, no, middle)
        no = no.clamp(max=largest)
    return yes


def chain(network: nn.Module) -> list[nn.Module]:
    """A network's layers in the order in which a picture meets them.

    Raises:
        TypeError: the layers do not stand in a row, or one of them has no rule for intervals.
    """
    if isinstance(network, zoo.PixelNetwork):
        return [_Normalise(network.mean, network.std), *chain(network.body)]
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


class _Normalise(nn.Module):
    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.mean, self.std = mean, std

    def forward(self, images: Tensor) -> Tensor:
        return (images - self.mean) / self.std


def _ball(images: Tensor, epsilon: float | Tensor) -> tuple[Tensor, Tensor]:
    """The lowest and the highest value of every pixel."""
    epsilon = per_picture(epsilon, images)
    return (images - epsilon).clamp(min=0), (images + epsilon).clamp(max=1)


def _through(layer: nn.Module, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
    """What an interval [low, high] becomes in one layer."""
    if isinstance(layer, (*MONOTONE, _Normalise)):
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


def _margins(layers: list[nn.Module], images: Tensor, labels: Tensor, epsilon: float | Tensor) -> Tensor:
    """`worst_margins`, with gradients, for the training."""
    *body, last = layers
    if not isinstance(last, nn.Linear):
        raise TypeError(f"the last layer must be Linear, so that it gives logits; it is {type(last).__name__}.")
    low, high = _ball(images, epsilon)
    for layer in body:
        low, high = _through(layer, low, high)
    ahead = last.weight - last.weight[labels][:, None]  # [N, classes, features], rows of class i less the label's
    bias = last.bias - last.bias[labels][:, None]
    middle, reach = (low + high) / 2, (high - low) / 2
    return (ahead @ middle[:, :, None] + ahead.abs() @ reach[:, :, None])[:, :, 0] + bias


# ---- training for a certificate ----------------------------------------------------------------------------------
@dataclass(frozen=True)
class CertifiedStep(training.TrainingStep):
    """Where a training by interval bounds stands after one step."""

    epsilon: float  # of this step's ball
    certified: float  # share of the batch that was certified there, before the step


def train_certified(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    steps: int,
    epsilon: float,
    learning_rate: float = 2e-3,
) -> Iterator[CertifiedStep]:
    """Train a network in place on the worst logits that the intervals allow; ε grows from 0 in the course of it.

    Args:
        network: layers in a row, as for `interval_bounds`; in evaluation mode afterwards.
        batches: (images [N, 3, H, W] in [0, 1], labels [N]) on the network's device.
        steps: how many batches to take, at least 1.
        epsilon: ε in pixels from the middle of the training on; 0 trains plainly.
        learning_rate: Adam's highest.

    Yields:
        `CertifiedStep`, after each step.

    Source: Gowal et al. 2018, section 3.3: half the loss is that of the clean picture.
    """
    check_count("steps", steps)
    check_size("epsilon", epsilon, largest=1.0)
    layers, begin = chain(network), time.perf_counter()
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.15)
    network.train()
    try:
        for index, (images, labels) in zip(range(steps), batches, strict=False):
            share = min(1.0, max(0.0, 2.5 * index / steps - 0.25))  # of ε: 0 for a tenth of the time, then growing
            logits = network(images)
            worst = _margins(layers, images, labels, share * epsilon)
            clean = functional.cross_entropy(logits, labels)
            loss = (1 - share / 2) * clean + share / 2 * functional.cross_entropy(worst, labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 5.0)
            optimizer.step()
            schedule.step()
            right = (logits.argmax(dim=1) == labels).float().mean().item()
            proven = (worst.scatter(1, labels[:, None], -math.inf).amax(dim=1) < 0).float().mean().item()
            spent = time.perf_counter() - begin
            yield CertifiedStep(index, loss.item(), right, spent, share * epsilon, proven)
    finally:
        network.eval()


# ---- randomised smoothing ----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Smoothed:
    """What the vote of many noisy copies says; −1 and a radius of 0 where it abstains."""

    prediction: Tensor  # [N], the class of the majority, or −1
    radius: Tensor  # [N], L2: within it the vote cannot turn, but with probability alpha
    probability: Tensor  # [N], the lower bound of the majority's share
    votes: Tensor  # [N, classes], those that were counted for the bound


def clopper_pearson(successes, trials, alpha: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    """The exact interval of a probability, both ends: it misses the truth at most in a share alpha of all experiments.

    Args:
        successes, trials: whole numbers, or arrays of them.
        alpha: how often it may fail, between 0 and 1.

    Returns:
        low, high: float arrays of the same shape.

    Source: Clopper and Pearson 1934.
    """
    from scipy.stats import beta  # imported where it is needed: it takes a second

    successes, trials = np.asarray(successes), np.asarray(trials)
    _check_counts(successes, trials, alpha)
    with np.errstate(invalid="ignore"):
        low = np.where(successes == 0, 0.0, beta.ppf(alpha / 2, successes, trials - successes + 1))
        high = np.where(successes == trials, 1.0, beta.ppf(1 - alpha / 2, successes + 1, trials - successes))
    return low, high


def lower_bound(successes, trials, alpha: float = 0.001) -> np.ndarray:
    """The lower end alone, which then may spend all of alpha; arguments as in `clopper_pearson`."""
    _check_counts(np.asarray(successes), np.asarray(trials), alpha)
    return clopper_pearson(successes, trials, min(2 * alpha, 1 - 1e-12))[0]


def smooth_votes(
    network: nn.Module, images: Tensor, *, sigma: float, samples: int, seed: int = 0, batch: int = 256
) -> Tensor:
    """How often each class is read when Gaussian noise is added to a picture, whole numbers [N, classes].

    Args:
        network: any; looked at in evaluation mode, left as it was.
        images: float [N, C, H, W] in [0, 1]; with its noise a picture may leave this range, and is not cut.
        sigma: σ of the noise in pixels, above 0.
        samples: noisy copies of each picture, at least 1.
        seed: of the noise.
        batch: copies asked about at a time.
    """
    check_images(images)
    check_count("samples", samples)
    _check_sigma(sigma)
    draw, answers = runtime.generator(seed, images.device), []
    with runtime.kept(network), torch.no_grad():
        for rows in torch.arange(len(images) * samples, device=images.device).split(batch):
            pictures = images[rows // samples]
            like = {"generator": draw, "device": images.device, "dtype": images.dtype}
            logits = network(pictures + sigma * torch.randn(pictures.shape, **like))
            answers.append(logits.argmax(dim=1))
    one_hot = functional.one_hot(torch.cat(answers).view(len(images), samples), logits.shape[1])
    return one_hot.sum(dim=1)


def smooth_predict(
    network: nn.Module, images: Tensor, *, sigma: float, samples: int = 100, alpha: float = 0.001, seed: int = 0
) -> Tensor:
    """The class that the vote answers, [N], or −1 where two classes are too close to call.

    With probability 1 − alpha it is the class that infinitely many copies would choose. Arguments as in `smooth_votes`.

    Source: Cohen et al. 2019, PREDICT.
    """
    from scipy.stats import binom

    _check_counts(np.asarray(0), np.asarray(1), alpha)
    votes = smooth_votes(network, images, sigma=sigma, samples=samples, seed=seed)
    (first, second), chosen = votes.topk(2, dim=1).values.T, votes.argmax(dim=1)
    # Were both equally likely, how often would one of them be so far ahead? (A two-sided test of a fair coin.)
    both = (first + second).cpu().numpy()
    chance = np.minimum(1.0, 2 * binom.sf(first.cpu().numpy() - 1, both, 0.5))
    return torch.where(torch.from_numpy(chance <= alpha).to(chosen.device), chosen, -1)


def smooth_certify(
    network: nn.Module,
    images: Tensor,
    *,
    sigma: float,
    samples: int = 1000,
    first: int = 100,
    alpha: float = 0.001,
    seed: int = 0,
) -> Smoothed:
    """The class of the vote and the radius within which no attack turns it: σ·Φ⁻¹(p), p the vote's lower bound.

    Args:
        network, images, sigma, seed: as in `smooth_votes`.
        samples: copies that are counted for the bound.
        first: other copies, which only choose the class: who chooses and counts with the same ones deceives himself.
        alpha: how often the certificate may be wrong, by bad luck with the noise.

    Returns:
        `Smoothed`; with p ≤ 1/2 it abstains.

    Source: Cohen et al. 2019, CERTIFY and theorem 1.
    """
    _check_counts(np.asarray(0), np.asarray(1), alpha)
    chosen = smooth_votes(network, images, sigma=sigma, samples=first, seed=2 * seed).argmax(dim=1)
    votes = smooth_votes(network, images, sigma=sigma, samples=samples, seed=2 * seed + 1)
    counted = votes.gather(1, chosen[:, None])[:, 0].cpu().numpy()
    low = torch.from_numpy(lower_bound(counted, samples, alpha))  # on the processor, in float64
    radius = torch.where(low > 0.5, sigma * torch.special.ndtri(low), 0.0)
    low, radius = (numbers.to(runtime.exact_dtype(images.device)).to(images.device) for numbers in (low, radius))
    sure = low > 0.5
    return Smoothed(torch.where(sure, chosen, -1), radius, low, votes)


# ---- what can be wrong -------------------------------------------------------------------------------------------
def _check_counts(successes: np.ndarray, trials: np.ndarray, alpha: float) -> None:
    if not (isinstance(alpha, Real) and 0 < alpha < 1):
        raise ValueError(f"alpha, how often the bound may fail, must lie between 0 and 1; got {alpha!r}.")
    if not (np.issubdtype(successes.dtype, np.integer) and np.issubdtype(trials.dtype, np.integer)):
        raise TypeError("successes and trials are counted: give whole numbers.")
    if (trials < 1).any() or (successes < 0).any() or (successes > trials).any():
        raise ValueError(f"there are 0 to {np.max(trials)} successes in {np.max(trials)} trials; got {successes}.")


def _check_sigma(sigma: float) -> None:
    if isinstance(sigma, bool) or not isinstance(sigma, Real) or not (0 < sigma < math.inf):
        raise ValueError(f"sigma, the strength of the noise in pixels, must be a number above 0; got {sigma!r}.")
    if sigma > 4:
        raise ValueError(f"sigma is in pixels, which run from 0 to 1; got {sigma:g}. Did you mean {sigma:g}/255?")
