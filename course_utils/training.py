"""The one training loop of the course: plain, against an adversary, or on a loss of one's own; a generator of steps.

Serves the networks that ship (scripts/networks.py) and the live trainings of notebooks 1, 4, 5 and 8. Papers:
Loshchilov and Hutter 2019 (AdamW); Smith and Topin 2018 (one cycle); Madry et al. 2018, section 2 (adversaries).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from course_utils import runtime, signs
from course_utils.arguments import check_whole

MakeImages = Callable[[nn.Module, Tensor, Tensor, float], Tensor]  # (network, images, labels, progress) → images
MakeLoss = Callable[[nn.Module, Tensor, Tensor, float], tuple[Tensor, Tensor]]  # the same → loss, logits [N, classes]


@dataclass(frozen=True)
class TrainingStep:
    """Where the training stands after one step."""

    index: int  # 0 … steps - 1
    loss: float  # mean loss of the batch, before the step
    accuracy: float  # share of the batch that was right, before the step, in [0, 1]
    seconds: float  # that the steps took so far, without what was done between them


class Pool:
    """Scenes rendered once and drawn from for ever, as bytes (a picture of 64×64 takes 12 KiB).

    Rendering costs about as much as a training step on a processor, and a network does not mind to meet a scene a
    few times, a little shifted.

    Args:
        count: number of scenes, shared equally among the worlds.
        worlds: the dials of each world.
        size: side of the pictures in pixels.
        seed: of the scenes and of the order in which they are drawn.
    """

    def __init__(self, count: int, worlds: tuple[signs.Dials, ...], *, size: int = 64, seed: int = 0, device=None):
        where = runtime.device(device)
        images, labels = [], []
        for number, world in enumerate(worlds):
            how = {"seed": seed * len(worlds) + number, "size": size, "dials": world, "device": where}
            for scenes in signs.render_blocks(count // len(worlds), 1024, **how):
                images.append((scenes.images * 255).round().byte())
                labels.append(scenes.labels)
        self.images, self.labels = torch.cat(images), torch.cat(labels)
        self.generator = runtime.generator(seed, where)

    def batches(self, size: int, shift: int = 3) -> Iterator[tuple[Tensor, Tensor]]:
        """Random batches without end: images [size, 3, S, S] in [0, 1], shifted by up to `shift` pixels, and labels."""
        draw, side = {"generator": self.generator, "device": self.images.device}, self.images.shape[-1]
        while True:
            chosen = torch.randint(len(self.labels), (size,), **draw)
            left, top = torch.randint(2 * shift + 1, (2,), **draw).tolist()
            images = F.pad(self.images[chosen].float() / 255, (shift,) * 4, mode="replicate")
            yield images[..., top : top + side, left : left + side], self.labels[chosen]


def train(
    network: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    steps: int,
    learning_rate: float = 2e-3,
    weight_decay: float = 0.01,
    label_smoothing: float = 0.0,
    attack: MakeImages | None = None,
    loss: MakeLoss | None = None,
    averaging: float = 0.0,
    exact: bool = False,
) -> Iterator[TrainingStep]:
    """Train a network in place, one step an item; leave the loop at any time and the network is usable.

    Args:
        network: trained where its parameters are; in training mode inside, in evaluation mode afterwards.
        batches: (images [N, 3, H, W] in [0, 1], labels [N]); they are brought to the network's device.
        steps: how many batches to take.
        learning_rate: the one cycle's highest, reached after 15 % of the steps.
        weight_decay: AdamW's.
        label_smoothing: share of the target that is spread over all classes, in [0, 1).
        attack: makes the picture to train on from (network, images, labels, progress in [0, 1]); None trains plainly.
        loss: makes loss and logits from the same; None takes the cross-entropy, with `label_smoothing`.
        averaging: decay of a running mean of the weights, such as 0.999, which replaces them at the end; 0 for none.
        exact: in float32 and in torch's own order of memory, where half precision or another order would be faster.

    Raises:
        ValueError: `batches` ends early.

    >>> from course_utils.networks.resnet import SignsResNet
    >>> few = signs.render(8, device="cpu")
    >>> steps = list(train(SignsResNet(), batches(few.images, few.labels, seed=0, size=4), steps=2))
    >>> steps[-1].index
    1
    """
    steps = check_whole("steps", steps)

    def walk() -> Iterator[TrainingStep]:
        where = next(network.parameters()).device
        order = torch.contiguous_format if exact else torch.channels_last
        precision = torch.float32 if exact else runtime.fast_dtype(where)
        network.to(memory_format=order)
        optimizer = torch.optim.AdamW(network.parameters(), lr=learning_rate, weight_decay=weight_decay)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps, pct_start=0.15)
        remember = get_ema_multi_avg_fn(averaging)
        mean = AveragedModel(network, multi_avg_fn=remember, use_buffers=True) if averaging else None
        source, seconds = iter(batches), 0.0
        try:
            for index in range(steps):
                begin = time.perf_counter()
                batch = next(source, None)
                if batch is None:
                    so_far = f"after {index} of {steps} steps"
                    raise ValueError(f"the batches ended {so_far}; give more, or train for fewer.")
                images, labels = batch[0].to(where, memory_format=order), batch[1].to(where)
                with torch.autocast(where.type, precision, enabled=precision != torch.float32):
                    if attack is not None:
                        images = attack(network, images, labels, index / steps)
                    network.train()
                    if loss is None:
                        logits = network(images)
                        asked = F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
                    else:
                        asked, logits = loss(network, images, labels, index / steps)
                optimizer.zero_grad(set_to_none=True)
                asked.backward()
                nn.utils.clip_grad_norm_(network.parameters(), 5.0)  # a gradient longer than 5 is shortened to that
                optimizer.step()
                schedule.step()
                if mean is not None and index > 0.2 * steps:  # the first weights are not worth remembering
                    mean.update_parameters(network)
                right = (logits.argmax(dim=1) == labels).float().mean().item()
                seconds += time.perf_counter() - begin
                yield TrainingStep(index, asked.item(), right, seconds)
            if mean is not None:
                network.load_state_dict(mean.module.state_dict())
        finally:
            network.eval()

    return walk()


def train_by_turns(
    networks: Mapping[str, nn.Module],
    images: Tensor,
    labels: Tensor,
    *,
    steps: int,
    batch: int,
    learning_rate: float,
    seed: int = 0,
) -> Iterator[tuple[str, TrainingStep]]:
    """Train several networks in place, a step of each in turn, on the very same batches; leave whenever you like.

    Args:
        networks: name → network.
        images, labels, seed: as in `batches`.
        steps, learning_rate: of each network, as in `train`.
        batch: pictures a step.
    """
    with ExitStack() as stack:
        runs = {}
        for name, network in networks.items():
            run = train(network, batches(images, labels, seed, batch), steps=steps, learning_rate=learning_rate)
            runs[name] = stack.enter_context(closing(run))
        for _ in range(steps):
            for name, run in runs.items():
                yield name, next(run)


def batches(images: Tensor, labels: Tensor, seed: int, size: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Random batches without end, out of pictures [N, 3, H, W] and labels [N]; equal seeds give equal batches.

    >>> images, labels = next(batches(torch.zeros(9, 3, 8, 8), torch.arange(9), seed=0, size=4))
    >>> images.shape
    torch.Size([4, 3, 8, 8])
    """
    draw = runtime.generator(seed)
    while True:
        rows = torch.randint(len(labels), (size,), generator=draw).to(images.device)
        yield images[rows], labels[rows]


@torch.no_grad()
def accuracy(network: nn.Module, images: Tensor, labels: Tensor, batch: int = 256) -> float:
    """Share of the pictures [N, 3, H, W] in [0, 1] that the network reads right, in [0, 1].

    >>> from course_utils import zoo
    >>> scenes = signs.render(20, seed=1, device="cpu")
    >>> accuracy(zoo.load("signs-resnet", device="cpu"), scenes.images, scenes.labels) > 0.9
    True
    """
    return (predict(network, images, batch).argmax(dim=1) == labels.to(images.device)).float().mean().item()


@torch.no_grad()
def predict(network: nn.Module, images: Tensor, batch: int = 256) -> Tensor:
    """Logits [N, classes] of many pictures, in batches, the network in evaluation mode.

    >>> from course_utils import zoo
    >>> predict(zoo.load("signs-alexnet", device="cpu"), torch.zeros(2, 3, 64, 64)).shape
    torch.Size([2, 20])
    """
    where = next(network.parameters()).device
    with runtime.kept(network):
        return torch.cat([network(part.to(where)).float().to(images.device) for part in images.split(batch)])
