"""What the scripts results_….py share: how a file came to be, its one form, the networks they train, a script's parts.

No script itself; `make results` runs those.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from course_utils import runtime, signs, zoo

NUMBERS = re.compile(r"\[[^\[\]{}]*\]")  # a list that holds no list and no dictionary


def made(script: str, part: str = "", **facts: Any) -> dict[str, Any]:
    """How a file came to be: the command that makes it again, what it was made with, and the facts of the script."""
    return {
        "command": f"python scripts/results_{script}.py {part}".strip(),
        "torch": torch.__version__.split("+")[0],
        "device": runtime.device().type,
        **facts,
    }


def precision(device: torch.device | None = None) -> str:
    """In which numbers networks are trained there: "bfloat16", "float32"."""
    return str(runtime.fast_dtype(device or runtime.device())).removeprefix("torch.")


def text(content: Any) -> str:
    """Content as JSON: an entry a line, a list of numbers in one: files stay small, changes readable."""
    indented = json.dumps(content, indent=1, ensure_ascii=False)
    return NUMBERS.sub(lambda found: re.sub(r"\s*\n\s*", " ", found[0]), indented) + "\n"


def write(path: Path, content: Any) -> None:
    """Write a JSON file, and say how large it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text(content), encoding="utf-8")
    print(path.name, f"{path.stat().st_size / 1024:.0f} KiB", flush=True)


def network_of_signs(
    body: nn.Module, name: str, size: int = 64, class_names: Sequence[str] = signs.CLASS_NAMES
) -> zoo.PixelNetwork:
    """A network for road-sign scenes of size × size pixels, on the best device that there is."""
    how = {"class_names": class_names, "input_size": size, "mean": signs.MEAN, "std": signs.STD}
    return zoo.PixelNetwork(body, name=name, **how).to(runtime.device())


def store(network: zoo.PixelNetwork, facts: Mapping[str, Any], measure: Callable[[nn.Module], dict]) -> None:
    """Put a network of one lesson among those that ship, with its accuracy in its card.

    What is stored is measured, not what was trained: half precision is part of the network.

    Args:
        network: stored under its name.
        facts: what the card says besides: architecture, arguments, how it was trained.
        measure: network → its accuracy.
    """
    zoo.save(network, network.name, facts, shelf=zoo.LESSONS)
    stored = zoo.load(network.name, device=runtime.device())
    accuracy = measure(stored)
    zoo.save(stored, network.name, facts | {"accuracy": accuracy}, shelf=zoo.LESSONS)
    print(network.name, accuracy, flush=True)


def main(parts: Mapping[str, Callable[[], None]], about: str | None, words: list[str] | None = None) -> None:
    """Make the parts that are named on the command line, or all, one after the other.

    Args:
        parts: name → what makes it.
        about: the script's own docstring.
        words: instead of the command line's.
    """
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=[*parts, []], default=[])
    for part in parser.parse_args(words).parts or parts:
        begin = time.perf_counter()
        parts[part]()
        print(f"{part}: {time.perf_counter() - begin:.0f} s", flush=True)
