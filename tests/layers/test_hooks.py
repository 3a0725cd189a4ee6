"""Watching, replacing and hearing layers: equal to a plain pass, no further than needed, and without a trace."""

import pytest
import torch
from torch import nn

from course_utils.layers.hooks import hear, replace, watch


class Chain(nn.Module):
    """What makes trouble: a ReLU in place that is called twice, dropout, a layer that nobody calls."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(4, 5)
        self.relu = nn.ReLU(inplace=True)
        self.second = nn.Linear(5, 5)
        self.dropout = nn.Dropout(0.5)
        self.head = nn.Linear(5, 2)
        self.never = nn.Linear(5, 5)

    def forward(self, x):
        return self.head(self.dropout(self.relu(self.second(self.relu(self.first(x))))))


@pytest.fixture
def network() -> Chain:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Chain().eval()


@pytest.fixture
def x() -> torch.Tensor:
    return torch.linspace(-1, 1, 12).view(3, 4)


def hooks_of(network):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [hook for module in network.modules() for kind in kinds for hook in getattr(module, kind)]


def parts(network, *names):
    return {name: getattr(network, name) for name in names}


# ---- watch -----------------------------------------------------------------------------------------------------
def test_every_call_is_told_in_its_order_before_and_behind(network, x):
    told = []
    layers = parts(network, "first", "relu", "never")
    behind = lambda name, inputs, output: told.append((name, tuple(output.shape)))  # noqa: E731
    with watch(layers, behind, before=lambda name, inputs: told.append((name, len(inputs)))):
        network(x)
    assert told == [("first", 1), ("first", (3, 5)), ("relu", 1), ("relu", (3, 5)), ("relu", 1), ("relu", (3, 5))]
    assert hooks_of(network) == []


@pytest.mark.parametrize("how", ["behind", "before"])
def test_hooks_are_gone_when_the_body_raises_and_when_a_watcher_does(network, x, how):
    def explode(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), watch(parts(network, "second"), **{how: explode}):
        network(x)
    assert hooks_of(network) == []
    with pytest.raises(ZeroDivisionError), watch(parts(network, "second"), **{how: lambda *_: None}):
        raise ZeroDivisionError
    assert hooks_of(network) == []


def test_hooks_are_gone_when_one_cannot_be_hung(network):
    with pytest.raises(AttributeError), watch({"first": network.first, "none": None}, lambda *_: None):
        pass
    assert hooks_of(network) == []


def test_another_s_hooks_stay(network, x):
    calls = []
    network.second.register_forward_hook(lambda *_: calls.append(1))
    with watch(parts(network, "second"), lambda *_: None):
        network(x)
    network(x)
    assert len(calls) == 2


# ---- replace ---------------------------------------------------------------------------------------------------
def test_what_is_put_in_the_place_of_an_answer_goes_on(network, x):
    with torch.no_grad(), replace([network.first, network.second], torch.zeros_like):
        assert torch.equal(network(x), network.head.bias.expand(3, 2))
    assert hooks_of(network) == []


def test_a_change_that_gives_nothing_leaves_the_answer(network, x):
    with replace([network.second], lambda _output: None):
        assert torch.equal(network(x), network(x))
        inside = network(x)
    assert torch.equal(inside, network(x))


# ---- hear ------------------------------------------------------------------------------------------------------
def test_what_is_heard_is_what_a_layer_computes_though_a_relu_writes_into_it(network, x):
    first = network.first(x)
    second = network.second(first.relu())
    assert (first < 0).any()
    heard = hear(network, x, parts(network, "second", "first"))
    assert torch.equal(heard["first"], first)
    assert torch.equal(heard["second"], second)
    assert torch.equal(hear(network, x, parts(network, "second"), before=True)["second"], first.relu())


def test_the_pass_ends_behind_the_last_layer_or_before_it(network, x):
    calls = []
    layers = parts(network, "first", "second", "dropout", "head")
    with watch(layers, lambda name, *_: calls.append(name)):
        hear(network, x, parts(network, "first", "second"))
        hear(network, x, parts(network, "second"), before=True)
    assert calls == ["first", "second", "first"]


def test_a_layer_that_is_called_twice_is_heard_at_its_first_call_or_where_one_asks(network, x):
    first = network.first(x).relu()
    second = network.second(first).relu()
    assert torch.equal(hear(network, x, parts(network, "relu"))["relu"], first)
    assert torch.equal(hear(network, x, parts(network, "relu"), uses={"relu": 2})["relu"], second)
    both = hear(network, x, parts(network, "relu", "head"))  # its second call neither counts nor keeps the pass going
    assert torch.equal(both["relu"], first)
    assert torch.equal(both["head"], network(x))


def test_a_layer_that_is_never_called_is_told(network, x):
    for names in (["never"], ["never", "second"]):
        with pytest.raises(ValueError, match="never used its layer 'never'; choose one on the way"):
            hear(network, x, parts(network, *names))
    assert hooks_of(network) == []


def test_gradients_flow_from_what_is_heard_to_the_pictures_and_to_no_weight(network, x):
    x = x.requires_grad_()
    hear(network, x, parts(network, "second"))["second"].sum().backward()
    assert x.grad.abs().sum() > 0
    assert all(parameter.grad is None for parameter in network.parameters())


def test_hearing_leaves_the_network_as_it_was(network, x):
    network.train()
    network.second.eval()
    network.first.weight.requires_grad_(False)
    modes = [module.training for module in network.modules()]
    answers = [hear(network, x, parts(network, "head"))["head"] for _ in range(2)]
    assert torch.equal(*answers)  # dropout was off
    assert [module.training for module in network.modules()] == modes
    assert not network.first.weight.requires_grad
    assert network.head.weight.requires_grad
    assert hooks_of(network) == []


def test_an_error_in_the_network_is_raised_and_leaves_no_hook(network, x):
    with pytest.raises(RuntimeError, match="shapes"):
        hear(network, x[:, :3], parts(network, "head"))
    assert hooks_of(network) == []
