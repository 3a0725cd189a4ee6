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

ROOT = Path(course_utils.__file__).parents[1]  # of the very course that these tests see
STOP = ROOT / "data" / "pictures" / "stop.jpg"  # a picture, for who uploads one

CAMERA = [f"--use-fake-{kind}-for-media-stream" for kind in ("device", "ui")]  # one that runs everywhere, unasked

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
    window.sent = 0;  // messages of the controls
    window.unanswered = new Set();  // those of them that the kernel still works at
    const kernel = panel.sessionContext.session.kernel;
    kernel.anyMessage.connect((_, { direction, msg }) => {
        if (direction !== 'send' || msg.header.msg_type !== 'comm_msg') return;
        window.sent += 1;
        window.unanswered.add(msg.header.msg_id);
    });
    kernel.iopubMessage.connect((_, message) => {
        if (message.header.msg_type === 'error')
            window.kernelErrors.push(message.content.ename + ': ' + message.content.evalue);
        if (message.content.execution_state === 'idle') window.unanswered.delete(message.parent_header.msg_id);
    });
}"""
RUN_ALL = """async () => {
    await window.jupyterapp.commands.execute('notebook:run-all-cells');
    const kernel = window.lesson.sessionContext.session.kernel;
    while (kernel.status === 'busy') await new Promise(later => setTimeout(later, 50));
    return window.lesson.content.model.toJSON().cells.filter(cell => cell.cell_type === 'code');
}"""
# In the kernel: wait for what the labs do after they answered a control. They are looked for again after each new cell.
LABS_REST = """
async def _labs_rest(patience):
    import asyncio, gc, time
    from course_utils.labs.base import Lab
    known, count, end = globals().setdefault("_labs", {}), get_ipython().execution_count, time.monotonic() + patience
    if count not in known:
        known[count] = [one for one in gc.get_objects() if issubclass(type(one), Lab)]
    while any(not lab._task.done() for lab in known[count] if hasattr(lab, "_task")):
        if time.monotonic() > end:
            raise TimeoutError(f"a lab still works after {patience} s")
        await asyncio.sleep(0.004)
