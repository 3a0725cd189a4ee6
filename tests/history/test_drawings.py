"""The control of the out-of-distribution scenes: a sign that a network knows, placed like them, is read right."""

import pytest
import torch

from course_utils import signs, zoo
from course_utils.history import out_of_distribution
from course_utils.history.drawings import FINE, place
from course_utils.signs.drawings import VARIANTS, Make, draw


@pytest.mark.parametrize("name", zoo.shipped())
def test_a_sign_that_is_known_is_read_right_when_it_is_placed_like_a_cat(name):
    """Else a cat would fool networks by how it is placed, not by what it is."""
    labels = torch.arange(100) % len(signs.CLASSES)
    drawn = [
        torch.from_numpy(draw(signs.CLASSES[label].number, FINE, Make.variant(k % VARIANTS)))
        for k, label in enumerate(labels.tolist())
    ]
    scenes = place(drawn, 64, torch.Generator().manual_seed(5))
    answer = out_of_distribution.ask(zoo.load(name, device="cpu"), scenes)
    assert (answer.labels == labels).float().mean() >= 0.99
    assert answer.confidence.median() > 0.95
