"""The convolution that sees one pixel: a matrix at every place; maps squeezed to fewer; what a bottleneck saves.

Serves notebook 03, and with its arithmetic 04. Papers: Lin et al. 2014, "Network in Network" (1×1 convolutions);
Szegedy et al. 2015, "Going Deeper with Convolutions" (bottlenecks); Eckart and Young 1936 (the best rebuild).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from course_utils import runtime
from course_utils.arguments import is_whole
from course_utils.layers.find import layer_of
from course_utils.layers.hooks import hear, replace
from course_utils.zoo import PixelNetwork


# ---- a matrix at every pixel -------------------------------------------------------------------------------------
def conv1x1(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Mix the channels of each pixel by one and the same matrix; what lies beside the pixel plays no part.

    Args:
        maps: [N, C, H, W], floats.
        weight: [C', C], a row for each new channel; [C', C, 1, 1], as torch's convolution keeps it, will do.
        bias: [C'], added to each new channel; None adds nothing.

    Returns:
        [N, C', H, W], equal to `torch.nn.functional.conv2d(maps, weight[:, :, None, None], bias)`.

    Raises:
        ValueError, TypeError: no floats, no such shapes, an empty batch.
    """
    weight = weight.flatten(1) if isinstance(weight, Tensor) and tuple(weight.shape[2:]) == (1, 1) else weight
    _check(maps, weight, bias)
    columns = maps.flatten(2)  # [N, C, H·W]: a column of channels for each pixel
    mixed = weight @ columns  # [N, C', H·W]
    if bias is not None:
        mixed = mixed + bias[:, None]
    return mixed.unflatten(2, maps.shape[2:])  # [N, C', H, W]


def as_matrix(layer: nn.Module) -> Tensor:
    """The weights of a 1×1 convolution as the matrix that they are, [C', C]: a row for each new channel.

    Raises:
        ValueError: the layer is none, or mixes its channels in groups.
    """
    if not isinstance(layer, nn.Conv2d) or layer.kernel_size != (1, 1) or layer.groups != 1:
        raise ValueError(f"only a 1×1 convolution is one matrix; this layer is {layer}.")
    return layer.weight.detach().flatten(1)


def _check(maps: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    for name, value, wanted in (("maps", maps, "[N, C, H, W]"), ("weight", weight, "[C', C]"), ("bias", bias, "[C']")):
        if value is None and name == "bias":
            continue
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} is a tensor {wanted}; got {type(value).__name__}.")
        if not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise TypeError(f"{name} holds {kind}, and whole numbers cannot be mixed; say {name}.float() first.")
        if value.ndim != wanted.count(",") + 1:
            raise ValueError(f"{name} has the shape {wanted}; got {list(value.shape)}.")
        if value.numel() == 0:
            raise ValueError(f"{name} of shape {list(value.shape)} is empty; check the slice that made it.")
    if weight.shape[1] != maps.shape[1]:
        raise ValueError(
            f"the matrix has {weight.shape[1]} columns and the maps {maps.shape[1]} channels; one column a channel."
        )
    if bias is not None and len(bias) != len(weight):
        raise ValueError(f"there are {len(weight)} new channels and {len(bias)} biases; give one a new channel.")


def found(channel: Tensor, mask: Tensor) -> float:
    """How well a channel finds an object: of as many brightest places as the object has, the share that lie on it.

    Args:
        channel: [H, W], any numbers.
        mask: [H, W] in [0, 1], how much of each place is the object.

    Returns:
        0 to 1; a channel of noise would get the share of the picture that the object covers.

    Raises:
        ValueError: other shapes, or no object.
    """
    if channel.shape != mask.shape or channel.ndim != 2:
        raise ValueError(f"channel and mask are [H, W] alike; got {list(channel.shape)} and {list(mask.shape)}.")
    there = mask.flatten() > 0.5
    places = int(there.sum())
    if places == 0:
        raise ValueError("the mask shows no object, so nothing can be found.")
    values = channel.flatten()
    last = values.topk(places).values[-1]
    above, tied = values > last, values == last  # of places alike, none comes first: each counts in part
    hits = there[above].sum() + (places - above.sum()) * there[tied].double().mean()
    return float(hits / places)


