"""No option is ignored: one that a mode does not use, or that is given twice, is an error of one line."""

from __future__ import annotations

import ast
import json
from collections import Counter
from pathlib import Path

import pytest
from typed import Typed

from cambench import cli
from cambench.metrics import INDEX
from cambench.stages.measuring.works import jobs_of
from cambench.vocabulary import UsageError


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train", "ce", "-d", "cub", "--seed", "1", "--seed", "2"], "--seed: expected it once, got it 2 times"),
        (["figure", "lambda", "--out", "x.png", "--out", "y.png"], "--out: expected it once"),
        (["data", "make", "synthbirds", "--scale", "0.5", "--scale", "1"], "--scale: expected it once"),
        (["search", "ce", "-d", "cub", "-m", "ch", "-e", "cam", "-e", "calm"], "--explainer: expected it once"),
        (["reproduce", "cgc/6", "--dry-run", "--csv"], "--dry-run: --csv is not used here, it is for reproduce"),
        (["eval", "-m", "top1", "-e", "cam"], "--explainer cam: top1 looks at no heatmap"),
        (["eval", "-m", "top1", "-t", "max"], "--target max: top1 explains no target of your choice"),
        (["eval", "-m", "top1", "--layer", "layer3"], "--layer layer3: top1 looks at no heatmap"),
        (["eval", "-m", "drop-increase", "-e", "random"], "drop-increase: always measures grad-cam, got --explainer random"),
        (["eval", "-m", "ch", "-m", "drop-increase", "-e", "cam"], "drop-increase: always measures grad-cam, got"),
        (["eval", "-m", "ch", "--class-sets", "x.csv"], "--class-sets: expected --target subset:x beside it, got logit"),
        (["explain", "--class-sets", "x.csv"], "--class-sets: expected --target subset:x beside it, got logit"),
        (["report", "--caption", "x"], "--caption: expected --latex, --markdown, --html beside it"),
        (["report", "--csv", "--json"], "expected one of --latex, --markdown, --csv, --json, --html"),
        (["report", "--on", "cub"], "--on: expected a TABLE that is shown on other data"),
        (["report", "--arch", "resnet8"], "--arch: expected --on DATASET beside it"),
        (["compare", "a", "-e", "cam"], "compare: expected two runs, or one run with two --explainer or two --target"),
        (["eval", "-m", "top1", "--mean", "1", "1", "1"], "--mean: expected a given network as RUN"),
        (["search", "ce", "-d", "cub", "-m", "infidelity", "-e", "cam"], "infidelity: always measures grad-cam"),
    ],
)
def test_what_would_be_ignored_is_refused(arguments: list[str], message: str, typed: Typed, tmp_path: Path) -> None:
    said = typed(*arguments)
    assert said.code == 2 and f"error: {message}" in said.err and said.err.count("\n") == 1


def test_an_option_of_several_commands_is_declared_once() -> None:
    sources = [ast.parse(path.read_text(encoding="utf-8")) for path in Path(cli.__file__).parent.glob("*.py")]
    calls = [node for source in sources for node in ast.walk(source) if isinstance(node, ast.Call)]
    written = Counter(ast.unparse(c) for c in calls if ast.unparse(c.func) in ("typer.Option", "typer.Argument"))
    assert len(written) > 50 and [declared for declared, times in written.items() if times > 1] == []


def test_each_metric_is_measured_with_each_explainer_and_target_that_it_looks_at() -> None:
    found = [(j.metric, j.explainer, j.target) for j in jobs_of(["top1", "ch"], ["cam", "random"], ["logit", "max"])]
    assert found[0] == ("top1", "grad-cam", "logit") and len(found) == 5
    assert set(found[1:]) == {("ch", e, t) for e in ("cam", "random") for t in ("logit", "max")}
    assert [j.explainer for j in jobs_of(["drop-increase"], ["grad_cam"], None)] == ["grad-cam"]
    with pytest.raises(UsageError, match="--target max: contrastive-cam-iou explains no target of your choice"):
        jobs_of(["contrastive-cam-iou"], None, ["max"])


def test_the_listing_says_which_explainer_a_metric_fixes(typed: Typed) -> None:
    rows = {row["name"]: row["explainer"] for row in json.loads(typed("ls", "metrics", "--json").out)}
    assert rows["drop-increase"] == "grad-cam" and rows["ch"] == "any" and rows["top1"] == "none"
    assert all(rows[m.name] == m.maps.explainer for m in INDEX.values())
