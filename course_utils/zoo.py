"""One door to every trained network: those that ship with the course, and torchvision's for ImageNet.

Serves all eight notebooks. Every network takes pixels in [0, 1], normalises inside and knows its class names.
Papers: those of the networks; Simonyan and Zisserman 2015, Szegedy et al. 2015, He et al. 2016 among them.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import pickle
import re
from pathlib import Path
from urllib.parse import urlsplit

import torch
from torch import Tensor, nn

from course_utils import runtime, web
from course_utils.networks.alexnet import SignsAlexNet
from course_utils.networks.certifiable import CertifiableNet
from course_utils.networks.efficientnet_lite import EfficientNetLite
from course_utils.networks.inception import SignsInception
from course_utils.networks.pixels import PixelNetwork
from course_utils.networks.pooled import SignsPoolNet
from course_utils.networks.resnet import SignsResNet, SmallResNet

# The keys are the labels that the cards carry, not paths to the modules, which may move.
ARCHITECTURES = {  # what a card may name, and nothing else is ever called
    "alexnet.SignsAlexNet": SignsAlexNet,
    "certify.CertifiableNet": CertifiableNet,
    "efficientnet_lite.EfficientNetLite": EfficientNetLite,
    "inception.SignsInception": SignsInception,
    "pooling.SignsPoolNet": SignsPoolNet,
    "resnet.SignsResNet": SignsResNet,
    "resnet.SmallResNet": SmallResNet,
}
PRETRAINED = (
    "alexnet",
    "vgg16",
    "squeezenet1_1",
    "googlenet",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "mobilenet_v2",
    "mobilenet_v3_large",
)
NEEDED = {"architecture", "arguments", "class_names", "input_size", "mean", "std", "sha256"}  # in every card
LESSONS, PHOTOGRAPHS = "lessons", "photographs"  # folders: what only one lesson needs; ImageNet's thousand classes
WEIGHTS = "IMAGENET1K_V1"  # the papers' own training; the later V2 recipes give other features
HASH = re.compile(r"-([a-f0-9]+)\.\w+$")  # torchvision ends a file's name with the beginning of its sha256


def load(name: str, *, device: str | torch.device | None = None, progress: bool = True) -> PixelNetwork:
    """Load a trained network for pixels in [0, 1]: in evaluation mode, float32, its parameters not frozen.

    A network that ships loads at once and offline. One of torchvision's is downloaded when first wanted, into
    torch's own cache.

    Args:
        name: one of `names()` or `extras()`.
        device: where to put it; None takes the best that there is.
        progress: tell the size before a download and show a bar.

    Raises:
        ValueError: no such network, a damaged file, or (`web.DownloadError`) one that cannot be had.

    >>> network = load("signs-resnet", device="cpu")
    >>> network(torch.rand(1, 3, 64, 64)).shape  # logits, one for each of network.class_names
    torch.Size([1, 20])
    """
    description = card(name)
    where = runtime.device(device)
    if name in PRETRAINED:
        body = _pretrained_body(name, _state_from_torchvision(description, progress))
    else:
        body = _shipped_body(description, _state_from_folder(description))
    known = {key: description[key] for key in ("class_names", "input_size", "mean", "std")}
    return PixelNetwork(body, name=name, **known).to(where, torch.float32).eval()


def shipped() -> tuple[str, ...]:
    """The networks for road signs: they ship with the course and need no download.

    >>> shipped()
    ('signs-alexnet', 'signs-inception', 'signs-resnet', 'signs-resnet-robust')
    """
    return _on_shelf("")


def photographs() -> tuple[str, ...]:
    """The networks for photographs, in ImageNet's thousand classes, that ship too.

    >>> photographs()
    ('efficientnet-lite0',)
    """
    return _on_shelf(PHOTOGRAPHS)


def extras() -> tuple[str, ...]:
    """More networks that ship, each made for one lesson's experiment; no menu lists them."""
    return _on_shelf(LESSONS)


def pretrained() -> tuple[str, ...]:
    """The networks of torchvision, trained on ImageNet.

    >>> "googlenet" in pretrained()
    True
    """
    return PRETRAINED


def names() -> tuple[str, ...]:
    """Every name that `load` knows, the ones that ship first.

    >>> "signs-resnet" in names() and "resnet18" in names()
    True
    """
    return shipped() + photographs() + pretrained()


