"""A lesson as a student meets it: JupyterLab in a real Chromium. What the tests called test_browser_… share.

The fixtures `server`, `page` and `executed` stand in conftest.py; a test file names its `LESSON`.
"""

import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest

import course_utils

SETTINGS = {
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
}

HARMLESS = "favicon|ERR_UNKNOWN_URL_SCHEME|debugger state"  # an icon, attachment: before it is resolved, a shut kernel

MARKS = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

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
# Milliseconds from a key press to the first new picture that the browser has decoded; -1 where none comes in 3 s.
PRESS = """async ([image, key]) => {
    const before = image.src, begin = performance.now();
    document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, code: key, bubbles: true }));
    while (performance.now() - begin < 3000) {
        if (image.src !== before) {
            await image.decode().catch(() => {});
            await new Promise(requestAnimationFrame);
            return performance.now() - begin;
        }
        await new Promise(later => setTimeout(later, 2));
    }
    return -1;
}"""
# The same up to the picture at which the headline's words, gone with the first new picture, are there again.
PRESS_AND_WAIT = """async ([image, headline, words, key]) => {
    const begin = performance.now();
    let begun = false;
    document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, code: key, bubbles: true }));
    while (performance.now() - begin < 10000) {
        const said = headline.textContent.includes(words);
        begun ||= !said;
        if (begun && said) {
            await image.decode().catch(() => {});
            await new Promise(requestAnimationFrame);
            return performance.now() - begin;
        }
        await new Promise(later => setTimeout(later, 2));
    }
    return -1;
}"""


