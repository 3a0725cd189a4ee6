"""Pooling by hand: torch as oracle in values and gradients, a convolution for the blur, a sentence for every fault."""

import copy
import math

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

from course_utils import images, inception, pooling, runtime
from course_utils.costs.accounting import account
from course_utils.pooling import avg_pool2d, blur_pool2d, max_pool2d

MAX_SLIDE = torch.tensor([[29, 15, 28, 184], [0, 100, 70, 38], [12, 12, 7, 2], [12, 12, 45, 6]]).float()
AVERAGE_SLIDE = MAX_SLIDE.clone().index_put_((torch.tensor(0), torch.tensor(0)), torch.tensor(31.0))


def random_images(shape, seed, ties=False):
    images = torch.randn(shape, generator=runtime.generator(seed), dtype=torch.float64)
    return images.round() if ties else images  # rounded, many windows have two winners or more


def values_and_gradient(pool, images):
    """The result, and the gradient of a random weighting of it."""
    images = images.clone().requires_grad_()
    result = pool(images)
    weights = random_images(result.shape, seed=1)
    (gradient,) = torch.autograd.grad((result * weights).sum(), images)
    return result.detach(), gradient


def assert_same(ours, theirs, images):
    for mine, peers in zip(values_and_gradient(ours, images), values_and_gradient(theirs, images), strict=True):
        torch.testing.assert_close(mine, peers, rtol=1e-9, atol=1e-9)


@st.composite
def cases(draw, dilated=False):
    """Shapes and arguments as torch takes them, oblong as often as square."""
    kernel, stride = (draw(st.tuples(st.integers(1, 5), st.integers(1, 4))) for _ in range(2))
    dilation = draw(st.tuples(st.integers(1, 3), st.integers(1, 3))) if dilated else (1, 1)
    padding = tuple(draw(st.integers(0, edge // 2)) for edge in kernel)
    shape = draw(st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)))
    for size, *rest in zip(shape[2:], kernel, stride, padding, dilation, strict=True):
        assume(pooling.output_size(size, *rest) >= 1)
    return shape, {"kernel_size": kernel, "stride": stride, "padding": padding}, dilation


# ---- torch as the oracle ---------------------------------------------------------------------------------------
@given(cases(dilated=True), st.integers(0, 1000), st.booleans())
@settings(max_examples=200)
def test_max_pooling_equals_torch_in_values_and_gradients_also_at_ties(case, seed, ties):
    shape, arguments, dilation = case
    images = random_images(shape, seed, ties)
    if F.max_pool2d(images, **arguments, dilation=dilation).isinf().any():  # a window on nothing but padding
        with pytest.raises(ValueError, match="sees nothing but padding"):
            max_pool2d(images, **arguments, dilation=dilation)
        return
    assert_same(
        lambda x: max_pool2d(x, **arguments, dilation=dilation),
        lambda x: F.max_pool2d(x, **arguments, dilation=dilation),
        images,
    )


@given(cases(), st.integers(0, 1000))
@settings(max_examples=200)
def test_average_pooling_equals_torch_in_values_and_gradients(case, seed):
    shape, arguments, _ = case
    images = random_images(shape, seed)
    assert_same(lambda x: avg_pool2d(x, **arguments), lambda x: F.avg_pool2d(x, **arguments), images)


def test_the_stride_is_the_kernel_s_size_unless_told():
    images = random_images((1, 2, 9, 8), seed=0)
    for ours, theirs in ((max_pool2d, F.max_pool2d), (avg_pool2d, F.avg_pool2d)):
        torch.testing.assert_close(ours(images, 3), theirs(images, 3))
        torch.testing.assert_close(ours(images, (2, 3)), theirs(images, (2, 3)))


@pytest.mark.parametrize("pool", [max_pool2d, avg_pool2d, blur_pool2d])
def test_precision_and_the_picture_stay_as_they_were(pool):
    images = random_images((1, 1, 6, 6), seed=0).float()
    before = images.clone()
    assert pool(images, 2).dtype == torch.float32
    assert pool(images.bfloat16(), 2).dtype == torch.bfloat16
    assert torch.equal(images, before)


def test_nan_is_not_swept_under_the_maximum():
    images = torch.zeros(1, 1, 2, 2)
    images[0, 0, 1, 0] = math.nan
    assert max_pool2d(images, 2).isnan().all()


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 6), st.integers(0, 4), st.integers(1, 4), st.booleans())
@settings(max_examples=200)
def test_the_formula_tells_torch_s_sizes(size, kernel, stride, padding, dilation, ceil_mode):
    assume(padding <= kernel // 2)
    count = pooling.output_size(size, kernel, stride, padding, dilation, ceil_mode)
    assume(count >= 1)
    shape = F.max_pool2d(
        torch.zeros(1, size, 1), (kernel, 1), (stride, 1), (padding, 0), (dilation, 1), ceil_mode
    ).shape
    assert count == shape[1]


@given(st.integers(1, 40), st.integers(1, 9), st.integers(1, 6), st.integers(0, 4))
def test_the_formula_counts_the_windows_that_fit(size, kernel, stride, padding):
    starts = range(-padding, size + padding - kernel + 1, stride)
    assert max(0, pooling.output_size(size, kernel, stride, padding)) == len(starts)


def test_the_formula_refuses_what_no_window_can_do():
    for arguments, sentence in (
        ((8, 0, 1), "kernel_size must be at least 1"),
        ((8, 2, 0), "stride must be at least 1"),
        ((8, 2, 1, -1), "padding must be 0 or more"),
        ((8, 2, 1, 0, 0), "dilation must be at least 1"),
    ):
        with pytest.raises(ValueError, match=sentence):
            pooling.output_size(*arguments)
    assert pooling.output_size(3, 5, 1) < 1  # it does not fit


# ---- the blur --------------------------------------------------------------------------------------------------
def independent_blur_pool(images, kernel_size, stride, padding):
    """Zhang's MaxBlurPool from torch's own parts: maximum at every pixel, mirrored edge, depthwise convolution."""
    images = F.max_pool2d(images, kernel_size, 1, padding)
    weights = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]).to(images).repeat(images.shape[1], 1, 1, 1) / 16
    images = nn.ReflectionPad2d(1)(images)
    return F.conv2d(images, weights, stride=stride, groups=images.shape[1])


