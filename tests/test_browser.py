"""The lesson as a student meets it: JupyterLab in a real Chromium, every cell run, a slider moved by keyboard."""

import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

import course_utils
from course_utils import runtime, zoo

LESSON = "08_adversarial.ipynb"
SETTINGS = {
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}

HARMLESS = "favicon|ERR_UNKNOWN_URL_SCHEME|debugger state"  # an icon, attachment: before it is resolved, a shut kernel

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

OPEN = """async (path) => {
    const app = window.jupyterapp;
    await app.restored;
    const panel = await app.commands.execute(
        'docmanager:open', { path, factory: 'Notebook', kernel: { name: 'python3' } });
    await panel.context.ready;
    await panel.sessionContext.ready;
    app.shell.activateById(panel.id);
    await panel.sessionContext.session.kernel.info;
    window.lesson = panel;
    window.kernelErrors = [];
    panel.sessionContext.session.kernel.iopubMessage.connect((_, message) => {
        if (message.header.msg_type === 'error')
            window.kernelErrors.push(message.content.ename + ': ' + message.content.evalue);
    });
}"""
RUN_ALL = """async () => {
    await window.jupyterapp.commands.execute('notebook:run-all-cells');
    const kernel = window.lesson.sessionContext.session.kernel;
    while (kernel.status === 'busy') await new Promise(later => setTimeout(later, 50));
    return window.lesson.content.model.toJSON().cells.filter(cell => cell.cell_type === 'code');
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory, root):
    """JupyterLab on loopback over a copy of the notebooks; gives its address, its token and its log."""
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
    folder = tmp_path_factory.mktemp("jupyter")
    shutil.copytree(root / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for name, values in SETTINGS.items():
        path = folder / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token, log = secrets.token_hex(16), folder / "server.log"
    package = str(Path(course_utils.__file__).parents[1])  # the very course that these tests see
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder / 'notebooks'}"]
    command += ["--ServerApp.port_retries=0", "--LabApp.expose_app_in_browser=True"]
    command += [f"--LabApp.user_settings_dir={folder / 'settings'}", f"--LabApp.workspaces_dir={folder / 'spaces'}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, [package, os.environ.get("PYTHONPATH")])),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        **{f"JUPYTER_{kind}_DIR": str(folder / kind.lower()) for kind in ("CONFIG", "RUNTIME", "DATA")},
        "IPYTHONDIR": str(folder / "ipython"),
    }
    with log.open("wb") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=subprocess.STDOUT)
    try:
        yield _answering(process, f"http://127.0.0.1:{port}", token, log), token, log
    finally:
        process.terminate()
        try:
            process.wait(20)  # its kernels end with it
        except subprocess.TimeoutExpired:
            process.kill()


def _answering(process, address, token, log):
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        try:
            urllib.request.urlopen(f"{address}/api/status?token={token}", timeout=2)
            return address
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"JupyterLab did not start:\n{log.read_text()[-2000:]}")


@pytest.fixture(scope="module")
def page(server, chromium):
    """A page that shows the lesson as it is stored; `page.complaints` collects what goes wrong behind the scenes."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not zoo.shipped():
        pytest.skip("no trained network is stored yet (make networks)")
    address, token, _ = server
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(120_000)
        page.complaints = []
        page.on("console", lambda told: page.complaints.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        page.goto(f"{address}/lab?token={token}&reset")
        page.wait_for_function("() => window.jupyterapp")
        page.evaluate(OPEN, LESSON)
        yield page
        page.evaluate("window.lesson.sessionContext.shutdown()")
        browser.close()


@pytest.fixture(scope="module")
def executed(page):
    """The code cells of the lesson after all of them ran, as JupyterLab holds them."""
    return page.evaluate(RUN_ALL)


def pixels(picture) -> str:
    return hashlib.sha256(picture.screenshot()).hexdigest()


def test_a_lab_without_a_kernel_shows_its_picture(page):
    """The lesson as stored, before a cell is run (so first in this file): pictures, and no widget that waits."""
    page.wait_for_selector(".jp-OutputArea-output img")
    assert page.locator(".jp-OutputArea-output img").count() >= 5
    shown = page.locator(".jp-Notebook").inner_text()
    assert not re.search("Loading widget|Error displaying widget|model not found", shown)
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('.jp-OutputArea-output img')].map(picture => picture.naturalWidth)"
    )
    assert all(width > 0 for width in sizes)


