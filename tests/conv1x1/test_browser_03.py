"""Lesson 3 as a student meets it: every cell, channels mixed by keyboard, the clock of the bottleneck, the quizzes."""

import re

from tests import browser

LESSON = "03_conv1x1.ipynb"
pytestmark = browser.MARKS


def share(lab):
    return int(re.search(r"brightest places (\d+)%", browser.headline(lab).inner_text())[1])


def test_two_sliders_find_the_stop_sign(page, executed, tmp_path):
    lab = browser.lab_with(page, "× red")
    assert share(lab) <= 55
    for name in ("× green", "× blue"):
        browser.press(lab, name, *["ArrowLeft"] * 10)
        assert browser.readout(lab, name) == "−0.50"
    assert share(lab) >= 65
    lab.screenshot(path=tmp_path / "mix.png")


def test_maps_of_a_layer_have_six_sliders_and_colours_three(page, executed, tmp_path):
    lab = browser.lab_with(page, "bias")
    names = lab.locator(".widget-label:visible").filter(has_text=re.compile("^×"))
    assert names.all_inner_texts() == ["× red", "× green", "× blue"]
    browser.choose(lab, "channels", "six maps of a trained layer")
    assert names.all_inner_texts() == [f"× map {k}" for k in (1, 2, 4, 7, 12, 16)]
    for name in names.all_inner_texts():
        seen = set()
        for key in ("Home", "End"):
            browser.press(lab, name, key)
            seen.add(browser.pixels(browser.picture(lab)))
        assert len(seen) == 2, name
    lab.screenshot(path=tmp_path / "maps.png")
    browser.choose(lab, "channels", "red, green, blue")


def test_a_picture_of_ones_own_is_mixed_and_a_missing_one_asked_for(page, executed, tmp_path):
    lab = browser.lab_with(page, "bias")
    browser.click(lab, "Reset")
    before = browser.pixels(browser.picture(lab))
    browser.choose(lab, "picture", "your own picture")
    assert browser.alert(lab, "press “Upload a picture”").count() == 1
    assert browser.pixels(browser.picture(lab)) == before
    browser.upload(lab, browser.STOP)
    assert "runs from" in browser.headline(lab).inner_text()
    assert browser.pixels(browser.picture(lab)) != before
    lab.screenshot(path=tmp_path / "own.png")


def test_a_photograph_that_ships_is_mixed(page, executed, tmp_path):
    lab = browser.lab_with(page, "bias")
    browser.click(lab, "Reset")
    seen = {browser.pixels(browser.picture(lab))}
    for name in ("cat", "espresso"):
        browser.choose(lab, "picture", f"photograph: {name}")
        browser.press(lab, "× green", "Home")
        assert "runs from" in browser.headline(lab).inner_text()
        seen.add(browser.pixels(browser.picture(lab)))
        lab.screenshot(path=tmp_path / f"{name}.png")
    assert len(seen) == 3
    browser.click(lab, "Reset")


def test_the_bottleneck_is_counted_and_timed(page, executed, tmp_path):
    lab = browser.lab_with(page, "between r")
    browser.press(lab, "between r", "End")
    assert re.search(r"No gain: \d\.\d times as many.*the clock says", browser.headline(lab).inner_text())
    browser.click(lab, "Reset")
    told = browser.headline(lab).inner_text()
    assert re.search(r"9\.7 times fewer multiply-adds; the clock says \d+\.\d times", told)
    lab.screenshot(path=tmp_path / "bottleneck.png")


def test_the_accounts_stand_in_tables(page, executed):
    table = page.locator(".jp-OutputArea-output table").filter(has_text="inception_3a").first
    table.scroll_into_view_if_needed()
    assert table.locator("tr").count() == 20
    assert "28×28×256" in table.inner_text()


def test_the_quizzes_answer(page, executed):
    browser.answer_quizzes(page, "16,384", "What reading needs was in the mixtures; a rebuild did not bring it out")


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 16  # seven weights, a switch, two menus; then three sliders, three menus


def test_a_slider_reaches_the_screen_in_time(page, executed):
    lab = browser.lab_with(page, "bias")
    browser.choose(lab, "picture", "STOP")
    assert browser.median_latency(lab, "× green") < 500  # some 50 on a quiet machine
