"""The grader of notebook 4 is a claim too: it is fed every usual wrong answer, and must name what is wrong."""

import re

import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d, max_pool2d, relu

from course_utils.inception.checks import check_inception


def answer(
    *, join=lambda parts: torch.cat(parts, dim=1), padding=(1, 2), pool=None, last="pool 1x1", cut=relu, between=relu,
    reduce=True, order=(0, 1, 2, 3),
):  # fmt: skip
    """A student's function, right but for what the arguments say."""
    pool = pool or (lambda x: max_pool2d(x, 3, stride=1, padding=1))

    def forward(x, f):
        one = cut(conv2d(x, f["1x1"]))
        three = cut(conv2d(between(conv2d(x, f["3x3 reduce"])) if reduce else x, f["3x3"], padding=padding[0]))
        five = cut(conv2d(between(conv2d(x, f["5x5 reduce"])) if reduce else x, f["5x5"], padding=padding[1]))
        pooled = cut(conv2d(pool(x), f[last])) if last else pool(x)
        parts = [one, three, five, pooled]
        return join([parts[k] for k in order])

    return forward


def test_the_right_answer_is_right():
    verdict = check_inception(answer())
    assert verdict.right is True, verdict


def test_the_right_answer_may_use_layers_and_keywords():
    def forward(x, filters):
        def conv(signal, name):
            weight = filters[name]
            return torch.conv2d(input=signal, weight=weight, padding=weight.shape[-1] // 2).clamp(min=0)

        pooled = torch.nn.MaxPool2d(3, 1, 1)(x)
        return torch.concat(
            (conv(x, "1x1"), conv(conv(x, "3x3 reduce"), "3x3"), conv(conv(x, "5x5 reduce"), "5x5"),
             conv(pooled, "pool 1x1")), 1,
        )  # fmt: skip

    assert check_inception(forward).right is True


@pytest.mark.parametrize(
    ("mistake", "sentence"),
    [
        ({"join": sum}, "You add the four branches up"),
        ({"join": lambda parts: torch.cat(parts, dim=0)}, "dim=0, the pictures, the batch; the channels are dim=1"),
        ({"join": torch.cat}, "dim=0"),
        ({"join": lambda parts: torch.cat(parts, dim=2)}, "dim=2, the rows"),
        ({"join": lambda parts: torch.cat(parts, dim=-1)}, "dim=3, the columns"),
        ({"join": lambda parts: torch.stack(parts)}, "The shape must be"),
        ({"join": lambda parts: parts}, "Return one tensor.*you return list"),
        ({"join": lambda parts: parts[1]}, "The shape must be"),
        ({"pool": lambda x: max_pool2d(x, 3, stride=2, padding=1)}, "pooling changes.*from 9×8 to 5×4.*stride=1"),
        ({"pool": lambda x: max_pool2d(x, 3)}, "pooling changes.*stride=1"),
        ({"pool": lambda x: max_pool2d(x, 3, stride=1)}, "pooling changes.*from 9×8 to 7×6.*padding=1"),
        ({"padding": (0, 2)}, "3×3 convolution changes height and width from 9×8 to 7×6: it needs padding=1"),
        ({"padding": (1, 0)}, "5×5 convolution changes.*from 9×8 to 5×4: it needs padding=2"),
        ({"padding": (1, 1)}, "5×5 convolution.*padding=2"),
        ({"padding": (2, 2)}, "3×3 convolution.*padding=1"),
        ({"order": (0, 1, 3, 2)}, "in another order .*1×1, 3×3, pooling, 5×5"),
        ({"order": (3, 2, 1, 0)}, "in another order"),
        ({"last": None}, "passes all 6 channels of x on; behind the pooling comes a 1×1"),
        ({"last": "1x1"}, "The pooling branch is not right yet"),
        ({"reduce": False}, "filters “3x3” take 4 channels and got 6; the 1×1 reduction comes first"),
        ({"cut": lambda x: x}, "last ReLU"),
        ({"cut": lambda x: x, "between": lambda x: x}, "There is no ReLU"),
        ({"between": lambda x: x}, "The 3×3 branch is not right yet"),
        ({"pool": lambda x: avg_pool2d(x, 3, stride=1, padding=1)}, "You take the average"),
        ({"pool": lambda x: x}, "does not pool"),
        ({"last": "pool"}, "no filters called 'pool'"),
    ],
)  # fmt: skip
def test_a_usual_wrong_answer_is_named(mistake, sentence):
    verdict = check_inception(answer(**mistake))
    assert verdict.right is False
    assert re.search(sentence, verdict.sentence), verdict.sentence


def test_pooling_behind_the_1x1_is_named():
    def forward(x, f):
        parts = [relu(conv2d(x, f["1x1"])), relu(conv2d(relu(conv2d(x, f["3x3 reduce"])), f["3x3"], padding=1)),
                 relu(conv2d(relu(conv2d(x, f["5x5 reduce"])), f["5x5"], padding=2)),
                 max_pool2d(relu(conv2d(x, f["pool 1x1"])), 3, stride=1, padding=1)]  # fmt: skip
        return torch.cat(parts, dim=1)

    assert "pooling first, then the 1×1" in check_inception(forward).sentence


def test_a_chain_instead_of_branches_is_not_right():
    def forward(x, f):
        x = relu(conv2d(x, f["1x1"]))
        return relu(conv2d(x, f["3x3 reduce"]))

    verdict = check_inception(forward)
    assert verdict.right is False
    assert "“3x3 reduce” take 6 channels and got 3" in verdict.sentence


def test_writing_into_x_is_told():
    def forward(x, f):
        x.clamp_(min=0)
        return answer()(x, f)

    assert "leave x as it is" in check_inception(forward).sentence


@pytest.mark.parametrize(
    "student",
    [
        lambda x, f: None,
        lambda x, f: ...,
        answer(join=lambda parts: parts[0]),
        lambda x, f: torch.cat([x, ...]),
    ],
)
def test_an_unfilled_gap_is_no_mistake(student):
    verdict = check_inception(student)
    assert verdict.right is None
    assert verdict.sentence.startswith("Not yet")


def test_a_crash_is_told():
    verdict = check_inception(lambda x, f: [][0])
    assert verdict.right is False
    assert "stopped with IndexError: list index out of range" in verdict.sentence


def test_not_implemented_is_not_yet():
    def forward(x, f):
        raise NotImplementedError

    assert check_inception(forward).right is None


def test_a_wrong_signature_is_told():
    assert "must take (x, filters)" in check_inception(lambda x: x).sentence


def test_the_right_answer_in_float32_is_right():
    def forward(x, f):
        return answer()(x.float(), {name: filters.float() for name, filters in f.items()})

    assert check_inception(forward).right is True
