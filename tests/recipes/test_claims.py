"""Claims as written: every row of the shared list, sound on every side, and what is said of what is written wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from cambench.explainers import find_explainer
from cambench.metrics import find_metric
from cambench.recipes.claims import Claim, load_claims, papers, parse_claims
from cambench.recipes.experiments import asked, experiments
from cambench.recipes.load import load
from cambench.targets import find_target
from cambench.vocabulary import UsageError

LIST = Path(__file__).parents[3] / "shared" / "claims.md"
HEAD = (
    'paper = "P"\n[[claims]]\nid = "c"\nsentence = "s"\nsource = "T1"\nabout = "training"\non = ["cub"]\narch = "resnet50"\n'
)
SIDES = 'select = { metric = "top1" }\na = { method = "cgc" }\nb = { method = "ce" }\n'
EVERY = load_claims([])


def test_every_claim_of_the_list_is_here() -> None:
    if not LIST.exists():
        pytest.skip("the shared list is not beside this checkout")
    rows = [line.split("|")[1].strip() for line in LIST.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    assert {claim.id for claim in EVERY} == set(rows) - {"id"} and len(EVERY) == 33


@pytest.mark.parametrize("claim", EVERY, ids=lambda claim: claim.id)
def test_every_side_can_be_measured(claim: Claim) -> None:
    for part in claim.parts:
        for side in claim.sides(part):
            metric = find_metric(side.metric or "")
            assert side.variant in metric.variants if side.variant is not None else len(metric.variants) == 1
            find_explainer(side.explainer or "grad-cam")
            find_target(side.target or "logit")
            assert bool(side.explainer) == metric.looks, "maps are named where the metric looks at any"
            settings = {key: value for key, value in side.settings.items() if key != "dataset"}
            trained_on = "imagenet" if claim.on[0] == "unrel" else claim.on[0]
            load(side.method or "", trained_on, claim.arch, preset=settings)


def test_papers_and_ids_and_own_files(tmp_path: Path) -> None:
    assert papers() == ["calm", "cgc", "contrastive-cam", "excon", "weighted-contrast"]
    assert {claim.paper for claim in load_claims(["CALM"])} == {"calm"}
    assert [claim.id for claim in load_claims(["cgc_ch", "cgc-ch"])] == ["cgc-ch"]
    own = tmp_path / "mine.toml"
    own.write_text(HEAD + SIDES + 'direction = "up"\n')
    assert [(claim.paper, claim.id) for claim in load_claims([str(own)])] == [("mine", "c")]
    with pytest.raises(UsageError, match="unknown claim 'cgc-chh'. Did you mean cgc-ch"):
        load_claims(["cgc-chh"])
    with pytest.raises(UsageError, match="expected a file, found none there"):
        load_claims([str(tmp_path / "no.toml")])


def test_what_is_said_once_holds_for_every_part() -> None:
    text = (
        HEAD
        + SIDES
        + 'direction = "up"\nmargin = 1.0\n[[claims.parts]]\nmargin = 2.0\n[[claims.parts]]\nfloors = ["center"]\n'
    )
    (claim,) = parse_claims(text, "p", "p.toml")
    assert [(part.margin, part.direction, part.floors) for part in claim.parts] == [(2.0, "up", []), (1.0, "up", ["center"])]
    assert claim.parts[0].thresholds == (2.0,)


def test_each_is_a_part_for_every_combination() -> None:
    text = (
        HEAD
        + 'a = { method = "cgc" }\nb = { method = "ce" }\ndirection = "down"\n[[claims.parts]]\nselect = { metric = "ch" }\n'
    )
    text += 'each = { variant = ["official", "correct"], explainer = ["cam", "grad-cam"] }\n'
    (claim,) = parse_claims(text, "p", "p.toml")
    assert [(p.select.variant, p.select.explainer) for p in claim.parts] == [
        ("official", "cam"), ("official", "grad-cam"), ("correct", "cam"), ("correct", "grad-cam"),
    ]  # fmt: skip
    assert claim.parts[0].select.metric == "ch" and claim.parts[0].thresholds == (0.0,)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (HEAD + SIDES, "direction: field required"),
        (HEAD + SIDES + 'direction = "equal"\n', "equal goes with a margin above 0"),
        (HEAD + SIDES + 'direction = "up"\nseed = 3\n', "seed"),
        (HEAD + 'a = { method = "cgc" }\nb = { method = "ce" }\ndirection = "up"\n', "expected a method and a metric"),
        (HEAD + SIDES + 'direction = "up"\nparts = []\n', "parts"),
        (HEAD + 'a = { method = "ce", metric = "top1" }\ndirection = "up"\nrelative = true\n', "go with b"),
        (HEAD + SIDES + 'direction = "up"\n' + HEAD.partition("\n")[2] + SIDES + 'direction = "up"\n', "got c twice"),
        (HEAD + SIDES + 'direction = "up"\n[[claims.parts]]\nselect = { metric = "ch" }\n', "metric is both"),
        ("paper = ", "not valid TOML"),
        ('paper = "P"\n', "claims"),
    ],
)
def test_what_is_wrong_is_said(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_claims(text, "p", "claims/p.toml")


@pytest.mark.parametrize(
    "claims", ['["a"]', '"a"', '[{ parts = ["a"] }]', '[{ parts = [{ select = "a", each = { metric = ["ch"] } }] }]']
)
def test_what_is_no_table_is_one_line(claims: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_claims(f'paper = "P"\nclaims = {claims}\n', "p", "claims/p.toml")
    assert "claims/p.toml" in str(caught.value) and "\n" not in str(caught.value)


def test_experiments_name_claims_and_data_that_there_are() -> None:
    from cambench import data

    for experiment in experiments().values():
        assert load_claims(experiment.claims) and all(data.resolve(name) for name in experiment.on)
    small = "tiny-imagenet-small-box"
    assert asked(["E1-small"], None) == [("cgc-ch", small, ""), ("cgc-negatives", small, "")]
    assert asked(["e1-small", "cgc-ch"], "cub-50") == [("cgc-ch", "cub-50", ""), ("cgc-negatives", "cub-50", "")]
    assert asked(["cgc"], None) == [("cgc", None, "")] and {one.layer for one in asked(["e3"], None)} == {
        experiments()["e3"].layer
    }
