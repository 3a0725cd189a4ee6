"""Make the free photographs that ship, from packages that the course needs anyway: `python scripts/photographs.py`.

Each is made smaller, stored as JPEG in data/pictures/, and gets a card that tells origin, licence and what was changed.
One is a collage: of two photographs side by side it is known where each thing is.
"""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import matplotlib
import numpy as np
import skimage
import sklearn
from PIL import Image, ImageOps

from course_utils import runtime

FOLDER = runtime.DATA / "pictures"
LONGEST, SIDE = 512, 448  # of a photograph's sides at the most; of the collage
BY = "https://creativecommons.org/licenses/by/2.0/"


@dataclass(frozen=True)
class Source:
    """Where a photograph lies, and what must be told of it."""

    package: str
    path: str  # in the package
    shows: str
    maker: str
    licence: str

    def open(self) -> Image.Image:
        """The photograph, at most as large as it ships."""
        folder = {"scikit-image": skimage, "scikit-learn": sklearn, "matplotlib": matplotlib}[self.package]
        picture = Image.open(Path(folder.__file__).parent / self.path).convert("RGB")
        picture.thumbnail((LONGEST, LONGEST), Image.Resampling.LANCZOS)  # never enlarges
        return picture


SOURCES = {
    "cat": Source("scikit-image", "data/chelsea.png", "Chelsea, a cat", "Stéfan van der Walt", "CC0"),
    "espresso": Source(
        "scikit-image",
        "data/coffee.png",
        "a cup of espresso of the Pikolo Espresso Bar, and a spoon",
        "Rachel Michetti",
        "CC0",
    ),
    "rocket": Source("scikit-image", "data/rocket.jpg", "the launch of a Falcon 9", "SpaceX", "CC0"),
    "camera": Source("scikit-image", "data/camera.png", "a man with a camera on a tripod, grey", "Lav Varshney", "CC0"),
    "astronaut": Source(
        "scikit-image", "data/astronaut.png", "Eileen Collins, an astronaut", "NASA", "public domain (NASA)"
    ),
    "hopper": Source(
        "matplotlib",
        "mpl-data/sample_data/grace_hopper.jpg",
        "Grace Hopper, rear admiral and computer scientist, in uniform",
        "James S. Davis, United States Navy",
        "public domain (United States Navy)",
    ),
    "palace": Source(
        "scikit-learn", "datasets/images/china.jpg", "a palace in China", "danielbuechele (Flickr)", f"CC BY 2.0, {BY}"
    ),
    "flower": Source(
        "scikit-learn", "datasets/images/flower.jpg", "a flower", "vultilion (Flickr)", f"CC BY 2.0, {BY}"
    ),
}
COLLAGE = ("cat", "espresso")  # left and right


def store(name: str, picture: Image.Image, card: dict[str, str]) -> None:
    """A picture as JPEG, and its card beside it."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90, optimize=True)
    content, size = file.getvalue(), f"{picture.width}×{picture.height} pixels"
    card = {"shows": f"{card['shows']}, {size}", **{key: text for key, text in card.items() if key != "shows"}}
    card |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (FOLDER / f"{name}.jpg").write_bytes(content)
    (FOLDER / f"{name}.json").write_text(json.dumps(card, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    print(f"{name}: {size}, {len(content) / 1000:.0f} kB")


def half(picture: Image.Image) -> np.ndarray:
    """The middle of a photograph, twice as high as wide."""
    return np.asarray(ImageOps.fit(picture, (SIDE // 2, SIDE), Image.Resampling.LANCZOS))


def main() -> None:
    """Make them all."""
    for name, source in SOURCES.items():
        origin = f"by {source.maker}; from the package {source.package}, {source.path}"
        card = {"shows": source.shows, "origin": origin, "licence": source.licence}
        store(name, source.open(), card | {"changed": "made smaller, stored as JPEG"})
    left, right = (SOURCES[name] for name in COLLAGE)
    picture = Image.fromarray(np.concatenate([half(left.open()), half(right.open())], axis=1))
    card = {"shows": f"{left.shows}, beside {right.shows}", "origin": f"by {left.maker} and {right.maker}, as above"}
    store("-and-".join(COLLAGE), picture, card | {"licence": "CC0", "changed": "the middles of two photographs"})


if __name__ == "__main__":
    main()
