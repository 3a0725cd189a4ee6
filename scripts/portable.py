"""Run the tests as other machines would: `make portable` calls this (some two hours on two cores; not a part of CI).

    python scripts/portable.py [names …]      all variants, or those named: no-avx, avx2, threads, python3.12, lowest …

A variant is another processor (torch and oneDNN are told to leave out instructions), another number of threads, another
Python, or the lowest versions that pyproject.toml promises. Browser tests are left out: they depend on none of these.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUILD = ROOT / "build" / "portable"  # environments, kept for the next time, and a log of each run
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


@dataclass(frozen=True)
class Variant:
    """What differs from `make test` on this machine."""

    environment: dict[str, str] = field(default_factory=dict)
    python: str = ""  # such as "3.12"; empty: this very environment
    lowest: bool = False  # the lowest versions that are promised, not the newest


VARIANTS = {
    "no-avx": Variant({"ATEN_CPU_CAPABILITY": "default", "DNNL_MAX_CPU_ISA": "SSE41"}),
    "avx2": Variant({"ATEN_CPU_CAPABILITY": "avx2", "DNNL_MAX_CPU_ISA": "AVX2"}),
    "threads": Variant({"OMP_NUM_THREADS": "2"}),
    **{f"python{version}": Variant(python=version) for version in PYTHONS},
    "lowest": Variant(python=PYTHONS[0], lowest=True),
}


def interpreter(version: str) -> str | None:
    """A Python of that version on this machine: on the path, or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    beside = sorted(str(path) for path in pyenv.glob(f"versions/{version}.*/bin/python"))
    if (found := shutil.which(f"python{version}")) and not subprocess.run([found, "--version"]).returncode:
        return found
    return beside[-1] if beside else None


def python_of(name: str, variant: Variant) -> str:
    """The interpreter that runs a variant, in an environment that is made at the first time.

    Raises:
        LookupError: this machine has no such Python.
        subprocess.CalledProcessError: the packages cannot be installed.
    """
    if not variant.python:
        return sys.executable
    folder = BUILD / name
    python, done = str(folder / "bin" / "python"), folder / "installed"
    if done.is_file():
        return python
    base = interpreter(variant.python)
    if base is None:
        raise LookupError(f"there is no Python {variant.python} on this machine")
    subprocess.run([base, "-m", "venv", "--clear", folder], check=True)
    install = [python, "-m", "pip", "install", "--quiet"]
    if variant.lowest:  # pip knows the newest versions only
        subprocess.run([*install, "uv"], check=True)
        install = [python, "-m", "uv", "pip", "install", "--resolution", "lowest-direct", "--python", python]
    subprocess.run([*install, "--requirement", ROOT / "requirements.txt"], check=True)
    done.touch()
    return python


def run(name: str, variant: Variant) -> str:
    """One variant from beginning to end; gives pytest's last line, or why there is none."""
    try:
        python = python_of(name, variant)
    except (LookupError, subprocess.CalledProcessError) as problem:
        return f"not run: {problem}"
    own = {"OMP_NUM_THREADS": "1", "COURSE_DEVICE": "cpu", "PYTHONPATH": str(ROOT), **variant.environment}
    # A lesson's kernel is "python3": the one of this environment, since its folder comes first.
    own["PATH"] = os.pathsep.join([str(Path(python).parent), os.environ["PATH"]])
    command = [python, "-m", "pytest", "-n", "auto", "--maxprocesses=4", "--dist=loadfile", "-m", "not browser"]
    command += ["--nbval", "--nbval-current-env", "--nbval-cell-timeout=900", "--timeout=1600"]
    command += ["--nbval-sanitize-with=tests/nbval.cfg", "-p", "no:cacheprovider"]
    command += ["--doctest-modules", "course_utils", "tests", "notebooks"]
    log = BUILD / f"{name}.log"
    with log.open("w", encoding="utf-8") as file:
        subprocess.run(command, cwd=ROOT, env={**os.environ, **own}, stdout=file, stderr=subprocess.STDOUT)
    lines = log.read_text(encoding="utf-8").splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    return "\n    ".join([lines[-1].strip("= ") if lines else "nothing was printed", *failed])


def main() -> int:
    """Run the chosen variants and say how each ended; 1 if one did not end well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="name", help=f"any of {', '.join(VARIANTS)}")
    chosen = parser.parse_args().names or list(VARIANTS)
    if unknown := [name for name in chosen if name not in VARIANTS]:
        parser.error(f"there is no variant {unknown[0]}; choose among {', '.join(VARIANTS)}.")
    BUILD.mkdir(parents=True, exist_ok=True)
    ended = {}
    for name in chosen:
        begin = time.monotonic()
        ended[name] = run(name, VARIANTS[name])
        print(f"{name} ({(time.monotonic() - begin) / 60:.0f} min): {ended[name]}", flush=True)
    return int(any(not re.search(r"\d passed", end) or re.search(r"failed|error", end) for end in ended.values()))


if __name__ == "__main__":
    sys.exit(main())
