"""Blocks taken out of a trained network: what is left is right, and the network itself stays whole."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.functional import cross_entropy

from course_utils import resnet, zoo
from course_utils.resnet import missing_blocks

IMAGES = torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1))
LABELS = torch.arange(5) % 3
KINDS = [
    {"skip": True},
    {"skip": False},
    {"skip": True, "preactivation": True},
    {"skip": True, "shortcut": "projection"},
]


def small(depth=14, **how):
    body = resnet.SmallResNet(depth, 3, width=4, stem_stride=2, **how).train()
    with torch.no_grad():
        body(IMAGES)  # so that the batch normalisations have seen something
    return body.eval()


def pixels(body):
    return zoo.PixelNetwork(body, name="small", class_names="abc", input_size=32).eval()


def by_hand(body, x, missing):
    """The definition, written out: every block but the missing one; of that one the skip, and the ReLU."""
    for name, part in body.parts().items():
        if name != missing:
            x = part(x)
            continue
        if part.skip is not None:
            x = part.skip(x)
        elif name in ("stage2.0", "stage3.0"):  # a plain block that halves and widens
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, x.shape[1]))
        x = x if part.preactivation else x.relu()
    return x


@pytest.mark.parametrize("how", KINDS)
def test_without_a_block_its_skip_is_left(how):
    body = small(**how)
    names = missing_blocks.blocks(body)
    assert names == tuple(f"stage{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1))
    with torch.no_grad():
        for name in names:
            found = missing_blocks.without(body, name)(IMAGES)
            assert torch.equal(found, by_hand(body, IMAGES, name)), name


@pytest.mark.parametrize("how", KINDS)
def test_the_network_stays_whole(how):
    body = small(**how).train()
    body.stage1.eval()
    names = [name for name, _ in body.named_modules()]
    modes = [module.training for module in body.modules()]
    state = copy.deepcopy(body.state_dict())
    net = pixels(body)
    net.training, body.training = True, True
    modes = [module.training for module in body.modules()]
    less = missing_blocks.without(net, "stage1.1", "stage3.1")
    for _ in missing_blocks.deletions(net, IMAGES, LABELS):
        assert [module.training for module in body.modules()] == modes
    assert less.training
    assert [name for name, _ in body.named_modules()] == names
    assert [module.training for module in body.modules()] == modes
    assert all(torch.equal(state[name], tensor) for name, tensor in body.state_dict().items())
    assert all(parameter.requires_grad for parameter in body.parameters())


def test_without_nothing_is_the_network():
    net = pixels(small())
    with torch.no_grad():
        assert torch.equal(missing_blocks.without(net)(IMAGES), net(IMAGES))


def test_what_is_left_shares_the_layers():
    net = pixels(small())
    theirs = {id(parameter) for parameter in net.parameters()}
    assert {id(parameter) for parameter in missing_blocks.without(net, "stage1.0").parameters()} < theirs


def test_a_block_whose_g_is_zero_is_not_missed():
    body = small(skip=True)
    resnet.set_to_zero(body.stage2[1])
    with torch.no_grad():
        assert torch.equal(missing_blocks.without(body, "stage2.1")(IMAGES), body(IMAGES))


@pytest.mark.parametrize("how", KINDS)
def test_deletions_are_what_without_says_a_block_at_a_time(how):
    net = pixels(small(**how))
    found = list(missing_blocks.deletions(net, IMAGES, LABELS))
    assert tuple(deleted.name for deleted in found) == missing_blocks.blocks(net)
    assert len(found) == 6
    for deleted in found:
        with torch.no_grad():
            logits = missing_blocks.without(net, deleted.name)(IMAGES)
        assert deleted.loss == pytest.approx(cross_entropy(logits, LABELS).item(), rel=1e-5)
        assert deleted.accuracy == pytest.approx((logits.argmax(dim=1) == LABELS).float().mean().item())


def test_the_large_resnets_lose_blocks_too():
    for depth, count in ((18, 8), (50, 16)):  # basic blocks, bottlenecks
        for skip in (True, False):
            body = resnet.ResNet(depth, 3, width=4, skip=skip).eval()
            names = missing_blocks.blocks(body)
            assert len(names) == count
            with torch.no_grad():
                for name in names:
                    assert missing_blocks.without(body, name)(IMAGES).shape == (5, 3)


def test_an_unknown_block_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match=r"no block 'stage9\.0'.+stage1\.0, stage1\.1"):
        missing_blocks.without(small(), "stage9.0")
    with pytest.raises(ValueError, match="no block 'stem'"):
        missing_blocks.without(small(), "stem")


def test_a_network_of_another_kind_is_refused():
    with pytest.raises(TypeError, match=r"networks of resnet\.py; got Linear"):
        missing_blocks.blocks(nn.Linear(2, 2))
