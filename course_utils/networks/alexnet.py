"""The small AlexNet that ships with the course: convolutions, pooling, fully connected layers, and nothing else.

Serves notebooks 01 and 02, and as a trained network 06 to 08. Paper: Krizhevsky et al. 2012, "ImageNet Classification
with Deep Convolutional Neural Networks", section 3.
"""

from __future__ import annotations

from torch import Tensor, nn


class SignsAlexNet(nn.Module):
    """AlexNet in small, for pictures of 64×64 pixels: five plain convolutions, no batch normalisation, no skips."""

    def __init__(self, classes: int = 20):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 32, 5, stride=2, padding=2),  # [N, 32, 32, 32]
            nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1),  # [N, 32, 16, 16]
            nn.Conv2d(32, 64, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1),  # [N, 64, 8, 8]
            nn.Conv2d(64, 96, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(96, 96, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(96, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, 2, padding=1),  # [N, 64, 4, 4]
        )
        self.classifier = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * 4 * 4, 256),
            nn.ReLU(),
            nn.Dropout(0.3),
            nn.Linear(256, classes),
        )
        for layer in self.modules():  # without batch normalisation the start decides (He et al. 2015)
            if isinstance(layer, (nn.Conv2d, nn.Linear)):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:  # [N, 3, 64, 64] → [N, classes]
        return self.classifier(self.features(x))
