"""Claims from the command line: what they lack is planned and measured, and then they are judged by the records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tiny import TINY
from typed import Typed

import cambench
from cambench.stages.reporting.choice import Choice
from cambench.stages.reproducing.plan import Job, Wish
from cambench.stages.reproducing.reproduce import make_plan
from cambench.stages.workplace import Place
from cambench.store.runs import read_runs
from cambench.vocabulary import UsageError

MINE = """
paper = "Mine"
[[claims]]
id = "mine-ch"
sentence = "More heat lies in the box."
source = "Table 1"
about = "training"
on = ["cub"]
arch = "resnet50"
direction = "up"
a = { method = "cgc" }
b = { method = "ce" }
controls = [{ method = "cgc", settings = { "objective_settings.weight" = 0.0 } }]
[[claims.parts]]
select = { metric = "ch", variant = "correct", explainer = "grad-cam", target = "logit" }
floors = ["center"]
[[claims.parts]]
select = { metric = "top1" }
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    """A claim of one's own."""
    (tmp_path / "mine.toml").write_text(MINE)
    return str(tmp_path / "mine.toml")


def planned(jobs: list[Job]) -> list[tuple[str, int]]:
    return sorted(
        (job.label.replace(" on synthbirds test", "").replace(" synthbirds resnet8", ""), job.network.seed) for job in jobs
    )


def test_exactly_what_the_claims_look_at_is_planned(place: Place, mine: str) -> None:
    choice = Choice((), on="synthbirds", claims=[mine])
    plan = make_plan(choice, Wish("synthbirds", overrides=tuple(TINY)), place)
    one = planned([job for job in plan.jobs if job.network.seed == 0])
    assert [label for label, _ in one] == [
        "eval ch (center, logit): cgc",
        "eval ch (grad-cam, logit): ce",
        "eval ch (grad-cam, logit): cgc",
        "eval ch (grad-cam, logit): cgc weight=0.0",
        "eval top1: ce",
        "eval top1: cgc",
        "eval top1: cgc weight=0.0",
        "train ce",
        "train cgc",
        "train cgc weight=0.0",
    ]
    assert len(plan.jobs) == 3 * len(one), "the claim's three seeds"
    assert {job.label for job in plan.jobs if job.state == "finished"} == {
        "train ce synthbirds resnet8",
        "train cgc synthbirds resnet8",
    }
    with pytest.raises(UsageError, match="measure on synthbirds, got claims about their papers' own data alone"):
        make_plan(Choice((), on="synthbirds", claims=["cgc-unrel"]), Wish(), place)


def test_the_papers_own_data_and_experiments(place: Place) -> None:
    own = make_plan(Choice((), claims=["cgc-unrel"]), Wish(), place)
    assert {job.network.dataset for job in own.jobs} == {"imagenet"} and {j.state for j in own.jobs} == {"blocked"}
    tables = make_plan(Choice((), claims=["e6-exact"]), Wish(), place).tables
    assert [table.id for table in tables] == ["contrastive-cam/claims on synthbirds"]
    several = {row.select[0].dataset for row in tables[0].rows}
    assert several == {"synthbirds", "synthbirds-multilabel"}, (
        "a claim of several labels on the set of the family that has them"
    )


def test_an_experiment_says_which_layer_is_explained(place: Place) -> None:
    (table,) = make_plan(Choice((), claims=["e3"]), Wish(), place).tables
    layers = {(row.select[0].metric, row.select[0].explainer): row.select[0].layer for row in table.rows}
    inner = "features.network._blocks.10"
    assert layers == {
        ("relative-probability", "grad-cam"): inner,
        ("relative-probability", "hires-cam"): inner,
        ("gradient-sign", "gradient"): None,
    }


def run_called(place: Place, method: str) -> str:
    """The run of a method at its own constants, by its path."""
    runs = read_runs(place.results, f"synthbirds-{method}-*-s0-*")
    return str(next(run for run in runs if run.info.recipe["objective_settings"].get("weight") != 0.0).path)


def test_they_are_measured_and_judged(place: Place, mine: str, typed: Typed, tmp_path: Path) -> None:
    roots = ["--results", str(place.results)]
    before = typed("claims", mine, *roots)
    assert before.code == 0 and before.out.startswith("1 claim: 1 not measured")
    assert ": not measured: " in before.out and " — " not in before.out, "a sentence in the place of a table of dashes"
    settings = [word for text in TINY for word in ("--set", text)]
    made = typed("reproduce", "--claims", mine, "--on", "synthbirds", "--seeds", "1", *settings,
                 "--workers", "0", "--device", "cpu", "--data-root", str(place.data), *roots)  # fmt: skip
    assert made.code == 0, made.err
    assert "undecided" in made.out and "one seed: a claim about training needs 3" in made.out and "(elsewhere)" in made.out
    choice = Choice((), on="synthbirds", claims=[mine])
    assert not make_plan(choice, Wish("synthbirds", 1, tuple(TINY)), place).left
    facts = json.loads(typed("claims", mine, "--json", *roots).out)
    assert [(fact["role"], fact["seeds"], fact["images"]) for fact in facts] == [
        ("claim", 1, 40), ("control", 1, 40), ("floor", 1, 40), ("claim", 1, 40), ("control", 1, 40),
    ]  # fmt: skip
    compared = cambench.compare(*(run_called(place, name) for name in ("cgc", "ce")), "ch", results=place.results)
    (own,) = compared[compared["variant"] == "correct"].to_dict("records")
    for name in ("difference", "low", "high", "p"):
        assert facts[0][name] == pytest.approx(own[name]), "the very numbers of compare"
    assert facts[0]["seeds_needed"] == 3
    frame = cambench.claims(mine, on="synthbirds", results=place.results)
    assert list(frame["difference"]) == [fact["difference"] for fact in facts]
    page = tmp_path / "claims.html"
    assert typed("claims", mine, "--html", str(page), *roots).code == 0
    assert "More heat lies in the box." in page.read_text() and 'id="claims"' in page.read_text()
    assert ">needs</th>" not in page.read_text()
    assert typed("claims", mine, "--power", "--html", str(page), *roots).code == 0
    assert ">needs</th>" in page.read_text() and ">3 seeds</td>" in page.read_text()


def test_tables_or_claims(typed: Typed) -> None:
    for arguments in (["cgc/1", "--claims", "cgc"], []):
        done = typed("reproduce", *arguments)
        assert done.code == 2 and "expected TABLE... or --claims CLAIM, one of the two" in done.err
    done = typed("reproduce", "--claims", "cgc", "--rows", "CGC")
    assert done.code == 2 and "--rows and --columns are for tables" in done.err
