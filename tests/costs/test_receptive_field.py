"""Receptive fields against the published ones, and against where a gradient really reaches."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision import models

from course_utils.costs.accounting import account


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
    with torch.device("meta"):
        row = account(models.get_model(name, weights=None).eval(), 224)[layer]
    assert row.receptive_field == (expected, expected)
    assert row.stride == (32, 32)


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
