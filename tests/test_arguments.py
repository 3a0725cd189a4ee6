"""The vocabulary of what can be wrong: what counts as a number, and one sentence for each mistake."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from course_utils import arguments

WHOLE = [7, np.int8(7), np.int64(7), np.uint16(7)]
NUMBERS = [*WHOLE, 0.5, np.float32(0.5), np.float64(0.5)]
NO_NUMBERS = [True, np.True_, "7", None, [7], 1j, torch.tensor(7)]


@pytest.mark.parametrize("number", WHOLE, ids=repr)
def test_whole_numbers_of_python_and_numpy_are_taken(number):
    found = arguments.check_whole("steps", number)
    assert type(found) is int
    assert found == 7


@pytest.mark.parametrize("number", NUMBERS, ids=repr)
def test_numbers_of_python_and_numpy_are_taken(number):
    found = arguments.check_number("noise", number)
    assert type(found) is float
    assert found == float(number)


@pytest.mark.parametrize("wrong", NO_NUMBERS, ids=repr)
def test_what_is_no_number_is_refused(wrong):
    with pytest.raises(TypeError, match=r"^steps must be a whole number of at least 1; got .*\.$"):
        arguments.check_whole("steps", wrong)
    with pytest.raises(TypeError, match=r"^noise must be a number; got .*\.$"):
        arguments.check_number("noise", wrong)
    with pytest.raises(TypeError if not isinstance(wrong, torch.Tensor) else ValueError, match="epsilon is one number"):
        arguments.check_distance("epsilon", wrong)


@given(st.integers(), st.integers(-5, 5), st.none() | st.integers(6, 20))
def test_a_whole_number_passes_exactly_between_its_bounds(number, least, most):
    inside = least <= number and (most is None or number <= most)
    if inside:
        assert arguments.check_whole("k", number, least, most) == number
    else:
        with pytest.raises(ValueError, match=rf"k must (be at least|lie in) .*; got {number}\.$"):
            arguments.check_whole("k", number, least, most)


@given(st.floats(), st.booleans())
def test_a_number_passes_exactly_between_its_bounds(number, above):
    inside = 0 < number <= 1 if above else 0 <= number <= 1  # False for NaN
    if inside:
        assert arguments.check_number("share", number, 0, 1, above=above) == number
    else:
        with pytest.raises(ValueError, match=r"share must lie in [(\[]0, 1\]; got "):
            arguments.check_number("share", number, 0, 1, above=above)


@pytest.mark.parametrize("wrong", [-1, math.inf, math.nan])
def test_without_an_upper_bound_a_number_is_finite_all_the_same(wrong):
    with pytest.raises(ValueError, match=r"^noise must be at least 0 and finite; got -?(1|inf|nan)\.$"):
        arguments.check_number("noise", wrong)


@pytest.mark.parametrize(
    ("call", "error", "sentence"),
    [
        (
            lambda: arguments.check_number("rate", 0, above=True),
            ValueError,
            "rate must be more than 0 and finite; got 0.",
        ),
        (
            lambda: arguments.check_whole("depth", 0, says="counts modules from the outermost, 1, inwards"),
            ValueError,
            "depth counts modules from the outermost, 1, inwards; got 0.",
        ),
        (
            lambda: arguments.check_pair("size", 2.5),
            TypeError,
            "size is a whole number of pixels, or a pair (height, width); got 2.5.",
        ),
        (lambda: arguments.check_pair("size", (3, 0)), ValueError, "size must be at least 1 pixel; got 0."),
        (
            lambda: arguments.check_choice("a style", "x", ("a", "b")),
            ValueError,
            "a style is one of 'a', 'b'; got 'x'.",
        ),
        (
            lambda: arguments.check_known("loss", "ce", {"dlr": 1}),
            ValueError,
            "there is no loss 'ce'; choose one of 'dlr'.",
        ),
        (lambda: arguments.check_network(torch.relu), TypeError, None),
        (lambda: arguments.check_logits(torch.zeros(1, 2, 3)), TypeError, None),
        (lambda: arguments.check_one_image("images", torch.zeros(2, 3, 4, 4)), ValueError, None),
    ],
)
def test_each_mistake_has_its_sentence(call, error, sentence):
    with pytest.raises(error) as told:
        call()
    assert str(told.value).endswith(".")
    assert sentence is None or str(told.value) == sentence


def test_pictures_are_a_batch_of_floats_between_0_and_1():
    arguments.check_images(torch.rand(2, 1, 4, 4))
    arguments.check_images(torch.full((1, 3, 4, 4), 1 + 1e-7), rounding=1e-6)
    with pytest.raises(ValueError, match=r"x must be a batch \[N, 3, H, W\] .*got shape \[2, 1, 4, 4\]"):
        arguments.check_images(torch.rand(2, 1, 4, 4), name="x", channels=3)
    with pytest.raises(TypeError, match=r"got torch.uint8, so divide by 255: images / 255\.$"):
        arguments.check_images(torch.zeros(1, 3, 4, 4, dtype=torch.uint8))


@pytest.mark.parametrize("labels", [1, np.int64(1), [1, 1], (1, 1), torch.tensor(1), torch.tensor([1, 1])], ids=repr)
def test_classes_come_in_any_form(labels):
    found = arguments.as_classes(labels, torch.zeros(2, 3, 4, 4))
    assert found.dtype == torch.int64
    assert found.tolist() == [1, 1]
    assert arguments.as_classes(None, torch.zeros(2, 3, 4, 4)) is None
