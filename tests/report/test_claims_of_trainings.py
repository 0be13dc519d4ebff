"""Verdicts on trainings themselves: how long they took, how far their curves differ, whether they failed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from report.hand_made import AGAINST_A_NUMBER, CGC, CH, Case

from cambench.recipes.load import load
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


def test_a_method_against_a_number_is_set_beside_the_claims_other_methods(case: Case) -> None:
    case.add("cgc", range(3), 0.3).add("ce", range(3), -0.3)
    assert case.judged(CH + AGAINST_A_NUMBER).verdict == "supported"
    made = case.train_to(40.0, case.networks("cgc")).judged(CH + AGAINST_A_NUMBER)
    assert [finding.verdict for finding in made.findings] == ["undecided", "supported"] and made.verdict == "undecided"
    assert "cgc trains to 40.0 % of top1, ce to 60.0 %: its recipe is at fault first" in made.notes


def test_the_networks_that_are_compared_are_set_beside_the_others_and_no_other_training_of_them(case: Case) -> None:
    long, short, plain = (
        {"recipe": load(method, "cub", "resnet50", preset={"train.epochs": epochs}).model_dump(mode="json")}
        for method, epochs in (("cgc", 30), ("cgc", 2), ("ce", 2))
    )
    case.add("cgc", range(4), 0.3, job=long).add("cgc", range(3), 0.3, job=short).add("ce", range(3), -0.3, job=plain)
    networks = case.networks("cgc")
    case.train_to(45.0, networks)
    for compared, verdict in ((20.0, "undecided"), (60.0, "supported")):
        case.train_to(compared, networks[:4])
        assert case.judged(CH + AGAINST_A_NUMBER).findings[0].verdict == verdict


def test_how_well_networks_are_trained_is_asked_on_the_images_that_are_compared(case: Case) -> None:
    case.add("cgc", range(3), 0.05).add("ce", range(3), 0.0)
    assert case.judged(CH + CGC).verdict == "supported"
    few = {"partial": ("first 10 of 100 images",), "n": 10, "job": {"recipe": {"data": {"measured on": "ten"}}}}
    for base in [record for record in case.records if record.metric == "ch" and record.method == "cgc"]:
        other = {"n": 500, "job": {"recipe": {"data": {"measured on": "another version"}}}}
        for facts in (few, {"dataset": "hard-imagenet"}, {"n": 10}, other):
            case.records.append(replace(case.make(base.method, base.seed, "top1", 3.0, **facts), run=base.run))
    assert case.judged(CH + CGC).verdict == "supported", "not on a part of them, nor on other data"


def test_sides_are_taken_that_saw_one_set_of_images(case: Case) -> None:
    part = {"partial": ("20 of 60 images",), "job": {"recipe": {"data": {"measured on": "part"}}}}
    case.add("cgc", range(3), 0.05, **part).add("ce", range(3), 0.0).add("ce", range(3), 0.0, **part)
    made = case.judged(CH + CGC)
    assert made.verdict == "supported" and made.findings[0].effect is not None, "not the whole set beside a part of it"
