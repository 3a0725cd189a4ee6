"""What a network costs, layer by layer: shapes, parameters, multiply-adds, activations, receptive field and stride.

Serves notebooks 01 to 05. The network runs once without numbers, on torch's meta device, so it takes no memory and
hardly any time. Papers: none; the receptive field has its own module.
"""

from __future__ import annotations

import copy
import html
import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from course_utils import zoo
from course_utils.arguments import check_whole, is_whole
from course_utils.costs.receptive_field import PRODUCTS, Follow, tensors_in
from course_utils.layers.hooks import watch

LONGEST = 80  # rows that a table shows; `by` makes a long one short
HEADS = ("layer", "kind", "patch", "output", "parameters", "MACs", "activations", "receptive field", "stride")
LOOKS = {"td": "padding:3px 6px; white-space:nowrap", "th": "padding:3px 6px; white-space:normal"}


# ---- the result ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Row:
    """What one call of one module costs; a module that is made of modules has their sums."""

    name: str  # as in `named_modules`; a second call of the same module ends in " (2)"
    kind: str  # "Conv2d"; for what a module does itself, between its layers, torch's word for it: "cat", "add"
    patch: str  # kernel and stride of a convolution or a pooling layer, "3×3/2"; otherwise empty
    shape: tuple[int, ...]  # of the output, (N, C, H, W) or (N, features)
    parameters: int  # numbers that are trained
    macs: int  # multiply-adds of convolutions and matrix products; a FLOP counter says twice as many
    activation_bytes: int  # what is written anew; 0 where a layer works in place or only reshapes
    receptive_field: tuple[int, int] | None  # rows and columns of the input that one output may see; None: not known
    stride: tuple[int | float, int | float] | None  # pixels of the input from one output to the next, down and across
    depth: int  # how many modules deep; 1 for the outermost
    whole: bool  # it is not made of other rows


@dataclass(frozen=True)
class Account:
    """A network's costs, row by row and in total; a notebook shows it as a table."""

    input_shape: tuple[int, ...]  # of the batch that went in, (N, C, H, W)
    rows: tuple[Row, ...]  # what the table lists, in the order of the run
    parameters: int  # of the whole network, also in layers that did not run
    everything: tuple[Row, ...] = field(repr=False)  # every call of every module, from which `by` chooses

    @property
    def macs(self) -> int:
        """Multiply-adds of the whole run."""
        return sum(row.macs for row in self.rows)

    @property
    def activation_bytes(self) -> int:
        """Bytes of all that the layers write."""
        return sum(row.activation_bytes for row in self.rows)

    @property
    def idle_parameters(self) -> int:
        """Parameters of layers that the run did not use, such as heads for training only."""
        return self.parameters - sum(row.parameters for row in self.rows)

    def by(self, depth: int = 1) -> Account:
        """The same account in fewer rows: one for each module that is `depth` modules deep, 1 for the outermost."""
        depth = check_whole("depth", depth, says="counts modules from the outermost, 1, inwards")
        rows = (row for row in self.everything if row.depth == depth or (row.whole and row.depth < depth))
        return replace(self, rows=tuple(rows))

    def __getitem__(self, name: str) -> Row:
        """The row of a module by its name, also of one that the table does not list; a KeyError if there is none."""
        depth = name.count(".") + 1 if name else 0  # what a module does itself has its name, and is one deeper
        found = next((row for row in self.everything if (row.name, row.depth) == (name, depth)), None)
        if found is None:
            raise KeyError(f"the run met no module called {name!r}; the table lists those that it met")
        return found

    def __repr__(self) -> str:
        lines = [HEADS, *(_cells(row) for row in self.rows[:LONGEST]), self._total()]
        sides = [str.ljust] * 3 + [str.rjust] * 6
        columns = []
        for side, cells in zip(sides, zip(*lines, strict=True), strict=True):
            width = max(map(len, cells))
            columns.append([side(cell, width) for cell in cells])
        *table, total = ("  ".join(cells).rstrip() for cells in zip(*columns, strict=True))
        return "\n".join([*table, *self._left_out(), total, *self._footnote()])

    def _repr_html_(self) -> str:
        def line(cells: Sequence[str], tag: str = "td", style: str = "") -> str:
            words = zip(["left"] * 3 + ["right"] * 6, map(html.escape, cells), strict=True)
            row = (f"<{tag} style='text-align:{side}; {LOOKS[tag]}'>{cell}</{tag}>" for side, cell in words)
            return f"<tr{style}>{''.join(row)}</tr>"

        rows = [line(_cells(row)) for row in self.rows[:LONGEST]]
        wide = f'<td colspan="{len(HEADS)}" style="text-align:left">'
        rows += [f"<tr>{wide}{more}</td></tr>" for more in self._left_out()]
        rows.append(line(self._total(), style=' style="font-weight:bold; border-top:2px solid currentColor"'))
        notes = "".join(f"<p>{note}</p>" for note in self._footnote())
        head = f"<thead>{line(HEADS, 'th')}</thead>"
        return f'<table style="font-size:14px">{head}<tbody>{"".join(rows)}</tbody></table>{notes}'

    def _total(self) -> tuple[str, ...]:
        sums = f"{self.parameters:,}", count(self.macs), size(self.activation_bytes)
        return ("total", "of an input", "", _shape(self.input_shape), *sums, "", "")

    def _left_out(self) -> list[str]:
        more = len(self.rows) - LONGEST
        return [f"… and {more} more; .by(1) gives a shorter table"] if more > 0 else []

    def _footnote(self) -> list[str]:
        idle = self.idle_parameters
        return [f"{idle:,} of the parameters are in layers that this run does not use."] if idle else []


