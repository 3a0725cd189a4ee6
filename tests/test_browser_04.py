"""Lesson 4 as a student meets it: every cell run, a module turned, branches silenced, a training stopped, the quiz."""

import re

from tests import browser

LESSON = "04_inception.ipynb"
pytestmark = browser.MARKS


def headline(lab):
    return lab.locator(".widget-html [role=status]").first


def test_a_module_s_sliders_and_presets_work_together(page, executed):
    lab = browser.lab_with(page, "for 3×3")
    lab.scroll_into_view_if_needed()
    picture, menu = lab.locator("img.widget-image"), lab.locator("select").first
    assert "28×28×192 → 28×28×256" in headline(lab).inner_text()
    before = browser.pixels(picture)
    browser.slider(lab, "3×3").locator(".noUi-handle").focus()
    page.keyboard.press("ArrowRight")
    headline(lab).filter(has_text="28×28×257").wait_for()
    browser.settled(lab)
    assert browser.pixels(picture) != before
    assert menu.input_value() == "your own"
    menu.select_option(label="5b")
    headline(lab).filter(has_text="7×7×832 → 7×7×1024").wait_for()
    assert browser.slider(lab, "for 5×5").locator(".widget-readout").inner_text() == "48"
    lab.locator("input[type=checkbox]").click()
    headline(lab).filter(has_text="292 M").wait_for()
    menu.select_option(label="4a")  # a choice survives the change of another control
    headline(lab).filter(has_text="313 M").wait_for()
    lab.get_by_role("button", name="Reset").click()
    headline(lab).filter(has_text="128 M").wait_for()


def test_a_branch_is_switched_off_and_on(page, executed):
    lab = browser.lab_with(page, "conv_5x5")
    lab.scroll_into_view_if_needed()
    assert "All branches on: it reads STOP" in headline(lab).inner_text()
    before = browser.pixels(lab.locator("img.widget-image"))
    lab.locator(".widget-checkbox").filter(has_text="conv_5x5").locator("input").click()
    headline(lab).filter(has_text="of 200 scenes right").wait_for()
    browser.settled(lab)
    right = int(re.search(r"(\d+) of 200", headline(lab).inner_text())[1])
    assert 80 < right < 140
    assert browser.pixels(lab.locator("img.widget-image")) != before
    lab.get_by_role("button", name="Reset").click()
    headline(lab).filter(has_text="All branches on").wait_for()


def test_a_training_starts_stops_and_starts_again(page, executed):
    lab = browser.lab_with(page, "steps")
    lab.scroll_into_view_if_needed()
    assert "Press Train." in headline(lab).inner_text()
    browser.slider(lab, "steps").locator(".noUi-handle").focus()
    page.keyboard.press("Home")
    lab.get_by_role("button", name="Train").click()
    headline(lab).filter(has_text=re.compile("step [2-9] of 20")).wait_for()
    lab.get_by_role("button", name="Stop").click()
    browser.settled(lab)
    stopped = headline(lab).inner_text()
    page.wait_for_timeout(1500)
    assert headline(lab).inner_text() == stopped
    again = lab.get_by_role("button", name="Again")
    again.click()
    headline(lab).filter(has_text=re.compile("step [1-9] of 20")).wait_for()
    again.click()  # while it runs
    headline(lab).filter(has_text="step 20 of 20").wait_for()
    assert lab.get_by_role("button", name="Stop").is_disabled()
    assert lab.locator("[role=alert]").count() == 0


def test_a_quiz_answers(page, executed):
    quiz = page.locator(".jp-OutputArea-output").filter(has=page.locator(".widget-radio")).first
    quiz.scroll_into_view_if_needed()
    quiz.get_by_text("832", exact=True).first.click()
    quiz.locator("[role=status]", has_text="✓").wait_for()


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 22


def test_sliders_reach_the_screen_in_time(page, executed):
    assert browser.median_latency(browser.lab_with(page, "for 3×3"), "5×5") < 1000  # 0.1 s on a machine of one's own
