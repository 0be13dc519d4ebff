"""Weights from a file or from torchvision, loaded as plain tensors and checked against the network, key by key."""

from __future__ import annotations

import logging
import re
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, nn

from cambench.extras import needed
from cambench.models import timm_networks
from cambench.models.backbones import TIMM, torchvision_weights
from cambench.models.heads import BESIDE, find_head
from cambench.models.spellings import KEYS, spelled, state_in
from cambench.tensors import ForeignFileError, read_tensors, refusal
from cambench.vocabulary import CambenchError, UsageError

Head = Literal["keep", "replace", "fresh"]

AUXILIARY = ("aux1.", "aux2.", "AuxLogits.")
DENSE_LAYER = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
SHOWN = 3
SAFETENSORS = ".safetensors"

log = logging.getLogger("cambench")


def read_weights(path: Path, own: Collection[str] = ()) -> dict[str, Tensor]:
    """The state dict in a file, bare or under one of `KEYS`, spelled as the network's own names where they are given.

    A file `*.safetensors` is read as such, any other by `read_tensors`.
    Raises: UsageError if the file is missing, is damaged, holds code, or holds no state dict.
    """
    try:
        if path.suffix == SAFETENSORS:
            return spelled(read_safetensors(path), own)
        held = read_tensors(path)
    except OSError as e:
        raise UsageError(f"weights {path}: cannot be read ({e.strerror}).") from e
    except ForeignFileError as e:
        raise UsageError(f"weights {path}: expected a file of tensors by torch.save, got {e}.") from e
    state = state_in(held)
    if not state:
        raise UsageError(f"weights {path}: expected a state dict, bare or under {', '.join(KEYS)}; got {described(held)}.")
    return spelled(state, own)


def read_safetensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a file `*.safetensors`. Raises: UsageError where it is damaged or its package is not installed."""
    try:
        state: dict[str, Tensor] = needed("safetensors.torch", f"weights {path}").load_file(path)
    except needed("safetensors", f"weights {path}").SafetensorError as e:
        raise UsageError(f"weights {path}: expected a file of safetensors, got {refusal(e)}.") from e
    return state


def described(held: Any) -> str:
    """What a file holds, in a few words."""
    if not isinstance(held, Mapping):
        return type(held).__name__
    return f"a dictionary of {shown(map(str, held))}" if held else "an empty dictionary"


def shown(names: Iterable[str]) -> str:
    """The first few names and how many follow."""
    listed = list(names)
    more = f" and {len(listed) - SHOWN} more" if len(listed) > SHOWN else ""
    return ", ".join(listed[:SHOWN]) + more


def classes_in(path: Path, network: nn.Module) -> int | None:
    """How many classes a file's head has, where the network's has another number; else None. Raises: as `read_weights`."""
    key, own = f"{find_head(network)}.weight", network.state_dict()
    held = classifier(known_spellings(read_weights(path, own)), path).get(key)
    recounted = held is not None and key in own and held.shape[1:] == own[key].shape[1:] and len(held) != len(own[key])
    return len(held) if held is not None and recounted else None


def load_weights(network: nn.Module, path: Path, *, arch: str, head: Head = "keep") -> None:
    """Load a file into the network, in place; every weight must be there with its shape.

    head "replace": the network keeps its own new head where the file has none or one of another number of classes, and heads
    that only the file has (say, of self-supervised training) are left out; both are logged. "fresh": likewise, and the
    network keeps its own new head in any case.
    Raises: UsageError listing the first missing and unexpected keys and the shapes that differ.
    """
    own = network.state_dict()
    state = classifier(known_spellings(read_weights(path, own)), path)
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in state if key not in own]
    differing = [key for key in own if key in state and own[key].shape != state[key].shape]
    kept = own_head(network, missing, differing, state)
    left_out = foreign_heads(unexpected, own, find_head(network) if kept <= set(missing) else None)
    kept |= {key for key in missing if key.partition(".")[0] in BESIDE}  # new, above loaded layers
    if head == "fresh":
        kept |= {key for key in own if key.startswith(f"{find_head(network)}.")}
    if head == "keep":
        kept, left_out = set(), []
    if set(missing + differing) - kept or len(left_out) < len(unexpected):
        raise UsageError(mismatch(path, arch, missing, unexpected, [(k, own[k], state[k]) for k in differing]))
    if kept:
        log.info("%s: new head %s; the rest from %s", arch, find_head(network), path.name)
    if left_out:
        log.warning("%s: left out %s, which %s does not have", path.name, shown(left_out), arch)
    fitting = {key: state[key] for key in own if key in state and key not in kept}
    own.update(fitting)  # not a new dictionary: this one carries the layer versions without which MNASNet refuses to load
    network.load_state_dict(own)


def known_spellings(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's own files in today's spelling: DenseNet's `norm.1` is `norm1`; auxiliary heads are never built."""
    return {DENSE_LAYER.sub(r"\1\2", key): tensor for key, tensor in state.items() if not key.startswith(AUXILIARY)}


