"""Marks the exercise of lesson 1: the mended `prepare`, on small probes in which every scene can be recognised.

Serves notebook 1. Papers: none; what is checked is what makes a test a test (Kapoor and Narayanan 2023).
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import runtime
from course_utils.checks.base import Verdict, try_out, wrong
from course_utils.checks.progress import remembered
from course_utils.history import faulty

COUNT, COPIES, HEIGHT, WIDTH = 40, 3, 24, 32  # not square, so that rows and columns cannot be mistaken
_STILL = Verdict(None, "Not yet: this is still the assistant's function, with all that is wrong in it.")
_RIGHT = (
    "Right. Channels first without moving a single pixel, and every scene on one side of the split only: now the test"
    " says something about pictures that the network has never met."
)


@remembered
def check_prepare(student: Callable) -> Verdict:
    """Mark a student's mended `prepare`: run it on small pictures and say what is still wrong, if anything.

    Args:
        student: a function of (pictures, labels, copies, seed) that returns training pictures and labels, test
            pictures and labels; see `faulty.prepare`. Where nothing was mended yet, the verdict's `right` is None.

    >>> check_prepare(lambda pictures, labels, copies, seed: (pictures, labels, pictures, labels))
    ✗ The training pictures are uint8; divide by 255, to floats in [0, 1].
    """
    pictures, labels = _probe()
    moved = []  # whether each call drew from torch's global random numbers

    @functools.wraps(student)
    def watched(*given):
        torch.default_generator.manual_seed(len(moved))  # what is drawn from these differs from call to call
        before = torch.get_rng_state()
        answer = student(*given)
        moved.append(not torch.equal(torch.get_rng_state(), before))
        return answer

    answers = []
    for seed in (0, 0, 1):
        answer = try_out(
            watched, pictures, labels, COPIES, seed, takes="pictures, labels, copies, seed", returns=None,
            writes="You write into the pictures that were given; work on a copy.",
        )  # fmt: skip
        if isinstance(answer, Verdict):
            return answer
        if fault := _shape_fault(answer):
            return wrong(fault)
        answers.append(answer)
    if _equal(answers[0], faulty.prepare(pictures, labels, COPIES, 0, scrambled=True, leaky=True)):
        return _STILL
    fault = _fault(*answers, any(moved), pictures, labels)
    return wrong(fault) if fault else Verdict(True, _RIGHT)


def _probe() -> tuple[Tensor, Tensor]:
    """Smooth pictures, each its own, uint8 [COUNT, HEIGHT, WIDTH, 3]; the labels are sorted, as folders are."""
    coarse = torch.rand(COUNT, 3, 4, 5, generator=runtime.generator(4))
    smooth = F.interpolate(coarse, size=(HEIGHT, WIDTH), mode="bilinear")
    return (smooth * 200 + 25).byte().permute(0, 2, 3, 1).contiguous(), torch.arange(COUNT) // 10


# ---- what can be wrong: each function gives a sentence, or nothing --------------------------------------------------
def _shape_fault(answer) -> str:
    if not isinstance(answer, (tuple, list)) or len(answer) != 4 or not all(isinstance(a, Tensor) for a in answer):
        return "Return four tensors: train pictures, train labels, test pictures, test labels."
    for whose, x, y in (("training", *answer[:2]), ("test", *answer[2:])):
        if len(x) == 0 or len(x) != len(y):
            return f"The {whose} set has {len(x)} pictures and {len(y)} labels; give one label each."
        if not x.is_floating_point():
            kind = str(x.dtype).removeprefix("torch.")
            return f"The {whose} pictures are {kind}; divide by 255, to floats in [0, 1]."
        if x.shape[1:] == (3, WIDTH, HEIGHT):
            return "The pictures lie on their side: rows and columns changed places; the height comes first."
        if x.shape[1:] != (3, HEIGHT, WIDTH):
            wanted, got = [len(x), 3, HEIGHT, WIDTH], list(x.shape)
            return f"The {whose} pictures must be [N, 3, H, W], here {wanted}; yours are {got}."
        if not x.isfinite().all() or x.min() < 0 or x.max() > 1:
            return f"The {whose} pictures run from {x.min():.2f} to {x.max():.2f}; clamp them to [0, 1]."
        if x.max() < 0.02:
            return f"The {whose} pictures are nearly black: you divide by 255 twice."
    return ""


def _fault(answer, again, other, moved: bool, pictures: Tensor, labels: Tensor) -> str:
    """From the plain to the subtle: the layout, the pairs, the leak, the shares, the copies, the randomness."""
    if layout := _layout_fault(answer, pictures):
        return layout
    train, test = _scenes(answer, pictures)
    for whose, scenes, given in (("training", train, answer[1]), ("test", test, answer[3])):
        if not torch.equal(given.long(), labels[scenes]):
            told = f"Pictures and labels of the {whose} set no longer belong together"
            return f"{told}: index both with the same numbers."
    if fault := _split_fault(train.tolist(), test.tolist()) or _copies_fault(answer, train, test, pictures):
        return fault
    if not _equal(answer, again):
        if moved:
            return "You draw from torch's global random numbers; pass generator=draw to every draw."
        return "Twice the same seed, two different splits: make the generator from `seed`."
    if set(_scenes(other, pictures)[1].tolist()) == set(test.tolist()):
        return "Another seed gives the same split: make the generator from `seed`, and shuffle with it."
    return ""


def _layout_fault(answer, pictures: Tensor) -> str:
    """What happened to the channels, if no scene can be recognised."""
    given, right = torch.cat([answer[0], answer[2]]), pictures.permute(0, 3, 1, 2).float() / 255

    def like(scenes: Tensor) -> bool:
        return bool(_likeness(given, scenes).max(dim=1).values.median() > 0.8)

    if like(right):
        return ""
    scrambled = pictures.reshape(right.shape).float() / 255
    if like(scrambled):
        train, test = (set(_likeness(x, scrambled).argmax(dim=1).tolist()) for x in (answer[0], answer[2]))
        told = "the pictures are scrambled: reshape and view only deal the numbers out anew, in the order in which"
        told += " they lie in memory, so three neighbours become red, green and blue no more; to move an axis, permute."
        return told[0].upper() + told[1:] if train & test else "The leak is closed, but " + told
    if like(right.flip(1)):
        return "Red and blue changed places: keep the order of the channels."
    return "These are not the scenes any more: look at one of the pictures that you return."


def _split_fault(train: list[int], test: list[int]) -> str:
    """What is wrong with which scenes are where."""
    if known := sum(scene in train for scene in test):
        return (
            f"The pictures are whole, but {known} of your {len(test)} test pictures are copies of scenes that the"
            " network trains on: split the scenes first, and make the copies afterwards."
        )
    scenes = set(test)
    if gone := COUNT - len(scenes.union(train)):
        return f"{gone} of {COUNT} scenes are neither in the training nor in the test set; every scene belongs to one."
    if abs(len(scenes) - COUNT // 5) > 1:
        return f"Your test set holds {len(scenes)} of {COUNT} scenes; it shall be a fifth of them."
    if scenes in (set(range(len(scenes))), set(range(COUNT - len(scenes), COUNT))):
        return (
            "You cut without shuffling: files come sorted by class, so the test set holds classes that the network"
            " never trains on."
        )
    if len(scenes) < len(test):
        return "A test scene appears more than once; nothing is gained by asking the same question twice."
    return ""


def _copies_fault(answer, train: Tensor, test: Tensor, pictures: Tensor) -> str:
    """What is wrong with what was made of each scene."""
    plain = pictures.permute(0, 3, 1, 2)[test].float() / 255
    if (answer[2] - plain).abs().max() > 1 / 255:
        return "You change the test pictures too: test on pictures as they come, and change the training copies only."
    counts = train.unique(return_counts=True)[1]
    if (counts != COPIES).any():
        return f"Of each training scene there shall be copies = {COPIES} changed copies; yours has {int(counts.min())}."
    first = answer[0][train == train[0]]
    if (first - first[0]).abs().max() < 1e-6:
        return "The copies are all alike: change their brightness and add noise, a fresh draw for each copy."
    return ""


# ---- what can be recognised ------------------------------------------------------------------------------------------
def _scenes(answer, pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Whose copy every training and every test picture is: numbers of scenes, [M] and [T]."""
    right = pictures.permute(0, 3, 1, 2).float() / 255
    return tuple(_likeness(x, right).argmax(dim=1) for x in (answer[0], answer[2]))


def _likeness(a: Tensor, b: Tensor) -> Tensor:
    """Correlation of each picture in `a` with each in `b`, [len(a), len(b)]; brightness and noise hardly matter."""
    a, b = (x.detach().float().flatten(1) for x in (a, b))
    a, b = (F.normalize(x - x.mean(dim=1, keepdim=True), dim=1) for x in (a, b))
    return a @ b.T


def _equal(one, two) -> bool:
    return all(a.shape == b.shape and torch.allclose(a.float(), b.float()) for a, b in zip(one, two, strict=True))
