"""A sheet of rendered road signs, to look at: `python scripts/contact_sheet.py sheet.png --wild`."""

from __future__ import annotations

import argparse

import torch
from PIL import Image
from torchvision.utils import make_grid

from course_utils import signs


def main() -> None:
    """One column a class, one row a scene."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", default="contact_sheet.png")
    parser.add_argument("--rows", type=int, default=10)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--wild", action="store_true", help="the hard world that the networks are also trained on")
    wanted = parser.parse_args()
    classes = torch.arange(len(signs.CLASSES)).repeat(wanted.rows)
    dials = signs.Dials.wild() if wanted.wild else signs.Dials()
    scenes = signs.render(classes, size=wanted.size, seed=wanted.seed, dials=dials)
    sheet = make_grid(scenes.images, nrow=len(signs.CLASSES), padding=2, pad_value=1.0)
    Image.fromarray((sheet * 255).byte().permute(1, 2, 0).cpu().numpy()).save(wanted.out)
    print(f"{len(classes)} scenes of {wanted.size}×{wanted.size} pixels in {wanted.out}")


if __name__ == "__main__":
    main()
