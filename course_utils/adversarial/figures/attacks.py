"""Drawings of lesson 8: a picture plus noise, the balls of three norms, transfer as a matrix, robust accuracy, rows.

Serves notebook 8 and its lab. Each gives uint8 [height, WIDTH, 3]; a title is the figure's one message.
Papers: Okabe and Ito (2008) for the colours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from course_utils.figures.base import MARGIN, WIDTH, amplified, bars, begin, fitted, font, panels, percent, text
from course_utils.figures.colours import BLUE, GREEN, GRID, INK, ORANGE, PALE, PAPER, PURPLE, VERMILLION, mixed
from course_utils.figures.style import pen

FINE = 3  # lines are drawn so many times larger, then scaled down
LOOKS = (BLUE, VERMILLION, GREEN, PURPLE)


def equation(
    clean: np.ndarray,
    noise: np.ndarray,
    adversarial: np.ndarray,
    class_names: Sequence[str],
    before: np.ndarray,
    after: np.ndarray,
    *,
    changes: str,
    titles: tuple[str, str] = ("picture", "picture + noise"),
    side: int = 320,
) -> np.ndarray:
    """A picture, plus amplified noise, equals another picture; and what the network reads in the two.

    Args:
        clean, adversarial: uint8 [H, W, 3].
        noise: float [H, W, 3], the adversarial picture less the clean one; the factor of its amplification is told.
        class_names, before, after: of all classes, their names and probabilities.
        changes: how large the noise is, in words.
        titles, side: of the two pictures, in pixels.
    """
    if not len(class_names) == len(before) == len(after):
        counts = f"{len(class_names)} class names, {len(before)} probabilities before and {len(after)} after"
        raise ValueError(f"there are {counts}; give one of each a class.")
    read, (shown, factor) = [int(np.argmax(answer)) for answer in (before, after)], amplified(noise)
    said = [f"“{class_names[k]}”, {percent(answer[k])}" for k, answer in zip(read, (before, after), strict=True)]
    return panels(
        [clean, shown, adversarial],
        [titles[0], f"noise, amplified ×{factor}", titles[1]],
        [said[0], changes, said[1]],
        colours=[BLUE, PALE, BLUE if read[0] == read[1] else VERMILLION],
        signs="+=",
        side=side,
    )


def probabilities(
    class_names: Sequence[str],
    before: np.ndarray,
    after: np.ndarray,
    titles: tuple[str, str] = ("the network, before", "the network, after"),
) -> np.ndarray:
    """Two answers back to back, for the classes that are likely in one of them."""
    top = top_classes(before, after)
    return bars([class_names[label] for label in top], before[top], after[top], titles=titles)


def top_classes(before: np.ndarray, after: np.ndarray) -> list[int]:
    """The five classes that one of two answers [classes] holds most likely, the first answer's favourite on top."""
    either = np.maximum(before, after)
    chosen = np.argsort(-either, kind="stable")[:5]
    return sorted(chosen.tolist(), key=lambda label: (-float(before[label] > 0.5), -float(either[label]), label))


