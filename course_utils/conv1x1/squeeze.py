"""Channels squeezed to fewer by one 1×1 convolution and expanded by another: chosen, random, PCA's best, or learnt.

Serves notebook 03. Papers: Eckart and Young 1936 (no k mixtures rebuild more than PCA's); Kingma and Ba 2015 (Adam).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from course_utils import runtime, training
from course_utils.arguments import check_alike, check_whole
from course_utils.conv1x1.conv1x1 import conv1x1
from course_utils.layers.find import layer_of
from course_utils.layers.hooks import hear, replace
from course_utils.zoo import PixelNetwork

BATCH, RATE = 32, 3e-3  # of the learning: pictures a step, Adam's rate


@dataclass(frozen=True)
class Squeeze:
    """Two 1×1 convolutions: `down` mixes C channels into k, `up` makes C of the k again."""

    down: Tensor  # [k, C]
    up: Tensor  # [C, k]
    bias: Tensor  # [C], of the second one

    def __call__(self, maps: Tensor) -> Tensor:
        """Squeeze and rebuild: [N, C, H, W] → [N, C, H, W]."""
        down, up, bias = (value.to(maps) for value in (self.down, self.up, self.bias))
        return conv1x1(conv1x1(maps, down), up, bias)


# ---- for rebuilding ----------------------------------------------------------------------------------------------
def fit_rebuild(maps: Tensor, down: Tensor) -> Squeeze:
    """The best that can be rebuilt from given mixtures: `up` by least squares on these maps [N, C, H, W].

    Args:
        down: [k, C], what squeezes; for instance the weights of a trained layer.

    >>> fit_rebuild(torch.rand(1, 3, 8, 8), down=torch.tensor([[1.0, -0.5, -0.5]])).up.shape
    torch.Size([3, 1])
    """
    down, (mean, together) = down.detach().double().to(maps.device), _moments(maps)
    up = together @ down.T @ torch.linalg.pinv(down @ together @ down.T, hermitian=True)  # the normal equations
    return Squeeze(down, up, mean - up @ down @ mean)


def pca(maps: Tensor, k: int) -> Squeeze:
    """The k mixtures from which most can be rebuilt: the principal components of the maps' channels.

    No other squeeze to k, learnt or not, rebuilds these maps [N, C, H, W] with a smaller squared error (Eckart and
    Young 1936).

    >>> maps = torch.rand(1, 3, 8, 8)
    >>> round(explained_variance(maps, pca(maps, 3)(maps)), 3)
    1.0
    """
    k, (mean, together) = _check_left(k, maps), _moments(maps)
    _, axes = torch.linalg.eigh(together)  # the smallest first
    best = axes.flip(dims=[1])[:, :k]  # [C, k]
    return Squeeze(best.T, best, mean - best @ best.T @ mean)


def project_at_random(maps: Tensor, k: int, seed: int = 0) -> Squeeze:
    """k mixtures at random (rows of length 1, at right angles), with the best rebuild from them.

    >>> project_at_random(torch.rand(1, 64, 8, 8), k=16).down.shape
    torch.Size([16, 64])
    """
    k = _check_left(k, maps)
    directions = torch.randn(maps.shape[1], k, generator=runtime.generator(seed), dtype=torch.float64)
    return fit_rebuild(maps, torch.linalg.qr(directions).Q.T)


def select_maps(maps: Tensor, k: int) -> Squeeze:
    """The k channels that vary most, as they are; the others are rebuilt from them as well as it goes.

    >>> select_maps(torch.rand(1, 3, 8, 8) * torch.tensor([0.1, 1, 0.1])[:, None, None], k=1).down.tolist()
    [[0.0, 1.0, 0.0]]
    """
    order = _pixels(maps).var(dim=0).argsort(descending=True)[: _check_left(k, maps)]
    return fit_rebuild(maps, torch.eye(maps.shape[1], device=maps.device)[order])


def explained_variance(maps: Tensor, rebuilt: Tensor) -> float:
    """How much of what the maps tell is still there: 1 − squared error / squared distance to each map's mean.

    Returns:
        1 where nothing is lost, 0 where the means would have done as well; below 0 it is worse than that.

    >>> maps = torch.rand(1, 3, 8, 8)
    >>> explained_variance(maps, maps)
    1.0
    """
    check_alike("maps", maps, "rebuilt", rebuilt)
    before, after = _pixels(maps), _pixels(rebuilt)
    return float(1 - (before - after).square().sum() / (before - before.mean(dim=0)).square().sum())


def _check_left(k: int, maps: Tensor) -> int:
    channels = maps.shape[1]
    return check_whole("k", k, 1, channels, says=f"is how many of {channels} channels are left, 1 to {channels}")


def _pixels(maps: Tensor) -> Tensor:
    """Each pixel as a row of its channels, [N·H·W, C], in double precision."""
    return maps.detach().movedim(1, -1).flatten(0, -2).double()


def _moments(maps: Tensor) -> tuple[Tensor, Tensor]:
    """Each channel's mean, [C], and which channels rise and fall with which, [C, C]."""
    pixels = _pixels(maps)
    mean = pixels.mean(dim=0)
    return mean, (pixels - mean).T @ (pixels - mean)


