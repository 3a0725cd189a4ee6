"""Lesson 1 as a student meets it: every cell run, stepping through the years, asking about nonsense, the quiz."""

import re

from course_utils import runtime
from tests import browser

LESSON = "01_history.ipynb"
pytestmark = browser.MARKS


def test_the_buttons_and_the_slider_step_through_the_years(page, executed):
    lab = browser.lab_with(page, "entry")
    lab.scroll_into_view_if_needed()
    headline, picture = lab.locator(".widget-html [role=status]").first, lab.locator("img.widget-image")
    headline.filter(has_text="1989").wait_for()
    before = browser.pixels(picture)
    lab.get_by_role("button", name="Later").click()
    headline.filter(has_text="1994").wait_for()
    browser.settled(lab)
    assert browser.pixels(picture) != before
    lab.get_by_role("button", name="Earlier").click()
    headline.filter(has_text="1989").wait_for()
    handle = browser.slider(lab, "entry").locator(".noUi-handle")
    handle.focus()
    page.keyboard.press("End")
    headline.filter(has_text="Vibe coding").wait_for()
    assert headline.locator("a").get_attribute("href").startswith("https://")
    lab.get_by_role("button", name="Later").click()
    lab.locator("[role=alert]", has_text="nothing later here").wait_for()


def test_a_limit_of_40_is_believed_until_one_asks_for_more(page, executed):
    lab = browser.lab_with(page, "believe at")
    lab.scroll_into_view_if_needed()
    headline = lab.locator(".widget-html [role=status]").first
    assert re.search(r"answers 60 LIMIT \(9\d\.\d %\)\. ▲ You believe it", headline.inner_text())
    browser.slider(lab, "believe at").locator(".noUi-handle").focus()
    page.keyboard.press("End")
    headline.filter(has_text="I do not know").wait_for()


def test_a_picture_of_ones_own_is_asked_about_and_a_broken_one_leaves_the_last(page, executed, tmp_path):
    lab = browser.lab_with(page, "believe at")
    button, picture = lab.locator(".widget-upload"), lab.locator("img.widget-image")
    before = browser.pixels(picture)
    with page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files(runtime.DATA / "pictures" / "stop.jpg")
    lab.locator(".widget-html [role=status]").first.filter(has_text="answers STOP").wait_for()
    browser.settled(lab)
    own = browser.pixels(picture)
    assert own != before

    broken = tmp_path / "broken.jpg"
    broken.write_bytes((runtime.DATA / "pictures" / "stop.jpg").read_bytes()[:2000])
    with page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files(broken)
    lab.locator("[role=alert]", has_text="broken or cut short").wait_for()
    assert browser.pixels(picture) == own


def test_a_quiz_answers(page, executed):
    quiz = page.locator(".jp-OutputArea-output").filter(has=page.locator(".widget-radio")).first
    quiz.scroll_into_view_if_needed()
    quiz.get_by_text("Of its 20 classes, 60 fits best by far").first.click()
    quiz.locator("[role=status]", has_text="✓").wait_for()


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 14


def test_sliders_reach_the_screen_in_time(page, executed):
    assert browser.median_latency(browser.lab_with(page, "entry"), "entry") < 1000
    assert browser.median_latency(browser.lab_with(page, "believe at"), "which one") < 1000
