"""How one saw before 2012: features made by hand (SIFT key points, HOG cells), and a linear classifier on top.

Serves notebook 1. Papers: Lowe 2004 (SIFT); Csurka et al. 2004 (bags of visual words); Dalal and Triggs 2005 (HOG);
Lazebnik et al. 2006 (words with their places); Arandjelović and Zisserman 2012 (roots of descriptors).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from course_utils.arguments import check_choice, check_images, check_one_image, check_whole

if TYPE_CHECKING:
    from sklearn.svm import LinearSVC

SMALLEST = 16  # side of a picture in pixels; SIFT halves it until 12 are left
SAMPLE = 30_000  # descriptors, drawn at random, are enough to find the visual words
ORIENTATIONS = 9  # of HOG, from 0 to 180°: a gradient and its opposite count as one
BLOCK = 2  # cells along a side of one of HOG's blocks
CLIP = 0.2  # Dalal and Triggs' L2-Hys: no entry of a normalised block may exceed this
STRENGTHS = (0.01, 0.05, 0.2)  # C of the linear support vector machine, to choose from
FEW = 300  # training pictures, below which each quarter is held back in its turn


# ---- pictures --------------------------------------------------------------------------------------------------
def _check(images: Tensor) -> None:
    """Float pictures [N, 1 or 3, H, W] in [0, 1] of a useful size."""
    check_images(images)
    if images.shape[1] not in (1, 3):
        raise ValueError(f"pictures are [N, 3, H, W] or, grey, [N, 1, H, W]; got {list(images.shape)}.")
    if min(images.shape[2:]) < SMALLEST:
        raise ValueError(f"pictures must be at least {SMALLEST} pixels high and wide; got {list(images.shape[2:])}.")


def to_grey(images: Tensor) -> Tensor:
    """Brightness as the eye weighs red, green and blue (ITU-R BT.709): [N, 3, H, W] → [N, 1, H, W]; grey stays."""
    _check(images)
    if images.shape[1] == 1:
        return images
    weights = torch.tensor([0.2125, 0.7154, 0.0721], device=images.device, dtype=images.dtype)
    return (images * weights.view(1, 3, 1, 1)).sum(dim=1, keepdim=True)


# ---- SIFT ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class KeyPoints:
    """What SIFT found in one picture."""

    positions: np.ndarray  # [K, 2], x and y in pixels, from the top left
    scales: np.ndarray  # [K], σ of the blur at which the point stands out, in pixels
    orientations: np.ndarray  # [K], the direction of the strongest gradient in radians; 0 is right, π/2 is down
    descriptors: np.ndarray  # uint8 [K, 128]: 4×4 cells round the point, 8 directions each, turned with the orientation
    shape: tuple[int, int]  # height and width of the picture

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
        picture: float [1, 3, H, W] in [0, 1]; only its brightness is looked at. At 64×64 pixels it takes some 15 ms.

    >>> from course_utils import signs
    >>> points = sift(signs.render([signs.STOP], seed=3, device="cpu").images)
    >>> points.descriptors.shape == (len(points), 128)
    True
    """
    from skimage.feature import SIFT  # here, because it is slow to import and only this needs it

    seen = to_grey(picture)
    check_one_image("picture", seen)
    pixels = seen[0, 0].detach().cpu().numpy().astype(np.float32)
    found = SIFT()
    try:
        found.detect_and_extract(pixels)
    except RuntimeError:  # skimage's word for "nothing stands out"
        none = np.empty(0, dtype=np.float32)
        return KeyPoints(np.empty((0, 2), np.float32), none, none, np.empty((0, 128), np.uint8), pixels.shape)
    x_and_y, turns = found.positions[:, ::-1], np.pi / 2 - found.orientations  # skimage: rows first, angles from below
    floats = (part.astype(np.float32) for part in (x_and_y, found.sigmas, turns))
    return KeyPoints(*floats, found.descriptors, pixels.shape)


