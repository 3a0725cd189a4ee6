"""The small world of six signs."""

import torch

from course_utils import signs
from course_utils.signs import small


def test_scenes_come_in_equal_shares_and_from_their_seed():
    images, labels = small.scenes(96)
    assert images.shape == (96, 3, 32, 32)
    assert labels.bincount().tolist() == [16] * 6
    again, _ = small.scenes(96)
    other, _ = small.scenes(96, seed=1)
    assert torch.equal(images, again)
    assert not torch.allclose(images, other)
    blocks = list(small.scene_blocks(300))
    assert [len(block) for _, block in blocks] == [256, 44]
    assert torch.equal(torch.cat([block for block, _ in blocks]), small.scenes(300)[0])


def test_no_two_blocks_of_any_seed_share_their_scenes():
    first = [next(iter(signs.render_blocks(8, 4, seed=seed, size=32, device="cpu"))).images for seed in range(3)]
    both = [made.images for made in signs.render_blocks(8, 4, seed=0, size=32, device="cpu")]
    assert torch.equal(both[0], first[0])
    assert not any(torch.equal(both[0], other) for other in (both[1], *first[1:]))
