"""Heat maps over pictures, and how good they are: the drawings of notebook 7 and its lab.

Serves notebook 7. Nothing here computes: it shows what it is given. Papers: none.
Each figure is uint8 [height, width, 3].
"""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from PIL import Image
from torch import Tensor

from course_utils.figures.base import MARGIN, WIDTH, begin, fitted, font, panels, percent, text
from course_utils.figures.charts import LOOKS, dress
from course_utils.figures.colours import BLUE, GRID, INK, PALE, PAPER, VERMILLION, overlaid, shades
from course_utils.figures.style import finish, pen, sheet, stronger, used
from course_utils.gradcam.saliency import normalise
from course_utils.images import to_pixels

Scores = Mapping[str, Mapping[str, tuple[float, float, float]]]  # method → score → (mean, lower, upper)
LESS_IS_BETTER = ("deletion",)  # of all scores


# ---- pictures in rows and columns ------------------------------------------------------------------------------
def overlay(pictures: Tensor, maps: Tensor, *, opacity: float = 0.7, cut: float = 0.0) -> list[np.ndarray]:
    """Maps over their pictures, ready for a figure: uint8 [H, W, 3] each.

    Args:
        pictures: [N, 3, H, W] in [0, 1].
        maps: [N, H, W]; each is stretched to [0, 1].
        cut: the share of pixels, the hottest, that are shown alike, as in `saliency.normalise`.
        opacity: from 0, the picture alone, to 1, the map alone.

    >>> import torch
    >>> [pixels.shape for pixels in overlay(torch.rand(2, 3, 8, 8), torch.rand(2, 8, 8))]
    [(8, 8, 3), (8, 8, 3)]
    """
    pairs = zip(to_pixels(pictures), normalise(maps, cut=cut).cpu().numpy(), strict=True)
    return [fewer_shades(overlaid(picture, heat, opacity=opacity)) for picture, heat in pairs]


def grid(
    rows: Sequence[Sequence[np.ndarray]],
    *,
    title: str,
    columns: Sequence[str] = (),
    names: Sequence[str] = (),
    notes: Sequence[Sequence[str]] | None = None,
    side: int = 200,
) -> np.ndarray:
    """Pictures in rows and columns.

    Args:
        rows: uint8 [H, W, 3] each.
        title: the figure's one message.
        columns, names: of the columns, above them, and of the rows, on the left; or none.
        notes: a few words under each picture, or none at all.
        side: the largest edge of a picture on the figure, in pixels.

    >>> grid([[np.zeros((8, 8, 3), np.uint8)] * 2], title="Two black pictures").shape[1] == WIDTH
    True
    """
    left, widest, below = MARGIN + (200 if names else 0), max(map(len, rows)), 40 if notes else 12
    step = (WIDTH - MARGIN - left + 12) / widest
    middles = [left + (k + 0.5) * step - 6 for k in range(widest)]
    drawn = [[fitted(picture, min(side, int(step) - 12)) for picture in row] for row in rows]
    tall = [max(picture.height for picture in row) for row in drawn]
    wide = [font(19).getlength(name) > step - 6 for name in columns]
    top = (86 if columns else 54) + 22 * any(wide)  # a name that is too wide stands in two lines, in the same type
    canvas, draw = begin(top + sum(tall) + len(rows) * below + 4, title)
    for middle, name, broken in zip(middles, columns, wide, strict=False):
        for k, line in enumerate(name.split(" ", 1) if broken else [name]):
            text(draw, (middle, 66 + 22 * k), line, size=19, colour=PALE, width=step - 6)
    for i, row in enumerate(drawn):
        for k, picture in enumerate(row):
            x = round(middles[k] - picture.width / 2)
            canvas.paste(picture, (x, top))
            draw.rectangle((x - 1, top - 1, x + picture.width, top + picture.height), outline=PALE)
            if notes:
                text(draw, (middles[k], top + picture.height + 16), notes[i][k], size=18, width=step - 6)
        if names:
            text(draw, (left - 14, top + tall[i] / 2), names[i], size=20, anchor="rm", width=190)
        top += tall[i] + below
    return fewer_shades(np.asarray(canvas))


