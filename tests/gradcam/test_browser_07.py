"""Lesson 7 as a student meets it: every cell run, the lab moved, a picture of one's own, the exercise, the quizzes."""

import pytest

from tests import browser

LESSON = "07_gradcam.ipynb"
pytestmark = browser.MARKS


def test_another_layer_is_another_map(page, executed, tmp_path):
    lab = browser.lab_with(page, "opacity")
    assert "The network reads STOP" in browser.headline(lab).inner_text()
    before = browser.pixels(browser.picture(lab))
    browser.choose(lab, "layer", "stage3, 8×8")
    assert browser.pixels(browser.picture(lab)) != before
    lab.screenshot(path=tmp_path / "lab.png")


def test_two_classes_stand_side_by_side(page, executed, tmp_path):
    lab = browser.lab_with(page, "opacity")
    browser.choose(lab, "picture", "STOP and YIELD, side by side")
    browser.choose(lab, "class", "stop")
    browser.choose(lab, "and", "yield")
    assert browser.headline(lab).inner_text().count("✓ the hottest pixel lies on") == 2
    lab.screenshot(path=tmp_path / "pair.png")


def test_a_picture_of_ones_own_is_looked_at(page, executed, tmp_path):
    lab = browser.lab_with(page, "opacity")
    before = browser.pixels(browser.picture(lab))
    browser.upload(lab, browser.STOP)
    assert browser.menu(lab, "picture").input_value() == "your own picture"
    assert "The network reads STOP" in browser.headline(lab).inner_text()
    assert "hottest pixel" not in browser.headline(lab).inner_text()
    assert browser.pixels(browser.picture(lab)) != before
    browser.picture(lab).screenshot(path=tmp_path / "own.png")


def test_the_quizzes_answer(page, executed):
    browser.answer_quizzes(page, "The pictures alone do not tell", "The probability instead of the score")


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 8


def test_another_opacity_reaches_the_screen_in_time(page, executed):
    assert browser.median_latency(browser.lab_with(page, "opacity"), "opacity") < 500  # 150 is the limit when quiet


@pytest.mark.parametrize("name", ["class", "layer"])
def test_another_gradcam_reaches_the_screen_in_time(page, executed, name):
    lab = browser.lab_with(page, "opacity")
    assert browser.median_latency_of_menu(lab, name) < 500  # 150 is the limit when quiet


def test_a_photograph_is_asked_for_two_of_a_thousand_classes(page, executed, tmp_path):
    lab = browser.lab_with(page, "opacity")
    browser.choose(lab, "network", "efficientnet-lite0 (photographs, ships)")
    browser.choose(lab, "picture", "photograph: cat and espresso")
    assert "The network reads EGYPTIAN CAT" in browser.headline(lab).inner_text()
    browser.choose(lab, "class", "Egyptian cat")
    browser.choose(lab, "and", "espresso")
    listed = [words.replace("\xa0", " ") for words in browser.menu(lab, "layer").locator("option").all_inner_texts()]
    assert listed[0] == "stem, 112×112"
    assert listed[-1] == "head, 7×7"
    browser.choose(lab, "layer", "stages.6, 7×7")
    browser.choose(lab, "layer", "head, 7×7")
    browser.picture(lab).screenshot(path=tmp_path / "photograph.png")
    before = browser.pixels(browser.picture(lab))
    browser.press(lab, "opacity", *["ArrowLeft"] * 10)
    assert browser.pixels(browser.picture(lab)) != before
    assert browser.median_latency(lab, "opacity") < 1000  # nothing is computed anew
    browser.choose(lab, "method", "gradient")
    lab.screenshot(path=tmp_path / "photograph_gradient.png")
    browser.click(lab, "Reset")
