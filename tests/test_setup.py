"""Setting up: the lists of packages agree, the wheel is complete, `make lab` serves and asks nothing."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # comes with hatchling

ROOT = Path(__file__).resolve().parent.parent
CONDA_NAMES = {"pytorch": "torch"}  # what conda calls otherwise
COMMANDS = {"lab", "test", "notebooks", "networks", "results", "sheet", "wheel", "clean", "teacher", "publish", "help"}
COMMANDS |= {"report", "slides", "app", "rehearse", "portable"}


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def environment() -> dict:
    return yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))


def agreed(lines: list[str]) -> dict[str, str]:
    """Package name → allowed versions, of lines as pip and conda write them."""
    parsed = [Requirement(line) for line in lines]
    return {CONDA_NAMES.get(one.name, one.name): str(one.specifier) for one in parsed}


def in_pyproject() -> dict[str, str]:
    extras = project()["optional-dependencies"]
    return agreed([*project()["dependencies"], *extras["lab"], *extras["stage"], *extras["test"]])


def repository_files(*folders: str) -> list[str]:
    """What git knows or would take, as paths from the root."""
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("this is no git checkout")
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [name for name in names if (ROOT / name).is_file()]


def test_requirements_txt_says_what_pyproject_says():
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    assert agreed([line for line in lines if line and not line.startswith("#")]) == in_pyproject()


def test_environment_yml_says_what_pyproject_says():
    *conda, pip = environment()["dependencies"]
    *pip_lines, course = pip["pip"]
    assert course == "-e ."
    packages = agreed(conda + pip_lines)
    assert packages.pop("python") == project()["requires-python"]
    packages.pop("pip")
    assert packages == in_pyproject()


def test_every_package_has_a_lower_bound_and_none_is_pinned():
    for name, versions in in_pyproject().items():
        assert ">=" in versions, name
        assert "==" not in versions, name


def test_colab_keeps_its_own_packages():
    # what Colab's freeze of August 2026 holds: nothing of it may be installed again
    colab = {
        "torch": "2.11.0",
        "torchvision": "0.26.0",
        "numpy": "2.1.3",
        "ipywidgets": "7.7.1",
        "matplotlib": "3.10.0",
        "pillow": "11.3.0",
        "safetensors": "0.8.0",
        "tqdm": "4.67.3",
        "scipy": "1.16.3",
        "scikit-image": "0.25.2",
        "scikit-learn": "1.6.1",
    }
    for line in project()["dependencies"]:
        package = Requirement(line)
        assert package.name in colab, f"{package.name} has to be installed in Colab first"
        assert package.specifier.contains(colab[package.name]), line


def test_torchvision_fits_torch():
    import torch
    import torchvision

    boxes = torch.tensor([[0.0, 0, 2, 2], [0, 0, 2, 1.9]])
    assert torchvision.ops.nms(boxes, torch.tensor([0.5, 0.9]), 0.5).tolist() == [1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-cache-dir",
        "--no-build-isolation",
        "-w",
        folder,
        ROOT,
    ]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = folder.glob("course_utils-*.whl")
    return made


def test_the_wheel_carries_the_package_and_its_data_and_nothing_else(wheel):
    carried = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    data = {f"course_utils/{name}" for name in repository_files("data")}
    assert carried == data | set(repository_files("course_utils"))


def test_the_installed_wheel_finds_its_data_in_an_empty_folder(wheel, tmp_path):
    site, empty = tmp_path / "site", tmp_path / "empty"
    empty.mkdir()
    install = [sys.executable, "-m", "pip", "install", "--no-deps", "--no-index", "--target", site, wheel]
    subprocess.run(install, check=True, capture_output=True)
    program = "from course_utils import runtime; print(runtime.DATA)"
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    printed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=empty,
        env={**clean, "PYTHONPATH": str(site)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout.strip()
    assert Path(printed) == site / "course_utils" / "data"
    shipped = {path.relative_to(printed).as_posix() for path in Path(printed).rglob("*") if path.is_file()}
    assert shipped == {name.removeprefix("data/") for name in repository_files("data")}


def test_a_checkout_finds_the_data_of_the_repository():
    from course_utils import runtime

    assert runtime.DATA == ROOT / "data"


needs_make = pytest.mark.skipif(not shutil.which("make"), reason="there is no make on this machine")


def make(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(["make", *arguments], cwd=ROOT, env=outside_make(), capture_output=True, text=True)


def outside_make() -> dict[str, str]:
    """The environment without what an outer `make test` would hand down."""
    return {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}


@needs_make
def test_make_alone_lists_the_commands():
    listed = make().stdout
    assert set(re.findall(r"^make (\w+)", listed, flags=re.MULTILINE)) == COMMANDS
    assert make("help").stdout == listed


@needs_make
def test_an_old_python_is_refused_with_one_sentence(tmp_path):
    old = tmp_path / "python3.8"
    old.write_text(f'#!/bin/sh\nshift\nexec {sys.executable} -c "import sys; sys.version_info = (3, 8); $1"\n')
    old.chmod(0o755)
    answer = make(f"PYTHON={old}", f"VENV={tmp_path / 'venv'}", "lab")
    assert answer.returncode != 0
    assert "This course needs Python 3.10 or newer" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert not (tmp_path / "venv").exists()


@needs_make
def test_make_lab_serves_the_notebooks_and_asks_nothing():
    if not (ROOT / ".venv").is_dir() or make("--question", ".venv/lab.stamp").returncode:
        pytest.skip("the course is not installed into .venv; `make test` does that")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        ["make", "lab", f"PORT={port}", "LAB_ARGS=--no-browser --IdentityProvider.token=secret"],
        cwd=ROOT,
        env=outside_make(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        served = answer(f"http://127.0.0.1:{port}/api/contents/", server)
        settings = "lab/api/settings/@jupyterlab/apputils-extension:notification"
        news = answer(f"http://127.0.0.1:{port}/{settings}", server)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.communicate(timeout=30)
    lessons = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert lessons <= {entry["name"] for entry in served["content"]}
    assert news["schema"]["properties"]["fetchNews"]["default"] == "false"


def answer(url: str, server: subprocess.Popen, seconds: float = 120) -> dict:
    """What the server says, waiting until it has started."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and server.poll() is None:
        try:
            request = urllib.request.Request(url, headers={"Authorization": "token secret"})
            with urllib.request.urlopen(request, timeout=10) as reply:
                return json.load(reply)
        except urllib.error.HTTPError:
            raise
        except OSError:
            time.sleep(0.2)
    os.killpg(server.pid, signal.SIGKILL)
    raise AssertionError(f"`make lab` did not serve {url}:\n{server.communicate()[0]}")


def test_no_file_names_a_registry_host():
    hosts = re.compile(r"pypi[.]org|python[h]osted|registry[.]npmjs|deb[.]debian")  # none of them stands here
    names = repository_files()
    assert {"README.md", "Makefile", "pyproject.toml"} <= set(names)
    for name in names:
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # a picture or a network
        assert not (found := hosts.search(text)), f"{name} names {found[0]}"