@contextmanager
def serving(folder: Path, notebooks: Path, *, python: Path | str = sys.executable, checkout: bool = True):
    """JupyterLab on loopback over a copy of the notebooks; gives its address, its token and its log.

    Another `python` brings its own JupyterLab; without the checkout its kernels see the course only if it is installed.
    """
    shutil.copytree(notebooks, folder / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    for name, values in SETTINGS.items():
        path = folder / "settings" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    token, log = secrets.token_hex(16), folder / "server.log"
    # the very course that these tests see
    packages = [str(Path(course_utils.__file__).parents[1]), os.environ.get("PYTHONPATH")] if checkout else []
    command = [python, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", f"--port={port}"]
    command += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder / 'notebooks'}"]
    command += ["--ServerApp.port_retries=0", "--LabApp.expose_app_in_browser=True"]
    command += [f"--LabApp.user_settings_dir={folder / 'settings'}", f"--LabApp.workspaces_dir={folder / 'spaces'}"]
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        command.append("--allow-root")
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join(filter(None, packages)),
        "PATH": f"{Path(python).parent}{os.pathsep}{os.environ.get('PATH', '')}",
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


@contextmanager
def visiting(served, chromium: str, lesson: str):
    """A page with one lesson, as it is stored; in the end nothing may have gone wrong unseen."""
    from playwright.sync_api import sync_playwright

    address, token, log = served
    with sync_playwright() as driver:
        window = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        page = window.new_page(viewport={"width": 1280, "height": 1000})
        page.set_default_timeout(120_000)
        page.complaints = []
        page.on("console", lambda told: page.complaints.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        open_lesson(page, address, token, lesson)
        yield page
        assert not (told := complaints(page)), told
        assert "Traceback" not in log.read_text(), log.read_text()[-2000:]
        page.evaluate("window.lesson.sessionContext.shutdown()")
        window.close()


# ---- looking at a page -----------------------------------------------------------------------------------------
def open_lesson(page, address: str, token: str, lesson: str) -> None:
    """Show a lesson as it is stored, nothing run yet."""
    page.goto(f"{address}/lab?token={token}&reset")
    page.wait_for_function("() => window.jupyterapp")
    page.evaluate(OPEN, lesson)
    page.wait_for_selector(".jp-OutputArea-output img")


def check_stored_pictures(page) -> None:
    """Before a cell is run: pictures everywhere, and no widget that waits for a kernel."""
    shown = page.locator(".jp-Notebook").inner_text()
    assert not re.search("Loading widget|Error displaying widget|model not found", shown)
    widths = page.evaluate(
        "() => [...document.querySelectorAll('.jp-OutputArea-output img')].map(picture => picture.naturalWidth)"
    )
    assert len(widths) >= 5
    assert all(width > 0 for width in widths)


def run_all(page) -> list[dict]:
    """Run the lesson from top to bottom; gives its code cells as JupyterLab holds them then."""
    cells = page.evaluate(RUN_ALL)
    errors = [output for cell in cells for output in cell["outputs"] if output["output_type"] == "error"]
    assert errors == []
    assert all(cell["execution_count"] for cell in cells)
    return cells


def complaints(page) -> list[str]:
    """What went wrong behind the scenes: in a callback that no cell shows, or in the browser's console."""
    console = [told for told in page.complaints if not re.search(HARMLESS, told)]
    return page.evaluate("window.kernelErrors") + console


def pixels(picture) -> str:
    """A picture on the screen, as a digest."""
    return hashlib.sha256(picture.screenshot()).hexdigest()


def labs(page):
    """Every lab of the lesson: an output with a picture of its own and controls beside it."""
    return page.locator(".jp-OutputArea-output").filter(has=page.locator("img.widget-image"))


def lab_with(page, name: str):
    """The first lab that has a control of this name."""
    label = page.locator(".widget-label, .widget-checkbox label").filter(has_text=re.compile(f"^{re.escape(name)}$"))
    return labs(page).filter(has=label).first


def slider(lab, name: str):
    """A lab's slider; `.locator(".noUi-handle")` takes the focus, `.widget-readout` reads it."""
    label = lab.page.locator(".widget-label").filter(has_text=re.compile(f"^{re.escape(name)}$"))
    return lab.locator(".widget-slider").filter(has=label).first


def settled(lab, patience: float = 30.0) -> None:
    """Wait until the picture has not changed for a third of a second."""
    picture, deadline = lab.locator("img.widget-image").first, time.monotonic() + patience
    source, since = picture.get_attribute("src"), time.monotonic()
    while time.monotonic() - since < 0.35:
        assert time.monotonic() < deadline, f"the picture still changes after {patience} s"
        lab.page.wait_for_timeout(50)
        if (now := picture.get_attribute("src")) != source:
            source, since = now, time.monotonic()


def drive_to_extremes(page) -> int:
    """Move every control of every lab to its ends and back; nothing unexpected may be said. Gives their number."""
    moved = 0
    for index in range(labs(page).count()):
        lab = labs(page).nth(index)
        lab.scroll_into_view_if_needed()
        for handle in lab.locator(".noUi-handle").all():
            for key in ("Home", "End", "Home"):
                handle.focus()
                page.keyboard.press(key)
                _sound(lab)
            moved += 1
        for menu in lab.locator("select").all():
            options = menu.locator("option").all_inner_texts()
            offline = [k for k, words in enumerate(options) if "download" not in words]
            for k in (offline[0], offline[-1], offline[0]):
                menu.select_option(index=k)
                _sound(lab)
            moved += 1
        for box in lab.locator("input[type=checkbox]").all():
            for _ in range(2):
                box.click()
                _sound(lab)
            moved += 1
        for number in lab.locator("input[type=number]").all():
            for typed in ("-1000000", "1000000", "1"):
                number.fill(typed)
                number.press("Enter")
                _sound(lab)
            moved += 1
        lab.get_by_role("button", name="Reset").first.click()
        _sound(lab)
    return moved


def _sound(lab) -> None:
    """The lab came to rest, and what it says, if anything, is a sentence of ours."""
    settled(lab)
    said = lab.locator("[role=alert]").all_inner_texts()
    assert not any("unexpected" in words for words in said), said


def median_latency(lab, name: str, moves: int = 10, until: str = "") -> float:
    """Median milliseconds from a key press on a slider to the new picture on the screen.

    Where the work is drawn as it goes, that is the first picture; `until` waits for the one with these words above it.
    """
    picture, handle = lab.locator("img.widget-image").first.element_handle(), slider(lab, name).locator(".noUi-handle")
    headline = lab.locator(".widget-html").first.element_handle()
    handle.scroll_into_view_if_needed()
    handle.focus()
    lab.page.keyboard.press("Home")
    settled(lab)
    times = []
    for _ in range(moves):
        if until:
            times.append(lab.page.evaluate(PRESS_AND_WAIT, [picture, headline, until, "ArrowRight"]))
        else:
            times.append(lab.page.evaluate(PRESS, [picture, "ArrowRight"]))
        settled(lab)
    assert -1 not in times, f"a key press on {name!r} brought no new picture: {times}"
    return statistics.median(times)
