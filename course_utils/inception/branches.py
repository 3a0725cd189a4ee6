"""The branches of a trained Inception network: what each one answers, and what is left when some are ablated.

Serves notebook 4 and its second lab. Paper: Morcos et al. 2018, "On the importance of single directions for
generalization", arXiv:1803.06959, where units are ablated in the two ways that are used here.
"""

from __future__ import annotations

import copy
import json
from contextlib import AbstractContextManager
from functools import lru_cache

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from course_utils import runtime
from course_utils.arguments import check_choice, check_known
from course_utils.layers.find import layer_of
from course_utils.layers.hooks import hear, replace
from course_utils.networks.inception import BRANCHES, Inception

FILLS = ("zero", "mean")  # what may stand in the place of a branch that is ablated


def modules(network: nn.Module) -> dict[str, Inception]:
    """The Inception modules of a network by their short names, in the order of the run.

    >>> from course_utils import zoo
    >>> list(modules(zoo.load("signs-inception", device="cpu")))
    ['inception_a', 'inception_b', 'inception_c', 'inception_d']
    """
    found = {name.removeprefix("body."): part for name, part in network.named_modules() if isinstance(part, Inception)}
    if not found:
        raise TypeError(f"{type(network).__name__} has no Inception module; load signs-inception, for example.")
    return found


def names(network: nn.Module) -> tuple[str, ...]:
    """The names of all branches: "inception_a.conv_1x1" …"""
    return tuple(f"{name}.{branch}" for name in modules(network) for branch in BRANCHES)


def ablate(network: nn.Module, *branches: str, fill: str = "zero") -> AbstractContextManager[None]:
    """Inside, some branches say nothing; afterwards the network is as it was, also when something was raised.

    Args:
        network: with Inception modules.
        branches: some of `names(network)`.
        fill: what stands in their place: "zero", or each channel's "mean" over the batch, so that what comes after
            meets the numbers that it is used to and only the picture is missing.

    >>> from course_utils import signs, training, zoo
    >>> network, street = zoo.load("signs-inception", device="cpu"), signs.render(50, seed=1, device="cpu")
    >>> with ablate(network, "inception_b.conv_3x3"):
    ...     training.accuracy(network, street.images, street.labels) < 0.8
    True
    """
    known = names(network)
    for branch in branches:
        check_known("branch", branch, known)
    check_choice("a branch that is off", fill, FILLS, says="gives 'zero' or 'mean'")

    def silence(output: Tensor) -> Tensor:
        if fill == "zero":
            return torch.zeros_like(output)
        return output.mean(dim=(0, 2, 3), keepdim=True).expand_as(output)

    return replace([layer_of(network, branch) for branch in branches], silence)


@torch.no_grad()
def activations(network: nn.Module, images: Tensor, module: str) -> dict[str, Tensor]:
    """Branch → what it answers to some pictures: activations [N, its channels, H', W'], all at least 0.

    Args:
        network: in evaluation mode inside, left as it was.
        images: [N, 3, H, W] in [0, 1].
        module: one of `modules(network)`.

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-inception", device="cpu"), signs.render([signs.STOP], device="cpu")
    >>> {branch: maps.shape[1] for branch, maps in activations(network, stop.images, "inception_a").items()}
    {'conv_1x1': 24, 'conv_3x3': 40, 'conv_5x5': 16, 'pool': 16}
    """
    known = modules(network)
    check_known("module", module, known)
    return hear(network, images, {branch: getattr(known[module], branch) for branch in BRANCHES})


def smoothness(network: nn.Module, images: Tensor, module: str) -> dict[str, float]:
    """Branch → how much its maps change from one place to the next, as a share of their mean: the less, the smoother.

    >>> from course_utils import signs, zoo
    >>> network, street = zoo.load("signs-inception", device="cpu"), signs.render(20, device="cpu")
    >>> found = smoothness(network, street.images, "inception_a")
    >>> found["pool"] < found["conv_1x1"]
    True
    """
    heard = activations(network, images, module)
    return {branch: float(maps.diff(dim=3).abs().mean() / maps.mean()) for branch, maps in heard.items()}


def untrained(network: nn.Module, images: Tensor, *, seed: int = 0) -> nn.Module:
    """A copy of a network with first weights instead of learnt ones; its normalisation is that of some pictures.

    >>> from course_utils import signs, zoo
    >>> street = signs.render(20, device="cpu").images  # [N, 3, H, W] in [0, 1]
    >>> fresh = untrained(zoo.load("signs-inception", device="cpu"), street)
    >>> fresh.training
    False
    """
    fresh, where = copy.deepcopy(network).cpu(), images.device
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        for part in fresh.modules():
            if isinstance(part, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                part.reset_parameters()
    update_bn([images], fresh.to(where))
    return fresh.eval()


def without_pooling(network: nn.Module, images: Tensor) -> nn.Module:
    """A copy of a network whose pooling branches have only their 1×1; its normalisation is that of some pictures.

    >>> from course_utils import signs, zoo
    >>> street = signs.render(20, device="cpu").images  # [N, 3, H, W] in [0, 1]
    >>> modules(without_pooling(zoo.load("signs-inception", device="cpu"), street))["inception_a"].pool[0]
    Identity()
    """
    bare = copy.deepcopy(network)
    for module in modules(bare).values():
        module.pool[0] = nn.Identity()
    update_bn([images], bare)  # numbers that were no maxima are smaller, and the old means would cut off more of them
    return bare.eval()


@lru_cache(maxsize=1)
def load_table(network: str = "signs-inception") -> dict[str, dict[str, float]]:
    """Fill → branch that alone is off ("" for none) → share of 2,000 scenes that is read right; see data/inception.

    Raises:
        ValueError: it was measured for another network.

    >>> load_table()["zero"]["inception_b.conv_5x5"]
    0.6015
    """
    told = json.loads((runtime.DATA / "inception" / "branches.json").read_text(encoding="utf-8"))
    if told["made"]["network"] != network:
        raise ValueError(f"the table that ships is that of {told['made']['network']}; there is none for {network!r}.")
    return told["right"]
