"""The lab of heat maps without a browser: move a control, look at the pixels, the sentence and the message line."""

from importlib import import_module

import numpy as np
import pytest
import torch

from course_utils import gradcam, runtime, signs, zoo
from course_utils.gradcam import labs as lesson
from course_utils.gradcam import saliency
from course_utils.labs.own import OWN
from tests.seen import pixels_of, words

WIDE = "STOP and YIELD, side by side"


@pytest.fixture
def lab(monkeypatch):
    monkeypatch.setattr(zoo, "names", lambda: [*zoo.shipped(), *zoo.photographs()])  # nothing to download
    return lesson.GradCamLab()


def last_view(lab):
    return list(lab.steps(**lab.choices()))[-1]


def test_the_lab_begins_with_gradcam_for_what_is_read(lab):
    view = last_view(lab)
    assert "The network reads STOP (> 99.9 %)" in words(lab.headline)
    assert "the sign “stop”" in words(lab.headline)
    network = zoo.load("signs-resnet", device="cpu")
    made = signs.render([signs.STOP], seed=3, device="cpu")
    expected = gradcam.gradcam(network, made.images, signs.STOP, layer="stage4")
    torch.testing.assert_close(view.maps, expected)
    torch.testing.assert_close(view.coarse, gradcam.gradcam(network, made.images, signs.STOP, enlarge=False)[0])
    assert lab.image.width == "1120"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("picture", WIDE),
        ("picture", "YIELD, scene 3"),
        ("picture", "30 LIMIT, from the depot"),
        ("network", "signs-inception"),
        ("layer", "stage2"),
        ("label", "no entry"),
        ("second", "50 limit"),
        ("method", "HiResCAM"),
        ("opacity", 20),
        ("colours", "viridis"),
    ],
)
def test_every_control_changes_the_pixels(lab, name, value):
    if name == "method":
        lab.set(layer="stage3")  # behind the last stage both are the same
    before = pixels_of(lab)
    lab.controls[name].value = value
    assert lab.message.value == ""
    after = pixels_of(lab)
    assert after.shape != before.shape or np.abs(after - before).max() > 40


def test_all_methods_draw_at_all_layers(lab):
    for method in lab.controls["method"].options:
        lab.set(method=method)
        assert lab.message.value == "", (method, words(lab.message))
    for layer in dict(lab.controls["layer"].options).values():
        lab.set(method="Grad-CAM", layer=layer)
        assert lab.message.value == "", (layer, words(lab.message))


def test_two_signs_are_asked_for_by_their_names(lab):
    lab.set(picture=WIDE, label="stop", second="yield")
    view = last_view(lab)
    assert view.maps.shape == (2, 64, 128)
    assert [view.class_names[label] for label in view.chosen] == ["stop", "yield"]
    left, right = (heat[:, :64].sum() / heat.sum() for heat in view.maps)
    assert left > 0.8 > 0.2 > right
    assert words(lab.headline).count("✓") == 2
    lab.set(label="yield", second="yield")
    assert len(last_view(lab).chosen) == 1


def test_the_likeliest_classes_stand_on_top_and_a_choice_survives(lab):
    lab.set(label="roundabout")
    lab.set(picture=WIDE)
    assert set(lab.controls["label"].options[1:3]) == {"stop", "yield"}
    assert lab.controls["label"].options[0] == lesson.READ
    assert len(set(lab.controls["label"].options)) == 21
    assert lab.controls["label"].value == "roundabout"
    lab.set(network="signs-inception")
    assert lab.controls["label"].value == "roundabout"
    assert lab.controls["layer"].value == "inception_d"
    lab.set(network="signs-resnet")
    assert lab.controls["layer"].value == "stage4"


def test_opacity_and_colours_compute_nothing_again(lab, monkeypatch):
    calls, module = [], import_module("course_utils.gradcam.gradcam")  # the wing has a function of this name
    original = module.evidence
    monkeypatch.setattr(module, "evidence", lambda *a, **k: calls.append(1) or original(*a, **k))
    for opacity in (0, 50, 100):
        lab.controls["opacity"].value = opacity
    lab.controls["colours"].value = "turbo"
    assert calls == []
    lab.controls["layer"].value = "stage3"
    assert calls


def test_opacity_0_shows_the_picture_and_100_the_map(lab):
    lab.set(opacity=0)
    shown = pixels_of(lab)
    picture, covered = shown[70:360, 40:340], shown[70:360, 408:708]
    assert np.abs(picture - covered).mean() < 6  # JPEG
    lab.set(opacity=100)
    shown = pixels_of(lab)
    assert np.abs(shown[70:360, 40:340] - shown[70:360, 408:708]).mean() > 60


