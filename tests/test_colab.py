"""The rehearsal: every lesson alone in a folder with the wheel, run and driven under Colab's old Jupyter stack.

`make test` takes three lessons, `make rehearse` all. What stands in for Colab is told in colab.py. Colab's own page is
not rehearsed here. Its Python 3.13, torch 2.11.0, torchvision 0.26.0 and numpy 2.1.3 come from the environment that
runs this: in one that has them, all eight lessons pass.
"""

import os
import shutil
import subprocess
import sys

import pytest

from scripts import notebooks
from tests import browser, colab

pytestmark = browser.MARKS
SOME = ["02", "06", "08"]  # labs that follow, that are started, that climb on; `make rehearse` takes all eight
LESSONS = notebooks.find([] if os.environ.get("COURSE_REHEARSE") == "all" else SOME)


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of the look-alike."""
    try:
        return colab.environment(tmp_path_factory.mktemp("colab"))
    except subprocess.CalledProcessError as trouble:
        pytest.skip(f"Colab's packages cannot be installed here: {str(trouble.stderr).strip().splitlines()[-1:]}")


@pytest.fixture(scope="module")
def folders(tmp_path_factory, root):
    """A folder for each lesson, which holds the lesson and the wheel and nothing else."""
    made, wheels = tmp_path_factory.mktemp("lessons"), tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-cache-dir", "--no-build-isolation", "-w", wheels]
    subprocess.run([*build, root], check=True, capture_output=True)
    for path in LESSONS:
        (made / path.stem).mkdir()
        for file in (path, *wheels.glob("*.whl")):
            shutil.copy(file, made / path.stem)
    return made


@pytest.fixture(scope="module")
def served(python, folders, tmp_path_factory):
    with browser.serving(tmp_path_factory.mktemp("jupyter"), folders, python=python, checkout=False) as found:
        yield found


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_lesson_runs_and_its_labs_answer(path, served, python, chromium):
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    before = colab.installed(python)
    with browser.visiting(served, chromium, f"{path.stem}/{path.name}") as page:
        browser.run_all(page)
        assert colab.installed(python) - before <= {"course_utils"}  # torch stays as it is
        assert "course_utils" in colab.installed(python)
        assert ask(page, "ipywidgets.__version__") == colab.PINS["ipywidgets"]
        moved = [drive(page, lab) for lab in browser.labs(page).all()]
        assert any(moved), "no slider of this lesson changed a picture"
        for lab in browser.labs(page).filter(has=page.locator(".widget-upload")).all():
            bring(lab)
        # JupyterLab 4 and the widgets of 2022: a complaint of theirs, once a layout, which stands in no lab's way
        page.complaints = [told for told in page.complaints if "reading 'Queue'" not in told and "404" not in told]


def drive(page, lab) -> int:
    """Move a lab's first two sliders to their ends; gives how many of them changed the picture."""
    lab.scroll_into_view_if_needed()
    picture, changed = lab.locator("img.widget-image").first, 0
    for handle in lab.locator(".noUi-handle, .ui-slider-handle").all()[:2]:
        shown = set()
        for key in ("End", "Home"):
            handle.focus()
            page.keyboard.press(key)
            browser.settled(lab)
            shown.add(picture.get_attribute("src"))
        changed += len(shown) == 2
    assert not any("unexpected" in words for words in lab.locator("[role=alert]").all_inner_texts())
    return changed


def bring(lab) -> None:
    """Give a lab a picture of one's own: the menu stands on it, and another picture is shown."""
    lab.scroll_into_view_if_needed()
    browser.click(lab, "Reset")  # some ends of sliders go together with no picture
    before = browser.pixels(browser.picture(lab))
    browser.upload(lab, notebooks.ROOT / "docs" / "signs.jpg")
    assert browser.menu(lab, "picture").input_value() == "your own picture"
    assert browser.pixels(browser.picture(lab)) != before
    assert browser.alert(lab).count() == 0


ASK = """async ([module, expression]) => {
    const code = `import ${module}; print(${expression})`;
    const future = window.lesson.sessionContext.session.kernel.requestExecute({ code });
    let said = '';
    future.onIOPub = message => { if (message.content.text) said += message.content.text; };
    await future.done;
    return said.trim();
}"""


def ask(page, expression: str) -> str:
    """What the lesson's kernel says to an expression that begins with a module's name."""
    return page.evaluate(ASK, [expression.split(".")[0], expression])
