"""What is installed and what is here, for `cambench doctor`."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path

from cambench import data, explainers, metrics
from cambench.extras import EXTRAS
from cambench.lookup import package
from cambench.recipes.load import METHODS
from cambench.stages import workplace
from cambench.stages.housekeeping.data import present
from cambench.store.provenance import device_name, versions
from cambench.store.runs import read_runs
from cambench.vocabulary import number_of

Row = dict[str, str]


def examine(data_root: Path, results: Path, *, quick: bool = False) -> list[Row]:
    """One row a fact: versions, devices (unless `quick`, for which torch need not be loaded), roots, optional packages, what
    other packages add, data sets.
    """
    rows = [("version", name, v) for name, v in versions().items()]
    rows += [] if quick else devices()
    rows += [("root", "data", describe(data_root)), ("root", "results", describe(results))]
    if results.is_dir():
        runs = read_runs(results)
        rows += [("root", "runs", f"{len(runs)}, {sum(r.finished for r in runs)} finished")]
    rows += [
        ("optional", f"{name} [{extra}]", "installed" if find_spec(name) else "not installed")
        for name, extra in EXTRAS.items()
    ]
    rows += [
        ("plug-in", f"{catalogue.kind} {name}", ", ".join(map(package, points)))
        for catalogue in (METHODS, explainers.INDEX, metrics.INDEX, data.INDEX)
        for name, points in catalogue.added.items()
    ]
    rows += [("data", row["name"], row["found"]) for row in present(data_root)]
    return [{"what": what, "name": name, "is": value} for what, name, value in rows]


def devices() -> list[tuple[str, str, str]]:
    """What networks can run on here."""
    import torch

    threads = number_of(torch.get_num_threads(), "thread")
    cpu = f"{number_of(os.cpu_count() or 1, 'core')}, {threads}, {torch.backends.cpu.get_cpu_capability()}"
    cards = [(f"cuda:{i}", torch.cuda.get_device_name(i)) for i in range(torch.cuda.device_count())]
    known = [("auto", device_name(workplace.device("auto"))), *cards, ("cpu", cpu)]
    return [("device", name, what) for name, what in known]


def describe(root: Path) -> str:
    """A root folder and whether it can be used."""
    if not root.exists():
        return f"{root.absolute()} (not there yet)"
    return f"{root.absolute()}" + ("" if os.access(root, os.W_OK) else " (not writable)")