# ---- maps squeezed to fewer, and rebuilt ---------------------------------------------------------------------------
@dataclass(frozen=True)
class Squeeze:
    """Two 1×1 convolutions: `down` mixes C maps into k, `up` rebuilds C maps from the k.

    Args:
        down: [k, C].
        up: [C, k].
        bias: [C], of the second one.
    """

    down: Tensor
    up: Tensor
    bias: Tensor

    def __call__(self, maps: Tensor) -> Tensor:
        """Squeeze and rebuild: [N, C, H, W] → [N, C, H, W]."""
        down, up, bias = (value.to(maps) for value in (self.down, self.up, self.bias))
        return conv1x1(conv1x1(maps, down), up, bias)


def columns(maps: Tensor) -> Tensor:
    """Each pixel as a row of its channels, [places, C], in double precision."""
    return maps.detach().movedim(1, -1).flatten(0, -2).double()


def rebuilt_best(maps: Tensor, down: Tensor) -> Squeeze:
    """The best that can be rebuilt from given mixtures: `up` by least squares on these maps.

    Args:
        maps: [N, C, H, W], on which it is fitted.
        down: [k, C], what squeezes; for instance the weights of a trained layer.
    """
    pixels, down = columns(maps), down.detach().double().to(maps.device)
    mean = pixels.mean(dim=0)
    together = (pixels - mean).T @ (pixels - mean)  # [C, C], which maps rise and fall with which
    up = together @ down.T @ torch.linalg.pinv(down @ together @ down.T, hermitian=True)  # the normal equations
    return Squeeze(down, up, mean - up @ down @ mean)


def pca(maps: Tensor, kept: int) -> Squeeze:
    """The k mixtures from which most can be rebuilt: the principal components of the maps' channels.

    No other squeeze to k, learnt or not, rebuilds these maps with a smaller squared error (Eckart and Young 1936).

    Args:
        maps: [N, C, H, W], on which it is fitted.
        kept: k, 1 to C.

    Raises:
        ValueError: no such k.
    """
    channels = maps.shape[1]
    if not is_whole(kept) or not 1 <= kept <= channels:
        raise ValueError(f"{channels} maps can be squeezed to 1 … {channels} of them; got {kept!r}.")
    pixels = columns(maps)
    mean = pixels.mean(dim=0)
    _, axes = torch.linalg.eigh((pixels - mean).T @ (pixels - mean))  # the smallest first
    best = axes.flip(dims=[1])[:, :kept]  # [C, k]
    return Squeeze(best.T, best, mean - best @ best.T @ mean)


def random_mixtures(maps: Tensor, kept: int, seed: int = 0) -> Squeeze:
    """k mixtures at random, with the best rebuild from them: what a squeeze gets for nothing."""
    down = torch.randn(kept, maps.shape[1], generator=runtime.generator(seed), dtype=torch.float64)
    return rebuilt_best(maps, down)


def strongest(maps: Tensor, kept: int) -> Squeeze:
    """The k maps that vary most, as they are; the others are rebuilt from them as well as it goes."""
    order = columns(maps).var(dim=0).argsort(descending=True)[:kept]
    return rebuilt_best(maps, torch.eye(maps.shape[1], device=maps.device)[order])


def kept_share(maps: Tensor, rebuilt: Tensor) -> float:
    """How much of what the maps tell is still there: 1 − squared error / squared distance to each map's mean.

    Returns:
        1 where nothing is lost, 0 where the means would have done as well; below 0 it is worse than that.
    """
    before, after = columns(maps), columns(rebuilt)
    return float(1 - (before - after).square().sum() / (before - before.mean(dim=0)).square().sum())


