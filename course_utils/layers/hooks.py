"""A network at work: watch its layers, replace what they answer, hear them in a pass that ends behind the last one.

Serves notebooks 1, 3, 4, 6 and 7. Papers: none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress

from torch import Tensor, nn

from course_utils.runtime import kept


@contextmanager
def watch(
    layers: Mapping[str, nn.Module],
    behind: Callable[[str, tuple, object], object] | None = None,
    *,
    before: Callable[[str, tuple], object] | None = None,
) -> Iterator[None]:
    """Inside, a function is told of every call of some layers; afterwards their hooks are gone, also after an error.

    Args:
        layers: name → layer.
        behind: called with name, inputs and output when a layer has answered; what it returns, unless that is None,
            goes on through the network in the output's place.
        before: called with name and inputs when a layer begins; what it returns, unless that is None, goes in.
    """
    with ExitStack() as hooks:
        for name, layer in layers.items():
            if before is not None:
                hook = layer.register_forward_pre_hook(lambda _, given, name=name: before(name, given))
                hooks.enter_context(hook)
            if behind is not None:
                hook = layer.register_forward_hook(lambda _, given, answer, name=name: behind(name, given, answer))
                hooks.enter_context(hook)
        yield


def replace(layers: Iterable[nn.Module], change: Callable[[Tensor], Tensor]) -> AbstractContextManager[None]:
    """Inside, what comes out of some layers goes through `change` before the next one sees it."""
    return watch({str(k): layer for k, layer in enumerate(layers)}, lambda _name, _given, answer: change(answer))


class _Reached(Exception):
    """All that was wanted is known; the rest of the network need not be computed."""


def hear(
    network: nn.Module,
    images: Tensor,
    layers: Mapping[str, nn.Module],
    *,
    uses: Mapping[str, int] | None = None,
    before: bool = False,
) -> dict[str, Tensor]:
    """What some layers answer to pictures, in one pass that ends behind the last of them.

    What is kept of a layer is not what goes on through the network: a ReLU in place may write into that.

    Args:
        network: in evaluation mode inside, left as it was; gradients flow where autograd is on.
        layers: name → layer; what was heard comes by the same names.
        uses: at which of its calls a layer is heard, by name; left out, at its first.
        before: hear what goes into the layers, and end the pass before the last one computes.

    Raises:
        ValueError: the network did not use a layer.

    >>> network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten())
    >>> import torch
    >>> hear(network, torch.rand(1, 3, 6, 6), {"maps": network[1]})["maps"].shape
    torch.Size([1, 8, 4, 4])
    """
    heard: dict[str, Tensor] = {}
    left = dict(uses or dict.fromkeys(layers, 1))

    def look(name: str, inputs: tuple, output: Tensor | None = None) -> None:
        left[name] -= 1
        if left[name] == 0:
            last = all(count <= 0 for count in left.values())
            value = inputs[0] if before else output
            heard[name] = value if last else value.clone()
            if last:
                raise _Reached

    watching = watch(layers, before=look) if before else watch(layers, look)
    with kept(network), watching, suppress(_Reached):
        network(images)
    for name in layers:
        if name not in heard:
            raise ValueError(f"the network never used its layer {name!r}; choose one on the way to the logits.")
    return heard
