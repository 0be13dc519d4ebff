"""Explain: heatmaps of a run on a split, into one HDF5 file, chunk by chunk."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from cambench import processes
from cambench.explainers import find_explainer
from cambench.explainers.several import shared
from cambench.stages import identity, workplace
from cambench.stages.images import make_view
from cambench.stages.measuring.together import Pending, compute
from cambench.stages.network import Loaded
from cambench.stages.progress import say
from cambench.store.heatmaps import CHUNK, Heatmaps, read_heatmaps, write_heatmaps
from cambench.store.keys import job_key
from cambench.store.parts import Parts, chunks, stride
from cambench.vocabulary import (
    EXPLAINER,
    TARGET,
    CambenchError,
    Dataset,
    NotFiniteError,
    StoppedError,
    UsageError,
    number_of,
)


@dataclass(frozen=True)
class ExplainJob:
    """Which maps: explainer × target on a split, of the labelled or of the predicted class, at a view of the image.

    raw: of pixels that are not normalised.
    """

    explainer: str = EXPLAINER
    target: str = TARGET
    classes: str = "label"
    view: str = "resize-center-crop"
    scale: float = 1.0
    batch_size: int = 32
    raw: bool = False


@dataclass(frozen=True)
class Session:
    """The heatmap files and records that one command made, each once; with `again` whatever is there counts for nothing.

    made: file -> seconds an image, where it is known. refused: job -> why its heatmaps cannot be made.
    """

    again: bool = False
    made: dict[Path, float | None] = field(default_factory=dict)
    refused: dict[ExplainJob, CambenchError] = field(default_factory=dict)

    def lacks(self, path: Path) -> bool:
        """Whether a file is to be made, the same in all processes."""
        return bool(processes.agreed(not path.exists() or (self.again and path not in self.made)))

    def keeping(self, jobs: Sequence[ExplainJob]) -> AbstractContextManager[None]:
        """A block whose error is kept as that of the jobs (`going_on`)."""
        return going_on(lambda error: self.refused.update(dict.fromkeys(jobs, error)))


@contextmanager
def going_on(keep: Callable[[CambenchError], None]) -> Iterator[None]:
    """A block whose error is kept, whereupon the next thing is done; what ends the process, or ended another, is raised."""
    try:
        yield
    except (processes.LostError, StoppedError):
        raise
    except CambenchError as e:
        keep(e)


def explain(
    job: ExplainJob, loaded: Loaded, dataset: Dataset, place: workplace.Place, session: Session | None = None
) -> Heatmaps:
    """The heatmaps of a job: read if they are on disk, computed where they are not, going on after a killed call.

    Raises: CambenchError for a file that does not hold these images.
    """
    session = session or Session()
    make([job], loaded, dataset, place, session)
    if job in session.refused:
        raise session.refused[job]
    path, described = locate(job, loaded, dataset, place)
    return replace(whole(path, described, dataset), seconds=session.made.get(path))


def make(jobs: Sequence[ExplainJob], loaded: Loaded, dataset: Dataset, place: workplace.Place, session: Session) -> None:
    """Make the heatmap files that lack: each batch is read, and the network run, once for all explainers that can share it.

    What cannot be made is kept in the session, and keeps nothing else from being made.
    """
    alike: dict[object, list[ExplainJob]] = {}
    for job in dict.fromkeys(jobs):
        with session.keeping([job]):
            if job not in session.refused and session.lacks(locate(job, loaded, dataset, place)[0]):
                alike.setdefault(company(job, loaded, dataset), []).append(job)
    groups = deque(alike.values())
    while groups:
        group = groups.popleft()
        with session.keeping(group):
            write(group, loaded, dataset, place, session)
        if len(group) > 1 and isinstance(session.refused.get(group[0]), UsageError | NotFiniteError):
            groups.extendleft([job] for job in reversed(group) if session.refused.pop(job))  # of one of them, perhaps


def company(job: ExplainJob, loaded: Loaded, dataset: Dataset) -> object:
    """What is equal in jobs that share their batches and passes; the job itself where it shares none."""
    entry = find_explainer(job.explainer)
    among = None if entry.layer.prepare else shared(loaded.ready_for(entry).query(job.target))
    return job if among is None else (among, job.view, job.scale, job.raw, job.batch_size, meant(job, dataset))


def write(jobs: Sequence[ExplainJob], loaded: Loaded, dataset: Dataset, place: workplace.Place, session: Session) -> None:
    """Make the files of jobs that share their batches, and write each whole; another process may have made some by now."""
    located = {path: (job, described) for job in jobs for path, described in [locate(job, loaded, dataset, place)]}
    with ExitStack() as locks:
        for path in sorted(located):  # in one order for all who wait for one another
            locks.enter_context(workplace.only_first_writes(path))
        alike: dict[tuple[range, ...], dict[Path, Pending]] = {}
        for path in filter(session.lacks, sorted(located)):
            job, described = located[path]
            parts = locks.enter_context(opened_parts(path, job_key(described), anew=session.again))
            if parts.rows:
                say(f"{path.name}: going on after {parts.rows} of {number_of(len(dataset), 'image')}")
            missing = chunks(processes.agreed(parts.missing(len(dataset))), stride(CHUNK, job.batch_size))
            ready = loaded.ready_for(find_explainer(job.explainer))
            alike.setdefault(tuple(missing), {})[path] = Pending(job, ready, meant(job, dataset), parts)
        for rows, pending in alike.items():
            with processes.as_one(), workplace.computing(place):
                compute([*pending.values()], rows, loaded, dataset, place)
            with processes.as_one():
                for path, one in pending.items() if not processes.rank() else ():
                    finish(path, located[path][1], one.parts, dataset)
            session.made.update({p: statistics.median(one.seconds) if one.seconds else None for p, one in pending.items()})


def finish(path: Path, described: dict[str, Any], parts: Parts, dataset: Dataset) -> None:
    """Write the file of a job whose parts hold every image.

    Raises: CambenchError where they hold others.
    """
    check_ids(path, [image.decode() for ids in parts.column("id") for image in ids.tolist()], dataset)
    write_heatmaps(path, described, dataset.origin, parts.column)
    parts.remove()


@contextmanager
def opened_parts(target: Path, key: str, anew: bool) -> Iterator[Parts]:
    """The parts of a job; of several processes the first sees to the folder. Where no part was written none stays."""
    with processes.in_turn():
        parts = Parts(target, key, anew=anew and not processes.rank())
    try:
        yield parts
    finally:
        if processes.count() == 1:
            parts.forget()


def whole(path: Path, described: dict[str, Any], dataset: Dataset) -> Heatmaps:
    """The maps of a finished file.

    Raises: CambenchError where it holds another job's maps, or other images than the data set.
    """
    heatmaps = read_heatmaps(path)
    if heatmaps.job != described:
        raise CambenchError(f"{path}: holds another job's maps; make it anew with `cambench explain --again`, or delete it.")
    check_ids(path, heatmaps.ids, dataset)
    return heatmaps


def check_ids(path: Path, ids: list[str], dataset: Dataset) -> None:
    """See that rows are the data set's images, each once and in order.

    Raises: CambenchError saying how many of them are.
    """
    wanted = [sample.id for sample in dataset.samples]
    if ids != wanted:
        right = sum(a == b for a, b in zip(ids, wanted, strict=False))
        raise CambenchError(
            f"{path}: expected the {len(wanted)} images of {dataset.name} {dataset.split} in order, got {len(ids)} rows, "
            f"{len(set(ids))} images, {right} in their places; make it anew with --again."
        )


def locate(job: ExplainJob, loaded: Loaded, dataset: Dataset, place: workplace.Place) -> tuple[Path, dict[str, Any]]:
    """The heatmap file of a job and its identity, as stored in the file."""
    view, entry = make_view(job.view, loaded, job.scale, raw=job.raw), find_explainer(job.explainer)
    described = identity.of_heatmaps(loaded, dataset, entry, view, target=job.target, classes=meant(job, dataset))
    chosen = "" if job.classes == "label" else f"@{job.classes}"
    parts = (
        dataset.split,
        workplace.slug(entry.name),
        workplace.slug(job.target) + chosen,
        f"{job.view}-{view.size}",
        job_key(described),
    )
    return place.results / "heatmaps" / loaded.run.name / (".".join(parts) + ".h5"), described


def meant(job: ExplainJob, dataset: Dataset) -> str:
    """Which classes are explained: where an object has several names, the one that the network scores highest.

    Of an image with objects of several classes it is the label's, whose boxes and mask a metric looks at.
    """
    several = job.classes == "label" and not dataset.multilabel and any(s.labels for s in dataset.samples)
    return "best-of-set" if several else job.classes
