"""The branches of a trained Inception network: what each one sees, and what is left when some are switched off.

Serves notebook 04 and its second lab. Paper: Morcos et al. 2018, "On the importance of single directions for
generalization", arXiv:1803.06959, where units are silenced in the two ways that are used here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.layers.find import layer_of
from course_utils.layers.hooks import hear, replace
from course_utils.networks.inception import BRANCHES, Inception

FILLS = ("zero", "mean")  # what may stand in the place of a branch that is switched off


@dataclass(frozen=True)
class Reading:
    """How a network reads, as far as it was asked."""

    asked: int  # pictures so far
    right: int  # of them

    @property
    def accuracy(self) -> float:
        """Share that was right, in [0, 1]."""
        return self.right / self.asked


def modules(network: nn.Module) -> dict[str, Inception]:
    """The Inception modules of a network by their short names, in the order of the run: "inception_a" …

    Raises:
        TypeError: there is none.
    """
    found = {name.removeprefix("body."): part for name, part in network.named_modules() if isinstance(part, Inception)}
    if not found:
        raise TypeError(f"{type(network).__name__} has no Inception module; load signs-inception, for example.")
    return found


def names(network: nn.Module) -> tuple[str, ...]:
    """The names of all branches: "inception_a.conv_1x1" …"""
    return tuple(f"{name}.{branch}" for name in modules(network) for branch in BRANCHES)


def switched_off(network: nn.Module, *branches: str, fill: str = "zero") -> AbstractContextManager[None]:
    """Inside, some branches say nothing; afterwards the network is as it was, also when something was raised.

    Args:
        network: with Inception modules.
        branches: some of `names(network)`.
        fill: what stands in their place: "zero", or each channel's "mean" over the batch, so that what comes after
            meets the numbers that it is used to and only the picture is missing.

    Raises:
        ValueError: no such branch, or no such fill.
    """
    known = names(network)
    for branch in branches:
        if branch not in known:
            raise ValueError(f"there is no branch {branch!r} to switch off; there are {', '.join(known)}.")
    if fill not in FILLS:
        raise ValueError(f"a branch that is off gives {' or '.join(map(repr, FILLS))}; got {fill!r}.")

    def silence(output: Tensor) -> Tensor:
        if fill == "zero":
            return torch.zeros_like(output)
        return output.mean(dim=(0, 2, 3), keepdim=True).expand_as(output)

    return replace([layer_of(network, branch) for branch in branches], silence)


@torch.no_grad()
def views(network: nn.Module, images: Tensor, module: str) -> dict[str, Tensor]:
    """What the four branches of one module say about some pictures.

    Args:
        network: in evaluation mode inside, left as it was.
        images: [N, 3, H, W] in [0, 1].
        module: one of `modules(network)`.

    Returns:
        Branch → activations [N, its channels, H', W'], all at least 0.

    Raises:
        ValueError: no such module.
    """
    found = modules(network)
    if module not in found:
        raise ValueError(f"there is no module {module!r}; there are {', '.join(found)}.")
    return hear(network, images, {branch: getattr(found[module], branch) for branch in BRANCHES})


def read(
    network: nn.Module, images: Tensor, labels: Tensor, off: Iterable[str] = (), *, fill: str = "zero", batch: int = 25
) -> Iterator[Reading]:
    """Ask a network, some pictures an item, while some of its branches are off.

    Args:
        network: in evaluation mode inside, as it was between two items and afterwards.
        images: [N, 3, H, W] in [0, 1], on the network's device.
        labels: [N].
        off: branches, as in `switched_off`.
        fill: what stands in their place.
        batch: pictures an item.

    Yields:
        `Reading` over all pictures so far.
    """
    off, asked, right = tuple(off), 0, 0
    for some, truth in zip(images.split(batch), labels.split(batch), strict=True):
        with torch.no_grad(), runtime.kept(network), switched_off(network, *off, fill=fill):
            some = some.to(memory_format=torch.channels_last)  # on a processor twice as fast
            right += int((network(some).argmax(dim=1) == truth).sum())
        asked += len(some)
        yield Reading(asked, right)


@lru_cache(maxsize=1)
def shipped(network: str = "signs-inception") -> dict[str, dict[str, float]]:
    """Fill → branch that alone is off ("" for none) → share of 2,000 scenes that is read right; see data/inception.

    Raises:
        ValueError: it was measured for another network.
    """
    told = json.loads((runtime.DATA / "inception" / "branches.json").read_text(encoding="utf-8"))
    if told["made"]["network"] != network:
        raise ValueError(f"the table that ships is that of {told['made']['network']}; there is none for {network!r}.")
    return told["right"]
