"""A forward pass of the network that is explained."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from cambench.explainers.probing.layers import each_of
from cambench.explainers.probing.outputs import logits_of
from cambench.maps import widened
from cambench.vocabulary import NotFiniteError, UsageError

PRECISIONS = {"float32": False, "bf16": True}


def predict(model: Callable[[Tensor], Any], images: Tensor, precision: str) -> Tensor:
    """Logits (N,C) in at least float32; `bf16` runs the model under autocast.

    Raises: UsageError for an unknown precision or an output that is not (N,C), NotFiniteError where it is not finite.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"expected precision {' or '.join(PRECISIONS)}, got {precision!r}.")
    with torch.autocast(images.device.type, torch.bfloat16, enabled=PRECISIONS[precision]):
        logits = logits_of(model(images))
    if not bool(torch.isfinite(logits).all()):
        bad = int((~torch.isfinite(logits)).any(1).sum())
        raise NotFiniteError(
            f"expected finite logits, got NaN or infinity for {bad} of {len(logits)} images; check the weights."
        )
    return widened(logits)


def clock(device: torch.device) -> float:
    """Seconds of a clock, read once the device has done what it was given."""
    if device.type in ("cuda", "mps"):
        torch.accelerator.synchronize(device)
    return time.perf_counter()


def named(layer: str | None) -> str:
    """The layer's name. Raises: UsageError where an explainer of a layer is asked without one, or of one with several."""
    if layer is None:
        raise UsageError("this explainer needs a layer; name one, or let default_layer choose.")
    if len(each_of(layer)) > 1:
        raise UsageError(f"layer {layer}: expected one layer, got {len(each_of(layer))}: several make one map of one class.")
    return layer