def classifier(state: dict[str, Tensor], path: Path) -> dict[str, Tensor]:
    """A trunk fine-tuned by SwAV's or CGC's semi-supervised script: its `projection_head` is one linear layer, the `fc`.

    Their stem pads by one pixel of zeros and then convolves with padding 2, which is the padding of 3 here, without weights.
    The projection of a self-supervised file has several layers (`projection_head.0.weight`) and is no classifier.
    """
    if "projection_head.weight" not in state or "fc.weight" in state:
        return state
    log.info("%s: its projection_head is the classifier fc", path.name)
    return {key.replace("projection_head.", "fc."): tensor for key, tensor in state.items()}


def foreign_heads(unexpected: list[str], own: Mapping[str, Tensor], head: str | None) -> list[str]:
    """The unexpected keys that belong to top-level modules which the network does not have, or stand in its head's place.

    head: its name where the file has no such layer (MoCo v2's projection is `fc.0` and `fc.2`).
    """
    known = {key.partition(".")[0] for key in own}
    return [k for k in unexpected if k.partition(".")[0] not in known or (head is not None and k.startswith(f"{head}."))]


def own_head(network: nn.Module, missing: list[str], differing: list[str], state: Mapping[str, Tensor]) -> set[str]:
    """The keys of the network's head if the file has none or one of another number of classes, else nothing."""
    name, own = find_head(network), network.state_dict()
    keys = {key for key in own if key.startswith(f"{name}.")}
    absent = keys <= set(missing)
    recounted = all(key in differing and state[key].shape[1:] == own[key].shape[1:] for key in keys)
    return keys if name is not None and (absent or recounted) else set()


def mismatch(
    path: Path, arch: str, missing: list[str], unexpected: list[str], differing: list[tuple[str, Tensor, Tensor]]
) -> str:
    """The one sentence for weights of another network."""
    shapes = [f"{key} expected {tuple(own.shape)}, got {tuple(got.shape)}" for key, own, got in differing]
    parts = [("missing", missing), ("unexpected", unexpected), ("shapes", shapes)]
    faults = "; ".join(f"{kind}: {shown(keys)}" for kind, keys in parts if keys)
    return f"weights {path} do not fit {arch} (another architecture, surgery or class count?): {faults}."


def torchvision_place(arch: str, download: bool) -> tuple[Path, str]:
    """Where the file of torchvision's ImageNet V1 weights lies in torch's hub cache, and the address it comes from.

    Raises: UsageError if there are no such weights, or the file is not there and may not be fetched.
    """
    weights = torchvision_weights(arch)
    if weights is None:
        raise UsageError(
            f"{arch}: torchvision has no weights for it; pass --weights FILE, or begin from scratch "
            "(--set model.init=scratch)."
        )
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if not (path.exists() or download):
        mend = f"pass --download, or put the file there ({weights.url})"
        raise UsageError(f"{arch}: torchvision weights expected at {path}, got none; {mend}.")
    return path, weights.url


def check_pretrained(arch: str, download: bool) -> None:
    """See that the pretrained weights of torchvision or timm are there or may be fetched.

    Raises: as `torchvision_place` and `timm_networks.weights_file`.
    """
    if not arch.startswith(TIMM):
        torchvision_place(arch, download)
    elif not download:
        timm_networks.weights_file(arch, download)


def torchvision_file(arch: str, download: bool) -> Path:
    """The file of torchvision's ImageNet V1 weights, fetched only with `download`.

    Raises: as `torchvision_place`; CambenchError if fetching fails.
    """
    path, url = torchvision_place(arch, download)
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    digits = re.search(r"-([0-9a-f]{8,})\.", path.name)
    try:
        torch.hub.download_url_to_file(url, str(path), digits and digits[1], progress=False)
    except (OSError, RuntimeError) as e:
        raise CambenchError(f"{arch}: fetching {url} failed: {e}; pass --weights FILE.") from e
    return path
