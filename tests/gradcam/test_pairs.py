"""Wide scenes with two signs: where their masks say, both read, and the same from the same seed."""

import pytest
import torch

from course_utils import signs, zoo
from course_utils.gradcam import pairs


def test_two_signs_stand_side_by_side_where_their_masks_say():
    made = pairs.two_signs([signs.STOP, 0], [signs.YIELD, 17], seed=4, device="cpu")
    assert made.images.shape == (2, 3, 64, 128)
    assert made.labels.tolist() == [[signs.STOP, signs.YIELD], [0, 17]]
    assert made.masks.shape == (2, 2, 64, 128)
    assert not made.masks[:, 0, :, 64:].any()
    assert not made.masks[:, 1, :, :64].any()
    assert (made.masks.sum(dim=(2, 3)) > 500).all()
    assert made.images.min() >= 0
    assert made.images.max() <= 1
    again = pairs.two_signs([signs.STOP, 0], [signs.YIELD, 17], seed=4, device="cpu")
    assert torch.equal(again.images, made.images)
    with pytest.raises(ValueError, match="as many signs for the left"):
        pairs.two_signs([1], [2, 3])


def test_two_signs_are_both_read():
    network = zoo.load("signs-resnet", device="cpu")
    made = pairs.random_pairs(60, seed=9, device="cpu")
    assert (made.labels[:, 0] != made.labels[:, 1]).all()
    with torch.no_grad():
        top = network(made.images).topk(2, dim=1).indices
    both = (top.sort(dim=1).values == made.labels.sort(dim=1).values).all(dim=1)
    assert both.float().mean() > 0.9
