"""What stands at the axes of a chart can be read."""

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
