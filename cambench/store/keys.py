"""Job keys: the identity of a job is the hash of its resolved description; its state is what is on disk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any


def job_key(job: Any) -> str:
    """8 hex digits of a job's canonical JSON. Equal jobs have equal keys on every machine."""
    text = json.dumps(job, sort_keys=True, allow_nan=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()


def file_hash(path: Path) -> str:
    """16 hex digits of a file's bytes."""
    with path.open("rb") as f:
        return hashlib.file_digest(f, lambda: hashlib.blake2b(digest_size=8)).hexdigest()
