"""The contest: blind rivals, error bars, two signs, and tables that come out again from their seeds."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from skimage.filters import sobel_h, sobel_v

from course_utils import gradcam, runtime, signs, zoo
from course_utils.gradcam import comparison, localisation, saliency


def random(count=3, side=12, seed=0):
    return torch.rand(count, side, side, generator=runtime.generator(seed))


@pytest.fixture(scope="module")
def network():
    return zoo.load("signs-resnet", device="cpu")


@pytest.fixture(scope="module")
def scenes():
    return signs.render(6, seed=5, device="cpu")


# ---- baselines -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", comparison.BASELINES)
def test_a_baseline_is_a_map_like_any_other(name, network, scenes):
    maps = comparison.BASELINES[name](network, scenes.images, scenes.labels)
    assert maps.shape == (6, 64, 64)
    assert maps.isfinite().all()
    assert maps.min() >= 0
    assert torch.equal(maps, comparison.BASELINES[name](network, scenes.images, scenes.labels))


def test_the_centre_is_in_the_centre_and_edges_are_at_edges(network):
    x = torch.zeros(1, 3, 16, 16)
    x[..., 8:] = 1
    centre = comparison.centre(network, x)
    assert centre[0, 7:9, 7:9].min() == centre.max()
    edges = comparison.sobel_edges(network, x)
    assert (edges[0, :, 7:9] > 0).all()
    assert not edges[0, :, :6].any()
    assert not edges[0, :, 11:].any()


def test_sobel_is_scikit_images(network):
    x = random(1, 20)[:, None].expand(-1, 3, -1, -1)
    grey = x[0, 0].numpy().astype(float)
    theirs = 4 * np.hypot(sobel_h(grey), sobel_v(grey))
    ours = comparison.sobel_edges(network, x)[0].numpy()
    np.testing.assert_allclose(ours[1:-1, 1:-1], theirs[1:-1, 1:-1], atol=1e-5)


def test_the_untrained_network_is_another_one_and_leaves_the_trained_one_alone(network, scenes):
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    maps = comparison.untrained(network, scenes.images, scenes.labels)
    assert not torch.allclose(maps, gradcam.gradcam(network, scenes.images, scenes.labels))
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


# ---- error bars ------------------------------------------------------------------------------------------------
def test_the_interval_is_scipys_bootstrap():
    values = torch.rand(80, generator=runtime.generator(3), dtype=torch.float64) ** 2
    ours = comparison.interval(values, draws=4000)
    theirs = stats.bootstrap((values.numpy(),), np.mean, n_resamples=4000, method="percentile", random_state=0)
    assert ours.mean == pytest.approx(values.mean().item())
    assert ours.low == pytest.approx(theirs.confidence_interval.low, abs=0.005)
    assert ours.high == pytest.approx(theirs.confidence_interval.high, abs=0.005)
    assert comparison.interval(values) == comparison.interval(values)


def test_nineteen_intervals_of_twenty_hold_the_truth():
    held = 0
    for seed in range(200):
        values = torch.rand(60, generator=runtime.generator(seed))
        found = comparison.interval(values, draws=400, seed=seed)
        held += found.low <= 0.5 <= found.high
    assert 0.88 <= held / 200 <= 0.99


# ---- two signs -------------------------------------------------------------------------------------------------
def test_two_signs_stand_side_by_side_where_their_masks_say():
    made = comparison.two_signs([signs.STOP, 0], [signs.YIELD, 17], seed=4, device="cpu")
    assert made.images.shape == (2, 3, 64, 128)
    assert made.labels.tolist() == [[signs.STOP, signs.YIELD], [0, 17]]
    assert made.masks.shape == (2, 2, 64, 128)
    assert not made.masks[:, 0, :, 64:].any()
    assert not made.masks[:, 1, :, :64].any()
    assert (made.masks.sum(dim=(2, 3)) > 500).all()
    assert made.images.min() >= 0
    assert made.images.max() <= 1
    again = comparison.two_signs([signs.STOP, 0], [signs.YIELD, 17], seed=4, device="cpu")
    assert torch.equal(again.images, made.images)
    with pytest.raises(ValueError, match="as many signs for the left"):
        comparison.two_signs([1], [2, 3])


def test_two_signs_are_both_read(network):
    made = comparison.random_pairs(60, seed=9, device="cpu")
    assert (made.labels[:, 0] != made.labels[:, 1]).all()
    with torch.no_grad():
        top = network(made.images).topk(2, dim=1).indices
    both = (top.sort(dim=1).values == made.labels.sort(dim=1).values).all(dim=1)
    assert both.float().mean() > 0.9


# ---- the table on the screen -----------------------------------------------------------------------------------
def test_the_table_shows_every_number_and_the_best_in_bold():
    rows = {"ours": {"deletion": (0.25, 0.2, 0.3)}, "<b>": {"deletion": (0.5, 0.4, 0.6)}}
    rows |= {"centre": {"deletion": (0.75, 0.7, 0.8)}}
    shown, plain = comparison.Table(rows)._repr_html_(), repr(comparison.Table(rows))
    assert "<b>0.25</b> <small>[0.20, 0.30]</small>" in shown
    assert "<b>0.50</b>" not in shown
    assert "&lt;b&gt;" in shown
    assert shown.count("background") == 1  # the blind one
    assert [line.split()[-1] for line in plain.splitlines()] == ["deletion", "0.25", "0.50", "0.75"]


# ---- the tables that ship --------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def world():
    """The score table, and the scenes that it was made of."""
    table = comparison.shipped("scores")
    return table, signs.render(table["scenes"], seed=table["seed"], dials=comparison.DIALS, device="cpu")


@pytest.mark.parametrize("name", comparison.contestants())
def test_every_row_of_the_score_table_comes_out_again_on_its_first_scenes(network, world, name):
    table, made = world
    stored = table["first"][name]
    found = comparison.scored(network, made[[0, 1, 2]], {name: comparison.contestants()[name]})[name]
    assert list(found) == list(stored) == list(table["rows"][name])
    for kind, values in found.items():
        assert values.tolist() == pytest.approx(stored[kind][:3], abs=0.005), kind


def test_the_means_and_error_bars_of_the_score_table_come_out_again(network, world):
    table, made = world
    assert (made.masks > 0.5).float().mean().item() == pytest.approx(table["mask_share"], abs=1e-3)
    for name in ("Grad-CAM, stage3", "centre"):
        maps = comparison.contestants()[name](network, made.images, made.labels)
        for kind, score in localisation.SCORES.items():
            found = comparison.interval(score(maps, made.masks))
            assert [found.mean, found.low, found.high] == pytest.approx(table["rows"][name][kind], abs=0.005), kind


def test_the_score_table_has_every_contestant_and_four_blind_rivals():
    table = comparison.shipped("scores")
    assert list(table["rows"]) == list(table["first"]) == list(comparison.contestants())
    assert len(comparison.BASELINES) == 4


def test_the_table_of_pairs_comes_out_again_from_its_seed(network):
    table = comparison.shipped("pairs")
    made = comparison.random_pairs(table["scenes"], seed=table["seed"], device="cpu")
    methods = {name: comparison.contestants()[name] for name in ("gradient", "Grad-CAM, stage4", "centre")}
    for name, kinds in comparison.tell_apart(network, made, methods).items():
        for kind, values in kinds.items():
            assert comparison.interval(values).mean == pytest.approx(table["rows"][name][kind][0], abs=0.01), name


def test_the_nuisances_and_the_layers_come_out_again(network):
    table, layers = comparison.shipped("nuisances"), comparison.shipped("layers")
    dials = replace(comparison.DIALS, distance=table["levels"][-1])
    made = signs.render(table["scenes"], seed=table["seed"], dials=dials, device="cpu")
    energy = localisation.energy_inside(gradcam.gradcam(network, made.images, made.labels, layer="stage3"), made.masks)
    assert energy.mean().item() == pytest.approx(table["charts"]["size"]["Grad-CAM, stage3"][-1][0], abs=0.005)
    made = signs.render(layers["scenes"], seed=layers["seed"], dials=comparison.DIALS, device="cpu")
    maps = gradcam.hirescam(network, made.images, made.labels, layer="stage2")
    stored = layers["rows"]["signs-resnet"]["stage2"]["scores"]["HiResCAM"]
    for kind, score in localisation.SCORES.items():
        assert score(maps, made.masks).mean().item() == pytest.approx(stored[kind][0], abs=0.005)


def test_the_sanity_table_comes_out_again_from_its_seed(network):
    table = comparison.shipped("sanity")
    made = signs.render(table["scenes"], seed=table["seed"], dials=comparison.DIALS, device="cpu")
    assert saliency.cascade(network, made.images) == table["parts"]
    for name in ("gradient", "Grad-CAM, stage3", "Sobel edges"):
        method, alike = comparison.contestants()[name], []
        before = method(network, made.images, made.labels)
        for seed in range(table["seeds"]):
            empty = saliency.randomised(network, table["parts"][:2], seed)
            after = method(empty, made.images, made.labels)
            alike.append(localisation.rank_correlation(before, after))
        found = comparison.interval(torch.stack(alike).mean(dim=0)).mean
        assert found == pytest.approx(table["rows"][name]["rank correlation"][2][0], abs=0.02)


@pytest.mark.parametrize("name", ["scores", "pairs", "nuisances", "layers", "sanity"])
def test_every_table_says_how_it_was_made(name):
    table = comparison.shipped(name)
    assert table["made"]["command"] == f"python scripts/results_gradcam.py {name}"
    assert table["scenes"] >= 30
    assert "seed" in table
