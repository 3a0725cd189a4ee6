"""The check of lesson 1's exercise is fed every usual wrong mend, and must name what is still wrong."""

import functools
import json
import re
from pathlib import Path

import pytest
import torch

from course_utils.history import checks as marks
from course_utils.history import faulty
from course_utils.history.checks import check_prepare

LESSON = Path(__file__).parents[2] / "notebooks" / "01_history.ipynb"


def answer(
    *,
    layout="permute",
    divide=255.0,
    shuffle=True,
    share=0.8,
    grow="train",
    clamp=True,
    alike=False,
    pairs=True,
    draws="seed",
    flip=False,
    lost=0,
):
    """A student's function, right but for what the arguments say."""

    def prepare(pictures, labels, copies=8, seed=0):
        draw = torch.Generator().manual_seed(seed if draws == "seed" else 0)
        count, height, width, channels = pictures.shape
        x = {
            "permute": lambda: pictures.permute(0, 3, 1, 2),
            "reshape": lambda: pictures.reshape(count, channels, height, width),
            "view": lambda: pictures.view(count, channels, height, width),
            "sideways": lambda: pictures.permute(0, 3, 2, 1),
            "last": lambda: pictures,
        }[layout]()
        x, y = (x.flip(1) if flip else x) / divide, labels
        order = torch.randperm(count, generator=draw) if shuffle else torch.arange(count)
        order = torch.randperm(count) if draws == "global" else order
        cut = int(share * count)
        train, test = order[: cut - lost], order[cut:]

        def grown(x, y):
            x, y = x.repeat(copies, 1, 1, 1), y.repeat(copies)
            if alike:
                return x, y
            x = x * (0.8 + 0.4 * torch.rand(len(x), 1, 1, 1, generator=draw))
            x = x + 0.05 * torch.randn(x.shape, generator=draw)
            return x.clamp(0, 1) if clamp else x, y

        test_labels = y[test] if pairs else y[test].roll(3)
        parts = x[train], y[train], x[test], test_labels
        if grow in ("train", "both"):
            parts = (*grown(*parts[:2]), *parts[2:])
        if grow in ("test", "both"):
            parts = (*parts[:2], *grown(*parts[2:]))
        return parts

    return prepare


def leaky(test_fraction=0.2, **kinds):
    """Copies first, split afterwards."""
    return functools.partial(faulty.prepare, leaky=True, **kinds)


def leaky_by_scene(pictures, labels, copies, seed):
    """Splits the scenes, but puts the test scenes back into training."""
    a, b, c, d = faulty.prepare(pictures, labels, copies, seed)
    return torch.cat([a, c]), torch.cat([b, d]), c, d


@pytest.mark.parametrize("right", [answer(), faulty.prepare], ids=["a student's", "the package's"])
def test_the_right_answer_is_right(right):
    verdict = check_prepare(right)
    assert verdict.right is True, verdict


@pytest.mark.parametrize("kind", [torch.float64, torch.float16])
def test_the_right_answer_may_have_another_float_type(kind):
    def prepare(pictures, labels, copies=8, seed=0):
        parts = faulty.prepare(pictures, labels, copies, seed)
        return [part.to(kind) if part.is_floating_point() else part for part in parts]

    assert check_prepare(prepare).right is True


def test_a_seed_may_go_into_torch_s_own_random_numbers():
    """Not the course's way, and not wrong: the same seed gives the same split."""

    def prepare(pictures, labels, copies=8, seed=0):
        torch.manual_seed(seed)
        return answer(draws="global")(pictures, labels, copies, seed)

    assert check_prepare(prepare).right is True


