"""A kill, a full or broken disk, a lost answer at any change of a verb: done again, it ends as if nothing had happened."""

from __future__ import annotations

import errno
import itertools
import os
import signal
import threading
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from dying import FAULTS, Killed, artefacts, failing
from verbs import VERBS, begin, fresh, job

from cambench.files import hidden
from cambench.stages.housekeeping.catalogue import runs
from cambench.stages.training.stopping import terminations
from cambench.stages.training.train import train
from cambench.stages.workplace import Place
from cambench.store.runs import read_runs
from cambench.vocabulary import CambenchError, StoppedError

MOMENTS = int(os.environ.get("MOMENTS", "3"))
"""At how many changes of each verb each fault befalls it; by hand, MOMENTS=1000 for every one."""


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Place:
    """Images, and a finished run that nobody writes to."""
    return begin(tmp_path_factory.mktemp("begun"))


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is explained or measured is written four images at a time."""
    monkeypatch.setattr("cambench.stages.measuring.explain.CHUNK", 4)
    monkeypatch.setattr("cambench.stages.measuring.rows.COMMIT", 4)


@pytest.fixture(scope="module")
def undisturbed(begun: Place, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[dict[str, Any], int]]:
    """Verb -> what it leaves, and by how many changes of the disk."""

    @cache
    def of(verb: str) -> tuple[dict[str, Any], int]:
        folder = tmp_path_factory.mktemp("undisturbed") / "results"
        VERBS[verb](fresh(verb, begun, folder))  # what the disk remembers of the images is there from now on
        place = fresh(verb, begun, folder)
        with pytest.MonkeyPatch.context() as patch, failing(0, "killed", patch) as changes:
            VERBS[verb](place)
        return artefacts(place.results), len(changes)

    return of


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("verb", VERBS)
def test_a_fault_changes_nothing_in_the_end(
    verb: str, fault: str, begun: Place, undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    act, (whole, count) = VERBS[verb], undisturbed(verb)
    shift = list(VERBS).index(verb) + list(FAULTS).index(fault)
    for moment in sorted({1 + (i * count // MOMENTS + shift) % count for i in range(min(MOMENTS, count))}):
        place = fresh(verb, begun, tmp_path / "results")
        with failing(moment, fault, monkeypatch):
            befallen(act, place)
        act(place)
        assert artefacts(place.results) == whole, f"{fault} at change {moment} of {count}"


@pytest.mark.parametrize("verb", ["train", "explain", "eval"])
def test_a_clock_that_jumps_changes_nothing(
    verb: str, begun: Place, undisturbed: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed half-way, gone on with where every file is of a year to come and the clock of 1970 goes backwards."""
    act, place, (whole, count) = VERBS[verb], fresh(verb, begun, tmp_path / "results"), undisturbed(verb)
    with failing(count // 2, "killed", monkeypatch):
        befallen(act, place)
    for n, file in enumerate(sorted(place.results.rglob("*"), reverse=True)):
        os.utime(file, (4e9 - n, 4e9 - n))
    ticks = itertools.count(10**6, -1)
    monkeypatch.setattr(time, "time", lambda: float(next(ticks)))
    monkeypatch.setattr(time, "time_ns", lambda: next(ticks) * 10**9)
    act(place)
    assert artefacts(place.results) == whole
    (run,) = read_runs(place.results)
    assert all(line["seconds"] >= 0 for line in run.log())
    assert runs(place.results)[0]["state"].startswith("finished")


def befallen(act: Callable[[Place], Any], place: Place) -> None:
    """A verb that a fault befalls, or that does not heed it (a lock file that stays); what is said of it is said well."""
    try:
        act(place)
    except (Killed, KeyboardInterrupt):
        pass
    except CambenchError as e:
        assert "free some space" in str(e)
    except OSError as e:
        assert e.errno in (errno.EIO, errno.ESTALE, errno.ENOSPC)


@pytest.mark.parametrize("epoch", [1, 2])
def test_a_training_that_is_told_to_end_saves_its_epoch_and_nothing_follows_it(
    begun: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, epoch: int
) -> None:
    from cambench.stages.training.loop import Loop

    place, before = Place(begun.data, tmp_path / "results", "cpu"), signal.getsignal(signal.SIGTERM)
    learn = Loop.learn

    def warned(self: Loop, *arguments: Any) -> None:
        if self.epoch == epoch - 1:
            monkeypatch.setattr(Loop, "learn", learn)
            os.kill(os.getpid(), signal.SIGTERM)
        learn(self, *arguments)

    monkeypatch.setattr(Loop, "learn", warned)
    after = ("after epoch 1 of 2; the same command goes on", "after its last epoch; it is finished")[epoch - 1]
    with pytest.raises(StoppedError, match=f"stopped by SIGTERM {after}") as stopped:
        train(job(place), place)
    assert stopped.value.exit_code == 143 and signal.getsignal(signal.SIGTERM) == before
    (run,) = read_runs(place.results)
    assert (len(run.log()), run.finished) == (epoch, epoch == 2)
    whole = Place(begun.data, tmp_path / "whole", "cpu")
    train(job(whole), whole)
    train(job(place), place)
    assert artefacts(place.results) == artefacts(whole.results)


def test_a_thread_hears_no_signal() -> None:
    heard: list[bool] = []

    def ask() -> None:
        with terminations() as terminated:
            heard.append(terminated())
        heard.append(True)  # and the block is over

    thread = threading.Thread(target=ask)
    thread.start()
    thread.join()
    assert heard == [False, True]


def test_two_hosts_never_write_under_one_hidden_name(monkeypatch: pytest.MonkeyPatch) -> None:
    names = set()
    for host in ("node1", "node2"):
        monkeypatch.setattr("platform.node", lambda host=host: host)
        names.add(hidden(Path("runs/last.pt")).name)
    assert len(names) == 2 and all(name.startswith(".last.pt.") and name.endswith(".tmp") for name in names)
