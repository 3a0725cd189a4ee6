"""A network at work: watch its layers, replace what they answer, hear them in a pass that ends behind the last one.

Serves notebooks 1, 3, 4, 6 and 7. Papers: none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress

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
    hooks = []
    try:
        for name, layer in layers.items():
            if before is not None:
                hooks.append(layer.register_forward_pre_hook(lambda _, inputs, name=name: before(name, inputs)))
            if behind is not None:
                hooks.append(
                    layer.register_forward_hook(lambda _, inputs, output, name=name: behind(name, inputs, output))
                )
        yield
    finally:
        for hook in hooks:
            hook.remove()


def replace(layers: Iterable[nn.Module], change: Callable[[Tensor], Tensor]) -> AbstractContextManager[None]:
    """Inside, what comes out of some layers goes through `change` before the next one sees it."""
    numbered = {str(number): layer for number, layer in enumerate(layers)}
    return watch(numbered, lambda _name, _inputs, output: change(output))


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
        images: as the network takes them.
        layers: name → layer.
        uses: at which of its calls a layer is heard, by name; left out, at its first.
        before: hear what goes into the layers, and end the pass before the last one computes.

    Returns:
        Name → what was heard.

    Raises:
        ValueError: the network did not use a layer.
    """
    heard: dict[str, Tensor] = {}
    left = dict(uses or dict.fromkeys(layers, 1))

    def look(name: str, value: Tensor) -> None:
        left[name] -= 1
        if left[name] == 0:
            last = all(count <= 0 for count in left.values())
            heard[name] = value if last else value.clone()
            if last:
                raise _Reached

    if before:
        watching = watch(layers, before=lambda name, inputs: look(name, inputs[0]))
    else:
        watching = watch(layers, lambda name, _inputs, output: look(name, output))
    with kept(network), watching, suppress(_Reached):
        network(images)
    for name in layers:
        if name not in heard:
            raise ValueError(f"the network never used its layer {name!r}; choose one on the way to the logits.")
    return heard
