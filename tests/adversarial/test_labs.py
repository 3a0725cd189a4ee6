"""The lab of lesson 8 without a browser: move a control, look at the pixels, the sentence and the message line."""

import itertools
import re
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import nn

from course_utils import figures, images, runtime, signs, zoo
from course_utils.adversarial.balls import Linf
from course_utils.adversarial.labs import attack, settings
from course_utils.adversarial.labs.moments import Side, View, before_and_after
from course_utils.adversarial.pgd import Step, pgd
from course_utils.labs.own import OWN
from course_utils.labs.seeing import scene
from tests.seen import pixels_of, png, put, refuses_a_broken_file, words


class Linear(nn.Module):
    """Reads its twenty examples right, and listens to noise that none of them holds: so it is fooled easily."""

    def __init__(self, size=64):
        super().__init__()
        examples = torch.cat([scene(name, 3, size).images for name in signs.CLASS_NAMES]).flatten(1) - 0.5
        inverse = torch.linalg.pinv(examples)  # [3 * size², 20]
        noise = torch.randn(inverse.T.shape, generator=torch.Generator().manual_seed(0))
        self.weight = nn.Parameter(8 * inverse.T + 0.01 * (noise - noise @ inverse @ examples))

    def forward(self, pictures):
        return (pictures.flatten(1) - 0.5) @ self.weight.T


def network(name, class_names=signs.CLASS_NAMES):
    return zoo.PixelNetwork(
        Linear(), name=name, class_names=class_names, input_size=64, mean=(0, 0, 0), std=(1, 1, 1)
    ).eval()


@pytest.fixture
def lab(monkeypatch):
    """The lab over made-up networks, so that it needs none that ships; "other" knows other classes."""
    others = ("stop", *(f"thing {k}" for k in range(1, 20)))
    known = {"one": signs.CLASS_NAMES, "two": signs.CLASS_NAMES, "other": others}
    monkeypatch.setattr(zoo, "shipped", lambda: tuple(known))
    monkeypatch.setattr(zoo, "names", lambda: tuple(known))
    monkeypatch.setattr(zoo, "load", lambda name, progress=True: network(name, known[name]))
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    return attack.AdversarialLab("one", epsilon=0)


def test_epsilon_zero_says_no_change(lab):
    assert "no change" in words(lab.headline)
    assert "STOP" in words(lab.headline)


def test_epsilon_turns_stop_into_something_else_before_one_s_eyes(lab):
    clean = pixels_of(lab)
    lab.controls["epsilon"].value = 32
    assert (pixels_of(lab) != clean).any()
    assert re.match(r"The network reads STOP \(.+ %\) → (?!STOP).+ \(.+ %\)\. ▲ fooled", words(lab.headline))


def test_a_target_is_reached_or_the_lab_says_that_it_was_not(lab):
    lab.set(epsilon=32, target="yield")
    assert "→ YIELD" in words(lab.headline)
    lab.set(epsilon=1)
    assert "not fooled" in words(lab.headline)


def test_the_true_label_as_target_is_refused_in_a_sentence(lab):
    good = lab.image.value
    lab.set(target="stop")
    assert words(lab.message) == "⚠ the picture shows “stop” already; choose another class as target, or none."
    assert lab.image.value == good
    lab.set(picture="YIELD, scene 3")  # the choice survives, and now it makes sense
    assert lab.controls["target"].value == "stop"
    assert lab.message.value == ""


@pytest.mark.parametrize("epsilon", [0, 1, 32])
@pytest.mark.parametrize("steps", [1, 50])
@pytest.mark.parametrize("step_size", ["auto", 0.1, 32])
def test_every_corner_of_the_controls_gives_a_picture(lab, epsilon, steps, step_size):
    for random_start in (True, False):
        lab.set(epsilon=epsilon, steps=steps, step_size=step_size, random_start=random_start, seed=9999)
        assert lab.message.value == ""
        assert pixels_of(lab).shape[1] == figures.WIDTH


def test_every_picture_and_network_can_be_chosen(lab):
    options = lab.controls["picture"].options, [name for _, name in lab.controls["network"].options]
    for picture, name in itertools.product(*options):
        if picture != OWN:
            lab.set(picture=picture, network=name, epsilon=2, steps=2)
            assert lab.message.value == "", picture


def test_another_network_s_classes_are_offered_as_targets_and_the_choice_is_kept(lab):
    lab.set(target="yield")
    lab.set(network="two")
    assert lab.controls["target"].value == "yield"
    lab.set(network="other")
    assert "thing 7" in lab.controls["target"].options
    assert lab.controls["target"].value == settings.UNTARGETED


