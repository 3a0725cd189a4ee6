"""A network short enough that interval bounds prove something about it.

Serves notebook 08. Paper: Gowal et al. 2018, "On the Effectiveness of Interval Bound Propagation for Training
Verifiably Robust Models", arXiv:1810.12715.
"""

from torch import nn


class CertifiableNet(nn.Sequential):
    """Two convolutions and two linear layers with ReLUs between, for pictures of 32×32 pixels: short, so that the
    intervals do not blow up on their way.

    >>> import torch
    >>> CertifiableNet()(torch.zeros(1, 3, 32, 32)).shape
    torch.Size([1, 6])
    """

    def __init__(self, classes: int = 6):
        super().__init__(
            nn.Conv2d(3, 16, 4, stride=2, padding=1),  # [N, 16, 16, 16]
            nn.ReLU(),
            nn.Conv2d(16, 32, 4, stride=2, padding=1),  # [N, 32, 8, 8]
            nn.ReLU(),
            nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten()),  # larger pictures are averaged down to 8×8 here
            nn.Linear(32 * 8 * 8, 64),
            nn.ReLU(),
            nn.Linear(64, classes),
        )