# ---- bags of words ---------------------------------------------------------------------------------------------
def _roots(descriptors: np.ndarray) -> np.ndarray:
    """Square roots of the shares: their dot product compares histograms better (Arandjelović and Zisserman 2012)."""
    shares = descriptors.astype(np.float32)
    shares /= np.maximum(shares.sum(axis=1, keepdims=True), 1.0)
    return np.sqrt(shares)


def learn_words(described: Sequence[KeyPoints], count: int, *, seed: int = 0) -> np.ndarray:
    """Group the descriptors of the training pictures by k-means; the centres are the visual words.

    Args:
        described: the key points of the training pictures, and of no others.
        count: of words, V; Csurka et al. tried 100 to 2,500.

    Returns:
        The vocabulary, float [V, 128]: roots of typical descriptors.
    """
    from sklearn.cluster import MiniBatchKMeans

    check_whole("the number of words", count, 2)
    total = sum(map(len, described))
    if total < count:
        raise ValueError(
            f"{count} words need at least as many key points, and these {len(described)} pictures have {total};"
            " give more pictures or ask for fewer words."
        )
    descriptors = np.concatenate([points.descriptors for points in described])
    chosen = np.random.default_rng(seed).permutation(total)[:SAMPLE]
    means = MiniBatchKMeans(count, random_state=seed, n_init=1, batch_size=1024, max_iter=30)
    return means.fit(_roots(descriptors[chosen])).cluster_centers_


def nearest_words(points: KeyPoints, words: np.ndarray) -> np.ndarray:
    """The nearest of the words [V, 128] to each key point: whole numbers [K] in 0 … V - 1."""
    distances = (words**2).sum(axis=1) - 2 * _roots(points.descriptors) @ words.T  # [K, V]
    return distances.argmin(axis=1)


def bag_of_words(described: Sequence[KeyPoints], words: np.ndarray, *, levels: int = 1) -> np.ndarray:
    """How often each word occurs in each picture, as square roots of shares, so that every row has length 1.

    Args:
        described: the key points of N pictures.
        words: float [V, 128], such as `learn_words` gives.
        levels: 1 forgets where a word stands, as Csurka et al. do; 2 counts in the four quarters of the picture too,
            3 in its sixteenths (Lazebnik et al.).

    Returns:
        float32 [N, V·(1 + 4 + …)]; zeros for a picture without key points.
    """
    if len(described) == 0:
        raise ValueError("there is no picture to count words in; give at least one.")
    check_choice("levels", levels, (1, 2, 3), says="is 1, 2 or 3")
    counts = np.zeros((len(described), len(words) * sum(4**level for level in range(levels))), np.float32)
    for row, points in zip(counts, described, strict=True):
        if len(points) == 0:
            continue
        word, first = nearest_words(points, words), 0
        for level in range(levels):
            cells = 2**level  # along each axis
            x, y = np.clip(points.positions * cells / points.shape[::-1], 0, cells - 1).astype(int).T
            np.add.at(row, first + (y * cells + x) * len(words) + word, 1.0)
            first += cells**2 * len(words)
        row /= row.sum()
    return np.sqrt(counts)


# ---- HOG -------------------------------------------------------------------------------------------------------
def hog_cells(images: Tensor, cell: int = 8) -> Tensor:
    """Histograms of oriented gradients: a fixed convolution, a choice of channel, and average pooling.

    Of pictures, float [N, 3, H, W] in [0, 1], and the side of a cell in pixels it makes
    [N, rows, columns, ORIENTATIONS]: in each cell, the mean gradient in each direction.

    >>> hog_cells(torch.rand(1, 3, 64, 64)).shape
    torch.Size([1, 8, 8, 9])
    """
    _check(images)
    side = min(images.shape[2:])
    check_whole("cell", cell, 2, side, says=f"is 2 to {side} pixels wide here")
    gx, gy = torch.zeros_like(images), torch.zeros_like(images)
    gx[..., 1:-1] = images[..., 2:] - images[..., :-2]  # the filter (-1, 0, 1), zero at the edge
    gy[..., 1:-1, :] = images[..., 2:, :] - images[..., :-2, :]
    length = torch.hypot(gx, gy)
    strongest = length.argmax(dim=1, keepdim=True)  # of red, green and blue, at each pixel
    gx, gy, length = (part.gather(1, strongest) for part in (gx, gy, length))  # [N, 1, H, W]
    angle = torch.rad2deg(torch.atan2(gy, gx)) % 180
    which = (angle * ORIENTATIONS / 180).long() % ORIENTATIONS
    votes = torch.zeros(len(images), ORIENTATIONS, *images.shape[2:], device=images.device, dtype=images.dtype)
    votes.scatter_(1, which, length)
    return F.avg_pool2d(votes, cell).movedim(1, -1)


