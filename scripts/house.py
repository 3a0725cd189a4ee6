"""Draw the package as a house, from its imports: eight wings above, the ground that they share below; docs/house.png.

    python scripts/house.py [--to docs/house.png]

What stands above imports what stands below, never the other way round; no wing imports another. The contracts in
pyproject.toml hold that; this draws what is there.
"""

from __future__ import annotations

import argparse
import ast
import re
import textwrap
from pathlib import Path

import grimp
import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "course_utils"
LAST = ("figures", "labs", "checks")  # the rooms that each wing has
INK, GREY, EDGE = "#1a1a1a", "#5a6470", "#9aa5b1"
METHOD, SHARED, FLOOR = "#d9e8f5", "#fdf0d5", "#e4f0e4"
WIDTH, HEIGHT = 160.0, 100.0


def floors() -> list[tuple[str, ...]]:
    """The wings, then the floors of the ground from above to below, as the first contract in pyproject.toml says."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = ast.literal_eval(re.search(r"^layers = (\[.*?^\])", text, re.DOTALL | re.MULTILINE)[1])
    return [tuple(layer.split(" | ")) for layer in layers]


WINGS, *GROUND = floors()


def lines(module: str) -> int:
    """Lines of a module, or of a package with all that is in it."""
    place = ROOT / module.replace(".", "/")
    files = sorted(place.rglob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def rooms(graph: grimp.ImportGraph, package: str) -> list[str]:
    """Names of the modules in a package; a wing's methods first, then figures, labs and checks."""
    names = {name.rsplit(".", 1)[1] for name in graph.find_children(f"{PACKAGE}.{package}")}
    return sorted(names - set(LAST)) + [name for name in LAST if name in names]


def used(graph: grimp.ImportGraph, wing: str) -> list[str]:
    """The rooms of the ground that the modules of a wing import, in the order of the floors."""
    inside = {f"{PACKAGE}.{wing}"} | graph.find_descendants(f"{PACKAGE}.{wing}")
    imported = {name for module in inside for name in graph.find_modules_directly_imported_by(module)}
    found = {name.split(".")[1] for name in imported if name.startswith(f"{PACKAGE}.")}
    return [room for floor in GROUND for room in floor if room in found]


def box(axes: Axes, x: float, y: float, width: float, height: float, colour: str) -> None:
    axes.add_patch(
        FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.8", fc=colour, ec=EDGE, lw=0.8)
    )


def draw_wing(axes: Axes, graph: grimp.ImportGraph, number: int, wing: str) -> None:
    """A card: the lesson's number and name, its rooms with their lines, and what it stands on."""
    width, top = (WIDTH - 2) / len(WINGS), HEIGHT - 6
    step = min(2.8, (top - 5.2 - 53.5) / max(len(rooms(graph, other)) for other in WINGS))
    left = 1 + number * width + 0.5
    inner = width - 1
    box(axes, left, 46, inner, top - 46, "white")
    axes.text(left + inner / 2, top - 2.6, f"{number + 1}  {wing}", ha="center", va="center", size=11, weight="bold")
    y = top - 5.2
    for room in rooms(graph, wing):
        y -= step
        box(axes, left + 0.8, y, inner - 1.6, step - 0.6, SHARED if room in LAST else METHOD)
        axes.text(left + 1.4, y + (step - 0.6) / 2, room, va="center", size=7.6)
        count = lines(f"{PACKAGE}.{wing}.{room}")
        axes.text(left + inner - 1.4, y + (step - 0.6) / 2, f"{count}", va="center", ha="right", size=6.6, color=GREY)
    stands_on = textwrap.fill("stands on " + ", ".join(used(graph, wing)), 27)
    axes.text(left + inner / 2, 46.8, stands_on, va="bottom", ha="center", size=6.8, color=GREY, linespacing=1.3)


def draw_floor(axes: Axes, graph: grimp.ImportGraph, y: float, height: float, floor: tuple[str, ...]) -> None:
    """A floor of the ground: its rooms side by side, each with its modules and its lines."""
    inside = {room: ", ".join(rooms(graph, room)) for room in floor}
    shares = [25 + len(inside[room]) for room in floor]  # a room with more to say is wider
    left = 1.5
    for room, share in zip(floor, shares, strict=True):
        width = (WIDTH - 2) * share / sum(shares)
        box(axes, left, y, width - 1, height - 0.7, FLOOR)
        middle = y + height / 2 - 0.4
        axes.text(left + 1.2, middle + 0.8, room, va="center", size=9.5, weight="bold")
        axes.text(left + 1.2, middle - 1.1, f"{lines(f'{PACKAGE}.{room}'):,} lines", va="center", size=6, color=GREY)
        axes.text(left + 12.5, middle + 0.7, inside[room], va="center", size=7.4)
        left += width


def draw(to: Path) -> None:
    """Write the picture."""
    graph = grimp.build_graph(PACKAGE, cache_dir=None)
    figure, axes = plt.subplots(figsize=(14.4, 9.0), dpi=110)
    axes.set(xlim=(0, WIDTH), ylim=(0, HEIGHT))
    axes.axis("off")
    figure.subplots_adjust(0, 0, 1, 1)
    total = f"course_utils: a wing a lesson, on one ground ({lines(PACKAGE):,} lines)"
    axes.text(1.5, HEIGHT - 2.6, total, size=14, weight="bold", va="center", color=INK)
    for number, wing in enumerate(WINGS):
        draw_wing(axes, graph, number, wing)
    height = 43.5 / len(GROUND)
    for number, floor in enumerate(GROUND):
        draw_floor(axes, graph, 44.5 - (number + 1) * height, height, floor)
    axes.annotate("", (0.4, 1), (0.4, HEIGHT - 6), arrowprops={"arrowstyle": "-|>", "color": GREY, "lw": 1.2})
    axes.text(WIDTH - 1.5, HEIGHT - 2.6, "what stands above imports what stands below", ha="right", va="center", size=9)
    to.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(to, metadata={"Software": None})
    plt.close(figure)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--to", type=Path, default=ROOT / "docs" / "house.png")
    draw(parser.parse_args().to)