# ---- in words ----------------------------------------------------------------------------------------------------
def count(number: float) -> str:
    """A large number as one says it.

    >>> count(118013952)
    '118 M'
    """
    for unit, factor in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
        if number >= 0.9995 * factor:
            share = number / factor
            return f"{share:,.0f} {unit}" if share >= 99.95 else f"{share:.3g} {unit}"
    return f"{number:.3g}"


def size(amount: float) -> str:
    """Bytes as one says them; a megabyte is a million bytes here.

    >>> size(3211264)
    '3.21 MB'
    """
    number, _, unit = count(amount).partition(" ")
    return f"{number} {unit}B"


def _cells(row: Row) -> tuple[str, ...]:
    return (
        row.name,
        row.kind,
        row.patch,
        _shape(row.shape),
        f"{row.parameters:,}" if row.parameters else "",
        count(row.macs) if row.macs else "",
        size(row.activation_bytes) if row.activation_bytes else "",
        _pair(row.receptive_field),
        _pair(row.stride),
    )


def _shape(shape: Sequence[int]) -> str:
    """As in the lecture's table: height × width × channels."""
    return "×".join(str(edge) for edge in (*shape[2:], *shape[1:2]))


def _pair(pair: Sequence[float] | None) -> str:
    if pair is None:
        return "?"
    rows, columns = (f"{value:.4g}" for value in pair)
    return rows if rows == columns else f"{rows}×{columns}"


