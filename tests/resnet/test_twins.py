"""Twins differ in nothing but the sum; their trainings that ship say what the lesson says."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from course_utils import runtime, zoo
from course_utils.resnet import twins
from course_utils.signs import small


@pytest.fixture(autouse=True)
def on_the_processor(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")


def test_twins_differ_in_nothing_but_the_sum():
    pair = twins.build_pair(14, seed=3)
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
    assert twins.smooth([4, 2, 0, 6], 2) == [4, 3, 1, 3]
    assert twins.smooth([], 3) == []


# ---- what ships --------------------------------------------------------------------------------------------------
def test_the_shipped_runs_say_what_the_lesson_says():
    runs = twins.load_runs()
    assert sorted(runs.losses) == [8, 20, 32, 56]
    for depth in runs.losses:
        plain, residual = twins.ends(runs.losses[depth][twins.PLAIN]), twins.ends(runs.losses[depth][twins.RESIDUAL])
        assert len(plain) == len(residual) >= (3 if depth == 56 else 1)
        assert max(residual) < 0.1  # the residual one learns at every depth …
        if depth == 8:
            assert max(plain) < 0.1  # … the plain one only while it is shallow
        if depth == 56:
            assert min(plain) > 0.5
            assert np.mean(plain) > 1
    means = [np.mean(twins.ends(runs.losses[depth][twins.PLAIN])) for depth in (8, 20, 32, 56)]
    assert means == sorted(means)
    bare = {name: twins.ends(seeds) for name, seeds in runs.bare.items()}  # without batch normalisation nothing arrives
    assert bare[twins.PLAIN] == pytest.approx([small.GUESSING] * len(bare[twins.PLAIN]), abs=0.03)
    assert max(bare[twins.RESIDUAL]) < 1.0


def test_controls_say_what_the_lesson_says():
    """Begun beside a copy the plain network learns; without batch normalisation, slower, one of three does a little."""
    controls, usual = twins.load_controls(), twins.ends(twins.load_runs().losses[56][twins.PLAIN])
    assert max(controls["copies"]) < min(usual) / 2
    best, *others = sorted(controls["slower"])
    assert best == pytest.approx(1.2, abs=0.05)
    assert others == pytest.approx([small.GUESSING] * 2, abs=0.03)


def test_adamw_takes_the_same_step_for_a_gradient_a_thousand_times_larger():
    ends = []
    for factor in (1, 1000):
        weight = nn.Parameter(torch.tensor([1.0, -2.0]))
        optimizer = torch.optim.AdamW([weight], lr=0.01)
        for gradient in ([0.3, -0.1], [0.2, 0.4], [-0.5, 0.1]):
            weight.grad = factor * torch.tensor(gradient)
            optimizer.step()
        ends.append(weight.detach())
    assert torch.allclose(*ends, atol=1e-6)


def test_results_carry_how_they_were_made():
    folder = runtime.DATA / "resnet"
    assert twins.load_runs().made["command"] == "python scripts/results_resnet.py twins"
    with np.load(folder / "surfaces.npz") as stored:
        assert "results_resnet.py surface" in str(stored["made"])
    told = json.loads((folder / "lesions.json").read_text(encoding="utf-8"))
    assert told["made"]["command"] == "python scripts/results_resnet.py lesions"
    assert all(path.stat().st_size < 300_000 for path in folder.iterdir())
    for stored in twins.STORED.values():
        assert stored in zoo.extras()
        assert zoo.card(stored)["bytes"] < 500_000