def test_the_right_answer_may_make_its_copies_in_a_loop_and_shift_them():
    def prepare(pictures, labels, copies=8, seed=0):
        draw = torch.Generator().manual_seed(seed)
        x = pictures.movedim(-1, 1).float().div(255)
        order = torch.randperm(len(x), generator=draw).tolist()
        test, train = order[: len(x) // 5], order[len(x) // 5 :]
        changed = [
            x[train].roll(int(torch.randint(-1, 2, (), generator=draw)), 3)
            * (0.9 + 0.1 * torch.rand(len(train), 1, 1, 1, generator=draw))
            for _ in range(copies)
        ]
        return torch.cat(changed), labels[train].repeat(copies), x[test], labels[test]

    assert check_prepare(prepare).right is True


WRONG = {
    "still scrambled": (answer(layout="reshape"), "leak is closed, but the pictures are scrambled"),
    "view": (answer(layout="view"), "reshape and view only deal the numbers out anew"),
    "still leaky": (leaky(), r"pictures are whole, but \d+ of your 24 test pictures are copies"),
    "test scenes trained on": (leaky_by_scene, "8 of your 8 test pictures are copies"),
    "sideways": (answer(layout="sideways"), "lie on their side"),
    "channels last": (answer(layout="last"), r"must be \[N, 3, H, W\]"),
    "red and blue": (answer(flip=True), "Red and blue changed places"),
    "not divided": (answer(divide=1.0, clamp=False), "clamp them to"),
    "divided twice": (answer(divide=255.0 * 255), "nearly black|not the scenes"),
    "not clamped": (answer(clamp=False), "clamp them to"),
    "not shuffled": (answer(shuffle=False), "without shuffling"),
    "half and half": (answer(share=0.5), "it shall be a fifth"),
    "scenes lost": (answer(lost=4), "4 of 40 scenes are neither"),
    "test grown too": (answer(grow="both"), "more than once"),
    "nothing grown": (answer(grow="none"), "there shall be copies = 3"),
    "copies alike": (answer(alike=True), "all alike"),
    "pairs broken": (answer(pairs=False), "test set no longer belong together"),
    "global randomness": (answer(draws="global"), "global random numbers"),
    "seed ignored": (answer(draws="fixed"), "Another seed gives the same split"),
}


@pytest.mark.parametrize(("student", "message"), WRONG.values(), ids=WRONG)
def test_a_wrong_mend_is_named(student, message):
    verdict = check_prepare(student)
    assert verdict.right is False
    assert re.search(message, verdict.sentence), verdict.sentence


def _changed_test_pictures(pictures, labels, copies, seed):
    a, b, c, d = faulty.prepare(pictures, labels, copies, seed)
    return a, b, (c * 0.8).clamp(0, 1), d


def _time_as_seed(pictures, labels, copies, seed):
    _time_as_seed.calls = getattr(_time_as_seed, "calls", 0) + 1
    return faulty.prepare(pictures, labels, copies, _time_as_seed.calls)


def _writes_into_the_pictures(pictures, labels, copies, seed):
    pictures //= 2
    return faulty.prepare(pictures, labels, copies, seed)


def _noise_from_anywhere(pictures, labels, copies, seed):
    a, b, c, d = faulty.prepare(pictures, labels, copies, seed)
    return (a + 0.01 * torch.randn(a.shape)).clamp(0, 1), b, c, d


def _noise(pictures, labels, copies, seed):
    a, b, c, d = faulty.prepare(pictures, labels, copies, seed)
    return torch.rand_like(a), b, torch.rand_like(c), d


@pytest.mark.parametrize(
    ("student", "message"),
    [
        (_changed_test_pictures, "change the test pictures too"),
        (_time_as_seed, "Twice the same seed"),
        (_writes_into_the_pictures, "write into the pictures"),
        (_noise, "not the scenes any more"),
        (_noise_from_anywhere, "global random numbers"),
        (5, "Give your function itself"),
        (lambda pictures, labels, copies, seed: pictures, "Return four tensors"),
        (lambda pictures, labels, copies, seed: (pictures, labels[:3], pictures, labels), "40 pictures and 3 labels"),
        (lambda pictures, labels, copies, seed: (pictures, labels, pictures, labels), "pictures are uint8"),
        (lambda pictures: pictures, r"must take \(pictures, labels, copies, seed\)"),
        (lambda *arguments: 1 / 0, "ZeroDivisionError"),
    ],
)
def test_other_mishaps_become_a_sentence(student, message):
    verdict = check_prepare(student)
    assert verdict.right is False
    assert re.search(message, verdict.sentence), verdict.sentence


def _unfilled(pictures, labels, copies, seed):
    raise NotImplementedError


@pytest.mark.parametrize("stub", [_unfilled, lambda *_: None, lambda *_: ..., leaky(scrambled=True)])
def test_what_was_not_begun_is_told_not_yet(stub):
    verdict = check_prepare(stub)
    assert verdict.right is None
    assert verdict.sentence.startswith("Not yet")


def test_the_check_leaves_the_random_state_alone():
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    check_prepare(answer(draws="global"))
    assert torch.equal(torch.rand(3), expected)


def test_the_probe_s_scenes_can_be_told_apart():
    pictures, labels = marks._probe()
    alike = marks._likeness(pictures.float(), pictures.float()) - torch.eye(len(pictures))
    assert alike.max() < 0.7
    assert labels.tolist() == sorted(labels.tolist())


# ---- the lesson's own exhibit, stub and solution --------------------------------------------------------------------
def _cells():
    if not LESSON.is_file():
        pytest.skip("the lesson is not written yet")
    return ["".join(cell["source"]) for cell in json.loads(LESSON.read_text(encoding="utf-8"))["cells"]]


def defined(source, name):
    space = {"torch": torch}
    exec(source, space)
    return space[name]


def test_the_exhibit_in_the_lesson_is_the_package_s_with_both_faults():
    source = next(cell for cell in _cells() if cell.startswith("def prepare("))
    exhibit = defined(source, "prepare")
    pictures, labels = faulty.photographs(30, 4)
    expected = faulty.prepare(pictures, labels, 4, 7, scrambled=True, leaky=True)
    for one, other in zip(exhibit(pictures, labels, 4, 7), expected, strict=True):
        assert torch.allclose(one.float(), other.float())


def test_the_lesson_s_stub_is_not_yet_and_its_solution_is_right():
    cells = _cells()
    stub = next(cell for cell in cells if cell.startswith("def prepare_mended")).split("check_prepare")[0]
    assert check_prepare(defined(stub, "prepare_mended")).right is None
    folded = next(cell for cell in cells if "def prepare_mended" in cell and "<details>" in cell)
    solution = re.findall(r"```python\n(.*?)```", folded, re.DOTALL)[-1]  # the first is the hint's
    assert check_prepare(defined(solution, "prepare_mended")).right is True
