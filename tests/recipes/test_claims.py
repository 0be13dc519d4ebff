"""Claims as written: every row of the shared list, sound on every side, and what is said of what is written wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from cambench.metrics import find_metric
from cambench.recipes.claims import Claim, load_claims, papers, parse_claims
from cambench.recipes.experiments import asked, experiments
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
def test_maps_are_named_where_a_metric_looks_at_any(claim: Claim) -> None:
    for side in (side for part in claim.parts for side in claim.sides(part)):
        assert bool(side.explainer) == bool(side.target) == find_metric(side.metric or "").looks


def test_papers_and_ids_and_own_files(tmp_path: Path) -> None:
    assert papers() == ["calm", "cgc", "contrastive-cam", "excon", "weighted-contrast"]
    assert {claim.paper for claim in load_claims(["CALM"])} == {"calm"}
    assert [claim.id for claim in load_claims(["cgc_ch", "cgc-ch"])] == ["cgc-ch"]
    own = tmp_path / "mine.toml"
    own.write_text(HEAD + SIDES + 'direction = "up"\n')
    assert [(claim.paper, claim.id) for claim in load_claims([str(own)])] == [("P", "c")], "listed as the file says"
    with pytest.raises(UsageError, match="unknown claim 'cgc-chh'. Did you mean cgc-ch"):
        load_claims(["cgc-chh"])
    with pytest.raises(UsageError, match="unknown claim 'e9'. Did you mean .*e6.* Known: .*e1, e1-small"):
        load_claims(["e9"])
    with pytest.raises(UsageError, match="expected a file, found none there"):
        load_claims([str(tmp_path / "no.toml")])
    (tmp_path / "other.toml").write_text(own.read_text().replace('"P"', '"Q"'))
    assert len(load_claims([str(own), str(own)])) == 1
    with pytest.raises(UsageError, match="other.toml: expected claims of other ids than those before it, got c again"):
        load_claims([str(own), str(tmp_path / "other.toml")])


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


EXPLAINED = (
    HEAD.replace("training", "explanation")
    + """
select = { metric = "ch", variant = "correct", method = "ce", explainer = "grad-cam" }
direction = "up"
a = { target = "weighted" }
b = { target = "logit" }
"""
)


@pytest.mark.parametrize(("old", "new", "message"), [
    ("", "", ""),
    ("", 'floors = ["center"]', ""),
    (', method = "ce"', "", "expected a method and a metric on every side, got metric ch, variant correct, explainer"),
    ('"weighted"', '"weighted", settings = { "train.epochs" = 1 }', "asks one network, got train.epochs 1 and none; say"),
    ('"weighted"', '"weighted", checkpoint = "best"', "asks one network, got checkpoint best and none"),
    ("", 'controls = [{ target = "mean", settings = { "data.shots" = 1 } }]', "asks one network, got data.shots none and 1"),
    ('"weighted"', '"Logit"', "expected two selections to compare, got the same on both sides: method ce, metric ch, "),
    ('"weighted"', '"weighted", layer = "layer2"', "as split episode or train or none, .*, got layer layer2; leave it out"),
    ('"weighted"', '"weighted", dataset = "cub"', "got dataset cub; leave it out"),
    ('"ce"', '"ce", split = "val"', "got split val; leave it out"),
    ("", 'quantity = "epoch-seconds"', "got the same on both sides"),
    ("", 'controls = [{ target = "weighted" }]', "got the same on both sides"),
    ("", 'than = { a = { target = "mean" }, b = { target = "mean" } }', "got the same on both sides"),
    ("b =", 'floors = ["gradcam"]\nb =', ""),
    ('a = { target = "weighted" }', 'floors = ["gradcam"]\na = { target = "logit" }\ncontrols = []', "got the same on both"),
])  # fmt: skip
def test_sides_are_two_selections_and_of_an_explanation_one_network(old: str, new: str, message: str) -> None:
    text = EXPLAINED.replace(old, new) if old else EXPLAINED + new
    if not message:
        assert parse_claims(text, "p", "p.toml")
        return
    with pytest.raises(UsageError, match=f"^p.toml, c: .*{message}"):
        parse_claims(text, "p", "p.toml")


def test_two_methods_say_nothing_of_an_explanation() -> None:
    """Or each network would be compared with itself, and `equal` always supported."""
    text = HEAD.replace("training", "explanation") + SIDES + 'direction = "equal"\nmargin = 5\n'
    with pytest.raises(UsageError, match='asks one network, got method cgc and ce; say about = "training"'):
        parse_claims(text, "p", "p.toml")


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
