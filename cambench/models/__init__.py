"""Networks: architectures by name, surgery, weights, and the copy that is fast at inference."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from cambench.models.backbones import ARCHS, arch_names, resolve
from cambench.models.memory import keep_heap, trimming

if TYPE_CHECKING:
    from cambench.models.building import build
    from cambench.models.inference import for_inference

__all__ = ["ARCHS", "arch_names", "build", "for_inference", "keep_heap", "resolve", "trimming"]
HOMES = {"build": "building", "for_inference": "inference"}


def __getattr__(name: str) -> Any:
    """What needs torch, imported when it is asked for: the names of architectures do without."""
    if name in HOMES:
        return getattr(import_module(f"cambench.models.{HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
