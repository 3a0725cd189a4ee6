"""The lab of heat maps: a picture, a layer, a class, and what of the picture speaks for it.

Serves notebook 7. It wires `gradcam` and `saliency` to `gradcam.figures.look`. Papers: see those modules.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from course_utils import figures, images, runtime, signs, zoo
from course_utils.gradcam import figures as drawings
from course_utils.gradcam import saliency, shortcut
from course_utils.gradcam.gradcam import METHODS, guided_gradcam, resize
from course_utils.gradcam.localisation import energy_inside, pointing_game
from course_utils.gradcam.pairs import two_signs
from course_utils.gradcam.saliency import normalise
from course_utils.labs import base
from course_utils.labs.own import OWN, OwnPicture
from course_utils.labs.seeing import SMALL, SeeingLab, named, networks_to_choose
from course_utils.labs.seeing import scene as rendered
from course_utils.layers.find import last_layer, outer_layers, spatial_layers

READ, NOTHING = "what it reads", "no other class"
ALT = "A picture, heat maps over it for one or two classes, and what the network reads."
PAIRS = {  # name in the menu → the two signs, and the seed of the street
    "STOP and YIELD, side by side": ("stop", "yield", 4),
    "NO ENTRY and 30, side by side": ("no entry", "30 limit", 4),
    "PRIORITY ROAD and STOP, side by side": ("priority road", "stop", 8),
}
MORE_SCENES = (  # class and seed, beside the lesson's own STOP
    ("stop", 10),
    ("stop", 31),
    ("yield", 3),
    ("50 limit", 31),
    ("120 limit", 28),
    ("no entry", 10),
    ("priority road", 3),
    ("keep right", 31),
    ("roundabout", 10),
)
STICKERED = ("30 limit", "no vehicles", "80 limit", "keep left")  # one photograph each, with the shortcut's stickers
LIGHTER: dict[str, dict] = {  # settings for networks that take seconds a picture
    "SmoothGrad": {"samples": 6},
    "integrated gradients": {"steps": 8},
    "occlusion": {"window": 56, "stride": 28},
}


@dataclass(frozen=True)
class Scene:
    """A picture, and where each sign on it is, as far as that is known."""

    image: Tensor  # [1, 3, H, W]
    masks: dict[str, Tensor]  # name of the class → [1, H, W]


@dataclass(frozen=True)
class Explained:
    """What the lab's picture needs: everything computed, nothing drawn."""

    scene: Scene
    probabilities: Tensor  # [classes]
    class_names: tuple[str, ...]
    chosen: tuple[int, ...]
    maps: Tensor  # [one or two, H, W], not normalised
    coarse: Tensor | None  # [h, w], of the first class, as the layer has it
    method: str
    layer: str
    opacity: float
    colours: str


def scene(name: str, seed: int, size: int) -> Scene:
    """One rendered scene with one sign, the same on every machine."""
    made = rendered(name, seed, size)
    return Scene(made.images, {name: made.masks[:, 0]})


@lru_cache(maxsize=16)
def pair(left: str, right: str, seed: int, size: int) -> Scene:
    """One wide scene with two signs, the same on every machine."""
    labels = ([signs.CLASS_NAMES.index(name)] for name in (left, right))
    made = two_signs(*labels, size=size, seed=seed, device="cpu")
    return Scene(made.images, {left: made.masks[:, 0], right: made.masks[:, 1]})


@lru_cache(maxsize=16)
def with_sticker(name: str, size: int) -> Scene:
    """One scene with the shortcut's sticker, the same on every machine."""
    made = shortcut.render([signs.CLASS_NAMES.index(name)], seed=7, size=size, device="cpu").scenes
    return Scene(made.images, {name: made.masks[:, 0]})


