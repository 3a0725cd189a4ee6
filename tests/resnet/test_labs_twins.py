"""The labs of the twins and of the loss surface, and the trainings they stand on."""

import asyncio
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from course_utils import figures, runtime, signs, zoo
from course_utils.resnet import loss_surface, missing_blocks, twins
from course_utils.resnet.figures import loss_surface as drawings
from course_utils.resnet.labs.loss_surface import LandscapeLab
from course_utils.resnet.labs.twins import TwinsLab
from course_utils.signs import small


@pytest.fixture(autouse=True)
def on_the_processor(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")


def words(widget):
    return re.sub(r"<[^>]*>", "", widget.value).strip()


def pixels_of(lab):
    return np.asarray(Image.open(io.BytesIO(lab.image.value)).convert("RGB")).astype(int)


# ---- the pair ----------------------------------------------------------------------------------------------------
def test_twins_differ_in_nothing_but_the_sum():
    pair = twins.twins(14, seed=3)
    plain, residual = pair[twins.PLAIN].body.state_dict(), pair[twins.RESIDUAL].body.state_dict()
    assert plain.keys() == residual.keys()
    assert all(torch.equal(plain[name], residual[name]) for name in plain)
    pictures = torch.rand(2, 3, 32, 32)
    assert not torch.allclose(pair[twins.PLAIN](pictures), pair[twins.RESIDUAL](pictures))
    for block in pair[twins.PLAIN].body.stage1:
        block.skip = nn.Identity()  # with the skips put in, the plain one is the residual one
    for stage in ("stage2", "stage3"):
        for block, other in zip(
            getattr(pair[twins.PLAIN].body, stage), getattr(pair[twins.RESIDUAL].body, stage), strict=True
        ):
            block.skip = other.skip
    assert torch.allclose(pair[twins.PLAIN](pictures), pair[twins.RESIDUAL](pictures))


def test_smoothing_is_the_mean_of_the_last_values():
    assert twins.smoothed([4, 2, 0, 6], 2) == [4, 3, 1, 3]
    assert twins.smoothed([], 3) == []


# ---- what ships --------------------------------------------------------------------------------------------------
def late(runs):
    """The mean loss of the last twenty batches, a number a seed."""
    return [float(np.mean(run[-20:])) for run in runs]


def test_the_shipped_runs_say_what_the_lesson_says():
    shipped = twins.shipped()
    assert sorted(shipped.losses) == [8, 20, 32, 56]
    for depth in shipped.losses:
        plain, residual = late(shipped.losses[depth][twins.PLAIN]), late(shipped.losses[depth][twins.RESIDUAL])
        assert len(plain) == len(residual) >= (3 if depth == 56 else 1)
        assert max(residual) < 0.1  # the residual one learns at every depth …
        assert min(shipped.test[depth][twins.RESIDUAL]) > 0.93
        if depth == 8:
            assert max(plain) < 0.1  # … the plain one only while it is shallow
        if depth == 56:
            assert min(plain) > 1.0
            assert max(shipped.test[depth][twins.PLAIN]) < 0.5
    means = [np.mean(late(shipped.losses[depth][twins.PLAIN])) for depth in (8, 20, 32, 56)]
    assert means == sorted(means)
    bare = {name: late(runs) for name, runs in shipped.bare.items()}  # without batch normalisation nothing arrives
    assert bare[twins.PLAIN] == pytest.approx([small.GUESSING] * len(bare[twins.PLAIN]), abs=0.03)
    assert max(bare[twins.RESIDUAL]) < 1.0


def test_the_shipped_surface_is_the_shipped_pair_s():
    surfaces = loss_surface.shipped()
    with np.load(runtime.DATA / "resnet" / "surfaces.npz") as stored:
        made = json.loads(str(stored["made"]))
    images, labels = small.scenes(made["scenes"])
    for name, stored in twins.STORED.items():
        network, surface = zoo.load(stored, device="cpu"), surfaces[name]
        reach = surface.axis[-1].item()
        corners = loss_surface.surface(
            network, images, labels, points=3, reach=reach, seed=made["directions_seed"], chunk=3
        )
        fine = surface.losses[:: len(surface.axis) // 2, :: len(surface.axis) // 2]
        assert torch.allclose(corners.losses.log(), fine.log(), atol=0.02), name
        assert surface.share == 1


def test_the_residual_network_stands_in_the_wider_and_deeper_bowl():
    """In the shipped square, and a little way off in ten others."""
    surfaces = loss_surface.shipped()
    plain, residual = surfaces[twins.PLAIN].low_share, surfaces[twins.RESIDUAL].low_share
    assert residual > 1.5 * plain
    told = json.loads((runtime.DATA / "resnet" / "rims.json").read_text(encoding="utf-8"))
    for reach, rims in told["rims"][twins.PLAIN].items():
        assert np.median(rims) > 2 * np.median(told["rims"][twins.RESIDUAL][reach]), reach


def test_the_shipped_pair_is_good_and_only_the_residual_one_spares_a_block():
    """Measured anew, so that the stored numbers and the stored networks belong together."""
    told = json.loads((runtime.DATA / "resnet" / "deletion.json").read_text(encoding="utf-8"))
    images, labels = small.scenes(told["made"]["scenes"], seed=signs.TEST_SEED)
    for name, stored in twins.STORED.items():
        network = zoo.load(stored, device="cpu")
        assert told["whole"][name] > (0.97 if name == twins.RESIDUAL else 0.6)
        found = {part.name: part.accuracy for part in missing_blocks.deletions(network, images[:300], labels[:300])}
        assert found.keys() == told["without"][name].keys()
        for block, accuracy in found.items():
            assert accuracy == pytest.approx(told["without"][name][block], abs=0.08), block
    plain, residual = (list(told["without"][name].values()) for name in (twins.PLAIN, twins.RESIDUAL))
    assert max(plain) < 0.8 < 0.9 < min(residual)
    assert np.median(plain) < 0.4


# ---- the lab of the twins ----------------------------------------------------------------------------------------
@pytest.fixture
def lab(monkeypatch):
    monkeypatch.setattr(twins, "SCENES", 256)
    return TwinsLab().set(depth=8, steps=20)


def test_before_the_start_the_lab_shows_the_run_that_ships(lab):
    assert words(lab.headline).startswith("Press Train.")
    assert lab.image.width == str(figures.WIDTH)
    first = pixels_of(lab)
    lab.controls["depth"].value = 56
    assert "56 layers" in words(lab.headline)
    assert (pixels_of(lab) != first).any()
    assert (lab.progress.value, lab.running) == (0, False)


def test_train_trains_both_to_the_end(lab):
    lab.start_button.click()
    told = words(lab.headline)
    assert re.search(r"step 20 of 20, plain: loss \d\.\d\d, \d+% right, residual: loss", told)
    assert re.search(r"On new scenes: plain \d+%, residual \d+% right\.", told)
    assert (lab.progress.value, lab.running, lab.message.value) == (1, False, "")


def test_the_same_seed_runs_the_same_race_and_another_seed_another(lab):
    lab.start()
    first = words(lab.headline)
    assert words(lab.start().headline) == first
    assert words(lab.set(seed=1).headline) != first


@pytest.mark.parametrize("choices", [{"norm": False}, {"rate": 0.02}, {"depth": 20}, {"seed": 9999}])
def test_every_control_has_its_say(lab, choices):
    lab.set(**choices, steps=20).start()
    assert lab.message.value == ""
    assert "step 20 of 20" in words(lab.headline)


def story(lab, script):
    async def told():
        lab.start_button.click()
        while lab.progress.value == 0:
            await asyncio.sleep(0.01)
        await script()

    asyncio.run(told())


def test_stop_stops(lab):
    lab.controls["steps"].value = 400

    async def script():
        lab.stop_button.click()
        reached, shown = lab.progress.value, lab.image.value
        await asyncio.sleep(0.5)
        assert (lab.progress.value, lab.running) == (reached, False)
        assert lab.image.value == shown
        assert reached < 1
        await lab._task

    story(lab, script)
    assert "of 400" in words(lab.headline)


def test_a_second_start_while_one_runs_begins_anew_and_ends_well(lab):
    lab.controls["steps"].value = 400

    async def script():
        lab.controls["steps"].value = 20
        lab.start_button.click()
        await lab._task

    story(lab, script)
    assert "step 20 of 20" in words(lab.headline)
    assert (lab.progress.value, lab.running, lab.message.value) == (1, False, "")


def test_a_race_leaves_the_global_random_state_alone(lab):
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    lab.start()
    assert torch.equal(torch.rand(2), expected)


# ---- the lab of the surface --------------------------------------------------------------------------------------
@pytest.fixture
def land():
    return LandscapeLab().set(points=5)


def test_the_surface_lab_waits_with_the_fine_surface(land):
    fine = len(loss_surface.shipped()[twins.PLAIN].axis)
    assert words(land.headline).startswith(f"Press Compute. Until then, {fine}×{fine} points")
    assert (land.progress.value, land.running) == (0, False)


def test_the_surface_lab_computes_what_the_method_does(land):
    before = pixels_of(land)
    land.set(scenes=48, reach=0.1, seed=4).start()
    assert land.message.value == ""
    assert land.progress.value == 1
    assert (pixels_of(land) != before).any()
    network = zoo.load(twins.STORED[twins.RESIDUAL], device="cpu")
    wanted = loss_surface.surface(network, *small.scenes(48), points=5, reach=0.1, seed=4)
    assert f"residual: {wanted.centre:.2g} in the middle, {wanted.low_share:.0%} of the square" in words(land.headline)


def test_the_surface_lab_stops_and_starts_anew(land):
    land.controls["points"].value = 25

    async def script():
        land.stop_button.click()
        assert not land.running
        assert 0 < land.progress.value < 1
        land.controls["points"].value = 5
        land.start_button.click()
        await land._task

    story(land, script)
    assert (land.progress.value, land.message.value) == (1, "")


@pytest.mark.parametrize("reach", [0.05, 1.0])
def test_every_reach_gives_a_picture(land, reach):
    land.set(reach=reach, scenes=48).start()
    assert (land.message.value, land.progress.value) == ("", 1)


# ---- the drawings ------------------------------------------------------------------------------------------------
def test_gaps_are_filled_from_their_neighbours_and_what_is_known_stays():
    heights = np.full((5, 5), np.nan)
    heights[2, 2], heights[0, 0] = 0.0, 1.0
    full = drawings.filled(heights)
    assert full[2, 2] == 0
    assert full[0, 0] == 1
    assert full[1, 2] < 0.5 < full[0, 1]
    assert np.isfinite(full).all()
    assert (drawings.filled(np.full((3, 3), np.nan)) == 1).all()


def test_a_heat_map_is_dark_where_the_loss_is_low_and_has_beta_upwards():
    losses = np.full((9, 9), 1e6)
    losses[7:, :2] = 1e-6  # β large, α small: above on the left
    pixels = drawings.heat({"one": losses, "two": losses}, 1.0, title="t").astype(int)
    assert pixels.shape[1] == figures.WIDTH
    left, top, side = drawings.LEFT, 96, 430
    assert pixels[top + 20, left + 20].sum() < pixels[top + side - 20, left + 20].sum() - 200
    assert pixels[top + 20, left + 20].sum() < pixels[top + 20, left + side - 20].sum() - 200


def test_infinite_losses_are_drawn_as_the_highest():
    losses = np.full((3, 3), np.inf)
    losses[1, 1] = 0.0
    for draw in (drawings.heat, drawings.mountains):
        assert draw({"one": losses, "two": losses}, 1.0, title="t").shape[1] == figures.WIDTH


def test_the_bars_of_missing_blocks():
    found = drawings.missing_blocks(
        ["stage1.0", "stage1.1"], {"a": [0.1, 0.2], "b": [0.9, 1.0]}, {"a": 1.0, "b": 1.0}, guess=1 / 6, title="t"
    )
    assert found.shape == (520, figures.WIDTH, 3)


def test_results_carry_how_they_were_made():
    folder = runtime.DATA / "resnet"
    assert twins.shipped().made["command"] == "python scripts/results_resnet.py twins"
    with np.load(folder / "surfaces.npz") as stored:
        assert "results_resnet.py surface" in str(stored["made"])
    assert all(path.stat().st_size < 300_000 for path in folder.iterdir())
    for stored in twins.STORED.values():
        assert stored in zoo.extras()
        assert zoo.card(stored)["bytes"] < 500_000
