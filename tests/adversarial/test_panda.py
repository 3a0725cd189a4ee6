"""The panda of lesson 8, whose network is a download: the lesson's own cell, with a real network and a real panda."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision import models

from course_utils import images, runtime, zoo
from course_utils.adversarial.labs import before_and_after
from course_utils.adversarial.pgd import fgsm
from scripts import notebooks

REFERENCE = os.environ.get("COURSE_REFERENCE")
pytestmark = pytest.mark.skipif(not REFERENCE, reason="COURSE_REFERENCE is not set: no real panda to attack")


class Zoo:
    """ResNet-18 for whoever asks for GoogLeNet, whose weights cannot be had without a network connection."""

    @staticmethod
    def load(name: str) -> zoo.PixelNetwork:
        assert name == "googlenet"
        body = models.resnet18()
        body.load_state_dict(torch.load(Path(REFERENCE) / "networks" / "resnet18.pth", weights_only=True))
        names = models.ResNet18_Weights.IMAGENET1K_V1.meta["categories"]
        spread = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
        return zoo.PixelNetwork(body.eval(), name="resnet18", class_names=names, input_size=224, **spread)


def test_one_step_of_fgsm_at_0_007_turns_a_real_panda_into_something_else():
    cells = notebooks.read(notebooks.ROOT / "notebooks" / "08_adversarial.ipynb").cells
    (cell,) = (cell.source for cell in cells if 'zoo.load("googlenet")' in cell.source)
    photograph = str(Path(REFERENCE) / "photographs" / "n02510455_giant_panda.jpg")
    assert 'photograph = ""' in cell
    names = {"zoo": Zoo, "images": images, "fgsm": fgsm, "runtime": runtime, "before_and_after": before_and_after}
    exec(cell.replace('photograph = ""', f"photograph = {photograph!r}"), names)

    network, photo = names["googlenet"], names["photo"]
    panda = network.class_names.index("giant panda")
    assert names["answer"].tolist() == [panda]
    adversarial = fgsm(network, photo, names["answer"], 0.007)
    assert (adversarial - photo).abs().max() <= 0.007 + 1e-6
    assert network(adversarial).argmax(dim=1).tolist() != [panda]
    assert np.ptp(names["shown"].pixels) == 255  # a drawing, not an empty sheet
