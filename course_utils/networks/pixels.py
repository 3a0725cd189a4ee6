"""A network that takes pixels: it normalises inside, and refuses what is no batch of pictures.

Serves all eight notebooks: `zoo.load` gives every trained network as one of these. Papers: none.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class PixelNetwork(nn.Module):
    """A network that takes pixels: it normalises inside and passes the picture on to `body`.

    Args:
        body: the network itself, for normalised pictures; its layers are reached through this attribute.
        name: what it is called in menus and messages.
        class_names: one name for each logit.
        input_size: height and width of the pictures it was trained on, in pixels.
        mean, std: what to subtract from and divide by, for red, green and blue.
    """

    def __init__(
        self,
        body: nn.Module,
        *,
        name: str,
        class_names: Sequence[str],
        input_size: int,
        mean: Sequence[float] = (0.5, 0.5, 0.5),
        std: Sequence[float] = (0.5, 0.5, 0.5),
    ) -> None:
        super().__init__()
        self.body = body
        self.name = name
        self.class_names = tuple(class_names)
        self.input_size = input_size
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Pictures [N, 3, H, W] in [0, 1] → logits [N, classes]."""
        self._check(images)
        try:
            return self.body((images - self.mean) / self.std)
        except RuntimeError as error:
            height, width = images.shape[2:]
            if min(height, width) >= self.input_size:
                raise
            made_for = f"pictures of {self.input_size}×{self.input_size} pixels and cannot take {height}×{width}"
            raise ValueError(f"{self.name} was made for {made_for}; enlarge them first.") from error

    def _check(self, images: Tensor) -> None:
        """Refuse what is no batch of pictures; only what costs nothing is looked at, no pixel is."""
        if not isinstance(images, Tensor):
            got = type(images).__name__
            raise TypeError(f"{self.name} takes a tensor [N, 3, H, W] and got {got}; see images.to_tensor.")
        if not images.is_floating_point():
            got = str(images.dtype).removeprefix("torch.")
            raise TypeError(f"{self.name} takes float pixels from 0 to 1 and got {got}; divide by 255 first.")
        if images.ndim != 4 or images.shape[1] != 3:
            hint = "add the batch with image[None]" if images.ndim == 3 else "order the axes like that"
            raise ValueError(f"{self.name} takes [N, 3, H, W] and got {list(images.shape)}; {hint}.")
        if images.device != self.mean.device:
            place = self.mean.device
            raise ValueError(f"{self.name} is on {place}, the pictures on {images.device}; move one of them.")

    def extra_repr(self) -> str:
        return f"name={self.name!r}, classes={len(self.class_names)}, input_size={self.input_size}"
