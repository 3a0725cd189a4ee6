"""Features made by hand against features learnt, as the training set grows: which reads more signs right?

Serves notebook 1: the shipped curves (data/history/learning_curves.json) and the shorter run in its lab.
Papers: Csurka et al. 2004; Lazebnik et al. 2006; Dalal and Triggs 2005; LeCun et al. 1998 and Krizhevsky et al. 2012.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from course_utils import runtime, signs, training, zoo
from course_utils.arguments import check_choice, check_known, check_whole
from course_utils.history import classical

WORDS, PLACED, HOG, CNN = METHODS = ("SIFT words", "SIFT words, placed", "HOG", "CNN")
# Chosen on 600 scenes of their own, after 200 and 2,000 training scenes: out of 300 to 2,400 words (the last doubling
# brought less than half a point) and cells of 6 to 16 pixels (8 and 12 hardly differ).
VISUAL_WORDS, HOG_CELL = 1200, 12
RECIPES = {  # how each was made, in one sentence
    WORDS: f"SIFT key points (Lowe 2004), {VISUAL_WORDS:,} visual words by k-means, how often each occurs, a linear SVM"
    " (Csurka et al. 2004).",
    PLACED: "The same words, counted in the whole picture and in each of its quarters (Lazebnik et al. 2006).",
    HOG: f"Gradients in 9 directions, cells of {HOG_CELL}×{HOG_CELL} pixels, blocks of 2×2 cells, a linear SVM"
    " (Dalal and Triggs 2005).",
    CNN: "Three convolutions with batch normalisation, pooling and one linear layer, trained from scratch on the same"
    " scenes, each shown many times and shifted by up to 3 pixels.",
}
SIZES = (20, 60, 200, 600, 2000, 6000)  # training scenes of the shipped curves
ROUND = len(signs.CLASSES)  # scenes come in rounds, one of each class
BATCH, LEARNING_RATE = 64, 5e-3
TEST = 2_000_000_000  # the test scenes begin here: beyond every training set
COSTS = {"scene": 0.004, "sift": 0.015, "fit": 0.0006, "step": 0.03}  # seconds, for the progress bar only


def small_network(seed: int) -> nn.Sequential:
    """A small CNN for pictures of 64×64 pixels: three convolutions and one matrix, 45,000 weights."""

    def block(channels_in: int, channels: int, kernel: int, stride: int = 1) -> list[nn.Module]:
        convolution = nn.Conv2d(channels_in, channels, kernel, stride=stride, padding=kernel // 2, bias=False)
        return [convolution, nn.BatchNorm2d(channels), nn.ReLU(), nn.MaxPool2d(2)]

    with torch.random.fork_rng(devices=[]):  # the layers draw their first weights from torch's own generator
        torch.default_generator.manual_seed(seed)
        return nn.Sequential(
            *block(3, 16, 5, stride=2),  # [N, 16, 16, 16]
            *block(16, 32, 3),  # [N, 32, 8, 8]
            *block(32, 64, 3),  # [N, 64, 4, 4]
            nn.Flatten(),
            nn.Linear(64 * 4 * 4, ROUND),
        )


# ---- what comes out --------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Reading:
    """What one method, trained on `size` scenes, read in the test scenes."""

    method: str
    size: int
    answers: np.ndarray  # [N]
    labels: np.ndarray  # [N]

    @property
    def accuracy(self) -> float:
        """Share of the test scenes that were read right, in [0, 1]."""
        return float((self.answers == self.labels).mean())


def count_confusions(readings: Iterable[Reading]) -> list[tuple[str, str, float]]:
    """The three most frequent mistakes: the true class, what was read, and in which share of that class's scenes."""
    pairs = [pair for one in readings for pair in zip(one.labels.tolist(), one.answers.tolist(), strict=True)]
    of_class = Counter(true for true, _ in pairs)
    wrong = Counter((true, read) for true, read in pairs if true != read)
    said = signs.CLASS_NAMES
    return [(said[true], said[read], round(n / of_class[true], 4)) for (true, read), n in wrong.most_common(3)]


@dataclass(frozen=True)
class Progress:
    """Where the comparison stands: the share of the work done, what is being done, and what was read so far."""

    share: float
    doing: str
    readings: tuple[Reading, ...]
    done: bool = False

    def points(self, method: str) -> tuple[list[int], list[float]]:
        """Training sizes and accuracies of one method so far."""
        mine = [reading for reading in self.readings if reading.method == method]
        return [reading.size for reading in mine], [reading.accuracy for reading in mine]


