"""A page as it is without a network: what test_report, test_slides and test_app share."""

from contextlib import contextmanager

import pytest


@contextmanager
def browsing(chromium: str, allowed: str = "file://", width: int = 1280, height: int = 720):
    """A page of a Chromium that may fetch only what begins so; gives the page.

    `page.refused` lists what it wanted from elsewhere, `page.complaints` what its console called an error.
    """
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        window = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        context = window.new_context(viewport={"width": width, "height": height})
        page = context.new_page()
        page.refused, page.complaints = [], []

        def answer(route):
            if route.request.url.startswith((allowed, "data:", "about:")):
                return route.continue_()
            page.refused.append(route.request.url)
            return route.abort()

        context.route("**/*", answer)
        page.on("console", lambda told: page.complaints.append(told.text) if told.type == "error" else None)
        page.on("pageerror", lambda error: page.complaints.append(str(error)))
        yield page
        window.close()
