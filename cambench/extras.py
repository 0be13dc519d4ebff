"""Optional packages: which extra of cambench installs each, and one sentence where one is missing."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from cambench.vocabulary import UsageError

EXTRAS: Mapping[str, str] = {
    "timm": "timm",
    "safetensors": "timm",
    "transformers": "hf",
    "sklearn": "plots",
    "segment_anything": "sam",
    "captum": "peers",
    "torchcam": "peers",
    "pytorch_grad_cam": "peers",
    "quantus": "quantus",
    "ray": "ray",
    "submitit": "slurm",
}
"""Package, by the name that is imported -> the extra that installs it."""


def needed(module: str, asked: str, otherwise: str = "") -> Any:
    """A module of an optional package, which is imported for what asks for it alone.

    asked: what needs it, as the user wrote it. otherwise: what else would do, a part of a sentence.
    Raises: UsageError naming the package that is missing and the extra that installs it.
    """
    extra = EXTRAS[module.partition(".")[0]]
    try:
        return import_module(module)
    except ModuleNotFoundError as e:
        mend = f"pip install 'cambench[{extra}]'" + (f", {otherwise}" if otherwise else "")
        raise UsageError(f"{asked}: expected the package {e.name}, found none; {mend}.") from e
