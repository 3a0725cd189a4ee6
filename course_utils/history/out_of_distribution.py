"""Pictures that no network of this course was trained for, and what it answers all the same.

Serves notebook 1, and its lab of confident nonsense. Papers: Nguyen et al. 2014, arXiv:1412.1897 (pictures made to
convince); Hendrycks and Gimpel 2017, arXiv:1610.02136 (the largest probability as a detector of such pictures).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from course_utils import images, runtime, signs, zoo
from course_utils.arguments import check_known, check_whole
from course_utils.history.drawings import FURS, draw_cat, draw_limit_of_40, place
from course_utils.signs.backgrounds import Dice, street
from course_utils.signs.drawings import VARIANTS, Make


# ---- what a network says -----------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Answer:
    """What a network says about pictures, and how sure it is."""

    labels: Tensor  # [N]
    confidence: Tensor  # [N], the largest probability
    entropy: Tensor  # [N], in bits: 0 where all is certain, log2(classes) where all is open
    probabilities: Tensor  # [N, classes]


def ask(network: zoo.PixelNetwork, pictures: Tensor) -> Answer:
    """What a network of the zoo answers to pictures [N, 3, H, W] in [0, 1], in evaluation mode.

    >>> network = zoo.load("signs-resnet", device="cpu")
    >>> answer = ask(network, draw("a limit of 40"))
    >>> network.class_names[answer.labels[0]], f"{answer.confidence[0]:.1f}"
    ('60 limit', '1.0')
    """
    with runtime.kept(network), torch.no_grad():
        probabilities = network(pictures).softmax(dim=1)
    confidence, labels = probabilities.max(dim=1)
    entropy = -torch.special.xlogy(probabilities, probabilities).sum(dim=1) / math.log(2)
    return Answer(labels, confidence, entropy.clamp(min=0), probabilities)


# ---- what it is asked about, from far to near --------------------------------------------------------------------
def grey(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Nothing at all: one shade a picture."""
    return torch.rand(count, 1, 1, 1, generator=generator).expand(-1, 3, size, size).clone()


