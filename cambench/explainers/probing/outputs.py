"""What a network returns, as logits (N,C)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from cambench.vocabulary import UsageError

KEYS = ("logits", "out")
WAYS = "a tensor (N,C), a tuple that begins with one, a dictionary with 'logits' or 'out', or an object with .logits"


def logits_of(output: Any) -> Tensor:
    """The logits (N,C) in a network's output.

    That is a tensor (N,C) or (N,C,1,1), a tuple or list whose first entry is one, a dictionary that has one under
    `logits` or `out`, or an object that has one as `.logits`.
    Raises: UsageError for anything else.
    """
    logits = entry(output)
    if isinstance(logits, Tensor) and logits.ndim == 4 and logits.shape[2:] == (1, 1):
        return logits.flatten(1)
    if not isinstance(logits, Tensor) or logits.ndim != 2:
        raise UsageError(f"expected a model that returns logits (N,C), got {described(output)}; return {WAYS}.")
    return logits


def first_of(output: Any) -> Any:
    """What a layer gives; of a tuple its first entry."""
    return output[0] if isinstance(output, tuple) and output else output


def with_first(output: Any, first: Tensor) -> Any:
    """What a layer gives, with another tensor in the place of `first_of` it."""
    return (first, *output[1:]) if isinstance(output, tuple) and output else first


def entry(output: Any) -> Any:
    """The entry of an output where its logits stand, None where there is no such entry; of a tensor itself."""
    if isinstance(output, Mapping):
        return next((output[key] for key in KEYS if key in output), None)
    if isinstance(output, tuple | list):
        return output[0] if output else None
    return getattr(output, "logits", None if not isinstance(output, Tensor) else output)


def two_classes(logits: Tensor) -> Tensor:
    """One sigmoid logit z (N,1) as the logits (0, z) of two classes (N,2): their softmax is (1 − σ(z), σ(z))."""
    return torch.cat([torch.zeros_like(logits), logits], 1)


def described(output: Any) -> str:
    """An output in a few words."""
    if isinstance(output, Tensor):
        return str(tuple(output.shape))
    if isinstance(output, Mapping):
        return f"a dictionary of {', '.join(map(str, list(output)[:4])) or 'nothing'}"
    if isinstance(output, tuple | list):
        return f"a {type(output).__name__} of {', '.join(described(entry) for entry in output[:3]) or 'nothing'}"
    return type(output).__name__
