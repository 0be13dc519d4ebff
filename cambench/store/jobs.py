"""Jobs: what became of each job of a plan, as one small file a job: who is at it, where, since when, or why it failed."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal

from cambench.files import atomic_path, json_text, read_json, write_json
from cambench.store import schema
from cambench.store.locks import held, only_writer
from cambench.vocabulary import CambenchError, StoppedError

State = Literal["queued", "running", "stopped", "finished", "failed"]
"""`queued`: Slurm has it. `stopped`: it was begun and nobody is at it; the next call goes on."""
MEND = "delete the file; it only says what became of a job."


@dataclass(frozen=True, kw_only=True)
class JobState:
    """What is known of a job, whose `title` is for a person. Times are seconds since 1970.

    owner: the name of the lock that is held while somebody is at it. attempts: how often it was begun. slurm: its number in
    Slurm's queue. reason: why it failed.
    """

    key: str
    title: str
    launcher: str
    owner: str
    state: State = "queued"
    host: str = ""
    attempts: int = 0
    began: float | None = None
    ended: float | None = None
    slurm: str = ""
    reason: str = ""


KNOWN = {f.name for f in fields(JobState)}


def folder(results: Path) -> Path:
    """Where the states of jobs lie."""
    return results / "jobs"


def lock(results: Path, owner: str) -> Path:
    """The lock file that an owner holds."""
    return folder(results) / f".{owner}.lock"


def write_state(results: Path, state: JobState) -> None:
    """Write what is known of a job."""
    write_json(folder(results) / f"{state.key}.json", {"schema": schema.JOB, **asdict(state)})


def stored(results: Path, key: str) -> JobState | None:
    """What was written of a job; None of a job that nobody began.

    Raises: CambenchError for a file that is broken or of another schema.
    """
    path = folder(results) / f"{key}.json"
    if not path.is_file():
        return None
    contents: Any = read_json(path)
    schema.check(path, contents.get("schema") if isinstance(contents, dict) else None, schema.JOB, "a job's state", MEND)
    facts = {name: fact for name, fact in contents.items() if name != "schema"}
    if set(facts) != KNOWN:
        raise CambenchError(f"{path}: expected {', '.join(sorted(KNOWN))}, got {', '.join(sorted(facts))}; {MEND}")
    return JobState(**facts)


def read_state(results: Path, key: str) -> JobState | None:
    """What is known of a job as of now: one that nobody is at any more is stopped. Not for the process that is at it.

    Raises: CambenchError as `stored`.
    """
    state = stored(results, key)
    if state is not None and state.state == "running" and not held(lock(results, state.owner)):
        return replace(state, state="stopped")
    return state


def read_states(results: Path) -> list[JobState]:
    """What is known of every job, those begun last first; files that cannot be read are said and passed over."""
    states, faults = [], []
    for path in sorted(folder(results).glob("*.json")):
        try:
            states.append(read_state(results, path.stem))
        except CambenchError as e:
            faults.append(e)
    schema.pass_over(faults)
    return sorted((state for state in states if state is not None), key=lambda state: -(state.began or time.time()))


def enqueue(results: Path, state: JobState) -> None:
    """Write what is known of a job that nobody has begun; where somebody has meanwhile, what that one wrote stays."""
    path = folder(results) / f"{state.key}.json"
    with atomic_path(path.with_suffix(".queued")) as temporary:
        temporary.write_text(json_text({"schema": schema.JOB, **asdict(state)}), encoding="utf-8")
        try:
            os.link(temporary, path)
        except FileExistsError:
            pass
        except OSError:  # no links here; a job that begins in this very moment is called queued until it ends
            if not path.exists():
                write_state(results, state)
    path.with_suffix(".queued").unlink(missing_ok=True)


def forget(results: Path, key: str) -> None:
    """Forget what is known of a job, which is begun anew."""
    (folder(results) / f"{key}.json").unlink(missing_ok=True)


@contextmanager
def at_work(results: Path, job: JobState) -> Iterator[None]:
    """Hold a job while it is done, and write what becomes of it: an error that a person can act on is its reason.

    An interrupt or a bug leaves it stopped; a kill does too, since the lock ends with its process.
    """
    with only_writer(folder(results) / job.key, job.title):
        before = stored(results, job.key) or job
        host, attempts = socket.gethostname(), before.attempts + 1
        state = replace(job, state="running", host=host, began=time.time(), attempts=attempts)
        write_state(results, state)
        try:
            yield
        except BaseException as e:
            ended = replace(state, state="stopped", ended=time.time())
            if isinstance(e, CambenchError) and not isinstance(e, StoppedError):
                ended = replace(ended, state="failed", reason=str(e))
            write_state(results, ended)
            raise
        write_state(results, replace(state, state="finished", ended=time.time()))
