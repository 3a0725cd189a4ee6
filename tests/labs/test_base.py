"""The base of all labs without a browser: requests, frames, what is said, controls under both ipywidgets."""

import asyncio
import base64
import io
import sys
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils import runtime
from course_utils.labs import base
from tests.seen import pixels_of, words


# ---- the base, with a method made for the purpose --------------------------------------------------------------
class Shades(base.Lab):
    """Counts to `steps`, painting its shade; `log` tells what was begun, drawn and closed."""

    def __init__(self, trouble=None):
        self.log = []
        self.trouble = trouble
        controls = {
            "shade": base.pixel_slider("shade", range(256), 10, "how bright"),
            "steps": base.whole_slider("steps", 1, 100, 3, "how many"),
            "menu": base.menu("menu", ["a", "b"], "a", "nothing"),
        }
        super().__init__(controls, alt="A square.")

    def steps(self, shade, steps, menu):
        self.log.append(("begin", shade))
        if shade == 13:
            raise ValueError("13 brings bad luck; take another <shade>.")
        if shade == 14:
            raise ZeroDivisionError("nobody saw it coming")
        try:
            for k in range(steps):
                yield shade, k
        finally:
            self.log.append(("end", shade))

    def draw(self, step):
        shade, k = step
        self.log.append(("draw", shade, k))
        return base.Frame(np.full((32, 64, 3), shade, dtype=np.uint8), f"shade <b>{shade}</b>, step {k}")


def test_a_lab_shows_its_first_picture_at_once():
    lab = Shades()
    assert (abs(pixels_of(lab) - 10) <= 2).all()
    assert words(lab.headline) == "shade 10, step 2"
    assert (lab.image.width, lab.image.height) == ("64", "32")


def test_moving_a_slider_changes_the_pixels():
    lab = Shades()
    lab.controls["shade"].value = 200
    assert (abs(pixels_of(lab) - 200) <= 2).all()


def test_the_first_and_the_last_step_are_always_drawn():
    lab = Shades()
    lab.log.clear()
    lab.controls["steps"].value = 100
    drawn = [entry[2] for entry in lab.log if entry[0] == "draw"]
    assert drawn[0] == 0
    assert drawn[-1] == 99


def test_bad_input_leaves_the_last_good_picture_and_says_why():
    lab = Shades()
    good = lab.image.value
    lab.controls["shade"].value = 13
    assert lab.image.value == good
    assert "13 brings bad luck; take another <shade>." in words(lab.message)
    assert "<shade>" not in lab.message.value  # what a message quotes is text, never markup
    assert 'aria-live="assertive"' in lab.message.value
    lab.controls["shade"].value = 12
    assert lab.message.value == ""


def test_the_unexpected_is_said_too_with_its_type():
    lab = Shades()
    lab.controls["shade"].value = 14
    assert "ZeroDivisionError: nobody saw it coming" in words(lab.message)


def test_a_choice_survives_the_change_of_another_control():
    lab = Shades()
    lab.controls["menu"].value = "b"
    lab.controls["shade"].value = 99
    lab.controls["steps"].value = 7
    assert lab.choices() == {"shade": 99, "steps": 7, "menu": "b"}


def test_reset_brings_every_control_back_in_one_request():
    lab = Shades()
    lab.set(shade=50, steps=9, menu="b")
    lab.log.clear()
    lab.reset_button.click()
    assert lab.choices() == {"shade": 10, "steps": 3, "menu": "a"}
    assert [entry for entry in lab.log if entry[0] == "begin"] == [("begin", 10)]


def test_set_refuses_what_is_no_control_and_no_value():
    lab = Shades()
    with pytest.raises(ValueError, match="no control 'colour'"):
        lab.set(colour=3)
    with pytest.raises(ValueError, match="no value of the control 'menu'"):
        lab.set(menu="z")


