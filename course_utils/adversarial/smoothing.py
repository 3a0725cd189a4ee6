"""What no attack can beat: the vote of many noisy copies of a picture, for any network.

Serves notebook 8. Papers: Cohen et al. 2019, "Certified Adversarial Robustness via Randomized Smoothing",
arXiv:1902.02918; Clopper and Pearson 1934 (exact bounds of a probability).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from scipy.stats import beta
from torch import Tensor, nn
from torch.nn import functional

from course_utils import runtime
from course_utils.arguments import check_images, check_number, check_whole, is_number

BATCH = 256  # noisy copies that are asked about at a time
FIRST = 100  # copies that only choose the class: who chooses and counts with the same ones deceives himself
ALPHA = 0.001  # how often a certificate may be wrong, by bad luck with the noise


@dataclass(frozen=True)
class Smoothed:
    """What the vote of many noisy copies says; −1 and a radius of 0 where it abstains."""

    prediction: Tensor  # [N], the class of the majority, or −1
    radius: Tensor  # [N], L2: within it the vote cannot turn, but with probability alpha
    probability: Tensor  # [N], the lower bound of the majority's share
    votes: Tensor  # [N, classes], those that were counted for the bound


def lower_bound(successes, trials, alpha: float = ALPHA) -> np.ndarray:
    """The exact lower bound of a probability: it lies above the truth at most in a share alpha of all experiments.

    Args:
        successes, trials: whole numbers, or arrays of them.
        alpha: how often it may fail, between 0 and 1.

    Source: Clopper and Pearson 1934.

    >>> round(float(lower_bound(1000, 1000)), 4)  # even a thousand votes that all agree prove no more
    0.9931
    """
    successes, trials = np.asarray(successes), np.asarray(trials)
    if not (is_number(alpha) and 0 < alpha < 1):
        raise ValueError(f"alpha, how often the bound may fail, must lie between 0 and 1; got {alpha!r}.")
    if not (np.issubdtype(successes.dtype, np.integer) and np.issubdtype(trials.dtype, np.integer)):
        raise TypeError("successes and trials are counted: give whole numbers.")
    if (trials < 1).any() or (successes < 0).any() or (successes > trials).any():
        raise ValueError(f"there are 0 to {np.max(trials)} successes in {np.max(trials)} trials; got {successes}.")
    with np.errstate(invalid="ignore"):
        return np.where(successes == 0, 0.0, beta.ppf(alpha, successes, trials - successes + 1))


def smooth_votes(network: nn.Module, images: Tensor, *, sigma: float, samples: int, seed: int = 0) -> Tensor:
    """How often each class is read when Gaussian noise is added to a picture, whole numbers [N, classes].

    Args:
        network: any; looked at in evaluation mode, left as it was.
        images: float [N, C, H, W] in [0, 1]; with its noise a picture may leave this range, and is not cut.
        sigma: σ of the noise in pixels, above 0.
        samples: noisy copies of each picture, at least 1.
    """
    check_images(images)
    check_whole("samples", samples)
    says = "is the strength of the noise, above 0 and up to 4 (pixels: 0 to 1)"
    check_number("sigma", sigma, 0, 4, above=True, says=says)
    draw, answers = runtime.generator(seed, images.device), []
    with runtime.kept(network), torch.no_grad():
        for rows in torch.arange(len(images) * samples, device=images.device).split(BATCH):
            pictures = images[rows // samples]
            like = {"generator": draw, "device": images.device, "dtype": images.dtype}
            logits = network(pictures + sigma * torch.randn(pictures.shape, **like))
            answers.append(logits.argmax(dim=1))
    one_hot = functional.one_hot(torch.cat(answers).view(len(images), samples), logits.shape[1])
    return one_hot.sum(dim=1)


def smooth_certify(network: nn.Module, images: Tensor, *, sigma: float, samples: int = 1000, seed: int = 0) -> Smoothed:
    """The class of the vote and the radius within which no attack turns it: σ·Φ⁻¹(p), p the vote's lower bound.

    Args:
        network, images, sigma, seed: as in `smooth_votes`.
        samples: copies that are counted for the bound; with p ≤ 1/2 the vote abstains.

    Source: Cohen et al. 2019, CERTIFY and theorem 1.

    >>> smooth = smooth_certify(nn.Sequential(nn.Flatten(), nn.Linear(48, 2)), torch.rand(1, 3, 4, 4), sigma=0.25)
    >>> smooth.votes.sum()
    tensor(1000)
    """
    chosen = smooth_votes(network, images, sigma=sigma, samples=FIRST, seed=2 * seed).argmax(dim=1)
    votes = smooth_votes(network, images, sigma=sigma, samples=samples, seed=2 * seed + 1)
    counted = votes.gather(1, chosen[:, None])[:, 0].cpu().numpy()
    low = torch.from_numpy(lower_bound(counted, samples))  # on the processor, in float64
    radius = torch.where(low > 0.5, sigma * torch.special.ndtri(low), 0.0)
    low, radius = (numbers.to(runtime.exact_dtype(images.device)).to(images.device) for numbers in (low, radius))
    sure = low > 0.5
    return Smoothed(torch.where(sure, chosen, -1), radius, low, votes)
