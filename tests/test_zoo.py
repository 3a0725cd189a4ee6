"""What `zoo` promises: one door to every network, pixels in, checked before it is read, no code ever run."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import io
import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from course_utils import runtime, web, zoo

_source = importlib.util.spec_from_file_location("loopback", Path(__file__).with_name("test_web.py"))
loopback = importlib.util.module_from_spec(_source)
_source.loader.exec_module(loopback)

REFERENCE = os.environ.get("COURSE_REFERENCE")
SMALL = (
    "squeezenet1_1",
    "googlenet",
    "resnet18",
    "mobilenet_v2",
)  # light enough to be built in every test run


class Tiny(nn.Module):
    """Three filters, a batch normalisation, a classifier: as small as a network can be."""

    def __init__(self, classes: int = 20) -> None:
        super().__init__()
        self.filters = nn.Conv2d(3, 4, 3, stride=4)
        self.norm = nn.BatchNorm2d(4)
        self.classifier = nn.Linear(4 * 16 * 16, classes)

    def forward(self, x):
        return self.classifier(torch.relu(self.norm(self.filters(x))).flatten(1))


@pytest.fixture
def data(tmp_path, monkeypatch) -> Path:
    """An empty data folder, and a zoo that knows the tiny architecture."""
    monkeypatch.setattr(runtime, "DATA", tmp_path / "data")
    monkeypatch.setitem(zoo.ARCHITECTURES, "tiny.Tiny", Tiny)
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    return tmp_path / "data" / "networks"


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of torch's own, and temporary files of our own."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(web.tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    return tmp_path / "hub" / "checkpoints"


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with loopback.Server() as server:
        yield server
        server.shutdown()


CARD = {"architecture": "tiny.Tiny", "arguments": {"classes": 5}, "seed": 7}


def tiny(seed: int = 0) -> zoo.PixelNetwork:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        body = Tiny(5)
        body.norm.running_var.fill_(1e-9)  # float16 would make it 0
    names = ("one", "two", "three", "four", "five")
    return zoo.PixelNetwork(body, name="tiny", class_names=names, input_size=64, mean=(0.4, 0.5, 0.6)).eval()


def pictures(count: int = 2, size: int = 64) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=runtime.generator(0))


def publish(monkeypatch, server, name: str, content: bytes) -> None:
    """Let torchvision's enumeration point to this content, under a name with the right hash."""
    server.content = content
    address = server.url(f"{name}-{hashlib.sha256(content).hexdigest()[:8]}.pth")
    known = zoo._address
    monkeypatch.setattr(zoo, "_address", lambda other: address if other == name else known(other))


def as_file(state: dict) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def sentence(error: BaseException) -> str:
    text = str(error)
    assert text.endswith(".")
    assert "\n" not in text
    return text


# ---- networks that take pixels -------------------------------------------------------------------


def test_the_network_normalises_inside():
    network, images = tiny(), pictures()
    mean, std = torch.tensor([0.4, 0.5, 0.6]), torch.tensor([0.5, 0.5, 0.5])
    by_hand = network.body((images - mean[:, None, None]) / std[:, None, None])
    assert torch.equal(network(images), by_hand)


@pytest.mark.parametrize(
    ("images", "error", "words"),
    [
        (np.zeros((1, 3, 64, 64)), TypeError, "got ndarray"),
        (torch.zeros(1, 3, 64, 64, dtype=torch.uint8), TypeError, "got uint8; divide by 255"),
        (torch.zeros(3, 64, 64), ValueError, r"image\[None\]"),
        (torch.zeros(1, 64, 64, 3), ValueError, r"\[N, 3, H, W\] and got \[1, 64, 64, 3\]"),
        (torch.zeros(1, 1, 64, 64), ValueError, "takes"),
        (torch.zeros(1, 3, 32, 64), ValueError, "64×64 pixels and cannot take 32×64"),
        (torch.zeros(1, 3, 64, 64, device="meta"), ValueError, "is on cpu, the pictures on meta"),
    ],
)
def test_what_is_no_batch_of_pictures_is_refused_in_one_sentence(images, error, words):
    with pytest.raises(error, match=words) as caught:
        tiny()(images)
    sentence(caught.value)


