"""The labs of lesson 6 without a browser: move a control, look at the pixels, the sentence and the message line."""

import asyncio
import base64
import io
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils import images, runtime, signs, visualization, zoo
from course_utils.labs.own import OWN
from course_utils.visualization import examples
from course_utils.visualization.labs import DreamLab, MapsLab
from course_utils.visualization.labs import ascent as lesson
from tests.seen import pixels_of, words


@pytest.fixture(scope="module", autouse=True)
def nothing_to_download():
    """The menus offer what ships."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(zoo, "names", zoo.shipped)
        yield


@pytest.fixture(scope="module")
def one_lab():
    return lesson.VisualizationLab(steps=2)


@pytest.fixture
def lab(one_lab):
    one_lab.reset()
    assert one_lab.message.value == ""
    return one_lab


@pytest.fixture(scope="module")
def maps():
    return MapsLab()


@pytest.fixture(scope="module")
def dreaming():
    return DreamLab(steps=1)


def uploaded(lab):
    content = (runtime.DATA / "pictures" / "stop.jpg").read_bytes()
    file = {"name": "stop.jpg", "type": "image/jpeg", "size": len(content), "content": content}
    return list(lab.steps(**{**lab.choices(), "picture": OWN, "upload": ({**file},)}))[-1]


# ---- the climb -------------------------------------------------------------------------------------------------
def test_the_lab_climbs_as_the_engine_does(lab):
    view = list(lab.steps(**lab.choices()))[-1]
    network = zoo.load("signs-alexnet", device="cpu")
    expected = visualization.climb(network, visualization.Filter("features.3", 5), steps=2)
    torch.testing.assert_close(view.last.images, expected.images)
    torch.testing.assert_close(torch.tensor(view.scores), expected.scores)
    assert "Step 2 of 2: filter 5 went from" in words(lab.headline)
    assert lab.image.width == "1120"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("network", "signs-resnet"),
        ("layer", "features.0"),
        ("filter", 9),
        ("show", lesson.NEURON),
        ("show", lesson.SIXTEEN),
        ("show", lesson.WHOLE),
        ("steps", 4),
        ("step_size", 0.5),
        ("fourier", False),
        ("colours", False),
        ("jitter", False),
        ("turn", False),
        ("blur", False),
        ("smooth", False),
        ("seed", 4),
    ],
)
def test_every_control_changes_the_pixels(lab, name, value):
    if name == "smooth":
        lab.set(steps=6)
    before = pixels_of(lab)
    lab.controls[name].value = value
    assert lab.message.value == ""
    after = pixels_of(lab)
    assert after.shape != before.shape or np.abs(after - before).max() > 25


def test_the_switches_are_the_recipe():
    off = dict.fromkeys(("fourier", "colours", "jitter", "turn", "blur", "smooth"), False)
    assert lesson.recipe(**off) == visualization.NAIVE
    assert lesson.recipe(**dict.fromkeys(off, True)) == visualization.Recipe()
    rungs = list(visualization.LADDER.values())
    for count, added in ((1, ["smooth"]), (2, ["blur"]), (3, ["jitter", "turn"])):
        off |= dict.fromkeys(added, True)
        assert lesson.recipe(**off) == rungs[count]


def test_a_choice_survives_the_change_of_another_control(lab):
    lab.set(filter=50, seed=3, blur=False)
    lab.set(layer="features.0")
    assert lab.controls["filter"].value == 31
    assert "There is no number 50 here, the last one is 31." in words(lab.headline)
    lab.set(layer="features.3")
    assert (lab.controls["filter"].value, lab.controls["seed"].value) == (50, 3)
    assert lab.controls["blur"].value is False
    assert "There is no number" not in words(lab.headline)
    lab.set(network="signs-resnet")
    lab.set(layer="stage3")
    lab.set(network="signs-resnet-robust")
    assert lab.controls["layer"].value == "stage3"
    lab.set(layer=lesson.LOGIT)
    lab.set(network="signs-alexnet")
    assert lab.controls["layer"].value == lesson.LOGIT


def test_the_real_scenes_are_those_of_the_method(lab):
    lab.set(filter=7)
    view = list(lab.steps(**lab.choices()))[-1]
    scenes = torch.cat([lesson.block(k, 64, True) for k in range(16)])
    network = zoo.load("signs-alexnet", device="cpu")
    expected = examples.top_examples(network, scenes, "features.3", 7, count=8)
    assert view.real.shown == 256
    assert torch.equal(view.real.pictures, expected.pictures)
    for (pixels, box), which, seen in zip(view.scenes(), expected.pictures[0], expected.boxes[0], strict=True):
        assert (pixels == images.to_pixels(scenes[which])).all()
        assert box == seen.tolist()


def test_sixteen_are_sixteen_and_fewer_at_the_end(lab):
    network = zoo.load("signs-alexnet", device="cpu")
    sixteen = lesson.begin(network, "features.0", 4, 32, lesson.SIXTEEN, 1, 0.05, 0, visualization.NAIVE)
    assert sixteen.filters == tuple(range(4, 20))
    sixteen.go()
    assert len(sixteen.last.images) == 16
    lab.set(filter=60, show=lesson.SIXTEEN)
    assert "4 climbs in one batch" in words(lab.headline)


def test_classes_are_climbed_in_two_ways(lab):
    lab.set(layer=lesson.LOGIT, filter=signs.STOP)
    assert "stop went from" in words(lab.headline)
    assert "of 256 drawn scenes" in words(lab.headline)
    lab.set(layer=lesson.PROBABILITY)
    assert "the probability of “stop” is" in words(lab.headline)
    assert lab.controls["filter"].max == len(signs.CLASSES) - 1
    before = lab.image.value
    lab.set(show=lesson.WHOLE)
    assert "the classes are no layer that could rise as a whole" in words(lab.message)
    assert lab.image.value == before
    lab.set(show=lesson.ONE)
    assert lab.message.value == ""


def test_a_network_of_photographs_looks_through_photographs(monkeypatch):
    monkeypatch.setattr(zoo, "names", lambda: zoo.shipped() + zoo.photographs())
    lab = lesson.VisualizationLab(steps=1)
    lab.set(network="efficientnet-lite0")
    lab.set(layer="stages.2", filter=3)
    assert lab.message.value == ""
    assert lab._climbing.real.shown == 5 * len(examples.SINGLE)
    assert "views of photographs" in lesson.below(lab._climbing)
    assert len(list(lab._climbing.scenes())) == 8
    lab.set(layer=lesson.LOGIT)
    lab.set(filter=967)  # the slider is long enough now
    assert "espresso went from" in words(lab.headline)
    assert "of 40 views of photographs" in words(lab.headline)
    first = examples.SINGLE[int(lab._climbing.real.pictures[0, 0]) // 5]
    assert first == "espresso"  # of all views, the cup has the highest logit of it


def test_a_filter_that_is_not_there_is_refused_in_a_sentence():
    network = zoo.load("signs-alexnet", device="cpu")
    with pytest.raises(ValueError, match="has 64 filters, 0 to 63; there is no filter 64"):
        lesson.begin(network, "features.3", 64, 64, lesson.ONE, 5, 0.05, 0, visualization.NAIVE)
    with pytest.raises(ValueError, match=r"there is no 'conv1' in the menu of layers; it has features\.0"):
        lesson.VisualizationLab(layer="conv1")


def test_a_silent_filter_is_said_to_be(lab):
    view = list(lab.steps(**lab.choices()))[-1]
    flat = replace(view, scores=[[0.0]] * 5)
    assert "It is silent: no gradient came back." in re.sub(r"<[^>]+>", "", lesson.headline(flat))


def test_continue_climbs_on_from_where_it_stands(lab):
    network = zoo.load("signs-alexnet", device="cpu")
    expected = visualization.climb(network, visualization.Filter("features.3", 5), steps=4)
    lab.go_on()
    assert "Step 4 of 4" in words(lab.headline)
    torch.testing.assert_close(torch.tensor(lab._climbing.scores), expected.scores)
    lab.set(filter=6)
    assert "Step 2 of 2: filter 6" in words(lab.headline)


def in_a_loop(scenario):
    """Run a scenario with an event loop, as in a notebook."""
    return asyncio.run(scenario())


async def waited(condition):
    """Until it is so; what never is, pytest's own limit ends."""
    while not condition():
        await asyncio.sleep(0.002)