@given(
    st.tuples(st.integers(1, 2), st.integers(1, 3), st.integers(5, 12), st.integers(5, 12)),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(0, 1000),
)
@settings(max_examples=100)
def test_blur_pooling_equals_a_maximum_and_a_depthwise_convolution(shape, kernel, stride, seed):
    padding = kernel // 2
    assert_same(
        lambda x: blur_pool2d(x, kernel, stride, padding),
        lambda x: independent_blur_pool(x, kernel, stride, padding),
        random_images(shape, seed),
    )


def test_an_even_picture_stays_as_bright_as_it_was():
    assert torch.allclose(blur_pool2d(torch.full((1, 1, 9, 9), 0.3), 2, 2, 1), torch.tensor(0.3))


def test_the_blur_keeps_an_edge_that_max_pooling_loses_when_it_moves():
    """Zhang's own example: 0 0 1 1 0 0 1 1, and the same a pixel further."""
    signal = torch.tensor([0.0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1]).expand(1, 1, 16, 16)
    moved = signal.roll(1, dims=3)

    def change(pool):
        return (pool(signal) - pool(moved))[..., 1:-1, 1:-1].abs().max().item()

    assert change(lambda x: max_pool2d(x, 2)) == 1.0
    assert change(lambda x: blur_pool2d(x, 2, 2)) <= 0.5


# ---- the slide -------------------------------------------------------------------------------------------------
def test_the_slide_s_maxima():
    assert max_pool2d(MAX_SLIDE[None, None], 2).flatten().tolist() == [100, 184, 12, 45]


def test_the_slide_s_averages_but_for_its_slip():
    exact = avg_pool2d(AVERAGE_SLIDE[None, None], 2).flatten().tolist()
    assert exact == [36.5, 80, 12, 15]
    assert avg_pool2d(MAX_SLIDE[None, None], 2).flatten().tolist() == [36, 80, 12, 15]


def test_the_window_visits_every_cell_and_says_what_it_sees():
    steps = [pooling.step_to(index, MAX_SLIDE, "max", 3, 1, 1) for index in range(16)]
    pooled = F.max_pool2d(MAX_SLIDE[None], 3, 1, 1)[0]
    assert [step.index for step in steps] == list(range(16))
    for step in steps:
        assert torch.equal(step.results, pooled)
        assert step.numbers.max() == pooled.flatten()[step.index]
        row, column = step.corner
        inside = MAX_SLIDE[max(row, 0) : row + 3, max(column, 0) : column + 3]
        assert sorted(step.numbers[step.numbers.isfinite()].tolist()) == sorted(inside.flatten().tolist())
    averages = [pooling.step_to(index, MAX_SLIDE, "average", 2, 1).numbers.mean() for index in range(9)]
    assert averages == F.avg_pool2d(MAX_SLIDE[None], 2, 1).flatten().tolist()
    assert pooling.step_to(9, MAX_SLIDE, "average", 2, 1).index == 8
    with pytest.raises(ValueError, match=r"'max' or 'average'.*got 'median'"):
        pooling.step_to(0, MAX_SLIDE, "median", 2, 2)
    with pytest.raises(ValueError, match="index must be at least 0; got -1"):
        pooling.step_to(-1, MAX_SLIDE, "max", 2, 2)


