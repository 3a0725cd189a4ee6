"""The pictures of lesson 2: what stands out in them, and that what is drawn is as long as what is meant."""

import numpy as np
import pytest
import torch

from course_utils import figures, images, pooling, runtime
from course_utils.costs import accounting


def colours(pixels, colour):
    wanted = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)])
    return (pixels == wanted).all(axis=2)


def drawn_window(index=0, kind="max", **how):
    numbers = torch.tensor(pooling.SLIDE_MAX).float()
    step = pooling.step_to(index, numbers, kind, kernel_size=2, stride=2)
    return pooling.figures.window(numbers, step, kind, **({"padding": 0, "gradient": False} | how))


def test_the_window_s_winner_is_marked_for_a_maximum_only():
    assert colours(drawn_window(), pooling.figures._WINNER).any()
    assert not colours(drawn_window(kind="average"), pooling.figures._WINNER).any()


def test_the_frame_goes_where_the_window_is():
    rows, columns = zip(*(np.nonzero(colours(drawn_window(index), figures.VERMILLION)[:, :440])
                          for index in (0, 3)), strict=True)  # fmt: skip
    assert rows[0].max() < rows[1].max()
    assert columns[0].max() < columns[1].max()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (36.5, "36.5"),
        (80.0, "80"),
        (-3.0, "−3"),
        (float("-inf"), "−∞"),
        (0.25, "¼"),
        (1 / 9, "0.11"),
        (float("nan"), ""),
    ],
)
def test_numbers_are_written_as_on_a_blackboard(value, shown):
    assert pooling.figures.number(value) == shown


def test_a_gradient_map_is_white_where_nothing_arrives():
    shown = 255 - pooling.figures.gradient_map(np.array([[0.0, 1.0], [0.25, 0.0]])).astype(int)
    assert (shown[0, 0] == 0).all()
    assert shown[0, 1].sum() > shown[1, 0].sum() > 0
    assert pooling.figures.gradient_map(np.zeros((2, 2))).min() == 255
    assert (255 - pooling.figures.gradient_map(np.full((1, 1), 0.5), largest=2.0) < shown[0, 1]).any()


def test_the_bill_s_dots_lie_the_further_apart_the_more_a_layer_costs():
    accounts = {size: accounting.account(pooling.SignsPoolNet(), size) for size in (64, 128, 512)}

    def rightmost(dear):
        drawn = pooling.figures.bill(accounts[64], accounts[dear], title="t")
        return [np.nonzero(colours(drawn[124:160, 590:], one))[1].max() for one in (figures.BLUE, figures.VERMILLION)]

    (cheap, four), (again, sixty_four) = rightmost(128), rightmost(512)
    assert abs(four - cheap) > 20
    assert abs(again - sixty_four) > abs(four - cheap)


def test_the_pictures_stand_side_by_side_with_the_arithmetic_below():
    before = images.to_pixels(images.to_tensor(runtime.DATA / "pictures" / "stop.jpg", size=64, device="cpu"))[0]
    how = {"name": "after", "window": {"kernel_size": 3, "stride": 2, "padding": 0, "dilation": 1}}
    short, long = (pooling.figures.pooled_picture(before, before[::2, ::2], **how, lines=["a"] * k) for k in (1, 3))
    assert long.shape[0] - short.shape[0] == 80
    assert long.shape[1] == figures.WIDTH
