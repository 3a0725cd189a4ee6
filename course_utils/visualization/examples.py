"""Dataset examples: the scenes that excite a filter most, what it sees of them, and all a layer answers to one.

Serves notebook 6. Papers: Zeiler and Fergus 2014, "Visualizing and Understanding Convolutional Networks" (the patches
that excite a filter most); Girshick et al. 2014 (a filter as a detector); Araujo et al. 2019 (where a number looks).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_utils.arguments import check_whole, is_whole
from course_utils.costs import receptive_field
from course_utils.images import PHOTOGRAPHS, ROUNDING, check_range, photograph
from course_utils.layers.find import layer_of
from course_utils.layers.hooks import hear
from course_utils.runtime import kept
from course_utils.visualization.objectives import LOGITS

BATCH = 64  # pictures that go through the network at once
SINGLE = tuple(name for name in PHOTOGRAPHS if name not in ("cat-and-espresso", "stop"))  # each shows things of its own


# ---- the results -----------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Examples:
    """The pictures that excite some filters most, the strongest first; a picture counts once, at its best place.

    A box is what the filter sees there: top, left, bottom and right edge in pixels, the last two just outside; where
    padding is seen, it reaches over the edge of the picture.
    """

    filters: tuple[int, ...]  # F of them
    values: Tensor  # [F, K], what the filter answers there
    pictures: Tensor  # [F, K], which of the pictures that were shown
    boxes: Tensor  # [F, K, 4]
    shown: int  # how many pictures were looked at

    def only(self, number: int) -> Examples:
        """The same for one of the filters alone."""
        rows = [self.filters.index(number)]
        return Examples((number,), self.values[rows], self.pictures[rows], self.boxes[rows], self.shown)

    def patches(self, images: Tensor) -> Tensor:
        """What the filters saw, [F, K, 3, h, w]: the boxes cut out, with grey where they reach over the edge.

        Args:
            images: the pictures that were shown, all of them, [N, 3, H, W].
        """
        boxes = self.boxes.flatten(0, 1).to(images.device)  # [F·K, 4]
        height, width = (boxes[0, 2:] - boxes[0, :2]).tolist()
        rows = boxes[:, :1] + torch.arange(height, device=images.device)  # [F·K, h]
        columns = boxes[:, 1:2] + torch.arange(width, device=images.device)  # [F·K, w]
        row, column = rows.clamp(0, images.shape[2] - 1), columns.clamp(0, images.shape[3] - 1)
        inside = (row == rows)[:, :, None] & (column == columns)[:, None, :]
        chosen = self.pictures.flatten().to(images.device)
        cut = images[chosen[:, None, None], :, row[:, :, None], column[:, None, :]].movedim(-1, 1)
        return torch.where(inside[:, None], cut, 0.5).unflatten(0, self.pictures.shape)


# ---- what a layer answers --------------------------------------------------------------------------------------
def activations(network: nn.Module, images: Tensor, layer: str) -> Tensor:
    """A layer's answers to pictures; the network runs only so far.

    Args:
        network: takes pictures in [0, 1]; looked at in evaluation mode, left as it was.
        images: float [N, 3, H, W] in [0, 1].
        layer: the name of a layer with maps, with `body.` or without; or `LOGITS`, the network's own answer.

    Returns:
        The maps, [N, F, h, w], without a gradient; of `LOGITS` [N, classes, 1, 1]. What follows the layer, a ReLU for
        instance, has not happened yet.

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> activations(network, stop.images, "features.3").shape
    torch.Size([1, 64, 16, 16])
    """
    check_range(images, rounding=ROUNDING)
    return _answers(network, images, layer)


@torch.no_grad()
def _answers(network: nn.Module, images: Tensor, layer: str) -> Tensor:
    """`activations`, without a look at the pixels."""
    if layer == LOGITS:
        with kept(network):
            return network(images)[:, :, None, None]
    output = hear(network, images, {layer: layer_of(network, layer)})[layer]
    if not isinstance(output, Tensor) or output.ndim != 4:
        got = list(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"the layer {layer!r} gives {got}, not maps over places; take an earlier one.")
    return output


# ---- where a layer looks ---------------------------------------------------------------------------------------
def field(network: nn.Module, images: Tensor, layer: str) -> receptive_field.Field:
    """Which part of a picture each number of a layer sees; arguments as in `activations`.

    Raises:
        ValueError: the layer, or something before it, rearranges the places, so that nobody can tell.
    """
    if layer == LOGITS:
        whole = tuple(receptive_field.Window(0, edge - 1, edge) for edge in images.shape[2:])
        return receptive_field.Field(whole, (1, 1))
    image = images[:1].detach().clone()
    with receptive_field.Follow(image) as run:
        output = _answers(network, image, layer)
    seen = run.field(output)
    if seen is None:
        raise ValueError(f"where the layer {layer!r} looks is not known: something before it rearranges the places.")
    return seen


def _boxes(seen: receptive_field.Field, places: Tensor) -> Tensor:
    """Top, left, bottom and right of what the places [F, K] of the flattened maps see, [F, K, 4]."""
    firsts = []
    for place, window in zip((places // seen.grid[1], places % seen.grid[1]), seen.windows, strict=True):
        firsts.append(torch.floor(place * float(window.jump) + float(window.first) + 1e-6).long())
    first = torch.stack(firsts, dim=-1)  # [F, K, 2]: row, column
    return torch.cat([first, first + first.new_tensor(seen.size)], dim=-1)


# ---- photographs to look through -------------------------------------------------------------------------------
def views(name: str, size: int = 224, device: str | torch.device | None = None) -> Tensor:
    """A photograph that ships, and its four quarters, twice as large: five pictures to look through.

    Args:
        name: one of `images.PHOTOGRAPHS`; `SINGLE` are those that repeat no other.
        size: of each view, in pixels.
        device: where they lie; None takes the best device of this machine.

    >>> views("cat", device="cpu").shape
    torch.Size([5, 3, 224, 224])
    """
    whole, large = (photograph(name, size=edge, device=device) for edge in (size, 2 * size))
    quarters = large.unflatten(3, (2, size)).unflatten(2, (2, size))  # [1, 3, 2, size, 2, size]
    return torch.cat([whole, quarters.permute(0, 2, 4, 1, 3, 5).flatten(0, 2)])


# ---- what excites a filter most --------------------------------------------------------------------------------
def top_examples_steps(
    network: nn.Module,
    images: Tensor | Iterable[Tensor],
    layer: str,
    filters: int | Sequence[int] | None = None,
    *,
    count: int = 9,
) -> Iterator[Examples]:
    """Look through pictures for those that excite filters most, a batch at a time; all filters in one pass.

    Args:
        network, layer: as in `activations`.
        images: to look through, [N, 3, H, W] in [0, 1], on any device; or batches of them, made while asked for.
        filters: the number of one, or several; None takes all of the layer.
        count: how many pictures a filter, K; fewer where there are fewer.

    Returns:
        Iterator over the best so far.
    """
    if not isinstance(images, Iterable) or (isinstance(images, Tensor) and (images.ndim != 4 or not len(images))):
        got = list(images.shape) if isinstance(images, Tensor) else type(images).__name__
        raise ValueError(f"give pictures, a tensor [N, 3, H, W] with N at least 1; got {got}.")
    check_whole("count", count, says="is a whole number of pictures, at least 1")

    def search() -> Iterator[Examples]:
        best, shown, seen, chosen = [], 0, None, ()
        for part in images.split(BATCH) if isinstance(images, Tensor) else images:
            part = part.to(next(network.parameters(), part).device)
            maps = activations(network, part, layer)  # [n, C, h, w]
            if seen is None:
                seen, chosen = field(network, part, layer), _chosen(filters, maps.shape[1])
            values, places = maps[:, list(chosen)].flatten(2).max(dim=2)  # [n, F] each
            numbers = torch.arange(shown, shown + len(part), device=part.device)[:, None].expand_as(places)
            new = [values.T, places.T, numbers.T]  # [F, n] each
            joined = [torch.cat(pair, dim=1) for pair in zip(best, new, strict=True)] if best else new
            order = joined[0].argsort(dim=1, descending=True, stable=True)[:, :count]
            best = [each.gather(1, order) for each in joined]
            shown += len(part)
            yield Examples(chosen, best[0], best[2], _boxes(seen, best[1]), shown)

    return search()


def top_examples(
    network: nn.Module, images: Tensor, layer: str, filters: int | Sequence[int] | None = None, **how
) -> Examples:
    """Run `top_examples_steps` to its end; all arguments are those of `top_examples_steps`.

    >>> from course_utils import signs, zoo
    >>> network, scenes = zoo.load("signs-alexnet", device="cpu"), signs.render(20, seed=0, device="cpu")
    >>> found = top_examples(network, scenes.images, "features.3", [3, 5], count=4)
    >>> found.pictures.shape, found.patches(scenes.images).shape
    (torch.Size([2, 4]), torch.Size([2, 4, 3, 25, 25]))
    """
    *_, last = top_examples_steps(network, images, layer, filters, **how)
    return last


def _chosen(filters: int | Sequence[int] | None, channels: int) -> tuple[int, ...]:
    """The filters' numbers, known to be in the layer."""
    if filters is None:
        return tuple(range(channels))
    chosen = (filters,) if is_whole(filters) else tuple(filters)
    if not chosen or not all(map(is_whole, chosen)):
        raise TypeError(f"filters are whole numbers such as 5 or [0, 5]; got {filters!r}.")
    if bad := [one for one in chosen if not 0 <= one < channels]:
        known = f"{channels} filters, numbered 0 to {channels - 1}"
        raise ValueError(f"this layer has {known}; there is no filter {bad[0]}.")
    return chosen
