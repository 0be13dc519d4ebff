"""Checkpoints: model, optimiser, epoch and every RNG state, loaded with `weights_only=True`."""

from __future__ import annotations

import copy
import random
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cambench.files import atomic_buffer
from cambench.tensors import ForeignFileError, read_tensors
from cambench.vocabulary import CambenchError

ANEW = "train the run anew with its `cambench train` and --again"
"""The mend where a run's weights are lost."""


def rng_states() -> dict[str, Any]:
    """The states of Python's, NumPy's and torch's generators, in types that a weights-only load accepts."""
    kind, keys, *rest = np.random.get_state(legacy=True)  # noqa: NPY002
    return {
        "python": random.getstate(),
        "numpy": (str(kind), torch.from_numpy(np.array(keys, dtype=np.int64)), *rest),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_rng(states: dict[str, Any]) -> None:
    """Put back what `rng_states` took, on a machine that may have fewer devices."""
    random.setstate(states["python"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"][: torch.cuda.device_count()])


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all."""
    with atomic_buffer(path) as buffer:
        torch.save(state, buffer)


def checkpoint_bytes(state: dict[str, Any]) -> bytes:
    """What `save_checkpoint` writes."""
    buffer = BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()


def cast(value: Any, given: torch.dtype, wanted: torch.dtype) -> Any:
    """The same containers, in which every tensor of one type is of another.

    Single numbers stay as they are: Adam counts its steps in a float32, and bfloat16 has no 257.
    """
    if isinstance(value, Tensor):
        return value.to(wanted) if value.dtype == given and value.ndim else value
    if isinstance(value, dict):
        changed = copy.copy(value)  # a model's state dict carries its modules' versions as an attribute
        changed.update((k, cast(v, given, wanted)) for k, v in value.items())
        return changed
    if isinstance(value, list | tuple):
        return type(value)(cast(v, given, wanted) for v in value)
    return value


def load_checkpoint(path: Path, data: bytes | None = None) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, from the bytes of the file where they are at hand.

    Raises: CambenchError naming the file if it is truncated, foreign or holds anything but weights.
    """
    try:
        state = read_tensors(path if data is None else BytesIO(data))
    except ForeignFileError as e:
        raise CambenchError(f"{path}: expected a checkpoint, got {e}; {ANEW}.") from e
    if not isinstance(state, dict):
        raise CambenchError(f"{path}: expected a checkpoint dictionary, got {type(state).__name__}; {ANEW}.")
    return state
