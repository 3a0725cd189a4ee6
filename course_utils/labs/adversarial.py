"""The lab of adversarial examples: a picture, plus a little noise, and what the network reads then.

Serves notebook 8. It wires `pgd.pgd_steps` to `figures.attack`; both do their work without it.
Papers: Madry et al. 2018 (PGD), arXiv:1706.06083, with the step size 2.5·ε/k of its section 5.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from course_utils import figures, images, pgd, runtime, signs, zoo
from course_utils.balls import Linf
from course_utils.labs import base

OWN, UNTARGETED = "your own picture", "none: any wrong class"
ALT = "A picture, the amplified noise of an attack, their sum, and what the network answers before and after."
STEP_SIZES = ("auto", 0.1, 0.25, 0.5, 1, 2, 4, 8, 16, 32)  # η in 255ths
MORE_SCENES = (  # class and seed of the scenes in the menu, beside the lesson's own STOP
    ("stop", 10),
    ("stop", 31),
    ("yield", 3),
    ("yield", 10),
    ("50 limit", 31),
    ("120 limit", 28),
    ("no entry", 10),
    ("priority road", 3),
    ("keep right", 31),
    ("roundabout", 10),
)


@dataclass(frozen=True)
class View:
    """One moment of an attack on one picture, with all that its drawing needs."""

    clean: Tensor  # [1, 3, S, S]
    before: Tensor  # [classes], the network's probabilities for the clean picture
    step: pgd.Step
    class_names: tuple[str, ...]
    label: int  # what the picture shows
    target: int | None
    epsilon: float
    steps: int  # k


@lru_cache(maxsize=32)
def scene(class_name: str, seed: int, size: int) -> Tensor:
    """One rendered road-sign scene, [1, 3, size, size], the same on every machine."""
    label = signs.CLASS_NAMES.index(class_name)
    return signs.render([label], size=size, seed=seed, device="cpu").images


class AdversarialLab(base.Lab):
    """Turn STOP into another class: picture, network, ε, steps k, step size η, target, random start, seed.

    Args:
        network: name of the network at the beginning, one of `zoo.names()`.
        picture_seed: of the scene with a STOP sign that the lab begins with.
        epsilon: radius of the ball at the beginning, in 255ths: a whole number from 0 to 32.
        steps: k at the beginning, 1 to 50.
        networks: names in the menu; the networks that ship come first, those of ImageNet after them.
    """

    def __init__(
        self,
        network: str = "signs-resnet",
        *,
        picture_seed: int = 3,
        epsilon: int = 8,
        steps: int = 20,
        networks: tuple[str, ...] | None = None,
    ):
        self._networks: dict[str, zoo.PixelNetwork] = {}
        self._own: tuple[Any, int, Tensor] | None = None  # an upload, the size it was read at, the picture
        first = f"STOP, scene {picture_seed}"
        self._scenes = {first: ("stop", picture_seed)}
        self._scenes |= {f"{name.upper()}, scene {seed}": (name, seed) for name, seed in MORE_SCENES}
        known = dict.fromkeys([network, *(networks or zoo.names())])
        menu = [(f"{name} (ImageNet, a download)" if name in zoo.pretrained() else name, name) for name in known]
        controls = {
            "picture": base.menu("picture", [*self._scenes, OWN], first, "the clean picture x"),
            "upload": base.upload("Upload a picture", "a photograph of your own: JPEG, PNG, WebP …"),
            "network": base.menu("network", menu, network, "what is attacked"),
            "epsilon": base.pixel_slider("ε", range(33), epsilon, "how far a pixel may move"),
            "steps": base.whole_slider("steps k", 1, 50, steps, "how many steps the attack takes"),
            "step_size": base.pixel_slider(
                "step η", [("2.5·ε/k", "auto"), *STEP_SIZES[1:]], "auto", "how long one step is"
            ),
            "target": base.menu("target", [UNTARGETED, *signs.CLASS_NAMES], UNTARGETED, "what the network shall read"),
            "random_start": base.switch("random start", True, "begin at a random point of the ball, not at x"),
            "seed": base.whole_number("seed", 0, 9999, 0, "which random start"),
        }
        controls["upload"].observe(self._took_upload, "value")
        super().__init__(controls, alt=ALT)

    def steps(self, picture, upload, network, epsilon, steps, step_size, target, random_start, seed) -> Iterator[View]:
        """Attack the chosen picture, a step at a time."""
        attacked = self._load(network)
        self.threads = 1 if attacked.input_size <= 64 else None  # from the next step on
        names = attacked.class_names
        with self.quietly():
            base.keep_choice(self.controls["target"], [UNTARGETED, *names], UNTARGETED)
        clean = self._picture(picture, upload, attacked.input_size)
        with runtime.kept(attacked), torch.no_grad():
            logits = attacked(clean)
        shown = self._scenes.get(picture, (None,))[0]
        label = names.index(shown) if shown in names else int(logits.argmax())
        wanted = names.index(target) if target in names else None
        if wanted == label:
            raise ValueError(f"the picture shows “{names[label]}” already; choose another class as target, or none.")
        view = {
            "clean": clean,
            "before": logits.softmax(dim=1)[0],
            "class_names": names,
            "label": label,
            "target": wanted,
            "epsilon": epsilon / 255,
        }
        if epsilon == 0:
            yield View(**view, step=pgd.Step(0, clean, logits.new_zeros(1), logits), steps=0)
            return
        path = pgd.pgd_steps(
            attacked,
            clean,
            torch.tensor([label], device=clean.device),
            ball=Linf(epsilon / 255),
            step_size=2.5 * epsilon / 255 / steps if step_size == "auto" else step_size / 255,
            steps=steps,
            targets=None if wanted is None else torch.tensor([wanted], device=clean.device),
            random_start=random_start,
            seed=seed,
        )
        for step in path:
            yield View(**view, step=step, steps=steps)

    def draw(self, view: View) -> base.Frame:
        """The slide's picture with the present step, and what happened in one sentence."""
        before, after = view.before, view.step.logits.softmax(dim=1)[0]
        done = view.step.index == view.steps
        pixels = figures.attack(
            images.to_pixels(view.clean)[0],
            (view.step.images - view.clean)[0].movedim(0, -1).cpu().numpy(),
            images.to_pixels(view.step.images)[0],
            view.class_names,
            before.cpu().numpy(),
            after.cpu().numpy(),
            title="picture + noise" if done else f"after {view.step.index} of {view.steps} steps",
        )
        return base.Frame(pixels, headline(view, before, after))

    def _load(self, name: str) -> zoo.PixelNetwork:
        if name not in self._networks:
            told = self.headline.value
            if name not in zoo.shipped() and (size := zoo.download_size(name)):
                self.headline.value = f"{html.escape(name)} is downloaded first: {size / 2**20:.0f} MiB …"
            try:
                self._networks[name] = zoo.load(name, progress=False)
            finally:
                self.headline.value = told
        return self._networks[name]

    def _picture(self, picture: str, upload: Any, size: int) -> Tensor:
        """The chosen picture on the device, [1, 3, size, size]."""
        if picture != OWN:
            return scene(*self._scenes[picture], size).to(runtime.device())
        if not upload:
            raise ValueError("there is no picture of your own yet; press “Upload a picture” and choose a file.")
        if self._own is None or self._own[0] is not upload or self._own[1] != size:
            self._own = (upload, size, images.to_tensor(upload, size=size)[:1])
        return self._own[2]

    def _took_upload(self, _change: dict) -> None:
        with self.quietly():
            self.controls["picture"].value = OWN


