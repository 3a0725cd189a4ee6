"""The exhibit of lesson 1: what each of its two faults does, and what the two do together."""

import json
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

from course_utils.history import faulty

LESSON = Path(__file__).parents[2] / "notebooks" / "01_history.ipynb"
PICTURES, LABELS = faulty.photographs(50, seed=3)


@pytest.mark.parametrize("scrambled", [False, True])
@pytest.mark.parametrize("leaky", [False, True])
def test_shapes_and_ranges_look_right_with_and_without_the_faults(scrambled, leaky):
    x, y, test_x, test_y = faulty.prepare(PICTURES, LABELS, 3, scrambled=scrambled, leaky=leaky)
    assert len(x) == len(y) == 120
    assert len(test_x) == len(test_y) == (30 if leaky else 10)
    for part in (x, test_x):
        assert part.shape[1:] == (3, 32, 32)
        assert 0 <= part.min() <= part.max() <= 1


def test_the_right_way_keeps_every_pixel_where_it_was():
    _, _, test_x, test_y = faulty.prepare(PICTURES, LABELS)
    plain = PICTURES.permute(0, 3, 1, 2).float() / 255
    for picture, label in zip(test_x, test_y, strict=True):
        (same,) = (plain == picture).flatten(1).all(dim=1).nonzero()
        assert LABELS[same.item()] == label


def test_reshape_moves_the_pixels_although_the_shape_is_right():
    right = PICTURES.permute(0, 3, 1, 2)
    wrong = PICTURES.reshape(right.shape)
    assert (right == wrong).float().mean() < 0.1
    assert torch.equal(right.flatten(1).sort(dim=1).values, wrong.flatten(1).sort(dim=1).values)


def test_the_small_network_is_the_same_each_time_and_leaves_the_random_state_alone():
    torch.manual_seed(2)
    state = torch.get_rng_state()
    one, other = faulty.small_cnn(), faulty.small_cnn()
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def _lesson_s(name):
    cells = ["".join(cell["source"]) for cell in json.loads(LESSON.read_text(encoding="utf-8"))["cells"]]
    space = {"torch": torch, "cross_entropy": cross_entropy, "faulty": faulty}
    exec(next(cell for cell in cells if cell.startswith(f"def {name}(")), space)
    return space[name]


@pytest.mark.slow
@pytest.mark.skipif(not LESSON.is_file(), reason="the lesson is not written yet")
@pytest.mark.parametrize(
    ("faults", "says", "is_"),
    [
        ({"scrambled": True, "leaky": True}, (0.95, 1.0), (0.1, 0.25)),
        ({"leaky": True}, (0.95, 1.0), (0.3, 0.5)),
        ({"scrambled": True}, (0.05, 0.25), (0.1, 0.25)),
        ({}, (0.25, 0.5), (0.3, 0.5)),
    ],
    ids=["both", "only the leak", "only scrambled", "mended"],
)
def test_what_the_lesson_says_about_each_fault_is_so(faults, says, is_):
    def prepare(pictures, labels, copies=8, seed=0):
        return faulty.prepare(pictures, labels, copies, seed, **faults)

    network, _, told = _lesson_s("train_and_test")(*prepare(*faulty.photographs(300, seed=1)))
    x, y, test_x, test_y = prepare(*faulty.photographs(1000, seed=2), copies=1)
    with torch.no_grad():
        right = network(torch.cat([x, test_x])).argmax(dim=1) == torch.cat([y, test_y])
    assert says[0] < told[-1] <= says[1]
    assert is_[0] < right.float().mean() < is_[1]
