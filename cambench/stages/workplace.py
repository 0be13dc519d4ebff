"""What a command asks for, and the small questions every verb answers the same way: roots, device, names of files."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from cambench import processes
from cambench.lookup import canonical
from cambench.models.backbones import called, torchvision_names
from cambench.store.locks import only_writer
from cambench.store.runs import Run, find_run
from cambench.vocabulary import CambenchError, UsageError

GIVEN = ("torchvision:", "timm:", "python:", "hf:")
"""How the name of a given network begins."""


@dataclass(frozen=True)
class Place:
    """Where and on what a command runs: data root, results root, device, loader workers, network access.

    deterministic: whether it shall give the same bits again, by torch's deterministic algorithms alone.
    """

    data: Path = Path("datasets")
    results: Path = Path("results")
    device: str = "auto"
    workers: int = 0
    download: bool = False
    deterministic: bool = False


def place(
    data: Path | str | None = None,
    results: Path | str | None = None,
    device: str = "auto",
    workers: int = -1,
    download: bool = False,
    deterministic: bool = False,
) -> Place:
    """The place of a verb. Roots that are None: those of the environment, else `datasets` and `results`.

    workers: −1 is as many as there are cores, at most 8.
    Raises: UsageError for another negative number of workers.
    """
    if workers < -1:
        raise UsageError(f"workers: expected 0 or more, or -1 to let cambench choose, got {workers}.")
    data = data or os.environ.get("CAMBENCH_DATA", "datasets")
    results = results or os.environ.get("CAMBENCH_RESULTS", "results")
    count = min(8, os.cpu_count() or 1) if workers < 0 else workers
    return Place(Path(data), Path(results), device, count, download, deterministic)


@contextmanager
def computing(place: Place) -> Iterator[None]:
    """A block in which the place's device computes: by torch's deterministic algorithms alone, where that is asked for.

    Raises: CambenchError where its memory does not suffice; for an operation that has no deterministic algorithm there.
    """
    import torch

    from cambench.stages.memory import shortage

    before, benchmark = torch.are_deterministic_algorithms_enabled(), torch.backends.cudnn.benchmark
    if place.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when CUDA is first used
        torch.use_deterministic_algorithms(True)
        torch.backends.cudnn.benchmark = False
    try:
        yield
    except torch.OutOfMemoryError as e:
        raise CambenchError(
            f"the device's memory does not suffice ({shortage(e)}); take smaller batches, or --device cpu."
        ) from e
    except RuntimeError as e:
        if not place.deterministic or "deterministic" not in str(e):
            raise
        reason = str(e).partition(". ")[0].splitlines()[0]
        raise CambenchError(f"--deterministic: {reason}; leave the option out, or use --device cpu.") from e
    finally:
        torch.use_deterministic_algorithms(before)
        torch.backends.cudnn.benchmark = benchmark


def given_input(size: int | None, mean: Sequence[float] | None, std: Sequence[float] | None) -> dict[str, object]:
    """What is said of a given network's input.

    Raises: UsageError where the colours are not three finite numbers, or a deviation divides by nothing.
    """
    for name, colours in (("--mean", mean), ("--std", std)):
        if colours is None:
            continue
        if len(colours) != 3 or not all(map(math.isfinite, colours)) or (name == "--std" and min(colours) <= 0):
            above = " above 0" if name == "--std" else ""
            got = " ".join(f"{v:g}" for v in colours) or "none"
            raise UsageError(f"{name}: expected three finite numbers{above}, got {got}.")
    facts = {"size": size, "mean": mean and list(mean), "std": std and list(std)}
    return {name: value for name, value in facts.items() if value is not None}


def device(wanted: str) -> str:
    """`auto` is the first CUDA device, else the CPU. Apple's GPU has no float64, in which metrics are computed.

    Raises: UsageError if the device wanted is not there, or is Apple's.
    """
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if wanted.startswith("mps"):
        raise UsageError(f"--device {wanted}: expected auto, cpu or cuda; Apple's GPUs have no float64, which metrics need.")
    try:
        torch.empty(0, device=wanted)
    except (RuntimeError, AssertionError, NotImplementedError) as e:
        raise UsageError(
            f"--device {wanted}: not available here ({shorten(str(e).splitlines()[0], 100)}); use auto or cpu."
        ) from e
    return wanted


def slug(text: str) -> str:
    """A name that is safe in a file name: letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9.-]+", "-", text).strip("-")


def only_first_writes(target: Path) -> AbstractContextManager[None]:
    """The lock on a file or folder, which process 0 holds for all of the job's."""
    return nullcontext() if processes.rank() else only_writer(target)


def run_of(spec: str, results: Path) -> Run:
    """The run on disk that RUN names, a given network by its own name as well.

    Raises: UsageError as `find_run`.
    """
    return known_run(slug(called(spec)) if spec.startswith(GIVEN) else spec, results)


def known_run(name: str, results: Path) -> Run:
    """`find_run`, whose error says how a given network is written, where one may be meant."""
    try:
        return find_run(name, results)
    except UsageError as e:
        if not (network := likely(name)):
            raise
        raise UsageError(f"{e} If it is a network, write {network}.") from e


def likely(name: str) -> str:
    """The given network that a person may mean by `mine:build`, `mine.py` or `resnet50`; "" where it looks like none."""
    if ":" in name:
        return f"python:{name}"
    if name.endswith(".py"):
        return f"python:{Path(name).stem}:FUNCTION"
    arch = canonical(name).replace("-", "_")
    return f"torchvision:{arch}" if arch in torchvision_names() else ""
