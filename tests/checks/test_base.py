"""A student's function is tried out: nothing is changed, and whatever happens becomes a sentence."""

import pytest
import torch

from course_utils.checks.base import NOT_YET, Verdict, same, together, try_out, wrong


def marked(student, x=None, **how):
    x = torch.arange(3.0) if x is None else x
    return try_out(student, x, 2, takes="x, times", returns="the product, a tensor", **how)


def begun_and_left(x, times):
    raise NotImplementedError


def in_place(x, times):
    x *= times
    return x


def behind_the_back(x, times):
    x.data *= times
    return x + 0


def test_what_a_function_returns_comes_back():
    assert marked(lambda x, times: x * times).tolist() == [0, 2, 4]


@pytest.mark.parametrize("student", [begun_and_left, lambda x, times: None, lambda x, times: ...])
def test_a_stub_is_not_wrong(student):
    assert marked(student) is NOT_YET
    assert marked(student, not_yet=Verdict(None, "Later.")).sentence == "Later."


def test_three_dots_in_the_middle_are_not_wrong_either():
    assert marked(lambda x, times: ... * times).right is None


@pytest.mark.parametrize("x", [torch.arange(3.0), torch.arange(3.0).requires_grad_()], ids=["plain", "with gradient"])
@pytest.mark.parametrize("student", [in_place, behind_the_back])
def test_what_was_given_stays_or_it_is_told(student, x):
    x = x.detach().clone().requires_grad_(x.requires_grad)
    verdict = marked(student, x, writes="You write into x.")
    assert (verdict.right, verdict.sentence) == (False, "You write into x.")


@pytest.mark.parametrize(
    ("student", "sentence"),
    [
        (lambda x: x, "Your function must take (x, times), in this order."),
        (lambda x, times: 3, "Return the product, a tensor; you return int."),
        (lambda x, times: x[5], "Your function stopped with IndexError at 2: index 5 is out of bounds"),
        (lambda x, times: [][0], "Here it happened."),
        (torch.arange(3), "Give your function itself, of (x, times)."),
    ],
)
def test_every_trouble_gets_a_sentence(student, sentence):
    verdict = marked(student, where=" at 2", explain=lambda trouble: "Here it happened." * ("list" in str(trouble)))
    assert verdict.right is False
    assert verdict.sentence.startswith(sentence)


def test_a_type_error_inside_is_no_wrong_number_of_arguments():
    def g(x, times, scale=1.0):
        return x.sum("a", "b")

    assert marked(g).sentence.startswith("Your function stopped with TypeError: ")
    assert marked(lambda *given: given[0] + "a").sentence.startswith("Your function stopped with TypeError: ")
    assert marked(lambda x, *, times: x).sentence == "Your function must take (x, times), in this order."


def test_chance_begins_anew_each_time_and_is_put_back():
    state = torch.get_rng_state()
    first, second = (marked(lambda x, times: torch.rand(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(torch.get_rng_state(), state)


def test_gradients_are_on_whoever_asks():
    x = torch.ones(3, requires_grad=True)
    with torch.no_grad():
        assert marked(lambda x, times: x * times, x).requires_grad


def test_the_float_type_is_the_student_s_own():
    third = torch.full((4,), 1 / 3, dtype=torch.float64)
    assert same(third.float(), third)
    assert not same(third + 0.001, third)
    assert not same(third[:3], third)


def test_the_first_fault_of_several_problems_is_told():
    right = Verdict(True, "")
    assert together([right, None, wrong("one"), wrong("two")], "well done").sentence == "one"
    assert together([right, None], "well done") == Verdict(True, "well done")