def test_stop_rests_and_continue_reaches_the_end(lab):
    async def scenario():
        lab.controls["steps"].value = 60
        await waited(lambda: lab._climbing.last is not None and 3 <= lab._climbing.last.index < 60)
        assert not lab.stop_button.disabled
        lab.stop_button.click()
        assert lab.stop_button.disabled
        stood = lab._climbing.last.index
        await asyncio.sleep(0.1)
        assert lab._climbing.last.index == stood < 60
        lab.continue_button.click()
        await waited(lambda: lab._climbing.last.index == 60)
        assert len(lab._climbing.scores) == 61

    in_a_loop(scenario)


def test_a_moved_control_drops_the_old_climb_and_begins_a_new_one(lab):
    async def scenario():
        lab.controls["steps"].value = 200
        await waited(lambda: lab._climbing.target == 200 and lab._climbing.last is not None)
        old = lab._climbing
        lab.controls["filter"].value = 8
        await waited(lambda: lab._climbing is not old and lab._climbing is not None)
        stood = old.last.index
        await waited(lambda: lab._climbing.last is not None and lab._climbing.last.index >= 5)
        assert old.last.index == stood < 200
        assert lab._climbing.filters == (8,)
        lab.stop()

    in_a_loop(scenario)


def test_the_first_frame_of_a_new_climb_comes_after_its_first_step(lab, monkeypatch):
    shown = []
    monkeypatch.setattr(lab, "_show", shown.append)
    with lab.quietly():
        lab.controls["filter"].value = 10
    lab._advance(lab._begin())
    assert len(shown) == 1
    assert lab._climbing.last.index == 0
    assert "Step <b>0</b> of 2: filter 10" in shown[0].headline