def test_the_gradient_is_that_of_the_results_so_far():
    overlapping = pooling.step_to(1, MAX_SLIDE, "max", 3, 1).gradient  # 100 wins in the first window, 184 in the next
    assert overlapping.nonzero().tolist() == [[0, 3], [1, 1]]
    assert pooling.step_to(8, MAX_SLIDE, "average", 2, 1).gradient.sum() == 9


# ---- bad input -------------------------------------------------------------------------------------------------
PICTURE = torch.rand(1, 3, 8, 8, generator=runtime.generator(0))
BAD = [
    ((PICTURE, 9), ValueError, "9×9 pixels does not fit into a picture of 8×8"),
    ((PICTURE, 0), ValueError, "kernel_size must be at least 1"),
    ((PICTURE, 2, 0), ValueError, "stride must be at least 1.*got 0"),
    ((PICTURE, 2, -1), ValueError, "stride must be at least 1.*got -1"),
    ((PICTURE, 3, 1, -1), ValueError, "padding must be 0 or more.*got -1"),
    ((PICTURE, 3, 1, 2), ValueError, "at most half the kernel, 1 for a kernel of 3"),
    ((PICTURE, (2, 4), 1, (0, 3)), ValueError, "at most half the kernel, 2 for a kernel of 4"),
    ((PICTURE, 2.5), TypeError, "kernel_size is a whole number"),
    ((PICTURE, True), TypeError, "kernel_size is a whole number"),
    ((PICTURE, (2, 2, 2)), TypeError, r"pair \(height, width\)"),
    ((PICTURE[:0], 2), ValueError, r"nothing to pool: a batch of the shape \[0, 3, 8, 8\]"),
    ((PICTURE[:, :, :0], 2), ValueError, "nothing to pool"),
    ((PICTURE[0], 2), ValueError, r"got \[3, 8, 8\]; add the batch with images\[None\]"),
    ((PICTURE.mul(255).long(), 2), TypeError, r"takes floats.*got int64. Use images.float\(\)"),
    ((PICTURE.mul(255).byte(), 2), TypeError, "got uint8"),
    ((PICTURE.numpy(), 2), TypeError, "takes a tensor.*got ndarray"),
]


@pytest.mark.parametrize("pool", [max_pool2d, avg_pool2d, blur_pool2d])
@pytest.mark.parametrize(("arguments", "error", "sentence"), BAD)
def test_bad_input_is_refused_in_a_sentence(pool, arguments, error, sentence):
    with pytest.raises(error, match=sentence) as told:
        pool(*arguments)
    assert str(told.value).endswith((".", "]"))
    assert "\n" not in str(told.value)


def test_dilation_has_sentences_of_its_own():
    with pytest.raises(ValueError, match="dilation must be at least 1"):
        max_pool2d(PICTURE, 2, dilation=0)
    with pytest.raises(ValueError, match=r"3×3 pixels \(spread over 9×9 by its dilation\) does not fit"):
        max_pool2d(PICTURE, 3, dilation=4)
    with pytest.raises(ValueError, match="a window sees nothing but padding"):
        max_pool2d(PICTURE[..., :2, :2], 2, 1, 1, dilation=3)


def test_the_blur_has_a_sentence_of_its_own():
    with pytest.raises(ValueError, match=r"mirrors 1 pixel .*1×1 pixels has too few"):
        blur_pool2d(PICTURE[..., :2, :2], 2, 2)


# ---- none at all -----------------------------------------------------------------------------------------------
def test_without_pooling_nothing_shrinks_and_the_network_is_left_alone():
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.MaxPool2d(3, 2), nn.MaxPool2d(3, 1, 1), nn.Sequential(nn.MaxPool2d(2))
    )
    bare = pooling.without_pooling(network)
    x = torch.rand(1, 3, 16, 16)
    assert bare(x).shape == (1, 4, 16, 16)
    assert network(x).shape == (1, 4, 3, 3)
    assert isinstance(bare[2], nn.MaxPool2d)


def test_a_network_with_our_own_pooling_can_be_counted():
    class Pooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Conv2d(3, 2, 3)

        def forward(self, x):
            return pooling.max_pool2d(self.layer(x), 2)

    assert account(Pooled(), 16).macs == 14 * 14 * 2 * 27


