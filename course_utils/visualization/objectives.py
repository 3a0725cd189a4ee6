"""What a picture shall raise (a filter, a neuron, a layer, a class), read from a network that stops behind the layer.

Serves notebook 6. Papers: Erhan et al. 2009, "Visualizing Higher-Layer Features of a Deep Network"; Simonyan et al.
2014, arXiv:1312.6034 (class scores); Mordvintsev et al. 2015, "Inceptionism" (whole layers).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_utils.arguments import check_whole, is_number
from course_utils.layers.find import name_of
from course_utils.layers.folding import fold
from course_utils.layers.hooks import hear, watch
from course_utils.runtime import kept

LOGITS = ""  # stands for the network's answer where others name a layer


# ---- the objectives --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Filter:
    """The mean of one filter's map.

    Args:
        layer: its name, with `body.` or without; `layers.find.spatial_layers` lists them.
        index: of the filter, from 0.
    """

    layer: str
    index: int

    def __post_init__(self):
        _check_layer(self.layer)
        check_whole("index", self.index, 0, says="is counted from 0")

    def numbers(self, shape: torch.Size) -> tuple[int, ...]:
        """What `read` needs to know, checked against the shape of the layer's output, [1, C, …]."""
        if self.index >= shape[1]:
            what = f"the layer {self.layer!r} has {shape[1]} filters, 0 to {shape[1] - 1}"
            raise ValueError(f"{what}; there is no filter {self.index}.")
        return (self.index,)

    @staticmethod
    def read(output: Tensor, rows: Tensor, numbers: Tensor) -> Tensor:
        """The values of some rows of a batch, [T], from the layer's output [N, C, …]."""
        return output[rows, numbers[:, 0]].flatten(1).mean(dim=1) if output.ndim > 2 else output[rows, numbers[:, 0]]


