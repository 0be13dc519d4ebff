"""Two runs, or two explainers or targets of one run, image by image, from what real (tiny) runs left on disk."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typed import Typed

import cambench
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.measuring.works import Works, evaluate_all
from cambench.stages.reporting import paired
from cambench.stages.workplace import Place
from cambench.store.records import read_record, read_rows, records_of, rows_path, write_record
from cambench.store.runs import Run, RunInfo, find_run, find_seeds
from cambench.vocabulary import UsageError

NAMES = ("synthbirds-cgc", "synthbirds-ce")


@pytest.fixture(scope="module")
def measured(place: Place) -> Place:
    """Top-1 and CH of both runs; of one of them also top-5 on a part of the images."""
    evaluate_all(Works([]), [EvalJob("top1"), EvalJob("ch")], place)
    evaluate_all(Works([NAMES[0]], limit=8), [EvalJob("top5")], place)
    evaluate_all(Works([NAMES[1]]), [EvalJob("top5")], place)
    return place


def test_two_runs_are_compared_on_the_metrics_they_share(measured: Place) -> None:
    names, found = paired.compare(NAMES, ["top1", "ch"], [], [], measured.results)
    assert names[0].startswith("synthbirds-cgc-resnet8-s0-") and names[1].startswith("synthbirds-ce-resnet8-s0-")
    assert {(c.metric, c.variant) for c in found} == {("top1", ""), ("ch", "official"), ("ch", "correct")}
    records = {r.metric: r for r in evaluate_all(Works([NAMES[0]]), [EvalJob("top1"), EvalJob("ch")], measured)}
    for comparison in found:
        assert comparison.numbers.n == 40
        assert comparison.numbers.a == pytest.approx(records[comparison.metric].values[comparison.variant].value)
    rows = json.loads(paired.render(names, found, "json"))
    assert [row["p_holm"] for row in rows] == [c.p_holm for c in found] and rows[0]["a"] == names[0]
    assert paired.render(names, found, "csv").count("\n") == 1 + len(found)


def test_runs_measured_on_other_images_are_refused(measured: Place) -> None:
    with pytest.raises(
        UsageError, match="top5 on synthbirds test: expected one set of images, got 8 images of .* and 40 images"
    ):
        paired.compare(NAMES, ["top5"], [], [], measured.results)


def test_a_run_is_not_compared_with_itself_nor_without_records(measured: Place) -> None:
    with pytest.raises(UsageError, match="expected two different things, got synthbirds-ce-.* twice"):
        paired.compare(("synthbirds-ce", "synthbirds-ce"), [], [], [], measured.results)
    with pytest.raises(UsageError, match="expected two different things, got synthbirds-ce-.*, grad-cam twice"):
        paired.compare(["synthbirds-ce"], [], ["grad-cam", "gradcam"], [], measured.results)
    with pytest.raises(UsageError, match="share no record|no record of ch"):
        paired.compare(NAMES, ["ch"], ["hires-cam"], [], measured.results)


def test_two_explainers_or_targets_of_one_run_are_compared_image_by_image(measured: Place) -> None:
    jobs = [EvalJob("ch", e, t) for e, t in (("grad-cam", "logit"), ("random", "logit"), ("random", "max"))]
    evaluate_all(Works([NAMES[1]]), [*jobs, EvalJob("top1")], measured)
    names, found = paired.compare(NAMES[1:], [], ["Grad_CAM", "random"], [], measured.results)
    run = find_run(NAMES[1], measured.results)
    assert names == (f"{run.name}, grad-cam", f"{run.name}, random")
    assert [(c.metric, c.variant, c.explainer, c.target) for c in found] == [
        ("ch", variant, None, "logit") for variant in ("official", "correct")
    ]
    rows = {r.explainer: read_rows(rows_path(r.path)) for r in records_of(measured.results, run.name) if r.target == "logit"}
    difference = 100 * (rows["grad-cam"].values["correct"] - rows["random"].values["correct"])
    assert found[1].numbers.difference == pytest.approx(difference.mean()) and found[1].numbers.n == len(difference)
    _, found = paired.compare(NAMES[1:], ["ch"], ["random"], ["logit", "max"], measured.results)
    assert [(c.explainer, c.target, c.numbers.difference) for c in found] == [("random", None, 0.0)] * 2  # noise is noise


def test_a_beginning_that_several_seeds_share_means_all_of_them(tmp_path: Path) -> None:
    for method in ("ce", "cgc"):
        for seed in range(2):
            info = RunInfo(
                method=method, dataset="d", arch="a", seed=seed, job={"recipe": method, "seed": seed}, finished=True
            )
            path = tmp_path / "runs" / f"d-{method}-a-s{seed}-0{seed}"
            path.mkdir(parents=True)
            Run(path, info).save()
    assert [run.info.seed for run in find_seeds("d-cgc", tmp_path)] == [0, 1] and find_seeds("d-cgc-a-s0", tmp_path) == []
    a, b = (find_seeds(name, tmp_path) for name in ("d-cgc", "d-ce"))
    assert paired.called(a) == "d-cgc-a, seeds 0, 1" and [[r.name for r in pair] for pair in paired.by_seed(a, b)] == [
        ["d-cgc-a-s0-00", "d-ce-a-s0-00"], ["d-cgc-a-s1-01", "d-ce-a-s1-01"],
    ]  # fmt: skip
    stranger = replace(a[0], info=replace(a[0].info, seed=7))
    with pytest.raises(UsageError, match="expected a seed that both have, got d-cgc-a-s0-00 and d-ce-a, seeds 0, 1"):
        paired.by_seed([stranger], b)


@pytest.mark.parametrize(
    ("runs", "explainers", "targets"),
    [(1, [], []), (1, ["cam"], ["max"]), (2, ["cam", "random"], []), (1, ["cam", "random"], ["max", "logit"]), (3, [], [])],
)
def test_a_and_b_differ_in_one_thing(runs: int, explainers: list[str], targets: list[str], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="expected two runs, or one run with two --explainer or two --target"):
        paired.compare(["a", "b", "c"][:runs], [], explainers, targets, tmp_path)


def test_the_old_spelling_works_and_says_how_it_is_written_now(measured: Place, typed: Typed) -> None:
    rest = [*NAMES, "-m", "ch", "--csv", "--results", str(measured.results)]
    old, new = typed("report", "--paired", *rest), typed("compare", *rest)
    assert old.code == new.code == 0 and old.out == new.out and old.out.startswith("a,b,metric,variant,")
    assert old.err.startswith(f"note: written `cambench compare {' '.join(NAMES)} -m ch --csv ") and not new.err


@pytest.fixture
def twice(measured: Place, tmp_path: Path) -> Path:
    """Results in which both runs' top-1 is of a second data set and split, too."""
    results = tmp_path / "results"
    shutil.copytree(measured.results, results)
    for run in NAMES:
        (record,) = (r for r in records_of(results, find_run(run, results).name) if r.metric == "top1")
        path = record.path.with_name("elsewhere.json")
        write_record(path, replace(record, dataset="folder:mine", split="val"))
        shutil.copy(rows_path(record.path), rows_path(path))
    return results