class GradCamLab(SeeingLab):
    """Where does it look? Picture, network, layer, one class or two, method, opacity, colours.

    Args:
        network: name of the network at the beginning, one of `zoo.names()` or `zoo.extras()`.
        picture_seed: of the scene with a STOP sign that the lab begins with.

    >>> GradCamLab("signs-resnet").choices()["layer"]
    'stage4'
    """

    def __init__(self, network: str = "signs-resnet", *, picture_seed: int = 3):
        self._kept: tuple[tuple, Tensor, Tensor | None] | None = None  # what the last maps were made of, and they
        first, *more = ((name, (scene, how)) for name, how in named([("stop", picture_seed), *MORE_SCENES]).items())
        self._pictures = dict([first, *((name, (pair, how)) for name, how in PAIRS.items()), *more])
        self._pictures |= {f"{name.upper()}, from the depot": (with_sticker, (name,)) for name in STICKERED}
        loaded = zoo.load(network)
        layers, last = _layers(loaded)
        methods = [*METHODS, *saliency.METHODS]
        controls = {
            "picture": base.menu("picture", [*self._pictures, OWN], first[0], "what the network looks at"),
            "upload": OwnPicture(),
            "network": base.menu("network", networks_to_choose(network), network, "who looks"),
            "layer": base.menu("layer", layers, last, "whose maps are weighted"),
            "label": base.menu("class", [READ, *loaded.class_names], READ, "which class is explained"),
            "second": base.menu("and", [NOTHING, *loaded.class_names], NOTHING, "a second class beside it"),
            "method": base.menu("method", methods, "Grad-CAM", "how the map is made"),
            "opacity": base.whole_slider("opacity", 0, 100, 60, "how strongly the map covers the picture, in percent"),
            "colours": base.menu("colours", list(figures.HEATS), "inferno", "from cold to hot"),
        }
        super().__init__(controls, alt=ALT, loaded=[loaded])

    def steps(self, picture, upload, network, layer, label, second, method, opacity, colours) -> Iterator[Explained]:
        """One request: load, look, explain; a second redraw of the same maps computes nothing."""
        looking = self.load(network)
        with self.quietly():
            base.keep_choice(self.controls["layer"], *_layers(looking))
        layer = self.controls["layer"].value
        shown = self._picture(picture, upload, looking.input_size)
        probabilities = _read(looking, shown.image)
        names = looking.class_names
        self._offer(names, probabilities)
        wanted = [names.index(name) for name in (label, second) if name in names]
        if label not in names:
            wanted.insert(0, int(probabilities.argmax()))
        chosen = tuple(dict.fromkeys(wanted))
        maps, coarse = self._explained(looking, shown.image, chosen, layer, method)
        yield Explained(shown, probabilities, names, chosen, maps, coarse, method, layer, opacity / 100, colours)

    def draw(self, view: Explained) -> base.Frame:
        """The scene, its maps side by side, and what the network reads; in words, how much of the heat is where."""
        clean = images.to_pixels(view.scene.image)[0]
        heat = normalise(view.maps).cpu().numpy()
        look = {"opacity": view.opacity, "colours": view.colours}
        pictures = [clean, *(figures.overlaid(clean, one, **look) for one in heat)]
        titles = ["picture", *(f"{view.method}: “{view.class_names[label]}”" for label in view.chosen)]
        sure = [figures.percent(view.probabilities[label]) for label in view.chosen]
        captions = [f"{clean.shape[1]}×{clean.shape[0]} pixels"]
        masks = [view.scene.masks.get(view.class_names[label]) for label in view.chosen]
        where = [_where(one, mask) for one, mask in zip(view.maps, masks, strict=True)]
        captions += [words or f"read with {here}" for words, here in zip(where, sure, strict=True)]
        if len(view.chosen) == 1:
            raw = heat[0] if view.coarse is None else normalise(view.coarse).cpu().numpy()
            pictures.append(figures.heat(raw, view.colours))
            titles.append("the map alone" if view.coarse is None else f"as “{view.layer}” has it")
            captions.append(f"{raw.shape[1]}×{raw.shape[0]} places")
        read = view.probabilities.cpu().numpy()
        pixels = drawings.look(pictures, titles, captions, view.class_names, read, view.chosen, colours=view.colours)
        return base.Frame(pixels, _headline(view))

    # ---- the parts of a request ------------------------------------------------------------------------------
    def _picture(self, picture: str, upload: Any, size: int) -> Scene:
        """The chosen picture on the device."""
        if picture == OWN:
            return Scene(self.own(upload, size), {})
        made, how = self._pictures[picture]
        found, where = made(*how, size), runtime.device()
        return Scene(found.image.to(where), {name: mask.to(where) for name, mask in found.masks.items()})

    def _offer(self, names: tuple[str, ...], probabilities: Tensor) -> None:
        """The classes in the menus, the five likeliest on top; what was chosen stays chosen."""
        top = probabilities.topk(min(5, len(names))).indices.tolist()
        order = list(dict.fromkeys([*(names[label] for label in top), *names]))
        with self.quietly():
            base.keep_choice(self.controls["label"], [READ, *order], READ)
            base.keep_choice(self.controls["second"], [NOTHING, *order], NOTHING)

    def _explained(self, network, image: Tensor, chosen: tuple[int, ...], layer: str, method: str):
        """The maps of the chosen classes, [k, H, W], and the first one as the layer has it."""
        key = (network.name, image, chosen, layer, method)
        if self._kept is None or not all(_equal(a, b) for a, b in zip(self._kept[0], key, strict=True)):
            stack = image.expand(len(chosen), -1, -1, -1)
            labels = torch.tensor(chosen, device=image.device)
            if method in saliency.METHODS:
                lighter = LIGHTER.get(method, {}) if network.input_size > SMALL else {}
                self._kept = (key, saliency.METHODS[method](network, stack, labels, **lighter), None)
            elif method == "guided Grad-CAM":
                self._kept = (key, guided_gradcam(network, stack, labels, layer=layer), None)
            else:
                coarse = METHODS[method](network, stack, labels, layer=layer, enlarge=False)
                self._kept = (key, resize(coarse, image.shape[2:]), coarse[0])
        return self._kept[1:]


