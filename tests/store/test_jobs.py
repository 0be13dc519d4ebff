"""What is known of a job: by whoever is at it, after a kill, an error, an interrupt."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from cambench.stages.reproducing.states import rows
from cambench.store.jobs import JobState, at_work, enqueue, folder, forget, read_state, read_states, write_state
from cambench.vocabulary import CambenchError, StoppedError

JOB = JobState(key="ab12", title="train ce", launcher="local", owner="ab12")
KILLED = """
import os, signal, sys
from pathlib import Path
from cambench.stages.reproducing.states import rows
from cambench.store.jobs import JobState, at_work
with at_work(Path(sys.argv[1]), JobState(key="ab12", title="train ce", launcher="local", owner="ab12")):
    print("running", flush=True)
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def facts(results: Path) -> tuple[str, int, str]:
    """State, attempts and reason of the job."""
    (state,) = read_states(results)
    return state.state, state.attempts, state.reason


def test_a_job_is_running_only_while_somebody_is_at_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None and child.stdout.readline() == "running\n"
        assert facts(tmp_path) == ("running", 1, "")
        child.communicate("die\n")
    assert facts(tmp_path) == ("stopped", 1, "")
    with at_work(tmp_path, JOB):
        pass
    assert facts(tmp_path) == ("finished", 2, "")


def test_a_clock_that_goes_back_is_no_negative_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks = iter([5e8, 4e8, 3e8, 2e8, 1e8])
    monkeypatch.setattr(time, "time", lambda: next(ticks))
    with at_work(tmp_path, JOB):
        assert read_state(tmp_path, "ab12") is not None
    assert facts(tmp_path) == ("finished", 1, "")
    ((row,), state) = rows(tmp_path), read_state(tmp_path, "ab12")
    assert state is not None and (state.began, state.ended) == (5e8, 4e8)
    assert row["took"] == "0 s" and row["state"] == "finished"


def test_an_error_is_the_reason_and_an_interrupt_is_none(tmp_path: Path) -> None:
    with pytest.raises(CambenchError), at_work(tmp_path, JOB):
        raise CambenchError("it does not want to.")
    assert facts(tmp_path) == ("failed", 1, "it does not want to.")
    (failed,) = read_states(tmp_path)
    assert failed.began is not None and failed.ended is not None and failed.host == socket.gethostname()
    with pytest.raises(KeyboardInterrupt), at_work(tmp_path, JOB):
        raise KeyboardInterrupt
    with pytest.raises(StoppedError), at_work(tmp_path, JOB):
        raise StoppedError("it was asked to.")
    assert facts(tmp_path) == ("stopped", 3, "")


def test_what_is_queued_never_covers_what_has_begun(tmp_path: Path) -> None:
    queued = replace(JOB, launcher="slurm", slurm="12_3")
    enqueue(tmp_path, queued)
    assert read_state(tmp_path, "ab12") == queued
    with at_work(tmp_path, queued):
        pass
    enqueue(tmp_path, queued)
    assert facts(tmp_path) == ("finished", 1, "")
    forget(tmp_path, "ab12")
    enqueue(tmp_path, queued)
    assert facts(tmp_path) == ("queued", 0, "") and len([*folder(tmp_path).iterdir()]) == 1


def test_a_file_system_without_links_has_a_queue_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", no_links)
    enqueue(tmp_path, JOB)
    assert read_state(tmp_path, "ab12") == JOB and len([*folder(tmp_path).iterdir()]) == 1
    with at_work(tmp_path, JOB):
        enqueue(tmp_path, JOB)
    assert facts(tmp_path) == ("finished", 1, "")


def test_a_damaged_state_is_passed_over_and_named_when_asked_for(tmp_path: Path) -> None:
    write_state(tmp_path, JOB)
    (folder(tmp_path) / "cd34.json").write_text('{"schema": 1, "key": "cd34"}')
    assert [state.key for state in read_states(tmp_path)] == ["ab12"]
    with pytest.raises(CambenchError, match="delete the file"):
        read_state(tmp_path, "cd34")