def fewer_shades(pixels: np.ndarray) -> np.ndarray:
    """A picture in every eighth shade: the eye sees the same, and a notebook that stores it needs half the bytes."""
    return np.minimum((pixels.astype(np.int16) + 4) // 8 * 8, 255).astype(np.uint8)


# ---- the lab ---------------------------------------------------------------------------------------------------
def look(
    pictures: Sequence[np.ndarray],
    titles: Sequence[str],
    captions: Sequence[str],
    class_names: Sequence[str],
    probabilities: np.ndarray,
    chosen: Sequence[int],
    *,
    colours: str = "inferno",
) -> np.ndarray:
    """The lab's picture: a scene, heat over it for one class or two, and what the network reads.

    Args:
        pictures: uint8 [H, W, 3] each: the scene, then its maps in `colours`.
        titles, captions: one a picture.
        class_names, probabilities: of all classes, float [classes].
        chosen: the classes that are explained; their bars stand out.
    """
    if pictures[0].shape[1] > pictures[0].shape[0]:  # a wide scene gets all the room that there is
        pictures = [picture.repeat(4, axis=0).repeat(4, axis=1) for picture in pictures]
    above = panels(pictures, titles, captions, side=320 if len(pictures) > 2 else 440)
    likeliest = np.argsort(-np.asarray(probabilities), kind="stable").tolist()
    shown = list(dict.fromkeys([*likeliest[:5], *chosen]))[:6]
    canvas = Image.new("RGB", (WIDTH, 58 + 34 * len(shown)), PAPER)
    draw = pen(canvas)
    scale = Image.fromarray(np.round(shades(colours)[None].repeat(14, axis=0)).astype(np.uint8))  # from cold to hot
    canvas.paste(scale, (WIDTH - MARGIN - 256 - 50, 15))
    text(draw, (WIDTH - MARGIN - 256 - 60, 22), "0", size=18, colour=PALE, anchor="rm")
    text(draw, (WIDTH - MARGIN, 22), "max", size=18, colour=PALE, anchor="rm")
    text(draw, (MARGIN, 22), "what the network reads", size=20, bold=True, anchor="lm")
    looks = dict(zip(chosen, (VERMILLION, BLUE), strict=False))
    for k, label in enumerate(sorted(shown, key=likeliest.index)):
        y, value = 58 + 34 * k, float(probabilities[label])
        end = max(260 + (WIDTH - 400) * value, 262)
        text(draw, (244, y), class_names[label], size=20, bold=label in looks, anchor="rm", width=224)
        draw.rectangle((260, y - 12, end, y + 12), fill=looks.get(label, PALE))
        text(draw, (end + 10, y), percent(value), size=19, anchor="lm")
    return np.concatenate([above, np.asarray(canvas)])


# ---- scores ----------------------------------------------------------------------------------------------------
class Table:
    """Scores as a table: one row a method, one column a score, the best of each column in bold; baselines in grey.

    >>> Table({"ours": {"deletion": (0.25, 0.2, 0.3)}}, baselines=())
               deletion
    ours           0.25
    """

    def __init__(self, rows: Scores, *, baselines: Collection[str]):
        self.rows, self.baselines, self.kinds = rows, baselines, list(next(iter(rows.values())))

    def __repr__(self) -> str:
        cells = {"": self.kinds} | {
            name: [f"{mean:.2f}" for mean, *_ in row.values()] for name, row in self.rows.items()
        }
        wide = max(map(len, self.rows))
        return "\n".join("  ".join([f"{name:{wide}}", *(f"{cell:>13}" for cell in row)]) for name, row in cells.items())

    def _repr_html_(self) -> str:
        head, body = "".join(f"<th>{html.escape(kind)}</th>" for kind in self.kinds), []
        every = {kind: [scores[kind][0] for scores in self.rows.values()] for kind in self.kinds}
        best = {kind: min(means) if kind in LESS_IS_BETTER else max(means) for kind, means in every.items()}
        for name, scores in self.rows.items():
            grey = ' style="background:#EFEFEF; color:#1A1A1A"' if name in self.baselines else ""
            cells = [f'<td style="text-align:left">{html.escape(name)}</td>']
            for kind, (mean, low, high) in scores.items():
                words = f"<b>{mean:.2f}</b>" if mean == best[kind] else f"{mean:.2f}"
                cells.append(f"<td>{words} <small>[{low:.2f}, {high:.2f}]</small></td>")
            body.append(f"<tr{grey}>{''.join(cells)}</tr>")
        return f"<table><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"


def scores(table: Scores, *, title: str, baselines: Collection[str]) -> np.ndarray:
    """One row a method, one column a score, a dot with its error bar; dashed, the best blind baseline.

    Args:
        baselines: which rows are no methods.

    >>> scores({"ours": {"deletion": (0.25, 0.2, 0.3)}}, title="One method", baselines=()).shape[1] == WIDTH
    True
    """
    kinds, rows = list(next(iter(table.values()))), np.arange(len(table))
    blind = np.array([name in baselines for name in table])
    figure, canvas = sheet(WIDTH, 172 + 34 * len(table), layout="constrained")
    for axes, kind in zip(figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0], kinds, strict=True):
        mean, lower, upper = np.transpose([scores[kind] for scores in table.values()])
        for some, colour in ((~blind, BLUE), (blind, stronger(PALE))):
            ends = mean[some] - lower[some], upper[some] - mean[some]
            axes.errorbar(mean[some], rows[some], xerr=ends, fmt="o", color=colour, linewidth=2.5, capsize=5)
        less = kind in LESS_IS_BETTER
        if blind.any():
            axes.axvline(min(mean[blind]) if less else max(mean[blind]), color=INK, linestyle="--", linewidth=2)
        for row in rows[blind]:
            axes.axhspan(row - 0.5, row + 0.5, color="#EFEFEF", zorder=0)
        axes.set_title(f"{kind}\n{'← better' if less else 'better →'}", fontsize=14)
        axes.set_xlim(-0.03, 1.03)
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        axes.set_yticks(rows, list(table))
        axes.set_ylim(len(table) - 0.5, -0.5)
        axes.tick_params(labelsize=13, left=False)
        axes.grid(axis="x", color=stronger(GRID))
        axes.spines[["top", "left", "right"]].set_visible(False)
    figure.suptitle(title, fontsize=17, fontweight="bold", x=0.015, ha="left")
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.1)
    return fewer_shades(finish(canvas))


