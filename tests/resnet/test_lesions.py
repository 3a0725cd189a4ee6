"""A lesion study: what is left without a block is right, and the network itself stays whole."""

import copy
import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.functional import cross_entropy

from course_utils import runtime, zoo
from course_utils.networks import resnet
from course_utils.resnet import lesions, twins
from course_utils.signs import small as six_signs

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
    found = lesions.study(body, IMAGES, LABELS)
    assert [lesion.name for lesion in found] == [f"stage{stage}.{block}" for stage in (1, 2, 3) for block in (0, 1)]
    for lesion in found:
        with torch.no_grad():
            logits = by_hand(body, IMAGES, lesion.name)
        assert lesion.loss == pytest.approx(cross_entropy(logits, LABELS).item(), rel=1e-5), lesion.name
        assert lesion.accuracy == pytest.approx((logits.argmax(dim=1) == LABELS).float().mean().item())


def test_a_network_of_the_zoo_takes_pixels():
    body = small()
    normalised = (IMAGES - 0.5) / 0.5
    assert lesions.study(pixels(body), IMAGES, LABELS) == lesions.study(body, normalised, LABELS)


@pytest.mark.parametrize("how", KINDS)
def test_the_network_stays_whole(how):
    body = small(**how).train()
    body.stage1.eval()
    net = pixels(body)
    net.training, body.training = True, True
    modes = [module.training for module in net.modules()]
    names = [name for name, _ in body.named_modules()]
    state = copy.deepcopy(body.state_dict())
    lesions.study(net, IMAGES, LABELS)
    assert [name for name, _ in body.named_modules()] == names
    assert [module.training for module in net.modules()] == modes
    assert all(torch.equal(state[name], tensor) for name, tensor in body.state_dict().items())
    assert all(parameter.requires_grad for parameter in body.parameters())


def test_a_block_whose_g_is_zero_is_not_missed():
    body = small(skip=True)
    resnet.set_to_zero(body.stage2[1])
    with torch.no_grad():
        whole = cross_entropy(body(IMAGES), LABELS).item()
    (lesion,) = (one for one in lesions.study(body, IMAGES, LABELS) if one.name == "stage2.1")
    assert lesion.loss == whole


def test_what_lies_before_the_missing_block_is_computed_once():
    body, calls = small(), []
    for block in resnet.blocks(body):
        block.register_forward_hook(lambda *_, block=block: calls.append(block))
    lesions.study(body, IMAGES, LABELS)
    assert len(calls) == 6 + 5 + 4 + 3 + 2 + 1  # each block once for all that follow, and behind each missing one


def test_the_large_resnets_lose_blocks_too():
    for depth, count in ((18, 8), (50, 16)):  # basic blocks, bottlenecks
        for skip in (True, False):
            body = resnet.ResNet(depth, 3, width=4, skip=skip).eval()
            assert len(lesions.study(body, IMAGES, LABELS)) == count


def test_a_network_of_another_kind_is_refused():
    with pytest.raises(TypeError, match=r"networks of resnet\.py; got Linear"):
        lesions.study(nn.Linear(2, 2), IMAGES, LABELS)


# ---- what ships --------------------------------------------------------------------------------------------------
def test_the_shipped_pair_is_good_and_only_the_residual_one_spares_a_block():
    """Measured anew, so that the stored numbers and the stored networks belong together."""
    told = json.loads((runtime.DATA / "resnet" / "lesions.json").read_text(encoding="utf-8"))
    images, labels = six_signs.scenes(told["made"]["scenes"], seed=twins.TEST_SEED)
    for name, stored in twins.STORED.items():
        network = zoo.load(stored, device="cpu")
        assert told["whole"][name] > (0.97 if name == twins.RESIDUAL else 0.6)
        found = {part.name: part.accuracy for part in lesions.study(network, images[:300], labels[:300])}
        assert found.keys() == told["without"][name].keys()
        for block, accuracy in found.items():
            assert accuracy == pytest.approx(told["without"][name][block], abs=0.08), block
    plain, residual = (list(told["without"][name].values()) for name in (twins.PLAIN, twins.RESIDUAL))
    assert max(plain) < 0.5 < 0.8 < min(residual)
    assert np.median(plain) < 0.4
