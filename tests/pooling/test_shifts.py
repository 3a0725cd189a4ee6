"""A camera that moves sideways, and the four networks that look through it."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from course_utils import pooling, runtime, signs, training, zoo
from course_utils.pooling import shifts


@pytest.fixture(scope="module")
def travel():
    return shifts.render_travels(3, seed=5)


def test_a_step_of_the_camera_is_a_pixel_of_the_street(travel):
    views = travel.views(0)
    assert views.shape == (shifts.FARTHEST + 1, 3, shifts.WINDOW, shifts.WINDOW)
    assert torch.equal(views[1, :, :, :-1], views[0, :, :, 1:])  # the same street, a pixel to the left
    assert torch.equal(views[-1], travel.images[0, :, :, shifts.FARTHEST :])


def test_the_sign_stays_whole_in_every_picture(travel):
    """Rendered again from the seed, with the masks that tell where the sign is."""
    scenes = signs.render(256, size=shifts.WINDOW + shifts.FARTHEST, seed=5, dials=shifts.WORLD, device="cpu")
    found = 0
    for image, mask in zip(scenes.images, scenes.masks[:, 0], strict=True):
        tops = range(shifts.FARTHEST + 1)
        for mine in travel.images:
            top = next((t for t in tops if torch.equal(image[:, t : t + shifts.WINDOW], mine)), None)
            if top is not None:
                inside = mask[top : top + shifts.WINDOW, shifts.FARTHEST : shifts.WINDOW]
                assert (mask > 0.02).sum() == (inside > 0.02).sum() > 200
                found += 1
    assert found == 3


def test_the_same_seed_gives_the_same_travels(travel):
    again = shifts.render_travels(2, seed=5)
    assert torch.equal(again.images, travel.images[:2])
    assert torch.equal(again.labels, travel.labels[:2])
    with pytest.raises(ValueError, match="count must be at least 1 scene; got 0"):
        shifts.render_travels(0, seed=5)


class Column(nn.Module):
    """Sees one column of the picture only, so that a shift changes its mind; or nothing, and keeps it."""

    def __init__(self, blind: bool):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(20))
        self.blind = blind

    def forward(self, images):
        seen = images[:, 0, :, 0].sum(dim=1) * (0 if self.blind else 1)
        return torch.sin(100 * seen[:, None] * torch.arange(1, 21)) + self.weight


def test_a_network_that_sees_nothing_is_consistent_and_one_that_sees_a_column_is_not(travel):
    blind, sighted = (shifts.ask(Column(is_blind), travel) for is_blind in (True, False))
    assert blind.consistency().tolist() == [1, 1, 1]
    assert blind.wobble().abs().max() < 1e-6
    assert (sighted.consistency() < 0.5).all()
    assert (sighted.wobble() > 0).all()


def test_consistency_counts_pairs():
    classes = torch.tensor([[3] * 33, [3] * 11 + [4] * 22])
    told = shifts.Answers(torch.zeros(2, 33), classes)
    assert told.consistency()[0] == 1
    torch.testing.assert_close(told.consistency()[1], torch.tensor((11 * 10 + 22 * 21) / (33 * 32)))
    assert told.same()[1].tolist() == [1] * 11 + [0] * 22


def test_the_standard_error_is_numpy_s():
    values = torch.rand(50, 3, generator=runtime.generator(0))
    expected = np.std(values.numpy(), axis=0, ddof=1) / np.sqrt(50)
    np.testing.assert_allclose(shifts.standard_error(values).numpy(), expected, rtol=1e-5)


# ---- what ships --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind", pooling.KINDS)
def test_a_network_ships_for_each_kind_and_is_as_good_as_its_results_say(kind):
    network = zoo.load(f"pooling-{kind}", device="cpu")
    assert f"pooling-{kind}" in zoo.extras()
    assert zoo.card(f"pooling-{kind}")["bytes"] < 500_000
    promised = shifts.load_results()[kind]["accuracy"]
    fresh = signs.render(300, size=shifts.WINDOW, seed=777, dials=shifts.WORLD, device="cpu")
    right = training.accuracy(network, fresh.images, fresh.labels)
    assert abs(right - promised) < 3.5 * (promised * (1 - promised) / 300) ** 0.5 + 0.01


def test_the_stored_results_are_whole():
    stored = json.loads(shifts.RESULTS.read_text(encoding="utf-8"))
    assert list(stored["kinds"]) == list(pooling.KINDS)
    for result in stored["kinds"].values():
        assert len(result["consistency"]) == len(result["wobble"]) == 400
        for name in ("same", "same_error", "score", "score_error"):
            assert len(result[name]) == shifts.FARTHEST + 1
        assert result["same"][0] == 1
        assert result["seeds"]["1"]["consistency"] == pytest.approx(np.mean(result["consistency"]), abs=1e-3)


@pytest.fixture(scope="module")
def first_travels():
    """The first scenes of the 400."""
    return shifts.render_travels(12, seed=2**40)


@pytest.mark.parametrize("kind", pooling.KINDS)
def test_the_stored_results_are_those_of_the_networks_that_ship(kind, first_travels):
    again = shifts.ask(zoo.load(f"pooling-{kind}", device="cpu"), first_travels)
    stored = shifts.load_results()[kind]
    np.testing.assert_allclose(again.wobble().numpy(), stored["wobble"][:12], atol=0.01)
    assert np.abs(again.consistency().numpy() - np.array(stored["consistency"][:12])).max() < 0.15


def test_the_controls_are_told_seed_by_seed():
    controls = shifts.load_controls()
    for seeds in controls.values():
        for told in seeds.values():
            assert 0.5 < told["consistency"] <= told["consistency_right"] <= 1
    assert abs(controls["wide"]["1"]["macs"] / controls["max"]["1"]["macs"] - 1) < 0.07  # as much work