# ---- reasons that the lesson gives -----------------------------------------------------------------------------
def test_it_is_the_halving_that_saves_and_not_the_maximum():
    with torch.device("meta"):
        network = inception.GoogLeNet(aux=False)
    skipping, flat = copy.deepcopy(network), copy.deepcopy(network)
    for other in (skipping, flat):
        for parent in list(other.modules()):
            for name, layer in parent.named_children():
                if isinstance(layer, nn.MaxPool2d) and layer.stride == 2 and other is skipping:
                    setattr(parent, name, nn.MaxPool2d(1, 2))  # every second pixel, and no look at the others
                if isinstance(layer, nn.MaxPool2d) and layer.stride == 1 and other is flat:
                    setattr(parent, name, nn.Identity())
    costs = [account(one, 224).macs for one in (network, skipping, flat)]
    assert costs[0] == costs[1] == costs[2]


def test_googlenet_rebuilt_with_the_wrong_rounding_runs_all_the_same():
    with torch.device("meta"):
        network = inception.GoogLeNet(aux=False)
    for layer in network.modules():
        if isinstance(layer, nn.MaxPool2d):
            layer.ceil_mode = False
    bill = account(network, 224).by(1)
    assert [bill[f"maxpool{k}"].shape[2] for k in (1, 2, 3, 4)] == [55, 27, 13, 6]
    assert bill.rows[-1].shape == (1, 1000)


def test_a_maximum_favours_white_only_because_white_is_the_larger_number():
    picture = images.to_tensor(runtime.DATA / "pictures" / "stop.jpg", size=128, device="cpu")
    letters = (picture.amin(dim=1) > 0.7).float().mean()  # white: all three colours are high

    def left(shown):  # of the white after pooling
        return (shown.amin(dim=1) > 0.7).float().mean()

    assert left(max_pool2d(picture, 4)) > 1.5 * letters
    assert left(1 - max_pool2d(1 - picture, 4)) < 0.5 * letters  # pooled as a negative, and turned back


@pytest.mark.parametrize("seed", range(3))
def test_the_blur_calms_signals_other_than_the_lesson_s_stripes_too(seed):
    """Steps between plateaus of random height and width; how much do results change when the camera moves by one?"""
    draw = runtime.generator(seed)
    signal = torch.rand(200, 1, 1, 20, generator=draw).repeat_interleave(2, dim=3)
    signal = signal.expand(200, 1, 8, 40)
    moved = {}
    for kind in ("max", "average", "blur"):
        one, other = (pooling.pool2d(x, kind, 2, 2)[..., 2, 1:-1] for x in (signal[..., :-1], signal[..., 1:]))
        moved[kind] = (one - other).abs().mean().item()
    assert moved["blur"] < 0.9 * min(moved["max"], moved["average"])


def test_a_convolution_and_a_maximum_of_stride_1_move_along_and_a_mean_of_all_stays():
    draw = runtime.generator(4)
    picture, filters = torch.randn(1, 2, 9, 30, generator=draw), torch.randn(3, 2, 3, 3, generator=draw)
    for layer in (lambda x: F.conv2d(x, filters), lambda x: max_pool2d(x, 2, 1)):
        torch.testing.assert_close(layer(picture[..., 1:])[..., :-1], layer(picture[..., :-1])[..., 1:])
    ring = torch.roll(picture, 7, dims=3)
    torch.testing.assert_close(ring.mean(dim=(2, 3)), picture.mean(dim=(2, 3)))


@pytest.mark.parametrize("kind", ["stride", "max"])
def test_without_its_stride_a_network_moves_along_and_every_sixteenth_column_is_what_it_was(kind):
    for seed in range(3):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = pooling.SignsPoolNet(kind).eval()
        dense, x = pooling.without_stride(network), torch.rand(2, 3, 96, 112, generator=runtime.generator(seed))
        with torch.no_grad():
            maps, full = (one.features(x) for one in (network, dense))
            torch.testing.assert_close(full[..., ::16][..., :7], maps)
            one, other = (dense.features(view)[..., 15:60] for view in (x[..., :-1], x[..., 1:]))
            torch.testing.assert_close(one[..., 1:], other[..., :-1])
            one, other = (network.features(view) for view in (x[..., :96], x[..., 16:]))
            torch.testing.assert_close(one[..., 2:5], other[..., 1:4])  # 16 pixels: the same, one cell further
        assert network.features[0].dilation == (1, 1)


def test_only_a_convolution_and_a_maximum_can_spread():
    with pytest.raises(ValueError, match="take a 'max' or a 'stride'"):
        pooling.without_stride(pooling.SignsPoolNet("average"))
