"""The benchmark that shows whether every method learns on synthbirds: what it trains, what it makes of the runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks import stability
from benchmarks.settings import Settings
from benchmarks.stability import Done, Job, jobs, table
from cambench.recipes import load as recipes
from cambench.stages.workplace import Place
from cambench.vocabulary import NotFiniteError


def done(seed: int, value: float | None, notes: str = "", method: str = "ce") -> Done:
    """A run of the benchmark."""
    return Done("synthbirds", method, seed, "top1", value, 10.0 + seed, notes)


def test_every_method_is_there_on_the_data_that_it_learns_from_seed_by_seed() -> None:
    every = list(jobs([], 10))
    assert {job.method for job in every} == set(recipes.METHODS)
    assert [job.seed for job in every] == sorted(job.seed for job in every) and every[-1].seed == 9
    first = {(job.method, job.dataset): job.metric for job in every if job.seed == 0}
    assert first[("cfbce", "synthbirds-multilabel")] == "average-precision"
    assert first[("segment-frozen", "synthbirds-multilabel")] == "segmentation-iou"
    assert first[("cfce", "synthbirds")] == first[("cfce", "synthbirds-binary")] == "top1"
    assert ("cgc", "synthbirds-binary") not in first and ("bce", "synthbirds") not in first


def test_the_worst_seed_decides_and_a_run_without_a_value_fails() -> None:
    made = table([done(2, 99.0), done(0, 80.0), done(1, 95.0), done(0, 99.0, method="cgc"), done(1, None, "nan", "cgc")])
    (ce, cgc) = made.to_dict("records")
    assert (ce["worst"], ce["median"], ce["best"], ce["seeds"], ce["cpu_seconds"]) == (80.0, 95.0, 99.0, "0 1 2", 11.0)
    assert ce["passed"] and ce["values"] == "80.0 95.0 99.0" and ce["notes"] == ""
    assert not cgc["passed"] and cgc["values"] == "99.0 failed" and cgc["notes"] == "seed 1: nan"
    assert not table([done(0, 79.9)])["passed"].any()


def test_a_second_call_goes_on_and_a_failure_is_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    trained: list[Job] = []

    def measured(job: Job, place: object) -> Done:
        trained.append(job)
        return done(job.seed, 90.0)

    monkeypatch.setattr(stability, "measured", measured)
    stability.run(Settings(methods=("ce",), seeds=1, results=tmp_path))
    stability.run(Settings(methods=("ce",), seeds=3, results=tmp_path))
    assert [job.seed for job in trained] == [0, 1, 2]
    assert (tmp_path / "stability.csv").read_text().splitlines()[1].startswith("synthbirds,ce,top1,80,True,0 1 2,90,90,90,")
    assert "1 of 1 lines pass" in capsys.readouterr().out
    monkeypatch.undo()

    def broken(*_: object) -> None:
        raise NotFiniteError("loss nan")

    monkeypatch.setattr(stability, "train", broken)
    assert stability.measured(Job("synthbirds", "ce", 0), Place(tmp_path, tmp_path)) == Done(
        "synthbirds", "ce", 0, "top1", None, 0.0, "loss nan"
    )
