"""What lesson 8 does with networks that are a download: its own cells, with real networks and a real panda."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import models

from course_utils import images, runtime, zoo
from course_utils.adversarial.balls import Linf
from course_utils.adversarial.labs import before_and_after
from course_utils.adversarial.pgd import fgsm, pgd
from scripts import notebooks

REFERENCE = os.environ.get("COURSE_REFERENCE")
needs_reference = pytest.mark.skipif(not REFERENCE, reason="COURSE_REFERENCE is not set: no real panda to attack")


class Zoo:
    """ResNet-18 for whoever asks for GoogLeNet, whose weights cannot be had without a network connection."""

    pretrained = staticmethod(zoo.pretrained)

    @staticmethod
    def load(name: str) -> zoo.PixelNetwork:
        assert name in ("googlenet", "resnet18")
        body = models.resnet18()
        body.load_state_dict(torch.load(Path(REFERENCE) / "networks" / "resnet18.pth", weights_only=True))
        names = models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
        spread = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
        return zoo.PixelNetwork(body.eval(), name="resnet18", class_names=names, input_size=224, **spread)


def cell_with(words: str) -> str:
    """The source of the lesson's one cell that says so."""
    cells = notebooks.read(notebooks.ROOT / "notebooks" / "08_adversarial.ipynb").cells
    (cell,) = (cell.source for cell in cells if words in cell.source)
    return cell


@needs_reference
def test_one_step_of_fgsm_by_one_level_turns_a_real_panda_into_something_else():
    cell = cell_with('zoo.load("googlenet")')
    photograph = str(Path(REFERENCE) / "photographs" / "n02510455_giant_panda.jpg")
    assert 'photograph = ""' in cell
    names = {"zoo": Zoo, "images": images, "fgsm": fgsm, "runtime": runtime, "before_and_after": before_and_after}
    exec(cell.replace('photograph = ""', f"photograph = {photograph!r}"), names)

    network, photo = names["googlenet"], names["photo"]
    panda = network.class_names.index("giant panda")
    assert names["answer"].tolist() == [panda]
    adversarial = fgsm(network, photo, names["answer"], 1 / 255)
    assert (adversarial - photo).abs().max() <= 1 / 255 + 1e-6
    assert network(adversarial).argmax(dim=1).tolist() != [panda]
    assert np.ptp(names["shown"].pixels) == 255  # a drawing, not an empty sheet


def test_without_a_network_in_the_cache_nothing_travels_and_a_sentence_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    exec(cell_with("No network of torchvision"), {"zoo": zoo, "torch": torch})
    assert capsys.readouterr().out.startswith("No network of torchvision lies in the cache")


@needs_reference
def test_what_lies_in_the_cache_is_shown_the_attacked_photographs(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "resnet18-f37072fd.pth").touch()
    lite = zoo.load("efficientnet-lite0", device="cpu")
    photos = torch.cat([images.photograph(name, size=224, device="cpu") for name in ("espresso", "camera")])
    names = {"zoo": Zoo, "torch": torch, "lite": lite, "photos": photos, "first": lite(photos).argmax(dim=1)}
    names |= {"noise": (torch.rand(photos.shape, generator=torch.Generator().manual_seed(0)) - 0.5).sign()}
    names |= {"pgd": pgd, "Linf": Linf, "read": lambda judge, x: (judge(x).argmax(dim=1).tolist(), None)}
    exec(cell_with("No network of torchvision"), names)
    assert re.fullmatch(r"resnet18 reads [012] of 2 otherwise; under random noise, 0\n", capsys.readouterr().out)
