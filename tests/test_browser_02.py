"""Lesson 2 as a student meets it: every cell run, the window walked, a picture pooled, bad sizes told, the quizzes."""

import re

from course_utils import runtime
from tests import browser

LESSON = "02_pooling.ipynb"
pytestmark = browser.MARKS


def press(page, lab, name, *keys):
    browser.slider(lab, name).locator(".noUi-handle").focus()
    for key in keys:
        page.keyboard.press(key)
    browser.settled(lab)


def test_the_window_walks_over_the_slide(page, executed):
    lab = browser.lab_with(page, "window")
    lab.scroll_into_view_if_needed()
    picture, seen = lab.locator("img.widget-image"), set()
    press(page, lab, "window", "Home")
    for _ in range(4):
        seen.add(browser.pixels(picture))
        press(page, lab, "window", "ArrowRight")
    assert len(seen) == 4
    assert browser.slider(lab, "window").locator(".widget-readout").inner_text() == "4"


def test_more_windows_give_the_slider_more_stops(page, executed):
    lab = browser.lab_with(page, "window")
    press(page, lab, "stride s", "ArrowLeft")
    press(page, lab, "window", "Home", *["ArrowRight"] * 9)  # End would go where the end was (a fault of noUiSlider)
    assert browser.slider(lab, "window").locator(".widget-readout").inner_text() == "9"
    lab.get_by_role("button", name="Reset").click()
    browser.settled(lab)


def test_the_size_is_worked_out_and_what_does_not_fit_is_told(page, executed, tmp_path):
    lab = browser.lab_with(page, "dilation d")
    lab.scroll_into_view_if_needed()
    headline, picture = lab.locator(".widget-html [role=status]").first, lab.locator("img.widget-image")
    assert "the largest of 16 numbers" in headline.inner_text()
    before = browser.pixels(picture)
    press(page, lab, "kernel k", "ArrowLeft")
    assert "the largest of 9 numbers" in headline.inner_text()
    after = browser.pixels(picture)
    assert after != before
    press(page, lab, "stride s", "Home")
    assert "the stride must be at least 1" in lab.locator("[role=alert]").inner_text()
    assert browser.pixels(picture) == after
    lab.screenshot(path=tmp_path / "lab.png")
    lab.get_by_role("button", name="Reset").click()
    browser.settled(lab)
    assert lab.locator("[role=alert]").count() == 0


def test_a_picture_of_ones_own_is_pooled(page, executed):
    lab = browser.lab_with(page, "dilation d")
    menu, picture = lab.locator("select").first, lab.locator("img.widget-image")
    menu.select_option(label="YIELD")
    browser.settled(lab)
    before = browser.pixels(picture)
    with page.expect_file_chooser() as chooser:
        lab.locator(".widget-upload").click()
    chooser.value.set_files(runtime.DATA / "pictures" / "stop.jpg")
    page.wait_for_function("menu => menu.value === 'your own picture'", arg=menu.element_handle())
    browser.settled(lab)
    assert browser.pixels(picture) != before
    assert lab.locator("[role=alert]").count() == 0


def test_the_quizzes_answer(page, executed):
    for answer in ("111×111", "At 16 pixels"):
        quiz = page.locator(".jp-OutputArea-output").filter(has=page.locator(".widget-radio", has_text=answer)).first
        quiz.scroll_into_view_if_needed()
        quiz.get_by_text(re.compile(f"^{re.escape(answer)}$")).first.click()
        quiz.locator("[role=status]", has_text="✓").wait_for()


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 15


def test_sliders_reach_the_screen_in_time(page, executed):
    """Some 70 ms on a quiet machine; here other tests may run beside."""
    assert browser.median_latency(browser.lab_with(page, "window"), "window", moves=3) < 1000
    assert browser.median_latency(browser.lab_with(page, "dilation d"), "side H") < 1000
