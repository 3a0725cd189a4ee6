"""What the skip does to the gradient: Jacobians, their product through a chain of blocks, gradients layer by layer.

Serves notebook 05 and its first lab. Papers: Balduzzi et al. 2017, "The Shattered Gradients Problem"; Saxe et al.
2014, arXiv:1312.6120 (singular values through depth); Yang et al. 2019, arXiv:1902.08129 (batch normalisation).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_utils import runtime


def jacobian(function: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    """All derivatives of a function at a point, as one matrix: row = number of the output, column = of the input.

    Args:
        function: takes a tensor, gives a tensor; a block in evaluation mode, say.
        x: the point, of any shape.

    Returns:
        J, [outputs, inputs]; J[i, j] says how output i answers to input j.

    >>> jacobian(torch.square, torch.tensor([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    if not isinstance(x, Tensor) or not x.is_floating_point():
        raise TypeError(f"a Jacobian is taken at a tensor of floats; got {getattr(x, 'dtype', type(x).__name__)}.")
    return torch.func.jacrev(function)(x.detach()).detach().reshape(-1, x.numel())


def products(blocks: Iterable[nn.Module], x: Tensor) -> Iterator[Tensor]:
    """The Jacobian of a chain that grows by a block at a time: J₁, J₂J₁, J₃J₂J₁ … (the chain rule, nothing else).

    Args:
        blocks: called one after the other, each in evaluation mode.
        x: where the chain begins, one picture or signal [1, C, H, W]; float64, as products of many matrices need it.
    """
    whole = torch.eye(x.numel(), dtype=x.dtype, device=x.device)
    for block in blocks:
        with runtime.kept(block):
            whole = jacobian(block, x) @ whole
            x = block(x).detach()
        yield whole


def singular_values(blocks: Iterable[nn.Module], x: Tensor) -> Tensor:
    """How much the chain stretches a small change, in each of its directions, after each block.

    Args:
        blocks, x: as for `products`; all blocks keep the shape.

    Returns:
        [blocks, inputs], each row from the largest down. Values below some 1e-15 of a row's largest are rounding.

    >>> halve = nn.Linear(2, 2, bias=False).double()
    >>> _ = halve.weight.data.copy_(torch.eye(2) / 2)
    >>> singular_values([halve, halve], torch.ones(1, 2, dtype=torch.float64)).tolist()
    [[0.5, 0.5], [0.25, 0.25]]
    """
    return torch.stack([torch.linalg.svdvals(whole) for whole in products(blocks, x)])


def gradient_norms(network: nn.Module, images: Tensor, labels: Tensor) -> dict[int, float]:
    """How much of the loss's gradient arrives at each layer of an untrained network: its norm there.

    Args:
        network: a network of `resnet`, which knows its parts. Its batch normalisations use the batch, as in training;
            nothing in the network changes.
        images, labels: [N, 3, H, W], as the network takes them, and [N].

    Returns:
        Number of the layer → norm of the gradient of the loss with respect to what this layer gives, mean over the
        pictures. The stem is layer 1; of a block, the last convolution counts.

    >>> from course_utils.networks.resnet import SmallResNet
    >>> list(gradient_norms(SmallResNet(8), torch.rand(2, 3, 8, 8), torch.tensor([0, 1])))
    [1, 3, 5, 7]
    """
    if not hasattr(network, "parts"):
        raise TypeError(f"network must tell its parts, as resnet.SmallResNet does; got {type(network).__name__}.")
    layers, signals, depth = [], [], 0
    with runtime.kept(network), _batch_statistics(network), torch.enable_grad():
        x = images.detach().requires_grad_()
        for name, part in network.parts().items():
            x = part(x)
            depth += sum(isinstance(layer, nn.Conv2d) for layer in part.children())  # a projecting skip lies deeper
            if name != "head":
                layers.append(depth)
                signals.append(x)
        gradients = torch.autograd.grad(cross_entropy(x, labels, reduction="sum"), signals)
    norms = torch.stack([gradient.flatten(1).norm(dim=1).mean() for gradient in gradients])
    return dict(zip(layers, norms.tolist(), strict=True))


@contextmanager
def _batch_statistics(network: nn.Module) -> Iterator[None]:
    """Inside `kept`, which knows the modes, batch normalisations use the batch's own statistics and forget them."""
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    before = [layer.track_running_stats for layer in norms]
    for layer in norms:
        layer.train().track_running_stats = False
    try:
        yield
    finally:
        for layer, tracks in zip(norms, before, strict=True):
            layer.track_running_stats = tracks
