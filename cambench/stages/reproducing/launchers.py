"""Launchers: where the jobs of a plan are done, and in which order an engine may do them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from cambench.extras import needed
from cambench.lookup import find, not_used
from cambench.stages.reproducing.launch import Launch, local
from cambench.stages.reproducing.plan import Job

OPTIONS: Mapping[str, tuple[str, ...]] = {"local": (), "ray": ("address",), "slurm": ("partition", "time")}
"""Launcher -> the options that it takes."""


def launcher(name: str, **options: str | None) -> Launch:
    """The launcher of a name. options: those that were given, by their names; None: not given.

    Raises: UsageError for an unknown one, an option of another, or a package that is not installed.
    """
    find(name, OPTIONS, "launcher")
    given = {option: value for option, value in options.items() if value is not None}
    for option in given:
        if option not in OPTIONS[name]:
            (home,) = (other for other, its in OPTIONS.items() if option in its)
            raise not_used(f"--launcher {name}", f"--{option}", f"--launcher {home}")
    if name == "ray":
        from cambench.stages.reproducing import on_ray

        return partial(on_ray.launch, needed("ray", f"--launcher {name}"), address=given.get("address"))
    if name == "slurm":
        from cambench.stages.reproducing import on_slurm

        return on_slurm.launcher(needed("submitit", f"--launcher {name}"), **given)
    return local


@dataclass(frozen=True)
class Turn:
    """A job, and which jobs of the same work come before it: those that must succeed, and those that must only be over."""

    job: Job
    needs: tuple[str, ...]
    after: tuple[str, ...]


def turns(work: Sequence[Job]) -> list[Turn]:
    """Every job with what comes before it. Of those that look at the same heatmaps the first makes them, the others wait."""
    keys, makers = {job.key for job in work}, dict[object, str]()
    ordered = []
    for job in work:
        what = job.measurement
        first = job.key
        if what is not None and what.explainer is not None:
            first = makers.setdefault((job.network.key, replace(what, metric="")), job.key)
        ordered.append(Turn(job, tuple(key for key in job.needs if key in keys), () if first == job.key else (first,)))
    return ordered
