"""Compute the controls of lesson 1's learning curves: `make results NAMES=history_controls`, half an hour on one core.

data/history/controls.json. The lesson says that features made by hand win while scenes are few because they know
something before they see one. So: take such knowledge away from SIFT (its points keep no direction of their own); give
the CNN some (each scene is shown turned, larger, smaller, brighter, darker); and take features that were learnt, but
elsewhere (the last layer of the network for photographs), with SIFT's own classifier. Training and test scenes are
those of `learning_curve`, the first 400 of the test.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from unittest import mock

import numpy as np
import torch
from skimage.feature import SIFT
from torch import Tensor, nn
from torch.nn import functional as F

from course_utils import runtime, signs, training, zoo
from course_utils.history import classical, learning_curve
from course_utils.layers.hooks import hear

SEEDS, SIZES, TEST_SCENES = (0, 1, 2), (20, 200), 400
TOLD_STEPS = 2  # times as many steps for the CNN that sees each scene changed: it has more to learn


# ---- features --------------------------------------------------------------------------------------------------
class Upright(SIFT):
    """SIFT whose points all look in one direction; a point that had two directions counts once."""

    def _compute_orientation(self, *given):
        found = super()._compute_orientation(*given)
        place = np.stack([self.octaves, *np.round(self.positions.T, 4), self.sigmas])
        kept = np.sort(np.unique(place, axis=1, return_index=True)[1])
        for name in ("positions", "scales", "sigmas", "octaves", "orientations"):
            setattr(self, name, getattr(self, name)[kept])
        self.orientations = np.zeros_like(self.orientations)
        return found


def described(album: learning_curve._Album, upright: bool) -> list[classical.KeyPoints]:
    """The key points of each scene."""
    with mock.patch("skimage.feature.SIFT", Upright if upright else SIFT):
        return [classical.sift(picture) for images in album.rounds for picture in images.split(1)]


def elsewhere(album: learning_curve._Album, network: zoo.PixelNetwork) -> np.ndarray:
    """What the network for photographs gives to its last layer, [N, 1280]."""
    last = {"last": [layer for layer in network.modules() if isinstance(layer, nn.Linear)][-1]}
    large = (F.interpolate(images, size=224, mode="bilinear", align_corners=False) for images in album.rounds)
    with torch.no_grad():
        return torch.cat([hear(network, images, last, before=True)["last"] for images in large]).numpy()


def changed(images: Tensor, draw: torch.Generator) -> Tensor:
    """Turned by up to a quarter of a radian, 0.75 to 1.35 times as large, moved, and lit otherwise."""
    count = len(images)
    turn, scale = (torch.rand(count, generator=draw) - 0.5) * 0.5, 0.75 + 0.6 * torch.rand(count, generator=draw)
    shift = (torch.rand(count, 2, generator=draw) - 0.5) * 0.3
    rows = [torch.stack([turn.cos() / scale, -turn.sin() / scale, shift[:, 0]], 1)]
    rows += [torch.stack([turn.sin() / scale, turn.cos() / scale, shift[:, 1]], 1)]
    grid = F.affine_grid(torch.stack(rows, 1), images.shape, align_corners=False)
    moved = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    contrast = 0.6 + 0.8 * torch.rand(count, 1, 1, 1, generator=draw)
    tint = (torch.rand(count, 3, 1, 1, generator=draw) - 0.5) * 0.3
    return (moved * contrast + tint).clamp(0, 1)


# ---- readers ---------------------------------------------------------------------------------------------------
def by_svm(known: np.ndarray, labels: np.ndarray, asked: np.ndarray, seed: int) -> np.ndarray:
    """What the lesson's linear classifier answers."""
    *_, machine = classical.fit_svm_steps(known, labels, seed=seed)
    return machine.predict(asked)


