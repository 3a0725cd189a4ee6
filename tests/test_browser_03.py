"""Lesson 3 as a student meets it: every cell run, channels mixed by keyboard, the clock of the bottleneck, the quiz."""

import re

from course_utils import runtime
from tests import browser

LESSON = "03_conv1x1.ipynb"
pytestmark = browser.MARKS


def press(page, slider, key, times=1):
    slider.locator(".noUi-handle").focus()
    for _ in range(times):
        page.keyboard.press(key)


def share(lab):
    browser.settled(lab)
    said = lab.locator(".widget-html [role=status]").first.inner_text()
    return int(re.search(r"brightest places (\d+)%", said)[1])


def test_two_sliders_find_the_stop_sign(page, executed, tmp_path):
    lab = browser.lab_with(page, "× red")
    lab.scroll_into_view_if_needed()
    assert share(lab) <= 55
    for name in ("× green", "× blue"):
        press(page, browser.slider(lab, name), "ArrowLeft", 10)
        assert browser.slider(lab, name).locator(".widget-readout").inner_text() == "−0.50"
    assert share(lab) >= 75
    lab.screenshot(path=tmp_path / "mix.png")


def test_maps_of_a_layer_have_six_sliders_and_colours_three(page, executed, tmp_path):
    lab = browser.lab_with(page, "bias")
    names = lab.locator(".widget-label:visible").filter(has_text=re.compile("^×"))
    assert names.all_inner_texts() == ["× red", "× green", "× blue"]
    menu = lab.locator("select").nth(1)
    menu.select_option(index=1)
    browser.settled(lab)
    assert names.all_inner_texts() == [f"× map {k}" for k in (1, 2, 4, 7, 12, 16)]
    picture = lab.locator("img.widget-image")
    for name in names.all_inner_texts():
        seen = set()
        for key in ("Home", "End"):
            press(page, browser.slider(lab, name), key)
            browser.settled(lab)
            seen.add(browser.pixels(picture))
        assert len(seen) == 2, name
    lab.screenshot(path=tmp_path / "maps.png")
    menu.select_option(index=0)
    browser.settled(lab)


def test_a_picture_of_ones_own_is_mixed_and_a_missing_one_asked_for(page, executed, tmp_path):
    lab = browser.lab_with(page, "bias")
    lab.get_by_role("button", name="Reset").click()
    browser.settled(lab)
    menu, picture = lab.locator("select").first, lab.locator("img.widget-image")
    before = browser.pixels(picture)
    menu.select_option(label="your own picture")
    lab.locator("[role=alert]", has_text="press “Upload a picture”").wait_for()
    assert browser.pixels(picture) == before
    with page.expect_file_chooser() as chooser:
        lab.locator(".widget-upload").click()
    chooser.value.set_files(runtime.DATA / "pictures" / "stop.jpg")
    lab.locator(".widget-html [role=status]", has_text="runs from").wait_for()
    browser.settled(lab)
    assert browser.pixels(picture) != before
    lab.screenshot(path=tmp_path / "own.png")


def test_the_bottleneck_is_counted_and_timed(page, executed, tmp_path):
    lab = browser.lab_with(page, "between r")
    lab.scroll_into_view_if_needed()
    told = lab.locator(".widget-html [role=status]").first
    press(page, browser.slider(lab, "between r"), "End")
    told.filter(has_text=re.compile(r"No gain: \d\.\d times as many.*the clock says")).wait_for()
    lab.get_by_role("button", name="Reset").click()
    told.filter(has_text=re.compile(r"9\.7 times fewer multiply-adds; the clock says \d+\.\d times")).wait_for()
    browser.settled(lab)
    lab.screenshot(path=tmp_path / "bottleneck.png")


def test_the_accounts_stand_in_tables(page, executed):
    table = page.locator(".jp-OutputArea-output table").filter(has_text="inception_3a").first
    table.scroll_into_view_if_needed()
    assert table.locator("tr").count() == 20
    assert "28×28×256" in table.inner_text()


def test_the_quiz_answers(page, executed):
    quiz = page.locator(".jp-OutputArea-output").filter(has=page.locator(".widget-radio")).first
    quiz.scroll_into_view_if_needed()
    quiz.get_by_text("16,384").first.click()
    quiz.locator("[role=status]", has_text="✓").wait_for()


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 16  # seven weights, a switch, two menus; then three sliders, three menus


def test_a_slider_reaches_the_screen_in_time(page, executed):
    lab = browser.lab_with(page, "bias")
    lab.locator("select").first.select_option(index=0)
    browser.settled(lab)
    assert browser.median_latency(lab, "× green") < 1000  # some 50 on a quiet machine
