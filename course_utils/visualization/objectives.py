"""What a picture shall raise: a filter, a neuron, a layer, a class, or a weighted sum of these.

Serves notebook 6. Papers: Erhan et al. 2009, "Visualizing Higher-Layer Features of a Deep Network"; Simonyan et al.
2014, arXiv:1312.6034 (class scores); Mordvintsev et al. 2015, "Inceptionism" (whole layers).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from course_utils.arguments import check_number, check_whole

LOGITS = ""  # stands for the network's answer where others name a layer


class Objective:
    """What a picture shall raise. Weighted sums are objectives too: `0.2 * a + 0.8 * b`, or `a + -1 * b`."""

    layer: str

    @property
    def terms(self) -> tuple[tuple[float, Objective], ...]:
        """The weights and the simple objectives of which it is the sum."""
        return ((1.0, self),)

    def __add__(self, other: Objective) -> Sum:
        check_objective(other)
        return Sum(self.terms + other.terms)

    def __mul__(self, weight: float) -> Sum:
        weight = check_number("the weight of an objective", weight, -math.inf, says="must be a finite number")
        return Sum(tuple((weight * inner, part) for inner, part in self.terms))

    __rmul__ = __mul__

    def numbers(self, shape: torch.Size) -> tuple[int, ...]:
        """What `read` needs to know, checked against the shape of the layer's output, [1, C, …]."""
        return ()

    @staticmethod
    def read(output: Tensor, rows: Tensor, numbers: Tensor) -> Tensor:
        """The values of some rows of a batch, [T], from the layer's output [N, C, …]."""
        raise NotImplementedError


def check_objective(objective: Objective) -> None:
    """One of the classes below."""
    if not isinstance(objective, Objective):
        kinds = "a Filter, Neuron, Layer, Logit, Probability or a sum of these, 0.2 * a + 0.8 * b"
        raise TypeError(f"an objective is {kinds}; got {objective!r}.")


@dataclass(frozen=True)
class Sum(Objective):
    """A weighted sum of objectives, as `+` and `*` make it: two filters in one picture, for instance.

    >>> (0.2 * Filter("stage3", 5) + Logit(14)).terms
    ((0.2, Filter(layer='stage3', index=5)), (1.0, Logit(label=14)))
    """

    weighted: tuple[tuple[float, Objective], ...]

    @property
    def terms(self) -> tuple[tuple[float, Objective], ...]:
        return self.weighted


@dataclass(frozen=True)
class Filter(Objective):
    """The mean of one filter's map: `index` from 0, `layer` one of `spatial_layers`, with `body.` or without.

    >>> Filter("stage3", 5)
    Filter(layer='stage3', index=5)
    """

    layer: str
    index: int

    def __post_init__(self):
        _check_layer(self.layer)
        check_whole("index", self.index, 0, says="is counted from 0")

    def numbers(self, shape: torch.Size) -> tuple[int, ...]:
        if self.index >= shape[1]:
            known = f"{shape[1]} filters, 0 to {shape[1] - 1}"
            raise ValueError(f"the layer {self.layer!r} has {known}; there is no filter {self.index}.")
        return (self.index,)

    @staticmethod
    def read(output: Tensor, rows: Tensor, numbers: Tensor) -> Tensor:
        return output[rows, numbers[:, 0]].reshape(len(rows), -1).mean(dim=1)


@dataclass(frozen=True)
class Neuron(Filter):
    """One place of one filter's map: `at` (row, column), or its middle where that is None.

    >>> Neuron("stage3", 5, at=(0, 7))
    Neuron(layer='stage3', index=5, at=(0, 7))
    """

    at: tuple[int, int] | None = None

    def __post_init__(self):
        super().__post_init__()
        if self.at is not None:
            if not isinstance(self.at, (tuple, list)) or len(self.at) != 2:
                raise TypeError(f"at is a place on the map, (row, column), or None for its middle; got {self.at!r}.")
            for name, number in zip(("the row", "the column"), self.at, strict=True):
                check_whole(name, number, 0, says="is counted from 0")

    def numbers(self, shape: torch.Size) -> tuple[int, ...]:
        super().numbers(shape)
        if len(shape) != 4:
            what = f"the layer {self.layer!r} gives {list(shape)}, without height and width"
            raise ValueError(f"{what}; take a Filter({self.layer!r}, {self.index}) there, or an earlier layer.")
        row, column = self.at or (shape[2] // 2, shape[3] // 2)
        if row >= shape[2] or column >= shape[3]:
            raise ValueError(f"the maps of {self.layer!r} are {shape[2]}×{shape[3]}; there is no place {self.at}.")
        return self.index, row, column

    @staticmethod
    def read(output: Tensor, rows: Tensor, numbers: Tensor) -> Tensor:
        index, row, column = numbers.unbind(1)
        return output[rows, index, row, column]


@dataclass(frozen=True)
class Layer(Objective):
    """The mean square of all that a layer answers: DeepDream's aim, more of whatever is there.

    >>> Layer("stage3")
    Layer(layer='stage3')
    """

    layer: str

    def __post_init__(self):
        _check_layer(self.layer)

    @staticmethod
    def read(output: Tensor, rows: Tensor, numbers: Tensor) -> Tensor:
        return output.flatten(1).pow(2).mean(dim=1)[rows]


@dataclass(frozen=True)
class Logit(Objective):
    """The score of a class, counted from 0, before softmax.

    >>> Logit(14)
    Logit(label=14)
    """

    label: int
    layer = LOGITS

    def __post_init__(self):
        check_whole("label", self.label, 0, says="is counted from 0")

    def numbers(self, shape: torch.Size) -> tuple[int, ...]:
        if len(shape) != 2:
            raise TypeError(f"a class needs a network that answers with logits [N, classes]; got {list(shape)}.")
        if self.label >= shape[1]:
            raise ValueError(f"the network knows {shape[1]} classes, 0 to {shape[1] - 1}; got label {self.label}.")
        return (self.label,)

    @staticmethod
    def read(output: Tensor, rows: Tensor, numbers: Tensor) -> Tensor:
        return output[rows, numbers[:, 0]]


@dataclass(frozen=True)
class Probability(Logit):
    """The probability of a class, after softmax: the slide's p₁."""

    @staticmethod
    def read(output: Tensor, rows: Tensor, numbers: Tensor) -> Tensor:
        return output.softmax(dim=1)[rows, numbers[:, 0]]


def _check_layer(layer: str) -> None:
    if not isinstance(layer, str) or not layer:
        raise TypeError(f"layer is the name of a layer, such as 'stage3' or 'features.3'; got {layer!r}.")
