"""A look-alike of Colab for the rehearsal: its old Jupyter stack around this environment's torch.

Colab (its freeze of August 2026) has ipywidgets 7.7.1, IPython 7.34 and their kin. They are installed into an
environment of their own; everything else, torch first of all, is borrowed from the environment that runs the tests.
The course itself is not borrowed: the lessons have to bring it, as in Colab.
"""

import json
import os
import re
import subprocess
import sys
import sysconfig
from pathlib import Path

PINS = {
    "ipywidgets": "7.7.1",
    "jupyterlab_widgets": "1.1.11",  # with 3.x, JupyterLab 4 does not show widgets of ipywidgets 7
    "widgetsnbextension": "3.6.10",
    "ipykernel": "6.17.1",
    "ipython": "7.34.0",
    "matplotlib": "3.10.0",
    "nbclient": "0.10.4",
    "jupyter_client": "7.4.9",
    "traitlets": "5.7.1",
    "notebook": "6.5.7",
}
KIN = ("backcall", "decorator", "ipython_genutils", "nbclassic", "nest_asyncio", "pickleshare")  # what those need
OWN = re.compile(r"_?course[_-]utils|.*\.pth$|__pycache__", re.IGNORECASE)  # what is not borrowed


def environment(folder: Path) -> Path:
    """Make the environment; gives its Python.

    Raises:
        subprocess.CalledProcessError: the packages could not be had, for example without a network.
    """
    subprocess.run([sys.executable, "-m", "venv", folder / "env"], check=True, capture_output=True)
    python = folder / "env" / ("Scripts" if os.name == "nt" else "bin") / "python"
    borrowed = folder / "borrowed"
    borrowed.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not OWN.fullmatch(entry.name):
            (borrowed / entry.name).symlink_to(entry)
    (_site(python) / "borrowed.pth").write_text(f"{borrowed}\n")
    pins = [f"{name}=={version}" for name, version in PINS.items()]
    pip = [python, "-m", "pip", "install", "--quiet", "--no-deps", "--ignore-installed", "--disable-pip-version-check"]
    subprocess.run([*pip, *pins, *KIN], check=True, capture_output=True, text=True)
    _front(folder / "env")
    return python


def _front(env: Path) -> None:
    """JupyterLab's own page from the environment of the tests, the widgets' from this one."""
    here = Path(sys.prefix) / "share" / "jupyter" / "lab"
    there = env / "share" / "jupyter" / "lab"
    there.parent.mkdir(parents=True, exist_ok=True)
    there.symlink_to(here)
    kernel = env / "share" / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True, exist_ok=True)
    command = [str(env / "bin" / "python"), "-m", "ipykernel_launcher", "-f", "{connection_file}"]
    told = {"argv": command, "display_name": "Python 3 (ipykernel)", "language": "python"}
    (kernel / "kernel.json").write_text(json.dumps(told))


def _site(python: Path) -> Path:
    program = "import sysconfig; print(sysconfig.get_path('purelib'))"
    return Path(subprocess.run([python, "-c", program], check=True, capture_output=True, text=True).stdout.strip())


def installed(python: Path) -> set[str]:
    """Names of the packages that are really in the environment, not borrowed."""
    return {entry.name.split("-")[0].lower() for entry in _site(python).glob("*.dist-info")}


def bare() -> dict[str, str]:
    """This process's environment variables without what would lead to the checkout."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "COURSE_SOURCE")}