def test_every_cell_runs_without_an_error(executed):
    outputs = [output for cell in executed for output in cell["outputs"]]
    assert [output for output in outputs if output["output_type"] == "error"] == []
    assert all(cell["execution_count"] for cell in executed)


def test_a_slider_turns_stop_into_another_class(page, executed, tmp_path):
    slider = page.locator(".widget-slider").filter(has=page.locator(".widget-label", has_text=re.compile("^ε$"))).first
    lab = page.locator(".jp-OutputArea-output").filter(has=slider).first
    headline, picture = lab.locator(".widget-html [role=status]").first, lab.locator("img.widget-image")
    handle, readout = slider.locator(".noUi-handle"), slider.locator(".widget-readout")
    handle.scroll_into_view_if_needed()
    handle.focus()

    page.keyboard.press("Home")
    headline.filter(has_text="no change").wait_for()
    assert readout.inner_text() == "0/255"
    assert "The network reads STOP" in headline.inner_text()
    page.wait_for_timeout(500)
    before = pixels(picture)

    for _ in range(8):
        page.keyboard.press("ArrowRight")
    assert readout.inner_text() == "8/255"
    headline.filter(has_text=re.compile(r"> 99\.9 %\)\. ▲ fooled")).wait_for()  # the last step of the last request
    assert re.search(r"reads STOP \(.+ %\) → (?!STOP).+ \(.+ %\)\. ▲ fooled", headline.inner_text())
    assert pixels(picture) != before
    lab.screenshot(path=tmp_path / "lab.png")


def test_a_picture_of_ones_own_is_attacked_and_a_broken_one_leaves_the_last(page, executed, tmp_path):
    button = page.locator(".widget-upload")
    lab = page.locator(".jp-OutputArea-output").filter(has=button).first
    picture = lab.locator("img.widget-image")
    before = pixels(picture)
    with page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files(runtime.DATA / "pictures" / "stop.jpg")
    page.wait_for_function("() => document.querySelector('.widget-dropdown select').value === 'your own picture'")
    page.wait_for_timeout(2000)  # the attack on the new picture runs to its end
    assert re.search(r"reads STOP .+(not fooled|▲ fooled)$", lab.locator(".widget-html [role=status]").inner_text())
    own = pixels(picture)
    picture.screenshot(path=tmp_path / "own.png")
    assert own != before

    broken = tmp_path / "broken.jpg"
    broken.write_bytes((runtime.DATA / "pictures" / "stop.jpg").read_bytes()[:2000])
    with page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files(broken)
    lab.locator("[role=alert]", has_text="broken or cut short").wait_for()
    assert pixels(picture) == own


def test_the_quiz_answers(page, executed):
    quiz = page.locator(".jp-OutputArea-output").filter(has=page.locator(".widget-radio")).first
    quiz.scroll_into_view_if_needed()
    quiz.get_by_text("The sign of the step and the label in the loss").first.click()
    quiz.locator("[role=status]", has_text="✓").wait_for()


def test_nothing_went_wrong_behind_the_scenes(page, executed, server):
    """No error in a callback that no cell shows, none in the browser's console, none in the server's log."""
    assert page.evaluate("window.kernelErrors") == []
    assert "\n".join(text for text in page.complaints if not re.search(HARMLESS, text)) == ""
    assert "Traceback" not in server[2].read_text()
