"""Adversarial patches: not a little everywhere, but whatever one likes in one small place, as a sticker on a sign.

Serves notebook 8. Papers: Brown et al. 2017, arXiv:1712.09665 (adversarial patch); Athalye et al. 2018,
arXiv:1707.07397 (expectation over transformation); Eykholt et al. 2018, arXiv:1707.08945 (stickers on a real STOP).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from course_utils import images, runtime, signs, training
from course_utils.arguments import check_classes, check_whole
from course_utils.signs.backgrounds import grids

FOLDER = runtime.DATA / "adversarial"
STRIDE = 0.05  # how far a colour moves in the first step, in [0, 1]
DARKEST, BRIGHTEST = 0.55, 1.0  # how much of its printed colour a patch shows in the light of a scene


@dataclass(frozen=True)
class Place:
    """Where a square patch sits on the sign, which reaches from -1 to 1 in both directions, y down."""

    x: float = 0.0
    y: float = 0.58
    half: float = 0.32  # half its side

    @property
    def share(self) -> float:
        """How much of a STOP sign it covers; the octagon has the area 8·(√2 − 1)."""
        return (2 * self.half) ** 2 / (8 * (2**0.5 - 1))


UNDER_THE_WORD = Place()


@dataclass(frozen=True)
class PatchStep:
    """How far the patch has come."""

    index: int  # 0 is the grey beginning
    patch: Tensor  # [3, P, P] in [0, 1]
    loss: Tensor  # [], mean cross-entropy of the target over the batch, before the step


def apply(scenes: signs.Scenes, patch: Tensor, place: Place = UNDER_THE_WORD, *, light: Tensor | None = None) -> Tensor:
    """Stick a patch on the signs, in each one's perspective, under what hangs in front of it; [N, 3, S, S].

    Args:
        scenes: with their poses and masks.
        patch: [3, P, P] in [0, 1]; what comes out is differentiable with respect to it.
        light: [N], how much of its colour it shows; all of it where left out.

    >>> from course_utils import signs
    >>> stop = signs.render([signs.STOP], seed=3, device="cpu")
    >>> changed = (apply(stop, torch.zeros(3, 16, 16)) != stop.images).any(dim=1).float()
    >>> 0.02 < changed.mean() < UNDER_THE_WORD.share  # the sign does not fill its picture
    tensor(True)
    """
    size, where = scenes.images.shape[-1], scenes.images.device
    x, y = grids(size, where)
    one = torch.ones(1, 1, size, size, device=where)
    pixels = torch.stack([x.expand_as(one), y.expand_as(one), one]).view(3, -1)  # [3, S²]
    rays = torch.linalg.inv(scenes.poses) @ pixels  # [N, 3, S²]
    plane = (rays[:, :2] / rays[:, 2:].clamp(min=0.05)).transpose(1, 2)  # [N, S², 2], on the sign
    inside = (plane - plane.new_tensor([place.x, place.y])) / place.half  # -1 to 1 on the patch
    grid = inside.view(-1, size, size, 2)
    printed = torch.cat([patch, torch.ones_like(patch[:1])]).expand(len(scenes), -1, -1, -1)  # with its coverage
    looked = F.grid_sample(printed, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
    shade = 1.0 if light is None else light.view(-1, 1, 1, 1).to(where)
    return scenes.images * (1 - looked[:, 3:] * scenes.masks) + looked[:, :3] * shade * scenes.masks


def draw_lights(count: int, generator: torch.Generator) -> Tensor:
    """How bright the patch looks in each of some scenes, [count]."""
    share = torch.rand(count, generator=generator, device=generator.device)
    return DARKEST + (BRIGHTEST - DARKEST) * share


def patch_steps(
    network: nn.Module,
    scenes: signs.Scenes,
    target: int,
    *,
    steps: int = 150,
    batch: int = 16,
    side: int = 16,
    seed: int = 0,
) -> Iterator[PatchStep]:
    """Train a patch that makes signs be read as the target, wherever it is seen: expectation over transformation.

    In every step the gradient is the mean over some scenes drawn at random (another street, pose and light each), and
    the patch is moved and scaled a little, as by a hand that sticks it on. So it learns what works in all of them.

    Args:
        network: takes pictures in [0, 1], answers with logits; left as it was whenever an item is handed over.
        scenes: to draw from; a single one gives a patch for this very picture.
        target: the class to be read.
        batch: scenes a step.
        side: P, pixels of the patch.
    """
    for name, count in {"steps": steps, "batch": batch, "side": side}.items():
        check_whole(name, count)
    target = check_whole("target", target, 0)
    if bool((scenes.labels == target).any()):
        raise ValueError(f"the target {target} is what some of the scenes show; take another class.")
    check_classes(network, scenes.images, scenes.labels, torch.tensor([target]))

    def walk() -> Iterator[PatchStep]:
        draw = runtime.generator(seed, scenes.images.device)
        patch = torch.full((3, side, side), 0.5, device=scenes.images.device)
        speed = torch.zeros_like(patch)
        for index, (chosen, (x, y, wide), light) in enumerate(_draws(len(scenes), steps, batch, draw)):
            usual = UNDER_THE_WORD
            place = Place(usual.x + x, usual.y + y, usual.half * (1 + 2 * wide))
            with runtime.kept(network), torch.enable_grad():
                asked = patch.clone().requires_grad_()
                logits = network(apply(scenes[chosen], asked, place, light=light))
                loss = F.cross_entropy(logits, torch.full_like(chosen, target))
                (gradient,) = torch.autograd.grad(loss, asked)
            yield PatchStep(index, patch, loss.detach())
            speed = 0.8 * speed + gradient / gradient.abs().mean().clamp(min=1e-12)
            shrink = 1 - 0.9 * index / steps  # long strides first, fine ones in the end
            patch = (patch - STRIDE * shrink * speed.sign()).clamp(0, 1)
        yield PatchStep(steps, patch, loss.detach())

    return walk()


def _draws(count: int, steps: int, batch: int, draw: torch.Generator) -> Iterator[tuple[Tensor, list[float], Tensor]]:
    """For each step: which scenes, how the patch is moved and scaled, its light; fetched from a GPU all at once."""
    chosen, moves, light = [], [], []
    for _ in range(steps):
        chosen.append(torch.randint(count, (batch,), generator=draw, device=draw.device))
        moves.append(0.04 * (2 * torch.rand(3, generator=draw, device=draw.device) - 1))
        light.append(draw_lights(batch, draw))
    return zip(chosen, torch.stack(moves).tolist(), light, strict=True)


def train_patch(network: nn.Module, scenes: signs.Scenes, target: int, **how) -> Tensor:
    """Run `patch_steps` to its end: the patch [3, P, P]; all arguments are those of `patch_steps`."""
    *_, last = patch_steps(network, scenes, target, **how)
    return last.patch


def predict(network: nn.Module, scenes: signs.Scenes, patch: Tensor) -> Tensor:
    """The classes [N] that a network reads in scenes with a patch, each in a light of its own."""
    light = draw_lights(len(scenes), runtime.generator(0, scenes.images.device))
    return training.predict(network, apply(scenes, patch, light=light)).argmax(dim=1)


def control_patches(side: int) -> dict[str, Tensor]:
    """Patches that nobody optimised, to compare with: grey, and squares of random colours; each [3, side, side]."""
    coarse = torch.rand(1, 3, 4, 4, generator=runtime.generator(0))
    return {"grey": torch.full((3, side, side), 0.5), "random colours": F.interpolate(coarse, size=(side, side))[0]}


def save(patch: Tensor, name: str) -> None:
    """Put a patch among those that ship, data/adversarial/patch-<name>.png."""
    Image.fromarray(images.to_pixels(patch)).save(FOLDER / f"patch-{name}.png")


def load(name: str) -> Tensor:
    """A patch that ships, [3, P, P]: "many-scenes" was made for 256 scenes, "one-scene" for a single one.

    >>> load("many-scenes").shape
    torch.Size([3, 16, 16])
    """
    return images.to_tensor(FOLDER / f"patch-{name}.png", device="cpu")[0]


@lru_cache(maxsize=1)
def load_results() -> dict:
    """What the patches that ship did to test scenes, as scripts/results_adversarial.py measured it.

    >>> load_results()["target"]
    '100 limit'
    """
    return json.loads((FOLDER / "patch.json").read_text(encoding="utf-8"))