def small_curves(
    charts: Mapping[str, Mapping[str, Sequence[tuple[float, float, float]]]],
    x: Sequence[float],
    *,
    title: str,
    y_label: str,
    y_range: tuple[float, float] = (0.0, 1.0),
) -> np.ndarray:
    """Several charts side by side over the same upright axis, the same lines with bands in each. For what stands still.

    Args:
        charts: what stands below the axis → name of the line → (mean, lower, upper) of each value.
        x: where the values stand.
        title: the figure's one message.
        y_label, y_range: of the upright axis, with its unit, and what it spans.

    >>> small_curves({"left": {"a line": [(0, 0, 0), (0.9, 0.8, 1)]}}, [0, 1], title="A line", y_label="height").shape
    (460, 1120, 3)
    """
    figure, canvas = sheet(WIDTH, 460, layout="constrained")
    every = figure.subplots(1, len(charts), sharey=True, squeeze=False)[0]
    for axes, (label, lines) in zip(every, charts.items(), strict=True):
        for (name, points), (colour, dashes) in zip(lines.items(), LOOKS, strict=False):
            means, lower, upper = zip(*points, strict=True)
            axes.plot(x, means, dashes, color=colour, linewidth=3, label=name)
            axes.fill_between(x, lower, upper, color=colour, alpha=0.2, linewidth=0)
        axes.set_ylim(*y_range)
        dress(axes, "", label, y_label if axes is every[0] else "")
    figure.suptitle(title, fontsize=18, fontweight="bold", x=0.015, ha="left")
    handles, names = every[0].get_legend_handles_labels()
    size = 14 / used().point ** 0.5  # six names have to stand below
    figure.legend(handles, names, loc="outside lower center", ncols=min(3, len(names)), fontsize=size, frameon=False)
    figure.get_layout_engine().set(w_pad=0.12, h_pad=0.08)
    return fewer_shades(finish(canvas))