def card(name: str) -> dict:
    """What is known about a network: architecture, class names, size in bytes, accuracy, where it comes from.

    Raises:
        ValueError: there is no such network, or its card cannot be read.

    >>> card("signs-resnet")["architecture"]
    'resnet.SignsResNet'
    """
    if not isinstance(name, str):
        raise TypeError(f"a network is called by its name, one of {', '.join(names())}; got {name!r}.")
    if name in PRETRAINED:
        return _torchvision_card(name)
    if name not in shipped() + photographs() + extras():
        similar = difflib.get_close_matches(name.lower(), names(), n=1, cutoff=0.5)
        question = f"did you mean {similar[0]!r}? There are" if similar else "there are"
        raise ValueError(f"there is no network called {name!r}; {question} {', '.join(names())}.")
    try:
        description = json.loads(_place(name).with_suffix(".json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        description = None
    if not isinstance(description, dict) or not description.keys() >= NEEDED:
        raise _damaged(name, "its card cannot be read")
    return description | {"name": name}


def download_size(name: str) -> int:
    """How many bytes `load(name)` would download: 0 for what ships and for what is in the cache already."""
    description = card(name)
    return 0 if name not in PRETRAINED or _is_cached(name) else description["bytes"]


def save(network: PixelNetwork, name: str, card: dict, *, shelf: str = "") -> Path:
    """Store a network with its card among the ones that ship: the path of its safetensors file.

    Filters and matrices are stored in float16 unless the card says `"dtype": "float32"`; vectors (biases, the
    statistics of batch normalisation) always in float32.

    Args:
        network: its body must be what the card's architecture builds.
        name: lower-case letters, digits, hyphens.
        card: `architecture` (one of `ARCHITECTURES`), `arguments` of its constructor, and all worth knowing.
        shelf: LESSONS for what serves one lesson only, PHOTOGRAPHS, or nothing for road signs.

    Raises:
        ValueError: a bad name, an architecture that does not fit, or numbers that float16 cannot hold.
    """
    from safetensors.torch import save as to_bytes

    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) or name in PRETRAINED:
        raise ValueError(f"{name!r} cannot name a network here; use lower-case letters, digits and hyphens.")
    dtype = card.get("dtype", "float16")
    if dtype not in ("float16", "float32"):
        raise ValueError(f"networks are stored in float16 or float32, not in {dtype!r}.")
    state = {key: _stored(tensor, getattr(torch, dtype)) for key, tensor in network.body.state_dict().items()}
    lost = [key for key, tensor in state.items() if not tensor.isfinite().all()]
    if lost:
        raise ValueError(f"{name} has numbers that {dtype} cannot hold in {lost[0]}; store it in float32.")
    content = to_bytes(state)
    whole = card | {
        "name": name,
        "dtype": dtype,
        "class_names": list(network.class_names),
        "input_size": network.input_size,
        "mean": [round(value, 6) for value in network.mean.flatten().tolist()],
        "std": [round(value, 6) for value in network.std.flatten().tolist()],
        "parameters": sum(parameter.numel() for parameter in network.body.parameters()),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    body = _shipped_body(whole, state).eval()  # refuses what could not be loaded again
    with torch.no_grad():
        classes = body(torch.zeros(1, 3, network.input_size, network.input_size)).shape[1]
    if classes != len(network.class_names):
        raise ValueError(f"{name} has {classes} logits and {len(network.class_names)} class names.")
    path = _folder() / shelf / f"{name}.safetensors"
    _write(path, content)
    _write(path.with_suffix(".json"), (json.dumps(whole, indent=2, ensure_ascii=False) + "\n").encode())
    return path


def _folder() -> Path:
    return runtime.DATA / "networks"


def _place(name: str) -> Path:
    """Where the weights of a network that ships lie; its card lies beside them."""
    shelf = LESSONS if name in extras() else PHOTOGRAPHS if name in photographs() else ""
    return _folder() / shelf / f"{name}.safetensors"


def _on_shelf(shelf: str) -> tuple[str, ...]:
    """Whose cards lie in that folder of networks."""
    return tuple(sorted(path.stem for path in (_folder() / shelf).glob("*.json")))


def _cache() -> Path:
    """Where torchvision keeps its downloads too."""
    return Path(torch.hub.get_dir()) / "checkpoints"


def _write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_bytes(content)
    os.replace(unfinished, path)


def _stored(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    tensor = tensor.detach().cpu().contiguous()
    if not tensor.is_floating_point():
        return tensor
    return tensor.to(dtype if tensor.ndim > 1 else torch.float32)


def _state_from_folder(card: dict) -> dict[str, Tensor]:
    """The tensors of a network that ships; the checksum is compared before anything in the file is read."""
    from safetensors import SafetensorError
    from safetensors.torch import load as from_bytes

    try:
        content = _place(card["name"]).read_bytes()
    except OSError as error:
        raise _damaged(card["name"], error.strerror) from None
    if hashlib.sha256(content).hexdigest() != card["sha256"]:
        raise _damaged(card["name"], "its checksum is not the one in its card")
    try:
        return from_bytes(content)
    except SafetensorError:
        raise _damaged(card["name"], "it is no safetensors file") from None


def _damaged(name: str, what: str) -> ValueError:
    return ValueError(f"{name} is damaged ({what}); install the course again.")


def _shipped_body(card: dict, state: dict[str, Tensor]) -> nn.Module:
    """The network that a card names, filled."""
    name, architecture, arguments = card["name"], card.get("architecture"), card.get("arguments", {})
    if architecture not in ARCHITECTURES:
        allowed = ", ".join(ARCHITECTURES)
        raise ValueError(f"{name} asks for the architecture {architecture!r}; only {allowed} are allowed.")
    try:
        with torch.random.fork_rng(devices=[]):  # the random first weights shall not move the caller's generator
            body = ARCHITECTURES[architecture](**arguments)
        body.load_state_dict(state, strict=True)
    except (RuntimeError, TypeError):
        raise ValueError(f"the weights of {name} do not fit {architecture} with {arguments}.") from None
    return body


def _torchvision_card(name: str) -> dict:
    """What torchvision's own enumeration says about a network."""
    from torchvision import models

    weights = models.get_model_weights(name)[WEIGHTS]
    preset = weights.transforms()
    return {
        "name": name,
        "architecture": f"torchvision.models.{name}",
        "weights": WEIGHTS,
        "url": _address(name),
        "bytes": round(weights.meta["_file_size"] * 2**20),
        "parameters": weights.meta["num_params"],
        "multiply_adds": round(weights.meta["_ops"] * 1e9),
        "accuracy": weights.meta["_metrics"]["ImageNet-1K"]["acc@1"] / 100,
        "recipe": weights.meta["recipe"],
        "class_names": weights.meta["categories"],
        "input_size": preset.crop_size[0],
        "mean": preset.mean,
        "std": preset.std,
    }


def _address(name: str) -> str:
    """Where torchvision keeps the weights of a network."""
    from torchvision import models

    return models.get_model_weights(name)[WEIGHTS].url


def _is_cached(name: str) -> bool:
    return (_cache() / Path(urlsplit(_address(name)).path).name).is_file()


def _state_from_torchvision(card: dict, progress: bool) -> dict[str, Tensor]:
    """The tensors of a network of torchvision; code that might hide in the file is never run."""
    name, url, size = card["name"], card["url"], card["bytes"]
    digest = HASH.search(url).group(1)
    try:
        path = web.fetch(url, _cache(), digest=digest, size=size, name=name, progress=progress)
    except web.DownloadError as error:
        others = shipped() + photographs() + tuple(other for other in PRETRAINED if other != name and _is_cached(other))
        offline = f"; these need no download: {', '.join(others)}" if others else ""
        raise web.DownloadError(f"{str(error).rstrip('.')}{offline}.") from None
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, TypeError, AttributeError):
        raise ValueError(f"{name} is refused: {path} holds more than weights, or none; delete it.") from None


def _pretrained_body(name: str, state: dict[str, Tensor]) -> nn.Module:
    """torchvision's network, filled with the weights; built empty, so that no random numbers are drawn."""
    from torchvision import models

    special = {}
    if name == "googlenet":  # it came from another library: other pixels, two heads for training only
        special = {"transform_input": True, "aux_logits": True, "init_weights": False}
    with torch.device("meta"):
        body = models.get_model(name, weights=None, **special)
    try:
        body.load_state_dict(state, strict=True, assign=True)
    except (RuntimeError, AttributeError, TypeError):
        raise ValueError(f"{name} is refused: the file's tensors are not those of the network.") from None
    if name == "googlenet":
        body.aux_logits, body.aux1, body.aux2 = False, None, None
    return body.requires_grad_(True)
