"""timm's networks: `timm:NAME`, where NAME may end with the tag of its weights (`timm:vit_small_patch16_224.augreg_in1k`).

Their weights lie in Hugging Face's cache, as timm itself leaves them there, or in torch's. timm turns what its files hold
into today's names, so that files of other releases fit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from cambench.extras import needed
from cambench.lookup import canonical, nearest
from cambench.models.backbones import TIMM
from cambench.vocabulary import CambenchError, UsageError

FILES = ("model.safetensors", "pytorch_model.bin")
"""Names of a file of weights in a repository of Hugging Face, the first that is there counts."""
MOST = 20
"""Names among timm's 1,300 that an error lists."""


def resolve(arch: str) -> str:
    """The one spelling of a name: `timm:ResNet-18` is `timm:resnet18`.

    Raises: UsageError for a name or a tag that timm does not have.
    """
    timm = needed("timm", arch)
    name, dot, tag = arch.removeprefix(TIMM).partition(".")
    names = timm.list_models()
    if not timm.is_model(name):
        same = [known for known in names if canonical(known).replace("-", "") == canonical(name).replace("-", "")]
        if not same:
            raise UsageError(f"{arch}: {nearest(name, names, 'network of timm', MOST)}")
        name = same[0]
    tags = [known.partition(".")[2] for known in timm.list_pretrained(f"{name}.*")]
    if dot and tag not in tags:
        raise UsageError(f"{arch}: {nearest(tag, tags, f'weights of timm:{name}', MOST)}")
    return f"{TIMM}{name}{dot}{tag}"


def create(arch: str, num_classes: int | None = None) -> nn.Module:
    """The network with its own initialisation; `num_classes` None keeps its own number."""
    return made(arch, num_classes)


def pretrained(arch: str, num_classes: int | None, download: bool) -> nn.Module:
    """The network with its weights; with a new head where `num_classes` is another number than theirs.

    Raises: as `weights_file`.
    """
    file = weights_file(arch, download)
    return made(arch, num_classes, pretrained=True, pretrained_cfg_overlay={"file": str(file)})


def made(arch: str, num_classes: int | None, **options: Any) -> nn.Module:
    """The network as timm makes it with these options."""
    counted = {} if num_classes is None else {"num_classes": num_classes}
    network: nn.Module = needed("timm", arch).create_model(arch.removeprefix(TIMM), **counted, **options)
    return network


def weights_file(arch: str, download: bool) -> Path:
    """The file of the network's weights in the cache, fetched only with `download`.

    Raises: UsageError if timm has none for it, or the file is not there and may not be fetched; CambenchError if fetching
    fails.
    """
    own = needed("timm", arch).get_pretrained_cfg(arch.removeprefix(TIMM))
    if own is None or not (own.hf_hub_id or own.url):
        raise UsageError(f"{arch}: timm has no weights for it; pass --weights FILE, or begin from scratch (train).")
    place = f"https://huggingface.co/{own.hf_hub_id}" if own.hf_hub_id else own.url
    try:
        file = from_hub(own, download) if own.hf_hub_id else from_address(own.url, download)
    except Exception as e:  # of the network: every library below has its own
        reason = next(iter(str(e).splitlines()), type(e).__name__)
        raise CambenchError(f"{arch}: fetching {place} failed: {reason}; pass --weights FILE.") from e
    if file is None:
        raise UsageError(
            f"{arch}: expected its weights ({place}) in the cache, got none; pass --download, or --weights FILE."
        )
    return file


def from_hub(own: Any, download: bool) -> Path | None:
    """A file of Hugging Face's cache, None where it has none and nothing may be fetched."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    repository, _, revision = own.hf_hub_id.partition("@")
    names = (own.hf_hub_filename,) if own.hf_hub_filename else FILES
    for name in names:
        try:
            return Path(hf_hub_download(repository, name, revision=revision or None, local_files_only=not download))
        except EntryNotFoundError as e:
            if download and isinstance(e, LocalEntryNotFoundError):  # no answer, and none in the cache
                raise
    return None


def from_address(url: str, download: bool) -> Path | None:
    """A file of torch's cache, None where it is not there and may not be fetched."""
    file = Path(torch.hub.get_dir()) / "checkpoints" / Path(url).name
    if download and not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(file), progress=False)
    return file if file.exists() else None


def class_names(arch: str) -> tuple[str, ...]:
    """The names of the classes of the network's weights, where they are ImageNet's; else nothing."""
    timm = needed("timm", arch)
    own = timm.get_pretrained_cfg(arch.removeprefix(TIMM))
    subset = None if own is None else timm.data.infer_imagenet_subset(own.to_dict())
    if subset is None:
        return ()
    known = timm.data.ImageNetInfo(subset)
    return tuple(known.index_to_description(k) for k in range(known.num_classes()))