def test_the_same_seed_gives_the_same_picture_and_another_seed_another(lab):
    lab.set(epsilon=4, steps=1, step_size=0.1)
    first = lab.image.value
    lab.set(seed=1)
    assert lab.image.value != first
    lab.set(seed=0)
    assert lab.image.value == first


def test_an_upload_becomes_the_picture(lab):
    stop = (scene("stop", 3, 64).images[0].permute(1, 2, 0).numpy() * 255).astype(np.uint8)
    put(lab, png(stop.repeat(3, axis=0).repeat(3, axis=1)))
    assert lab.message.value == ""
    assert lab.controls["picture"].value == OWN
    assert "STOP" in words(lab.headline)
    lab.set(epsilon=32)
    assert "fooled" in words(lab.headline)


def test_a_broken_upload_is_told_and_the_picture_stays(lab):
    refuses_a_broken_file(lab, "YIELD, scene 3")


def test_one_s_own_picture_must_be_uploaded_first(lab):
    lab.set(picture=OWN)
    assert "press “Upload a picture”" in words(lab.message)


def test_a_network_that_cannot_be_had_is_told(lab, monkeypatch):
    def offline(name, progress=True):
        raise OSError("no network")

    monkeypatch.setattr(zoo, "load", offline)
    lab.set(network="two")
    assert "OSError: no network" in words(lab.message)
    lab.set(network="one")
    assert lab.message.value == ""


def test_the_lab_leaves_the_network_and_the_random_state_alone(lab):
    held = lab._networks["one"]
    held.train()
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    lab.set(epsilon=8)
    assert torch.equal(torch.rand(2), expected)
    assert all(module.training for module in held.modules())
    assert all(p.requires_grad and p.grad is None for p in held.parameters())


def test_before_and_after_is_the_lab_s_picture_standing_still():
    clean = scene("stop", 3, 64).images
    shown = before_and_after(network("one"), clean, (clean + 8 / 255).clamp(0, 1))
    assert shown.pixels.shape[1] == figures.WIDTH
    assert repr(shown).startswith("[A picture")
    smaller = before_and_after(network("one"), clean, (clean + 8 / 255).clamp(0, 1), side=128)
    assert len(shown.pixels) - len(smaller.pixels) == 320 - 128


@pytest.mark.parametrize("norm", settings.NORMS)
def test_every_norm_attacks_and_never_leaves_its_ball(lab, norm):
    lab.set(norm=norm, epsilon=32, steps=3)
    assert lab.message.value == ""
    assert "fooled" in words(lab.headline)
    seen = []
    draw = lab.draw
    lab.draw = lambda view: (seen.append(view), draw(view))[1]
    lab.set(epsilon=12)
    side, kind = seen[-1].sides[0], settings.NORMS[norm]
    distance = kind.ball(0).norm(side.images - side.clean).item()
    assert 0 < distance <= 12 * kind.unit * (1 + 1e-5)


def test_another_norm_says_its_own_numbers_and_the_slider_stays_where_it_was(lab):
    lab.set(epsilon=8, step_size=2)
    told = []
    for norm in ("L∞", "L2", "L1", "L∞"):
        lab.set(norm=norm)
        told.append((lab.controls["epsilon"].label, lab.controls["step_size"].label))
        assert (lab.controls["epsilon"].value, lab.controls["step_size"].value) == (8, 2)
    assert told == [("8/255", "2/255"), ("0.8", "0.2"), ("16", "4"), ("8/255", "2/255")]


def last_view(lab, **choices):
    """What the lab's last drawing was made from."""
    seen, draw = [], lab.draw
    lab.draw = lambda view: (seen.append(view), draw(view))[1]
    lab.set(**choices)
    lab.draw = draw
    return seen[-1]


def test_a_second_network_stands_beside_the_first(lab):
    alone = pixels_of(lab).shape
    view = last_view(lab, second="two", epsilon=8, steps=3)
    assert [side.network.name for side in view.sides] == ["one", "two"]
    assert all(side.index == 3 for side in view.sides)
    assert pixels_of(lab).shape != alone
    assert re.match(r"one reads STOP .+two reads STOP", words(lab.headline))
    assert len(last_view(lab, second="one").sides) == 1  # itself is no second one
    for below in (settings.BARS, settings.MAP):  # another network's classes are others: no common bars
        lab.set(second="other", below=below)
        assert lab.message.value == ""


def test_the_map_follows_the_attack_and_shows_where_it_ended(lab):
    view = last_view(lab, epsilon=16, steps=4)
    side = view.sides[0]
    assert side.map.done
    assert side.map.classes[32, 32] == side.label  # x stands in the middle
    place = side.map.plane.places(side.images)[0] / side.map.reach
    column, row = ((place + 1) / 2 * 64).round().int().tolist()
    assert side.map.classes[row, column] == int(side.after.argmax())
    assert last_view(lab, below=settings.BARS).sides[0].map is None
    assert len(side.losses) == len(side.path) == 5


