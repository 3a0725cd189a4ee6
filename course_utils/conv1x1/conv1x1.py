"""The convolution that sees one pixel: one and the same matrix at every place, and how well a channel finds a sign.

Serves notebook 03. Paper: Lin et al. 2014, "Network in Network", arXiv:1312.4400.
"""

from __future__ import annotations

from torch import Tensor, nn


def conv1x1(maps: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Mix the channels of each pixel by one and the same matrix; what lies beside the pixel plays no part.

    Args:
        maps: [N, C, H, W], floats.
        weight: [C', C], a row for each new channel; [C', C, 1, 1], as torch's convolution keeps it, will do.
        bias: [C'], added to each new channel; None adds nothing.

    Returns:
        [N, C', H, W], equal to `torch.nn.functional.conv2d(maps, weight[:, :, None, None], bias)`.

    >>> import torch
    >>> red, green, blue = torch.tensor([[1.0, 0, 0]]), torch.tensor([[0, 1.0, 0]]), torch.tensor([[0, 0, 1.0]])
    >>> conv1x1(torch.rand(2, 3, 5, 7), red - green / 2 - blue / 2).shape
    torch.Size([2, 1, 5, 7])
    """
    weight = weight.flatten(1) if isinstance(weight, Tensor) and tuple(weight.shape[2:]) == (1, 1) else weight
    _check(maps, weight, bias)
    columns = maps.flatten(2)  # [N, C, H·W]: a column of channels for each pixel
    mixed = weight @ columns  # [N, C', H·W]
    if bias is not None:
        mixed = mixed + bias[:, None]
    return mixed.unflatten(2, maps.shape[2:])  # [N, C', H, W]


def as_matrix(layer: nn.Module) -> Tensor:
    """The weights of a 1×1 convolution as the matrix that they are, [C', C]: a row for each new channel.

    >>> as_matrix(nn.Conv2d(144, 16, kernel_size=1)).shape
    torch.Size([16, 144])
    """
    if not isinstance(layer, nn.Conv2d) or layer.kernel_size != (1, 1) or layer.groups != 1:
        raise ValueError(f"only a 1×1 convolution is one matrix; this layer is {layer}.")
    return layer.weight.detach().flatten(1)


def share_on_object(channel: Tensor, mask: Tensor) -> float:
    """How well a channel finds an object: of as many brightest places as the object has, the share that lie on it.

    Whoever knows retrieval calls it R-precision. It asks only which places are brighter, not by how much. A channel of
    noise would get the share of the picture that the object covers.

    Args:
        channel: [H, W], any numbers.
        mask: [H, W] in [0, 1], how much of each place is the object.

    >>> import torch
    >>> share_on_object(torch.tensor([[0.9, 0.1], [0.2, 0.8]]), mask=torch.tensor([[1.0, 1.0], [0.0, 0.0]]))
    0.5
    """
    if channel.shape != mask.shape or channel.ndim != 2:
        raise ValueError(f"channel and mask are [H, W] alike; got {list(channel.shape)} and {list(mask.shape)}.")
    there = mask.flatten() > 0.5
    places = int(there.sum())
    if places == 0:
        raise ValueError("the mask shows no object, so nothing can be found.")
    values = channel.flatten()
    last = values.topk(places).values[-1]
    above, tied = values > last, values == last  # of places alike, none comes first: each counts in part
    hits = there[above].sum() + (places - above.sum()) * there[tied].double().mean()
    return float(hits / places)


def _check(maps: Tensor, weight: Tensor, bias: Tensor | None) -> None:
    for name, value, wanted in (("maps", maps, "[N, C, H, W]"), ("weight", weight, "[C', C]"), ("bias", bias, "[C']")):
        if name == "bias" and bias is None:
            continue
        if not isinstance(value, Tensor):
            raise TypeError(f"{name} is a tensor {wanted}; got {type(value).__name__}.")
        if not value.is_floating_point():
            kind = str(value.dtype).removeprefix("torch.")
            raise TypeError(f"{name} holds {kind}, and whole numbers cannot be mixed; say {name}.float() first.")
        if value.ndim != wanted.count(",") + 1:
            raise ValueError(f"{name} has the shape {wanted}; got {list(value.shape)}.")
        if value.numel() == 0:
            raise ValueError(f"{name} of shape {list(value.shape)} is empty; check the slice that made it.")
    if (columns := weight.shape[1]) != (channels := maps.shape[1]):
        raise ValueError(f"the matrix has {columns} columns and the maps {channels} channels; one column a channel.")
    if bias is not None and len(bias) != len(weight):
        raise ValueError(f"there are {len(weight)} new channels and {len(bias)} biases; give one a new channel.")
