"""Lesson 5 as a student meets it: the gradient followed by keyboard, twins trained and stopped, a surface computed."""

import re

from tests import browser

LESSON = "05_resnet.ipynb"
pytestmark = browser.MARKS


def test_the_gradient_follows_the_slider(page, executed, tmp_path):
    lab = browser.lab_with(page, "width")
    browser.press(lab, "depth", "Home")
    assert "through 8 layers" in browser.headline(lab).inner_text()
    before = browser.pixels(browser.picture(lab))
    browser.press(lab, "depth", "End")
    told = browser.headline(lab).inner_text()
    assert re.search(r"through 98 layers: plain × (\d·)?10⁻[³⁴]., residual × 0\.\d", told)
    assert browser.pixels(browser.picture(lab)) != before
    lab.screenshot(path=tmp_path / "gradient.png")


def test_twins_train_stop_and_train_again(page, executed, tmp_path):
    lab = browser.lab_with(page, "rate")
    headline, stop = browser.headline(lab), browser.button(lab, "Stop")
    assert "Press Train" in headline.inner_text()
    browser.choose(lab, "depth", "8 layers")
    browser.button(lab, "Train").click()
    headline.filter(has_text=re.compile(r"^step \d+ of 200")).wait_for()
    browser.click(lab, "Stop")
    assert stop.is_disabled()
    reached = headline.inner_text()
    page.wait_for_timeout(1000)
    assert headline.inner_text() == reached  # Stop really stops
    browser.button(lab, "Again").click()
    headline.filter(has_text=re.compile(r"^step \d of 200")).wait_for()
    browser.button(lab, "Again").click()  # a second start while one runs
    headline.filter(has_text=re.compile(r"^step [2-9]\d of 200")).wait_for()
    browser.click(lab, "Stop")
    assert stop.is_disabled()
    lab.screenshot(path=tmp_path / "twins.png")


def test_a_surface_is_computed(page, executed, tmp_path):
    lab = browser.lab_with(page, "directions")
    browser.choose(lab, "points", "5×5")
    browser.choose(lab, "scenes", "48")
    before = browser.pixels(browser.picture(lab))
    browser.button(lab, "Compute").click()
    browser.settled(lab, patience=90)
    assert "Press" not in browser.headline(lab).inner_text()
    assert browser.button(lab, "Stop").is_disabled()
    assert browser.pixels(browser.picture(lab)) != before
    lab.screenshot(path=tmp_path / "surface.png")


def test_the_quizzes_answer(page, executed):
    browser.answer_quizzes(page, "Gradient descent does not find the weights", "J_gᵀ v + v")


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 17


def test_a_slider_reaches_the_screen_in_time(page, executed):
    assert browser.median_latency(browser.lab_with(page, "width"), "depth") < 500  # 70 on a quiet machine
