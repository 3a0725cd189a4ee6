"""How one saw before 2012: features made by hand (SIFT key points, HOG cells), and a linear reader on top of them.

Serves notebook 1. Papers: Lowe 2004 (SIFT); Csurka et al. 2004 (bags of visual words); Dalal and Triggs 2005 (HOG);
Lazebnik et al. 2006 (words with their places); Arandjelović and Zisserman 2012 (roots of descriptors).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST = 16  # side of a picture in pixels; SIFT halves it until 12 are left
CLIP = 0.2  # Dalal and Triggs' L2-Hys: no entry of a normalised block may exceed this
STRENGTHS = (0.01, 0.05, 0.2)  # C of the linear support vector machine, to choose from
FEW = 300  # training pictures, below which each quarter is held back in its turn


# ---- pictures --------------------------------------------------------------------------------------------------
def _pictures(images: Tensor) -> Tensor:
    """The same tensor, known to be float pictures [N, 1 or 3, H, W] of a useful size."""
    if not isinstance(images, Tensor):
        raise TypeError(f"give a tensor of pictures [N, 3, H, W]; got {type(images).__name__}. See images.to_tensor.")
    if not images.is_floating_point():
        kind = str(images.dtype).removeprefix("torch.")
        raise TypeError(f"give float pixels from 0 to 1; got {kind}. Divide by 255 first.")
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"pictures are [N, 3, H, W] or, grey, [N, 1, H, W]; got {list(images.shape)}.")
    if len(images) == 0:
        raise ValueError("there is no picture in this batch; give at least one.")
    if min(images.shape[2:]) < SMALLEST:
        raise ValueError(f"pictures must be at least {SMALLEST} pixels high and wide; got {list(images.shape[2:])}.")
    if not images.isfinite().all():
        raise ValueError("a picture holds NaN or infinity; find the step that made it.")
    return images


def grey(images: Tensor) -> Tensor:
    """Brightness as the eye weighs red, green and blue (ITU-R BT.709): [N, 3, H, W] → [N, 1, H, W]; grey stays."""
    images = _pictures(images)
    if images.shape[1] == 1:
        return images
    weights = torch.tensor([0.2125, 0.7154, 0.0721], device=images.device, dtype=images.dtype)
    return (images * weights.view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


# ---- SIFT ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class KeyPoints:
    """What SIFT found in one picture.

    Attributes:
        positions: [K, 2], x and y in pixels, from the top left.
        scales: [K], σ of the blur at which the point stands out, in pixels.
        orientations: [K], the direction of the strongest gradient in radians; 0 is right, π/2 is down.
        descriptors: uint8 [K, 128]: 4×4 cells around the point, 8 directions each, turned with the orientation.
        shape: height and width of the picture.
    """

    positions: np.ndarray
    scales: np.ndarray
    orientations: np.ndarray
    descriptors: np.ndarray
    shape: tuple[int, int]

    def __len__(self) -> int:
        return len(self.scales)

    def __getitem__(self, chosen) -> KeyPoints:
        """Some of the points, by an array of indices or a slice."""
        parts = (self.positions, self.scales, self.orientations, self.descriptors)
        return KeyPoints(*(part[chosen] for part in parts), self.shape)

    def largest(self, count: int) -> KeyPoints:
        """The points with the largest scales, the largest first."""
        return self[np.argsort(-self.scales, kind="stable")[:count]]


def sift(picture: Tensor) -> KeyPoints:
    """Lowe's key points of one picture, with his numbers: contrast 0.04, edges 10, the picture doubled first.

    Args:
        picture: float [1, 3, H, W] or [3, H, W] in [0, 1]; only its brightness is looked at.

    Returns:
        `KeyPoints`, none of them where the picture is flat.

    Raises:
        ValueError, TypeError: it is not one picture.
    """
    from skimage.feature import SIFT  # here, because it is slow to import and only this needs it

    batch = picture[None] if isinstance(picture, Tensor) and picture.ndim == 3 else picture
    seen = grey(batch)
    if len(seen) > 1:
        raise ValueError(f"sift looks at one picture at a time; got {len(seen)}. See classical.describe.")
    pixels = seen[0, 0].detach().cpu().numpy().astype(np.float32)
    found = SIFT()
    try:
        found.detect_and_extract(pixels)
    except RuntimeError:  # skimage's word for "nothing stands out"
        none = np.empty(0, dtype=np.float32)
        return KeyPoints(np.empty((0, 2), np.float32), none, none, np.empty((0, 128), np.uint8), pixels.shape)
    return KeyPoints(
        found.positions[:, ::-1].astype(np.float32),  # skimage counts rows first
        found.sigmas.astype(np.float32),
        (np.pi / 2 - found.orientations).astype(np.float32),  # and angles from the downward axis
        found.descriptors,
        pixels.shape,
    )


def describe(images: Tensor) -> Iterator[KeyPoints]:
    """The key points of many pictures, one picture an item: at 64×64 pixels it takes some 15 ms a picture.

    Args:
        images: float [N, 3, H, W] in [0, 1].
    """
    for picture in _pictures(images):
        yield sift(picture)


# ---- bags of words ---------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Vocabulary:
    """Typical descriptors, found by k-means: the visual words.

    Attributes:
        words: float [V, 128], roots of descriptors.
    """

    words: np.ndarray

    def __len__(self) -> int:
        return len(self.words)

    def read(self, points: KeyPoints) -> np.ndarray:
        """The nearest word of each key point: whole numbers [K] in 0 … V - 1."""
        distances = (self.words**2).sum(axis=1) - 2 * _roots(points.descriptors) @ self.words.T  # [K, V]
        return distances.argmin(axis=1)


def _roots(descriptors: np.ndarray) -> np.ndarray:
    """Square roots of the shares: their dot product compares histograms better (Arandjelović and Zisserman 2012)."""
    shares = descriptors.astype(np.float32)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1.0)
    return np.sqrt(shares)


def vocabulary(described: Sequence[KeyPoints], words: int = 600, *, seed: int = 0, sample: int = 30_000) -> Vocabulary:
    """Group the descriptors of the training pictures by k-means; the centres are the words.

    Args:
        described: the key points of the training pictures, and of no others.
        words: how many; Csurka et al. tried 100 to 2,500.
        seed: of the sample and of k-means.
        sample: so many descriptors, drawn at random, are enough to find the centres.

    Raises:
        ValueError: fewer descriptors than words.
    """
    from sklearn.cluster import MiniBatchKMeans

    if words < 2:
        raise ValueError(f"a vocabulary has at least two words; got words={words}.")
    total = sum(len(points) for points in described)
    if total < words:
        raise ValueError(
            f"{words} words need at least as many key points, and these {len(described)} pictures have {total};"
            " give more pictures or ask for fewer words."
        )
    descriptors = np.concatenate([points.descriptors for points in described])
    chosen = np.random.default_rng(seed).permutation(total)[:sample]
    means = MiniBatchKMeans(words, random_state=seed, n_init=1, batch_size=1024, max_iter=30)
    return Vocabulary(means.fit(_roots(descriptors[chosen])).cluster_centers_)


def bag_of_words(described: Sequence[KeyPoints], vocabulary: Vocabulary, *, levels: int = 1) -> np.ndarray:
    """How often each word occurs in each picture, as square roots of shares, so that every row has length 1.

    Args:
        described: the key points of N pictures.
        vocabulary: of V words.
        levels: 1 forgets where a word stands, as Csurka et al. do; 2 counts in the four quarters of the picture too,
            3 in its sixteenths (Lazebnik et al.).

    Returns:
        float32 [N, V·(1 + 4 + …)]; zeros for a picture without key points.
    """
    if len(described) == 0:
        raise ValueError("there is no picture to count words in; give at least one.")
    if levels not in (1, 2, 3):
        raise ValueError(f"levels is 1, 2 or 3; got {levels!r}.")
    counts = np.zeros((len(described), len(vocabulary) * sum(4**level for level in range(levels))), np.float32)
    for row, points in zip(counts, described, strict=True):
        if len(points) == 0:
            continue
        word, first = vocabulary.read(points), 0
        for level in range(levels):
            cells = 2**level  # along each axis
            x, y = np.clip(points.positions * cells / points.shape[::-1], 0, cells - 1).astype(int).T
            np.add.at(row, first + (y * cells + x) * len(vocabulary) + word, 1.0)
            first += cells**2 * len(vocabulary)
        row /= row.sum()
    return np.sqrt(counts)


# ---- HOG -------------------------------------------------------------------------------------------------------
def hog_cells(images: Tensor, *, cell: int = 8, orientations: int = 9) -> Tensor:
    """Histograms of oriented gradients: a fixed convolution, a choice of channel, and average pooling.

    Args:
        images: float [N, 3, H, W] in [0, 1].
        cell: side of a cell in pixels.
        orientations: bins from 0 to 180°; a gradient and its opposite count as one.

    Returns:
        [N, rows, columns, orientations]: in each cell, the mean gradient in each direction.

    Raises:
        ValueError, TypeError: no pictures, or not one cell fits.
    """
    images = _divisible(images, cell)
    if orientations < 1:
        raise ValueError(f"there must be at least one direction; got orientations={orientations}.")
    gx, gy = torch.zeros_like(images), torch.zeros_like(images)
    gx[..., 1:-1] = images[..., 2:] - images[..., :-2]  # the filter (-1, 0, 1), zero at the edge
    gy[..., 1:-1, :] = images[..., 2:, :] - images[..., :-2, :]
    length = torch.hypot(gx, gy)
    strongest = length.argmax(dim=1, keepdim=True)  # of red, green and blue, at each pixel
    gx, gy, length = (part.gather(1, strongest) for part in (gx, gy, length))  # [N, 1, H, W]
    angle = torch.rad2deg(torch.atan2(gy, gx)) % 180
    which = (angle * orientations / 180).long() % orientations
    votes = torch.zeros(len(images), orientations, *images.shape[2:], device=images.device, dtype=images.dtype)
    votes.scatter_(1, which, length)
    return F.avg_pool2d(votes, cell).movedim(1, -1)


def hog(images: Tensor, *, cell: int = 8, block: int = 2, orientations: int = 9) -> Tensor:
    """Dalal and Triggs' features: the cells, block by overlapping block, each block brought to length 1.

    The same numbers as `skimage.feature.hog` with `block_norm="L2-Hys"`, for a whole batch on any device.

    Args:
        images: float [N, 3, H, W] in [0, 1].
        cell, orientations: as in `hog_cells`.
        block: cells along a side of a block.

    Returns:
        [N, (rows - block + 1)·(columns - block + 1)·block²·orientations].

    Raises:
        ValueError, TypeError: no pictures, or not one block fits.
    """
    side = min(_divisible(images, cell).shape[2:])
    if not 1 <= block <= side // cell:
        raise ValueError(f"a block of {block}×{block} cells of {cell} pixels does not fit into {side} pixels.")
    features = []
    for part in images.split(32):  # so that the votes stay in the processor's cache
        cells = hog_cells(part, cell=cell, orientations=orientations)
        blocks = cells.unfold(1, block, 1).unfold(2, block, 1)  # [N, rows', columns', orientations, block, block]
        blocks = blocks.movedim(3, -1).flatten(3)  # [N, rows', columns', block²·orientations]
        blocks = _unit(_unit(blocks).clamp(max=CLIP))
        features.append(blocks.flatten(1))
    return torch.cat(features)


def _divisible(images: Tensor, cell: int) -> Tensor:
    """The same pictures, known to hold at least one cell."""
    side = min(_pictures(images).shape[2:])
    if not 2 <= cell <= side:
        raise ValueError(f"a cell is 2 to {side} pixels wide here; got cell={cell}.")
    return images


def _unit(blocks: Tensor) -> Tensor:
    return blocks / (blocks.square().sum(dim=-1, keepdim=True) + 1e-10).sqrt()


# ---- the reader ------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class LinearReader:
    """A linear support vector machine, one class against the rest.

    Attributes:
        machine: scikit-learn's, fitted.
        strength: its C, chosen among `STRENGTHS` on training pictures that it was not fitted to.
    """

    machine: object
    strength: float

    @classmethod
    def fit(cls, features: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> LinearReader:
        """Fit to training pictures; how much to trust them is chosen by holding some of *them* back.

        Args:
            features: float [N, D].
            labels: whole numbers [N].
            seed: of the folds and of the solver.

        Raises:
            ValueError: too few pictures, one class only, or lengths that differ.
        """
        *_, reader = fit_steps(features, labels, seed=seed)
        return reader

    def read(self, features: np.ndarray) -> np.ndarray:
        """The classes of pictures given by their features [N, D]."""
        return self.machine.predict(np.asarray(features, dtype=np.float64))

    def accuracy(self, features: np.ndarray, labels: np.ndarray) -> float:
        """Share of the pictures that are read right, in [0, 1]."""
        return float((self.read(features) == np.asarray(labels)).mean())


def fit_steps(features: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> Iterator[LinearReader | None]:
    """`LinearReader.fit`, a fit an item: None after each trial, the reader at last.

    A quarter of the pictures is held back and read with each strength; where they are few, each quarter in its turn.
    """
    from sklearn.svm import LinearSVC

    features, labels = np.asarray(features, dtype=np.float64), np.asarray(labels)
    if features.ndim != 2 or len(features) != len(labels):
        raise ValueError(f"give features [N, D] and a label each; got {list(features.shape)} and {len(labels)} labels.")
    kinds = len(np.unique(labels))
    if len(features) < 8 or kinds < 2:
        raise ValueError(
            f"a reader needs eight pictures and two classes at least; got {len(features)} pictures of"
            f" {kinds} class{'es' if kinds != 1 else ''}."
        )

    def machine(strength: float, rows) -> LinearSVC:
        with warnings.catch_warnings():  # two scenes a class, and scikit-learn suspects numbers instead of classes
            warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)
            return LinearSVC(C=strength, dual=True, random_state=seed).fit(features[rows], labels[rows])

    quarter = np.random.default_rng(seed).permutation(len(features)) % 4
    right = dict.fromkeys(STRENGTHS, 0)
    for held in range(4 if len(features) < FEW else 1):
        here, there = quarter != held, quarter == held
        for strength in STRENGTHS:
            read = machine(strength, here).predict(features[there])
            right[strength] += int((read == labels[there]).sum())
            yield None
    best = max(STRENGTHS, key=right.get)  # the smallest of equals
    yield LinearReader(machine(best, slice(None)), best)