def test_one_data_set_or_split_alone_is_compared_as_by_rank(twice: Path, typed: Typed) -> None:
    def places(**on: str) -> list[tuple[str, str]]:
        return [(c.dataset, c.split) for c in paired.compare(NAMES, ["top1"], [], [], twice, **on)[1]]

    both = [("folder:mine", "val"), ("synthbirds", "test")]
    assert sorted(places()) == sorted(places(split="eval")) == both, "eval is any, as in rank"
    assert places(dataset="Synthbirds") == places(split="test") == both[1:]
    assert places(dataset="folder:/anywhere/mine") == places(split="val") == both[:1]
    assert list(cambench.compare(*NAMES, "top1", dataset=Path("mine"), results=twice)["dataset"]) == ["folder:mine"]
    (only,) = paired.compare(NAMES, ["top1"], [], [], twice, dataset="synthbirds")[1]
    assert only.p_holm == only.numbers.p, "Holm corrects for what is shown"
    with pytest.raises(UsageError, match=r"no record to compare; .* `cambench eval synthbirds-cgc.* -d cub --split val`"):
        places(dataset="cub", split="val")
    said = typed("compare", *NAMES, "-m", "top1", "-d", "synthbirdz", "--results", twice)
    assert said.code == 2 and "Did you mean synthbirds" in said.err


def test_records_of_a_metric_whose_package_is_gone_are_passed_over(twice: Path, measured: Place, typed: Typed) -> None:
    paths = [*twice.rglob("elsewhere.json")]
    for path in paths:
        write_record(path, replace(read_record(path), metric="gone-metric"))
    assert len(paths) == 2 and {c.metric for c in paired.compare(NAMES, ["top1"], [], [], twice)[1]} == {"top1"}
    rows = typed("report", "--per-image", "--csv", "-m", "top1", "--results", twice, "--data-root", measured.data)
    every = typed("report", "--per-image", "--csv", "--results", twice, "--data-root", measured.data)
    assert rows.code == every.code == 0 and rows.out.splitlines()[0] == every.out.splitlines()[0]
    assert "gone-metric" not in every.out and set(rows.out.splitlines()) < set(every.out.splitlines())


def test_two_data_sets_are_two_tables_and_every_format_has_the_numbers(twice: Path, typed: Typed) -> None:
    said = {
        form: typed("compare", *NAMES, "-m", "top1", *form, "--results", twice).out
        for form in ((), ("--latex",), ("--markdown",))
    }
    names, comparisons = paired.compare(NAMES, ["top1"], [], [], twice)
    assert [line for line in said[()].splitlines() if line.startswith("Measured on")] == [
        f"Measured on {c.dataset} {c.split}" for c in comparisons
    ]
    number = f"{comparisons[0].numbers.a:.2f}"
    for form, out in said.items():
        assert all(name in out for name in names) and out.count(f" {number} ") == 2, form
    assert said["--latex",].startswith("% needs") and said["--latex",].count(r" \\") == 3
    assert [line.count("|") for line in said["--markdown",].splitlines() if line.startswith("|")] == [11] * 4
