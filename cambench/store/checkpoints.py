"""Checkpoints: model, optimiser, epoch and every RNG state, loaded with `weights_only=True`."""

from __future__ import annotations

import pickle
import random
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cambench.store.files import atomic_buffer
from cambench.vocabulary import CambenchError


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
    """Put back what `rng_states` took."""
    random.setstate(states["python"])
    kind, keys, *rest = states["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(states["torch"])
    if torch.cuda.is_available() and states["cuda"]:
        torch.cuda.set_rng_state_all(states["cuda"])


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint whole or not at all."""
    with atomic_buffer(path) as buffer:
        torch.save(state, buffer)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises: CambenchError naming the file if it is truncated, foreign or holds anything but weights.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, pickle.UnpicklingError) as e:
        reason = str(e).splitlines()[0][:160] if str(e) else "an empty file"
        raise CambenchError(f"{path}: expected a checkpoint, got {reason}; delete it to train again from the start.") from e
    if not isinstance(state, dict):
        raise CambenchError(
            f"{path}: expected a checkpoint dictionary, got {type(state).__name__}; delete it to train again."
        )
    return state
