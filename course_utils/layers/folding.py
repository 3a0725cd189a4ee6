"""Batch normalisation folded into the convolution before it: the same network in evaluation mode, with less to compute.

Serves notebook 6, where a network is run back and forth many times. Paper: Ioffe and Szegedy 2015, section 3.1: with
fixed statistics, batch normalisation is one multiplication and one addition a channel.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from contextlib import suppress

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from course_utils.layers.hooks import watch
from course_utils.runtime import kept


def fold(network: nn.Module, trial: Tensor, spared: Collection[str] = ()) -> nn.Module:
    """A frozen copy in evaluation mode whose convolutions do the work of the batch normalisations behind them.

    Layers keep their names; a normalisation becomes the identity. Where nothing can be folded, or where the copy would
    answer otherwise, the network itself comes back.

    Args:
        network: left as it was.
        trial: a picture that it takes, [1, 3, H, W]; a pass may end early with an error, and what ran so far counts.
        spared: names of layers whose own answers are wanted, so that nothing is folded into them.
    """
    pairs, answers = _try(network, trial)
    pairs = [(convolution, norm) for convolution, norm in pairs if convolution not in spared]
    if not pairs:
        return network
    try:
        lean = copy.deepcopy(network).eval().requires_grad_(False)
    except RuntimeError:  # some networks keep tensors that cannot be copied
        return network
    for convolution, norm in pairs:
        fused = fuse_conv_bn_eval(lean.get_submodule(convolution), lean.get_submodule(norm))
        for name, layer in ((convolution, fused), (norm, nn.Identity())):
            parent, _, last = name.rpartition(".")
            setattr(lean.get_submodule(parent), last, layer)
    lean.requires_grad_(False)
    _, again = _try(lean, trial)
    untouched = answers.keys() & again.keys() - {convolution for convolution, _ in pairs}
    same = all(torch.allclose(again[name], answers[name], rtol=1e-3, atol=1e-3) for name in untouched)
    return lean if same else network


@torch.no_grad()
def _try(network: nn.Module, trial: Tensor) -> tuple[list[tuple[str, str]], dict[str, Tensor]]:
    """Which normalisation stands right behind which convolution, and what all of these layers answer."""
    kinds = (nn.Conv2d, nn.BatchNorm2d, nn.Identity, nn.Linear)
    layers = {name: module for name, module in network.named_modules() if type(module) in kinds}
    uses = dict.fromkeys(layers, 0)
    made: dict[int, str] = {}  # a convolution's answer, by its identity → the convolution
    alive: list[Tensor] = []  # so that no identity is given twice
    answers: dict[str, Tensor] = {}
    pairs = []

    def look(name: str, inputs: tuple, output: Tensor) -> None:
        module = layers[name]
        uses[name] += 1
        if isinstance(module, nn.Conv2d):
            made[id(output)] = name
        elif isinstance(module, nn.BatchNorm2d) and module.running_mean is not None and id(inputs[0]) in made:
            pairs.append((made[id(inputs[0])], name))
        alive.append(output)
        answers[name] = output.clone()  # a ReLU in place may write into it

    with suppress(RuntimeError, ValueError), kept(network), watch(layers, look):
        network(trial)
    return [pair for pair in pairs if all(uses[name] == 1 for name in pair)], answers
