"""Layers of a kind can be taken out of a copy; the clock takes turns and counts what it should."""

import torch
from torch import nn

from course_utils import inception
from course_utils.inception import timing


def test_what_is_removed_is_removed_from_a_copy_with_the_same_filters():
    module = inception.Inception(8, 4, (4, 8), (2, 4), 4).eval()
    bare = timing.remove(module, nn.BatchNorm2d, nn.ReLU)
    assert not any(isinstance(part, nn.BatchNorm2d | nn.ReLU) for part in bare.modules())
    assert any(isinstance(part, nn.BatchNorm2d) for part in module.modules())
    assert torch.equal(bare.conv_5x5[1][0].weight, module.conv_5x5[1][0].weight)
    assert bare.conv_5x5[1][0].weight is not module.conv_5x5[1][0].weight
    x = torch.rand(1, 8, 6, 6)
    assert timing.remove(module, nn.MaxPool2d)(x).shape == module(x).shape
    assert torch.equal(timing.remove(module)(x), module(x))


def test_each_module_is_called_once_more_than_it_is_counted_and_by_turns(monkeypatch):
    calls = []

    class Named(nn.Module):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def forward(self, x):
            calls.append((self.name, torch.get_num_threads(), torch.is_grad_enabled()))

    ticks = iter([0, 9, 9, 9, 10, 12, 12, 15, 20, 24, 24, 25, 30, 32, 32, 39])  # begin, end; a and b by turns
    monkeypatch.setattr(timing.time, "process_time", lambda: next(ticks))
    assert timing.seconds([Named("a"), Named("b")], torch.zeros(1), runs=3) == [2, 3]
    assert calls == [(name, 1, False) for _ in range(4) for name in "ab"]
