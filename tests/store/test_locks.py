"""One writer a job: the second waits and says so, a killed owner locks nobody out, children do not inherit."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cambench.store.jobs import JobState, at_work, folder
from cambench.store.locks import held, only_writer
from cambench.vocabulary import CambenchError

HOLD = """
import sys, time
from pathlib import Path
from cambench.store.locks import only_writer
with only_writer(Path(sys.argv[1])):
    if "child" in sys.argv:
        import os
        if os.fork() == 0:
            time.sleep(20)
            os._exit(0)
    print("held", flush=True)
    sys.stdin.read()
"""


def holder(target: Path, *how: str) -> subprocess.Popen[str]:
    """A process that holds the lock until its input ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(target), *how], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_the_second_waits_says_so_and_finds_nothing_left(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    target = tmp_path / "maps.h5"
    first = holder(target)
    second = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(target)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert second.stderr is not None and "maps.h5: another process is at it; waiting" in second.stderr.readline()
    assert second.poll() is None
    first.communicate("")
    assert second.stdout is not None and second.stdout.readline() == "held\n"
    second.communicate("")
    assert list(tmp_path.iterdir()) == [], "no lock file stays"
    with only_writer(target):
        assert len(list(tmp_path.iterdir())) == 1
    assert not caplog.text


def test_who_waits_for_a_job_says_which(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = holder(folder(tmp_path) / "2ad08fd3")
    assert first.stdin is not None
    threading.Timer(0.2, first.stdin.close).start()
    with at_work(tmp_path, JobState(key="2ad08fd3", title="train cgc, seed 0", launcher="local", owner="2ad08fd3")):
        assert "train cgc, seed 0: another process is at it; waiting" in caplog.text
    first.wait()


@pytest.mark.parametrize("how", [(), ("child",)])
def test_a_killed_owner_locks_nobody_out(tmp_path: Path, how: tuple[str, ...], caplog: pytest.LogCaptureFixture) -> None:
    """Not even where a child of it, such as a loader's worker, lives on."""
    target = tmp_path / "maps.h5"
    process = holder(target, *how)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL and (tmp_path / ".maps.h5.lock").exists()
    began = time.monotonic()
    with only_writer(target):
        assert time.monotonic() - began < 5
    assert list(tmp_path.iterdir()) == [] and not caplog.text


def test_a_place_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    with (
        pytest.raises(CambenchError, match=r"cannot write .*maps\.h5: .*choose another --results"),
        only_writer(tmp_path / "file" / "maps.h5"),
    ):
        pass


def test_who_asks_for_a_lock_of_his_own_keeps_it(tmp_path: Path) -> None:
    """By whatever path; a child of his does not hold it."""
    ask = "import sys, pathlib; from cambench.store.locks import held; print(held(pathlib.Path(sys.argv[1])))"
    (tmp_path / "link").symlink_to(tmp_path)
    with only_writer(tmp_path / "maps.h5"):
        (lock,) = tmp_path.glob(".*.lock")
        assert not held(lock) and not held(tmp_path / "link" / lock.name)
        assert subprocess.check_output([sys.executable, "-c", ask, str(lock)]) == b"True\n"
        child = os.fork()
        if not child:
            os._exit(held(lock))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    assert not held(lock)


def test_many_writers_never_write_at_once(tmp_path: Path) -> None:
    script = """
import sys
from pathlib import Path
from cambench.store.locks import only_writer
target = Path(sys.argv[1])
for _ in range(100):
    with only_writer(target):
        n = int(target.read_text())
        target.write_text(str(n + 1))
"""
    target = tmp_path / "count"
    target.write_text("0")
    several = [subprocess.Popen([sys.executable, "-c", script, str(target)], stderr=subprocess.DEVNULL) for _ in range(3)]
    assert [process.wait() for process in several] == [0, 0, 0]
    assert target.read_text() == "300" and list(tmp_path.iterdir()) == [target]


def test_who_may_only_read_a_lock_sees_that_it_is_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's lock file: it cannot be opened for writing."""
    target = tmp_path / "maps.h5"
    first = holder(target)
    (lock,) = tmp_path.iterdir()
    opened = os.open

    def read_only(path: Path, flags: int, *mode: int) -> int:
        if flags & (os.O_RDWR | os.O_WRONLY):
            raise PermissionError(13, "not yours")
        return opened(path, flags, *mode)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", read_only)
        assert held(lock)
    first.communicate("")
    assert not held(lock)
