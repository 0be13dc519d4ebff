"""Launch: jobs in dependency order, in this process or in one worker process a device; a failure stops what needs it alone.

Every job is resumable by itself, so nothing is kept here: what was not finished is found missing by the next call.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from cambench import data, models
from cambench.stages import progress, workplace
from cambench.stages.listing import Plain
from cambench.stages.progress import say
from cambench.stages.reproducing.plan import Job
from cambench.store.jobs import JobState, at_work, lock
from cambench.store.locks import held
from cambench.vocabulary import CambenchError, StoppedError

Act = Callable[[Job, workplace.Place], None]
Launch = Callable[[Sequence[Job], Act, workplace.Place], dict[str, str]]
"""Jobs, what does one, where -> key -> why it failed."""


@dataclass(frozen=True)
class Device:
    """Where one worker runs: its torch device, and the environment in which it sees that device alone."""

    name: str
    environment: tuple[tuple[str, str], ...] = ()


def visible(wanted: str) -> list[Device]:
    """The devices to spread jobs over: every visible CUDA device where `auto` or `cuda` is wanted, else the one wanted."""
    name = workplace.device(wanted)
    if name != "cuda" or torch.cuda.device_count() < 2:
        return [Device(name)]
    named = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    ids = [i.strip() for i in named.split(",") if i.strip()] or [str(i) for i in range(torch.cuda.device_count())]
    return [Device("cuda", (("CUDA_VISIBLE_DEVICES", i),)) for i in ids[: torch.cuda.device_count()]]


def local(work: Sequence[Job], act: Act, place: workplace.Place) -> dict[str, str]:
    """Launch on every device of this machine that the place names."""
    return launch(work, act, place, visible(place.device))


def launch(work: Sequence[Job], act: Act, place: workplace.Place, devices: Sequence[Device]) -> dict[str, str]:
    """Do every job after those it needs; what a job needs and is not in `work` counts as done. -> key -> why it failed.

    act: a function of a module, since workers import it. With one device everything happens in this process.
    """
    if len(devices) == 1:
        with data.kept():
            return alone(work, act, replace(place, device=devices[0].name))
    return Pool(act, replace(place, workers=place.workers // len(devices)), devices).run(work)


def alone(work: Sequence[Job], act: Act, place: workplace.Place) -> dict[str, str]:
    """One job after another, those that another process is at last."""
    failed: dict[str, str] = {}
    waiting = list(work)
    while (job := take(waiting, failed, (), place.results)) is not None:
        say(f"[{len(work) - len(waiting)}/{len(work)}] {job.title}")
        reason = attempt(job, act, place)
        if reason is not None:
            failed[job.key] = reason
    return failed


def take(waiting: list[Job], failed: dict[str, str], begun: Sequence[str], results: Path) -> Job | None:
    """Take the first job off the list of which nothing that it needs is still to be done; of several, one that no other
    process is at. What needs a failed one fails. begun: the keys of those that are being done here.
    """
    for job in list(waiting):
        reason = next((failed[key] for key in job.needs if key in failed), None)
        if reason is not None:
            failed[job.key] = reason
            waiting.remove(job)
    undone = {*begun, *(job.key for job in waiting)}
    able = [job for job in waiting if not undone & set(job.needs)]
    chosen = next((job for job in able if not held(lock(results, job.key))), next(iter(able), None))
    if chosen is not None:
        waiting.remove(chosen)
    return chosen


def state_of(job: Job, launcher: str, *, owner: str = "", slurm: str = "") -> JobState:
    """What is known of a job before it is begun. owner: the lock that says that somebody is at it, if it is not its own."""
    return JobState(key=job.key, title=job.title, launcher=launcher, owner=owner or job.key, slurm=slurm)


@models.trimming()
def attempt(job: Job, act: Act, place: workplace.Place, state: JobState | None = None) -> str | None:
    """Do a job; why it failed, in one line, or None. Only what a person can act on is a failure, a bug is not.

    Raises: StoppedError, with which the other jobs are not begun.
    """
    try:
        with at_work(place.results, state or state_of(job, "local")):
            act(job, place)
    except StoppedError:
        raise
    except CambenchError as e:
        say(f"failed: {job.title}: {e}")
        return str(e)
    return None


class Worker:
    """A process on one device, and the job that it is at."""

    def __init__(self, device: Device, act: Act, place: workplace.Place) -> None:
        context = multiprocessing.get_context("spawn")
        self.link, theirs = context.Pipe()
        settings = (theirs, act, replace(place, device=device.name), dict(device.environment))
        self.process: BaseProcess = context.Process(target=serve, args=settings)
        self.process.start()
        theirs.close()
        self.device = device
        self.job: Job | None = None

    def begin(self, job: Job) -> None:
        """Send a job to the process."""
        self.job = job
        with suppress(ConnectionError):  # the process is gone, which its result says
            self.link.send(job)

    def result(self) -> tuple[bool, str | None]:
        """Whether the process lives, and why its job failed (None: it did not)."""
        try:
            reason: str | None = self.link.recv()
        except (EOFError, ConnectionError):
            self.process.join()
            return False, f"its worker process ended with exit code {self.process.exitcode}; run the command again."
        return True, reason

    def end(self) -> None:
        """End the process at once; it loses at most the epoch or chunk that it is at."""
        self.link.close()
        if self.job is not None:
            self.process.kill()  # it would finish its epoch before it heeds a SIGTERM
        self.process.join()


class Pool:
    """One worker a device, each given the first job that is ready."""

    def __init__(self, act: Act, place: workplace.Place, devices: Sequence[Device]) -> None:
        self.act, self.place = act, place
        self.workers = [Worker(device, act, place) for device in devices]
        self.failed: dict[str, str] = {}

    def run(self, work: Sequence[Job]) -> dict[str, str]:
        """Every job; the processes end with it, however it ends."""
        waiting, count = list(work), len(work)
        try:
            while waiting or any(worker.job for worker in self.workers):
                for worker in self.workers:
                    begun = [other.job.key for other in self.workers if other.job]
                    if worker.job is None and (job := take(waiting, self.failed, begun, self.place.results)) is not None:
                        say(f"[{count - len(waiting)}/{count}] {job.title} -> {worker.device.name}")
                        worker.begin(job)
                self.collect()
        finally:
            for worker in self.workers:
                worker.end()
        return self.failed

    def collect(self) -> None:
        """Wait for a busy worker's answer; a process that died is replaced."""
        busy: dict[object, int] = {worker.link: i for i, worker in enumerate(self.workers) if worker.job}
        for link in wait([worker.link for worker in self.workers if worker.job]) if busy else ():
            worker = self.workers[busy[link]]
            lives, reason = worker.result()
            if reason is not None and worker.job is not None:
                self.failed[worker.job.key] = reason
            worker.job = None
            if not lives:
                worker.end()
                self.workers[busy[link]] = Worker(worker.device, self.act, self.place)


def serve(link: Connection, act: Act, place: workplace.Place, environment: Mapping[str, str]) -> None:
    """A worker process: do the jobs that come through the link until it closes. Ctrl-C is the parent's to handle."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(environment)
    progress.console = Plain(stderr=True, force_terminal=False)  # bars of several processes would overwrite one another
    models.keep_heap()
    with data.kept():
        while True:
            try:
                job: Job = link.recv()
                link.send(attempt(job, act, place))
            except (EOFError, BrokenPipeError):  # the parent is gone or needs no more
                sys.exit(0)