# ---- networks that ship --------------------------------------------------------------------------


def test_what_is_saved_is_loaded_again(data):
    network = tiny()
    path = zoo.save(network, "signs-tiny", CARD)
    loaded = zoo.load("signs-tiny")
    assert path == data / "signs-tiny.safetensors"
    assert (loaded.name, loaded.class_names, loaded.input_size) == ("signs-tiny", network.class_names, 64)
    assert not loaded.training
    assert all(p.requires_grad and p.dtype == torch.float32 for p in loaded.parameters())
    assert torch.equal(loaded.mean, network.mean)
    assert torch.equal(loaded.body.norm.running_var, network.body.norm.running_var)
    torch.testing.assert_close(loaded(pictures()), network(pictures()), atol=1e-2, rtol=1e-2)


def test_the_card_tells_the_truth_and_keeps_what_it_was_given(data):
    path = zoo.save(tiny(), "signs-tiny", CARD)
    card = zoo.card("signs-tiny")
    assert card["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert card["bytes"] == path.stat().st_size
    assert card["parameters"] == sum(p.numel() for p in Tiny(5).parameters())
    assert (card["seed"], card["dtype"], card["name"]) == (7, "float16", "signs-tiny")
    assert card["mean"] == [0.4, 0.5, 0.6]
    assert zoo.shipped() == ("signs-tiny",)
    assert zoo.names() == ("signs-tiny", *zoo.pretrained())
    assert zoo.download_size("signs-tiny") == 0


def test_saving_twice_gives_the_same_bytes(data):
    first = zoo.save(tiny(), "signs-tiny", CARD).read_bytes()
    again = zoo.save(zoo.load("signs-tiny"), "signs-tiny", CARD).read_bytes()
    assert first == again
    assert sorted(os.listdir(data)) == ["signs-tiny.json", "signs-tiny.safetensors"]


def test_float32_is_stored_exactly_when_asked_for(data):
    network = tiny()
    zoo.save(network, "signs-tiny", CARD | {"dtype": "float32"})
    assert torch.equal(zoo.load("signs-tiny")(pictures()), network(pictures()))


@pytest.mark.parametrize("name", ["Signs", "../signs", "signs tiny", "", "-", "resnet18", "a/b"])
def test_bad_names_are_not_saved(data, name):
    with pytest.raises(ValueError, match="cannot name a network"):
        zoo.save(tiny(), name, CARD)
    assert not data.exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"architecture": "os.system"}, "only alexnet.SignsAlexNet"),
        ({"arguments": {"classes": 6}}, "do not fit"),
        ({"arguments": {"sizes": 6}}, "do not fit"),
        ({"dtype": "int8"}, "float16 or float32"),
    ],
)
def test_what_could_not_be_loaded_again_is_not_saved(data, change, words):
    with pytest.raises(ValueError, match=words):
        zoo.save(tiny(), "signs-tiny", CARD | change)
    assert not data.exists()


def test_every_logit_needs_a_name(data):
    network = tiny()
    network.class_names = network.class_names[:4]
    with pytest.raises(ValueError, match="5 logits and 4 class names"):
        zoo.save(network, "signs-tiny", CARD)


def test_numbers_too_large_for_float16_are_not_saved_in_it(data):
    network = tiny()
    with torch.no_grad():
        network.body.filters.weight[0, 0, 0, 0] = 1e6
    with pytest.raises(ValueError, match=r"float16 cannot hold in filters\.weight; store it in float32"):
        zoo.save(network, "signs-tiny", CARD)
    zoo.save(network, "signs-tiny", CARD | {"dtype": "float32"})


@settings(deadline=None, max_examples=30)
@given(position=st.integers(min_value=0), bit=st.integers(0, 7))
def test_a_single_flipped_bit_is_refused(tmp_path_factory, position, bit):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("data", numbered=True)
        patch.setattr(runtime, "DATA", folder)
        patch.setitem(zoo.ARCHITECTURES, "tiny.Tiny", Tiny)
        path = zoo.save(tiny(), "signs-tiny", CARD)
        content = bytearray(path.read_bytes())
        content[position % len(content)] ^= 1 << bit
        path.write_bytes(content)
        with pytest.raises(ValueError, match="checksum is not the one in its card") as caught:
            zoo.load("signs-tiny", device="cpu")
        sentence(caught.value)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\xff" * 100, pickle.dumps({"weight": 1})])
