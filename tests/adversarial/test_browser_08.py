"""Lesson 8 as a student meets it: every cell run, sliders moved by keyboard, pictures of one's own, the quizzes."""

import re

from tests import browser

LESSON = "08_adversarial.ipynb"
pytestmark = browser.MARKS


def test_a_slider_turns_stop_into_another_class(page, executed, tmp_path):
    lab = browser.lab_with(page, "ε")
    headline, picture = browser.headline(lab), browser.picture(lab)
    browser.press(lab, "ε", "Home")
    assert "no change" in headline.inner_text()
    assert browser.readout(lab, "ε") == "0/255"
    assert "The network reads STOP" in headline.inner_text()
    before = browser.pixels(picture)

    browser.press(lab, "ε", *["ArrowRight"] * 8)
    assert browser.readout(lab, "ε") == "8/255"
    told = headline.inner_text()  # of the last step of the last request
    assert re.search(r"reads STOP \(.+ %\) → (?!STOP).+ \(.+ %\)\. ▲ fooled", told)
    assert browser.pixels(picture) != before
    lab.screenshot(path=tmp_path / "lab.png")


def test_a_picture_of_ones_own_is_attacked_and_a_broken_one_leaves_the_last(page, executed, tmp_path):
    lab = browser.lab_with(page, "ε")
    before = browser.pixels(browser.picture(lab))
    browser.upload(lab, browser.STOP)
    assert browser.menu(lab, "picture").input_value() == "your own picture"
    assert re.search(r"reads STOP .+(not fooled|▲ fooled)$", browser.headline(lab).inner_text())
    own = browser.pixels(browser.picture(lab))
    assert own != before
    browser.picture(lab).screenshot(path=tmp_path / "own.png")

    browser.upload(lab, browser.broken(tmp_path))
    assert browser.alert(lab, "broken or cut short").count() == 1
    assert browser.pixels(browser.picture(lab)) == own


def test_a_cat_becomes_guacamole_and_then_another_of_a_thousand_things(page, executed, tmp_path):
    lab = browser.lab_with(page, "ε")
    browser.choose(lab, "story", "a cat becomes guacamole")
    headline, target = browser.headline(lab), browser.menu(lab, "target")
    assert re.search(r"reads EGYPTIAN CAT \(.+ %\) → GUACAMOLE \(.+ %\)\. ▲ fooled", headline.inner_text())
    before = browser.pixels(browser.picture(lab))
    assert target.input_value() == "guacamole"
    assert target.locator("option").count() > 990
    browser.choose(lab, "target", "balloon")
    assert "→ BALLOON" in headline.inner_text()
    browser.choose(lab, "picture", "photograph: espresso")
    assert "reads ESPRESSO" in headline.inner_text()
    assert browser.pixels(browser.picture(lab)) != before
    lab.screenshot(path=tmp_path / "photograph.png")
    browser.choose(lab, "story", "STOP becomes YIELD")
    assert "reads STOP" in headline.inner_text()
    browser.click(lab, "Reset")
    assert "reads STOP" in headline.inner_text()


def test_the_quizzes_answer(page, executed):
    third = "Look whether the gradient is there"
    browser.answer_quizzes(page, "The sign of the step and the label in the loss", "Nearly nothing", third)


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 14


def test_a_slider_reaches_the_screen_in_time(page, executed):
    lab = browser.lab_with(page, "ε")
    assert browser.median_latency(lab, "ε", moves=5) < 500  # 90 on a quiet machine
    # the whole of PGD-20, of which the goal is 300; 250 on a quiet machine
    assert browser.median_latency(lab, "ε", moves=5, until="fooled") < 1500
