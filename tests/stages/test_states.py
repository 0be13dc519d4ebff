"""What became of the jobs that launchers were given: as their files have it, as Slurm's queue has it, and as a row."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from cambench.stages.reproducing.states import in_queue, row_of, rows, states
from cambench.store.jobs import JobState, read_states, write_state
from cambench.vocabulary import CambenchError

JOB = JobState(key="ab", title="train ce", launcher="slurm", owner="ab", slurm="12_3")
BEGAN = 1.7e9


def squeue(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The only command: a `squeue` that does this where it is asked for this user's jobs, each of an array by itself."""
    (folder / "bin").mkdir()
    command = folder / "bin" / "squeue"
    command.write_text(f'#!/bin/sh\n[ "$*" = "--me --noheader --array --format=%i" ] || exit 2\n{text}\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder / "bin"))


@pytest.mark.parametrize(("state", "took", "where"), [
    (JOB, "", "slurm 12_3"),
    (replace(JOB, state="running", host="node1", began=BEGAN, attempts=1), "100 s", "slurm 12_3 node1"),
    (replace(JOB, state="finished", host="node1", began=BEGAN, ended=BEGAN + 7.4, attempts=2), "7 s", "slurm 12_3 node1"),
    (replace(JOB, state="stopped", began=BEGAN, attempts=1, slurm=""), "", "slurm"),
    (replace(JOB, state="failed", began=BEGAN, ended=BEGAN + 3, reason="it does not want to."), "3 s", "slurm 12_3"),
], ids=lambda value: getattr(value, "state", ""))  # fmt: skip
def test_a_row(state: JobState, took: str, where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time", lambda: BEGAN + 100)
    began = "" if state.began is None else datetime.fromtimestamp(BEGAN).strftime("%Y-%m-%d %H:%M")
    facts = {"where": where, "attempts": state.attempts, "began": began, "took": took, "reason": state.reason}
    assert row_of(state) == {"name": "ab", "job": "train ce", "state": state.state, **facts}


def test_slurm_says_which_jobs_it_still_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stopped one may be requeued, a queued one gone; what others launched, and what is over, it is not asked about."""
    squeue(tmp_path, monkeypatch, "echo 12_3; echo 13")
    known = {
        "waits": replace(JOB, slurm="12_3"),
        "gone": replace(JOB, slurm="12_4"),
        "requeued": replace(JOB, slurm="13", state="stopped"),
        "over": replace(JOB, slurm="13", state="finished"),
        "elsewhere": replace(JOB, launcher="local", state="stopped", slurm="13"),
    }
    for key, state in known.items():
        write_state(tmp_path, replace(state, key=key))
    assert in_queue() == {"12_3", "13"}
    assert {state.key: state.state for state in states(tmp_path)} == {
        "waits": "queued",
        "gone": "stopped",
        "requeued": "queued",
        "over": "finished",
        "elsewhere": "stopped",
    }
    monkeypatch.setenv("PATH", str(tmp_path))
    assert {s.key: s.state for s in states(tmp_path)} == {key: state.state for key, state in known.items()}, "no squeue here"


def test_a_slurm_that_does_not_answer_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    squeue(tmp_path, monkeypatch, "echo no controller >&2; echo more >&2; exit 1")
    write_state(tmp_path, replace(JOB, key="ab", launcher="local"))
    assert len(rows(tmp_path)) == 1, "nobody has to ask it"
    write_state(tmp_path, JOB)
    with pytest.raises(CambenchError, match=r"^squeue: expected an answer of Slurm, got: no controller; what is"):
        rows(tmp_path)


def test_those_begun_last_come_first_and_those_that_wait_before_them(tmp_path: Path) -> None:
    for key, began in (("old", BEGAN), ("waits", None), ("new", BEGAN + 5)):
        write_state(tmp_path, replace(JOB, key=key, began=began, state="finished"))
    assert [state.key for state in read_states(tmp_path)] == ["waits", "new", "old"]
