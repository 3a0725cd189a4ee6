"""Accounts against torch's own counter and against torchvision's networks."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision import models

from course_utils import inception, zoo
from course_utils.costs import accounting
from course_utils.costs.accounting import account

NETWORKS = ("alexnet", "vgg16", "googlenet", "resnet18", "resnet50", "mobilenet_v2", "squeezenet1_1")


def torchvision_s(name):
    with torch.device("meta"):
        special = {"init_weights": False} if name == "googlenet" else {}
        return models.get_model(name, weights=None, **special).eval()


@pytest.mark.parametrize("name", [*NETWORKS, "densenet121", "shufflenet_v2_x1_0", "efficientnet_b0", "convnext_tiny"])
def test_agrees_with_torch_s_flop_counter_and_the_number_of_parameters(name):
    network = torchvision_s(name)
    told = account(network, 224)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.empty(1, 3, 224, 224, device="meta"))
    assert 2 * told.macs == counter.get_total_flops()
    assert told.parameters == sum(parameter.numel() for parameter in network.parameters())
    assert told.idle_parameters == (6_379_984 if name == "googlenet" else 0)
    assert told.rows[-1].shape[:2] == (1, 1000)


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("depth", [1, 2, 3, 9])
def test_fewer_rows_have_the_same_totals(name, depth):
    whole = account(torchvision_s(name), 224)
    short = whole.by(depth)
    assert len(short.rows) <= len(whole.rows)
    for total in ("macs", "activation_bytes", "parameters", "idle_parameters"):
        assert getattr(short, total) == getattr(whole, total)


def test_googlenet_s_table_has_a_row_for_each_module_of_the_slide():
    rows = account(torchvision_s("googlenet"), 224).by(1).rows
    assert [row.name for row in rows][5:7] == ["inception3a", "inception3b"]
    assert [row.shape[1:] for row in rows][5:7] == [(256, 28, 28), (480, 28, 28)]
    assert rows[0].parameters == 64 * 3 * 49 + 2 * 64
    assert rows[0].macs == 112 * 112 * 64 * 3 * 49


@pytest.mark.parametrize("name", ["signs-alexnet", "signs-inception", "signs-resnet"])
def test_a_network_of_the_zoo_is_counted_behind_its_normalisation(name):
    network = zoo.load(name, device="cpu")
    told = account(network)
    assert told.input_shape == (1, 3, 64, 64)
    assert told.parameters == zoo.card(name)["parameters"]
    assert told.macs == account(network.body, 64).macs
    assert told.rows[0].kind == "Conv2d"
    assert told.rows[-1].shape == (1, 20)


# ---- what is counted, and what is left alone -------------------------------------------------------------------------
def test_what_works_in_place_or_reshapes_writes_nothing():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU(), nn.ReLU(inplace=True), nn.Identity(), nn.Flatten())
    assert [row.activation_bytes for row in account(network, 8).rows] == [1024, 1024, 0, 0, 0]


def test_a_module_called_twice_counts_twice_but_its_parameters_once():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(3, 3, 1)

        def forward(self, x):
            return self.conv(self.conv(x)) + x

    told = account(Twice(), 8)
    assert [row.name for row in told.rows] == ["conv", "conv (2)", ""]
    assert [row.kind for row in told.rows] == ["Conv2d", "Conv2d", "add"]
    assert told.macs == 2 * 9 * 64
    assert told.parameters == 12
    assert told.idle_parameters == 0


def test_a_batch_costs_as_many_times_more():
    network = torchvision_s("resnet18")
    one, four = account(network, 64), account(network, (4, 3, 64, 64))
    assert four.macs == 4 * one.macs
    assert four.activation_bytes == 4 * one.activation_bytes
    assert [row.receptive_field for row in four.rows] == [row.receptive_field for row in one.rows]


def test_the_network_stays_as_it_was():
    network = inception.SignsInception().train()
    seen = []
    network.register_forward_hook(lambda *_: seen.append(1))
    before = copy.deepcopy(network.state_dict())
    account(network, 64)
    assert all(module.training for module in network.modules())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert next(network.parameters()).device.type == "cpu"
    assert all(parameter.requires_grad for parameter in network.parameters())
    assert len(network._forward_hooks) == 1
    assert seen == []


def test_it_is_counted_in_inference_mode_and_in_half_precision_too():
    network = inception.SignsInception()
    with torch.inference_mode():
        assert account(network, 64).macs == account(network, 64).macs > 0
    assert account(network.half(), 64).activation_bytes * 2 == account(network.float(), 64).activation_bytes


def test_the_course_s_inception_module_is_one_row_or_many():
    told = account(inception.SignsInception(), 64)
    assert told["inception_a"].shape == (1, 96, 16, 16)
    assert told["inception_a.conv_5x5.1.0"].patch == "5×5/1"
    assert told["inception_a"].macs == sum(row.macs for row in told.rows if row.name.startswith("inception_a."))
    assert [row.kind for row in told.rows if row.name == "inception_a"] == ["cat"]
    with pytest.raises(KeyError, match="no module called 'inception_x'"):
        told["inception_x"]


# ---- how it is shown ---------------------------------------------------------------------------------------------
def test_the_table_is_neat_and_bounded():
    told = account(torchvision_s("googlenet"), 224)
    assert told._repr_html_().count("<tr>") <= accounting.LONGEST + 3
    assert f"and {len(told.rows) - accounting.LONGEST} more" in repr(told)
    short = told.by(1)
    assert "inception3a" in short._repr_html_()
    assert "28×28×256" in short._repr_html_()
    assert repr(short).splitlines()[1].split() == [
        "conv1",
        "BasicConv2d",
        "112×112×64",
        "9,536",
        "118",
        "M",
        "6.42",
        "MB",
        "7",
        "2",
    ]
    assert "6,379,984 of the parameters are in layers that this run does not use." in repr(short)
    assert repr(short) == repr(account(torchvision_s("googlenet"), 224).by(1))


def test_names_cannot_smuggle_markup():
    network = nn.Sequential()
    network.add_module("<b>", nn.Conv2d(3, 1, 1))
    assert "<b>" not in account(network, 8)._repr_html_()


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (9_536, "9.54 k"),
        (118_013_952, "118 M"),
        (999_960, "1 M"),
        (1.6e9, "1.6 G"),
        (3e12, "3,000 G"),
    ],
)
def test_numbers_are_said_in_three_digits(number, words):
    assert accounting.count(number) == words
    assert accounting.size(number) == (f"{words}B" if " " in words else f"{words} B")


# ---- bad input ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("bad", [0, -3, True, 2.5, "224", None, (), (1, 2, 3, 4, 5), (3, 0, 8), (3, 8.0, 8)])
def test_a_bad_input_size_is_refused_in_one_sentence(bad):
    with pytest.raises(ValueError, match="input_size is a number of pixels such as 224"):
        account(nn.Conv2d(3, 4, 1), bad)


def test_what_is_no_module_is_refused():
    with pytest.raises(TypeError, match=r"accounts are made for an nn.Module.*got str"):
        account("resnet18", 224)


def test_a_lazy_layer_is_refused():
    with pytest.raises(ValueError, match="lazy layer"):
        account(nn.LazyConv2d(4, 1), 8)


def test_an_input_that_does_not_fit_names_the_layer():
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(5, 4, 1))
    with pytest.raises(ValueError, match=r"cannot take an input \[1, 3, 8, 8\] \(it stops in 1, Conv2d\)") as told:
        account(network, 8)
    assert "\n" not in str(told.value)
