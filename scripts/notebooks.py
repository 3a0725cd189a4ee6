"""Keep the stored notebooks executed, small and reviewable; `make notebooks` and `make test` call this.

    python scripts/notebooks.py [names …]                    format → execute → normalise → lint
    python scripts/notebooks.py --check [--quick] [names …]  say what is wrong; quick: without executing

A normalised notebook that is executed again on the same machine and normalised again has the same bytes.
"""

from __future__ import annotations

import argparse
import base64
import configparser
import difflib
import hashlib
import io
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "notebooks"
MAX_BYTES = 1_500_000
MAX_LINES = 20  # the goal is 15
SLIDES = {"slide", "subslide", "fragment", "skip", "notes", "-"}
VIEW = "application/vnd.jupyter.widget-view+json"
HIDDEN_VIEW = {"model_id": "", "version_major": 2, "version_minor": 0}  # JupyterLab shows nothing for it
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"file_extension": ".py", "name": "python", "pygments_lexer": "ipython3"},
}
EMBEDDED = re.compile(r"data:image/[a-z]+;base64,([A-Za-z0-9+/=]+)")  # a picture inside text/html
PLACE = re.compile(r"(?<![\w.])/(home|Users|root|tmp)/|[A-Z]:\\+Users|" + re.escape(str(ROOT)))
QUIET = ["--IPKernelApp.log_level=ERROR"]  # for a kernel, which else warns at each start that it talks unencrypted
ADDRESS = re.compile(r"\b0x[0-9a-f]{8,}")


def find(names: list[str]) -> list[Path]:
    """The lessons that are meant by "8", "08" or "08_adversarial"; all of them if no name is given.

    Raises:
        SystemExit: a name that no lesson has; the sentence names the lessons.
    """
    every = sorted(FOLDER.glob("*.ipynb"))
    if not names:
        return every
    found = []
    for name in names:
        begin = Path(name).name.removesuffix(".ipynb")
        meant = [path for path in every if path.stem.startswith(begin.zfill(2) if begin.isdigit() else begin)]
        if not (begin and meant):
            known = [path.stem for path in every]
            near = difflib.get_close_matches(name, known, n=1)
            advice = f" Did you mean {near[0]}?" if near else ""
            raise SystemExit(f"There is no lesson {name}; there are {', '.join(known)}.{advice}")
        found += [path for path in meant if path not in found]
    return sorted(found)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def text(notebook: NotebookNode) -> str:
    """The notebook as it is stored: sorted keys, one space of indent, a newline at the end."""
    return nbformat.writes(notebook) + "\n"


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def execute(notebook: NotebookNode, folder: Path = FOLDER) -> NotebookNode:
    """Run all cells in a fresh kernel of this environment; on one thread, so that sums round alike."""
    fresh = nbformat.from_dict(notebook)
    for cell in code_cells(fresh):
        cell.update(outputs=[], execution_count=None)
    where = {"metadata": {"path": str(folder)}}
    options = {"timeout": 600, "record_timing": False, "store_widget_state": False}
    client = NotebookClient(fresh, kernel_name="python3", extra_arguments=QUIET, resources=where, **options)
    with tempfile.TemporaryDirectory() as nothing_solved:
        own = {
            "COURSE_DEVICE": "cpu",
            "OMP_NUM_THREADS": "1",
            "COURSE_PROGRESS": nothing_solved,
            "COURSE_CLAIMS": "stored",
        }
        return client.execute(env={**os.environ, **own})


def normalised(notebook: NotebookNode) -> NotebookNode:
    """The same notebook without what changes from run to run: widget state, model ids, cell ids, times."""
    clean = nbformat.from_dict(notebook)
    clean.update(nbformat=4, nbformat_minor=5, metadata=nbformat.from_dict(METADATA))
    clean.cells = [cell for cell in clean.cells if cell.source.strip()]
    taken: set[str] = set()
    for cell in clean.cells:
        cell.source = cell.source.rstrip("\n")
        cell.id = _name(cell, taken)
        kept = {key: cell.metadata[key] for key in ("jupyter", "slideshow", "tags") if cell.metadata.get(key)}
        if "tags" in kept:
            kept["tags"] = sorted(set(kept["tags"]))
        cell.metadata = nbformat.from_dict(kept)
        if cell.cell_type == "code":
            cell.outputs = _clean(cell.outputs)
    return clean


def _name(cell: NotebookNode, taken: set[str]) -> str:
    """A cell id that depends on what the cell says, so that inserting a cell leaves the others' ids alone."""
    name = hashlib.sha256(f"{cell.cell_type}\n{cell.source}".encode()).hexdigest()[:8]
    while name in taken:
        name += "-again"
    taken.add(name)
    return name


def _clean(outputs: list[NotebookNode]) -> list[NotebookNode]:
    kept: list[NotebookNode] = []
    for output in outputs:
        if output.output_type == "stream" and kept and kept[-1].get("name") == output.name:
            kept[-1].text += output.text  # how a stream is cut depends on the moment
            continue
        data = output.get("data", {})
        if VIEW in data:
            data[VIEW] = HIDDEN_VIEW
            if _is_static(data):
                del data[VIEW]  # without a kernel, the picture stands where the lab stood
        kept.append(output)
    return kept


def _is_static(data: dict) -> bool:
    return any(kind.startswith("image/") or kind in ("text/html", "text/markdown") for kind in data)


def faults(path: Path) -> list[str]:
    """What is wrong with a stored notebook, as far as one can see without executing it."""
    stored = path.read_text(encoding="utf-8")
    return [f"{path.name}: {fault}" for fault in _faults(read(path), stored)]


