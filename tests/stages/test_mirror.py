"""A job on a machine that does not see the results: what comes to it, what comes back, what a lost one leaves."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny import TINY

from cambench.stages.reproducing import mirror
from cambench.stages.reproducing.inventory import begins_from
from cambench.stages.reproducing.launch import state_of
from cambench.stages.reproducing.measurement import Measurement
from cambench.stages.reproducing.mirror import Copy, Keeper, mirrored
from cambench.stages.reproducing.plan import Job, Network
from cambench.stages.reproducing.reproduce import network_run, perform
from cambench.stages.workplace import Place
from cambench.store.jobs import at_work, stored
from cambench.store.records import read_records
from cambench.vocabulary import CambenchError

CE = Network("ce", None, "synthbirds", overrides=tuple(TINY))
CH = Measurement("ch", "synthbirds", "test", "grad-cam", "logit")


def calling(keeper: Keeper) -> mirror.Call:
    """How a job asks a keeper in the same process."""
    return lambda name, *arguments: getattr(keeper, name)(*arguments)


def files(results: Path) -> dict[str, bytes]:
    """Every artefact below a results root; what became of jobs aside."""
    paths = [path for kind in ("runs", "heatmaps", "records") for path in (results / kind).rglob("*")]
    return {str(path.relative_to(results)): path.read_bytes() for path in paths if path.is_file()}


@contextmanager
def elsewhere(job: Job, keeper: Keeper, attempt: str = "one") -> Iterator[Place]:
    """A place of which the keeper's results get what is written."""
    with mirrored(job, attempt, keeper.place, calling(keeper)) as there:
        yield there