def _patch(module: nn.Module, image: Any, output: Tensor) -> str:
    """Kernel and stride as in the lecture's table; of adaptive pooling, those that it comes to."""
    if hasattr(module, "output_size") and isinstance(image, Tensor) and image.ndim == output.ndim == 4:
        pairs = list(zip(image.shape[2:], output.shape[2:], strict=True))
        if any(before % after for before, after in pairs):
            return ""
        kernel = [before // after for before, after in pairs]
        stride = [1 if after == 1 else before // after for before, after in pairs]
    elif hasattr(module, "kernel_size"):
        kernel, stride = module.kernel_size, getattr(module, "stride", 1)
    else:
        return ""
    kernel, stride = ((value, value) if isinstance(value, int) else tuple(value) for value in (kernel, stride))
    return "×".join(map(str, kernel)) + "/" + "×".join(map(str, stride if len({*stride}) > 1 else stride[:1]))


# ---- the run ---------------------------------------------------------------------------------------------------
def account(network: nn.Module, input_size: int | Sequence[int] | None = None) -> Account:
    """Count what a network costs on one input, layer by layer, without computing anything.

    A copy of the network, without its numbers, runs once on the meta device in evaluation mode. One of the zoo is
    counted behind its normalisation: its `body`.

    Args:
        network: any module whose run does not depend on the numbers that go in; it stays as it is.
        input_size: height and width in pixels, for one picture of three channels; or (C, H, W); or the shape of a
            whole batch, (N, C, H, W) or (N, features). A network of the zoo knows its own.

    Raises:
        ValueError: also where the network cannot take the input; the sentence names the layer at which it stops.

    >>> account(nn.Conv2d(192, 32, 5, padding=2), (192, 28, 28)).macs
    120422400
    """
    if not isinstance(network, nn.Module):
        raise TypeError(f"accounts are made for an nn.Module such as nn.Conv2d(3, 8, 1); got {type(network).__name__}.")
    if isinstance(network, zoo.PixelNetwork):
        network, input_size = network.body, network.input_size if input_size is None else input_size
    shape = _input_shape(input_size)
    if any(isinstance(value, nn.parameter.UninitializedTensorMixin) for value in network.parameters()):
        raise ValueError("a lazy layer does not know its shape yet; run the network on one picture first.")
    run = _Run(_hollow(network), shape)
    try:
        run.start()
    except Exception as problem:
        reason = " ".join(str(problem).split()).rstrip(".") or type(problem).__name__
        raise ValueError(f"the network cannot take an input {list(shape)}{run.place()}: {reason}.") from problem
    parameters = sum(parameter.numel() for parameter in run.network.parameters())
    return Account(shape, tuple(row for row in run.rows if row.whole), parameters, tuple(run.rows))


def _input_shape(given: Any) -> tuple[int, ...]:
    """The shape of a batch, out of the shorter ways to say it."""
    sizes = (given,) if is_whole(given) else tuple(given) if isinstance(given, Sequence) else ()
    if len(sizes) not in (1, 2, 3, 4) or not all(is_whole(edge) and edge > 0 for edge in sizes):
        allowed = "a number of pixels such as 224, or a shape such as (3, 224, 224)"
        raise ValueError(f"input_size is {allowed}; got {given!r}.")
    if len(sizes) == 1:
        return 1, 3, *sizes, *sizes
    return (1, *sizes) if len(sizes) == 3 else sizes


def _hollow(network: nn.Module) -> nn.Module:
    """A copy whose tensors have a shape and no numbers, so that it takes no memory; without anybody's hooks."""
    known: dict[int, Any] = {}
    for module in network.modules():
        for value in (*vars(module).values(), *module._parameters.values(), *module._buffers.values()):
            if isinstance(value, Tensor):
                empty = torch.empty_like(value.detach(), device="meta")
                trained = isinstance(value, nn.Parameter)
                known[id(value)] = nn.Parameter(empty, requires_grad=False) if trained else empty
        for hooks in (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks):
            known[id(hooks)] = type(hooks)()
    return copy.deepcopy(network, known).eval()


@dataclass
class _Call:
    """A module at work: what it has cost so far."""

    module: nn.Module
    name: str
    leaf: bool
    parameters: int = 0
    macs: int = 0
    nbytes: int = 0


class _Run(Follow):
    """Watches one run: torch tells every operation, hooks tell whose it is."""

    def __init__(self, network: nn.Module, shape: tuple[int, ...]):
        kinds = [value.dtype for value in network.parameters() if value.is_floating_point()]
        self._image = torch.empty(shape, device="meta", dtype=kinds[0] if kinds else torch.float32)
        super().__init__(self._image)
        self.network = network
        self.rows: list[Row] = []
        self._modules = dict(network.named_modules())
        self._open: list[_Call] = []  # the modules at work, the outermost first
        self._times = Counter[str]()  # how often each was called
        self._counted: set[int] = set()  # parameters; one that is shared counts once

    def start(self) -> None:
        """Run the network, from its input to its output."""
        watching = watch(self._modules, self._leave, before=self._enter)
        with torch.inference_mode(False), torch.no_grad(), torch.device("meta"), watching, self:
            self.network(self._image)

    def place(self) -> str:
        """Where an error happened: the innermost module at work."""
        inner = next((call for call in reversed(self._open) if call.name), None)
        return f" (it stops in {inner.name}, {type(inner.module).__name__})" if inner else ""

    def _enter(self, name: str, _inputs: tuple) -> None:
        module = self._modules[name]
        self._open.append(_Call(module, name, leaf=not list(module.children())))

    def _leave(self, name: str, inputs: tuple, output: Any) -> None:
        call, module, given, tensors = self._open[-1], self._modules[name], tensors_in(inputs), tensors_in(output)
        if not tensors:
            self._open.pop()
            return
        own = [value for value in module.parameters(recurse=False) if id(value) not in self._counted]
        self._counted.update(map(id, own))
        parameters = sum(value.numel() for value in own)
        if call.leaf:
            call.nbytes = sum(value.nbytes for value in tensors if not _shared(value, given))
            call.parameters = parameters
        elif parameters:
            self._add(_Call(module, name, True, parameters), "own parameters", "", tensors[0])
        self._open.pop()
        self._times[name] += 1
        patch = _patch(module, given[0] if given else None, tensors[0])
        self._add(call, type(module).__name__, patch, tensors[0])

    def _add(self, call: _Call, kind: str, patch: str, output: Tensor) -> None:
        """Write a row; what is made of nothing else counts for the modules around it too."""
        if call.leaf:
            for outer in self._open:
                outer.parameters += call.parameters
                outer.macs += call.macs
                outer.nbytes += call.nbytes
        inside = bool(self._open) and self._open[-1].module is call.module  # something that a module does itself
        depth = (call.name.count(".") + 1 if call.name else 0) + inside
        times = 1 if inside else self._times[call.name]
        name = f"{call.name} ({times})" if times > 1 else call.name
        field = self.field(output)
        sees = (field.size, field.stride) if field else (None, None)
        costs = call.parameters, call.macs, call.nbytes
        self.rows.append(Row(name, kind, patch, tuple(output.shape), *costs, *sees, depth, call.leaf))

    def happened(self, operation: Any, asked: dict, inputs: list[Tensor], output: Tensor) -> None:
        """Put an operation on the account of the module at work; between layers it gets a row of its own."""
        if not self._open:
            return
        word, inner = operation.overloadpacket.__name__.strip("_"), self._open[-1]
        macs = _macs(word, asked, output)
        if inner.leaf:
            inner.macs += macs
            return
        shared = _shared(output, inputs)
        if shared and not operation._schema.is_mutable:  # only another view of the same numbers
            return
        self._add(_Call(inner.module, inner.name, True, 0, macs, 0 if shared else output.nbytes), word, "", output)


def _macs(word: str, asked: dict, output: Tensor) -> int:
    """The multiply-adds of one operation: none, unless it is a convolution or a matrix product."""
    if word == "convolution":
        weight = asked["weight"]  # [out, in / groups, …], transposed: [in, out / groups, …]
        places = asked["input"] if asked["transposed"] else output
        return places.numel() * math.prod(weight.shape[1:])
    if word in PRODUCTS:
        left = list(asked.values())[PRODUCTS[word][0]]
        return output.numel() * left.shape[-1]
    return 0


def _shared(value: Tensor, others: list[Tensor]) -> bool:
    """Whether a tensor is one of the others, or looks at the same memory."""
    return any(value.untyped_storage()._cdata == other.untyped_storage()._cdata for other in others)
