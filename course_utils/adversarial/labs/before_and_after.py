"""The slide's picture, standing still: what the lab of adversarial examples shows, of an attack that is done.

Serves notebook 8. Papers: Goodfellow et al. 2015, arXiv:1412.6572, figure 1 (the panda).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from course_utils import figures, images, runtime, zoo
from course_utils.adversarial.figures.attacks import equation, probabilities
from course_utils.adversarial.labs.settings import NORMS

ALT = "A picture, the amplified noise of an attack, their sum, and what the network answers before and after."


def before_and_after(network: zoo.PixelNetwork, clean: Tensor, adversarial: Tensor) -> figures.Picture:
    """The slide's picture, standing still: a picture, plus noise, equals another, and what is read in both.

    Args:
        network: what is asked.
        clean, adversarial: one picture each, [1, 3, H, W] in [0, 1].

    >>> from course_utils import signs, zoo
    >>> network, stop = zoo.load("signs-alexnet", device="cpu"), signs.render([signs.STOP], seed=3, device="cpu")
    >>> before_and_after(network, stop.images, 1 - stop.images)
    [A picture, the amplified noise of an attack, their sum, and what the network answers before and after.]
    """
    with runtime.kept(network), torch.no_grad():
        before, after = network(torch.cat([clean, adversarial])).softmax(dim=1).cpu().numpy()  # [classes] each
    noise = (adversarial - clean)[0].movedim(0, -1).cpu().numpy()
    pictures, names = images.to_pixels(torch.cat([clean, adversarial])), network.class_names
    changes = NORMS["L∞"].tell(float(np.abs(noise).max()))
    above = equation(pictures[0], noise, pictures[1], names, before, after, changes=changes)
    return figures.Picture(np.concatenate([above, probabilities(names, before, after)]), ALT, colours=256)