# ---- inside a network --------------------------------------------------------------------------------------------
@torch.no_grad()
def maps_at(network: PixelNetwork, name: str, pictures: Tensor, *, before: bool = False) -> Tensor:
    """The maps [N, C, H, W] that come out of a layer, or go into it (`before`), for pictures [N, 3, S, S] in [0, 1].

    >>> from course_utils import zoo
    >>> maps_at(zoo.load("signs-alexnet", device="cpu"), "features.4", torch.rand(2, 3, 64, 64)).shape
    torch.Size([2, 64, 16, 16])
    """
    return hear(network, pictures, {name: layer_of(network, name)}, before=before)[name]


def accuracy_through(
    network: PixelNetwork, name: str, change: Callable[[Tensor], Tensor], pictures: Tensor, labels: Tensor
) -> float:
    """The share of pictures that a network reads right while a layer's maps go through `change`, 0 to 1.

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> accuracy_through(network, "features.4", lambda maps: maps, stop.images, stop.labels)
    1.0
    """
    with replace([layer_of(network, name)], change):
        return training.accuracy(network, pictures, labels)


# ---- for reading -------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Learning:
    """Where the learning of a squeeze stands after a step."""

    step: int
    loss: float  # cross-entropy of the step's pictures
    squeeze: Squeeze


def learn(
    network: PixelNetwork,
    name: str,
    pictures: Tensor,
    labels: Tensor,
    *,
    k: int = 16,
    start: Squeeze | None = None,
    keep_down: bool = False,
    steps: int = 600,
    seed: int = 0,
) -> Iterator[Learning]:
    """Learn a squeeze behind a layer from the labels alone; the network is left as it was.

    It never hears that maps should be rebuilt: only that signs should be read (Adam, Kingma and Ba 2015).

    Args:
        name: of the layer behind which the two 1×1 convolutions stand.
        pictures, labels: to learn from, [N, 3, S, S] in [0, 1] and [N].
        k: the channels between the two.
        start: where the learning begins; None draws k mixtures and their second half at random.
        keep_down: only the second half learns, and the mixtures stay as they are.
        steps: how many, of `BATCH` pictures each.
        seed: of the first weights and of the pictures' order.

    >>> from course_utils import signs, zoo
    >>> network, scenes = zoo.load("signs-alexnet", device="cpu"), signs.render(20, seed=3, device="cpu")
    >>> [moment.step for moment in learn(network, "features.4", scenes.images, scenes.labels, steps=2)]
    [1, 2]
    """
    k, steps = check_whole("k", k), check_whole("steps", steps)
    draw = runtime.generator(seed)
    layer, channels = layer_of(network, name), maps_at(network, name, pictures[:1]).shape[1]
    first = [  # as torch's own layers begin: between ±1/√(channels that come in)
        (2 * torch.rand(shape, generator=draw) - 1) / shape[1] ** 0.5 for shape in ((k, channels), (channels, k))
    ]
    begun = (*first, torch.zeros(channels)) if start is None else (start.down, start.up, start.bias)
    weights = [value.detach().to(pictures.device, torch.float32, copy=True).requires_grad_() for value in begun]
    optimizer = torch.optim.Adam(weights[1:] if keep_down else weights, lr=RATE)

    def descend() -> Iterator[Learning]:
        for step in range(1, steps + 1):
            some = torch.randint(len(pictures), (BATCH,), generator=draw).to(pictures.device)
            with runtime.kept(network), torch.enable_grad(), replace([layer], Squeeze(*weights)):
                loss = cross_entropy(network(pictures[some]), labels[some])
                optimizer.zero_grad()
                loss.backward()
            optimizer.step()
            yield Learning(step, float(loss.detach()), Squeeze(*(one.detach().clone() for one in weights)))

    return descend()