"""
# Every control's message answered, every lab's work done, all that they sent here (in this order) and on the screen.
REST = """async ([code, patience]) => {
    const kernel = window.lesson.sessionContext.session.kernel, end = performance.now() + 1000 * patience;
    do {
        while (window.unanswered.size) {
            if (performance.now() > end) throw new Error(`a control has no answer after ${patience} s`);
            await new Promise(later => setTimeout(later, 2));
        }
        const asked = kernel.requestExecute({ code: `${code}\nawait _labs_rest(${patience})`, silent: true });
        const told = (await asked.done).content;
        if (told.status !== 'ok') throw new Error(`${told.ename}: ${told.evalue}`);
    } while (window.unanswered.size);  // ipywidgets holds a move back while the last one of its control is unanswered
    for (const image of document.querySelectorAll('img.widget-image')) await image.decode().catch(() => {});
    for (let frame = 0; frame < 2; frame++) await new Promise(requestAnimationFrame);
}"""
# Milliseconds from an act to the first new picture that the browser has decoded; with words, to the picture at which
# the headline has them again (they are gone with the first new picture). -1 where none comes. An act is a key for what
# has the focus, or a menu and the entry to choose.
TIME = """async ([image, headline, words, key, menu, index]) => {
    const source = image.src, begin = performance.now(), patience = words ? 10000 : 3000;
    let begun = false;
    if (menu) {
        menu.selectedIndex = index;
        menu.dispatchEvent(new Event('change', { bubbles: true }));
    } else
        document.activeElement.dispatchEvent(new KeyboardEvent('keydown', { key, code: key, bubbles: true }));
    while (performance.now() - begin < patience) {
        const said = headline.textContent.includes(words);
        begun ||= words ? !said : image.src !== source;
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
    packages = [str(ROOT), os.environ.get("PYTHONPATH")] if checkout else []
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
        flags = ["--no-sandbox", "--disable-gpu", *CAMERA]
        window = driver.chromium.launch(executable_path=chromium, args=flags)
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
    """The first lab that has a control of this name, scrolled into view."""
    lab = labs(page).filter(has=_label(page, name, ".widget-label, .widget-checkbox label")).first
    lab.scroll_into_view_if_needed()
    return lab


def picture(lab):
    """A lab's picture; `pixels` gives its digest."""
    return lab.locator("img.widget-image").first


def headline(lab):
    """The sentence above the picture."""
    return lab.locator(".widget-html [role=status]").first


def alert(lab, words: str = ""):
    """The sentence below it that says what is wrong, where it has these words."""
    return lab.locator("[role=alert]", has_text=words)


def slider(lab, name: str):
    """A lab's slider; `.locator(".noUi-handle")` takes the focus, `.widget-readout` reads it."""
    return lab.locator(".widget-slider").filter(has=_label(lab.page, name)).first


def readout(lab, name: str) -> str:
    """What stands beside a slider."""
    return slider(lab, name).locator(".widget-readout").inner_text()


def menu(lab, name: str):
    """A lab's menu."""
    return lab.locator(".widget-dropdown").filter(has=_label(lab.page, name)).first.locator("select")


def button(lab, name: str):
    """A lab's button."""
    return lab.get_by_role("button", name=name).first


def _label(page, name: str, kinds: str = ".widget-label"):
    return page.locator(kinds).filter(has_text=re.compile(f"^{re.escape(name)}$"))


# ---- what a student does -----------------------------------------------------------------------------------------
def settled(lab, patience: float = 30.0) -> None:
    """Wait until the labs of this page have done what they were asked, and the last picture is on the screen."""
    lab.page.evaluate(REST, [LABS_REST, patience])


def press(lab, name: str, *keys: str) -> None:
    """Press keys on a slider, and wait for the picture."""
    slider(lab, name).locator(".noUi-handle").focus()
    for key in keys:
        lab.page.keyboard.press(key)
    settled(lab)


def choose(lab, name: str, words: str) -> None:
    """Choose an entry of a menu, and wait for the picture."""
    menu(lab, name).select_option(label=words)
    settled(lab)


def click(lab, name: str) -> None:
    """Press a button, and wait for the picture."""
    button(lab, name).click()
    settled(lab)


def upload(lab, path: Path) -> None:
    """Give a lab a picture of one's own, and wait until it has been worked on."""
    page = lab.page
    sent = page.evaluate("window.sent")
    with page.expect_file_chooser() as chooser:
        lab.locator(".widget-upload").click()
    chooser.value.set_files(path)
    page.wait_for_function("sent => window.sent > sent", arg=sent)  # the browser reads the file first
    settled(lab)


def broken(folder: Path) -> Path:
    """A photograph whose end is missing."""
    path = folder / "broken.jpg"
    path.write_bytes(STOP.read_bytes()[:2000])
    return path


def answer_quizzes(page, *answers: str) -> None:
    """Give the right answer to every quiz of the lesson, in their order, and be told so."""
    quizzes = page.locator(".jp-OutputArea-output").filter(has=page.locator(".widget-radio"))
    assert quizzes.count() == len(answers)
    for quiz, answer in zip(quizzes.all(), answers, strict=True):
        quiz.scroll_into_view_if_needed()
        quiz.get_by_text(answer, exact=True).click()
        quiz.locator("[role=status]", has_text="✓").wait_for()


def drive_to_extremes(page) -> int:
    """Move every control of every lab to both its ends; nothing unexpected may be said. Gives their number."""
    moved = 0
    for index in range(labs(page).count()):
        lab = labs(page).nth(index)
        lab.scroll_into_view_if_needed()
        for handle in lab.locator(".noUi-handle").all():
            for key in ("End", "Home"):
                handle.focus()
                page.keyboard.press(key)
                _sound(lab)
            moved += 1
        for select in lab.locator("select").all():
            options = select.locator("option").all_inner_texts()
            offline = [k for k, words in enumerate(options) if "download" not in words]
            for k in (offline[-1], offline[0]):
                select.select_option(index=k)
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
        button(lab, "Reset").click()
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
    lab.scroll_into_view_if_needed()
    press(lab, name, "Home")
    times = [_time(lab, words=until, key="ArrowRight") for _ in range(moves)]
    assert -1 not in times, f"a key press on {name!r} brought no new picture: {times}"
    return statistics.median(times)


def median_latency_of_menu(lab, name: str, entries=(1, 2, 3, 4, 2, 3)) -> float:
    """The same from a choice in a menu, by the entries' indices."""
    menu(lab, name).select_option(index=entries[-1])
    settled(lab)
    listed = menu(lab, name).element_handle()
    times = [_time(lab, listed=listed, index=index) for index in entries]
    assert -1 not in times, f"a choice in {name!r} brought no new picture: {times}"
    return statistics.median(times)


def _time(lab, words="", key=None, listed=None, index=None) -> float:
    shown = picture(lab).element_handle(), lab.locator(".widget-html:has([role=status])").first.element_handle()
    took = lab.page.evaluate(TIME, [*shown, words, key, listed, index])
    settled(lab)
    return took
