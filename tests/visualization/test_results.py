"""What ships with lesson 6 is what the script makes: the ladder of regularisers, the classes."""

import pytest
import torch

from course_utils import zoo
from course_utils.visualization import results
from course_utils.visualization.ascent import climb, score
from course_utils.visualization.classes import predict
from course_utils.visualization.objectives import Filter
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


def test_what_ships_is_small_and_says_how_it_was_made(ladder, classes):
    assert sum(path.stat().st_size for path in results.FOLDER.iterdir()) <= 200 * 1024
    for result, name in ((ladder, "ladder"), (classes, "classes")):
        assert result.facts["made"]["command"] == f"python scripts/results_visualization.py {name}"
        assert result.pictures.shape == (len(result.rows), len(result.columns), 3, 64, 64)
        assert 0 <= result.pictures.min() <= result.pictures.max() <= 1
    with pytest.raises(ValueError, match="called 'ladder' or 'classes'; got 'rungs'"):
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
