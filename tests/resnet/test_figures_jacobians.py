"""Matrices have one scale, and a gradient has one of three fates."""

import numpy as np
import pytest

from course_utils.resnet.figures import jacobians as drawings


def test_zero_is_white_and_signs_have_their_colours():
    shown = drawings.diverging(np.array([[0.0, 1.0, -1.0, 0.01]]))
    assert shown[0, 0].tolist() == [255, 255, 255]
    assert shown[0, 1].tolist() == [0xD5, 0x5E, 0x00]
    assert shown[0, 2].tolist() == [0x00, 0x72, 0xB2]
    assert shown[0, 3].sum() < 3 * 255  # small, and seen


def test_matrices_share_one_scale():
    small, large = np.full((4, 4), 0.5), np.eye(4)
    pixels = drawings.matrices([small, large], ["a", "b"], signs="+")
    assert (0xD5, 0x5E, 0x00) in {tuple(p) for p in pixels[:, 560:].reshape(-1, 3)}
    assert (0xD5, 0x5E, 0x00) not in {tuple(p) for p in pixels[:, :500].reshape(-1, 3)}
    drawings.matrices([np.zeros((3, 3))], ["nothing"])


@pytest.mark.parametrize(
    ("share", "word"), [(0, "dies"), (1e-4, "dies"), (0.3, "arrives"), (200, "arrives"), (1e4, "explodes")]
)
def test_a_gradient_has_one_of_three_fates(share, word):
    assert drawings.fate(share) == word


def test_the_table_of_fates_has_a_colour_for_each():
    pixels = drawings.fates(["a", "b", "c"], {"plain": [1e-9, 1, 1e9]}, title="Three fates")
    row = pixels[pixels.shape[0] - 30]
    assert len({tuple(row[x]) for x in (270, 560, 850)}) == 3


def test_the_table_of_trainings_tells_who_learnt():
    words = [drawings._outcome(losses, 1.79)[0] for losses in ([0.2, 0.3], [1.79, 1.8], [0.8, 1.5], [0.1, None], [])]
    assert words == ["learns", "guesses", "learns little", "breaks", ""]
