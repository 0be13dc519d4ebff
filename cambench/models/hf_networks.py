"""transformers' image classifiers: `hf:PATH`, a folder that `save_pretrained` wrote.

The folder holds `config.json`, the weights and, where the images' preprocessing was saved too, `preprocessor_config.json`.
Nothing is ever fetched.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from cambench.extras import needed
from cambench.models.backbones import HF
from cambench.models.python import adopted, in_one_line
from cambench.vocabulary import CambenchError, UsageError, file_digests

CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"
SUFFIXES = (".json", ".safetensors", ".bin")
"""Of the files that a network follows from."""


def folder(arch: str) -> Path:
    """The folder itself. Raises: UsageError where it holds no network."""
    path = Path(arch.removeprefix(HF)).expanduser()
    if not (path / CONFIG).is_file():
        got = f"a folder without {CONFIG}" if path.is_dir() else "nothing there"
        raise UsageError(f"{arch}: expected a folder that save_pretrained wrote, got {got}; fetch the network there first.")
    return path


@contextmanager
def quiet(transformers: Any) -> Iterator[None]:
    """Without transformers' own words and bars, which are put back on leaving."""
    log = transformers.utils.logging
    before, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(before)
        if bars:
            log.enable_progress_bar()


def create(arch: str, num_classes: int | None = None) -> nn.Module:
    """The network with its weights, its output as logits (N,C); with a new head where `num_classes` is another number.

    Raises: UsageError where transformers cannot read the folder as an image classifier.
    """
    transformers, path = needed("transformers", arch), folder(arch)
    labels = {} if num_classes is None else {"num_labels": num_classes, "ignore_mismatched_sizes": True}
    try:
        with quiet(transformers):
            network = transformers.AutoModelForImageClassification.from_pretrained(path, local_files_only=True, **labels)
    except CambenchError:
        raise
    except Exception as e:
        raise UsageError(f"{arch}: expected an image classifier of transformers, got {in_one_line(e)}.") from e
    keep_windows(network)
    return adopted(network, arch, one_class=num_classes == 1).eval()


def keep_windows(network: nn.Module) -> None:
    """Give Swin's layers their own window before every pass: an image smaller than it would leave it shrunk for the next."""
    for layer in network.modules():
        if hasattr(layer, "set_shift_and_window_size"):
            layer.register_forward_pre_hook(partial(widen, window_size=layer.window_size, shift_size=layer.shift_size))


def widen(layer: nn.Module, inputs: tuple[Any, ...], **sizes: Any) -> None:
    """Set a layer's sizes; its inputs stay."""
    for name, size in sizes.items():
        setattr(layer, name, size)


def processor(arch: str) -> Any:
    """How the folder says that images are prepared, None where it does not. Raises: UsageError where it cannot be read."""
    transformers, path = needed("transformers", arch), folder(arch)
    if not (path / PROCESSOR).is_file():
        return None
    try:
        with quiet(transformers):
            return transformers.AutoImageProcessor.from_pretrained(path, local_files_only=True)
    except Exception as e:
        raise UsageError(f"{arch}: expected {PROCESSOR} of an image classifier, got {in_one_line(e)}.") from e


def class_names(arch: str) -> tuple[str, ...]:
    """The names of the classes that the folder gives; nothing where it only counts them (LABEL_0, LABEL_1, …)."""
    names = json.loads((folder(arch) / CONFIG).read_text(encoding="utf-8")).get("id2label") or {}
    ordered = tuple(str(names[key]) for key in sorted(names, key=int))
    return () if ordered == tuple(f"LABEL_{k}" for k in range(len(ordered))) else ordered


def source_of(arch: str) -> str:
    """16 hex digits over the names and contents of the folder's files that a network follows from."""
    files = sorted(path for path in folder(arch).iterdir() if path.suffix in SUFFIXES)
    digest = hashlib.blake2b(digest_size=8)
    for path, content in zip(files, file_digests(files), strict=True):
        digest.update(f"{path.name} {content} ".encode())
    return digest.hexdigest()
