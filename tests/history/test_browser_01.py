"""Lesson 1 as a student meets it: every cell run, stepping through the years, asking about nonsense, the quizzes."""

import re

from tests import browser

LESSON = "01_history.ipynb"
pytestmark = browser.MARKS


def test_the_buttons_and_the_slider_step_through_the_years(page, executed):
    lab = browser.lab_with(page, "entry")
    headline, picture = browser.headline(lab), browser.picture(lab)
    assert "1989" in headline.inner_text()
    before = browser.pixels(picture)
    browser.click(lab, "Later")
    assert "1994" in headline.inner_text()
    assert browser.pixels(picture) != before
    browser.click(lab, "Earlier")
    assert "1989" in headline.inner_text()
    browser.press(lab, "entry", "End")
    assert "Vibe coding" in headline.inner_text()
    assert headline.locator("a").get_attribute("href").startswith("https://")
    browser.click(lab, "Later")
    assert browser.alert(lab, "nothing later here").count() == 1


def test_a_limit_of_40_is_believed_and_noise_is_until_one_asks_for_more(page, executed):
    lab = browser.lab_with(page, "believe at")
    headline = browser.headline(lab)
    assert re.search(r"answers 60 LIMIT \((9\d\.\d|> 99\.9) %\)\. ▲ You believe it", headline.inner_text())
    browser.choose(lab, "picture", "noise")
    browser.press(lab, "believe at", "Home")
    assert "You believe it" in headline.inner_text()
    browser.press(lab, "believe at", "End")
    assert "I do not know" in headline.inner_text()


def test_a_picture_of_ones_own_is_asked_about_and_a_broken_one_leaves_the_last(page, executed, tmp_path):
    lab = browser.lab_with(page, "believe at")
    before = browser.pixels(browser.picture(lab))
    browser.upload(lab, browser.STOP)
    assert "answers STOP" in browser.headline(lab).inner_text()
    own = browser.pixels(browser.picture(lab))
    assert own != before
    browser.upload(lab, browser.broken(tmp_path))
    assert browser.alert(lab, "broken or cut short").count() == 1
    assert browser.pixels(browser.picture(lab)) == own


def test_a_photograph_is_asked_about_and_what_cannot_come_is_told_under_the_control(page, executed):
    lab = browser.lab_with(page, "believe at")
    browser.click(lab, "Reset")
    lab.locator(".own-camera").click()
    lab.get_by_role("button", name="Take it").click()  # once the camera shows something
    menu = browser.menu(lab, "picture").element_handle()
    page.wait_for_function("menu => menu.value === 'your own picture'", arg=menu)
    browser.settled(lab)
    assert browser.headline(lab).inner_text().startswith(("I do not know", "It answers"))
    assert lab.locator("video").count() == 0
    own = browser.pixels(browser.picture(lab))

    page.evaluate("() => { navigator.mediaDevices.getUserMedia = async () => { throw { name: 'NotAllowedError' }; } }")
    lab.locator(".own-camera").click()
    browser.alert(lab, "the camera is not allowed here").wait_for()
    address = lab.get_by_placeholder("or its address")
    address.fill("http://127.0.0.1:9/stop.jpg")
    address.press("Enter")
    browser.alert(lab, "check the address and the network").wait_for()
    assert browser.alert(lab).count() == 1  # of the camera nothing is told any more
    assert browser.pixels(browser.picture(lab)) == own
    browser.click(lab, "Reset")
    assert browser.alert(lab).count() == 0


def test_the_quizzes_answer(page, executed):
    first, second = "Of its 20 classes, 60 fits best by far", "Test it on data made afterwards, and look at its inputs"
    browser.answer_quizzes(page, first, second)


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 15


def test_sliders_reach_the_screen_in_time(page, executed):
    assert browser.median_latency(browser.lab_with(page, "entry"), "entry") < 500
    assert browser.median_latency(browser.lab_with(page, "believe at"), "which one") < 500
