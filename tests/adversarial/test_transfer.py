"""Transfer: who was attacked and who was fooled are told apart, and clean errors are nobody's success."""

import pytest
import torch
from torch import nn

from course_utils import zoo
from course_utils.adversarial import transfer
from course_utils.adversarial.balls import Linf


class Mean(nn.Module):
    """Reads class 1 where the mean of one channel is above a border."""

    def __init__(self, channel: int, border: float = 0.5):
        super().__init__()
        self.slope = nn.Parameter(torch.tensor(20.0))
        self.channel, self.border = channel, border

    def forward(self, images):
        mean = images[:, self.channel].flatten(1).mean(dim=1)
        return torch.stack([torch.zeros_like(mean), self.slope * (mean - self.border)], dim=1)


IMAGES = torch.full((6, 3, 4, 4), 0.45)
LABELS = torch.zeros(6, dtype=torch.int64)


def test_a_picture_fools_whom_it_was_made_for_and_who_looks_at_the_same():
    networks = {"red": Mean(0), "red too": Mean(0, 0.49), "blue": Mean(2)}
    found = transfer.transfer(networks, IMAGES, LABELS, ball=Linf(0.1), steps=5)
    assert found.names == ("red", "red too", "blue")
    assert found.fooled.tolist() == [[6, 6, 0], [6, 6, 0], [0, 0, 6]]
    assert found.asked.tolist() == [6, 6, 6]
    assert found.rates.tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]


def test_a_picture_that_was_wrong_before_does_not_count():
    networks = {"red": Mean(0), "wrong": Mean(0, 0.4)}
    found = transfer.transfer(networks, IMAGES, LABELS, ball=Linf(0.1), steps=5)
    assert found.asked.tolist() == [6, 0]
    assert found.fooled[:, 1].tolist() == [0, 0]


def test_the_matrix_fills_row_by_row():
    networks = {"red": Mean(0), "blue": Mean(2)}
    first, last = transfer.transfer_steps(networks, IMAGES, LABELS, ball=Linf(0.1), steps=5)
    assert first.rates.isnan().tolist() == [[False, False], [True, True]]
    assert not last.rates.isnan().any()


def test_networks_are_needed():
    with pytest.raises(ValueError, match="at least one network"):
        transfer.transfer_steps({}, IMAGES, LABELS, ball=Linf(0.1))


@pytest.mark.parametrize(
    ("mistake", "error", "words"),
    [
        ({"steps": 0}, ValueError, "steps must be at least 1"),
        ({"ball": 0.03}, TypeError, r"as in Linf\(8/255\); got 0.03"),
        ({"ball": Linf(torch.full((6,), 0.03))}, ValueError, "transfer takes one ε for all pictures"),
        ({"labels": LABELS + 2}, ValueError, "label 2 is no class of this network"),
        ({"labels": LABELS[:2]}, ValueError, "a class for each picture"),
    ],
)
def test_what_cannot_be_transferred_is_refused_at_the_call(mistake, error, words):
    arguments = {"labels": LABELS, "ball": Linf(0.1), **mistake}
    with pytest.raises(error, match=words):
        transfer.transfer_steps({"red": Mean(0)}, IMAGES, arguments.pop("labels"), **arguments)


@pytest.mark.parametrize("levels", [8, 24])
def test_the_matrix_that_ships_is_one_of_the_networks_that_ship(levels):
    found = transfer.load_transfer(levels)
    assert found.names == zoo.shipped()
    assert ((found.fooled >= 0) & (found.fooled <= found.asked)).all()
    plain = [k for k, name in enumerate(found.names) if name != "signs-resnet-robust"]
    assert (found.rates.diagonal()[plain] > 0.75).all()  # at home, an attack wins
    for victim in plain:
        away = [source for source in plain if source != victim]
        assert (found.rates[away, victim] < found.rates[victim, victim]).all()


def test_a_larger_ball_transfers_better_and_only_measured_ones_ship():
    small, large = (transfer.load_transfer(levels).rates for levels in (8, 24))
    assert large.sum() > small.sum()
    with pytest.raises(ValueError, match="measured at"):
        transfer.load_transfer(9)