# ---- inside a network --------------------------------------------------------------------------------------------
@torch.no_grad()
def maps_at(network: PixelNetwork, name: str, pictures: Tensor, *, before: bool = False) -> Tensor:
    """The maps that come out of a layer, or those that go into it, [N, C, H, W].

    Args:
        network: left as it was.
        name: of the layer.
        pictures: [N, 3, S, S] in [0, 1].
        before: what goes in.
    """
    return hear(network, pictures, {name: layer_of(network, name)}, before=before)[name]


def right(network: PixelNetwork, name: str, change: Callable[[Tensor], Tensor], pictures: Tensor, labels: Tensor):
    """The share of pictures that the network reads rightly with one layer's maps changed, 0 to 1."""
    with runtime.kept(network), torch.no_grad(), replace([layer_of(network, name)], change):
        return float((network(pictures).argmax(dim=1) == labels).float().mean())


@dataclass(frozen=True)
class Learning:
    """Where the learning of a squeeze stands."""

    step: int
    loss: float  # cross-entropy of the step's pictures
    squeeze: Squeeze


def learn(
    network: PixelNetwork,
    name: str,
    pictures: Tensor,
    labels: Tensor,
    *,
    kept: int = 16,
    steps: int = 600,
    batch: int = 32,
    rate: float = 3e-3,
    seed: int = 0,
) -> Iterator[Learning]:
    """Learn a squeeze behind a layer from the labels alone; the network itself learns nothing.

    It starts at random and never hears that maps should be rebuilt: only that signs should be read (Adam, Kingma and
    Ba 2015).

    Args:
        network: left as it was.
        name: of the layer behind which the two 1×1 convolutions stand.
        pictures, labels: to learn from, [N, 3, S, S] and [N].
        kept: k, the maps between the two.
        steps, batch, rate, seed: of the learning.

    Yields:
        a `Learning` after every step.
    """
    if not (isinstance(kept, int) and kept >= 1 and steps >= 1 and batch >= 1 and rate > 0):
        raise ValueError(f"kept, steps, batch and rate are above 0; got {kept!r}, {steps!r}, {batch!r} and {rate!r}.")
    draw = runtime.generator(seed)
    layer, channels = layer_of(network, name), maps_at(network, name, pictures[:1]).shape[1]
    down = _uniform((kept, channels), draw, pictures)
    up = _uniform((channels, kept), draw, pictures)
    bias = torch.zeros(channels, device=pictures.device, requires_grad=True)
    optimizer = torch.optim.Adam([down, up, bias], lr=rate)
    for step in range(1, steps + 1):
        some = torch.randint(len(pictures), (batch,), generator=draw).to(pictures.device)
        with runtime.kept(network), torch.enable_grad(), replace([layer], Squeeze(down, up, bias)):
            loss = cross_entropy(network(pictures[some]), labels[some])
            optimizer.zero_grad()
            loss.backward()
        optimizer.step()
        yield Learning(step, float(loss.detach()), Squeeze(*(value.detach().clone() for value in (down, up, bias))))


def _uniform(shape: tuple[int, int], draw: torch.Generator, like: Tensor) -> Tensor:
    """First weights as torch's own layers have them: between ±1/√(channels that come in)."""
    numbers = torch.rand(shape, generator=draw) * 2 - 1
    return (numbers / shape[1] ** 0.5).to(like.device).requires_grad_()


def shipped_squeeze() -> Squeeze:
    """What `learn` found in 600 steps behind the second convolution of signs-alexnet: 64 maps to 16, and back.

    Made by `make results NAMES=conv1x1`; the file says from which scenes and seeds.
    """
    stored = json.loads((runtime.DATA / "conv1x1" / "squeeze.json").read_text(encoding="utf-8"))
    return Squeeze(*(torch.tensor(stored[name]) for name in ("down", "up", "bias")))
