"""Names in table and claims files: those of the package are all there, and a misspelt one of one's own is one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from typed import Typed

from cambench.recipes.claims import Claim, load_claims
from cambench.recipes.tables import load_table, table_files
from cambench.stages.names import check_claim, check_table, claims_of, tables_of
from cambench.stages.reporting.claims import judgements
from cambench.stages.workplace import Place
from cambench.store.runs import Run, RunInfo
from cambench.vocabulary import UsageError

TABLE = """
id = "own/1"
paper = "Mine"
title = "T"
caption = "C"
source = "ours"
repeats = "seeds"
seeds = 1
row_headers = ["Method"]
select = { dataset = "synthbirds", split = "test", arch = "resnet8" }
[[columns]]
label = ["CH"]
select = { metric = "ch", variant = "correct", explainer = "grad-cam", target = "logit" }
[[rows]]
label = ["B"]
select = { method = "cgc", settings = { "objective_settings.weight" = 0.0 } }
"""
CLAIMS = """
paper = "Mine"
[[claims]]
id = "c"
sentence = "s"
source = "T1"
about = "training"
on = ["synthbirds"]
arch = "resnet8"
select = { metric = "ch", variant = "correct", explainer = "grad-cam", target = "logit" }
direction = "up"
a = { method = "cgc", settings = { "objective_settings.weight" = 0.0 } }
b = { method = "ce" }
"""
MISSPELT = {
    '"cgc"': ('"cgcc"', "unknown method 'cgcc'. Did you mean"),
    '"synthbirds"': ('"synthbird"', "unknown dataset 'synthbird'. Did you mean synthbirds"),
    '"resnet8"': ('"resnet-8"', "unknown arch 'resnet-8'. Did you mean resnet8"),
    '"ch"': ('"chh"', "unknown metric 'chh'. Did you mean ch"),
    '"correct"': ('"corect"', "unknown variant of ch 'corect'. Did you mean correct"),
    'variant = "correct", ': ("", "ch: expected its variant, got none. Known: official, correct."),
    '"grad-cam"': ('"grad-camm"', "unknown explainer 'grad-camm'. Did you mean grad-cam"),
    '"logit"': ('"logitt"', "unknown target 'logitt'. Did you mean logit"),
    "settings.weight": (
        "settings.wieght",
        "unknown key 'objective_settings.wieght'. Did you mean objective_settings.weight",
    ),
    'metric = "ch", variant = "correct"': (
        'metric = "top1"',
        "top1 looks at no map: expected no explainer and no target, got",
    ),
}


@pytest.mark.parametrize("table", list(table_files()))
def test_every_name_of_a_papers_table_is_there(table: str, tmp_path: Path) -> None:
    check_table(load_table(table), table, Place(results=tmp_path))


@pytest.mark.parametrize("claim", load_claims([]), ids=lambda claim: claim.id)
def test_every_name_of_a_papers_claim_is_there(claim: Claim, tmp_path: Path) -> None:
    check_claim(claim, claim.paper, Place(results=tmp_path))


@pytest.mark.parametrize("right", MISSPELT)
def test_a_misspelt_name_is_one_line_of_every_command(right: str, typed: Typed, tmp_path: Path) -> None:
    wrong, message = MISSPELT[right]
    roots = ("--data-root", tmp_path / "data", "--results", tmp_path / "results")
    table, claims = tmp_path / "table.toml", tmp_path / "claims.toml"
    for file, text in ((table, TABLE), (claims, CLAIMS)):
        assert right in text
        file.write_text(text.replace(right, wrong))
    for where, *command in (
        (f"{table}, row B, column CH", "report", table, *roots),
        (f"{table}, row B, column CH", "reproduce", table, "--dry-run", *roots),
        (f"{claims}, c", "claims", claims, *roots[2:]),
        (f"{claims}, c", "reproduce", "--claims", claims, "--dry-run", *roots),
    ):
        done = typed(*command)
        assert (done.code, done.out) == (2, "") and done.err.startswith(f"error: {where}: "), done.err
        assert message in done.err and done.err.count("\n") == 1
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(("line", "message"), [
    ('split = "tset"', "unknown split 'tset'. Did you mean test"),
    ('split = "test", settings = { dataset = "cubb" }', "unknown dataset 'cubb'. Did you mean cub"),
    ('split = "test"', "cheaper: unknown metric 'iaucc'. Did you mean iauc"),
])  # fmt: skip
def test_so_are_splits_and_what_stands_in(line: str, message: str, tmp_path: Path) -> None:
    text = TABLE.replace('split = "test"', line)
    if "cheaper" in message:
        text = text.replace('title = "T"', 'title = "T"\ncheaper = { ch = "iaucc" }')
    (tmp_path / "own.toml").write_text(text)
    with pytest.raises(UsageError, match=message):
        tables_of(str(tmp_path / "own.toml"), Place(results=tmp_path))


def test_what_is_right_is_taken_and_the_method_of_an_added_run_is_known(tmp_path: Path) -> None:
    place, file = Place(results=tmp_path / "results"), tmp_path / "own.toml"
    file.write_text(CLAIMS)
    assert [(claim.paper, claim.id) for claim in claims_of(str(file), place)] == [("Mine", "c")]
    file.write_text(CLAIMS.replace('"ce"', '"InCA"'))
    with pytest.raises(UsageError, match="unknown method 'InCA'"):
        claims_of(str(file), place)
    run = Run(place.results / "runs" / "mine", RunInfo(kind="added", method="inca"))
    run.path.mkdir(parents=True)
    run.save()
    assert claims_of(str(file), place)


def test_claims_of_one_id_in_two_files_are_refused(tmp_path: Path) -> None:
    for name, paper in (("one", "Mine"), ("two", "Yours")):
        (tmp_path / f"{name}.toml").write_text(CLAIMS.replace("Mine", paper))
    place, (one, two) = Place(tmp_path, tmp_path, "cpu"), (str(tmp_path / f"{name}.toml") for name in ("one", "two"))
    assert len(judgements([one, one], place)) == 1
    with pytest.raises(UsageError, match="two.toml: expected claims of other ids than those before it, got c again"):
        judgements([one, two], place)
