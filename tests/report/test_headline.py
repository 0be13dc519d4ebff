"""The findings in words: who is best, what can be told apart and what cannot, over which seeds and images."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from scipy import stats

from cambench.metrics.statistics import over_seeds
from cambench.report.formats.headline import Headline, headlines
from cambench.report.formats.introduction import introduction
from cambench.store.records import Record, Rows, Value
from cambench.store.runs import RunInfo
from cambench.vocabulary import CambenchError

IDS = [f"{i}.jpg" for i in range(100)]


def no_rows(record: Record) -> Rows:
    """Rows that nobody may ask for."""
    raise AssertionError(f"{record.run}: rows are not needed over several seeds that saw every image")


def one(records: list[Record], read: Any = no_rows) -> Headline:
    """The only headline of the records."""
    (found,) = headlines(records, read)
    return found


def entries(found: Headline) -> dict[str, Any]:
    """Method -> its only entry."""
    return {name: row[0] for name, row in found.rows}


def test_an_interval_over_seeds_is_students() -> None:
    differences = [7.0, 9.0, 8.0]
    mean, (low, high) = over_seeds(differences)
    expected = stats.ttest_1samp(differences, 0.0).confidence_interval(0.95)
    assert (mean, low, high) == pytest.approx((8.0, expected.low, expected.high))
    with pytest.raises(CambenchError, match="expected at least 2, got 1"):
        over_seeds([1.0])


def test_a_difference_that_stands_out_is_said_and_marked(record: Any) -> None:
    values = {"ce": (60.0, 62.0, 61.0), "cgc": (68.0, 70.0, 70.0)}
    found = one([record(m, s, "ch", {"official": v, "correct": v}) for m, vs in values.items() for s, v in enumerate(vs)])
    assert found.baseline == "ce" and [q.name for q in found.questions] == ["ch official (%)"]
    cgc, ce = entries(found)["cgc"], entries(found)["ce"]
    assert (cgc.best, cgc.better, ce.best, ce.better, ce.sentence) == (True, True, False, None, "")
    low, high = over_seeds([8.0, 8.0, 9.0])[1]
    assert cgc.sentence == (
        f"cgc 69.33 %, ce 61.00 %: 8.33 points more, better (95 % interval {low:.2f} to {high:.2f}, 3 seeds)."
    )


def test_among_equals_none_is_best(record: Any) -> None:
    found = one([record(m, s, "top1", 50.0 + s) for m in ("ce", "cgc") for s in range(2)])
    assert not any(entry.best for entry in entries(found).values())


def test_what_cannot_be_told_apart_is_said(record: Any) -> None:
    values = {"ce": (60.0, 75.0, 61.0), "cgc": (68.0, 70.0, 69.0)}
    found = one([record(m, s, "top1", v) for m, vs in values.items() for s, v in enumerate(vs)])
    cgc = entries(found)["cgc"]
    assert cgc.best and cgc.better is None
    assert "cannot be told apart with 3 seeds (difference +3.67, 95 % interval −" in cgc.sentence


def test_less_is_better_where_the_arrow_points_down(record: Any) -> None:
    values = {"ce": (3.0, 3.1, 3.2), "cgc": (2.0, 2.1, 2.3)}
    found = one([record(m, s, "cgc-loss", v) for m, vs in values.items() for s, v in enumerate(vs)])
    cgc = entries(found)["cgc"]
    assert cgc.best and cgc.better and "less, better" in cgc.sentence and found.questions[0].arrow == "↓"


def test_of_one_seed_the_interval_is_over_the_images(record: Any) -> None:
    drawn = np.random.default_rng(0).uniform(0, 1, 100)
    rows = {"ce": drawn * 0.5, "cgc": drawn * 0.5 + 0.25}
    found = one([record("ce", 0, "iauc", 0.25), record("cgc", 0, "iauc", 0.5)], lambda r: Rows({"": rows[r.method]}, IDS))
    cgc = entries(found)["cgc"]
    assert (
        cgc.better
        and "0.2500 more, better (95 % interval 0.2500 to 0.2500, over the images of one seed each)" in cgc.sentence
    )


def test_other_seeds_or_other_images_are_not_set_against_each_other(record: Any) -> None:
    data = [{"recipe": {"data": {"measured on": m}}} for m in ("all", "part")]
    apart = one([record("ce", 0, "top1", 60.0, job=data[0]), record("cgc", 0, "top1", 80.0, job=data[1])])
    assert (
        entries(apart)["cgc"].sentence == "cgc and ce: not measured on the same images."
        and entries(apart)["cgc"].better is None
    )
    seeds = one([record("ce", 0, "top1", 60.0), record("cgc", 1, "top1", 80.0)])
    assert entries(seeds)["cgc"].sentence == "cgc and ce: not measured on the same images."


def test_a_metric_of_several_columns_is_set_against_the_baseline_by_its_headline(record: Any) -> None:
    values = {"fresh/1": 10.0, "fresh/2": 20.0, "fresh/mean": 15.0, "accumulated/1": 1.0}
    left = {"images left out": 2}  # for which the rows of a metric with a value an image are matched
    records = [
        record(m, 0, "cue-localisation", {k: v + n for k, v in values.items()}, counts=left)
        for n, m in enumerate(("cam", "calm-em"))
    ]
    found = one(records, lambda r: pytest.fail("its values are no means of rows"))
    assert found.questions[0].name.startswith("cue-localisation fresh/mean")
    assert "16.00" in entries(found)["calm-em"].sentence and "15.00" in entries(found)["calm-em"].sentence


def test_one_image_has_no_interval_in_words_either(record: Any) -> None:
    records = [record("ce", 0, "top1", 0.0), record("cgc", 0, "top1", 100.0)]
    for r in records:
        r.values[""] = Value(r.values[""].value, 1, None, None)
    found = one(records, lambda r: Rows({"": np.array([float(r.method == "cgc")])}, IDS[:1]))
    assert "interval" in entries(found)["cgc"].sentence and entries(found)["cgc"].better is None
    assert "no interval" in entries(found)["cgc"].sentence


def test_without_a_baseline_nothing_is_compared_and_two_settings_are_two_rows(record: Any) -> None:
    jobs = [{"recipe": {"train": {"epochs": e}}} for e in (6, 18)]
    found = one([record("cgc", 0, "top1", 60.0 + i, job=job) for i, job in enumerate(jobs)])
    assert found.baseline == "" and {e.sentence for e in entries(found).values()} == {""}
    assert len(entries(found)) == 2


def test_the_introduction_names_what_was_trained_and_how_often() -> None:
    run = RunInfo(method="ce", dataset="synthbirds", arch="torchvision:resnet18", finished=True, class_names=("a", "b"))
    run = replace(run, data={"images": 300}, recipe={"summary": "the baseline"})
    runs = [replace(run, seed=1, warnings=["Diverged in epoch 3"]), run]
    runs += [replace(run, method="cgc", finished=False), replace(run, kind="given")]
    (found,) = introduction(runs)
    assert found.methods[0].warnings == ["seed 1: Diverged in epoch 3"]
    assert (found.dataset, found.classes, found.images, found.archs) == ("synthbirds", "2 classes", "300 images", "resnet18")
    assert [(m.name, m.summary, m.seeds) for m in found.methods] == [("ce", "the baseline", "2 seeds: 0, 1")]
    assert found.title.startswith("procedural birds")
    (found,) = introduction([run, replace(run, class_names=("a", "b", "c"), data={"images": 40})])
    assert (found.classes, found.images) == ("2 to 3 classes", "40 to 300 images"), "of all runs, not of the first"
    assert introduction([run, replace(run, class_names=())])[0].classes == "", "one does not say"