def _equal(one, other) -> bool:
    return torch.equal(one, other) if isinstance(one, Tensor) else one == other


@lru_cache(maxsize=8)  # finding its layers asks the network four times
def _layers(network: zoo.PixelNetwork) -> tuple[list[tuple[str, str]], str]:
    """The menu of layers, “stage4, 4×4” → stage4; and the one that Grad-CAM is taken at first."""
    sizes, last = outer_layers(network), last_layer(network)
    sizes.setdefault(last, spatial_layers(network)[last])
    return [(f"{name}, {size[2]}×{size[1]}", name) for name, size in sizes.items()], last


def _read(network: zoo.PixelNetwork, image: Tensor) -> Tensor:
    """The probabilities of all classes, [classes]."""
    try:
        with runtime.kept(network), torch.no_grad():
            return network(image).softmax(dim=1)[0]
    except RuntimeError:
        height, width = image.shape[2:]
        raise ValueError(
            f"{network.name} reads squares only, and this picture has {width}×{height} pixels; choose another picture, "
            "or a network that averages over all places, such as signs-resnet."
        ) from None


def _where(heat: Tensor, mask: Tensor | None) -> str:
    """How much of a map's heat lies on the sign of its class: words for under the map; none where nobody knows.

    Args:
        heat: [H, W].
        mask: where the sign is, [1, H, W].
    """
    if not (heat > 0).any():
        return "all 0: nothing speaks for it"
    return "" if mask is None else f"{100 * float(energy_inside(heat[None], mask)):.0f} % of the heat on the sign"


def _headline(view: Explained) -> str:
    """What is read, and where the heat is, in one sentence or two (HTML)."""
    best = int(view.probabilities.argmax())
    read = f"<b>{html.escape(view.class_names[best].upper())}</b> ({figures.percent(view.probabilities[best])})"
    told = f"The network reads {read}."
    for label, heat in zip(view.chosen, view.maps, strict=True):
        name = view.class_names[label]
        if name in view.scene.masks and (heat > 0).any():
            hits = float(pointing_game(heat[None], view.scene.masks[name])) > 0.5
            colour = figures.BLUE if hits else figures.VERMILLION
            words = "✓ the hottest pixel lies on" if hits else "▲ it misses"
            told += f' <span style="color:{colour}">{words} the sign “{html.escape(name)}”</span>.'
    return told