def before_and_after(network: zoo.PixelNetwork, clean: Tensor, adversarial: Tensor) -> figures.Picture:
    """The slide's picture, standing still: a picture, plus noise, equals another, and what the network reads in both.

    Args:
        network: what is asked.
        clean, adversarial: one picture each, [1, 3, H, W] in [0, 1].
    """
    with runtime.kept(network), torch.no_grad():
        before, after = network(torch.cat([clean, adversarial])).softmax(dim=1).cpu().numpy()  # [classes] each
    pixels = figures.attack(
        images.to_pixels(clean)[0],
        (adversarial - clean)[0].movedim(0, -1).cpu().numpy(),
        images.to_pixels(adversarial)[0],
        network.class_names,
        before,
        after,
    )
    return figures.Picture(pixels, ALT)


def headline(view: View, before: Tensor, after: Tensor) -> str:
    """What an attack did, in one sentence (HTML): "The network reads STOP (99.8 %) → YIELD (97.3 %)"."""

    def says(answer: Tensor) -> str:
        best = int(answer.argmax())
        return f"<b>{html.escape(view.class_names[best].upper())}</b> ({figures.percent(answer[best])})"

    first, last = int(before.argmax()), int(after.argmax())
    if view.epsilon == 0:
        return f"ε = 0: no change. The network reads {says(before)}."
    told = f"The network reads {says(before)} → {says(after)}."
    if view.step.index < view.steps:
        return told
    if first != view.label:
        told += f" It was wrong from the beginning: this is {html.escape(view.class_names[view.label].upper())}."
    elif last == first:
        told += f' <span style="color:{figures.BLUE}">✓ not fooled</span>'
    elif view.target is not None and last != view.target:
        told += f' <span style="color:{figures.VERMILLION}">▲ fooled, but not into the target</span>'
    else:
        told += f' <span style="color:{figures.VERMILLION}">▲ fooled</span>'
    return told
