"""Lesson 1's own drawings: the timeline, ImageNet's errors, and how sure a network is of what it never learnt.

Serves notebook 1 and its labs. Nothing here computes: it shows what it is given. Papers: those of the timeline's rows.
Each figure is uint8 [height, width, 3].
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageDraw

from course_utils.figures.base import MARGIN, WIDTH, fitted, font, percent, text
from course_utils.figures.charts import dress
from course_utils.figures.colours import BLUE, GREEN, GRID, INK, ORANGE, PALE, PAPER, PURPLE, VERMILLION
from course_utils.figures.style import finish, pen, sheet, used
from course_utils.history.facts import KINDS, Entry, Score

LANES = {  # thread → its name on the picture, and its colour
    "networks": ("networks", BLUE),
    "features": ("features made by hand", ORANGE),
    "ingredients": ("data and hardware", GREEN),
    "doubts": ("doubts", VERMILLION),
    "words": ("words and code", PURPLE),
}
_LEFT, _TOP, _LANE, _DOT = 280, 44, 46, 4.6  # where the lanes begin, in pixels; their height; the radius of a dot
_YEARS, _AT = (1940, 2027), (_LEFT, WIDTH - MARGIN)
MADE = (  # how the features of a winner came about, that in words, and the colours of its bar and of the number in it
    ("hand-made", "features made by hand", ORANGE, INK),
    ("learnt", "features learnt", BLUE, PAPER),
)
SURE = 0.9  # a line in `certainty`, beyond which the dots are counted


def timeline(entries: Sequence[Entry], chosen: int, *, thread: str | None = None) -> np.ndarray:
    """Five lanes of dots over the years, and a card that tells the chosen one.

    Args:
        entries: in the order of their years.
        chosen: index of the one that is told.
        thread: only this lane is in colour; None colours all.
    """
    canvas = Image.new("RGB", (WIDTH, _TOP + len(LANES) * _LANE + 270), PAPER)
    draw = pen(canvas)
    bottom = _TOP + len(LANES) * _LANE
    for year in range(1940, 2021, 10):
        x = np.interp(year, _YEARS, _AT)
        draw.line((x, _TOP - 8, x, bottom), fill=GRID)
        text(draw, (x, 20), str(year), size=18, colour=PALE)
    for lane, (name, colour) in enumerate(LANES.values()):
        y = _TOP + (lane + 0.5) * _LANE
        draw.line((_LEFT - 12, y, WIDTH - MARGIN, y), fill=GRID)
        dull = thread not in (None, list(LANES)[lane])
        text(draw, (_LEFT - 24, y), name, size=18, colour=PALE if dull else colour, anchor="rm", bold=not dull)
    for index, (x, y) in enumerate(_places(entries)):
        if index != chosen:
            dull = thread not in (None, entries[index].thread)
            _dot(draw, x, y, _DOT, GRID if dull else LANES[entries[index].thread][1])
    x, y = _places(entries)[chosen]
    colour = LANES[entries[chosen].thread][1]
    draw.line((x, y, x, bottom), fill=colour, width=3)
    _dot(draw, x, y, 10, colour)
    _card(draw, entries[chosen], colour, bottom)
    return np.asarray(canvas)


def _card(draw: ImageDraw.ImageDraw, entry: Entry, colour: str, top: int) -> None:
    """Year, what, why and source, below the lanes; on stage in the largest type in which all of it fits."""
    draw.rectangle((MARGIN, top + 6, WIDTH - MARGIN, top + 262), fill="#F5F7FA")
    draw.rectangle((MARGIN, top + 6, MARGIN + 7, top + 262), fill=colour)
    text(draw, (MARGIN + 28, top + 56), str(entry.year), size=52, bold=True, colour=colour, anchor="lm", width=172)
    parts = ((entry.what, 27, True, INK), (entry.why, 23, False, INK), (f"Source: {entry.source}", 17, False, PALE))
    for more in np.arange(used().type, 0.99, -0.05):
        sizes = [round(more * size) for _, size, *_ in parts]
        told = [_lines(words, size, bold) for size, (words, _, bold, _) in zip(sizes, parts, strict=True)]
        what, why, source = (len(lines) * round(1.3 * size) for lines, size in zip(told, sizes, strict=True))
        if what + why + source <= 205:
            break
    tops = top + 28, top + 38 + what, top + max(50 + what + why, min(200, 244 - source))
    for y, lines, size, (*_, bold, ink) in zip(tops, told, sizes, parts, strict=True):
        for k, line in enumerate(lines):
            draw.text((MARGIN + 210, y + k * round(1.3 * size)), line, font=font(size, bold), fill=ink)


def imagenet(scores: Sequence[Score], *, title: str) -> np.ndarray:
    """ImageNet's winning top-5 errors as bars by year, and the people who tried as lines.

    Args:
        scores: winners, those with outside data and people; see `facts.read_imagenet`.
        title: the figure's one message.

    >>> from course_utils.history import facts
    >>> imagenet(facts.read_imagenet(), title="Top-5 errors").shape
    (520, 1120, 3)
    """
    figure, canvas = sheet(WIDTH, 520, layout="constrained")
    axes = figure.add_subplot()
    winners, outside, people = ([score for score in scores if score.kind == kind] for kind in KINDS)
    for made, name, colour, ink in MADE:
        mine = {score.year: score.error for score in winners if score.made == made}
        axes.bar(mine.keys(), mine.values(), 0.72, color=colour, label=name, zorder=2)
        for year, error in mine.items():
            at = max(error - 3, error / 2)
            axes.text(year, at, f"{error:g}", color=ink, fontsize=14, fontweight="bold", ha="center", va="center")
    for score in outside:
        axes.hlines(score.error, score.year - 0.32, score.year + 0.32, color=PAPER, linewidth=1.5, zorder=3)
    last = winners[-1].year + 0.5
    for score in people:
        axes.axhline(score.error, color=VERMILLION, linewidth=2, linestyle="--", zorder=3)
        told = f"{score.who}: {score.error:g} %"
        axes.text(last, score.error + 0.3, told, color=VERMILLION, fontsize=14, fontweight="bold", ha="right")
    dress(
        axes,
        title,
        "the winners; dashed: two people; white line: with outside data",
        "top-5 error, unseen pictures (%)",
    )
    axes.grid(visible=False, axis="x")
    axes.set(xlim=(winners[0].year - 0.5, last), ylim=(0, 30))
    who = [f"{score.year}\n{score.who}".replace("-", "-\n") for score in winners]
    axes.set_xticks([score.year for score in winners], who, fontsize=13)
    axes.legend(fontsize=14, frameon=False, loc="upper right")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    return finish(canvas)


def answer(
    picture: np.ndarray,
    names: Sequence[str],
    probabilities: Sequence[float],
    entropy: float,
    *,
    usual: tuple[float, float],
    known: str,
    title: str,
) -> np.ndarray:
    """One picture, the classes that the network thinks of, and how sure it is beside what is usual.

    Args:
        picture: uint8 [H, W, 3].
        names, probabilities: of all classes.
        entropy: of the answer, in bits.
        usual: the median confidence and entropy on what it knows, drawn as marks.
        known: what that is, written beside the marks.
        title: over the picture.
    """
    canvas = Image.new("RGB", (WIDTH, 480), PAPER)
    draw = pen(canvas)
    shown = fitted(picture, 400)
    canvas.paste(shown, (MARGIN + (400 - shown.width) // 2, 56))
    text(draw, (MARGIN + 200, 28), title, size=23, bold=True, width=400)
    left, right = place = 640, WIDTH - 110
    text(draw, (left, 28), "what it answers", size=21, bold=True, colour=BLUE, anchor="lm")
    order = np.argsort(-np.asarray(probabilities), kind="stable")[:6]
    for k, label in enumerate(order):
        y, share = 72 + 43 * k, float(probabilities[label])
        text(draw, (left - 12, y), names[label], size=20, anchor="rm", width=180)
        for end, colour in ((1, "#F0F2F5"), (share, VERMILLION if share > SURE else BLUE)):
            draw.rectangle((left, y - 17, left + (right - left) * end, y + 17), fill=colour)
        text(draw, (right + 8, y), percent(share), size=18, anchor="lm")
    top, largest = float(np.max(probabilities)), float(np.log2(len(names)))
    ends = "0", f"{largest:.2f} bits: every class alike"
    _gauge(draw, 366, "confidence", top, percent(top), usual[0], known, ("0 %", "100 %"), place)
    _gauge(draw, 430, "entropy", entropy / largest, f"{entropy:.2f}", usual[1] / largest, known, ends, place)
    return np.asarray(canvas)


def _gauge(
    draw: ImageDraw.ImageDraw, y: int, name: str, share: float, says: str, usual: float, known, ends, place
) -> None:
    """One number on its scale, and a mark where it lies for what the network knows."""
    left, right = place
    text(draw, (left - 12, y), name, size=20, bold=True, anchor="rm")
    draw.rectangle((left, y - 5, right, y + 5), fill=GRID)
    x, mark = left + (right - left) * share, left + (right - left) * usual
    draw.polygon([(mark, y - 8), (mark - 9, y - 24), (mark + 9, y - 24)], fill=GREEN)
    beside, anchor = (-14, "rm") if usual > 0.5 else (14, "lm")
    text(draw, (mark + beside, y - 17), known, size=16, colour=GREEN, anchor=anchor)
    draw.ellipse((x - 10, y - 10, x + 10, y + 10), fill=INK)
    text(draw, (right + 14, y), says, size=18, bold=True, anchor="lm")
    text(draw, (left, y + 19), ends[0], size=16, colour=PALE, anchor="lm")
    text(draw, (right, y + 19), ends[1], size=16, colour=PALE, anchor="rm")


def certainty(rows: Sequence[tuple[str, np.ndarray, Sequence[float]]], *, title: str) -> np.ndarray:
    """How sure a network is of many pictures of each kind: a dot a picture, from 0 to 100 %.

    Args:
        rows: (kind, one picture of it, uint8 [H, W, 3], confidences in [0, 1]), top to bottom.
        title: the figure's one message.

    >>> certainty([("noise", np.zeros((8, 8, 3), np.uint8), [0.2, 0.4])], title="How sure?").shape[1:]
    (1120, 3)
    """
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    figure, canvas = sheet(WIDTH, 140 + 74 * len(rows), layout="constrained")
    figure.suptitle(title, fontsize=18, fontweight="bold", x=0.015, ha="left")
    axes = figure.add_subplot()
    beside, edge = axes.get_yaxis_transform(), 100 * SURE
    jitter = np.random.default_rng(0)  # so that dots do not hide one another
    for k, (_, picture, confidences) in enumerate(rows):
        sure = 100 * np.asarray(confidences)
        colours = np.where(sure > edge, VERMILLION, BLUE)
        axes.scatter(sure, k + jitter.uniform(-0.33, 0.33, len(sure)), 36, colours, edgecolors=PAPER, linewidths=0.7)
        told = f"{100 * np.mean(sure > edge):.3g} %"
        axes.text(1.02, k, told, fontsize=17, fontweight="bold", va="center", transform=beside)
        icon = OffsetImage(fitted(picture, 64), zoom=0.72 / used().point)
        box = axes.add_artist(AnnotationBbox(icon, (0.045, k), xycoords=("figure fraction", "data"), frameon=False))
        box.set_in_layout(False)  # it stands in the room that the layout leaves on the left
    axes.axvline(edge, color=VERMILLION)
    axes.text(1.02, -0.6, f"over {edge:.0f} %", color=VERMILLION, fontsize=14, fontweight="bold", transform=beside)
    dress(axes, "", "how sure it is (%)", "")
    axes.set_yticks(range(len(rows)), [name for name, *_ in rows], fontsize=14)
    axes.set(xlim=(0, 100.5), ylim=(len(rows) - 0.5, -0.5))
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1, rect=(0.08, 0, 0.92, 1))
    return finish(canvas)


def scan(strip: np.ndarray, places: Sequence[float], answers: Sequence[tuple[str, float]], *, title: str) -> np.ndarray:
    """A wide picture, and what a network says of a window that slides along it: how sure, and of what.

    Args:
        strip: uint8 [H, W, 3].
        places: the middle of each window, in pixels of the strip.
        answers: (name, confidence in [0, 1]) of each window; the names stand where `SURE` is passed.
        title: the figure's one message.

    >>> scan(np.zeros((64, 256, 3), np.uint8), [32, 128], [("stop", 0.2), ("yield", 0.95)], title="Where?").shape
    (480, 1120, 3)
    """
    names, sure = zip(*answers, strict=True)
    figure, canvas = sheet(WIDTH, 480, layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=(1, 0.9))
    above.imshow(strip, extent=(0, strip.shape[1], strip.shape[0], 0), aspect="auto", interpolation="nearest")
    above.set_yticks([])
    above.set_title(title, fontsize=18, fontweight="bold", loc="left")
    below.plot(places, 100 * np.asarray(sure), color=BLUE, linewidth=3)
    below.axhline(100 * SURE, color=VERMILLION, linestyle="--")
    begin = 0
    for end in range(1, len(names) + 1):  # runs of windows with one answer
        if end == len(names) or names[end] != names[begin]:
            best = max(range(begin, end), key=lambda k: sure[k])
            if sure[best] > SURE:
                look = {"color": VERMILLION, "fontsize": 14, "fontweight": "bold"}
                below.plot(places[best], 100 * sure[best], "o", color=VERMILLION, ms=9)
                below.text(places[best], 110, names[best], ha="center", va="bottom", **look)
            begin = end
    dress(below, "", "middle of the window (pixels)", "how sure (%)")
    below.set(xlim=(0, strip.shape[1]), ylim=(0, 140), yticks=(0, 50, 100))
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
    return finish(canvas)


# ---- small parts -------------------------------------------------------------------------------------------------
def _places(entries: Sequence[Entry]) -> list[tuple[float, float]]:
    """The middle of each dot; those of one lane and year stand above one another."""
    spots = [(entry.thread, entry.year) for entry in entries]
    many, lanes = Counter(spots), list(LANES)
    places = []
    for k, (thread, year) in enumerate(spots):
        rank = spots[:k].count((thread, year)) - (many[thread, year] - 1) / 2
        y = _TOP + (lanes.index(thread) + 0.5) * _LANE + rank * (2 * _DOT + 1)
        places.append((float(np.interp(year, _YEARS, _AT)), y))
    return places


def _dot(draw: ImageDraw.ImageDraw, x: float, y: float, radius: float, colour: str) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour, outline=PAPER)


@lru_cache(maxsize=512)
def _lines(words: str, size: int, bold: bool) -> list[str]:
    """Words broken into lines that fit on the card."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        if font(size, bold).getlength(longer) <= WIDTH - 2 * MARGIN - 230:
            lines[-1] = longer
        else:
            lines.append(word)
    return lines


def duration(days: float) -> str:
    """A number of days as a person says it: "40 minutes", "3 hours", "12 days", "5 months", "2.5 years".

    >>> duration(12.2)
    '12 days'
    """
    for unit, length in (("years", 365.25), ("months", 30.44), ("days", 1.0), ("hours", 1 / 24)):
        if days >= 1.95 * length:
            count = days / length
            return f"{count:,.0f} {unit}" if count >= 10 else f"{count:.2g} {unit}"
    return f"{max(2, round(days * 1440))} minutes"
