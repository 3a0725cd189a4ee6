"""The check of a lesson's parameters: what is allowed passes, anything else is named in a sentence."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from course_utils import figures, parameters
from course_utils.parameters import Choice, Number, Whole

NETWORKS = ("signs-alexnet", "signs-resnet")


def lesson(network="signs-resnet", epsilon=8 / 255, steps=20) -> bool:
    return parameters.check(
        network=Choice(network, "signs-resnet", NETWORKS),
        epsilon=Number(epsilon, 8 / 255, 0, 1, unit="pixels run from 0 to 1"),
        steps=Whole(steps, 20, 1, 100),
    )


def test_the_lesson_as_written_is_told_from_a_changed_one():
    assert lesson() is True
    assert lesson(network="signs-alexnet") is False
    assert lesson(epsilon=0) is False


@given(st.integers(1, 100), st.floats(0, 1))
def test_whatever_lies_between_the_bounds_passes(steps, epsilon):
    assert lesson(steps=steps, epsilon=epsilon) is (steps == 20 and epsilon == 8 / 255)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        (
            {"network": "signs-resnt"},
            "network must be one of 'signs-alexnet', 'signs-resnet'; got 'signs-resnt'. Did you mean 'signs-resnet'?",
        ),
        ({"network": 7}, "network must be one of 'signs-alexnet', 'signs-resnet'; got 7. Mend"),
        ({"epsilon": 8}, r"epsilon must be a number from 0 to 1 (pixels run from 0 to 1); got 8. Did you mean 8/255?"),
        ({"epsilon": -0.1}, "got -0.1. Mend"),
        ({"epsilon": math.nan}, "got nan. Mend"),
        ({"epsilon": "8/255"}, "got '8/255'. Mend"),
        ({"steps": 0}, "steps must be a whole number from 1 to 100; got 0."),
        ({"steps": 20.0}, "got 20.0"),
        ({"steps": True}, "got True"),
    ],
)
def test_what_is_wrong_is_named(wrong, sentence):
    with pytest.raises(ValueError) as caught:
        lesson(**wrong)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith("Mend it in the cell of parameters and run the lesson again.")


def test_all_that_is_wrong_is_named_at_once():
    with pytest.raises(ValueError, match=r"network must .* epsilon must .* steps must"):
        lesson("no", 2, 0)


def test_a_name_must_be_a_word():
    assert parameters.check(layer=parameters.Text("stage2", "stage3")) is False
    with pytest.raises(ValueError, match="layer must be a name; got ''"):
        parameters.check(layer=parameters.Text("", "stage3"))


def test_how_figures_look_changes_no_sentence_but_has_to_be_known():
    assert all(parameters.check(style=parameters.Look(style, figures.STYLES)) for style in figures.STYLES)
    assert parameters.check(style=parameters.Look("stage", figures.STYLES), steps=Whole(3, 5, 1, 9)) is False
    with pytest.raises(ValueError, match=r"style must be one of 'notebook', 'stage'; got 'stag'\. Did you mean 'st"):
        parameters.check(style=parameters.Look("stag", figures.STYLES))


@pytest.mark.parametrize("written", [True, False])
def test_a_switch_is_on_or_off(written):
    assert parameters.check(fast=parameters.Switch(written, written)) is True
    assert parameters.check(fast=parameters.Switch(not written, written)) is False


@pytest.mark.parametrize("wrong", [1, 0, "yes", "True", None])
def test_a_switch_is_nothing_else(wrong):
    with pytest.raises(ValueError) as caught:
        parameters.check(fast=parameters.Switch(wrong, False))
    assert f"fast must be True or False; got {wrong!r}. Mend" in str(caught.value)
