"""The bars of a lesion study."""

from course_utils import figures
from course_utils.resnet.figures import lesions as drawings


def test_the_bars_of_missing_blocks():
    found = drawings.lesion_bars(
        ["stage1.0", "stage1.1"], {"a": [0.1, 0.2], "b": [0.9, 1.0]}, {"a": 1.0, "b": 1.0}, guess=1 / 6, title="t"
    )
    assert found.shape == (520, figures.WIDTH, 3)
