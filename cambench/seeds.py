"""Named seeds: every random choice has a name, and its seed follows from the run's seed and that name."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive(*parts: int | str) -> int:
    """A 63-bit seed from its parts, the same on every machine: `derive(seed, "order", epoch)`."""
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def seed_all(*parts: int | str) -> None:
    """Seed the global generators of Python, NumPy and torch, which other people's code (dropout, say) draws from."""
    import random

    import numpy as np
    import torch

    seed = derive(*parts)
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002
    torch.manual_seed(seed)


def generator(*parts: int | str) -> torch.Generator:
    """A CPU generator seeded with `derive(*parts)`."""
    import torch

    return torch.Generator().manual_seed(derive(*parts))