def test_a_training_and_a_measurement_come_back_as_they_are_made_at_home(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In parts of 1,000 bytes; the run's weights are those of the fixture's own training."""
    monkeypatch.setattr(mirror, "PART", 1000)
    keeper = Keeper(replace(place, results=tmp_path / "results"))
    for job in (Job(CE), Job(CE, CH)):
        with elsewhere(job, keeper) as there:
            assert there.results != keeper.place.results
            perform(job, there)
            made = files(there.results)
        assert files(keeper.place.results) == made and made
    run = network_run(CE, keeper.place)
    assert (run.path / "last.pt").read_bytes() == (place.results / "runs" / run.name / "last.pt").read_bytes()
    assert {record.metric for record in read_records(keeper.place.results)} == {"ch"}
    assert not any(path.name.startswith(".") for path in keeper.place.results.rglob("*")), "no part is left"


def test_a_lost_machine_takes_along_what_it_did_since_it_sent(place: Place, tmp_path: Path) -> None:
    keeper, at = Keeper(replace(place, results=tmp_path / "results")), tmp_path / "lost"
    lost = Copy(Job(CE), "one", at, calling(keeper))
    run = network_run(CE, place).path
    (at / "runs" / run.name).mkdir(parents=True)
    shutil.copy(run / "log.jsonl", at / "runs" / run.name)
    assert lost.send() and files(keeper.place.results) == files(at)
    keeper.write("one", f"runs/{run.name}/last.pt", 0, b"half of it")
    assert files(keeper.place.results) == files(at), "what is half sent is not there"
    shutil.copy(run / "run.json", at / "runs" / run.name)
    (at / "runs" / run.name / "log.jsonl").unlink()
    assert lost.send() and list(files(keeper.place.results)) == [f"runs/{run.name}/run.json"], "what is gone goes"
    keeper.write("one", f"runs/{run.name}/last.pt", 0, b"half of it")
    half = keeper.place.results / "runs" / run.name / ".last.pt.tmp"
    half.touch()
    again = Copy(Job(CE), "two", tmp_path / "again", calling(keeper))
    assert files(again.results) == files(at), "and nothing that is being written at home"
    half.unlink()
    (at / "runs" / run.name / "log.jsonl").write_text("later")
    with pytest.raises(CambenchError, match="a later one beside it"):
        lost.send()
    assert not list(keeper.place.results.rglob(".*")), "what it had half sent is gone"


@pytest.fixture
def keeper(tmp_path: Path) -> Keeper:
    """The keeper of empty results, beside a folder of data."""
    (tmp_path / "data").mkdir()
    return Keeper(Place(tmp_path / "data", tmp_path / "results", "cpu"))


def test_nothing_is_sent_of_a_moment_at_which_files_change(
    keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Copy(Job(CE), "one", tmp_path / "there", calling(keeper))
    file = copy.results / "runs" / "r" / "run.json"
    file.parent.mkdir(parents=True)
    file.write_text("old")
    link = mirror.os.link

    def changes(source: Path, target: Path) -> None:
        link(source, target)
        source.with_name("last.pt").write_bytes(b"new")

    with monkeypatch.context() as patched:
        patched.setattr(mirror.os, "link", changes)
        assert not copy.send() and not files(keeper.place.results)
    assert copy.send() and len(files(keeper.place.results)) == 2


def test_a_file_system_without_links_sends_copies(keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_links(source: Path, target: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(mirror.os, "link", no_links)
    copy = Copy(Job(CE), "one", tmp_path / "there", calling(keeper))
    (copy.results / "runs" / "r").mkdir(parents=True)
    (copy.results / "runs" / "r" / "run.json").write_text("new")
    assert copy.send() and files(keeper.place.results) == files(copy.results) and files(copy.results)


def test_what_is_written_is_sent_while_the_job_works(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """Empty files too, and folders that are empty by now go; what is refused ends the job, once it is over."""
    monkeypatch.setattr(mirror, "EVERY", 0.01)

    def wait(names: list[str]) -> None:
        end = time.monotonic() + 60
        while list(files(keeper.place.results)) != names and time.monotonic() < end:
            time.sleep(0.01)
        assert list(files(keeper.place.results)) == names

    with elsewhere(Job(CE), keeper) as there:
        (there.results / "runs" / "r").mkdir(parents=True)
        (there.results / "runs" / "r" / "log.jsonl").touch()
        wait(["runs/r/log.jsonl"])
        (there.results / "runs" / "r" / "log.jsonl").unlink()
        wait([])
    assert not (keeper.place.results / "runs" / "r").exists()
    with pytest.raises(CambenchError, match="a later one beside it"), elsewhere(Job(CE), keeper) as there:
        keeper.begin(Job(CE), "two")
        (there.results / "runs").mkdir(parents=True)
        (there.results / "runs" / "x").touch()


def test_what_does_not_arrive_once_is_sent_again(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror, "EVERY", 0.01)
    failed: list[str] = []

    def call(name: str, *given: Any) -> Any:
        if name == "write" and not failed:
            failed.append(name)
            raise CambenchError("the network is away")
        return getattr(keeper, name)(*given)

    with mirrored(Job(CE), "one", keeper.place, call) as there:
        (there.results / "runs").mkdir(parents=True)
        (there.results / "runs" / "x").write_text("whole")
        end = time.monotonic() + 60
        while "runs/x" not in files(keeper.place.results) and time.monotonic() < end:
            time.sleep(0.01)
        assert failed and files(keeper.place.results) == {"runs/x": b"whole"}, "while the job is at work"


def test_files_arrive_in_the_order_in_which_they_were_written(keeper: Keeper, tmp_path: Path) -> None:
    commits: list[list[str]] = []
    copy = Copy(Job(CE), "one", tmp_path / "there", calling(keeper))
    copy.call = lambda name, *given: commits.append(given[1]) if name == "commit" else None
    (copy.results / "runs").mkdir(parents=True)
    for n, name in enumerate("bca"):
        (copy.results / "runs" / name).write_text(name)
        os.utime(copy.results / "runs" / name, ns=(n, n))
    assert copy.send() and copy.send() and commits == [["runs/b", "runs/c", "runs/a"]], "once"
    (copy.results / "runs" / "b").write_text("B")
    os.utime(copy.results / "runs" / "b", ns=(9, 9))
    (copy.results / "runs" / "c").write_text("cc")
    os.utime(copy.results / "runs" / "c", ns=(1, 1))
    assert copy.send() and commits[1] == ["runs/c", "runs/b"], "by their dates and sizes"


def test_what_is_being_written_stays_where_it_is(tmp_path: Path) -> None:
    ours = {"log.jsonl": True, ".log.jsonl.tmp": False, ".r.lock": False, "x.tmp": True, ".hidden": True}
    for name, is_it in ours.items():
        (tmp_path / name).touch()
        assert mirror.is_ours(tmp_path / name, tmp_path) == is_it, name
    (tmp_path / ".r.tmp").mkdir()
    (tmp_path / ".r.tmp" / "run.json").touch()
    assert not mirror.is_ours(tmp_path / ".r.tmp" / "run.json", tmp_path) and not mirror.is_ours(tmp_path, tmp_path)


def test_attempts_are_counted_on_wherever_they_are_made(keeper: Keeper) -> None:
    job = Job(CE)
    for n in (1, 2):
        with elsewhere(job, keeper, str(n)) as there, at_work(there.results, state_of(job, "ray")):
            pass
        state = stored(keeper.place.results, job.key)
        assert state is not None and (state.state, state.attempts) == ("finished", n)


def test_images_are_read_where_they_are(keeper: Keeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CAMBENCH_DATA", str(tmp_path / "own"))
    for data, expected in ((keeper.place.data, keeper.place.data), (tmp_path / "nowhere", tmp_path / "own")):
        with mirrored(Job(CE), "one", replace(keeper.place, data=data), calling(keeper)) as there:
            assert there.data == expected
    monkeypatch.delenv("CAMBENCH_DATA")
    with mirrored(Job(CE), "one", replace(keeper.place, data=tmp_path / "nowhere"), calling(keeper)) as there:
        assert there.data == tmp_path / "nowhere", "which is then said not to be there"


def test_a_job_begins_from_its_run_the_one_before_it_and_kept_epochs(place: Place) -> None:
    run = network_run(CE, place)
    own = [f"{kind}/{run.name}" for kind in ("runs", "heatmaps", "records")]
    assert [str(path.relative_to(place.results)) for path in begins_from(Job(CE, CH), place)] == own
    unborn: Any = Network("ce", None, "synthbirds", 7, overrides=tuple(TINY))
    assert begins_from(Job(unborn), place) == []
