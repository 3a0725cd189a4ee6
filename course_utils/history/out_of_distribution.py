"""Pictures that no network of this course was trained for, and what it answers all the same.

Serves notebook 1, and its lab of confident nonsense. Papers: Nguyen et al. 2014, arXiv:1412.1897 (pictures made to
convince); Hendrycks and Gimpel 2017, arXiv:1610.02136 (the largest probability as a doubt detector).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from course_utils import runtime, signs, zoo
from course_utils.adversarial.balls import Linf
from course_utils.adversarial.pgd import pgd
from course_utils.signs import drawings as sign_drawings
from course_utils.signs.backgrounds import Dice, grids, over, street

FINE = 192  # side of a drawing before it is placed in a scene, in pixels
FURS = ("#3A3A3A", "#C8772E", "#8A8A8A", "#E9DCC3")


@dataclass(frozen=True)
class Answer:
    """What a network says about pictures, and how sure it is."""

    labels: Tensor  # [N]
    confidence: Tensor  # [N], the largest probability
    entropy: Tensor  # [N], in bits: 0 where all is certain, log2(classes) where all is open
    probabilities: Tensor  # [N, classes]


def ask(network: zoo.PixelNetwork, pictures: Tensor) -> Answer:
    """What the network answers, in evaluation mode.

    Args:
        network: of the zoo.
        pictures: [N, 3, H, W] in [0, 1].
    """
    with runtime.kept(network), torch.no_grad():
        probabilities = network(pictures).softmax(dim=1)
    confidence, labels = probabilities.max(dim=1)
    entropy = -torch.special.xlogy(probabilities, probabilities).sum(dim=1) / math.log(2)
    return Answer(labels, confidence, entropy.clamp(min=0), probabilities)


# ---- the strangers, from far to near ---------------------------------------------------------------------------------
def grey(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Nothing at all: one shade a picture."""
    return torch.rand(count, 1, 1, 1, generator=generator).expand(-1, 3, size, size).clone()


