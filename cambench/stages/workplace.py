"""What a command asks for, and the small questions every verb answers the same way: roots, device, names of files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from cambench.store.runs import Run, find_run
from cambench.vocabulary import UsageError

GIVEN = ("torchvision:", "python:")
"""How the name of a given network begins."""
EXPLAINER, TARGET = "grad-cam", "logit"
"""Where none is named."""


@dataclass(frozen=True)
class Place:
    """Where and on what a command runs: data root, results root, device, loader workers, network access."""

    data: Path = Path("datasets")
    results: Path = Path("results")
    device: str = "auto"
    workers: int = 0
    download: bool = False


def device(wanted: str) -> str:
    """`auto` is the first CUDA device, else Apple's, else the CPU.

    Raises: UsageError if the device wanted is not there.
    """
    import torch

    if wanted == "auto":
        if torch.cuda.is_available():
            return "cuda"
        return "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError) as e:
        raise UsageError(f"--device {wanted}: not available here ({str(e).splitlines()[0][:100]}); use auto or cpu.") from e
    return wanted


def slug(text: str) -> str:
    """A name that is safe in a file name: letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-")


def run_of(spec: str, results: Path) -> Run:
    """The run on disk that RUN names, a given network by its own name as well.

    Raises: UsageError as `find_run`.
    """
    return find_run(slug(spec) if spec.startswith(GIVEN) else spec, results)
