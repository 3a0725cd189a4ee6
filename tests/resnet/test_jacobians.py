"""Jacobians are those of finite differences, J_f is J_g + I, and measuring a network leaves it as it was."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.optim.swa_utils import update_bn

from course_utils import runtime
from course_utils.networks import resnet
from course_utils.resnet import jacobians


def block(skip=True, preactivation=False, seed=0, channels=2):
    """A block in float64 with first weights of a seed and statistics of a batch."""
    made = resnet.BasicBlock(channels, channels, skip=skip, preactivation=preactivation).double()
    resnet.initialise(made, "he", seed)
    update_bn([noise(32, channels)], made.eval())
    return made


def noise(count, channels, side=4, seed=1):
    return torch.randn(count, channels, side, side, generator=runtime.generator(seed), dtype=torch.float64)


# ---- the Jacobian --------------------------------------------------------------------------------------------------
def test_the_jacobian_of_a_matrix_product_is_the_matrix():
    matrix = noise(1, 1, 5)[0, 0]
    x = torch.arange(5.0, dtype=torch.float64)
    assert torch.allclose(jacobians.jacobian(lambda v: matrix @ v, x), matrix)


def test_the_jacobian_agrees_with_finite_differences():
    function, x, tiny = block(), noise(1, 2), 1e-6
    matrix = jacobians.jacobian(function, x)
    with torch.no_grad():
        for column in range(0, x.numel(), 5):
            move = torch.zeros_like(x)
            move.view(-1)[column] = tiny
            difference = (function(x + move) - function(x - move)).flatten() / (2 * tiny)
            assert torch.allclose(matrix[:, column], difference, atol=1e-6)


@given(seed=st.integers(0, 1000), channels=st.integers(1, 3), preactivation=st.booleans())
def test_the_jacobian_of_the_sum_is_that_of_g_and_the_identity(seed, channels, preactivation):
    one, x = block(preactivation=preactivation, seed=seed, channels=channels), noise(1, channels, seed=seed)
    of_f = jacobians.jacobian(lambda x: one.g(x) + x, x)
    of_g = jacobians.jacobian(one.g, x)
    assert torch.allclose(of_f, of_g + torch.eye(x.numel(), dtype=x.dtype), atol=1e-12)


def test_the_relu_behind_the_sum_wipes_out_rows():
    one, x = block(), noise(1, 2)
    with torch.no_grad():
        alive = (one.g(x) + x).flatten() > 0
    assert 0 < alive.sum() < len(alive)
    of_g = jacobians.jacobian(one.g, x)
    expected = alive[:, None] * (of_g + torch.eye(x.numel(), dtype=x.dtype))
    assert torch.allclose(jacobians.jacobian(one, x), expected, atol=1e-12)


@pytest.mark.parametrize("x", [torch.ones(3, dtype=torch.long), [1.0, 2.0]])
def test_a_jacobian_needs_floats(x):
    with pytest.raises(TypeError, match="a tensor of floats; got"):
        jacobians.jacobian(lambda v: v, x)


# ---- a chain of blocks ---------------------------------------------------------------------------------------------
def test_the_product_is_the_jacobian_of_the_chain():
    chain, x = nn.Sequential(*(block(seed=seed) for seed in range(4))), noise(1, 2)
    *_, last = jacobians.products(chain, x)
    assert torch.allclose(last, jacobians.jacobian(chain.eval(), x), atol=1e-10)


def test_singular_values_bound_every_stretch():
    chain, x = [block(seed=seed) for seed in range(3)], noise(1, 2)
    values = jacobians.singular_values(chain, x)
    assert values.shape == (3, 32)
    *_, last = jacobians.products(chain, x)
    for way in noise(10, 2, seed=9).flatten(1):
        assert values[-1, -1] - 1e-9 <= (last @ way).norm() / way.norm() <= values[-1, 0] + 1e-9


def test_a_chain_of_identities_stretches_nothing():
    chain = [block(seed=seed, preactivation=True) for seed in range(3)]
    for one in chain:
        resnet.set_to_zero(one)
    assert torch.allclose(jacobians.singular_values(chain, noise(1, 2)), torch.ones(3, 32, dtype=torch.float64))


def test_the_blocks_are_left_as_they_were():
    chain = nn.Sequential(block(seed=0), block(seed=1)).train()
    chain[1].norm1.eval()
    before = {name: tensor.clone() for name, tensor in chain.state_dict().items()}
    modes = [module.training for module in chain.modules()]
    jacobians.singular_values(chain, noise(1, 2))
    assert [module.training for module in chain.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in chain.state_dict().items())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in chain.parameters())


# ---- layer by layer ------------------------------------------------------------------------------------------------
def batch(dtype=torch.float64):
    images = torch.rand(4, 3, 8, 8, generator=runtime.generator(2), dtype=dtype)
    return images, torch.tensor([0, 1, 2, 3])


@pytest.mark.parametrize("how", [{}, {"norm": False}, {"preactivation": True}, {"skip": False}])
def test_a_network_that_was_measured_is_as_it_was(how):
    network = resnet.SmallResNet(14, width=4, **how).double()
    network.stage2.eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [module.training for module in network.modules()]
    sizes = jacobians.gradient_norms(network, *batch())
    assert list(sizes) == [1, 3, 5, 7, 9, 11, 13]
    assert all(size > 0 for size in sizes.values())
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in network.parameters())


def test_the_norms_are_those_of_backward():
    network, (images, labels) = resnet.SmallResNet(8, width=4).double(), batch()
    caught = {}
    for name in ("stem", "stage1", "stage2", "stage3"):
        getattr(network, name).register_full_backward_hook(lambda _, __, out, name=name: caught.update({name: out[0]}))
    nn.functional.cross_entropy(network.train()(images.requires_grad_()), labels, reduction="sum").backward()
    expected = [caught[name].flatten(1).norm(dim=1).mean().item() for name in ("stem", "stage1", "stage2", "stage3")]
    assert list(jacobians.gradient_norms(network, images, labels).values()) == pytest.approx(expected)


def test_a_network_that_does_not_tell_its_parts_is_refused():
    with pytest.raises(TypeError, match=r"network must tell its parts, as resnet\.SmallResNet does; got Linear"):
        jacobians.gradient_norms(nn.Linear(3, 2), *batch())


def at_both_ends(seed=0, side=32, start="he", shrink=1.0, circular=False, **how):
    """The gradient at the first layer of 50, as a share of that at the last block."""
    network = resnet.initialise(resnet.SmallResNet(50, width=8, **how).double(), start, seed)
    for block in resnet.blocks(network):
        block.conv2.weight.data *= shrink
    if circular:  # no edge, so nothing is padded with zeros
        for conv in (layer for layer in network.modules() if isinstance(layer, nn.Conv2d)):
            conv.padding_mode, conv._reversed_padding_repeated_twice = "circular", [conv.padding[0]] * 4
    images = torch.rand(4, 3, side, side, generator=runtime.generator(2), dtype=torch.float64) - 0.5
    sizes = jacobians.gradient_norms(network, images, torch.tensor([0, 1, 2, 3]))
    return sizes[1] / sizes[49]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_lesson_s_table_of_fates(seed):
    """The skip keeps the gradient from dying, a small or normalised g from exploding; neither alone does both."""
    assert at_both_ends(seed, skip=False, norm=False, start="torch") < 1e-12
    assert 0.1 < at_both_ends(seed, skip=True, norm=False, start="torch") < 10
    assert 0.05 < at_both_ends(seed, skip=False, norm=False) < 1
    assert at_both_ends(seed, skip=True, norm=False) > 1e3
    assert at_both_ends(seed, skip=True, norm=False, shrink=0.25) < 10  # the reason taken away: a smaller g
    assert at_both_ends(seed, skip=False) > 1e3
    assert 1e-3 < at_both_ends(seed, skip=True) < 1e3


@pytest.mark.parametrize("seed", [0, 1])
def test_he_s_weights_lose_the_gradient_in_the_padding_of_small_pictures(seed):
    how = {"seed": seed, "skip": False, "norm": False}
    small, large = (at_both_ends(side=side, **how) for side in (8, 32))
    assert small < 0.03 < 0.05 < large
    assert at_both_ends(side=8, circular=True, **how) > 5 * small  # without the padding it arrives


@pytest.mark.parametrize("seed", [1, 2])
def test_it_takes_the_plus_and_nothing_behind_it_to_keep_the_directions(seed):
    """Two times two chains of 48 blocks: with the plus or without, with a ReLU behind the block or without."""
    alive, signal = {}, noise(64, 4, seed=seed)
    for skip in (False, True):
        for free in (False, True):
            chain = nn.Sequential(*(resnet.BasicBlock(4, 4, skip=skip, preactivation=free) for _ in range(48)))
            update_bn([signal], resnet.initialise(chain.double(), "he", seed))
            last = jacobians.singular_values(chain, signal[:1])[-1]
            alive[skip, free] = int((last > last[0] / 1000).sum())
    assert max(alive[False, False], alive[False, True]) < 10 < alive[True, False] < 40 < alive[True, True]


def test_it_is_not_the_number_of_living_directions_that_decides():
    """A plain chain begun beside copies has hardly any alive, and a network begun so learns (twins.load_controls)."""
    chain = nn.Sequential(*(resnet.BasicBlock(4, 4, skip=False) for _ in range(48))).double()
    for conv in (layer for layer in resnet.initialise(chain, "he", 0).modules() if isinstance(layer, nn.Conv2d)):
        conv.weight.data = 0.1 * conv.weight.data + nn.init.dirac_(torch.empty_like(conv.weight))
    signal = noise(64, 4, seed=0)
    update_bn([signal], chain)
    last = jacobians.singular_values(chain, signal[:1])[-1]
    assert (last > last[0] / 1000).sum() <= 6


def test_a_plain_block_can_copy_with_batch_normalisation_too():
    """What the lesson shows without it: γ = σ and β = μ undo the normalisation."""
    plain, x = resnet.BasicBlock(2, 2, skip=False).double(), noise(8, 2).relu()
    for conv, norm in ((plain.conv1, plain.norm1), (plain.conv2, plain.norm2)):
        nn.init.dirac_(conv.weight)
        norm.weight.data = (x.var(dim=(0, 2, 3), correction=0) + norm.eps).sqrt()
        norm.bias.data = x.mean(dim=(0, 2, 3))
    assert torch.allclose(plain.train()(x), x, atol=1e-12)