def noise(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Every value of every pixel drawn for itself."""
    return torch.rand(count, 3, size, size, generator=generator)


def checkerboard(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Two colours, fields of 4, 8 or 16 parts of 64."""
    fields = size * torch.tensor([4, 8, 16])[torch.randint(3, (count, 1, 1, 1), generator=generator)] // 64
    place = torch.arange(size)
    odd = (place.view(1, 1, -1, 1) // fields + place.view(1, 1, 1, -1) // fields) % 2
    first, second = (torch.rand(count, 3, 1, 1, generator=generator) for _ in range(2))
    return torch.where(odd.bool(), first, second)


def empty_street(count: int, size: int, generator: torch.Generator) -> Tensor:
    """The world that the networks know, without a sign in it."""
    return street(Dice(count, generator), size, 0.7).clamp(0, 1)


def cat(count: int, size: int, generator: torch.Generator) -> Tensor:
    """A drawn cat on a street."""
    furs = torch.randint(len(FURS), (count,), generator=generator).tolist()
    return placed([cat_drawing(FURS[k]) for k in furs], size, generator)


def upside_down(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Scenes with STOP or a speed limit, turned by half a circle: signs that stand for nothing."""
    labels = torch.tensor([signs.STOP, 0, 1, 3])[torch.randint(4, (count,), generator=generator)]  # STOP, 30, 50, 70
    seed = int(torch.randint(2**31, (), generator=generator))
    return signs.render(labels, size=size, seed=seed, device="cpu").images.flip(2, 3)


def unknown_sign(count: int, size: int, generator: torch.Generator) -> Tensor:
    """A limit of 40, which is not among the twenty classes, on a street."""
    makes = torch.randint(sign_drawings.VARIANTS, (count,), generator=generator).tolist()
    return placed([limit_40(sign_drawings.Make.variant(k)) for k in makes], size, generator)


STRANGERS: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "grey": grey,
    "noise": noise,
    "checkerboard": checkerboard,
    "empty street": empty_street,
    "cat": cat,
    "upside down": upside_down,
    "a limit of 40": unknown_sign,
}


def draw(kind: str, count: int = 1, *, size: int = 64, seed: int = 0) -> Tensor:
    """Pictures of one kind of stranger.

    Args:
        kind: one of `STRANGERS`.
        count: how many.
        size: side of the square pictures, in pixels.
        seed: the same seed gives the same pictures.

    Returns:
        [count, 3, size, size] in [0, 1], on the processor.

    Raises:
        ValueError: no such kind, or a count or size that makes no pictures.
    """
    if kind not in STRANGERS:
        raise ValueError(f"there is no stranger called {kind!r}; there are {', '.join(STRANGERS)}.")
    if count < 1 or not signs.SMALLEST <= size <= signs.LARGEST:
        raise ValueError(
            f"ask for one picture or more, {signs.SMALLEST} to {signs.LARGEST} pixels wide; got {count} of {size}."
        )
    return STRANGERS[kind](count, size, runtime.generator(seed))


def convincing_noise(network: zoo.PixelNetwork, label: int, *, seed: int = 0, steps: int = 16) -> Tensor:
    """Noise that was led by the gradient until the network takes it for a class (Nguyen et al. 2014).

    Args:
        network: to be convinced.
        label: of the class.
        seed: of the noise.
        steps: how many steps of 2/255 the attack takes; no pixel moves further than 32/255.

    Returns:
        [1, 3, S, S] in [0, 1], on the network's device.
    """
    where = network.mean.device
    start = draw("noise", size=network.input_size, seed=seed).to(where)
    wanted = torch.tensor([label], device=where)
    (other,) = ask(network, start).labels.tolist()
    away = torch.tensor([other if other != label else (label + 1) % len(network.class_names)], device=where)
    reached = pgd(
        network, start, away, targets=wanted, ball=Linf(32 / 255), step_size=2 / 255, steps=steps, random_start=False
    )
    return reached.images


# ---- drawings ----------------------------------------------------------------------------------------------------
@lru_cache(maxsize=8)
def limit_40(make: sign_drawings.Make | None = None) -> Tensor:
    """A speed limit of 40, drawn like the course's own signs: premultiplied colours and cover, [4, FINE, FINE]."""
    plate, make = sign_drawings.Plate(FINE), make or sign_drawings.Make()
    sign_drawings.prohibition(plate, make)
    four = [[(0.2, 0.58), (0.2, -0.5), (-0.52, 0.26), (0.56, 0.26)]]  # centre lines in the box of the other digits
    for middle, strokes in ((-0.265, four), (0.265, sign_drawings.GLYPHS["0"])):
        for stroke in strokes:
            points = [(middle * make.spacing + 0.3 * make.width * x, 0.66 * make.height * y) for x, y in stroke]
            plate.line(points, 0.155 * make.stroke, sign_drawings.BLACK)
    return torch.from_numpy(plate.pixels_out())


def known_sign(label: int, make: sign_drawings.Make | None = None) -> Tensor:
    """One of the twenty signs in the same form, to see whether `placed` is fair."""
    return torch.from_numpy(sign_drawings.draw(signs.CLASSES[label].number, FINE, make))


@lru_cache(maxsize=8)
def cat_drawing(fur: str = FURS[0]) -> Tensor:
    """A cat's face: premultiplied colours and cover, [4, FINE, FINE]."""
    side = 4 * FINE
    canvas = Image.new("RGBA", (side, side), (0, 0, 0, 0))
    pen = ImageDraw.Draw(canvas)

    def at(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [((x + 1) / 2 * side, (y + 1) / 2 * side) for x, y in points]

    for way in (-1, 1):
        pen.polygon(at((way * 0.75, -0.95), (way * 0.12, -0.55), (way * 0.72, -0.1)), fill=fur)
        pen.polygon(at((way * 0.64, -0.72), (way * 0.3, -0.5), (way * 0.6, -0.25)), fill="#E8A0A0")
    pen.ellipse(at((-0.8, -0.62), (0.8, 0.82)), fill=fur)
    pen.ellipse(at((-0.42, 0.12), (0.42, 0.66)), fill="#F3EDE2")
    for way in (-1, 1):
        middle = 0.36 * way
        pen.ellipse(at((middle - 0.19, -0.28), (middle + 0.19, 0.08)), fill="#D6DE5A")
        pen.ellipse(at((middle - 0.06, -0.26), (middle + 0.06, 0.06)), fill="#101010")
        for end in (0.18, 0.36, 0.54):
            pen.line(at((way * 0.22, 0.36), (way * 0.93, end)), fill="#F8F8F8", width=side // 90)
        pen.arc(at((min(0, 0.24 * way), 0.28), (max(0, 0.24 * way), 0.54)), 10, 170, fill="#202020", width=side // 70)
    pen.polygon(at((-0.1, 0.2), (0.1, 0.2), (0, 0.34)), fill="#D0707A")
    small = torch.from_numpy(np.asarray(canvas, dtype=np.float32) / 255).movedim(-1, 0)  # [4, side, side]
    return F.avg_pool2d(torch.cat([small[:3] * small[3:], small[3:]]), 4)


def placed(drawings: list[Tensor], size: int, generator: torch.Generator) -> Tensor:
    """Drawings on streets: each somewhere near the middle, a little turned, lit and blurred like the course's signs.

    Args:
        drawings: [4, FINE, FINE] each, premultiplied colours and cover.
        size: side of the scenes, in pixels.
        generator: of all that is random.

    Returns:
        [N, 3, size, size] in [0, 1].
    """
    dice = Dice(len(drawings), generator)
    scenes = street(dice, size, 0.7)
    radius, turn = dice.uniform(0.55, 0.85)[:, 0, 0], dice.normal(1, 1)[:, 0] * 0.08  # [N, 1] each
    shift = dice.uniform(-0.12, 0.12, channels=2)[:, :, 0, 0]  # [N, 2]
    x, y = grids(size, dice.device)
    u, v = (x.view(1, 1, -1) - shift[:, :1, None], y.view(1, -1, 1) - shift[:, 1:, None])
    cos, sin = turn.cos().unsqueeze(-1), turn.sin().unsqueeze(-1)
    plane = torch.stack([cos * u + sin * v, cos * v - sin * u], dim=-1) / radius.view(-1, 1, 1, 1)
    looked = F.grid_sample(torch.stack(drawings), plane, align_corners=False)
    colour, cover = looked[:, :3], looked[:, 3:]
    scenes = over(scenes, scenes.new_zeros(1), cover) + colour * dice.uniform(0.75, 1.1)
    soft = F.avg_pool2d(F.pad(scenes, (1,) * 4, mode="replicate"), 3, 1)
    scenes = torch.lerp(scenes, soft, dice.uniform(0, 0.8))
    return (scenes + 0.01 * dice.normal(3, size, size)).clamp(0, 1)
