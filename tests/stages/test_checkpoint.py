"""Which checkpoint is evaluated: the last or the best, as a fact of records, heatmaps, selections and plans."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from cambench.metrics.faithfulness import infidelity
from cambench.recipes.tables import Select
from cambench.report.tables.select import groups, matches
from cambench.report.tables.summary import summary
from cambench.stages.measuring import works
from cambench.stages.measuring.explain import ExplainJob
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import load_network
from cambench.stages.reporting.gallery import by_view, first_seeds, side_by_side
from cambench.stages.reporting.paired import sides
from cambench.stages.reproducing.inventory import is_record
from cambench.stages.reproducing.plan import Wish, measurement
from cambench.stages.workplace import Place
from cambench.store.checkpoints import load_checkpoint, save_checkpoint
from cambench.store.heatmaps import read_heatmaps
from cambench.store.records import Record, read_record, read_records, records_of
from cambench.store.runs import find_run
from cambench.vocabulary import UsageError

RUN = "synthbirds-ce"
BEST = works.Works([RUN], checkpoint="best")
LAST = works.Works([RUN])
METRICS = ("top1", "iauc", "drop-increase", "infidelity:draws=8")


@pytest.fixture(scope="module", autouse=True)
def apart(place: Place) -> None:
    """A best checkpoint whose weights are others than the last one's."""
    path = find_run(RUN, place.results).path
    state = load_checkpoint(path / "last.pt")
    state["model"] = {k: v * 0.5 if v.is_floating_point() else v for k, v in state["model"].items()}
    save_checkpoint(path / "best.pt", state)


@pytest.fixture(scope="module")
def records(place: Place, apart: None) -> dict[tuple[str, str], Record]:
    """Every metric of both checkpoints."""
    patch = pytest.MonkeyPatch()
    wanted = [EvalJob(name) for name in METRICS]
    found = [*works.evaluate_all(LAST, wanted, place), *works.evaluate_all(BEST, wanted, place)]
    patch.undo()
    return {(r.metric, r.checkpoint): r for r in found}


def test_both_are_measured_and_stay_apart(records: dict[tuple[str, str], Record], place: Place) -> None:
    assert set(records) == {(m, c) for m in METRICS for c in ("last", "best")}
    for metric in METRICS:
        last, best = records[metric, "last"], records[metric, "best"]
        assert last.values != best.values or metric == "top1"
        kept = [next(r.job[k] for k in ("maps", "input") if k in r.job) for r in (last, best)]
        assert "epoch" not in kept[0] and kept[1]["epoch"] == "best" and kept[0]["checkpoint"] != kept[1]["checkpoint"]
    assert works.evaluate_all(BEST, [EvalJob("iauc")], place) == [records["iauc", "best"]], "read, not measured again"
    assert len(read_records(place.results)) == 2 * len(METRICS)


def test_values_are_those_of_the_checkpoints_network(records: dict[tuple[str, str], Record], place: Place) -> None:
    run = find_run(RUN, place.results)
    networks = [load_network(run, place, checkpoint=c) for c in ("last", "best")]
    image = torch.randn(2, 3, networks[0].size, networks[0].size)
    assert not torch.equal(*(n.logits(image) for n in networks))
    drop = records["drop-increase", "best"]
    assert (drop.explainer, drop.layer, len(drop.values)) == ("grad-cam", networks[1].layer, 12)
    for kept in ("0.15", "0.30", "0.45"):
        both = [drop.values[f"{kept}/{name}-percent"].value for name in ("drop", "increase")]
        assert 0 < sum(both) <= 1
    assert set(records["infidelity:draws=8", "best"].values) == set(infidelity.VARIANTS)


def test_selections_tell_them_apart_and_an_old_record_is_of_the_last(
    records: dict[tuple[str, str], Record], place: Place, tmp_path: Path
) -> None:
    best, last = records["top1", "best"], records["top1", "last"]
    for checkpoint, fits in ((None, last), ("last", last), ("best", best)):
        select = Select(metric="top1", checkpoint=checkpoint)  # type: ignore[arg-type]
        assert [r for r in (best, last) if matches(select, r)] == [fits]
    assert len(groups([best, last])) == 2, "never averaged"
    path = next(r.path for r in records_of(place.results, last.run) if r == last)
    old = json.loads(path.read_text())
    del old["checkpoint"]
    (tmp_path / "old.json").write_text(json.dumps(old))
    assert read_record(tmp_path / "old.json") == last


def test_a_summary_has_a_row_each_and_says_which(records: dict[tuple[str, str], Record]) -> None:
    (table,) = summary(records[m, c] for m in ("top1", "iauc") for c in ("last", "best"))
    assert len(table.rows) == 2 and all(cell.measured for row in table.rows for cell in row.cells)
    said = " ".join([*table.notes, *table.footnotes])
    assert "Weights of the best epoch by validation accuracy" in said


def test_plans_ask_for_one_or_the_other(records: dict[tuple[str, str], Record], place: Place) -> None:
    run = find_run(RUN, place.results)
    asked = {
        c: measurement(Select(dataset="synthbirds", metric="top1", method="ce", checkpoint=c), Wish())  # type: ignore[arg-type]
        for c in (None, "last", "best")
    }
    assert asked[None] == asked["last"] and asked["best"].label == "top1 on synthbirds test, best epoch"
    for c in ("last", "best"):
        assert [k for k in ("last", "best") if is_record(asked[c], records["top1", k], run)] == [c]


def test_heatmaps_and_paired_tests(records: dict[tuple[str, str], Record], place: Place) -> None:
    paths = [works.explain_all(w, [ExplainJob(view="resize")], place)[0] for w in (LAST, BEST)]
    assert [read_heatmaps(p).job.get("epoch") for p in paths] == [None, "best"]
    run = find_run(RUN, place.results)
    labels = [shown.label for shown in first_seeds(side_by_side(by_view([run], place.results))[0])]
    assert sorted(labels) == ["ce resnet8 grad-cam", "ce resnet8 grad-cam best epoch"]
    assert {side.record.checkpoint for side in sides(run, place.results, None, None, "run")} == {"last"}


def test_no_best_checkpoint_and_wrong_words(place: Place) -> None:
    with pytest.raises(UsageError, match=r"--checkpoint first: expected last or best\."):
        works.evaluate_all(works.Works([RUN], checkpoint="first"), [EvalJob("top1")], place)
    cgc = find_run("synthbirds-cgc", place.results)
    with pytest.raises(
        UsageError, match=r"expected best\.pt, found none: the run validated no epoch; use --checkpoint last"
    ):
        load_network(cgc, place, checkpoint="best")