def test_a_class_that_nothing_speaks_for_is_said_so(lab):
    lab.set(label="keep right")
    view = last_view(lab)
    assert not view.maps.any()
    assert lesson._where(view.maps[0], None) == "all 0: nothing speaks for it"
    assert lab.message.value == ""
    assert "STOP" in words(lab.headline)


def test_a_network_that_reads_squares_only_says_so_and_the_picture_stays(lab):
    lab.set(picture=WIDE)
    before = lab.image.value
    lab.set(network="signs-alexnet")
    assert "signs-alexnet reads squares only, and this picture has 128×64 pixels" in words(lab.message)
    assert lab.image.value == before
    lab.set(picture="YIELD, scene 3")
    assert lab.message.value == ""


def test_ones_own_picture_comes_in(lab):
    lab.controls["picture"].value = OWN
    assert "press “Upload a picture”" in words(lab.message)
    content = (runtime.DATA / "pictures" / "stop.jpg").read_bytes()
    file = {"name": "stop.jpg", "type": "image/jpeg", "size": len(content), "content": content}
    upload = type("Upload", (), {"value": ({**file},)})().value
    view = list(lab.steps(**{**lab.choices(), "upload": upload}))[-1]
    assert view.masks == {}
    assert view.class_names[int(view.probabilities.argmax())] == "stop"
    frame = lab.draw(view)
    assert "hottest pixel" not in frame.headline


def test_two_things_on_a_photograph_are_asked_for_in_the_network_of_a_thousand_classes(lab):
    lab.set(network="efficientnet-lite0", picture="photograph: cat and espresso")
    lab.set(label="Egyptian cat", second="espresso")
    assert lab.message.value == ""
    assert "The network reads EGYPTIAN CAT" in words(lab.headline)
    assert "head, 7×7" in dict(lab.controls["layer"].options)
    assert lab.controls["layer"].value == "head"
    view = last_view(lab)
    assert view.maps.shape == (2, 224, 224)
    left, right = (heat[:, :112].sum() / heat.sum() for heat in view.maps)
    assert left > 0.8 > 0.2 > right


def test_on_a_photograph_another_opacity_computes_nothing_again(lab, monkeypatch):
    lab.set(network="efficientnet-lite0", picture="photograph: cat")
    calls, module = [], import_module("course_utils.gradcam.gradcam")
    original = module.evidence
    monkeypatch.setattr(module, "evidence", lambda *a, **k: calls.append(1) or original(*a, **k))
    for opacity in (0, 50, 100):
        before = pixels_of(lab)
        lab.controls["opacity"].value = opacity
        assert np.abs(pixels_of(lab) - before).max() > 40
    assert calls == []


def test_a_map_as_fine_as_the_pixels_is_not_dark_but_for_a_few_specks(lab):
    lab.set(network="efficientnet-lite0", picture="photograph: hopper", method="gradient", opacity=100)
    heat = last_view(lab).maps
    few, many = (saliency.normalise(heat, cut=cut).mean() for cut in (0, lesson.SPECKS))
    assert many > 2 * few
    shown = pixels_of(lab)[70:360, 408:700]
    assert shown.mean() > 35


def test_the_shortcut_network_may_be_asked():
    lab = lesson.GradCamLab("gradcam-shortcut")
    assert lab.controls["network"].value == "gradcam-shortcut"
    assert lab.message.value == ""


def test_the_methods_in_the_menu_are_all_there_are(lab):
    assert set(lab.controls["method"].options) == {*gradcam.METHODS, *saliency.METHODS}


def test_another_layer_asks_the_network_once_and_another_opacity_never(lab):
    """What it reads is known; loading it and finding its layers asks nothing again."""
    asked = []
    hook = lab.load("signs-resnet").register_forward_hook(lambda *_: asked.append(1))
    lab.controls["layer"].value = "stage3"
    assert len(asked) == 1
    lab.controls["opacity"].value = 20
    hook.remove()
    assert len(asked) == 1


def test_reset_finds_the_layers_of_the_first_network_again(lab):
    lab.set(network="signs-inception")
    lab.set(layer="inception_c")
    lab.reset()
    assert lab.choices()["network"] == "signs-resnet"
    assert lab.choices()["layer"] == lab.defaults["layer"] == "stage4"
    assert lab.message.value == ""
