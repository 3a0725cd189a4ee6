"""A trained network with some of its blocks taken out: what the others can do without them.

Serves notebook 05. Paper: Veit et al. 2016, "Residual Networks Behave Like Ensembles of Relatively Shallow Networks",
arXiv:1605.06431, section 4.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_utils import runtime, zoo
from course_utils.networks.resnet import Block, PaddedSkip


@dataclass(frozen=True)
class Deletion:
    """What the network can do without one of its blocks."""

    name: str  # of the block
    loss: float  # mean cross-entropy
    accuracy: float  # share that is read right, in [0, 1]


def without(network: nn.Module, *names: str) -> nn.Module:
    """The same network less some blocks. It shares all layers with the network, which itself does not change.

    Of a residual block its skip is left, f(x) = x, with the ReLU behind it. A plain block has none, so it is given
    what its residual twin has: the identity, or the padded skip where the shape changes.

    Args:
        network: a ResNet of `resnet`, alone or as a network of the zoo.
        names: of blocks, as `blocks(network)` tells them, such as "stage2.3".

    Raises:
        ValueError: no such block, or a network without blocks.
        TypeError: it is no network of `resnet`.
    """
    parts = _parts(network)
    known = blocks(network)
    for name in names:
        if name not in known:
            raise ValueError(f"there is no block {name!r} to take out; there are {', '.join(known)}.")
    chain = nn.Sequential(*(bridge(part) if name in names else part for name, part in parts.items()))
    chain.training = network.training  # its layers are the network's own, and keep their modes
    if not isinstance(network, zoo.PixelNetwork):
        return chain
    less = zoo.PixelNetwork(
        chain,
        name=f"{network.name} without {', '.join(names)}" if names else network.name,
        class_names=network.class_names,
        input_size=network.input_size,
        mean=network.mean.flatten().tolist(),
        std=network.std.flatten().tolist(),
    )
    less.mean, less.std, less.training = network.mean, network.std, network.training
    return less


def blocks(network: nn.Module) -> tuple[str, ...]:
    """The names of the blocks that can be taken out, first to last."""
    return tuple(name for name, part in _parts(network).items() if isinstance(part, Block))


def bridge(block: Block) -> nn.Module:
    """What stands in the place of a block that was taken out: its skip, and the ReLU where the block ends with one."""
    skip = block.skip
    if skip is None:
        more, stride = _out_channels(block) - block.conv1.in_channels, _stride(block)
        skip = nn.Identity() if more == 0 and stride == 1 else PaddedSkip(more, stride)
    return skip if block.preactivation else nn.Sequential(skip, nn.ReLU())


def deletions(network: nn.Module, images: Tensor, labels: Tensor) -> Iterator[Deletion]:
    """Take out one block after the other (each is put back before the next), and measure what is left.

    What the layers before the missing block compute is the same for all the later ones and is computed once.

    Args:
        network: a ResNet of `resnet`, alone or as a network of the zoo; evaluation mode inside, left as it was.
        images: [N, 3, H, W] in [0, 1].
        labels: [N].

    Yields:
        A `Deletion` a block, first to last. Between two of them the network is as it was.
    """
    parts = list(_parts(network).items())
    where = next(network.parameters()).device
    x, labels = images.to(where), labels.to(where)
    if isinstance(network, zoo.PixelNetwork):
        x = (x - network.mean) / network.std
    for k, (name, part) in enumerate(parts):
        measured = None
        with torch.no_grad(), runtime.kept(network):
            if isinstance(part, Block):
                rest = nn.Sequential(bridge(part), *(later for _, later in parts[k + 1 :]))
                logits = rest(x)
                right = (logits.argmax(dim=1) == labels).float().mean().item()
                measured = Deletion(name, cross_entropy(logits, labels).item(), right)
            x = part(x)
        if measured is not None:
            yield measured


def _parts(network: nn.Module) -> dict[str, nn.Module]:
    """The network as a chain, name → part."""
    body = network.body if isinstance(network, zoo.PixelNetwork) else network
    if not hasattr(body, "parts"):
        raise TypeError(f"blocks are taken out of the networks of resnet.py; got {type(body).__name__}.")
    return body.parts()


def _stride(block: Block) -> int:
    return max(layer.stride[0] for layer in block.modules() if isinstance(layer, nn.Conv2d))


def _out_channels(block: Block) -> int:
    *_, last = (layer for layer in block.children() if isinstance(layer, nn.Conv2d))
    return last.out_channels