@dataclass(frozen=True)
class Curves:
    """Curves over several training sets (seeds)."""

    sizes: list[int]  # training scenes
    accuracies: dict[str, list[list[float]]]  # method → one list a seed, each as long as `sizes`, in [0, 1]
    test_scenes: int  # on how many scenes they were measured
    confusions: dict[str, list[tuple[str, str, float]]]  # method → mistakes at the largest size, by `count_confusions`
    made: dict  # how: the command, the seeds, the versions

    def mean(self, method: str) -> list[float]:
        """Mean accuracy over the seeds, at each size."""
        check_known("method", method, self.accuracies)
        return np.mean(self.accuracies[method], axis=0).tolist()

    def band(self, method: str) -> tuple[list[float], list[float]]:
        """The worst and the best seed, at each size."""
        return np.min(self.accuracies[method], axis=0).tolist(), np.max(self.accuracies[method], axis=0).tolist()

    def at(self, method: str, size: int) -> float:
        """Mean accuracy of one method at one of the sizes."""
        check_choice("the size", size, self.sizes)
        return self.mean(method)[self.sizes.index(size)]

    def crossing(self, first: str, second: str) -> float | None:
        """At how many scenes, on a log axis, `first` overtakes `second` for good; None if never, or always."""
        lead = np.subtract(self.mean(first), self.mean(second))
        behind = np.flatnonzero(lead <= 0)
        if len(behind) == 0 or behind[-1] == len(lead) - 1:
            return None
        k = slice(behind[-1], behind[-1] + 2)  # the last size at which it is behind, and the next
        return math.exp(np.interp(0, lead[k], np.log(self.sizes[k])))

    def save(self, path: Path) -> None:
        """Write a JSON file that a person can read."""
        path.parent.mkdir(parents=True, exist_ok=True)
        facts = {name: getattr(self, name) for name in ("made", "test_scenes", "sizes", "accuracies", "confusions")}
        path.write_text(json.dumps(facts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def load_curves(path: Path | None = None) -> Curves:
    """What `Curves.save` wrote; the curves that ship with the course, where no file is named.

    >>> curves = load_curves()
    >>> curves.at(CNN, 20) < curves.at(HOG, 20), curves.at(CNN, 6000) > curves.at(HOG, 6000)
    (True, True)
    """
    path = path or runtime.DATA / "history" / "learning_curves.json"
    facts = json.loads(path.read_text(encoding="utf-8"))
    facts["confusions"] = {name: [tuple(row) for row in rows] for name, rows in facts["confusions"].items()}
    return Curves(**facts)


def load_controls(table: str = "right") -> dict[str, dict[int, float]]:
    """What the controls of the curves came to: reader → training scenes → share, the mean over the training sets.

    Args:
        table: "right" for the share of the test scenes that was read right, "turned" for the share of the keep right
            signs that was read as keep left or ahead only.

    >>> after = load_controls()
    >>> after["SIFT words, upright"][200] > after["SIFT words"][200]
    True
    """
    facts = json.loads((runtime.DATA / "history" / "controls.json").read_text(encoding="utf-8"))
    check_known("table", table, ("right", "turned"))
    return {
        name: {int(size): float(np.mean(shares)) for size, shares in sizes.items()}
        for name, sizes in facts[table].items()
    }


# ---- the comparison --------------------------------------------------------------------------------------------
def training_steps(size: int) -> int:
    """How many batches the CNN is shown: the more scenes the more, but not in proportion."""
    return round(20 * math.sqrt(size))


def compare(
    sizes: Iterable[int], *, seed: int = 0, test_scenes: int = 200, methods: Iterable[str] = METHODS
) -> Iterator[Progress]:
    """Train every method on the same growing set of scenes, and test each on the same others, piece by piece.

    Whatever is learnt (words, strength of the SVM, weights) is learnt from the training scenes alone.

    Args:
        sizes: numbers of training scenes, multiples of 20, in rising order.
        seed: of the training scenes and of all that is random in learning, 0 to 999.
        test_scenes: a multiple of 20; the same scenes for every seed.
        methods: some of `METHODS`.

    Yields:
        `Progress` after each piece of work (mostly less than a tenth of a second), with all readings so far.
    """
    sizes, methods = list(sizes), list(methods)
    _check(sizes, seed, test_scenes, methods)
    whole, done, readings = _cost(sizes, test_scenes, methods), 0.0, ()
    train, test = _Album(seed * signs.APART, methods), _Album(TEST, methods)
    for cost in test.grow(test_scenes):
        done += cost
        yield Progress(done / whole, "drawing and describing the test scenes", readings)
    for size in sizes:
        for cost in train.grow(size):
            done += cost
            yield Progress(done / whole, f"drawing and describing {size:,} training scenes", readings)
        for method in methods:
            learn = _learn_network if method == CNN else _learn_features
            for cost, answers in learn(method, train, test, seed):
                done += cost
                if answers is not None:
                    readings += (Reading(method, size, answers, test.labels),)
                yield Progress(min(done / whole, 0.999), f"{method} learns from {size:,} scenes", readings)
    yield Progress(1.0, "done", readings, done=True)


def _check(sizes: list[int], seed: int, test_scenes: int, methods: list[str]) -> None:
    check_whole("the seed", seed, 0, 999)
    for count in (*sizes, test_scenes):
        if check_whole("the number of scenes", count, ROUND) % ROUND:
            raise ValueError(f"scenes come in rounds of {ROUND}, one of each class; {count} is no such number.")
    if not sizes or sizes != sorted(set(sizes)):
        raise ValueError(f"give at least one size, the smallest first; got {sizes}.")
    if not methods:
        raise ValueError(f"give at least one method; there are {', '.join(METHODS)}.")
    for method in methods:
        check_choice("a method", method, METHODS)


class _Album:
    """Scenes with what each method needs of them, round by round: a small album is the beginning of a larger one."""

    def __init__(self, place: int, methods: list[str]):
        self.place, self.methods = place, methods
        self.rounds: list[Tensor] = []  # [20, 3, 64, 64] each
        self.described: list[classical.KeyPoints] = []
        self.gradients: list[np.ndarray] = []
        self._words: tuple[int, np.ndarray] | None = None  # of so many scenes

    def words(self, seed: int) -> np.ndarray:
        """The visual words of these scenes; where they hold few key points, as twenty scenes do, there are fewer."""
        if self._words is None or self._words[0] != len(self.described):
            count = min(VISUAL_WORDS, sum(map(len, self.described)) // 2)
            self._words = len(self.described), classical.learn_words(self.described, count, seed=seed)
        return self._words[1]

    @property
    def labels(self) -> np.ndarray:
        """[N]: scene k shows class k modulo 20."""
        return np.arange(len(self.rounds) * ROUND) % ROUND

    def grow(self, size: int) -> Iterator[float]:
        """Draw and describe until there are `size` scenes; yields the cost of each piece."""
        for number in range(len(self.rounds), size // ROUND):
            images = signs.render(list(range(ROUND)), seed=self.place + number, device="cpu").images
            self.rounds.append(images)
            if HOG in self.methods:
                self.gradients.append(classical.hog(images, HOG_CELL).numpy())
            yield COSTS["scene"] * ROUND
            if {WORDS, PLACED} & set(self.methods):
                for picture in images.split(1):
                    self.described.append(classical.sift(picture))
                    yield COSTS["sift"]


Piece = tuple[float, np.ndarray | None]  # what a piece of learning cost; behind the last one, the answers


def _learn_features(method: str, train: _Album, test: _Album, seed: int) -> Iterator[Piece]:
    """Train one of the methods made by hand."""
    if method == HOG:
        known, asked = np.concatenate(train.gradients), np.concatenate(test.gradients)
    else:
        words, features = train.words(seed), []
        for album in (train, test):
            yield 0.0, None
            features.append(classical.bag_of_words(album.described, words, levels=1 if method == WORDS else 2))
        yield 0.0, None
        known, asked = features
    for machine in classical.fit_svm_steps(known, train.labels, seed=seed):
        yield COSTS["fit"] * len(known), None if machine is None else machine.predict(asked)


def _learn_network(_method: str, train: _Album, test: _Album, seed: int) -> Iterator[Piece]:
    """Train the CNN."""
    labels = torch.from_numpy(train.labels)
    network = zoo.PixelNetwork(small_network(seed), name="small", class_names=signs.CLASS_NAMES, input_size=64)
    batches = _Given(torch.cat(train.rounds), labels, seed).batches(BATCH)
    steps = training_steps(len(labels))
    for _ in training.train(network.to(runtime.device()), batches, steps=steps, learning_rate=LEARNING_RATE):
        yield COSTS["step"], None
    yield 0.0, training.predict(network, torch.cat(test.rounds)).argmax(dim=1).numpy()


class _Given(training.Pool):
    """A pool of given scenes, float [N, 3, S, S], in place of rendered ones: drawn from for ever, a little shifted."""

    def __init__(self, images: Tensor, labels: Tensor, seed: int):
        self.images, self.labels = (images * 255).round().byte(), labels
        self.generator = runtime.generator(seed)


def _cost(sizes: list[int], test_scenes: int, methods: list[str]) -> float:
    """Seconds of the whole work, roughly."""
    drawn, words = max(sizes) + test_scenes, {WORDS, PLACED} & set(methods)
    cost = drawn * (COSTS["scene"] + (COSTS["sift"] if words else 0))
    for size in sizes:
        fits = len(classical.STRENGTHS) * (4 if size < classical.FEW else 1) + 1
        cost += size * fits * COSTS["fit"] * len(set(methods) - {CNN})
        cost += training_steps(size) * COSTS["step"] if CNN in methods else 0
    return cost