def test_a_stored_lab_is_its_picture_and_small(lab):
    bundle, metadata = lab._repr_mimebundle_()
    stored = np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))), dtype=int)
    assert np.abs(stored - lab._pixels).max() <= 9  # half of the distance of 16 shades
    assert metadata["image/png"]["alt"] == lesson.ALT
    assert len(bundle["image/png"]) < 200_000


# ---- the maps --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "value"),
    [("picture", "YIELD, scene 3"), ("network", "signs-inception"), ("layer", "features.0"), ("filter", 9)],
)
def test_every_control_changes_the_maps(maps, name, value):
    maps.reset()
    before = pixels_of(maps)
    maps.controls[name].value = value
    assert maps.message.value == ""
    after = pixels_of(maps)
    assert after.shape != before.shape or np.abs(after - before).max() > 40


def test_the_maps_are_the_layers(maps):
    maps.reset()
    (view,) = maps.steps(**maps.choices())
    network = zoo.load("signs-alexnet", device="cpu")
    picture = signs.render([signs.STOP], seed=3, device="cpu").images
    torch.testing.assert_close(view.maps, examples.activations(network, picture, "features.3")[0])
    assert view.sees == (25, 25)
    place = np.unravel_index(int(view.maps[5].argmax()), (16, 16))
    assert f"strongest in row {place[0]}, column {place[1]}" in words(maps.headline)


def test_ones_own_picture_comes_into_the_maps(maps):
    maps.reset()
    before = maps.image.value
    maps.controls["picture"].value = OWN
    assert "press “Upload a picture”" in words(maps.message)
    assert maps.image.value == before
    view = uploaded(maps)
    assert view.picture.shape == (1, 3, 64, 64)
    assert maps.draw(view).pixels.shape[1] == 1120


def test_another_filter_s_map_is_one_pass_and_one_picture(maps, monkeypatch):
    maps.reset()
    asked, shown = [], []
    monkeypatch.setattr(maps, "_show", shown.append)
    network = maps.load("signs-alexnet")
    hook = network.body.features[0].register_forward_hook(lambda *_: asked.append(1))
    for filter in range(8):
        maps.controls["filter"].value = filter
    hook.remove()
    assert len(asked) == len(shown) == 8


# ---- the dreams ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("picture", "YIELD, scene 3"),
        ("network", "signs-resnet"),
        ("layer", "stage1"),
        ("filter", 3),
        ("octaves", 2),
        ("steps", 3),
        ("step_size", 16),
        ("seed", 5),
    ],
)
def test_every_control_changes_the_dream(dreaming, name, value):
    dreaming.reset()
    before = pixels_of(dreaming)
    dreaming.controls[name].value = value
    assert dreaming.message.value == ""
    after = pixels_of(dreaming)
    assert after.shape != before.shape or np.abs(after - before).max() > 15


def test_ones_own_picture_is_dreamt_on(dreaming):
    dreaming.reset()
    view = uploaded(dreaming)
    assert view.step.images.shape == (1, 3, 192, 192)
    assert (view.step.octave + 1, view.step.index) == (view.step.octaves, view.step.steps)
    assert "Octave 3 of 3, step 1 of 1: all of stage3 went from" in re.sub(r"<[^>]+>", "", dreaming.draw(view).headline)