def test_a_picture_that_does_not_move_has_no_map(lab):
    view = last_view(lab, epsilon=8, step=settings.RAW, step_size=0.1, random_start=False, steps=1)
    assert view.sides[0].index == 1
    assert lab.message.value == ""


def test_of_several_restarts_the_best_is_shown(lab):
    one = last_view(lab, epsilon=8, steps=1, step_size=0.1).sides[0]  # so short a step: the start decides
    best = last_view(lab, restarts=10).sides[0]
    assert best.losses[-1] > one.losses[-1]
    lab.set(random_start=False)  # then they would all be the same: no error, one path
    assert lab.message.value == ""


def test_a_step_brings_its_numbers_to_the_processor_once(monkeypatch):
    """Each copy makes a GPU wait; of a long path only the new step is copied."""
    copies = []

    def counted(name):
        fetch = getattr(torch.Tensor, name)
        return lambda tensor: (copies.append(name), fetch(tensor))[1]

    def walked(*_, **how):
        for index, loss in enumerate(losses):
            yield Step(index, torch.full((3, 3, 4, 4), 0.1 * index), loss, torch.tensor([[2.0, 0.0]] * 3))

    clean, losses = torch.zeros(1, 3, 4, 4), torch.rand(6, 3)
    side = Side(None, clean, torch.zeros(2), 0, None, 0, clean, torch.zeros(1, 2))
    view = View((side,), settings.NORMS["L∞"], 8, 5, settings.BARS)
    monkeypatch.setattr(attack, "pgd_steps", walked)
    with monkeypatch.context() as patched:
        for name in ("item", "tolist", "cpu", "__int__", "__float__"):
            patched.setattr(torch.Tensor, name, counted(name))
        *_, side = attack._walk(
            side, view, 0.1, {"restarts": 3, "random_start": True, "seed": 0, "step": settings.SIGN}
        )
    assert copies == ["tolist"] * 6
    assert side.losses == tuple(losses[:, losses[-1].argmax()].tolist())  # all of the one that is ahead in the end
    assert [float(picture.mean()) for picture in side.path] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])


def test_a_story_moves_every_control_and_a_moved_control_ends_it(lab):
    lab.set(epsilon=3, norm="L1", seed=7)
    lab.set(preset="too large η")
    choices = lab.choices()
    assert {name: choices[name] for name in lab._stories["too large η"]} == lab._stories["too large η"]
    assert (choices["epsilon"], choices["step_size"], choices["norm"], choices["seed"]) == (5, 32, "L∞", 0)
    lab.controls["steps"].value = 7
    assert lab.controls["preset"].value == settings.FREE
    assert lab.controls["step_size"].value == 32
    assert "robust network" not in lab._stories  # that network is not here


def test_a_lab_may_begin_with_a_story(lab):
    told = attack.AdversarialLab("one", preset="one step")
    assert told.choices()["steps"] == 1
    assert told.controls["preset"].value == "one step"
    told.set(steps=9)
    told.reset()
    assert told.choices()["steps"] == 1
    with pytest.raises(ValueError, match=r"there is no story 'two steps'; choose one of 'one step'"):
        attack.AdversarialLab("one", preset="two steps")


SHIPPED = [name for name in ("signs-resnet",) if name in zoo.shipped()]


@pytest.mark.skipif(not SHIPPED, reason="no trained network is stored yet (make networks)")
def test_the_shipped_network_reads_stop_until_epsilon_moves():
    lab = attack.AdversarialLab("signs-resnet", epsilon=0)
    assert "no change. The network reads STOP" in words(lab.headline)
    clean = pixels_of(lab)
    lab.controls["epsilon"].value = 8
    assert re.search(r"STOP \(.+\) → (?!STOP)", words(lab.headline))
    assert (pixels_of(lab) != clean).any()