def noise(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Every value of every pixel drawn for itself."""
    return torch.rand(count, 3, size, size, generator=generator)


def checkerboard(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Two colours, fields of 4, 8 or 16 parts of 64."""
    fields = size * torch.tensor([4, 8, 16])[torch.randint(3, (count, 1, 1, 1), generator=generator)] // 64
    along = torch.arange(size)
    odd = (along.view(1, 1, -1, 1) // fields + along.view(1, 1, 1, -1) // fields) % 2
    first, second = (torch.rand(count, 3, 1, 1, generator=generator) for _ in range(2))
    return torch.where(odd.bool(), first, second)


def empty_street(count: int, size: int, generator: torch.Generator) -> Tensor:
    """The world that the networks know, without a sign in it."""
    return street(Dice(count, generator), size, 0.7).clamp(0, 1)


def cat(count: int, size: int, generator: torch.Generator) -> Tensor:
    """A drawn cat on a street."""
    furs = torch.randint(len(FURS), (count,), generator=generator).tolist()
    return place([draw_cat(FURS[k]) for k in furs], size, generator)


def upside_down(count: int, size: int, generator: torch.Generator) -> Tensor:
    """Scenes with a speed limit, turned by half a circle: signs that stand for nothing."""
    limits = torch.tensor([k for k, name in enumerate(signs.CLASS_NAMES) if name.endswith("limit")])
    labels = limits[torch.randint(len(limits), (count,), generator=generator)]
    seed = int(torch.randint(2**31, (), generator=generator))
    return signs.render(labels, size=size, seed=seed, device="cpu").images.flip(2, 3)


def limit_of_40(count: int, size: int, generator: torch.Generator) -> Tensor:
    """A limit of 40, which is not among the twenty classes, on a street."""
    makes = torch.randint(VARIANTS, (count,), generator=generator).tolist()
    return place([draw_limit_of_40(Make.variant(k)) for k in makes], size, generator)


KINDS: dict[str, Callable[[int, int, torch.Generator], Tensor]] = {
    "grey": grey,
    "noise": noise,
    "checkerboard": checkerboard,
    "empty street": empty_street,
    "cat": cat,
    "upside down": upside_down,
    "a limit of 40": limit_of_40,
}


def draw(kind: str, count: int = 1, *, size: int = 64, seed: int = 0) -> Tensor:
    """Pictures of one out-of-distribution kind.

    Args:
        kind: one of `KINDS`.
        size: side of the square pictures, in pixels.

    Returns:
        [count, 3, size, size] in [0, 1], on the processor.

    >>> draw("cat", 2).shape
    torch.Size([2, 3, 64, 64])
    """
    check_known("out-of-distribution picture", kind, KINDS)
    check_whole("count", count)
    check_whole("size", size, signs.SMALLEST, signs.LARGEST)
    return KINDS[kind](count, size, runtime.generator(seed))


# ---- what a network for photographs knows ------------------------------------------------------------------------
NAMED: dict[str, tuple[str, ...]] = {  # photographs that ship, and ImageNet's words for what is on them
    "cat": ("Egyptian cat", "tiger cat", "tabby"),
    "espresso": ("espresso", "cup"),
    "camera": ("tripod",),
    "hopper": ("military uniform", "suit", "Windsor tie"),
    "palace": ("palace", "bell cote"),
}
NAMELESS = ("rocket", "flower", "astronaut")  # among ImageNet's classes are no rocket, no dahlia and no astronaut


def known(network: zoo.PixelNetwork) -> Tensor:
    """Pictures of what a network learnt: a hundred scenes, or the photographs of `NAMED` that it reads (if none, all).

    Returns:
        [N, 3, S, S] in [0, 1], on the network's device.

    >>> len(known(zoo.load("efficientnet-lite0", device="cpu")))
    5
    """
    size, device = network.input_size, network.mean.device
    if knows_signs(network):
        return F.interpolate(signs.render(100, size=64, seed=77, device="cpu").images.to(device), size=size)
    x = torch.cat([images.photograph(name, size=size, device=device) for name in NAMED])
    read = [network.class_names[label] for label in ask(network, x).labels]
    chosen = [k for k, words in enumerate(NAMED.values()) if read[k] in words]
    return x[chosen] if chosen else x


def knows_signs(network: zoo.PixelNetwork) -> bool:
    """Whether a network's classes are the course's twenty signs."""
    return network.class_names == signs.CLASS_NAMES


def lead(network: zoo.PixelNetwork, picture: Tensor, label: int, *, steps: int = 16, most: float = 32 / 255) -> Tensor:
    """A picture that the gradient leads until the network takes it for a class: small steps, no pixel by over `most`.

    Args:
        picture: [1, 3, S, S] in [0, 1].
        label: of the class.
        steps: each changes a pixel by 2/255.

    Returns:
        [1, 3, S, S] in [0, 1], on the network's device.

    Source: Nguyen et al. 2014, the pictures found by gradient ascent. Lesson 8 does it with care.

    >>> network, stop = zoo.load("signs-resnet", device="cpu"), signs.render([signs.STOP], device="cpu").images
    >>> network.class_names[ask(network, lead(network, stop, signs.YIELD)).labels[0]]
    'yield'
    """
    last = len(network.class_names) - 1
    label = check_whole("label", label, 0, last, says=f"is a class of this network, 0 to {last}")
    x = picture.to(network.mean.device)
    goal = torch.tensor([label], device=x.device)
    lowest, highest = (x - most).clamp(min=0), (x + most).clamp(max=1)
    with runtime.kept(network), torch.enable_grad():
        for _ in range(steps):
            x = x.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(F.cross_entropy(network(x), goal), x)
            x = (x.detach() - 2 / 255 * gradient.sign()).clamp(lowest, highest)
    return x


def lead_noise(network: zoo.PixelNetwork, label: int, *, seed: int = 0) -> Tensor:
    """Noise led to a class, no pixel by over 32/255: [1, 3, S, S] in [0, 1], on the network's device.

    >>> network = zoo.load("signs-resnet", device="cpu")
    >>> network.class_names[ask(network, lead_noise(network, signs.STOP)).labels[0]]
    'stop'
    """
    return lead(network, draw("noise", size=network.input_size, seed=seed), label)
