"""Lesson 6 as a student meets it: every cell, climbs begun, stopped, continued, dreams, the exercise, the quizzes."""

import re

from tests import browser

LESSON = "06_visualization.ipynb"
pytestmark = browser.MARKS


def said(lab):
    return browser.headline(lab).inner_text()


def test_a_moved_slider_begins_a_new_climb_and_the_scenes_follow(page, executed, tmp_path):
    lab = browser.lab_with(page, "climb")
    assert "Step 48 of 48: filter 3 went from" in said(lab)
    before = browser.pixels(browser.picture(lab))
    browser.press(lab, "filter", "ArrowRight")
    assert "Step 48 of 48: filter 4 went from" in said(lab)
    assert browser.pixels(browser.picture(lab)) != before
    lab.screenshot(path=tmp_path / "climb.png")


def test_sixteen_climb_at_once_and_a_class_is_drawn(page, executed, tmp_path):
    lab = browser.lab_with(page, "climb")
    browser.choose(lab, "climb", "16 filters, from this one on")
    assert "16 climbs in one batch" in said(lab)
    lab.screenshot(path=tmp_path / "sixteen.png")
    browser.choose(lab, "climb", "one filter")
    browser.choose(lab, "layer", "classes, by their logit")
    assert "the strongest of 256 drawn scenes" in said(lab)
    browser.choose(lab, "network", "signs-resnet-robust")
    lab.screenshot(path=tmp_path / "class.png")
    browser.choose(lab, "climb", "the whole layer")
    assert browser.alert(lab, "the classes are no layer").count() == 1
    assert "the strongest of 256 drawn scenes" in said(lab)  # the last good one stays
    browser.click(lab, "Reset")


def test_a_climb_is_stopped_and_continued(page, executed):
    lab = browser.lab_with(page, "climb")
    browser.slider(lab, "steps").locator(".noUi-handle").focus()
    page.keyboard.press("End")
    browser.click(lab, "Stop")
    assert int(re.search(r"Step (\d+) of 256", said(lab))[1]) < 256
    browser.button(lab, "Continue").click()
    browser.settled(lab, patience=60)
    assert "Step 256 of 256" in said(lab)
    browser.click(lab, "Reset")


def test_a_picture_of_ones_own_is_dreamt_on(page, executed, tmp_path):
    lab = browser.lab_with(page, "octaves")
    before = browser.pixels(browser.picture(lab))
    browser.upload(lab, browser.STOP)
    assert browser.menu(lab, "picture").input_value() == "your own picture"
    assert "all of stage3 went from" in said(lab)
    assert browser.pixels(browser.picture(lab)) != before
    lab.screenshot(path=tmp_path / "dream.png")


def test_the_maps_follow_the_picture(page, executed, tmp_path):
    lab = browser.labs(page).first
    before = browser.pixels(browser.picture(lab))
    browser.choose(lab, "picture", "YIELD, scene 3")
    assert browser.pixels(browser.picture(lab)) != before
    lab.screenshot(path=tmp_path / "maps.png")


def test_all_three_labs_work_with_photographs_and_their_network(page, executed, tmp_path):
    maps, climb, dream = browser.labs(page).first, browser.lab_with(page, "climb"), browser.lab_with(page, "octaves")
    for lab in (maps, climb, dream):
        before = browser.pixels(browser.picture(lab))
        if lab is not climb:
            browser.choose(lab, "picture", "photograph: cat")
        browser.choose(lab, "network", "efficientnet-lite0 (photographs, ships)")
        assert browser.pixels(browser.picture(lab)) != before
    browser.choose(maps, "layer", "stages.3: 80 maps of 14×14")
    assert "of the 80 filters of stages.3 answer" in said(maps)
    maps.screenshot(path=tmp_path / "maps_photograph.png")
    browser.choose(climb, "layer", "stages.3 (Sequential): 80 filters")
    climb.screenshot(path=tmp_path / "climb_photograph.png")
    browser.choose(climb, "layer", "classes, by their logit")
    assert "the strongest of 40 views of photographs" in said(climb)
    climb.screenshot(path=tmp_path / "class_photograph.png")
    browser.choose(dream, "layer", "stages.4: 112 maps of 14×14")
    assert "all of stages.4 went from" in said(dream)
    dream.screenshot(path=tmp_path / "dream_photograph.png")
    for lab in (maps, climb, dream):
        browser.click(lab, "Reset")


def test_the_quizzes_answer(page, executed):
    browser.answer_quizzes(page, "The layer is linear, and its copies add up", "Nearly nothing")


def test_every_control_can_be_moved_to_its_ends(page, executed):
    assert browser.drive_to_extremes(page) == 26


def test_first_frames_reach_the_screen_in_time(page, executed):
    maps, climb = browser.labs(page).first, browser.lab_with(page, "climb")
    times = {name: browser.median_latency(lab, "filter", 8) for name, lab in (("maps", maps), ("climb", climb))}
    print(times)
    assert max(times.values()) < 500  # 100 is the limit when quiet