@pytest.mark.skipif(not SHIPPED, reason="no trained network is stored yet (make networks)")
def test_the_lab_s_questions_have_the_answers_that_the_lesson_means(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    lab = attack.AdversarialLab("signs-resnet", epsilon=5).set(below=settings.BARS)  # the maps take time

    def fooled(**choices):
        return "▲ fooled" in words(lab.set(**choices).headline)

    def reached(**choices):
        return words(lab.set(**choices).headline).endswith("▲ fooled")

    assert fooled()  # 3: a short step finds the hole, one longer than the ball jumps over it
    assert not fooled(step_size=32)
    assert not fooled(epsilon=4, step_size="auto", steps=1, random_start=False)  # 2: one step needs a larger ball
    assert fooled(epsilon=8)
    lab.reset()
    assert reached(epsilon=5, target="no entry")  # 4: what looks least like STOP is hardest
    assert not reached(epsilon=5, target="roundabout")
    lab.reset()
    if "signs-resnet-robust" in zoo.shipped():  # 5
        assert not fooled(epsilon=16, network="signs-resnet-robust")


@pytest.mark.skipif(not SHIPPED, reason="no trained network is stored yet (make networks)")
def test_the_stories_tell_what_their_names_promise(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    lab = attack.AdversarialLab("signs-resnet").set(below=settings.BARS)

    def told(story):
        return words(lab.set(preset=story).headline)

    assert told("one step").endswith("▲ fooled")
    assert told("the slide's PGD").endswith("▲ fooled")
    assert told("the slide's formula").endswith("✓ not fooled")
    assert told("too large η").endswith("✓ not fooled")
    lab.set(step_size="auto")
    assert words(lab.headline).endswith("▲ fooled")
    assert "→ YIELD" in told("STOP becomes YIELD")
    assert told("few pixels, changed much").endswith("▲ fooled")
    if "robust network" in lab._stories:
        assert re.search(r"-robust reads .+ ✓ not fooledsigns-resnet reads .+ ▲ fooled$", told("robust network"))


def test_many_classes_are_offered_in_the_order_in_which_one_looks_them_up():
    assert settings.targets_to_choose(["b", "a"]) == [settings.UNTARGETED, "b", "a"]
    many = [f"Class {k}" if k % 2 else f"class {k}" for k in range(999, 0, -1)]
    first, *offered = settings.targets_to_choose([*many, many[0]])  # ImageNet has two cranes
    assert first == settings.UNTARGETED
    assert offered == sorted(many, key=str.lower)


@pytest.mark.skipif(not zoo.photographs(), reason="the network for photographs is not stored")
def test_a_cat_becomes_guacamole_and_the_next_story_brings_the_sign_back(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    lab = attack.AdversarialLab("signs-resnet").set(below=settings.BARS, preset="a cat becomes guacamole")
    assert lab.message.value == ""
    assert re.search(r"reads EGYPTIAN CAT \(\d\d\.\d %\) → GUACAMOLE", words(lab.headline))
    assert len(lab.controls["target"].options) > 990
    view = last_view(lab, below=settings.MAP, steps=1, epsilon=1)
    assert view.sides[0].map.done
    assert view.sides[0].map.classes.shape == (attack.COARSE, attack.COARSE)  # some hundred looks at 224×224
    lab.set(preset="STOP becomes YIELD")
    assert lab.message.value == ""
    assert lab.controls["picture"].value == "STOP, scene 3"
    assert "→ YIELD" in words(lab.headline)


@pytest.mark.skipif(not zoo.photographs(), reason="the network for photographs is not stored")
def test_a_lab_may_begin_with_the_cat_and_comes_back_to_it(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    monkeypatch.setattr(attack, "map_steps", lambda *_, **__: iter(()))
    lab = attack.AdversarialLab(preset="a cat becomes guacamole")
    assert "→ GUACAMOLE" in words(lab.headline)
    lab.set(network="signs-resnet", epsilon=0)
    lab.reset()
    assert lab.controls["picture"].value == "photograph: cat"
    assert lab.controls["target"].value == "guacamole"
    assert "→ GUACAMOLE" in words(lab.headline)


@pytest.mark.skipif(not SHIPPED, reason="no trained network is stored yet (make networks)")
def test_a_finished_attack_takes_little_more_than_its_looks_at_the_gradient(monkeypatch):
    """PGD-20 and its two drawings: 1.3 times the bare attack where it was measured; and no look more than it needs."""
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    lab, bare, whole = attack.AdversarialLab("signs-resnet"), [], []
    network, label = lab._networks["signs-resnet"], torch.tensor([signs.STOP])
    clean, asked = scene("stop", 3, 64).images, []
    for epsilon in (3, 8, 5, 9, 12):
        with runtime.threads(1):
            begin = time.thread_time()
            pgd(network, clean, label, ball=Linf(epsilon / 255), step_size=epsilon / 8 / 255)
            bare.append(time.thread_time() - begin)
            begin, frames = time.thread_time(), 0
            with listening(network, asked):
                for view in lab.steps(**lab.choices() | {"epsilon": epsilon}):
                    ready = view.sides[0].index == view.steps
                    if frames == 0 or ready:
                        images.encode(lab.draw(view).pixels)
                        frames += 1
                    if ready:
                        break
            whole.append(time.thread_time() - begin)
    assert sorted(whole)[2] < 3 * sorted(bare)[2]
    assert len(asked) == 5 * 21  # the clean picture was asked about when the lab began


@contextmanager
def listening(network, asked):
    """Write down each time that a network is asked."""
    handle = network.register_forward_hook(lambda *_: asked.append(1))
    try:
        yield
    finally:
        handle.remove()
