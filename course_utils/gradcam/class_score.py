"""What a heat map explains: the score of one class, asked of a network that stays as it was.

Serves notebook 7. Papers: Simonyan et al. 2014, arXiv:1312.6034, section 2 (why the score and not the probability).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from course_utils import runtime
from course_utils.arguments import as_classes, check_choice, check_images, check_logits, check_network
from course_utils.images import ROUNDING

PART = 64  # pictures that go through the network at once: more fill a GPU
PIXELS = PART * 64**2  # of all these, on a processor: 32 of 224×224 at once took three times as long a picture as 4
OF = ("score", "probability")  # what may be differentiated: the logit, or what softmax makes of it


def check(network: nn.Module, images: Tensor) -> None:
    """Refuse what is no network or no batch of pictures."""
    check_network(network)
    check_images(images, rounding=ROUNDING)


def score(logits: Tensor, labels: Tensor | None, of: str = "score") -> Tensor:
    """The number that is explained, [N]: each picture's logit of its class, or the probability.

    Args:
        logits: [N, classes].
        labels: int64 [N]; None takes the highest.
    """
    check_logits(logits)
    check_choice("of", of, OF, says="is 'score' (the logit) or 'probability' (after softmax)")
    labels = logits.argmax(dim=1) if labels is None else labels
    if len(wrong := labels[(labels < 0) | (labels >= logits.shape[1])]):
        raise ValueError(f"class {int(wrong[0])} is none of this network's; it knows 0 to {logits.shape[1] - 1}.")
    answers = logits if of == "score" else logits.softmax(dim=1)
    return answers.gather(1, labels[:, None])[:, 0]


@torch.no_grad()
def classes(network: nn.Module, images: Tensor, labels=None) -> Tensor:
    """The class to explain of every picture, int64 [N]: as given, or what the network reads where None is."""
    check(network, images)
    if labels is not None:
        return as_classes(labels, images)
    with runtime.kept(network):
        return torch.cat([network(part).argmax(dim=1) for part in images.split(room(images))])


def room(images: Tensor) -> int:
    """How many pictures of this size, [N, 3, H, W], go through the network at once.

    >>> room(torch.zeros(1, 3, 64, 64)), room(torch.zeros(1, 3, 224, 224))
    (64, 5)
    """
    fit = PIXELS // images.shape[-2:].numel() if images.device.type == "cpu" else PART
    return max(1, min(fit, PART))


def in_parts(function: Callable[..., Tensor], *batches: Tensor, copies: int = 1) -> Tensor:
    """Call a function, which makes `copies` of a picture, on some at a time, so that they fit into one pass."""
    size = max(1, room(batches[0]) // copies)
    return torch.cat([function(*part) for part in zip(*(batch.split(size) for batch in batches), strict=True)])