def balls(names: Sequence[str], formulas: Sequence[str], *, title: str) -> np.ndarray:
    """The balls of L1, L2 and L∞ in two dimensions: a picture with two pixels, and all pictures within ε of it.

    Args:
        names: of the three norms.
        formulas: what each ball says, a line below it.

    >>> balls(["L1", "L2", "L∞"], ["Σ|δ| ≤ ε", "‖δ‖ ≤ ε", "max|δ| ≤ ε"], title="Three balls").shape[1:]
    (1120, 3)
    """
    side, top = 300, 100
    canvas, around = begin(top + side + 60, title, y=28)
    angles = np.linspace(0, 2 * np.pi, 361)
    ways = np.stack([np.cos(angles), np.sin(angles)], axis=1)  # [361, 2]
    lengths = (np.abs(ways).sum(axis=1), np.ones(len(ways)), np.abs(ways).max(axis=1))
    for k, (name, formula, length) in enumerate(zip(names, formulas, lengths, strict=True)):
        left = round(MARGIN + (k + 0.5) * (WIDTH - 2 * MARGIN) / 3 - side / 2)
        plate = Image.new("RGB", (side * FINE, side * FINE), PAPER)
        draw, middle, radius = pen(plate), side * FINE / 2, 0.36 * side * FINE
        edge = [(middle + radius * x, middle - radius * y) for x, y in ways / length[:, None]]
        draw.polygon(edge, fill=mixed(0.2, PAPER, LOOKS[k]))
        for line in ((0, middle, side * FINE, middle), (middle, 0, middle, side * FINE)):
            draw.line(line, fill=PALE, width=FINE)
        draw.line(edge, fill=LOOKS[k], width=4 * FINE, joint="curve")
        r = 6 * FINE
        draw.ellipse((middle - r, middle - r, middle + r, middle + r), fill=INK)
        canvas.paste(plate.reduce(FINE), (left, top))
        text(around, (left + side / 2, top - 22), name, size=24, bold=True, colour=LOOKS[k])
        text(around, (left + side / 2 + 14, top + side / 2 + 18), "x", size=22, bold=True)
        text(around, (left + side / 2 + 0.36 * side + 14, top + side / 2 - 16), "ε", size=22, bold=True)
        text(around, (left + side / 2, top + side + 26), formula, size=20, width=WIDTH / 3 - 20)
    text(around, (MARGIN, top + side - 6), "first pixel →", size=18, colour=PALE, anchor="lm")
    text(around, (MARGIN, top + 6), "second pixel ↑", size=18, colour=PALE, anchor="lm")
    return np.asarray(canvas)


def matrix(rates: np.ndarray, names: Sequence[str], *, title: str, rows: str, columns: str) -> np.ndarray:
    """A table of shares, the larger the darker: who was attacked, and who was fooled by it.

    Args:
        rates: float [R, C], 0 to 1; NaN is left empty.
        names: of the rows and of the columns.
        rows, columns: what the rows and the columns are.

    >>> matrix(np.eye(2), ["a", "b"], title="Who fools whom", rows="made for", columns="shown to").shape[1:]
    (1120, 3)
    """
    rates = np.asarray(rates, dtype=float)
    count, left, top, tall = len(names), 330, 132, 74
    wide = (WIDTH - left - MARGIN) / count
    canvas, draw = begin(round(top + count * tall + 20), title, y=28)
    text(draw, (left + (WIDTH - left - MARGIN) / 2, 70), f"{columns} →", size=20, colour=PALE)
    text(draw, (MARGIN, top - 24), f"{rows} ↓", size=20, colour=PALE, anchor="lm", width=left - 30)
    room = wide - 12
    size = min(round(20 * min(1, room / draw.textlength(name, font=font(20, True)))) for name in names)  # one for all
    for k, name in enumerate(names):
        text(draw, (left + (k + 0.5) * wide, top - 24), name, size=size, bold=True, width=room)
        text(draw, (left - 16, top + (k + 0.5) * tall), name, size=20, bold=True, anchor="rm", width=left - 40)
    for r in range(count):
        for c in range(count):
            box = (left + c * wide + 2, top + r * tall + 2, left + (c + 1) * wide - 2, top + (r + 1) * tall - 2)
            share = rates[r, c]
            draw.rectangle(box, fill=mixed(0.8 * np.nan_to_num(share), PAPER, VERMILLION), outline=GRID)
            if not np.isnan(share):
                middle = (left + (c + 0.5) * wide, top + (r + 0.5) * tall)
                text(draw, middle, _percent(share), size=26, bold=r == c)
    return np.asarray(canvas)


