"""Accounts against torch's own counter, against torchvision's networks, and against where a gradient really reaches."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
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


@pytest.mark.parametrize(
    ("name", "layer", "expected"),
    [  # published: Araujo et al. 2019 (AlexNet, VGG-16, MobileNet v2), He et al.'s ResNet-18 by the same formula
        ("alexnet", "features.12", 195),
        ("vgg16", "features.30", 212),
        ("resnet18", "layer4", 435),
        ("mobilenet_v2", "features", 491),
    ],
)
def test_receptive_fields_are_the_published_ones(name, layer, expected):
    row = account(torchvision_s(name), 224)[layer]
    assert row.receptive_field == (expected, expected)
    assert row.stride == (32, 32)


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


# ---- the receptive field, against the gradient -------------------------------------------------------------------
class Branches(nn.Module):
    def __init__(self, *branches, how):
        super().__init__()
        self.branches, self.how = nn.ModuleList(branches), how

    def forward(self, x):
        views = [branch(x) for branch in self.branches]
        return torch.cat(views, dim=1) if self.how == "cat" else sum(views[1:], views[0])


@st.composite
def layers(draw, channels=2):
    """Something that slides: a convolution or a pooling layer, or some of them side by side."""
    kind = draw(st.sampled_from(["conv", "conv", "average", "cat", "sum", "skip"]))
    if kind in ("conv", "average"):
        kernel, stride = draw(st.tuples(st.integers(1, 5), st.integers(1, 5))), draw(st.integers(1, 2))
        padding = [draw(st.integers(0, edge // 2)) for edge in kernel]
        if kind == "average":
            return nn.AvgPool2d(kernel, stride, tuple(padding))
        return nn.Conv2d(channels, channels, kernel, stride, padding, dilation=draw(st.integers(1, 2)))
    odd = [draw(st.sampled_from([1, 3, 5, 7])) for _ in range(2)]
    same = [nn.Conv2d(channels, channels, edge, padding=edge // 2) for edge in odd]
    if kind == "skip":
        return Branches(nn.Sequential(*same), nn.Identity(), how="sum")
    joined = Branches(*same, how=kind)
    return nn.Sequential(joined, nn.Conv2d(2 * channels, channels, 1)) if kind == "cat" else joined


@settings(max_examples=60)
@given(st.lists(layers(), min_size=1, max_size=4))
def test_a_gradient_reaches_exactly_as_far_as_the_receptive_field_says(stack):
    network = nn.Sequential(*stack).double()
    for parameter in network.parameters():
        nn.init.uniform_(parameter, 0.5, 1.0)  # all positive: nothing cancels
    image = torch.rand(1, 2, 192, 192, dtype=torch.float64, requires_grad=True)
    output = network(image)
    middle = output.shape[2] // 2, output.shape[3] // 2
    (gradient,) = torch.autograd.grad(output[0, :, middle[0], middle[1]].sum(), image)
    reached = (gradient[0].abs().sum(dim=0) > 0).nonzero()
    extent = reached.amax(dim=0) - reached.amin(dim=0) + 1
    (gradient,) = torch.autograd.grad(network(image)[0, :, middle[0] - 1, middle[1]].sum(), image)
    above = (gradient[0].abs().sum(dim=0) > 0).nonzero().amin(dim=0)

    row = account(network, (2, 192, 192)).by(1).rows[-1]
    assert row.receptive_field == tuple(extent.tolist())
    assert row.stride[0] == (reached.amin(dim=0) - above)[0]


@pytest.mark.parametrize("name", ["signs-alexnet", "signs-inception", "signs-resnet"])
def test_a_network_of_the_zoo_is_counted_behind_its_normalisation(name):
    network = zoo.load(name, device="cpu")
    told = account(network)
    assert told.input_shape == (1, 3, 64, 64)
    assert told.parameters == zoo.card(name)["parameters"]
    assert told.macs == account(network.body, 64).macs
    assert told.rows[0].kind == "Conv2d"
    assert told.rows[-1].shape == (1, 20)


def test_the_places_of_windows_made_by_hand_are_kept():
    """Pooling by unfold, two ways, and a 1×1 convolution as a matrix product."""

    class Unfolded(nn.Module):
        def forward(self, x):
            return x.unfold(2, 3, 2).unfold(3, 3, 2).amax(dim=(-2, -1))

    class Columns(nn.Module):
        def forward(self, x):
            columns = nn.functional.unfold(x.reshape(-1, 1, *x.shape[2:]), 3, stride=2)  # [N·C, 9, places]
            return columns.amax(dim=1).view(x.shape[0], x.shape[1], (x.shape[2] - 1) // 2, (x.shape[3] - 1) // 2)

    class Product(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.rand(5, 4))

        def forward(self, x):
            return torch.einsum("oc,nchw->nohw", self.weight, x)

    for module, field, stride in ((Unfolded(), 3, 2), (Columns(), 3, 2), (nn.MaxPool2d(3, 2), 3, 2), (Product(), 1, 1)):
        row = account(nn.Sequential(module), (4, 17, 17)).rows[-1]
        assert (row.receptive_field, row.stride) == ((field,) * 2, (stride,) * 2), type(module)
    assert account(Product(), (4, 17, 17)).macs == 5 * 4 * 17 * 17
    assert account(Product(), (4, 17, 17)).parameters == 20


def test_a_linear_layer_behind_flatten_sees_all_and_one_per_pixel_sees_no_more():
    flat = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(4 * 36, 2))
    assert account(flat, 8).rows[-1].receptive_field == (8, 8)

    class PerPixel(nn.Sequential):
        def forward(self, x):
            return self[1](self[0](x).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    assert account(PerPixel(nn.Conv2d(3, 4, 3), nn.Linear(4, 2)), 8).rows[-1].receptive_field == (3, 3)


def test_windows_of_uneven_width_are_told_at_their_widest():
    """Adaptive pooling from 6 to 4 places looks at rows 0–1, 1–2, 3–4, 4–5: two of them see 3 rows, or 4."""
    network = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Conv2d(3, 1, 2))
    image = torch.ones(1, 3, 6, 6, requires_grad=True)
    (gradient,) = torch.autograd.grad(network(image)[0, 0, 1, 1], image)  # the places 1 and 2
    assert (gradient[0, 0] != 0).any(dim=1).sum() == 4
    assert account(network, 6).rows[-1].receptive_field == (4, 4)


def test_what_rearranges_places_is_said_to_be_unknown():
    told = account(nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.PixelShuffle(2)), 8)
    assert told.rows[-1].receptive_field is None
    assert "?" in repr(told)


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
