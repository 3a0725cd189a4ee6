"""What ships with lesson 6 is what the script makes: the ladder of regularisers, the classes."""

from dataclasses import replace

import pytest
import torch

from course_utils import visualization, zoo
from course_utils.visualization import results
from course_utils.visualization.ascent import climb, score
from course_utils.visualization.classes import climb_class, predict
from course_utils.visualization.objectives import Filter, Neuron
from course_utils.visualization.recipes import LADDER


@pytest.fixture(scope="module")
def networks():
    return [zoo.load(name, device="cpu") for name in results.NETWORKS]


@pytest.fixture(scope="module")
def resnet(networks):
    return networks[2]


@pytest.fixture(scope="module")
def ladder():
    return results.load_result("ladder")


@pytest.fixture(scope="module")
def classes():
    return results.load_result("classes")


@pytest.fixture(scope="module")
def neurons():
    return results.load_result("neurons")


@pytest.fixture(scope="module")
def thousand():
    return results.load_result("thousand")


@pytest.fixture(scope="module")
def big():
    return zoo.load("efficientnet-lite0", device="cpu")


def test_what_ships_is_small_and_says_how_it_was_made():
    assert sum(path.stat().st_size for path in results.FOLDER.iterdir()) <= 500 * 1024
    for name, side in (("ladder", 64), ("classes", 64), ("neurons", 160), ("thousand", 160)):
        result = results.load_result(name)
        assert result.facts["made"]["command"] == f"python scripts/results_visualization.py {name}"
        assert result.pictures.shape == (len(result.rows), len(result.columns), 3, side, side)
        assert 0 <= result.pictures.min() <= result.pictures.max() <= 1
    with pytest.raises(ValueError, match="called 'ladder', 'classes', 'neurons' or 'thousand'; got 'rungs'"):
        results.load_result("rungs")


@pytest.mark.parametrize("rung", [0, 5])
def test_the_first_steps_of_the_ladder_come_out_again(resnet, ladder, rung):
    """The same seed, the same pictures, but for JPEG; this tells also that tiles are cut where they were put."""
    assert ladder.rows == tuple(LADDER)
    assert ladder.facts["network"] == resnet.name
    objective = Filter(ladder.facts["layer"], ladder.facts["filter"])
    # A ladder of other length draws the same noise, so eight steps are the first eight.
    again = climb(
        resnet,
        objective,
        steps=8,
        recipe=LADDER[ladder.rows[rung]],
        seed=ladder.facts["made"]["seed"],
        snapshots=(0, 8),
    )
    for step in (0, 8):
        column = ladder.columns.index(step)
        difference = (again.snapshots[step][0] - ladder.pictures[rung, column]).abs().mean()
        other = (again.snapshots[step][0] - ladder.pictures[rung, (column + 2) % 5]).abs().mean()
        assert difference < 0.06
        assert difference < 0.6 * other
        stored = ladder.facts["scores"][rung][column]
        assert score(resnet, objective, again.snapshots[step]).item() == pytest.approx(stored, rel=0.1, abs=0.05)


def test_on_the_ladder_the_ugliest_picture_has_the_best_answer_and_the_last_is_the_smoothest(ladder):
    answers = [row[-1] for row in ladder.facts["scores"]]
    assert max(answers) == answers[0]
    assert answers[0] > 1.5 * answers[-1]
    assert all(row == sorted(row) for row in ladder.facts["scores"])  # every rung climbs all the way
    last = ladder.pictures[:, -1]
    roughness = [(last[..., 1:] - last[..., :-1]).abs().mean(dim=(1, 2, 3))[k].item() for k in range(6)]
    assert roughness == sorted(roughness, reverse=True)


def test_each_network_believes_its_own_pictures_and_the_others_believe_the_regularised_ones(networks, classes):
    read = predict(networks, classes.pictures.flatten(0, 1)).unflatten(0, classes.pictures.shape[:2])
    labels = torch.tensor(classes.columns)
    believed = read[:, range(len(labels)), :, labels]  # [classes, networks that drew, networks that read]
    assert believed.diagonal(dim1=1, dim2=2).min() > 0.9
    for kind, transfer in classes.facts["transfer"].items():
        whole = torch.tensor(transfer)
        assert whole.diagonal().min() > 0.99, kind
    slide, regularised = (torch.tensor(classes.facts["transfer"][kind]) for kind in ("slide", "regularised"))
    others = ~torch.eye(4, dtype=torch.bool)
    assert regularised[others].mean() > slide[others].mean() + 0.1


# ---- the network of a thousand classes -------------------------------------------------------------------------
def test_a_neuron_s_score_is_that_of_its_stored_picture(big, neurons):
    """JPEG spoils the noise of the first rungs, and leaves the smooth pictures of the last what they were."""
    for column, index in enumerate(neurons.columns):
        heard = score(big, Neuron(neurons.facts["layer"], index), neurons.pictures[-1, column][None]).item()
        assert heard == pytest.approx(neurons.facts["scores"][-1][column], rel=0.15)


def test_the_neurons_first_steps_come_out_again_and_go_where_the_stored_ones_went(big, neurons):
    made, goal = neurons.facts["made"], Neuron(neurons.facts["layer"], neurons.columns[0])
    rungs = LADDER[neurons.rows[-1]]
    recipe = replace(rungs, **{part: amount for part, amount in made["wider"].items() if getattr(rungs, part)})
    goals = [Neuron(goal.layer, index) for index in neurons.columns]
    path = climb(big, goals, steps=4, size=160, recipe=recipe, seed=made["seed"])
    (again, first), stored = (score(big, goal, path.images[:1]), path.scores[0, 0]), neurons.facts["scores"][-1][0]
    assert first < again < stored


def test_the_network_reads_its_own_pictures_by_either_way(big, thousand):
    read = predict([big], thousand.pictures[:2].flatten(0, 1))[:, 0]
    assert read.argmax(dim=1).tolist() == 2 * list(thousand.columns)
    assert read.max(dim=1).values.min() > 0.8
    assert [big.class_names[label] for label in thousand.facts["labels"]] == thousand.facts["classes"]


def test_the_plain_race_begins_again_where_it_began(big, thousand):
    """The logit's first steps climb, the probability's hardly move: the slope that it has there is p (1 - p)."""
    place = thousand.facts["classes"].index("zebra")
    foot = visualization.noise(1, 160, seed=thousand.facts["made"]["seed"], amount=0.1)
    race = climb_class(big, thousand.facts["labels"][place], foot, steps=3)
    start, by_logit, by_probability, _ = thousand.facts["plain"][place]
    assert race.logits[0, 0].item() == pytest.approx(start, abs=0.05)
    assert start + 1 < race.logits[-1, 0] < by_logit
    assert abs(race.logits[-1, 1] - start) < 0.3 < by_probability - start
    assert race.gradients[0, 0] > 100 * race.gradients[0, 1]
