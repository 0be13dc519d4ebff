"""`cambench rank`: what a preset measures, what is at hand, what is left out, in every format."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from tiny import TINY
from typed import Typed

from cambench.explainers import find_explainer
from cambench.recipes import rankings
from cambench.stages.measuring import works
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.reporting.figures.index import draw
from cambench.stages.reporting.rank import rankable
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.records import records_of
from cambench.vocabulary import CambenchError, UsageError

RUN = "synthbirds-ce"
FEW = ("-e", "grad-cam", "-e", "random", "-e", "center", "-m", "iauc:rows=16", "-m", "ch", "-m", "px-ap")


def roots(place: Place) -> tuple[object, ...]:
    return ("--data-root", place.data, "--results", place.results, "--workers", 0, "--device", "cpu")


def cells(out: str) -> dict[tuple[str, str, str], float]:
    return {(c["table"], c["row"], c["column"]): c["measured"] for c in json.loads(out)}


def test_what_lacks_is_measured_then_ranked_and_afterwards_it_is_at_hand(place: Place, typed: Typed, tmp_path: Path) -> None:
    first = typed("rank", RUN, "--preset", "quick", *FEW, "--images", 12, *roots(place), "--json")
    assert first.code == 0, first.err
    shown = cells(first.out)
    explainers = {row for table, row, _ in shown if table == "rank synthbirds test"}
    assert {row.partition("/")[0] for row in explainers} == {"grad-cam", "random", "center"}
    assert {c for table, _, c in shown if table == "rank synthbirds test"} == {
        "mean rank", "iauc:rows=16", "ch official", "time", "passes"
    }  # fmt: skip
    means = [shown["rank synthbirds test", row, "mean rank"] for row in explainers]
    assert sum(means) == pytest.approx(6) and len({table for table, *_ in shown}) == 3
    notes = json.loads(first.out)[0]["notes"]
    assert "Left out: px-ap, has one value over all images, none of each." in notes
    assert "12 of 40 images, evenly spaced." in notes and "images" in notes[0]

    records = {(r.explainer, r.metric): r for r in records_of(place.results, f"{run_name(place)}")}
    assert records.pop((None, "top1")).values[""].n == 12
    right = {note for note in notes if "is right on" in note}
    assert len(right) == 1 and "% of 12 images of synthbirds test." in min(right)
    assert len(records) == 6 and all(value.n == 12 for r in records.values() for value in r.values.values())
    assert all((record.explaining or 0) > 0 for (_, metric), record in records.items() if metric == "iauc:rows=16")
    again = typed("rank", "--dataset", "synthbirds", *roots(place)[2:4], "--json")
    assert cells(again.out) == shown and not again.err, "nothing is measured and nothing is another"
    assert {note for note in json.loads(again.out)[0]["notes"] if "top1" in note or "right" in note} == right
    lone = typed("rank", "-e", "grad-cam", "-e", "hires-cam", *roots(place)[2:4])
    assert lone.code == 2 and lone.err.count("\n") == 1
    assert "metric in common, got grad-cam. Not measured on synthbirds test: hires-cam; measure what lacks with" in lone.err
    beside = typed("rank", *other_data(place, "grad-cam"), "--json")
    assert {c["table"] for c in json.loads(beside.out)} == {table for table, *_ in shown}
    reason = "rank on flowers test: expected at least 2 explainers with one metric in common, got grad-cam."
    assert f"Not ranked: {reason}" in json.loads(beside.out)[0]["notes"]
    alone = typed("rank", *other_data(place, "grad-cam"), "--dataset", "flowers")
    assert alone.code == 2 and reason in alone.err
    both = typed("rank", *other_data(place, "grad-cam", "random"), "--json")
    assert {c["table"] for c in json.loads(both.out)} > {"rank flowers test", "rank flowers test and synthbirds test"}
    told = {c["table"] for c in json.loads(both.out) if any("is right on" in note for note in c["notes"])}
    assert told == {"rank synthbirds test", "rank flowers test and synthbirds test"}, "beneath its own images"
    page = tmp_path / "ranks.html"
    assert typed("rank", RUN, *roots(place)[2:4], "--html", page).out == f"{page}\n"
    text = page.read_text(encoding="utf-8")
    assert text.count('<img src="data:image/svg+xml;base64,') == 1 and "which of them differ" in text
    plain = typed("rank", RUN, *roots(place)[2:4])
    assert "which of them differ" not in plain.out and "Mean rank: in each image" in " ".join(plain.out.split())
    drawn = draw("critical-difference", tmp_path / "cd.png", place, [RUN], metric=["ch"]).shows
    assert drawn["images"] == 12 and drawn["metrics"] == ["ch official"] and (tmp_path / "cd.png").stat().st_size


def other_data(place: Place, *explainers: str) -> tuple[object, ...]:
    """--results of a root that has the records as well as if they were of other data, those of some explainers."""
    root = place.results.parent / f"with-other-{len(explainers)}"
    if not root.exists():
        shutil.copytree(place.results, root)
        for path in [p for p in root.glob("records/*/*.json") if any(f".{e}." in p.name for e in explainers)]:
            record = json.loads(path.read_text(encoding="utf-8"))
            path.with_name(f"other.{path.name}").write_text(json.dumps(record | {"dataset": "flowers"}), encoding="utf-8")
            shutil.copy(path.with_suffix(".h5"), path.with_name(f"other.{path.stem}.h5"))
    return ("--results", root)


def run_name(place: Place) -> str:
    (run,) = (place.results / "runs").glob(f"{RUN}-*")
    return run.name


def test_data_without_boxes_is_ranked_by_what_needs_none(own: Place, typed: Typed) -> None:
    data = f"folder:{own.data / 'mine'}"
    train(TrainJob("ce", data, "resnet8", overrides=[*TINY, "train.epochs=1"]), own)
    told = typed("rank", "folder", "--preset", "quick", "-e", "grad-cam", "-e", "random", *roots(own))
    assert told.code == 0, told.err
    words = " ".join(told.out.split())
    assert re.search(r"Not measured: ch on folder:mine: expected bounding boxes, found none", words), told.out
    assert "2 explainers, 3 metrics, 6 images" in words and "Friedman" not in words
    (run,) = [path.name for path in (own.results / "runs").iterdir()]
    (top1,) = works.evaluate_all(works.Works([]), [EvalJob("top1")], own)
    assert f"{run} is right on {top1.values[''].value:.1f} % of 6 images of folder:mine val." in words
    named = ("-e", "grad-cam", "-e", "random", "-e", "hires-cam")
    later = " ".join(typed("rank", "folder", *named, *roots(own)[2:4]).out.split())
    assert "Not measured on folder:mine val: hires-cam; measure what lacks with --preset quick" in later
    assert "Not measured" not in typed("rank", "folder", *roots(own)[2:4]).out
    refused = typed("rank", "folder", "--preset", "quick", "-e", "hires-cam", *roots(own))
    assert refused.code == 2 and "rank: expected at least 2 explainers, got hires-cam; name another with -e." in refused.err
    assert not list(own.results.rglob("*hires-cam*")), "before anything is measured"
    refused = typed("rank", "folder", "-e", "grad-cam", *roots(own)[2:4])
    assert refused.code == 2 and "expected at least 2 explainers with one metric in common, got grad-cam" in refused.err
    few = typed("rank", "folder", "--preset", "quick", "-m", "top1", *roots(own))
    assert few.code == 2 and "expected a metric that ranks explainers image by image, got none. Left out: top1" in few.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--preset", "quik"), "unknown preset of rank 'quik'. Did you mean quick"),
        (("--images", "9"), "rank: --images is not used here, it is for --preset; leave it out"),
        ((), "expected records of explainers under"),
        (("-m", "iauk"), "Did you mean iauc"),
        (("--latex", "--csv"), "one at a time"),
        (("-t", "weightd"), "Did you mean weighted"),
    ],
)
def test_what_cannot_be_ranked_is_one_line(arguments: tuple[str, ...], message: str, typed: Typed, tmp_path: Path) -> None:
    refused = typed("rank", *arguments, "--results", tmp_path)
    assert refused.code == 2 and message in refused.err and refused.err.count("\n") == 1, refused.err


def test_a_reason_names_the_explainers_that_it_is_of() -> None:
    attention, boxes = UsageError("attention: expected blocks, got none."), UsageError("ch on x: expected boxes, got none.")
    refused: list[tuple[EvalJob, CambenchError]] = [
        (EvalJob(m, e), attention) for m in ("ch", "iauc") for e in ("legrad", "attention-rollout")
    ]
    refused += [(EvalJob("ch", e), boxes) for e in ("cam", "grad-cam")]
    refused += [(EvalJob("ch", "cam"), UsageError("cam needs a head."))]
    assert [*map(str, works.reasons(refused, [job for job, _ in refused]))] == [
        "legrad, attention-rollout: attention: expected blocks, got none.",
        "ch on x: expected boxes, got none.",
        "cam needs a head.",
    ]
    assert works.reasons(refused[:4], [job for job, _ in refused[:4]]) == [attention], "all that are wanted need no names"


@pytest.mark.parametrize("name", rankings.recipes())
def test_a_preset_names_what_there_is_and_can_rank(name: str) -> None:
    recipe = rankings.preset(name)
    assert not rankable(recipe.metrics)[1] and len({find_explainer(e).name for e in recipe.explainers}) > 2
