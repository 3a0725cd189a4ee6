"""What no skill at all scores: four blind heat maps beside which every method has to be seen.

Serves notebook 7. Papers: Adebayo et al. 2018, arXiv:1810.03292 (edges and random weights).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from course_utils import runtime
from course_utils.gradcam.class_score import classes
from course_utils.gradcam.gradcam import gradcam, resize
from course_utils.gradcam.sanity import cascade, randomise

Method = Callable[[nn.Module, Tensor, Tensor], Tensor]  # (network, images, labels) → maps


def centre(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """The blind guess of who takes photographs: hot in the middle, colder outwards, [N, H, W]; looks at nothing."""
    height, width = images.shape[2:]
    y = torch.linspace(-1, 1, height, device=images.device).view(-1, 1)
    x = torch.linspace(-1, 1, width, device=images.device)
    return torch.exp(-2 * (x**2 + y**2)).expand(len(images), -1, -1)


def sobel_edges(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """How strong the edges are, [N, H, W]: looks at the picture and at no network (Sobel's filter, on grey)."""
    filters = images.new_tensor([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
    filters = torch.stack([filters, filters.T])[:, None]  # [2, 1, 3, 3]
    grey = F.pad(images.mean(dim=1, keepdim=True), (1,) * 4, mode="replicate")
    return F.conv2d(grey, filters).norm(dim=1)


def random_blobs(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Dice, as coarse as Grad-CAM's map: 4×4 random numbers, enlarged, [N, H, W]; looks at nothing."""
    draw = runtime.generator(0, images.device)
    return resize(torch.rand(len(images), 4, 4, generator=draw, device=images.device), images.shape[2:])


def untrained(network: nn.Module, images: Tensor, labels: Tensor) -> Tensor:
    """Grad-CAM of the same network before it has learnt anything, [N, H, W]: looks with random weights."""
    return gradcam(randomise(network, cascade(network, images)), images, classes(network, images, labels))


BASELINES: dict[str, Method] = {
    "centre": centre,
    "Sobel edges": sobel_edges,
    "random": random_blobs,
    "untrained network": untrained,
}
