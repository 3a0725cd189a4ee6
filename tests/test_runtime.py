"""The machine, its devices and its random numbers; a network that is lent comes back as it was."""

import pytest
import torch
from torch import nn

from course_utils import runtime


def small_network() -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))


def test_the_environment_chooses_the_device(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "cpu")
    assert runtime.device() == torch.device("cpu")


def test_an_argument_goes_before_the_environment(monkeypatch):
    monkeypatch.setenv("COURSE_DEVICE", "nonsense")
    assert runtime.device("cpu").type == "cpu"


@pytest.mark.parametrize("name", ["nonsense", "meta"])
def test_an_unusable_device_is_refused_in_one_sentence(name):
    with pytest.raises(ValueError, match="device"):
        runtime.device(name)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_missing_gpu_is_told():
    with pytest.raises(ValueError, match="cannot compute on 'cuda'"):
        runtime.device("cuda")


def test_equal_seeds_give_equal_numbers_and_leave_the_global_state_alone():
    before = torch.get_rng_state()
    first, second = (torch.rand(5, generator=runtime.generator(7)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, torch.rand(5, generator=runtime.generator(8)))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("seed", [1.5, "1", True, None])
def test_a_seed_is_a_whole_number(seed):
    with pytest.raises(TypeError, match="whole number"):
        runtime.generator(seed)


def test_seeds_that_share_their_lower_half_are_two_seeds():
    """torch's generator on a processor keeps 32 bits: test scenes of seed 2**40 were the training scenes of seed 0."""
    seeds = (0, 1, 2**32, 2**32 + 1, 2**40, 2**41, 3 * 2**40, -1, -(2**32))
    numbers = {tuple(torch.rand(3, generator=runtime.generator(seed)).tolist()) for seed in seeds}
    assert len(numbers) == len(seeds)


def test_the_student_is_told_the_machine_in_one_line():
    line = runtime.describe_machine()
    assert "\n" not in line
    assert torch.__version__ in line


def test_a_lent_network_is_frozen_inside_and_restored_after_an_error():
    network = small_network()
    network[1].eval()  # only this layer: a mode that train() or eval() would not bring back
    network[0].bias.requires_grad_(False)
    network[0].weight.grad = torch.ones_like(network[0].weight)
    modes = [module.training for module in network.modules()]
    wanted = [parameter.requires_grad for parameter in network.parameters()]

    def fail_inside():
        with runtime.kept(network):
            assert not any(module.training for module in network.modules())
            assert not any(parameter.requires_grad for parameter in network.parameters())
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert [module.training for module in network.modules()] == modes
    assert [parameter.requires_grad for parameter in network.parameters()] == wanted
    assert network[0].weight.grad.eq(1).all()


def test_the_data_folder_is_where_the_networks_are():
    assert (runtime.DATA / "networks").is_dir()


def test_threads_are_lent_and_given_back_also_after_an_error():
    before = torch.get_num_threads()

    def fail_inside():
        with runtime.threads(before + 1):
            assert torch.get_num_threads() == before + 1
            raise KeyError

    with pytest.raises(KeyError):
        fail_inside()
    assert torch.get_num_threads() == before
    with runtime.threads(None):
        assert torch.get_num_threads() == before


@pytest.fixture
def hasty():
    """A machine on which products may be shortened, as on a GPU."""
    before = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    yield
    torch.backends.cudnn.allow_tf32 = before[0]
    torch.set_float32_matmul_precision(before[1])


def test_products_are_exact_inside_and_afterwards_as_before(hasty):
    def state():
        flags = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
        return (*flags, torch.get_float32_matmul_precision())

    with runtime.exact_products():
        assert state() == (False, False, "highest")
    assert state() == (True, True, "high")
    with pytest.raises(ZeroDivisionError), runtime.exact_products():
        _ = 1 / 0
    assert state() == (True, True, "high")


def test_apple_s_gpu_is_not_asked_for_float64():
    kinds = {name: runtime.exact_dtype(torch.device(name)) for name in ("cpu", "cuda", "mps")}
    assert kinds == {"cpu": torch.float64, "cuda": torch.float64, "mps": torch.float32}
