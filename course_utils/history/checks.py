"""Marks the exercise of lesson 1: the mended `prepare`, on small probes in which every scene can be recognised.

Serves notebook 1. Papers: none; what is checked is what makes a test a test (Kapoor and Narayanan 2023).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import runtime
from course_utils.checks.base import NOT_YET, Verdict
from course_utils.checks.progress import remembered
from course_utils.history import faulty

COUNT, COPIES, HEIGHT, WIDTH = 40, 3, 24, 32  # not square, so that rows and columns cannot be mistaken
_STILL = Verdict(None, "Not yet: this is still the assistant's function, with all that is wrong in it.")
_RIGHT = (
    "Right. Channels first without moving a single pixel, and every scene on one side of the split only: now the test"
    " says something about pictures that the network has never met."
)


@dataclass(frozen=True)
class _Found:
    """Whose copy every returned picture is."""

    train: Tensor  # [M], numbers of scenes
    test: Tensor  # [T]


@remembered
def check_prepare(student: Callable) -> Verdict:
    """Mark a student's mended `prepare`: run it on small pictures and say what is still wrong, if anything.

    Args:
        student: a function of (pictures, labels, copies, seed) that returns training pictures and labels, test
            pictures and labels; see `faulty.prepare`.

    Returns:
        The verdict; `right` is None where nothing was mended yet.
    """
    pictures, labels = _probe()
    before, random = pictures.clone(), torch.get_rng_state()
    try:
        answer = student(pictures, labels, COPIES, 0)
        again, other = student(pictures, labels, COPIES, 0), student(pictures, labels, COPIES, 1)
    except NotImplementedError:
        return NOT_YET
    except Exception as trouble:
        return Verdict(False, f"Your function stopped with {type(trouble).__name__}: {trouble}")
    finally:
        moved = not torch.equal(torch.get_rng_state(), random)
        torch.set_rng_state(random)
    if answer is None or answer is Ellipsis:
        return NOT_YET
    if not torch.equal(pictures, before):
        return Verdict(False, "You write into the pictures that were given; work on a copy.")
    if (plain := _shape_fault(answer)) is not None:
        return plain
    if _equal(answer, faulty.prepare(pictures, labels, COPIES, 0, scrambled=True, leaky=True)):
        return _STILL
    return _judged(answer, again, other, moved, pictures, labels)


def _judged(answer, again, other, moved: bool, pictures: Tensor, labels: Tensor) -> Verdict:
    """From the plain to the subtle: the layout, the pairs, the leak, the shares, the randomness."""
    found, layout = _recognised(answer, pictures)
    if found is None:
        return Verdict(False, layout)
    for whose, scenes, given in (("training", found.train, answer[1]), ("test", found.test, answer[3])):
        if not torch.equal(given.long(), labels[scenes]):
            return Verdict(
                False,
                f"Pictures and labels of the {whose} set no longer belong together: index both with the same numbers.",
            )
    for fault in (_leak(found), _share(found), _test_fault(answer[2], found, pictures), _copies(answer[0], found)):
        if fault:
            return Verdict(False, fault)
    if not _equal(answer, again):
        if moved:
            return Verdict(False, "You draw from torch's global random numbers; pass generator=draw to every draw.")
        return Verdict(False, "Twice the same seed, two different splits: make the generator from `seed`.")
    if _same_split(found, other, pictures):
        return Verdict(False, "Another seed gives the same split: make the generator from `seed`, and shuffle with it.")
    return Verdict(True, _RIGHT)


def _probe() -> tuple[Tensor, Tensor]:
    """Smooth pictures, each its own, uint8 [COUNT, HEIGHT, WIDTH, 3]; the labels are sorted, as folders are."""
    coarse = torch.rand(COUNT, 3, 4, 5, generator=runtime.generator(4))
    smooth = F.interpolate(coarse, size=(HEIGHT, WIDTH), mode="bilinear")
    return (smooth * 200 + 25).byte().permute(0, 2, 3, 1).contiguous(), torch.arange(COUNT) // 10


def _shape_fault(answer) -> Verdict | None:
    if not isinstance(answer, (tuple, list)) or len(answer) != 4 or not all(isinstance(a, Tensor) for a in answer):
        return Verdict(False, "Return four tensors: train pictures, train labels, test pictures, test labels.")
    for whose, x, y in (("training", *answer[:2]), ("test", *answer[2:])):
        if len(x) == 0 or len(x) != len(y):
            return Verdict(False, f"The {whose} set has {len(x)} pictures and {len(y)} labels; give one label each.")
        if not x.is_floating_point():
            kind = str(x.dtype).removeprefix("torch.")
            return Verdict(False, f"The {whose} pictures are {kind}; divide by 255, to floats in [0, 1].")
        if x.shape[1:] == (3, WIDTH, HEIGHT):
            return Verdict(
                False, "The pictures lie on their side: rows and columns changed places; the height comes first."
            )
        if x.shape[1:] != (3, HEIGHT, WIDTH):
            wanted, got = [len(x), 3, HEIGHT, WIDTH], list(x.shape)
            return Verdict(False, f"The {whose} pictures must be [N, 3, H, W], here {wanted}; yours are {got}.")
        if not x.isfinite().all() or x.min() < 0 or x.max() > 1:
            return Verdict(
                False, f"The {whose} pictures run from {x.min():.2f} to {x.max():.2f}; clamp them to [0, 1]."
            )
        if x.max() < 0.02:
            return Verdict(False, f"The {whose} pictures are nearly black: you divide by 255 twice.")
    return None


# ---- what can be recognised ------------------------------------------------------------------------------------------
def _recognised(answer, pictures: Tensor) -> tuple[_Found | None, str]:
    """Whose copy each picture is, or what happened to the channels."""
    given = torch.cat([answer[0], answer[2]]).detach()
    right = pictures.permute(0, 3, 1, 2).float() / 255
    if _likeness(given, right).max(dim=1).values.median() > 0.8:
        scenes = _likeness(given, right).argmax(dim=1)
        return _Found(scenes[: len(answer[0])], scenes[len(answer[0]) :]), ""
    scrambled = pictures.reshape(right.shape).float() / 255
    if _likeness(given, scrambled).max(dim=1).values.median() > 0.8:
        train, test = _likeness(given, scrambled).argmax(dim=1).split([len(answer[0]), len(answer[2])])
        first = "" if set(train.tolist()) & set(test.tolist()) else "The leak is closed, but "
        told = "the pictures are scrambled: reshape and view only deal the numbers out anew, in the order in which"
        told += " they lie in memory, so three neighbours become red, green and blue no more; to move an axis, permute."
        return None, first + (told if first else told[0].upper() + told[1:])
    if _likeness(given, right.flip(1)).max(dim=1).values.median() > 0.8:
        return None, "Red and blue changed places: keep the order of the channels."
    return None, "These are not the scenes any more: look at one of the pictures that you return."


def _likeness(a: Tensor, b: Tensor) -> Tensor:
    """Correlation of each picture in `a` with each in `b`, [len(a), len(b)]; brightness and noise hardly matter."""
    a, b = (F.normalize(x.flatten(1) - x.flatten(1).mean(dim=1, keepdim=True), dim=1) for x in (a, b))
    return a @ b.T


def _leak(found: _Found) -> str:
    seen = set(found.train.tolist())
    known = sum(scene in seen for scene in found.test.tolist())
    if not known:
        return ""
    return (
        f"The pictures are whole, but {known} of your {len(found.test)} test pictures are copies of scenes that the"
        " network trains on: split the scenes first, and make the copies afterwards."
    )


def _share(found: _Found) -> str:
    test, train = set(found.test.tolist()), set(found.train.tolist())
    if gone := COUNT - len(test | train):
        return f"{gone} of {COUNT} scenes are neither in the training nor in the test set; every scene belongs to one."
    if abs(len(test) - COUNT // 5) > 1:
        return f"Your test set holds {len(test)} of {COUNT} scenes; it shall be a fifth of them."
    if test in (set(range(len(test))), set(range(COUNT - len(test), COUNT))):
        return (
            "You cut without shuffling: files come sorted by class, so the test set holds classes that the network"
            " never trains on."
        )
    return ""


def _test_fault(x: Tensor, found: _Found, pictures: Tensor) -> str:
    if len(set(found.test.tolist())) < len(found.test):
        return "A test scene appears more than once; nothing is gained by asking the same question twice."
    plain = pictures.permute(0, 3, 1, 2)[found.test].float() / 255
    if (x - plain).abs().max() > 1 / 255:
        return "You change the test pictures too: test on pictures as they come, and change the training copies only."
    return ""


def _copies(x: Tensor, found: _Found) -> str:
    counts = torch.bincount(found.train, minlength=COUNT)
    counts = counts[counts > 0]
    if (counts != COPIES).any():
        return f"Of each training scene there shall be copies = {COPIES} changed copies; yours has {int(counts.min())}."
    first = x[found.train == found.train[0]]
    if (first - first[0]).abs().max() < 1e-6:
        return "The copies are all alike: change their brightness and add noise, a fresh draw for each copy."
    return ""


def _equal(one, two) -> bool:
    return all(a.shape == b.shape and torch.allclose(a.float(), b.float()) for a, b in zip(one, two, strict=True))


def _same_split(found: _Found, other, pictures: Tensor) -> bool:
    twin, _ = _recognised(other, pictures)
    return twin is not None and set(twin.test.tolist()) == set(found.test.tolist())
