"""A job on a machine that does not see the results: what comes to it, what comes back, what a lost one leaves."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny import TINY

from cambench.stages.reproducing import mirror
from cambench.stages.reproducing.inventory import begins_from
from cambench.stages.reproducing.measurement import Measurement
from cambench.stages.reproducing.mirror import Copy, Keeper, mirrored
from cambench.stages.reproducing.plan import Job, Network
from cambench.stages.reproducing.reproduce import network_run, perform
from cambench.stages.workplace import Place
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
    again = Copy(Job(CE), "two", tmp_path / "again", calling(keeper))
    assert files(again.results) == files(at)
    (at / "runs" / run.name / "log.jsonl").write_text("later")
    with pytest.raises(CambenchError, match="a later one beside it"):
        lost.send()


def test_nothing_is_sent_of_a_moment_at_which_files_change(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = Keeper(replace(place, results=tmp_path / "results"))
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


def test_a_job_begins_from_its_run_the_one_before_it_and_kept_epochs(place: Place) -> None:
    run = network_run(CE, place)
    own = [f"{kind}/{run.name}" for kind in ("runs", "heatmaps", "records")]
    assert [str(path.relative_to(place.results)) for path in begins_from(Job(CE, CH), place)] == own
    unborn: Any = Network("ce", None, "synthbirds", 7, overrides=tuple(TINY))
    assert begins_from(Job(unborn), place) == []
