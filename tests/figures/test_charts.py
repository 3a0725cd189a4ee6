"""What stands at the axes of a chart can be read."""

import numpy as np
import pytest

from course_utils.figures import charts


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (0.47, "0.5"),
        (0.0, "0"),
        (1.0, "1"),
        (157.2, "200"),
        (0.032, "0.03"),
        (1300, "1,000"),
        (2.3e-24, "2·10⁻²⁴"),
        (1.2e-19, "10⁻¹⁹"),
        (6.4e6, "6·10⁶"),
        (0.004, "4·10⁻³"),
    ],
)
def test_a_factor_is_said_as_a_reader_says_it(factor, said):
    assert charts.times(factor) == said


@pytest.mark.parametrize("low", [1e-22, 1e-5])
def test_no_number_of_a_logarithmic_axis_reaches_its_name(low):
    pixels = charts.quick_curves(
        {"a": [1.0, low]}, title="t", x_label="x", y_label="norm of the gradient", log_y=True, y_range=(low, 10.0)
    )
    beside = pixels[60:-60, 30:60].min(axis=(0, 2)) == 255  # columns of paper between the name and the numbers
    assert beside.sum() >= 4


def test_a_line_along_the_axis_does_not_chase_the_legend_onto_a_curve():
    steps = np.arange(200.0)
    falling, level = 2.0 * np.exp(-steps / 15), np.full(200, 1.8)
    lines, limits = [(steps, falling), (steps, level)], ((0.0, 199.0), (0.0, 2.4))
    assert charts._emptiest_corner(lines, limits, False, (0.3, 0.3)) == "lower right"
    risen = [(steps, falling + 0.3), (steps, level)]  # in the words' way, not below them: now it counts
    assert charts._emptiest_corner(risen, limits, False, (0.3, 0.3)) != "lower right"