def by_words(known: list, labels: np.ndarray, asked: list, seed: int) -> np.ndarray:
    """SIFT's words, counted, as in `learning_curve`."""
    count = min(learning_curve.VISUAL_WORDS, sum(map(len, known)) // 2)
    words = classical.learn_words(known, count, seed=seed)
    return by_svm(classical.bag_of_words(known, words), labels, classical.bag_of_words(asked, words), seed)


def by_cnn(album, test, seed: int, told: bool) -> tuple[np.ndarray, float]:
    """The lesson's CNN: its answers, and the share of its own training scenes that it reads."""
    labels, draw = torch.from_numpy(album.labels), torch.Generator().manual_seed(seed)
    network = zoo.PixelNetwork(
        learning_curve.small_network(seed), name="small", class_names=signs.CLASS_NAMES, input_size=64
    )
    batches: Iterator = learning_curve._Given(torch.cat(album.rounds), labels, seed).batches(learning_curve.BATCH)
    if told:
        batches = ((changed(x, draw), y) for x, y in batches)
    steps = learning_curve.training_steps(len(labels)) * (TOLD_STEPS if told else 1)
    for _ in training.train(network, batches, steps=steps, learning_rate=learning_curve.LEARNING_RATE):
        pass
    answers, own = (training.predict(network, torch.cat(x.rounds)).argmax(dim=1).numpy() for x in (test, album))
    return answers, float((own == album.labels).mean())


# ---- all -------------------------------------------------------------------------------------------------------
def main() -> None:
    """Every reader on every training set; what each reads goes to data/history/controls.json."""
    torch.set_num_threads(1)
    photographs = zoo.load("efficientnet-lite0", device="cpu")
    test = album_of(learning_curve.TEST, TEST_SCENES)
    asked, far = {up: described(test, up) for up in (False, True)}, elsewhere(test, photographs)
    right: dict[str, dict[int, list[float]]] = {}
    turned: dict[str, dict[int, list[float]]] = {}  # share of the keep right signs read as keep left or ahead only
    own: dict[int, list[float]] = {}

    def note(name: str, size: int, answers: np.ndarray) -> None:
        keep = test.labels == signs.CLASS_NAMES.index("keep right")
        wrong = np.isin(answers[keep], [signs.CLASS_NAMES.index(n) for n in ("keep left", "ahead only")])
        for table, value in ((right, answers == test.labels), (turned, wrong)):
            table.setdefault(name, {}).setdefault(size, []).append(round(float(value.mean()), 4))
        print(f"{name:24s} {size:4d}: {right[name][size][-1]:.3f}, turned {turned[name][size][-1]:.2f}", flush=True)

    for seed in SEEDS:
        whole = album_of(seed * signs.APART, max(SIZES))
        points, features = {up: described(whole, up) for up in (False, True)}, elsewhere(whole, photographs)
        for size in SIZES:
            album = album_of(seed * signs.APART, size)
            for up in (False, True):
                name = "SIFT words, upright" if up else "SIFT words"
                note(name, size, by_words(points[up][:size], album.labels, asked[up], seed))
            mean, spread = features[:size].mean(axis=0), 30 * (features[:size].std(axis=0) + 1e-3)
            scaled = ((part - mean) / spread for part in (features[:size], far))
            note("learnt elsewhere", size, by_svm(next(scaled), album.labels, next(scaled), seed))
            for told in (False, True):
                answers, share = by_cnn(album, test, seed, told)
                note("CNN, told" if told else "CNN", size, answers)
                if not told:
                    own.setdefault(size, []).append(round(share, 4))
    facts = {"seeds": SEEDS, "test_scenes": TEST_SCENES, "right": right, "turned": turned, "cnn_on_its_own": own}
    to = runtime.DATA / "history" / "controls.json"
    to.write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")


def album_of(place: int, size: int) -> learning_curve._Album:
    """So many scenes, from one place on."""
    album = learning_curve._Album(place, [])
    list(album.grow(size))
    return album


if __name__ == "__main__":
    main()
