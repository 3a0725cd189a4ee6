"""Grad-CAM and its relatives: equal to the peers', back only through the tail, and without a trace in the network."""

import copy
import warnings

import pytest
import torch
import torch.nn.functional as F
import torchvision
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from course_utils import gradcam, runtime, signs, zoo
from course_utils.gradcam import saliency
from course_utils.gradcam.class_score import OF
from course_utils.gradcam.gradcam import WEIGHTS, evidence, resize

captum = pytest.importorskip("captum.attr", reason="captum is not installed")
peer = pytest.importorskip("pytorch_grad_cam", reason="pytorch-grad-cam is not installed")

SHIPPED = {"signs-alexnet": "features.11", "signs-resnet": "stage3", "signs-inception": "inception_d"}
CAMS = {name: method for name, method in gradcam.METHODS.items() if name != "guided Grad-CAM"}
PEERS = {
    "Grad-CAM": peer.GradCAM,
    "Grad-CAM++": peer.GradCAMPlusPlus,
    "HiResCAM": peer.HiResCAM,
    "LayerCAM": peer.LayerCAM,
}


def scenes(count=2, seed=5, size=64):
    return signs.render(count, seed=seed, size=size, device="cpu")


class Tiny(nn.Module):
    """Two convolutions, a normalisation, ReLUs (in place if wanted); in the head each place has its own weight."""

    def __init__(self, inplace=False, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.first = nn.Conv2d(3, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.relu = nn.ReLU(inplace=inplace)
        self.second = nn.Conv2d(4, 6, 3, stride=2, padding=1)
        self.last = nn.ReLU(inplace=inplace)
        self.head = nn.Linear(6 * 4 * 4, 5)
        self.norm.running_mean.normal_(0, 0.2)
        self.double().eval()

    def forward(self, x):
        x = self.relu(self.norm(self.first(x)))
        return self.head(self.last(self.second(x)).flatten(1))


def images(count=2, seed=0):
    return torch.rand(count, 3, 8, 8, generator=runtime.generator(seed), dtype=torch.float64)


def near(ours, theirs, tolerance=1e-5):
    """Equal up to a share of the largest number."""
    assert ours.shape == theirs.shape
    assert (ours - theirs).abs().max() <= tolerance * theirs.abs().max()
    assert theirs.abs().max() > 0


# ---- equal to the peers ----------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SHIPPED)
def test_gradcam_is_captums_on_networks_that_ship(name):
    network, made = zoo.load(name, device="cpu"), scenes(3)
    layer = network.get_submodule(f"body.{SHIPPED[name]}")
    theirs = captum.LayerGradCam(network, layer).attribute(made.images, made.labels, relu_attributions=True)
    ours = gradcam.gradcam(network, made.images, made.labels, layer=SHIPPED[name], enlarge=False)
    near(ours, theirs[:, 0].detach())
    bigger = captum.LayerAttribution.interpolate(theirs, (64, 64), "bilinear")[:, 0].detach()
    near(gradcam.gradcam(network, made.images, made.labels, layer=SHIPPED[name]), bigger)


@pytest.mark.parametrize("name", SHIPPED)
@pytest.mark.parametrize("method", PEERS)
def test_the_relatives_are_pytorch_gradcams_on_networks_that_ship(name, method):
    network, made = zoo.load(name, device="cpu"), scenes(3)
    _compare_with_pytorch_gradcam(network, network.get_submodule(f"body.{SHIPPED[name]}"), made, method)


def _compare_with_pytorch_gradcam(network, layer, made, method):
    targets = [peer.utils.model_targets.ClassifierOutputTarget(label) for label in made.labels.tolist()]
    with PEERS[method](network, [layer]) as cam:
        theirs = torch.from_numpy(cam(made.images, targets))
    # It stretches the map before it is enlarged and after; so do we here.
    coarse = CAMS[method](network, made.images, made.labels, layer=layer, enlarge=False)
    ours = resize(saliency.normalise(coarse), made.images.shape[2:])
    near(saliency.normalise(ours), theirs)


@pytest.fixture(scope="module", params=[("resnet18", "layer4"), ("resnet18", "layer3.0"), ("alexnet", "features.11")])
def torchvisions(request):
    """A network of torchvision with random weights, its ReLUs in place, and one of its layers."""
    name, layer = request.param
    torch.manual_seed(0)
    network = getattr(torchvision.models, name)(weights=None, num_classes=7).eval()
    for module in network.modules():  # so that something is left of the signal at the top
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return network, network.get_submodule(layer), layer


def test_gradcam_is_captums_on_torchvisions(torchvisions):
    network, module, name = torchvisions
    made = scenes(2, size=96)
    labels = made.labels % 7
    theirs = captum.LayerGradCam(network, module).attribute(made.images, labels)[:, 0].detach()
    near(gradcam.gradcam(network, made.images, labels, layer=name, relu=False, enlarge=False), theirs)


@pytest.mark.parametrize("method", PEERS)
def test_the_relatives_are_pytorch_gradcams_on_torchvisions(torchvisions, method):
    network, module, _ = torchvisions
    made = scenes(2, size=96)
    made.labels %= 7
    _compare_with_pytorch_gradcam(network, module, made, method)


def test_guided_gradcam_is_captums():
    torch.manual_seed(0)
    network, made = torchvision.models.alexnet(weights=None, num_classes=7).eval(), scenes(2, size=96)
    labels = made.labels % 7
    other = copy.deepcopy(network)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Captum says that it sets hooks
        theirs = captum.GuidedGradCam(other, other.features[11]).attribute(
            made.images, labels, interpolate_mode="bilinear"
        )
    theirs = theirs.detach().abs().amax(dim=1)
    near(gradcam.guided_gradcam(network, made.images, labels, layer="features.11"), theirs)


# ---- true to the formula ---------------------------------------------------------------------------------------
def test_the_three_lines_of_the_paper():
    network, x = Tiny(), images()
    activation = network.second(F.relu(network.norm(network.first(x))))
    logits = network.head(F.relu(activation).flatten(1))
    (gradient,) = torch.autograd.grad(logits[:, 3].sum(), activation)
    alpha = gradient.mean(dim=(2, 3), keepdim=True)
    expected = F.relu((alpha * activation).sum(dim=1)).detach()
    torch.testing.assert_close(gradcam.gradcam(network, x, 3, layer="second", enlarge=False), expected)
    seen = evidence(network, x, 3, layer="second")
    for found, wanted in zip(seen, (activation, gradient), strict=True):
        torch.testing.assert_close(found, wanted.detach())


@given(st.integers(0, 4), st.integers(0, 30))
@settings(max_examples=20)
def test_sum_instead_of_mean_is_the_same_picture(label, seed):
    network, x = Tiny(), images(seed=seed)
    mean, total = (gradcam.gradcam(network, x, label, layer="second", weights=w, enlarge=False) for w in WEIGHTS)
    torch.testing.assert_close(total, 16 * mean)  # 4×4 places
    torch.testing.assert_close(saliency.normalise(total), saliency.normalise(mean))


def test_the_probability_is_another_picture():
    network, x = Tiny(), images(6)
    score, probability = (
        saliency.normalise(gradcam.gradcam(network, x, 2, layer="second", of=of, enlarge=False)) for of in OF
    )
    assert (score - probability).abs().amax() > 0.1


def test_a_saturated_softmax_leaves_nothing_of_the_probabilitys_gradient():
    network, x = Tiny(), images(1)
    with torch.no_grad():
        network.head.weight *= 1e4
        sure, label = network(x).softmax(dim=1).max(dim=1)
    assert sure.item() == 1
    probability = gradcam.gradcam(network, x, label, layer="second", of="probability", relu=False)
    score = gradcam.gradcam(network, x, label, layer="second", relu=False)
    assert probability.abs().max() < 1e-20 < 1 < score.abs().max()


def test_without_relu_the_objections_stay():
    network, x = Tiny(), images(4)
    whole = gradcam.gradcam(network, x, 1, layer="second", relu=False, enlarge=False)
    assert whole.min() < 0
    torch.testing.assert_close(gradcam.gradcam(network, x, 1, layer="second", enlarge=False), whole.clamp(min=0))


def test_behind_global_average_pooling_hirescam_is_gradcam():
    network, made = zoo.load("signs-resnet", device="cpu"), scenes(4)
    one, other = (
        method(network, made.images, made.labels, layer="stage4") for method in (gradcam.gradcam, gradcam.hirescam)
    )
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
    early = [
        method(network, made.images, made.labels, layer="stage3") for method in (gradcam.gradcam, gradcam.hirescam)
    ]
    assert (saliency.normalise(early[0]) - saliency.normalise(early[1])).abs().max() > 0.2


def test_hirescam_adds_up_to_the_score_of_a_linear_head():
    network, x = Tiny(), images()
    with torch.no_grad():
        network.head.bias.zero_()
        network.head.weight[2].abs_()  # everything speaks for the class, so that the ReLU cuts off nothing
    maps = gradcam.hirescam(network, x, 2, layer="last", enlarge=False)
    torch.testing.assert_close(maps.sum(dim=(1, 2)), network(x)[:, 2].detach())


# ---- in-place ReLUs, layers used twice -------------------------------------------------------------------------
@pytest.mark.parametrize("layer", ["first", "norm", "relu", "second", "last"])
@pytest.mark.parametrize("method", gradcam.METHODS)
def test_a_relu_in_place_changes_nothing(method, layer):
    x = images()
    safe, quick = Tiny(inplace=False), Tiny(inplace=True)
    one, other = (gradcam.METHODS[method](network, x, 2, layer=layer) for network in (safe, quick))
    torch.testing.assert_close(one, other)


def test_of_a_layer_that_is_used_twice_the_last_use_counts():
    network, made = zoo.load("signs-resnet", device="cpu"), scenes()
    block = network.body.stage4[1]  # its only ReLU stands behind both convolutions
    one, other = (gradcam.gradcam(network, made.images, made.labels, layer=layer) for layer in (block, block.relu))
    torch.testing.assert_close(one, other)


# ---- only the tail ---------------------------------------------------------------------------------------------
class Locked(torch.autograd.Function):
    """The identity; nobody may go back through it."""

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        raise AssertionError("back-propagation went below the layer")


def test_back_propagation_ends_at_the_layer():
    network, x = Tiny(), images()
    head = network.first.forward
    network.first.forward = lambda x: Locked.apply(head(x))
    with pytest.raises(AssertionError, match="below the layer"):
        saliency.vanilla_gradient(network, x, 1)
    for method in CAMS.values():
        assert method(network, x, 1, layer="second").isfinite().all()


# ---- without a trace -------------------------------------------------------------------------------------------
def hooks_of(network):
    kinds = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
    return [hook for module in network.modules() for kind in kinds for hook in getattr(module, kind)]


@pytest.mark.parametrize("method", gradcam.METHODS)
def test_the_network_is_left_as_it_was(method):
    network, made = zoo.load("signs-resnet", device="cpu"), scenes()
    network.train()
    network.body.stage2.eval()
    network.body.stem.requires_grad_(False)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    before, kept, state = copy.deepcopy(network), made.images.clone(), torch.get_rng_state()
    gradcam.METHODS[method](network, made.images, made.labels)
    assert torch.equal(made.images, kept)
    assert not made.images.requires_grad
    assert torch.equal(torch.get_rng_state(), state)
    assert [m.training for m in network.modules()] == [m.training for m in before.modules()]
    for one, other in zip(network.parameters(), before.parameters(), strict=True):
        assert one.requires_grad == other.requires_grad
        assert torch.equal(one.grad, torch.ones_like(one))
        assert torch.equal(one, other)
    for one, other in zip(network.buffers(), before.buffers(), strict=True):
        assert torch.equal(one, other)
    assert hooks_of(network) == []


class Breaks(nn.Module):
    def forward(self, x):
        raise RuntimeError("the tail broke")


@pytest.mark.parametrize("method", gradcam.METHODS)
def test_after_an_error_the_hooks_are_gone_and_the_mode_is_as_it_was(method):
    network, x = Tiny(), images()
    network.head = Breaks()
    network.train()
    with pytest.raises(RuntimeError, match="the tail broke"):
        gradcam.METHODS[method](network, x, 1, layer="second")
    assert hooks_of(network) == []
    assert all(module.training for module in network.modules())
    assert all(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("method", gradcam.METHODS)
def test_training_mode_frozen_weights_and_no_grad_change_nothing(method):
    network, made = zoo.load("signs-alexnet", device="cpu"), scenes()
    expected = gradcam.METHODS[method](network, made.images, made.labels)
    torch.testing.assert_close(gradcam.METHODS[method](network.train(), made.images, made.labels), expected)
    network.requires_grad_(False)
    with torch.no_grad():
        torch.testing.assert_close(gradcam.METHODS[method](network, made.images, made.labels), expected)


@pytest.mark.parametrize("method", gradcam.METHODS)
def test_a_batch_is_its_pictures(method):
    network, made = zoo.load("signs-inception", device="cpu"), scenes(3)
    together = gradcam.METHODS[method](network, made.images, made.labels)
    alone = [gradcam.METHODS[method](network, made.images[k : k + 1], int(made.labels[k])) for k in range(3)]
    assert together.shape == (3, 64, 64)
    torch.testing.assert_close(together, torch.cat(alone), rtol=1e-3, atol=1e-4 * float(together.max()))


@pytest.mark.parametrize("method", gradcam.METHODS)
@pytest.mark.parametrize("shade", [0.0, 0.5, 1.0])
def test_a_constant_picture_gives_numbers_and_no_nan(method, shade):
    network = zoo.load("signs-resnet", device="cpu")
    maps = gradcam.METHODS[method](network, torch.full((1, 3, 64, 64), shade), 3)
    assert maps.isfinite().all()
    assert maps.min() >= 0
    assert saliency.normalise(maps).isfinite().all()


def test_where_everything_speaks_against_the_class_the_map_is_zero():
    network, x = Tiny(), images()
    with torch.no_grad():
        network.head.weight[2] = -network.head.weight[2].abs()
    for method in (gradcam.gradcam, gradcam.hirescam, gradcam.layercam):
        maps = method(network, x, 2, layer="last")
        assert torch.equal(maps, torch.zeros(2, 8, 8, dtype=torch.float64))
        assert torch.equal(saliency.normalise(maps), maps)


def test_gradcam_plus_plus_divides_by_no_zero():
    network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), nn.Flatten(), nn.Linear(4, 1, bias=False)).double()
    nn.init.constant_(network[0].weight, -340_000.0)  # now 2g² + g³·ΣA + 1e-6 is 0, to the last bit
    nn.init.constant_(network[2].weight, 1e-4)
    x = torch.tensor([[[[1, 1], [1, 0]]]], dtype=torch.float64)  # where it is 0, infinity times 0 would be NaN
    assert gradcam.gradcam_plus_plus(network, x, 0, layer="0").isfinite().all()


# ---- layers ----------------------------------------------------------------------------------------------------
def test_left_out_the_layer_is_the_one_before_the_pooling():
    expected = {"signs-alexnet": "features.11", "signs-resnet": "stage4", "signs-inception": "inception_d"}
    for name, layer in expected.items():
        network, made = zoo.load(name, device="cpu"), scenes(1)
        torch.testing.assert_close(
            gradcam.gradcam(network, made.images), gradcam.gradcam(network, made.images, layer=layer)
        )


def test_layers_have_a_name_or_are_given_themselves():
    network, made = zoo.load("signs-resnet", device="cpu"), scenes(1)
    expected = gradcam.gradcam(network, made.images, layer="stage3")
    for layer in ("body.stage3", network.body.stage3):
        torch.testing.assert_close(gradcam.gradcam(network, made.images, layer=layer), expected)


def test_every_layer_of_the_menu_gives_a_map():
    network = zoo.load("signs-resnet", device="cpu")
    for layer in gradcam.outer_layers(network):
        assert gradcam.gradcam(network, scenes(1).images, layer=layer).isfinite().all()


# ---- bad input -------------------------------------------------------------------------------------------------
class Aside(Tiny):
    """Computes something that nobody reads."""

    def __init__(self):
        super().__init__()
        self.aside, self.unused = nn.Conv2d(3, 2, 3).double(), nn.Conv2d(3, 2, 3).double()

    def forward(self, x):
        self.aside(x)
        return super().forward(x)


@pytest.mark.parametrize("method", gradcam.METHODS)
@pytest.mark.parametrize(
    ("layer", "error", "words"),
    [
        ("head", ValueError, r"'head' gives \[2, 5\], without height and width; take an earlier one"),
        ("secnod", ValueError, "no layer 'secnod'; did you mean 'second'"),
        ("xyz", ValueError, "there are first, norm"),
        ("", ValueError, "no layer ''"),
        ("aside", ValueError, "scores do not depend on the layer 'aside'"),
        ("unused", ValueError, "never used its layer 'unused'"),
        (nn.Conv2d(3, 3, 3), ValueError, "this Conv2d is no layer of this network"),
        (3, TypeError, "layer is a layer of the network or its name"),
    ],
)
def test_a_layer_that_cannot_be_is_told_in_one_sentence(method, layer, error, words):
    network = Aside()
    with pytest.raises(error, match=words) as caught:
        gradcam.METHODS[method](network, images(), 1, layer=layer)
    assert str(caught.value).endswith((".", ".)."))
    assert hooks_of(network) == []


def test_a_layer_with_one_place_is_refused():
    network = zoo.load("signs-resnet", device="cpu")
    with pytest.raises(ValueError, match="maps of 1×1, which say nothing about places"):
        gradcam.gradcam(network, scenes(1).images, layer="pool")


def test_a_network_without_maps_is_told_so():
    network = nn.Sequential(nn.Flatten(), nn.Linear(192, 3)).double()
    with pytest.raises(ValueError, match="no layer with maps over places"):
        gradcam.gradcam(network, images())


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda n, x: gradcam.gradcam(n, x, 5, layer="second"), ValueError, "class 5 is none .* 0 to 4"),
        (lambda n, x: gradcam.gradcam(n, x, [1, 9], layer="second"), ValueError, "class 9 is none"),
        (lambda n, x: gradcam.gradcam(n, x, [1], layer="second"), ValueError, r"must have shape \[2\]"),
        (lambda n, x: gradcam.gradcam(n, x[0], 1, layer="second"), ValueError, r"image\[None\]"),
        (lambda n, x: gradcam.gradcam(n, x * float("nan"), 1, layer="second"), ValueError, "NaN"),
        (lambda n, x: gradcam.gradcam(n, x, 1, layer="second", weights="max"), ValueError, "'mean'.*'sum'"),
        (lambda n, x: gradcam.gradcam(n, x, 1, layer="second", of="loss"), ValueError, "'score'.*'probability'"),
        (lambda n, x: gradcam.gradcam(lambda x: x, x), TypeError, "must be a torch.nn.Module"),
    ],
)
def test_bad_options_are_told_in_one_sentence(call, error, words):
    with pytest.raises(error, match=words):
        call(Tiny(), images())


@pytest.mark.parametrize("method", gradcam.METHODS)
def test_pixels_of_0_to_255_are_refused(method):
    with pytest.raises(ValueError, match=r"pixels must lie in \[0, 1\].* divide by 255"):
        gradcam.METHODS[method](Aside(), 255 * images(), 1)
