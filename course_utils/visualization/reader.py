"""The scores of a batch of pictures, each by its own objective, from a network that stops behind the last layer needed.

Serves notebook 6, through `ascent`. Papers: none.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from course_utils.layers.find import name_of
from course_utils.layers.folding import fold
from course_utils.layers.hooks import hear, watch
from course_utils.runtime import kept
from course_utils.visualization.objectives import LOGITS, Objective


class Reader:
    """The scores of a batch, row k by objective k, with a pass that ends behind the last layer that is needed.

    Args:
        network: takes pictures in [0, 1]; one trial picture goes through it, and it is left as it was.
        trial: any picture [1, 3, H, W] of the size and on the device of those to come.
        lean: read from a copy with its batch normalisations folded away: worth it for more than one pass.
    """

    def __init__(self, network: nn.Module, objectives: Sequence[Objective], trial: Tensor, *, lean: bool = False):
        self.network, groups = network, {}  # (kind, layer) → row, weight and objective of each term
        for row, objective in enumerate(objectives):
            for weight, part in objective.terms:
                name = LOGITS if part.layer == LOGITS else name_of(network, part.layer)
                groups.setdefault((type(part), name), []).append((row, weight, part))
        self.modules = {name: network.get_submodule(name) for _, name in groups}
        shapes, self.uses = self._try(trial)
        if lean:
            self.network = fold(network, trial, spared=self.modules)
            self.modules = {name: self.network.get_submodule(name) for name in self.modules}
        self.groups = []
        for (kind, name), terms in groups.items():
            rows, weights, parts = zip(*terms, strict=True)
            numbers = [part.numbers(shapes[name]) for part in parts]
            rows, numbers = (torch.tensor(one, device=trial.device).long() for one in (rows, numbers))
            self.groups.append((kind, name, rows, trial.new_tensor(weights), numbers))

    def scores(self, images: Tensor) -> Tensor:
        """The scores [N] of pictures [N, 3, H, W]; with gradients where autograd is on."""
        if images.device.type in ("cpu", "cuda"):  # there convolutions are quicker with the channels innermost
            images = images.contiguous(memory_format=torch.channels_last)
        outputs = hear(self.network, images, self.modules, uses=self.uses)
        total = images.new_zeros(len(images))
        for kind, name, rows, weights, numbers in self.groups:
            total = total.index_add(0, rows, weights * kind.read(outputs[name], rows, numbers).to(total))
        return total

    @torch.no_grad()
    def _try(self, trial: Tensor) -> tuple[dict[str, torch.Size], dict[str, int]]:
        """The shapes that come out, and how often each layer is used in one pass."""
        shapes: dict[str, torch.Size] = {}
        uses = dict.fromkeys(self.modules, 0)

        def look(name: str, _inputs: tuple, output: Tensor) -> None:
            if not isinstance(output, Tensor) or not output.is_floating_point() or output.ndim < 2:
                raise TypeError(f"the layer {name!r} gives no single tensor of numbers; take another one.")
            shapes[name] = output.shape
            uses[name] += 1

        problem = None
        with kept(self.network), watch(self.modules, look):
            try:
                self.network(trial)
            except (RuntimeError, ValueError) as error:  # behind the last wanted layer it does not matter
                problem = error
        missing = [name for name, count in uses.items() if not count]
        if missing and problem is not None:
            raise ValueError(_not_through(self.network, trial, missing[0], problem)) from problem
        if missing:
            raise ValueError(f"the network never used its layer {missing[0]!r}; choose one on the way to the logits.")
        return shapes, uses


def _not_through(network: nn.Module, trial: Tensor, layer: str, problem: Exception) -> str:
    height, width = trial.shape[2:]
    what = f"the layer {layer.removeprefix('body.')!r}" if layer != LOGITS else "the logits"
    least = getattr(network, "input_size", None)
    if least is not None and min(height, width) < least:
        return f"pictures of {height}×{width} pixels are too small for {what}; take {least}×{least} or more."
    return f"pictures of {height}×{width} pixels do not come through to {what} ({problem})."
