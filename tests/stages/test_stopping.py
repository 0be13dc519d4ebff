"""SIGTERM in a training's process: the first is remembered, the second ends it, and before and after it is as ever."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import pytest
from forked import started

from cambench import processes
from cambench.stages.training.stopping import terminations


def ended(act: Callable[[], None]) -> int | None:
    """The exit code of a process that does this."""
    process = started(act)
    process.join()
    return process.exitcode


def once() -> None:
    """Hear one within the block."""
    with terminations() as terminated:
        assert not terminated()
        os.kill(os.getpid(), signal.SIGTERM)
        assert terminated()


def twice() -> None:
    """Hear two within the block."""
    with terminations():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
    os._exit(0)


def afterwards() -> None:
    """Hear one behind the block, before which it is as ever: torch's launcher leaves its own handler where it ran."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with terminations():
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    os._exit(0)


def test_the_first_is_remembered_and_the_second_ends_it() -> None:
    assert [ended(act) for act in (once, twice, afterwards)] == [0, -signal.SIGTERM, -signal.SIGTERM]


@pytest.mark.parametrize("count", [1, 2])
def test_it_is_said_by_one_process_alone(
    count: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Several say so in the end, once they agree."""
    monkeypatch.setattr(processes, "count", lambda: count)
    once()
    assert capfd.readouterr().err.count("SIGTERM: stopping once this epoch is finished") == (count == 1)