def test_a_file_that_is_no_safetensors_is_refused_even_with_the_right_checksum(data, content):
    path = zoo.save(tiny(), "signs-tiny", CARD)
    path.write_bytes(content)
    card = zoo.card("signs-tiny") | {"sha256": hashlib.sha256(content).hexdigest()}
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="no safetensors file"):
        zoo.load("signs-tiny")


def test_a_missing_file_is_one_sentence(data):
    zoo.save(tiny(), "signs-tiny", CARD).unlink()
    with pytest.raises(ValueError, match=r"signs-tiny is damaged .* install the course again"):
        zoo.load("signs-tiny")


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", "null", '{"architecture": "tiny.Tiny"}'])
def test_a_damaged_card_is_one_sentence(data, text):
    zoo.save(tiny(), "signs-tiny", CARD).with_suffix(".json").write_text(text)
    with pytest.raises(ValueError, match="its card cannot be read"):
        zoo.load("signs-tiny")


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_every_allowed_architecture_is_saved_and_loaded_again(data, architecture):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        body = zoo.ARCHITECTURES[architecture](classes=20)
    names = [f"class {number}" for number in range(20)]
    network = zoo.PixelNetwork(body, name="new", class_names=names, input_size=64).eval()
    zoo.save(network, "new", {"architecture": architecture, "arguments": {"classes": 20}})
    with torch.no_grad():
        logits = network(pictures())
        assert logits.shape == (2, 20)
        torch.testing.assert_close(zoo.load("new")(pictures()), logits, atol=1e-2, rtol=1e-2)


@pytest.mark.parametrize("architecture", ["os.system", "torch.nn.Linear", "tiny.tiny", None])
def test_an_architecture_that_nobody_allowed_is_never_called(data, architecture):
    path = zoo.save(tiny(), "signs-tiny", CARD)
    card = zoo.card("signs-tiny") | {"architecture": architecture, "arguments": {"command": "false"}}
    path.with_suffix(".json").write_text(json.dumps(card))
    with pytest.raises(ValueError, match="asks for the architecture"):
        zoo.load("signs-tiny")


def test_loading_leaves_the_random_state_alone(data):
    zoo.save(tiny(), "signs-tiny", CARD)
    before = torch.get_rng_state()
    zoo.load("signs-tiny")
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("resnet-18", "resnet18"),
        ("GoogLeNet", "googlenet"),
        ("signs-tyni", "signs-tiny"),
        ("vgg_16", "vgg16"),
    ],
)
def test_a_misspelt_name_is_answered_with_a_question(data, wrong, meant):
    zoo.save(tiny(), "signs-tiny", CARD)
    with pytest.raises(ValueError, match=f"did you mean '{meant}'"):
        zoo.load(wrong)


@pytest.mark.parametrize("wrong", ["", "../../etc/passwd", "xyzzy"])
def test_a_name_like_no_other_gets_the_whole_list(data, wrong):
    with pytest.raises(ValueError, match="there are alexnet, vgg16"):
        zoo.load(wrong)
    with pytest.raises(TypeError, match="called by its name"):
        zoo.load(None)


# ---- networks of torchvision ---------------------------------------------------------------------


@pytest.fixture(scope="module")
def states() -> dict[str, dict]:
    """Untrained weights for torchvision's own networks, from a fixed seed, made once."""
    from torchvision import models

    made = {}
    with torch.random.fork_rng():
        for name in SMALL:
            torch.manual_seed(0)
            extra = {"aux_logits": True, "init_weights": False} if name == "googlenet" else {}
            body = models.get_model(name, weights=None, **extra)
            for module in body.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.running_mean.uniform_(-0.1, 0.1)
            made[name] = body.state_dict()
    return made