def test_a_new_request_stops_the_old_one_before_it_begins():
    lab = Shades()

    async def student():
        lab.set(steps=100)
        lab.controls["shade"].value = 11
        while len(lab.log) < 3 or lab.log[-1] != ("draw", 11, 0):
            await asyncio.sleep(0)
        lab.log.clear()
        lab.controls["shade"].value = 77
        await lab._task

    asyncio.run(student())
    assert lab.log[:2] == [("end", 11), ("begin", 77)]
    assert lab.log[-1] == ("end", 77) or lab.log[-1][:2] == ("draw", 77)
    assert not [entry for entry in lab.log[1:] if entry[1] == 11]
    assert (abs(pixels_of(lab) - 77) <= 2).all()


def test_a_burst_of_moves_ends_with_the_last_one():
    lab = Shades()

    async def student():
        for shade in range(20, 60):
            lab.controls["shade"].value = shade
            await asyncio.sleep(0)
        await lab._task

    lab.log.clear()
    asyncio.run(student())
    assert words(lab.headline) == "shade 59, step 2"
    assert len([entry for entry in lab.log if entry[0] == "draw"]) < 40  # moves that were overtaken cost nothing


def test_an_error_in_a_task_reaches_the_message_line():
    lab = Shades()

    async def student():
        lab.controls["shade"].value = 14
        await lab._task

    asyncio.run(student())
    assert "ZeroDivisionError" in words(lab.message)


def test_in_colab_a_request_runs_to_its_end_although_a_loop_runs(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    lab = Shades()

    async def student():
        lab.controls["shade"].value = 88
        return words(lab.headline)

    assert asyncio.run(student()) == "shade 88, step 2"


def test_requests_from_two_threads_do_not_meet():
    lab = Shades()

    def student(first):
        for shade in range(first, first + 40):
            lab.controls["shade"].value = shade

    threads = [threading.Thread(target=student, args=(first,)) for first in (20, 120)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lab.message.value == ""
    depth = 0
    for entry in lab.log:
        depth += {"begin": 1, "end": -1}.get(entry[0], 0)
        assert 0 <= depth <= 1


def test_a_lab_without_a_kernel_leaves_its_picture():
    lab = Shades()
    bundle, metadata = lab._repr_mimebundle_()
    shown = np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))))
    assert shown.shape == (32, 64, 3)
    assert (shown == 10).all()
    assert bundle["application/vnd.jupyter.widget-view+json"]["model_id"] == lab.widget.model_id
    assert bundle["text/plain"] == "[A lab: A square.]"
    assert metadata["image/png"]["alt"] == "A square."


def test_a_menu_with_new_options_keeps_its_choice():
    menu = base.menu("menu", ["none", "yield", "stop"], "stop", "")
    base.keep_choice(menu, ["none", "stop", "panda"], "none")
    assert menu.value == "stop"
    base.keep_choice(menu, ["none", "panda"], "none")
    assert menu.value == "none"


def test_controls_are_explained_under_both_ipywidgets():
    slider = base.pixel_slider("ε", range(33), 8, "how far a pixel may move")
    assert "how far a pixel may move" in (
        slider.trait_values().get(name) for name in ("tooltip", "description_tooltip")
    )
    assert slider.label == "8/255"


def test_a_lab_computes_on_one_thread_and_gives_the_others_back():
    before, seen = torch.get_num_threads(), []

    class Counting(Shades):
        def steps(self, **choices):
            seen.append(torch.get_num_threads())
            yield from super().steps(**choices)

    with runtime.threads(2):
        Counting()
        assert torch.get_num_threads() == 2
    assert seen == [1]
    assert torch.get_num_threads() == before


def test_an_interrupt_of_the_kernel_stops_a_lab_and_is_said(monkeypatch):
    lab = Shades()

    def interrupted(_step):
        raise KeyboardInterrupt

    monkeypatch.setattr(lab, "draw", interrupted)
    lab.controls["shade"].value = 20
    assert words(lab.message).endswith("Stopped.")
    monkeypatch.undo()
    lab.controls["shade"].value = 30
    assert words(lab.headline) == "shade 30, step 2"
