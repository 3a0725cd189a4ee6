"""The lab of heat maps: a picture, a layer, a class, and what of the picture speaks for it.

Serves notebook 7. It wires `gradcam` and `saliency` to `gradcam.figures.look`. Papers: see those modules.
"""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

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
from course_utils.labs.own import OwnPicture
from course_utils.labs.seeing import SMALL, SeeingLab, named, networks_to_choose, pictures_to_choose
from course_utils.layers.find import last_layer, outer_layers, spatial_layers

READ, NOTHING = "what it reads", "no other class"
ALT = "A picture, heat maps over it for one or two classes, and what the network reads."
PAIRS = {  # name in the menu → the two signs, and the seed of the street
    "STOP and YIELD, side by side": (("stop", "yield"), 4),
    "NO ENTRY and 30, side by side": (("no entry", "30 limit"), 4),
    "PRIORITY ROAD and STOP, side by side": (("priority road", "stop"), 8),
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
SPECKS = 0.01  # the share of a large picture's pixels that are as hot as can be, where a map is as fine as the pixels


@dataclass(frozen=True)
class Explained:
    """What the lab's picture needs: everything computed, nothing drawn."""

    image: Tensor  # [1, 3, H, W]
    masks: dict[str, Tensor]  # name of the class → where its sign is, [1, H, W], as far as that is known
    probabilities: Tensor  # [classes]
    class_names: tuple[str, ...]
    chosen: tuple[int, ...]
    maps: Tensor  # [one or two, H, W], not normalised
    coarse: Tensor | None  # [h, w], of the first class, as the layer has it
    method: str
    layer: str
    opacity: float
    colours: str


@lru_cache(maxsize=16)
def scene(names: tuple[str, ...], seed: int, stickered: bool, size: int, where) -> tuple[Tensor, dict[str, Tensor]]:
    """A picture with one sign, or a wide one with two, and where each sign on it is; the same on every machine."""
    labels = [[signs.CLASS_NAMES.index(name)] for name in names]
    render = shortcut.render if stickered else (signs.render, two_signs)[len(names) - 1]
    made = render(*labels, seed=seed, size=size, device="cpu")
    made = made.scenes if stickered else made
    masks = made.masks.to(where).unbind(dim=1)
    return made.images.to(where), dict(zip(names, masks, strict=True))


class GradCamLab(SeeingLab):
    """Where does it look? Picture, network, layer, one class or two, method, opacity, colours.

    Args:
        network: name of the network at the beginning, one of `zoo.names()` or `zoo.extras()`.
        picture_seed: of the scene with a STOP sign that the lab begins with.

    >>> GradCamLab("signs-resnet").choices()["layer"]
    'stage4'
    """

    def __init__(self, network: str = "signs-resnet", *, picture_seed: int = 3):
        alone = named([("stop", picture_seed), *MORE_SCENES]).items()
        first, *more = ((name, ((sign,), seed, False)) for name, (sign, seed) in alone)
        self._pictures = dict([first, *((name, (*how, False)) for name, how in PAIRS.items()), *more])
        self._pictures |= {f"{name.upper()}, from the depot": ((name,), 7, True) for name in STICKERED}
        loaded = zoo.load(network)
        layers, last = _layers(loaded)
        methods = [*METHODS, *saliency.METHODS]
        controls = {
            "picture": base.menu("picture", pictures_to_choose(self._pictures), first[0], "what the network looks at"),
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
        size, names = looking.input_size, looking.class_names
        if picture in self._pictures:
            image, masks = scene(*self._pictures[picture], size, runtime.device())
        else:
            image, masks = self.picture(picture, upload, size), {}
        probabilities = _read(looking, image)
        self._offer(names, probabilities)
        wanted = [names.index(name) for name in (label, second) if name in names]
        if label not in names:
            wanted.insert(0, int(probabilities.argmax()))
        chosen = tuple(dict.fromkeys(wanted))
        maps, coarse = explained(looking, image, chosen, layer, method)
        look = {"method": method, "layer": layer, "opacity": opacity / 100, "colours": colours}
        yield Explained(image, masks, probabilities, names, chosen, maps, coarse, **look)

    def draw(self, view: Explained) -> base.Frame:
        """The scene, its maps side by side, and what the network reads; in words, how much of the heat is where."""
        clean = images.to_pixels(view.image)[0]
        fine = view.coarse is None and clean.shape[0] > SMALL
        heat = normalise(view.maps, cut=SPECKS if fine else 0).cpu().numpy()
        look = {"opacity": view.opacity, "colours": view.colours}
        pictures = [clean, *(figures.overlaid(clean, one, **look) for one in heat)]
        titles = ["picture", *(f"{view.method}: “{view.class_names[label]}”" for label in view.chosen)]
        captions = [f"{clean.shape[1]}×{clean.shape[0]} pixels"]
        for label, one in zip(view.chosen, view.maps, strict=True):
            told = _where(one, view.masks.get(view.class_names[label]))
            captions.append(told or f"read with {figures.percent(view.probabilities[label])}")
        if len(view.chosen) == 1:
            raw = heat[0] if view.coarse is None else normalise(view.coarse).cpu().numpy()
            pictures.append(figures.heat(raw, view.colours))
            titles.append("the map alone" if view.coarse is None else f"as “{view.layer}” has it")
            captions.append(f"{raw.shape[1]}×{raw.shape[0]} places")
        read = view.probabilities.cpu().numpy()
        pixels = drawings.look(pictures, titles, captions, view.class_names, read, view.chosen, colours=view.colours)
        return base.Frame(pixels, _headline(view))

    def _offer(self, names: tuple[str, ...], probabilities: Tensor) -> None:
        """The classes in the menus, the five likeliest on top; what was chosen stays chosen."""
        top = probabilities.topk(min(5, len(names))).indices.tolist()
        order = list(dict.fromkeys([*(names[label] for label in top), *names]))
        with self.quietly():
            base.keep_choice(self.controls["label"], [READ, *order], READ)
            base.keep_choice(self.controls["second"], [NOTHING, *order], NOTHING)


@lru_cache(maxsize=1)  # another opacity computes nothing
def explained(network: zoo.PixelNetwork, image: Tensor, chosen: tuple[int, ...], layer: str, method: str):
    """The maps of the chosen classes, [k, H, W], and the first one as the layer has it."""
    given = network, image.expand(len(chosen), -1, -1, -1), torch.tensor(chosen, device=image.device)
    if method in saliency.METHODS:
        lighter = LIGHTER.get(method, {}) if network.input_size > SMALL else {}
        return saliency.METHODS[method](*given, **lighter), None
    if method == "guided Grad-CAM":
        return guided_gradcam(*given, layer=layer), None
    coarse = METHODS[method](*given, layer=layer, enlarge=False)
    return resize(coarse, image.shape[2:]), coarse[0]


@lru_cache(maxsize=8)  # finding its layers asks the network four times
def _layers(network: zoo.PixelNetwork) -> tuple[list[tuple[str, str]], str]:
    """The menu of layers, “stage4, 4×4” → stage4; and the one that Grad-CAM is taken at first."""
    sizes, last = outer_layers(network), last_layer(network)
    sizes.setdefault(last, spatial_layers(network)[last])
    return [(f"{name}, {size[2]}×{size[1]}", name) for name, size in sizes.items()], last


@lru_cache(maxsize=1)
def _read(network: zoo.PixelNetwork, image: Tensor) -> Tensor:
    """The probabilities of all classes, [classes]."""
    height, width = image.shape[2:]
    advice = "choose another picture, or a network that averages over all places, such as signs-resnet."
    try:
        with runtime.kept(network), torch.no_grad():
            return network(image).softmax(dim=1)[0]
    except RuntimeError:
        told = f"{network.name} reads squares only, and this picture has {width}×{height} pixels; {advice}"
        raise ValueError(told) from None


def _where(heat: Tensor, mask: Tensor | None) -> str:
    """How much of a map's heat, [H, W], lies on the sign of its class, [1, H, W]; no words where nobody knows."""
    if not (heat > 0).any():
        return "all 0: nothing speaks for it"
    return "" if mask is None else f"{100 * float(energy_inside(heat[None], mask)):.0f} % of the heat on the sign"


def _headline(view: Explained) -> str:
    """What is read, and where the heat is, in one sentence or two (HTML)."""
    best = view.probabilities.argmax()
    sure = figures.percent(view.probabilities[best])
    told = f"The network reads <b>{html.escape(view.class_names[best].upper())}</b> ({sure})."
    looks = (figures.VERMILLION, "▲ it misses"), (figures.BLUE, "✓ the hottest pixel lies on")
    for label, heat in zip(view.chosen, view.maps, strict=True):
        name = view.class_names[label]
        if name in view.masks and (heat > 0).any():
            colour, words = looks[pointing_game(heat[None], view.masks[name]).item() > 0.5]
            told += f' <span style="color:{colour}">{words} the sign “{html.escape(name)}”</span>.'
    return told
