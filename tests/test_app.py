"""A lab alone on the screen: which cells build one, which lines it needs, and Voilà in a real Chromium."""

import ast
import builtins
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

pytest.importorskip("latex2mathml", reason="the extra `stage` is not installed")

from scripts import app, notebooks
from tests import browser, offline

LESSONS = notebooks.find([])


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("WindowLab()", "WindowLab"),
        ("from a import SomeLab\n\nSomeLab(depth=2)", "SomeLab"),
        ("labs.OtherLab(1).set(steps=2)", "OtherLab"),
        ("%time 1\nWindowLab()", "WindowLab"),
        ("lab = WindowLab()", None),
        ("WindowLab()\nprint(1)", None),
        ("Laboratory()", None),
        ("1 +", None),
        ("", None),
    ],
)
def test_a_cell_shows_a_lab_if_its_last_line_builds_one(source, name):
    assert app.builds_lab(source) == name


def test_a_cells_imports_are_taken_without_what_it_does():
    assert app.imports("%time 1\nimport a, b.c as d\nx = 1\nfrom e import (\n    f,\n    g,\n)\nf(x)") == [
        "import a, b.c as d",
        "from e import f, g",
    ]
    assert app.imports("def f():\n    import a") == []


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_every_lesson_has_labs_and_each_of_them_finds_all_its_names(path):
    lesson = notebooks.read(path)
    (tagged,) = (cell.source for cell in lesson.cells if "parameters" in cell.metadata.get("tags", []))
    assert app.labs(lesson)
    for name in app.labs(lesson):
        setup, chosen, imported, lab = (cell.source for cell in app.notebook(lesson, name).cells)
        assert setup == next(cell.source for cell in notebooks.code_cells(lesson))
        assert chosen == tagged
        assert "print" not in lab
        names = [node for source in (chosen, imported, lab) for node in ast.walk(ast.parse(source))]
        made = {node.id for node in names if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
        made |= {node.asname or node.name.split(".")[0] for node in names if isinstance(node, ast.alias)}
        read = {node.id for node in names if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        assert read <= made | set(dir(builtins)), f"{name} reads {read - made - set(dir(builtins))}"
        assert app.builds_lab(lab) == name


def test_a_lab_that_is_not_there_is_refused_with_the_names_of_those_that_are():
    lesson = notebooks.read(notebooks.find(["2"])[0])
    with pytest.raises(ValueError, match="there is no lab PoolLab; this lesson has WindowLab, PoolingLab"):
        app.notebook(lesson, "PoolLab")
    with pytest.raises(ValueError, match="this lesson has none"):
        app.notebook(new_notebook(cells=[new_code_cell("1")]))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "Say which lesson"),
        (["2", "--style", "screen"], "There is no style screen; there are notebook, stage."),
        (["99"], "There is no lesson 99"),
        (["2", "--lab", "PoolLab"], "02_pooling: there is no lab PoolLab"),
    ],
)
def test_the_command_refuses_in_one_sentence(monkeypatch, arguments, sentence):
    monkeypatch.setattr(sys, "argv", ["app", *arguments])
    with pytest.raises(SystemExit, match=sentence) as stop:
        app.main()
    assert "\n" not in str(stop.value)


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """Voilà with the first lab of lesson 2 on a free port of this machine; gives its address."""
    pytest.importorskip("voila", reason="Voilà is not installed")
    folder = tmp_path_factory.mktemp("app")
    target = folder / "02_pooling.ipynb"
    nbformat.write(app.notebook(notebooks.read(notebooks.find(["2"])[0])), target)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    path = os.pathsep.join(filter(None, [str(notebooks.ROOT), os.environ.get("PYTHONPATH")]))
    environment = app.environment() | {"PYTHONPATH": path, "IPYTHONDIR": str(folder / "ipython")}
    log = folder / "voila.log"
    with log.open("wb") as stream:
        command = [*app.command(target, port), "--no-browser"]
        server = subprocess.Popen(
            command, env=environment, stdout=stream, stderr=subprocess.STDOUT, start_new_session=True
        )
    try:
        yield f"http://127.0.0.1:{port}/", server, log
    finally:
        server.terminate()  # and with it its kernels
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(server.pid, signal.SIGKILL)


@pytest.mark.browser
@pytest.mark.timeout(300)
def test_the_lab_fills_the_screen_without_code_or_network_and_its_slider_moves_the_picture(served, chromium):
    address, server, log = served
    end = time.monotonic() + 120
    while time.monotonic() < end and server.poll() is None:
        try:
            urllib.request.urlopen(f"{address}voila/static/voila.js", timeout=5)
            break
        except urllib.error.HTTPError:
            break  # it answers
        except OSError:
            time.sleep(0.2)
    assert server.poll() is None, log.read_text()
    with offline.browsing(chromium, allowed=address.rstrip("/"), width=1600, height=900) as page:
        page.set_default_timeout(120_000)
        page.goto(address)
        picture = page.locator("img.widget-image")
        picture.wait_for()
        picture.evaluate("image => image.decode()")
        assert picture.bounding_box()["width"] > 1100
        assert "import" not in page.locator("body").inner_text()
        assert page.locator(".jp-InputArea, .cm-editor, .highlight").count() == 0
        before = picture.get_attribute("src")
        browser.slider(page.locator("body"), "window").locator(".noUi-handle").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("([image, before]) => image.src !== before", arg=[picture.element_handle(), before])
        assert page.refused == page.complaints == []
    assert "Traceback" not in log.read_text()
