"""Handing a network the weights of another one: under its names, all of them and in its shapes.

Serves notebooks 04 and 05. Papers: none.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor, nn


def rename(state: Mapping[str, Tensor], rules: Iterable[tuple[str, str]]) -> dict[str, Tensor]:
    """Give weights other names, by rules (regular expression, what stands in its place), one after the other."""
    for theirs, ours in rules:
        state = {re.sub(theirs, ours, name): tensor for name, tensor in state.items()}
    return dict(state)


def load_weights(network: nn.Module, state: Mapping[str, Tensor]) -> nn.Module:
    """Fill a network, in place, with weights that must be its own, all of them and in its shapes.

    Raises:
        ValueError: with the name of the first layer that does not fit; the network stays what it was.

    >>> load_weights(nn.Linear(2, 1), nn.Linear(2, 1).state_dict())
    Linear(in_features=2, out_features=1, bias=True)
    """
    wanted = network.state_dict()
    for name, tensor in wanted.items():
        if name not in state:
            raise ValueError(f"{name} is missing: these are not the weights of this network, which needs it.")
        if state[name].shape != tensor.shape:
            shapes = f"{list(tensor.shape)} here and {list(state[name].shape)} there"
            raise ValueError(f"{name} does not fit, {shapes}: these are the weights of another network.")
    if extra := [name for name in state if name not in wanted]:
        raise ValueError(f"{extra[0]} is left over: these are the weights of another network, which has such a layer.")
    network.load_state_dict(state)
    return network