@dataclass(frozen=True)
class Neuron:
    """One place of one filter's map.

    Args:
        layer, index: as in `Filter`.
        at: (row, column) on the map; None takes its middle.
    """

    layer: str
    index: int
    at: tuple[int, int] | None = None

    def __post_init__(self):
        _check_layer(self.layer)
        check_whole("index", self.index, 0, says="is counted from 0")
        if self.at is not None:
            if not isinstance(self.at, (tuple, list)) or len(self.at) != 2:
                raise TypeError(f"at is a place on the map, (row, column), or None for its middle; got {self.at!r}.")
            for name, number in zip(("the row", "the column"), self.at, strict=True):
                check_whole(name, number, 0, says="is counted from 0")

    def numbers(self, shape: torch.Size) -> tuple[int, ...]:
        """As in `Filter`."""
        Filter(self.layer, self.index).numbers(shape)
        if len(shape) != 4:
            what = f"the layer {self.layer!r} gives {list(shape)}, without height and width"
            raise ValueError(f"{what}; take a Filter({self.layer!r}, {self.index}) there, or an earlier layer.")
        row, column = self.at or (shape[2] // 2, shape[3] // 2)
        if row >= shape[2] or column >= shape[3]:
            raise ValueError(f"the maps of {self.layer!r} are {shape[2]}×{shape[3]}; there is no place {self.at}.")
        return self.index, row, column

    @staticmethod
    def read(output: Tensor, rows: Tensor, numbers: Tensor) -> Tensor:
        """As in `Filter`."""
        index, row, column = numbers.unbind(1)
        return output[rows, index, row, column]


@dataclass(frozen=True)
class Layer:
    """The mean square of all that a layer answers: DeepDream's aim, more of whatever is there.

    Args:
        layer: as in `Filter`.
    """

    layer: str

    def __post_init__(self):
        _check_layer(self.layer)

    def numbers(self, shape: torch.Size) -> tuple[int, ...]:
        """As in `Filter`."""
        return ()

    @staticmethod
    def read(output: Tensor, rows: Tensor, numbers: Tensor) -> Tensor:
        """As in `Filter`."""
        return output.flatten(1).pow(2).mean(dim=1)[rows]


@dataclass(frozen=True)
class Logit:
    """The score of a class, before softmax.

    Args:
        label: the class, from 0.
    """

    label: int
    layer = LOGITS

    def __post_init__(self):
        check_whole("label", self.label, 0, says="is counted from 0")

    def numbers(self, shape: torch.Size) -> tuple[int, ...]:
        """As in `Filter`, for the logits [1, classes]."""
        if len(shape) != 2:
            raise TypeError(f"a class needs a network that answers with logits [N, classes]; got {list(shape)}.")
        if self.label >= shape[1]:
            raise ValueError(f"the network knows {shape[1]} classes, 0 to {shape[1] - 1}; got label {self.label}.")
        return (self.label,)

    @staticmethod
    def read(output: Tensor, rows: Tensor, numbers: Tensor) -> Tensor:
        """As in `Filter`."""
        return output[rows, numbers[:, 0]]


@dataclass(frozen=True)
class Probability(Logit):
    """The probability of a class, after softmax: the slide's p₁.

    Args:
        label: the class, from 0.
    """

    @staticmethod
    def read(output: Tensor, rows: Tensor, numbers: Tensor) -> Tensor:
        """As in `Filter`."""
        return output.softmax(dim=1)[rows, numbers[:, 0]]


@dataclass(frozen=True)
class Mixture:
    """A weighted sum of objectives, such as two filters in one picture.

    Args:
        objectives: two or more, none of them a mixture.
        weights: one number each; left out, they share 1 equally. Below 0: away from it.
    """

    objectives: tuple
    weights: tuple[float, ...] | None = None

    def __post_init__(self):
        plain = (Filter, Neuron, Layer, Logit)
        if not isinstance(self.objectives, (tuple, list)) or len(self.objectives) < 2:
            raise TypeError(f"a mixture takes two objectives or more, in a tuple; got {self.objectives!r}.")
        for one in self.objectives:
            if not isinstance(one, plain):
                raise TypeError(f"a mixture is made of Filter, Neuron, Layer, Logit or Probability; got {one!r}.")
        if self.weights is not None:
            if len(self.weights) != len(self.objectives):
                counts = f"{len(self.weights)} for {len(self.objectives)}"
                raise ValueError(f"a mixture takes one weight for each objective; got {counts}.")
            for weight in self.weights:
                if not is_number(weight) or not math.isfinite(weight):
                    raise ValueError(f"the weights of a mixture are finite numbers; got {weight!r}.")


Objective = Filter | Neuron | Layer | Logit | Probability | Mixture


def parts(objective: Objective) -> list[tuple[float, Objective]]:
    """What an objective is made of: weights and simple objectives."""
    if not isinstance(objective, Mixture):
        return [(1.0, objective)]
    count = len(objective.objectives)
    return list(zip(objective.weights or (1 / count,) * count, objective.objectives, strict=True))


# ---- reading them from a network -------------------------------------------------------------------------------
class Reader:
    """The scores of a batch, row k by objective k, with a pass that ends behind the last layer that is needed.

    Args:
        network: takes pictures in [0, 1]; one trial picture goes through it, and it is left as it was.
        objectives: one a row.
        trial: any picture [1, 3, H, W] of the size and on the device of those to come.
        lean: read from a copy with its batch normalisations folded away: worth it for more than one pass.

    Raises:
        ValueError, TypeError: no such layer, filter, place or class, or pictures that do not pass.
    """

    def __init__(self, network: nn.Module, objectives: Sequence[Objective], trial: Tensor, *, lean: bool = False):
        self.network = network
        groups: dict[tuple[type, str], list[tuple[int, float, Objective]]] = {}
        for row, objective in enumerate(objectives):
            for weight, part in parts(objective):
                name = LOGITS if part.layer == LOGITS else name_of(network, part.layer)
                groups.setdefault((type(part), name), []).append((row, weight, part))
        self.modules = {name: network.get_submodule(name) for _, name in groups}
        shapes, self.uses = self._try(trial)
        if lean:
            self.network = fold(network, trial, spared=self.modules)
            self.modules = {name: self.network.get_submodule(name) for name in self.modules}
        self.groups = [
            (
                kind,
                name,
                torch.tensor([row for row, _, _ in terms], device=trial.device),
                torch.tensor([weight for _, weight, _ in terms], dtype=trial.dtype, device=trial.device),
                torch.tensor([part.numbers(shapes[name]) for _, _, part in terms], device=trial.device).long(),
            )
            for (kind, name), terms in groups.items()
        ]

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


def _check_layer(layer: str) -> None:
    if not isinstance(layer, str) or not layer:
        raise TypeError(f"layer is the name of a layer, such as 'stage3' or 'features.3'; got {layer!r}.")
