"""Lesson 3's drawings: what they show lies where it belongs, and every figure is a picture of the course's width."""

import numpy as np

from course_utils import conv1x1, figures
from course_utils.conv1x1.figures import channels, costs


def test_numbers_become_colours_that_tell_their_sign():
    pixels = channels.diverging(np.array([[-2.0, 0.0, 2.0]])).astype(int)
    assert pixels[0, 0, 2] > pixels[0, 0, 0]  # blue
    assert pixels[0, 1].tolist() == [255, 255, 255]
    assert pixels[0, 2, 0] > pixels[0, 2, 2]  # vermillion
    assert (channels.diverging(np.zeros((2, 2))) == 255).all()


def test_every_figure_is_a_picture_of_the_course_s_width():
    block = costs.Block("convolution", 8, 8, 16)
    bar = costs.Bar((1.0, None), "…")
    point = costs.Point("5×5", 20.0, 3e10)
    square = np.random.default_rng(0).normal(size=(6, 6))
    drawn = [
        conv1x1.figures.mixture(
            [abs(square)] * 6, ["map"] * 6, [1.0] * 6, square, picture=np.zeros((6, 6, 3), np.uint8), formula="x"
        ),
        conv1x1.figures.matrix(square, title="a matrix"),
        conv1x1.figures.maps({"before": [square] * 5, "after": [square] * 5}, title="maps"),
        conv1x1.figures.shares({"layer": {"one": 0.5, "other": 1.2}}, title="shares", x_label="kept"),
        costs.funnel([block, block, costs.Block("linear", 1, 1, 10)], title="a funnel"),
        costs.bottleneck((["8 maps", "5×5", "4 maps"],) * 2, {"work": (costs.Bar((1.0,), "1"), bar)}),
        costs.roofline([point], 4e10, 1e10, title="a roof"),
    ]
    for pixels in drawn:
        assert pixels.dtype == np.uint8
        assert pixels.shape[1:] == (figures.WIDTH, 3)
        assert len(np.unique(pixels.reshape(-1, 3), axis=0)) > 5


def test_a_point_lies_higher_the_more_it_does():
    """In the roofline's picture the mark of quick work stands above that of slow work."""

    def height(speed):
        pixels = costs.roofline([costs.Point("work", 10.0, speed)], 4e10, 1e10, title="").astype(int)
        blue = (pixels[..., 2] > pixels[..., 0] + 100)[:, : figures.WIDTH - 330]
        return blue.any(axis=1).nonzero()[0].mean()

    assert height(3.5e10) < height(1e10) - 50
