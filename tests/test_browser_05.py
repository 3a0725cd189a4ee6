"""Lesson 5 as a student meets it: the gradient followed by keyboard, twins trained and stopped, a surface computed."""

import re

from tests import browser

LESSON = "05_resnet.ipynb"
pytestmark = browser.MARKS


def status(lab):
    return lab.locator(".widget-html [role=status]").first


def test_the_gradient_follows_the_slider(page, executed, tmp_path):
    lab = browser.lab_with(page, "width")
    handle = browser.slider(lab, "depth").locator(".noUi-handle")
    handle.scroll_into_view_if_needed()
    handle.focus()
    page.keyboard.press("Home")
    status(lab).filter(has_text="through 8 layers").wait_for()
    browser.settled(lab)
    before = browser.pixels(lab.locator("img.widget-image"))
    page.keyboard.press("End")
    status(lab).filter(has_text=re.compile(r"through 98 layers: plain × (\d·)?10⁻[³⁴]., residual × 0\.\d")).wait_for()
    browser.settled(lab)
    assert browser.pixels(lab.locator("img.widget-image")) != before
    lab.screenshot(path=tmp_path / "gradient.png")


def test_twins_train_stop_and_train_again(page, executed, tmp_path):
    lab = browser.lab_with(page, "rate")
    lab.scroll_into_view_if_needed()
    assert "Press Train" in status(lab).inner_text()
    lab.locator("select").first.select_option(label="8 layers")
    stop = lab.get_by_role("button", name="Stop")
    lab.get_by_role("button", name="Train").click()
    status(lab).filter(has_text=re.compile(r"^step \d+ of 200")).wait_for()
    stop.click()
    page.wait_for_timeout(1000)
    assert stop.is_disabled()
    reached = status(lab).inner_text()
    page.wait_for_timeout(1500)
    assert status(lab).inner_text() == reached  # Stop really stops
    again = lab.get_by_role("button", name="Again")
    again.click()
    status(lab).filter(has_text=re.compile(r"^step \d of 200")).wait_for()
    again.click()  # a second start while one runs
    page.wait_for_timeout(3000)
    status(lab).filter(has_text=re.compile(r"^step \d+ of 200")).wait_for()
    stop.click()
    page.wait_for_timeout(1000)
    assert stop.is_disabled()
    lab.screenshot(path=tmp_path / "twins.png")


def test_a_surface_is_computed(page, executed, tmp_path):
    lab = browser.lab_with(page, "directions")
    lab.scroll_into_view_if_needed()
    menus = lab.locator("select")
    menus.nth(1).select_option(label="5×5")
    menus.nth(2).select_option(label="48")
    browser.settled(lab)
    before = browser.pixels(lab.locator("img.widget-image"))
    lab.get_by_role("button", name="Compute").click()
    status(lab).filter(has_not_text="Press").wait_for()
    browser.settled(lab, patience=90)
    page.wait_for_function("(button) => button.disabled", arg=lab.get_by_role("button", name="Stop").element_handle())
    assert browser.pixels(lab.locator("img.widget-image")) != before
    lab.screenshot(path=tmp_path / "surface.png")


def test_the_quizzes_answer(page, executed):
    for index, answer in enumerate(("Gradient descent does not find the weights", "J_gᵀ v + v")):
        quiz = page.locator(".jp-OutputArea-output").filter(has=page.locator(".widget-radio")).nth(index)
        quiz.scroll_into_view_if_needed()
        quiz.get_by_text(answer, exact=True).first.click()
        quiz.locator("[role=status]", has_text="✓").wait_for()


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 17


def test_a_slider_reaches_the_screen_in_time(page, executed):
    assert browser.median_latency(browser.lab_with(page, "width"), "depth") < 1000  # 70 on a quiet machine