@pytest.mark.parametrize("name", zoo.PRETRAINED)
def test_torchvisions_enumeration_says_what_the_zoo_needs(name):
    from torchvision import models

    card = zoo.card(name)
    assert card["url"].startswith("https://")
    assert zoo.HASH.search(card["url"])
    assert len(card["class_names"]) == 1000
    assert card["bytes"] == pytest.approx(4 * card["parameters"], rel=0.05) or name == "googlenet"
    assert 0.5 < card["accuracy"] < 0.8
    assert (card["input_size"], len(card["mean"]), len(card["std"])) == (224, 3, 3)
    with torch.device("meta"):
        extra = {"aux_logits": False, "init_weights": False} if name == "googlenet" else {}
        body = models.get_model(name, weights=None, **extra)
    assert card["parameters"] == sum(p.numel() for p in body.parameters())


@pytest.mark.parametrize("name", SMALL)
def test_a_downloaded_network_gives_torchvisions_own_logits(name, states, server, cache, monkeypatch):
    from torchvision import models

    weights = models.get_model_weights(name)["IMAGENET1K_V1"]
    publish(monkeypatch, server, name, as_file(states[name]))
    before = torch.get_rng_state()
    network = zoo.load(name, progress=False)
    assert torch.equal(torch.get_rng_state(), before)
    with monkeypatch.context() as patch:  # torchvision's own constructor, with the same file
        patch.setattr(type(weights), "get_state_dict", lambda *a, **k: states[name])
        theirs = models.get_model(name, weights=weights).eval()
    images, preset = pictures(size=96), weights.transforms()
    mean, std = torch.tensor(preset.mean).view(3, 1, 1), torch.tensor(preset.std).view(3, 1, 1)
    with torch.no_grad():
        assert torch.equal(network(images), theirs((images - mean) / std))
    assert network.class_names == tuple(weights.meta["categories"])
    assert not network.training
    assert all(p.requires_grad and not p.is_meta for p in network.parameters())
    assert not any(buffer.is_meta for buffer in network.buffers())
    assert list(network.body.state_dict()) == list(theirs.state_dict())
    if name == "googlenet":
        assert network.body.transform_input
        assert network.train()(images).shape == (2, 1000)


def test_the_size_is_told_once_and_the_cache_is_torchs_own(states, server, cache, monkeypatch, capsys):
    publish(monkeypatch, server, "squeezenet1_1", as_file(states["squeezenet1_1"]))
    assert zoo.download_size("squeezenet1_1") == pytest.approx(4.96e6, rel=0.001)
    zoo.load("squeezenet1_1")
    told = capsys.readouterr()
    assert told.out.startswith("squeezenet1_1: downloading 5.0 MB from 127.0.0.1, once; it is kept in")
    assert told.out.count("\n") == 1
    assert "100%" in told.err
    assert zoo.download_size("squeezenet1_1") == 0
    zoo.load("squeezenet1_1")
    assert capsys.readouterr() == ("", "")
    assert len(server.ranges) == 1
    assert list(cache.glob("squeezenet1_1-*.pth"))


def test_half_precision_files_are_loaded_as_float32(states, server, cache, monkeypatch):
    half = {key: tensor.half() for key, tensor in states["squeezenet1_1"].items()}
    publish(monkeypatch, server, "squeezenet1_1", as_file(half))
    assert {p.dtype for p in zoo.load("squeezenet1_1", progress=False).parameters()} == {torch.float32}


def test_without_a_network_one_sentence_names_what_works(data, cache, monkeypatch, states):
    zoo.save(tiny(), "signs-tiny", CARD)
    cache.mkdir(parents=True)
    (cache / "resnet18-f37072fd.pth").write_bytes(b"something")
    monkeypatch.setenv("no_proxy", "*")
    address = f"http://127.0.0.1:{loopback.closed_port()}/googlenet-1378be20.pth"
    known = zoo._address
    monkeypatch.setattr(zoo, "_address", lambda name: address if name == "googlenet" else known(name))
    with pytest.raises(web.DownloadError) as caught:
        zoo.load("googlenet", progress=False)
    assert sentence(caught.value) == (
        "googlenet could not be downloaded: 127.0.0.1 cannot be reached (Connection refused); "
        "these need no download: signs-tiny, resnet18."
    )


