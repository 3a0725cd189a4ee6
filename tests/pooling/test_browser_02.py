"""Lesson 2 as a student meets it: every cell run, the window walked, a picture pooled, bad sizes told, the quizzes."""

from tests import browser

LESSON = "02_pooling.ipynb"
pytestmark = browser.MARKS


def test_the_window_walks_over_the_slide(page, executed):
    lab = browser.lab_with(page, "window")
    seen = set()
    browser.press(lab, "window", "Home")
    for _ in range(4):
        seen.add(browser.pixels(browser.picture(lab)))
        browser.press(lab, "window", "ArrowRight")
    assert len(seen) == 4
    assert browser.readout(lab, "window") == "4"


def test_more_windows_give_the_slider_more_stops(page, executed):
    lab = browser.lab_with(page, "window")
    browser.press(lab, "stride s", "ArrowLeft")
    browser.press(lab, "window", "Home", *["ArrowRight"] * 9)  # End would go where the end was (a fault of noUiSlider)
    assert browser.readout(lab, "window") == "9"
    browser.click(lab, "Reset")


def test_the_size_is_worked_out_and_what_does_not_fit_is_told(page, executed, tmp_path):
    lab = browser.lab_with(page, "dilation d")
    headline, picture = browser.headline(lab), browser.picture(lab)
    assert "the largest of 16 numbers" in headline.inner_text()
    before = browser.pixels(picture)
    browser.press(lab, "kernel k", "ArrowLeft")
    assert "the largest of 9 numbers" in headline.inner_text()
    after = browser.pixels(picture)
    assert after != before
    browser.press(lab, "stride s", "Home")
    assert browser.alert(lab, "stride must be at least 1").count() == 1
    assert browser.pixels(picture) == after
    lab.screenshot(path=tmp_path / "lab.png")
    browser.click(lab, "Reset")
    assert browser.alert(lab).count() == 0


def test_a_picture_of_ones_own_is_pooled(page, executed):
    lab = browser.lab_with(page, "dilation d")
    browser.choose(lab, "picture", "YIELD")
    before = browser.pixels(browser.picture(lab))
    browser.upload(lab, browser.STOP)
    assert browser.menu(lab, "picture").input_value() == "your own picture"
    assert browser.pixels(browser.picture(lab)) != before
    assert browser.alert(lab).count() == 0


def test_the_quizzes_answer(page, executed):
    browser.answer_quizzes(page, "111×111", "At 16 pixels")


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 15


def test_sliders_reach_the_screen_in_time(page, executed):
    """Some 70 ms on a quiet machine; here other tests may run beside."""
    assert browser.median_latency(browser.lab_with(page, "window"), "window", moves=3) < 500
    assert browser.median_latency(browser.lab_with(page, "dilation d"), "side H") < 500
