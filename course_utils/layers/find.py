"""A network's layers: one by its name, and those that answer with maps over places.

Serves notebooks 3, 4, 6 and 7. Papers: none.
"""

from __future__ import annotations

import difflib

import torch
from torch import Tensor, nn

from course_utils.layers.hooks import watch
from course_utils.runtime import kept

POOLING = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d)


# ---- one by its name -------------------------------------------------------------------------------------------
def layer_of(network: nn.Module, layer: str | nn.Module) -> nn.Module:
    """A layer of a network by its name, with `body.` or without; one of its layers comes back as it is.

    Raises:
        ValueError: there is none; the sentence says which there are.

    >>> from course_utils import zoo
    >>> layer_of(zoo.load("signs-alexnet", device="cpu"), "features.0").out_channels
    32
    """
    return network.get_submodule(name_of(network, layer))


def name_of(network: nn.Module, layer: str | nn.Module) -> str:
    """A layer's full name, as in `network.named_modules()`; arguments and errors as in `layer_of`."""
    known = dict(network.named_modules())
    if isinstance(layer, nn.Module):
        if names := [name for name, module in known.items() if module is layer]:
            return names[0]
        raise ValueError(f"this {type(layer).__name__} is no layer of this network; take one of its own, or a name.")
    if not isinstance(layer, str):
        raise TypeError(f"layer is a layer of the network or its name, such as 'stage3'; got {layer!r}.")
    for name in (f"body.{layer}", layer):
        if layer and name in known:
            return name
    names = [name.removeprefix("body.") for name in known if name not in ("", "body")]
    outer, inner = [name for name in names if "." not in name], [name for name in names if "." in name]
    similar = difflib.get_close_matches(layer, names, n=1, cutoff=0.5)
    whose = getattr(network, "name", "this network")
    question = f"did you mean {similar[0]!r}? There are" if similar else "there are"
    parts = f", and the parts of these, such as {inner[0]!r}" if inner else ""
    raise ValueError(f"{whose} has no layer {layer!r}; {question} {', '.join(outer)}{parts}.")


# ---- those with maps -------------------------------------------------------------------------------------------
def spatial_layers(network: nn.Module, images: Tensor | None = None) -> dict[str, tuple[int, int, int]]:
    """The layers whose output has places, in the order of computation: name → channels, height, width.

    Names are those of `network.body` where there is one; a layer that is used several times counts at its last use. A
    network that does not know its `input_size` is shown some images that it takes.

    >>> spatial_layers(nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU()), torch.zeros(1, 3, 6, 6))
    {'0': (8, 4, 4), '1': (8, 4, 4)}
    """
    return {name: tuple(output.shape[1:]) for name, (_, output) in _outputs(network, images).items()}


def outer_layers(network: nn.Module, images: Tensor | None = None) -> dict[str, tuple[int, int, int]]:
    """Those of `spatial_layers` that are worth a place in a menu: the outermost parts, or theirs where they are few.

    A part in which the maps shrink more than once, such as all the stages of a network together, gives way to its own.

    >>> from course_utils import zoo
    >>> list(outer_layers(zoo.load("signs-resnet", device="cpu")))
    ['stem', 'stage1', 'stage2', 'stage3', 'stage4']
    """
    every = {
        name: tuple(output.shape[1:])
        for name, (module, output) in _outputs(network, images).items()
        if output.shape[2:].numel() > 1 and not isinstance(module, (nn.Identity, nn.Dropout))
    }
    levels = ({name for name in every if name.count(".") == dots} for dots in (0, 1))
    level = next((level for level in levels if len(level) >= 3), set(every))
    sides = {name: {size[1:] for inner, size in every.items() if inner.rpartition(".")[0] == name} for name in level}
    opened = {name for name in level if len(sides[name]) > 2}
    return {name: size for name, size in every.items() if name in level - opened or name.rpartition(".")[0] in opened}


def last_layer(network: nn.Module, images: Tensor | None = None) -> str:
    """The last layer with maps over places: where Grad-CAM is taken unless you say otherwise.

    Pooling layers, dropout and identities are passed over, and so is what only hands their output on; images as in
    `spatial_layers`.

    >>> from course_utils import zoo
    >>> last_layer(zoo.load("efficientnet-lite0", device="cpu"))  # 1280 maps of 7×7
    'head'
    """
    outputs = _outputs(network, images)
    skipped = {id(output) for module, output in outputs.values() if isinstance(module, (nn.Dropout, *POOLING))}
    names = [
        name
        for name, (module, output) in outputs.items()
        if not isinstance(module, nn.Identity) and id(output) not in skipped and output.shape[2:].numel() > 1
    ]
    if not names:
        raise ValueError("this network has no layer with maps over places, so there is nothing for Grad-CAM to show.")
    return names[-1]


@torch.no_grad()
def _outputs(network: nn.Module, images: Tensor | None = None) -> dict[str, tuple[nn.Module, Tensor]]:
    """Name → module and output [1, C, h, w] of all layers that give maps, in the order of computation."""
    if images is None:
        side = getattr(network, "input_size", None)
        if side is None:
            raise ValueError("the size of this network's pictures is not known; give a batch of them.")
        images = next(network.parameters()).new_zeros(1, 3, side, side)
    body = getattr(network, "body", network)
    layers = {name: module for name, module in body.named_modules() if name}
    outputs: dict[str, tuple[nn.Module, Tensor]] = {}

    def remember(name: str, _inputs: tuple, output) -> None:
        if isinstance(output, Tensor) and output.ndim == 4:
            outputs.pop(name, None)  # the last use counts, also for the order
            outputs[name] = (layers[name], output)

    with kept(network), watch(layers, remember):
        network(images[:1])
    return outputs