def test_a_file_with_hidden_code_is_refused_and_the_code_never_runs(server, cache, monkeypatch, tmp_path):
    class Trap:
        def __reduce__(self):
            return Path.touch, (tmp_path / "sprung",)

    class Shell:
        def __reduce__(self):
            return os.system, (f"touch {tmp_path / 'sprung'}",)

    files = as_file({"weight": Trap()}), as_file({"weight": Shell()}), pickle.dumps(Shell(), protocol=2)
    for content in files:
        publish(monkeypatch, server, "squeezenet1_1", content)
        with pytest.raises(ValueError, match=r"is refused: .* holds more than weights, or none") as caught:
            zoo.load("squeezenet1_1", progress=False)
        sentence(caught.value)
        assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("state", [{}, {"weight": torch.zeros(3)}, [torch.zeros(3)], torch.zeros(3), {"weight": 1}])
def test_weights_of_another_network_are_refused(server, cache, monkeypatch, state):
    publish(monkeypatch, server, "squeezenet1_1", as_file(state))
    with pytest.raises(ValueError, match="squeezenet1_1 is refused"):
        zoo.load("squeezenet1_1", progress=False)


# ---- real files, where there are any -------------------------------------------------------------


@pytest.mark.skipif(not REFERENCE, reason="COURSE_REFERENCE is not set: no real ImageNet weights to check with")
@pytest.mark.parametrize(("name", "least"), [("resnet18", 25), ("squeezenet1_1", 22), ("mobilenet_v2", 26)])
def test_real_networks_read_real_photographs(server, cache, monkeypatch, photographs, name, least):
    publish(monkeypatch, server, name, (Path(REFERENCE) / "networks" / f"{name}.pth").read_bytes())
    network = zoo.load(name, progress=False).to(memory_format=torch.channels_last)
    images, classes = photographs
    with torch.inference_mode():
        answers = torch.cat([network(some).argmax(1) for some in images.split(5)])
    right = sum(network.class_names[answer] == wanted for answer, wanted in zip(answers, classes, strict=True))
    assert right >= least


@pytest.fixture(scope="module")
def photographs() -> tuple[torch.Tensor, list[str]]:
    """The reference photographs, cut as torchvision's preset does it, in pixels, and their class names."""
    from torchvision.models import ResNet18_Weights
    from torchvision.transforms import functional

    folder = Path(REFERENCE) / "photographs"
    index = json.loads((folder / "imagenet_class_index.json").read_text())
    numbers = {synset: int(number) for number, (synset, _) in index.items()}
    names = ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
    images, classes = [], []
    for path in sorted(folder.glob("*.jpg")):
        picture = functional.resize(Image.open(path).convert("RGB"), 256)
        images.append(functional.to_tensor(functional.center_crop(picture, 224)))
        classes.append(names[numbers[path.name.split("_")[0]]])
    return torch.stack(images), classes


@pytest.mark.parametrize("name", zoo.shipped() or ("none yet",))
def test_a_shipped_network_is_what_its_card_says(name):
    if name not in zoo.shipped():
        pytest.skip("no network ships yet")
    content = (runtime.DATA / "networks" / f"{name}.safetensors").read_bytes()
    card = zoo.card(name)
    assert card["sha256"] == hashlib.sha256(content).hexdigest()
    assert card["bytes"] == len(content)
    network = zoo.load(name, device="cpu")
    assert card["parameters"] == sum(p.numel() for p in network.parameters())
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        logits = network(pictures(1))
    assert logits.shape == (1, len(network.class_names))
    assert logits.isfinite().all()
    assert counter.get_total_flops() / 2 <= 40e6  # a multiply-add is two operations
    assert {"command", "seed", "accuracy"} <= card.keys()


def test_the_shipped_networks_are_light():
    sizes = [path.stat().st_size for path in (runtime.DATA / "networks").glob("*.safetensors")]
    assert sum(sizes) <= 8 * 2**20
    assert len(sizes) == len(zoo.shipped())
