"""What all tests share: the root, this machine's browser, a lesson in it. Nothing heavy is imported here."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("course", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("course")

# What somebody has solved on this machine changes no test, and no test changes it: notebooks under nbval inherit this.
os.environ["COURSE_PROGRESS"] = tempfile.mkdtemp(prefix="progress-")
SOLVED = tempfile.mkdtemp(prefix="progress-")  # what tests of the checks solve, so that no notebook hears of it

os.environ["COURSE_CLAIMS"] = "strict"  # a claim of a lesson that does not hold stops the test

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(autouse=True)
def progress_apart(monkeypatch):
    """What a test solves is kept apart from what the notebooks ask for."""
    monkeypatch.setenv("COURSE_PROGRESS", SOLVED)


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository's root folder."""
    return Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def chromium() -> str:
    """This machine's Chromium, for Playwright's `executable_path`; without one the test is skipped."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    pytest.skip("there is no Chromium here; on Debian: sudo apt-get install chromium")


@pytest.fixture(scope="session")
def server(tmp_path_factory, root):
    """JupyterLab on loopback over a copy of the notebooks; gives its address, its token and its log."""
    pytest.importorskip("jupyterlab", reason="JupyterLab is not installed")
    from tests import browser

    with browser.serving(tmp_path_factory.mktemp("jupyter"), root / "notebooks") as served:
        yield served


@pytest.fixture(scope="module")
def page(request, server, chromium):
    """A page with the test file's `LESSON`, as it is stored; in the end nothing may have gone wrong unseen."""
    pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    from tests import browser

    with browser.visiting(server, chromium, request.module.LESSON) as page:
        yield page


@pytest.fixture(scope="module")
def executed(page):
    """The code cells of the lesson after all of them ran without an error; before, its stored pictures were there."""
    from tests import browser

    browser.check_stored_pictures(page)
    return browser.run_all(page)
