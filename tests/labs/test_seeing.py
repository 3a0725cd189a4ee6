"""What labs share in which a network looks: menus, a download that is told, the picture of one's own read once."""

import numpy as np
import pytest
import torch

from course_utils import images, signs, zoo
from course_utils.labs import base, seeing
from course_utils.labs.own import OWN, OwnPicture
from tests.seen import png, put, words


class Looking(seeing.SeeingLab):
    """Asks a network for the mean of a picture."""

    scenes = seeing.named([("stop", 3), ("yield", 3)])

    def __init__(self, **loaded):
        controls = {
            "picture": base.menu("picture", [*self.scenes, OWN], "STOP, scene 3", "what is looked at"),
            "upload": OwnPicture(),
            "network": base.menu("network", ["one", "googlenet"], "one", "who looks"),
        }
        super().__init__(controls, alt="Grey.", **loaded)

    def steps(self, picture, upload, network):
        looking = self.load(network)
        yield looking, self.picture(picture, upload, 32, "cpu")

    def draw(self, step):
        network, picture = step
        return base.Frame(images.to_pixels(picture)[0], f"{network.name} sees {picture.mean():.3f}")


def network(name, size=64):
    body = torch.nn.Linear(1, 1)
    return zoo.PixelNetwork(body, name=name, class_names=signs.CLASS_NAMES, input_size=size).eval()


@pytest.fixture
def lab():
    return Looking(loaded=[network("one")])


def test_a_scene_of_the_menu_is_the_one_that_its_words_say(lab):
    scene = signs.render([signs.YIELD], size=32, seed=3, device="cpu").images
    assert words(lab.set(picture="YIELD, scene 3").headline) == f"one sees {scene.mean():.3f}"


def test_what_is_brought_is_chosen_and_read_once(lab, monkeypatch):
    reads, real = [], images.to_tensor
    monkeypatch.setattr(images, "to_tensor", lambda *a, **k: reads.append(1) or real(*a, **k))
    put(lab, png(np.full((40, 60, 3), 51, np.uint8)))
    assert lab.controls["picture"].value == OWN
    assert words(lab.headline) == "one sees 0.200"
    lab.set(picture="STOP, scene 3")
    lab.set(picture=OWN)
    assert len(reads) == 1


def test_one_s_own_picture_must_be_brought_first(lab):
    lab.set(picture=OWN)
    assert "press “Upload a picture”" in words(lab.message)


def test_a_download_is_told_while_it_lasts_and_a_large_network_gets_all_threads(lab, monkeypatch):
    told = []

    def load(name, progress):
        told.append(words(lab.headline))
        return network(name, size=224)

    monkeypatch.setattr(zoo, "load", load)
    monkeypatch.setattr(zoo, "download_size", lambda name: 3 * 2**20)
    lab.set(network="googlenet")
    assert told == ["googlenet is downloaded first: 3 MiB …"]
    assert words(lab.headline).startswith("googlenet sees")
    assert lab.threads is None
    lab.set(network="one")
    lab.set(network="googlenet")
    assert len(told) == 1
    assert lab.threads is None


def test_a_failed_download_leaves_the_sentence_that_stood_there(lab, monkeypatch):
    def offline(name, progress):
        raise OSError("no network")

    before = lab.headline.value
    monkeypatch.setattr(zoo, "load", offline)
    monkeypatch.setattr(zoo, "download_size", lambda name: 3 * 2**20)
    lab.set(network="googlenet")
    assert lab.headline.value == before
    assert "no network" in words(lab.message)


def test_the_menu_of_networks_begins_with_the_lab_s_own_and_tells_downloads():
    menu = seeing.networks_to_choose("gradcam-shortcut")
    assert menu[0] == ("gradcam-shortcut", "gradcam-shortcut")
    assert ("googlenet (ImageNet, a download)", "googlenet") in menu
    assert ("efficientnet-lite0 (photographs, ships)", "efficientnet-lite0") in menu
    assert [name for _, name in menu[1:]] == list(zoo.names())


@pytest.mark.parametrize("chosen", seeing.PHOTOGRAPHS)
def test_every_photograph_of_the_menu_is_at_hand(lab, chosen):
    assert chosen in seeing.pictures_to_choose(lab.scenes)
    picture = lab.picture(chosen, None, 32, "cpu")
    assert torch.equal(picture, images.photograph(seeing.PHOTOGRAPHS[chosen], size=32, device="cpu"))
    assert lab.picture(chosen, None, 32, "cpu") is picture, "read again for every frame"
