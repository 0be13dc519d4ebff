"""States: what becomes of the jobs that launchers were given, for `cambench ls jobs` and `reproduce --status`."""

from __future__ import annotations

import shutil
import subprocess
import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from cambench.store.jobs import JobState, read_states
from cambench.vocabulary import CambenchError

Row = dict[str, Any]


def in_queue() -> set[str]:
    """The numbers of this user's jobs that wait or run in Slurm, `12` or `12_3` in an array. Raises: as `answer`."""
    return set(answer("squeue", "--me", "--noheader", "--array", "--format=%i").split())


def answer(*command: str) -> str:
    """What a command of Slurm's prints.

    Raises: CambenchError where Slurm does not answer.
    """
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        first = (done.stderr.strip().splitlines() or ["nothing"])[0]
        mend = "what is in its queue goes on, run the same command again later."
        raise CambenchError(f"{command[0]}: expected an answer of Slurm, got: {first}; {mend}")
    return done.stdout


def states(results: Path) -> list[JobState]:
    """What is known of every job, those of Slurm as its queue has them, where it is here."""
    known = read_states(results)
    waiting = [state for state in known if state.launcher == "slurm" and state.state in ("queued", "stopped")]
    if not waiting or shutil.which("squeue") is None:
        return known
    here = in_queue()
    return [replace(s, state="queued" if s.slurm in here else "stopped") if s in waiting else s for s in known]


def rows(results: Path) -> list[Row]:
    """The jobs that launchers were given, a row each, those begun last first."""
    return [row_of(state) for state in states(results)]


def row_of(state: JobState) -> Row:
    """A job: what became of it, who was at it and where, when it was begun the last time and how long that took."""
    began = "" if state.began is None else datetime.fromtimestamp(state.began).strftime("%Y-%m-%d %H:%M")
    end = state.ended if state.ended is not None else time.time() if state.state == "running" else None
    took = "" if state.began is None or end is None else f"{max(end - state.began, 0.0):.0f} s"
    where = " ".join(filter(None, (state.launcher, state.slurm, state.host)))
    facts = {"where": where, "attempts": state.attempts, "began": began, "took": took, "reason": state.reason}
    return {"name": state.key, "job": state.title, "state": state.state, **facts}