def robust_accuracy(shares: Mapping[str, Mapping[str, float]], *, title: str, x_label: str) -> np.ndarray:
    """What of a network's accuracy is left under attacks of several kinds: a group a defence, a bar an attack.

    Args:
        shares: defence → attack → share still right, 0 to 1.
        x_label: what the shares are of.

    >>> robust_accuracy({"plain": {"PGD": 0.1}}, title="What is left", x_label="share of the scenes").shape[1:]
    (1120, 3)
    """
    every = list(dict.fromkeys(attack for attacks in shares.values() for attack in attacks))
    colours = {attack: (*LOOKS, ORANGE, INK)[k % 6] for k, attack in enumerate(every)}
    left, right, row, gap, top = 420, WIDTH - 90, 38, 52, 62
    height = top + sum(len(attacks) * row + gap for attacks in shares.values()) + 52
    canvas, draw = begin(height, title, y=28)
    for quarter in range(5):
        x = left + (right - left) * quarter / 4
        draw.line((x, top, x, height - 56), fill=GRID)
        text(draw, (x, height - 42), f"{25 * quarter} %", size=18, colour=PALE)
    text(draw, ((left + right) / 2, height - 16), x_label, size=20)
    y = top
    for defence, attacks in shares.items():
        text(draw, (MARGIN, y + 24), defence, size=22, bold=True, anchor="lm", width=left - MARGIN - 10)
        y += gap - 8
        for attack, share in attacks.items():
            text(draw, (left - 14, y + row / 2), attack, size=20, anchor="rm", width=left - 2 * MARGIN)
            end = left + (right - left) * float(share)
            draw.rectangle((left, y + 5, max(end, left + 2), y + row - 5), fill=colours[attack])
            text(draw, (end + 10, y + row / 2), _percent(share), size=20, anchor="lm")
            y += row
        y += 8
    return np.asarray(canvas)


def _percent(share: float) -> str:
    return f"{share:.0%}".replace("%", " %")


def rows(
    pictures: Mapping[str, Sequence[np.ndarray]], *, title: str, captions: Mapping[str, Sequence[str]] | None = None
) -> np.ndarray:
    """Pictures in rows, every row with its name, every picture with a line below.

    Args:
        pictures: name of the row → uint8 [H, W, 3] each; a name may have several lines.
        captions: name of the row → a line a picture.

    >>> rows({"STOP": [np.zeros((64, 64, 3), np.uint8)] * 3}, title="Three attacks").shape[1:]
    (1120, 3)
    """
    left, count, gap = 170, max(len(row) for row in pictures.values()), 14
    below = 34 if captions else 8
    side = (WIDTH - left - MARGIN - (count - 1) * gap) // count
    side = max(fitted(picture, side).height for row in pictures.values() for picture in row)  # a whole factor
    step = (WIDTH - left - MARGIN + gap) / count
    canvas, draw = begin(60 + len(pictures) * (side + below + gap), title, y=28)
    for r, (name, row) in enumerate(pictures.items()):
        top = 58 + r * (side + below + gap)
        lines = name.split("\n")
        for n, line in enumerate(lines):
            at = (MARGIN, top + side / 2 + 26 * (n - (len(lines) - 1) / 2))
            text(draw, at, line, size=21, bold=n == 0, anchor="lm", width=left - MARGIN - 10)
        for k, picture in enumerate(row):
            shown = fitted(picture, side)
            x = left + round(k * step + (step - gap - side) / 2)
            aside, down = (side - shown.width) // 2, (side - shown.height) // 2
            canvas.paste(shown, (x + aside, top + down))
            edges = (x + aside - 1, top + down - 1, x + aside + shown.width, top + down + shown.height)
            draw.rectangle(edges, outline=PALE)
            if captions:
                text(draw, (x + side / 2, top + side + 18), captions[name][k], size=19, colour=PALE, width=step - 6)
    return np.asarray(canvas)


def gradient_picture(gradient: np.ndarray) -> np.ndarray:
    """A gradient as a picture: grey where nothing pulls, brighter or darker where a channel should gain or lose.

    Args:
        gradient: float [H, W, 3], of any size; its largest hundredth is cut off, the rest fills the range.

    >>> gradient_picture(np.zeros((8, 8, 3))).shape
    (8, 8, 3)
    """
    gradient = np.asarray(gradient, dtype=np.float64)
    largest = float(np.quantile(np.abs(gradient), 0.99)) or 1.0
    return np.round(255 * np.clip(0.5 + 0.5 * gradient / largest, 0, 1)).astype(np.uint8)
