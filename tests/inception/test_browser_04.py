"""Lesson 4 as a student meets it: every cell, a module turned, branches silenced, a training stopped, the quizzes."""

import re

from tests import browser

LESSON = "04_inception.ipynb"
pytestmark = browser.MARKS


def test_a_module_s_sliders_and_presets_work_together(page, executed):
    lab = browser.lab_with(page, "for 3×3")
    headline, picture = browser.headline(lab), browser.picture(lab)
    assert "28×28×192 → 28×28×256" in headline.inner_text()
    before = browser.pixels(picture)
    browser.press(lab, "3×3", "ArrowRight")
    assert "28×28×257" in headline.inner_text()
    assert browser.pixels(picture) != before
    assert browser.menu(lab, "module").input_value() == "your own"
    browser.choose(lab, "module", "5b")
    assert "7×7×832 → 7×7×1024" in headline.inner_text()
    assert browser.readout(lab, "for 5×5") == "48"
    lab.locator("input[type=checkbox]").click()
    headline.filter(has_text="292 M").wait_for()
    browser.choose(lab, "module", "4a")  # a choice survives the change of another control
    assert "313 M" in headline.inner_text()
    browser.click(lab, "Reset")
    assert "128 M" in headline.inner_text()


def test_a_branch_is_switched_off_and_on(page, executed):
    lab = browser.lab_with(page, "conv_5x5")
    headline, picture = browser.headline(lab), browser.picture(lab)
    right = int(re.search(r"(\d+) of 200 scenes right", headline.inner_text())[1])
    assert 80 < right < 140  # the lab begins with this branch off
    before = browser.pixels(picture)
    lab.locator(".widget-checkbox").filter(has_text="conv_5x5").locator("input").click()
    browser.settled(lab)
    assert "All branches on: it reads STOP" in headline.inner_text()
    assert browser.pixels(picture) != before
    browser.click(lab, "Reset")
    assert f"{right} of 200 scenes right" in headline.inner_text()


def test_a_training_starts_stops_and_starts_again(page, executed):
    lab = browser.lab_with(page, "steps")
    headline = browser.headline(lab)
    assert "Press Train." in headline.inner_text()
    browser.press(lab, "steps", "Home")
    browser.button(lab, "Train").click()
    headline.filter(has_text=re.compile("step [2-9] of 20")).wait_for()
    browser.click(lab, "Stop")
    assert re.search(r"step 1?\d of 20", headline.inner_text())  # the kernel is at rest, and this is not the end
    browser.button(lab, "Again").click()
    headline.filter(has_text=re.compile("step [1-9] of 20")).wait_for()
    browser.click(lab, "Again")  # while it runs
    assert "step 20 of 20" in headline.inner_text()
    assert browser.button(lab, "Stop").is_disabled()
    assert browser.alert(lab).count() == 0


def test_the_quizzes_answer(page, executed):
    browser.answer_quizzes(page, "832", "As many channels would come out, and pooling would be cheaper")


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 22


def test_sliders_reach_the_screen_in_time(page, executed):
    assert browser.median_latency(browser.lab_with(page, "for 3×3"), "5×5") < 500  # 0.1 s on a machine of one's own
