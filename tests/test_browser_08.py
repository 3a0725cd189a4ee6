"""Lesson 8 as a student meets it: every cell run, sliders moved by keyboard, pictures of one's own, the quiz."""

import re

from course_utils import runtime
from tests import browser

LESSON = "08_adversarial.ipynb"
pytestmark = browser.MARKS


def test_a_slider_turns_stop_into_another_class(page, executed, tmp_path):
    lab = browser.lab_with(page, "ε")
    epsilon = browser.slider(lab, "ε")
    headline, picture = lab.locator(".widget-html [role=status]").first, lab.locator("img.widget-image")
    handle, readout = epsilon.locator(".noUi-handle"), epsilon.locator(".widget-readout")
    handle.scroll_into_view_if_needed()
    handle.focus()

    page.keyboard.press("Home")
    headline.filter(has_text="no change").wait_for()
    assert readout.inner_text() == "0/255"
    assert "The network reads STOP" in headline.inner_text()
    page.wait_for_timeout(500)
    before = browser.pixels(picture)

    for _ in range(8):
        page.keyboard.press("ArrowRight")
    assert readout.inner_text() == "8/255"
    headline.filter(has_text=re.compile(r"> 99\.9 %\)\. ▲ fooled")).wait_for()  # the last step of the last request
    assert re.search(r"reads STOP \(.+ %\) → (?!STOP).+ \(.+ %\)\. ▲ fooled", headline.inner_text())
    assert browser.pixels(picture) != before
    lab.screenshot(path=tmp_path / "lab.png")


def test_a_picture_of_ones_own_is_attacked_and_a_broken_one_leaves_the_last(page, executed, tmp_path):
    button = page.locator(".widget-upload")
    lab = page.locator(".jp-OutputArea-output").filter(has=button).first
    picture = lab.locator("img.widget-image")
    before = browser.pixels(picture)
    with page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files(runtime.DATA / "pictures" / "stop.jpg")
    page.wait_for_function(
        "() => [...document.querySelectorAll('.widget-dropdown select')].some(one => one.value === 'your own picture')"
    )
    page.wait_for_timeout(2000)  # the attack on the new picture runs to its end
    assert re.search(r"reads STOP .+(not fooled|▲ fooled)$", lab.locator(".widget-html [role=status]").inner_text())
    own = browser.pixels(picture)
    picture.screenshot(path=tmp_path / "own.png")
    assert own != before

    broken = tmp_path / "broken.jpg"
    broken.write_bytes((runtime.DATA / "pictures" / "stop.jpg").read_bytes()[:2000])
    with page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files(broken)
    lab.locator("[role=alert]", has_text="broken or cut short").wait_for()
    assert browser.pixels(picture) == own


def test_the_quiz_answers(page, executed):
    quiz = page.locator(".jp-OutputArea-output").filter(has=page.locator(".widget-radio")).first
    quiz.scroll_into_view_if_needed()
    quiz.get_by_text("The sign of the step and the label in the loss").first.click()
    quiz.locator("[role=status]", has_text="✓").wait_for()


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 14


def test_a_slider_reaches_the_screen_in_time(page, executed):
    lab = browser.lab_with(page, "ε")
    assert browser.median_latency(lab, "ε", moves=5) < 500  # 90 on a quiet machine
    # the whole of PGD-20, of which the goal is 300; 250 on a quiet machine
    assert browser.median_latency(lab, "ε", moves=5, until="fooled") < 1500
