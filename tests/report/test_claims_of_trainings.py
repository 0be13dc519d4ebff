"""Verdicts on trainings themselves: how long they took, how far their curves differ, whether they failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from report.hand_made import CGC, Case

from cambench.report.formats import claims as formats
from cambench.store.runs import Run, RunInfo


@pytest.fixture
def case(record: Any) -> Case:
    return Case(record)


@pytest.fixture
def trained(case: Case, tmp_path: Path) -> Case:
    """Three seeds of cgc and ce with their logs: cgc takes 1.4 times as long and its curves differ less."""
    for method, seconds, spread in (("cgc", 14.0, 1.0), ("ce", 10.0, 5.0)):
        for seed in range(3):
            name = f"{method}-{seed}"
            run = Run(tmp_path / name, RunInfo(method=method, seed=seed, seconds=seconds * 2 + seed / 10, finished=True))
            run.path.mkdir()
            run.write_log([{"validation_accuracy": 50.0 + spread * (seed - 1) + epoch} for epoch in range(2)])
            case.runs[name] = run
            case.records.append(case.make(method, seed, "top1", 60.0, run=name))
    return case


def test_what_is_said_of_trainings_has_an_interval_over_seeds_alone(trained: Case) -> None:
    top1 = 'select = { metric = "top1" }\n'
    cost = CGC.replace('"up"', '"equal"') + 'quantity = "epoch-seconds"\nrelative = true\nexpected = 42.9\nmargin = 10.0\n'
    made = trained.judged(top1 + cost)
    own = made.findings[0]
    assert made.verdict == "supported" and own.effect is not None and own.effect.interval is None
    assert own.effect.difference == pytest.approx(40, abs=1) and own.unit == "%" and formats.drawn(own)["n"] == "3"
    deviation = trained.judged(top1 + CGC.replace('"up"', '"down"') + 'quantity = "curve-deviation"\n')
    assert deviation.findings[0].effect is not None
    assert deviation.findings[0].effect.by_seed == pytest.approx((-4.0, 0.0, -4.0)) and deviation.verdict == "undecided"
    failed = trained.judged(top1 + CGC + 'quantity = "failed"\n')
    assert failed.verdict == "undecided", "none failed: no difference"


def test_how_many_percent_above_nothing_is_no_number(trained: Case) -> None:
    made = trained.judged('select = { metric = "top1" }\n' + CGC + 'quantity = "failed"\nrelative = true\n')
    assert made.verdict == "not measured" and "finite" in made.findings[0].notes[0], "none of the other side failed"
