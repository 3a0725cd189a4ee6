"""What this machine is and how the course uses it: device, precision, random numbers, the data folder.

Serves all eight notebooks. Papers: none; the rules are torch's own (reproducibility notes, autocast).
"""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from pathlib import Path

import torch
from torch import nn

_PACKAGE = Path(__file__).resolve().parent  # the shipped data lie inside it when installed, beside it in a checkout
DATA = _PACKAGE / "data" if (_PACKAGE / "data").is_dir() else _PACKAGE.parent / "data"


def device(name: str | torch.device | None = None) -> torch.device:
    """Choose where to compute.

    Args:
        name: "cuda", "mps", "cpu" …; None takes the environment variable `COURSE_DEVICE`, and without it the
            best that this machine has.

    Raises:
        ValueError: the name is unknown, or this machine has no such device.

    >>> device("cpu")
    device(type='cpu')
    """
    usable = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}  # best first
    wanted = name or os.environ.get("COURSE_DEVICE") or next(kind for kind, there in usable.items() if there)
    try:
        chosen = torch.device(wanted)
    except RuntimeError:
        raise ValueError(f"there is no device called {wanted!r}; use 'cuda', 'mps' or 'cpu'.") from None
    if not usable.get(chosen.type, False):
        raise ValueError(f"this machine cannot compute on {wanted!r}; leave the device out and the best one is used.")
    return chosen


def generator(seed: int, device: str | torch.device = "cpu") -> torch.Generator:
    """A random generator of its own, so that nobody's global random state is touched.

    The seed is any whole number; the same one gives the same numbers on the same kind of device, and on a processor
    two seeds of 64 bits give two series: torch alone would keep the lower 32 bits, so that 2**40 would be 0 again.

    >>> torch.rand(1, generator=generator(3)).equal(torch.rand(1, generator=generator(3)))
    True
    """
    if isinstance(seed, bool) or not isinstance(seed, Integral):  # numpy's too
        raise TypeError(f"a seed is a whole number; got {seed!r}.")
    low, high = int(seed) % 2**32, int(seed) // 2**32 % 2**31
    # An odd factor: no two upper halves come down to one number.
    return torch.Generator(device=device).manual_seed(low ^ high * 0x9E3779B1 % 2**32)


def fast_dtype(where: torch.device) -> torch.dtype:
    """The precision in which this device multiplies fastest without hurting training.

    It is `torch.bfloat16` on GPUs of compute capability 8 and more and on processors with instructions for it (AVX-512
    BF16, AMX), `torch.float32` everywhere else.
    """
    fast = where.type == "cuda" and torch.cuda.get_device_capability(where) >= (8, 0)
    if where.type == "cpu":
        fast = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
    return torch.bfloat16 if fast else torch.float32


def exact_dtype(where: torch.device) -> torch.dtype:
    """The precision for adding up thousands of numbers: `torch.float64`, of which Apple's GPU (mps) refuses any."""
    return torch.float32 if where.type == "mps" else torch.float64


@contextmanager
def exact_products() -> Iterator[None]:
    """Inside, float32 is multiplied as float32 on every device; afterwards all is as it was.

    GPUs since 2020 may shorten the factors of a convolution or a matrix product to TF32, of which 11 binary digits
    are left (torch allows it to convolutions unless told otherwise): good enough to train, not for a proof.
    """
    with warnings.catch_warnings():  # torch 2.9 says, once, that it has newer names; torch 2.4 knows only these
        warnings.simplefilter("ignore")
        convolutions, matrices = torch.backends.cudnn.allow_tf32, torch.get_float32_matmul_precision()
        torch.backends.cudnn.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32 = convolutions
        torch.set_float32_matmul_precision(matrices)


def describe_machine() -> str:
    """One line that tells the student what this machine is and what the course will run on.

    >>> describe_machine()
    'Computing on ...'
    """
    where = device()
    if where.type == "cuda":
        properties = torch.cuda.get_device_properties(where)
        what = f"GPU {properties.name} with {properties.total_memory / 2**30:.0f} GiB"
    elif where.type == "mps":
        what = "the Apple GPU (mps)"
    else:
        threads = torch.get_num_threads()
        what = f"the processor, {threads} thread{'s' if threads > 1 else ''} (no GPU found; nothing here needs one)"
    return f"Computing on {what}. torch {torch.__version__}, Python {platform.python_version()}."


@contextmanager
def kept(network: nn.Module) -> Iterator[nn.Module]:
    """Lend a network to a method: in evaluation mode and frozen inside, exactly as it was afterwards.

    Frozen parameters make backward passes to the *picture* cheaper and leave every `.grad` of the caller alone.
    Holds also when the body raises, and for networks of which only some layers were in training mode.
    """
    modes = [(module, module.training) for module in network.modules()]
    wanted = [(parameter, parameter.requires_grad) for parameter in network.parameters()]
    network.eval()
    network.requires_grad_(False)
    try:
        yield network
    finally:
        for module, mode in modes:
            module.training = mode
        for parameter, flag in wanted:
            parameter.requires_grad_(flag)


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Inside, torch computes on this many processor threads; None changes nothing.

    One is the better choice for a small network and one picture, because threads that share a work wait for the
    slowest: a gradient of signs-alexnet took 2 ms with two on two cores, and 39 while another program kept one of them
    busy; with one thread 3, either way.

    >>> with threads(1):
    ...     torch.get_num_threads()
    1
    """
    before = torch.get_num_threads()
    if count is not None:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if count is not None:
            torch.set_num_threads(before)