def _faults(notebook: NotebookNode, stored: str) -> Iterator[str]:
    if (size := len(stored.encode())) > MAX_BYTES:
        yield f"it has {size} bytes, {MAX_BYTES} are allowed; show fewer or smaller pictures."
    if stored != text(normalised(notebook)):
        yield "it is not normalised; say `make notebooks`."
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != list(range(1, len(counts) + 1)):
        yield f"it was not executed from top to bottom in one go ({counts}); say `make notebooks`."
    if not any("parameters" in cell.metadata.get("tags", []) for cell in notebook.cells):
        yield "no cell is tagged `parameters`, which papermill needs."
    checked = next((i for i, cell in enumerate(notebook.cells) if "lesson.check(" in cell.source), -1)
    for index, cell in enumerate(notebook.cells[: checked + 1], start=1):
        if cell.cell_type == "code" and "parameters" not in cell.metadata.get("tags", []) and not _folded(cell):
            yield f"cell {index} sets the lesson up; fold it, so that it opens with its question."
    for index, cell in enumerate(notebook.cells, start=1):
        if cell.metadata.get("slideshow", {}).get("slide_type") not in SLIDES:
            yield f"cell {index} has no slide tag."
        if PLACE.search(_plain(cell)):
            yield f"cell {index} names a folder of the machine that it ran on."
        if cell.cell_type == "code":
            yield from (f"cell {index} {fault}" for fault in _cell_faults(cell))


def _folded(cell: NotebookNode) -> bool:
    return cell.metadata.get("jupyter", {}).get("source_hidden", False)


def _cell_faults(cell: NotebookNode) -> Iterator[str]:
    if (lines := cell.source.count("\n") + 1) > MAX_LINES:
        yield f"has {lines} lines, {MAX_LINES} are allowed; move something into the package."
    for output in cell.outputs:
        if output.output_type == "error":
            yield f"stores an error: {output.ename}: {output.evalue}"
        if output.get("name") == "stderr":
            yield f"stores a warning: {output.text.strip()}"
    if ADDRESS.search(_plain(cell.outputs)):
        yield "shows a memory address, another one each time; end its last line with a semicolon."
    bundles = [output.get("data", {}) for output in cell.outputs]
    if any(VIEW in data for data in bundles) and not any(map(_is_static, bundles)):
        yield "shows nothing without a kernel; put a picture or text/html into the widget's mime bundle."


def _plain(node: NotebookNode | list) -> str:
    """A cell or outputs as lines of text, with the size of a picture in the place of its bytes."""

    def without_pictures(value, key=""):
        if isinstance(value, dict):
            return {name: without_pictures(item, name) for name, item in value.items()}
        if isinstance(value, list):
            return [without_pictures(item) for item in value]
        if isinstance(value, str) and key in ("image/png", "image/jpeg"):
            return _size(value)
        return EMBEDDED.sub(lambda match: _size(match[1]), value) if isinstance(value, str) else value

    plain = json.dumps(without_pictures(node), indent=1, sort_keys=True, ensure_ascii=False)
    return plain.replace("\\n", "\n")


def _size(encoded: str) -> str:
    """Width and height in steps of 16 pixels, as matplotlib's releases differ by one where they trim."""
    width, height = Image.open(io.BytesIO(base64.b64decode(encoded))).size
    return f"a picture of some {round(width / 16) * 16}×{round(height / 16) * 16} pixels"


def differences(stored: NotebookNode, fresh: NotebookNode) -> list[str]:
    """Where two executions show something else (pictures: another size), but for what nbval.cfg forgives."""
    config = configparser.RawConfigParser()
    config.read(ROOT / "tests" / "nbval.cfg", encoding="utf-8")
    found = []
    for index, cells in enumerate(zip(code_cells(stored), code_cells(fresh), strict=True), start=1):
        if "nbval-ignore-output" in cells[0].metadata.get("tags", []):
            continue
        before, after = (_plain(cell.outputs) for cell in cells)
        for section in config.sections():
            pattern, replacement = config[section]["regex"], config[section]["replace"]
            before, after = (re.sub(pattern, replacement, shown) for shown in (before, after))
        pairs = zip_longest(before.splitlines(), after.splitlines(), fillvalue="nothing")
        changed = [f"{old.strip()} → {new.strip()}" for old, new in pairs if old != new]
        found += [f"code cell {index} shows something else when executed again: {line}" for line in changed[:1]]
    return found


def check(path: Path, *, quick: bool = False) -> list[str]:
    """All that is wrong with a stored notebook; unless quick, also what changes when it is executed again."""
    found = faults(path)
    if not (quick or found):
        stored = read(path)
        found = [f"{path.name}: {fault}" for fault in differences(stored, normalised(execute(stored)))]
    return found


def ruff(*arguments: str) -> None:
    """Run ruff; what it finds stands on the screen and ends this command."""
    if code := subprocess.run([sys.executable, "-m", "ruff", *arguments], check=False).returncode:
        raise SystemExit(code)


def main() -> None:
    """Read the command line and do it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", help="lessons, such as 8 or 08_adversarial; without any, all of them")
    parser.add_argument("--check", action="store_true", help="change nothing, only say what is wrong")
    parser.add_argument("--quick", action="store_true", help="check without executing")
    arguments = parser.parse_args()
    found: list[str] = []
    for path in find(arguments.names):
        if not arguments.check:
            ruff("format", "--quiet", str(path))
            path.write_text(text(normalised(execute(read(path)))), encoding="utf-8")
            ruff("check", "--quiet", str(path))
        found += check(path, quick=arguments.quick or not arguments.check)
        print(f"{path.name}: {path.stat().st_size / 1e3:.0f} kB", flush=True)
    if found:
        raise SystemExit("\n".join(found))


if __name__ == "__main__":
    main()