def hog(images: Tensor, cell: int = 8) -> Tensor:
    """Dalal and Triggs' features: the cells, block by overlapping block, each block brought to length 1.

    The same numbers as `skimage.feature.hog` with `block_norm="L2-Hys"`, for a whole batch on any device.

    Args:
        images: float [N, 3, H, W] in [0, 1].
        cell: side of a cell in pixels; two must fit along each side of the picture.

    Returns:
        [N, (rows - 1)·(columns - 1)·BLOCK²·ORIENTATIONS].

    >>> hog(torch.rand(1, 3, 64, 64)).shape
    torch.Size([1, 1764])
    """
    _check(images)
    side = min(images.shape[2:])
    check_whole("cell", cell, 2, side // BLOCK, says=f"is 2 to {side // BLOCK} pixels wide here, so that a block fits")
    features = []
    for part in images.split(32):  # so that the votes stay in the processor's cache
        blocks = hog_cells(part, cell).unfold(1, BLOCK, 1).unfold(2, BLOCK, 1)  # [N, rows', columns', 9, 2, 2]
        blocks = blocks.movedim(3, -1).flatten(3)  # [N, rows', columns', BLOCK²·ORIENTATIONS]
        features.append(_unit(_unit(blocks).clamp(max=CLIP)).flatten(1))
    return torch.cat(features)


def _unit(blocks: Tensor) -> Tensor:
    return blocks / (blocks.square().sum(dim=-1, keepdim=True) + 1e-10).sqrt()


# ---- the classifier --------------------------------------------------------------------------------------------
def fit_svm_steps(features: np.ndarray, labels: np.ndarray, *, seed: int = 0) -> Iterator[LinearSVC | None]:
    """Fit a linear support vector machine to features [N, D] and labels [N], one class against the rest.

    How much to trust the training pictures (C, among `STRENGTHS`) is chosen on those of *them* that were held back: a
    quarter, or each quarter in its turn where they are few.

    Yields:
        None after each trial; at last scikit-learn's machine, fitted to all.
    """
    from sklearn.svm import LinearSVC

    features, labels = np.asarray(features, dtype=np.float64), np.asarray(labels)
    if features.ndim != 2 or len(features) != len(labels):
        raise ValueError(f"give features [N, D] and a label each; got {list(features.shape)} and {len(labels)} labels.")
    kinds = len(np.unique(labels))
    if len(features) < 8 or kinds < 2:
        raise ValueError(
            f"a classifier needs eight pictures and two classes at least; got {len(features)} pictures of"
            f" {kinds} class{'es' if kinds != 1 else ''}."
        )

    def fit(strength: float, rows) -> LinearSVC:
        with warnings.catch_warnings():  # two scenes a class, and scikit-learn suspects numbers instead of classes
            warnings.filterwarnings("ignore", message="The number of unique classes", category=UserWarning)
            return LinearSVC(C=strength, dual=True, random_state=seed).fit(features[rows], labels[rows])

    quarter = np.random.default_rng(seed).permutation(len(features)) % 4
    right = dict.fromkeys(STRENGTHS, 0)
    for held in range(4 if len(features) < FEW else 1):
        for strength in STRENGTHS:
            read = fit(strength, quarter != held).predict(features[quarter == held])
            right[strength] += int((read == labels[quarter == held]).sum())
            yield None
    yield fit(max(STRENGTHS, key=right.get), slice(None))  # the smallest of equals
