"""What all tests share: the repository's root and this machine's browser. Nothing heavy is imported here."""

import shutil
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("course", deadline=None)  # a busy machine is no fault of the code
settings.load_profile("course")

BROWSERS = ("chromium", "chromium-browser", "google-chrome")


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
