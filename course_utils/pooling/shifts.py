"""A camera that moves sideways: the same sign a few pixels further, and what a network says to that.

Serves notebook 2. Papers: Zhang 2019, arXiv:1904.11486, section 4 (consistency under shift); Azulay and Weiss 2019,
"Why do deep convolutional networks generalize so poorly to small image transformations?".
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from course_utils import runtime, signs, training
from course_utils.arguments import check_whole

WINDOW, FARTHEST = 96, 32  # pixels: side of the camera's picture, and how far it travels
WORLD = signs.Dials(distance=1.0)  # signs of all sizes, anywhere: small ones stay in the picture while it moves
RESULTS = runtime.DATA / "pooling" / "shifts.json"  # what scripts/results_pooling.py measured
CONTROLS = RESULTS.with_name("controls.json")  # what scripts/results_pooling_controls.py measured


@dataclass(frozen=True)
class Travel:
    """Scenes wider than the camera's picture, in which the sign stays whole wherever the camera stands."""

    images: Tensor  # [N, 3, WINDOW, WINDOW + FARTHEST] in [0, 1]; beside the sign there is street, no padding
    labels: Tensor  # [N]

    def __len__(self) -> int:
        return len(self.images)

    def views(self, index: int) -> Tensor:
        """What the camera sees of one scene at the shifts 0 … FARTHEST: [FARTHEST + 1, 3, WINDOW, WINDOW]."""
        return self.images[index].unfold(2, WINDOW, 1).movedim(2, 0)  # [3, H, shifts, W] → [shifts, 3, H, W]


def render_travels(count: int, *, seed: int, batch: int = 256) -> Travel:
    """Render scenes until enough of them have a small sign in the middle, where a travelling camera sees all of it.

    Args:
        count: how many, at least 1; about one rendered scene in twenty will do.
        batch: scenes rendered at a time.

    >>> render_travels(2, seed=5, batch=64).images.shape
    torch.Size([2, 3, 96, 128])
    """
    check_whole("count", count, says="must be at least 1 scene")
    images, labels = [], []
    while len(images) < count:
        scenes = signs.render(batch, size=WINDOW + FARTHEST, seed=seed, dials=WORLD, device="cpu")
        for image, label, mask in zip(scenes.images, scenes.labels, scenes.masks[:, 0], strict=True):
            if (top := _top(mask)) is not None:
                images.append(image[:, top : top + WINDOW])
                labels.append(label)
        seed += 1
    return Travel(torch.stack(images[:count]), torch.stack(labels[:count]))


def _top(mask: Tensor) -> int | None:
    """The first row of a camera that has the sign at middle height; None where the sign would leave its picture."""
    rows, columns = ((mask > 0.02).any(dim=axis).nonzero().flatten() for axis in (1, 0))
    if len(columns) == 0 or columns[0] < FARTHEST or columns[-1] >= WINDOW:
        return None
    middle = (int(rows[0]) + int(rows[-1])) // 2
    top = min(max(middle - WINDOW // 2, 0), FARTHEST)
    return top if rows[0] >= top and rows[-1] < top + WINDOW else None


@dataclass(frozen=True)
class Answers:
    """What a network says while the camera moves."""

    scores: Tensor  # [N, FARTHEST + 1], the probability of the true class at each shift, in [0, 1]
    classes: Tensor  # [N, FARTHEST + 1], the class that it reads

    def same(self) -> Tensor:
        """Whether the class is still that of shift 0: [N, FARTHEST + 1], 0 or 1."""
        return (self.classes == self.classes[:, :1]).float()

    def consistency(self) -> Tensor:
        """Zhang's measure for each scene: the share of all pairs of shifts at which the class is the same, [N]."""
        pairs = (self.classes[:, :, None] == self.classes[:, None, :]).float()  # [N, shifts, shifts]
        shifts = self.classes.shape[1]
        return (pairs.sum(dim=(1, 2)) - shifts) / (shifts * (shifts - 1))

    def wobble(self) -> Tensor:
        """How much the score changes from one pixel of shift to the next, in the mean: [N], from 0 to 1."""
        return self.scores.diff(dim=1).abs().mean(dim=1)


def ask(network: nn.Module, travel: Travel) -> Answers:
    """Ask a network about every scene at every shift.

    >>> from course_utils import zoo
    >>> answers = ask(zoo.load("pooling-blur", device="cpu"), render_travels(1, seed=5, batch=64))
    >>> answers.classes.shape, answers.consistency().item()
    (torch.Size([1, 33]), 1.0)
    """
    logits = torch.stack([training.predict(network, travel.views(index)) for index in range(len(travel))])
    scores = logits.softmax(dim=2)[torch.arange(len(travel)), :, travel.labels]  # [N, shifts, classes] → [N, shifts]
    return Answers(scores, logits.argmax(dim=2))


def standard_error(values: Tensor) -> Tensor:
    """Of the mean over scenes: the half width of a band that holds the truth two times in three.

    >>> standard_error(torch.tensor([1.0, 2, 3, 4])).item()
    0.645
    """
    return values.std(dim=0) / math.sqrt(len(values))


def load_results() -> dict[str, dict]:
    """What the four networks of notebook 2 said to 400 scenes: kind → numbers, from scripts/results_pooling.py.

    `right` (1 or 0, at shift 0), `consistency` and `wobble` hold a number for each scene; `same` (the share of scenes
    with the class of shift 0), `score` (the mean probability of the true class) and their standard errors a number for
    each shift.

    >>> list(load_results())
    ['max', 'average', 'blur', 'stride']
    """
    return json.loads(RESULTS.read_text(encoding="utf-8"))["kinds"]


def load_controls() -> dict[str, dict[str, dict[str, float]]]:
    """What could refute them: arm → seed → numbers, from scripts/results_pooling_controls.py; all arms trained alike.

    "wide" has strides and twice the channels, so as many multiply-adds as "max"; "shifted" has strides and learnt from
    scenes that were shifted at random.

    >>> list(load_controls())[:3]
    ['stride', 'wide', 'max']
    """
    return json.loads(CONTROLS.read_text(encoding="utf-8"))["arms"]
