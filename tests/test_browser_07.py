"""Lesson 7 as a student meets it: every cell run, the lab moved, a picture of one's own, the exercise, the quiz."""

import re
import statistics

import pytest

from course_utils import runtime
from tests import browser

LESSON = "07_gradcam.ipynb"
pytestmark = browser.MARKS


# Milliseconds from a choice in a menu to the first new picture that the browser has decoded; -1: none within 3 s.
CHOOSE = """async ([image, menu, index]) => {
    const before = image.src, begin = performance.now();
    menu.selectedIndex = index;
    menu.dispatchEvent(new Event('change', { bubbles: true }));
    while (performance.now() - begin < 3000) {
        if (image.src !== before) {
            await image.decode().catch(() => {});
            await new Promise(requestAnimationFrame);
            return performance.now() - begin;
        }
        await new Promise(later => setTimeout(later, 2));
    }
    return -1;
}"""


def menu(lab, name):
    """The menu with this label."""
    label = lab.page.locator(".widget-label").filter(has_text=re.compile(f"^{re.escape(name)}$"))
    return lab.locator(".widget-dropdown").filter(has=label).first.locator("select")


def choose(lab, name, words):
    """Choose an entry of the menu with this label."""
    menu(lab, name).select_option(label=words)
    browser.settled(lab)


def test_another_layer_is_another_map(page, executed, tmp_path):
    lab = browser.lab_with(page, "opacity")
    headline, picture = lab.locator(".widget-html [role=status]").first, lab.locator("img.widget-image")
    lab.scroll_into_view_if_needed()
    assert "The network reads STOP" in headline.inner_text()
    before = browser.pixels(picture)
    choose(lab, "layer", "stage3, 8×8")
    assert browser.pixels(picture) != before
    lab.screenshot(path=tmp_path / "lab.png")


def test_two_classes_stand_side_by_side(page, executed, tmp_path):
    lab = browser.lab_with(page, "opacity")
    headline = lab.locator(".widget-html [role=status]").first
    choose(lab, "picture", "STOP and YIELD, side by side")
    choose(lab, "class", "stop")
    choose(lab, "and", "yield")
    assert headline.inner_text().count("✓ the hottest pixel lies on") == 2
    lab.screenshot(path=tmp_path / "pair.png")


def test_a_picture_of_ones_own_is_looked_at(page, executed, tmp_path):
    button = page.locator(".widget-upload")
    lab = page.locator(".jp-OutputArea-output").filter(has=button).first
    picture, headline = lab.locator("img.widget-image"), lab.locator(".widget-html [role=status]").first
    before = browser.pixels(picture)
    with page.expect_file_chooser() as chooser:
        button.click()
    chooser.value.set_files(runtime.DATA / "pictures" / "stop.jpg")
    page.wait_for_function("() => document.querySelector('.widget-dropdown select').value === 'your own picture'")
    browser.settled(lab)
    assert "The network reads STOP" in headline.inner_text()
    assert "hottest pixel" not in headline.inner_text()
    assert browser.pixels(picture) != before
    picture.screenshot(path=tmp_path / "own.png")


def test_the_quiz_answers(page, executed):
    quiz = page.locator(".jp-OutputArea-output").filter(has=page.locator(".widget-radio")).first
    quiz.scroll_into_view_if_needed()
    quiz.get_by_text("The pictures alone do not tell").first.click()
    quiz.locator("[role=status]", has_text="✓").wait_for()


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 8


def test_another_opacity_reaches_the_screen_in_time(page, executed):
    assert browser.median_latency(browser.lab_with(page, "opacity"), "opacity") < 1000  # 150 is the limit when quiet


@pytest.mark.parametrize("name", ["class", "layer"])
def test_another_gradcam_reaches_the_screen_in_time(page, executed, name):
    lab = browser.lab_with(page, "opacity")
    picture, listed = lab.locator("img.widget-image").first.element_handle(), menu(lab, name).element_handle()
    times = []
    for index in (1, 2, 3, 4, 2, 3):
        times.append(page.evaluate(CHOOSE, [picture, listed, index]))
        browser.settled(lab)
    assert sum(time < 0 for time in times) <= 1, times  # the first choice may be what stands there
    assert statistics.median(time for time in times if time > 0) < 1000  # 150 is the limit when quiet
