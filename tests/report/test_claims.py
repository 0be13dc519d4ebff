"""Verdicts from hand-made records and rows: what is supported, what is not, and who does not beat a control."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from report.hand_made import CGC, CH, CONTROL, IDS, Case, claim, weighted

from cambench import seeds
from cambench.metrics.hierarchical import of_rows
from cambench.recipes.load import load
from cambench.report.claims.effects import Columns
from cambench.report.claims.records import Where, part_in_words
from cambench.report.formats import claims as formats


@pytest.fixture
def case(record: Any) -> Case:
    return Case(record)


def test_three_seeds_and_a_control_support(case: Case) -> None:
    case.add("cgc", range(3), 0.05, **weighted(0.25)).add("ce", range(3), 0.0).add("cgc", range(3), 0.02, **weighted(0.0))
    made = case.judged(CH + CGC + CONTROL)
    assert made.where == Where("cub", "resnet50") and not made.elsewhere
    own = made.findings[0]
    assert own.effect is not None and own.seeds == (0, 1, 2) and own.effect.images == 60
    first = torch.stack([case.rows[str(case.records[2 * i].path)].values["correct"] for i in range(3)])
    second = torch.stack([case.rows[str(case.records[2 * i].path)].values["correct"] for i in range(3, 6)])
    assert own.effect.interval == of_rows((first - second) * 100, seeds.generator("paired")).interval
    assert [finding.role for finding in made.findings] == ["claim", "control"]
    assert {finding.verdict for finding in made.findings} == {"supported"} and made.verdict == "supported"


def test_one_seed_never_supports_a_claim_about_training(case: Case) -> None:
    made = case.add("cgc", [0], 0.05).add("ce", [0], 0.0).judged(CH + CGC)
    assert made.verdict == "undecided" and made.notes == ("one seed: a claim about training needs 3",)
    own = made.findings[0]
    assert own.effect is not None and own.effect.interval is not None and own.effect.interval[0] > 0
    assert "seed" in formats.needs(made, own)


def test_only_seeds_that_both_have_count(case: Case) -> None:
    made = case.add("cgc", [0, 1, 2], 0.05).add("ce", [1, 2, 3], 0.0).judged(CH + CGC)
    assert made.findings[0].seeds == (1, 2) and made.verdict == "undecided" and "2 seeds" in made.notes[0]


def test_the_other_side_contradicts_unless_a_control_says_otherwise(case: Case) -> None:
    case.add("cgc", range(3), -0.05, **weighted(0.25)).add("ce", range(3), 0.0)
    assert case.judged(CH + CGC).verdict == "contradicted"
    case.add("cgc", range(3), -0.08, **weighted(0.0))
    made = case.judged(CH + CGC + CONTROL)
    assert [finding.verdict for finding in made.findings] == ["contradicted", "supported"]
    assert made.verdict == "undecided", "less trained baselines lose for another reason"


def test_who_does_not_beat_a_control_or_a_floor_is_said(case: Case) -> None:
    case.add("cgc", range(3), 0.05, **weighted(0.25)).add("ce", range(3), 0.0)
    made = case.judged(CH + CGC + CONTROL)
    assert made.verdict == "undecided" and made.notes == ("the control cgc weight 0 is not measured in ch correct",)
    case.add("cgc", range(3), 0.2, explainer="center")
    made = case.judged(CH + CGC + 'floors = ["center"]\n')
    assert made.verdict == "undecided" and "is beaten by" in made.notes[0] and "center" in made.notes[0]
    assert made.findings[1].role == "floor" and made.findings[1].verdict == "contradicted"


def test_a_margin_says_what_may_be_lost(case: Case) -> None:
    case.add("cgc", range(3), -0.02).add("ce", range(3), 0.0)
    assert case.judged(CH + CGC).verdict == "contradicted"
    assert case.judged(CH + CGC + "margin = -5.0\n").verdict == "supported"
    assert case.judged(CH + CGC.replace('"up"', '"down"') + "margin = 5.0\n").verdict == "contradicted"
    assert case.judged(CH + CGC.replace('"up"', '"equal"') + "margin = 3.0\n").verdict == "supported"
    made = case.judged(CH + CGC.replace('"up"', '"equal"') + "margin = 0.1\n")
    assert made.verdict == "contradicted" and made.findings[0].p == 1.0


def test_a_method_at_another_weight_is_another_method(case: Case) -> None:
    own = load("cgc", "cub", "resnet50").model_dump(mode="json")
    other = load("cgc", "cub", "resnet50", preset={"objective_settings.weight": 1.0}).model_dump(mode="json")
    case.add("cgc", range(3), 0.05, job={"recipe": own}).add("cgc", range(5), -0.3, job={"recipe": other})
    case.add("ce", range(5), 0.0)
    made = case.judged(CH + CGC)
    assert made.verdict == "supported" and made.findings[0].seeds == (0, 1, 2), "not the five seeds at 1"
    held = load("cgc", "cub", "resnet50", preset={"data.held_out": 0.2}).model_dump(mode="json")
    lone = Case(case.make).add("cgc", range(3), 0.05, job={"recipe": held}).add("ce", range(3), 0.0)
    assert lone.judged(CH + CGC).where is None, "with images held out it is no run of the method"
    held = load("ce", "cub", "resnet50", preset={"data.held_out": 0.2}).model_dump(mode="json")
    two = Case(case.make).add("cgc", range(3), 0.05, job={"recipe": own}).add("ce", range(3), 0.0, job={"recipe": held})
    said = two.judged(CH + CGC).findings[0].notes
    assert said == ("ce is not measured at its recipe's constants (data.held_out differs)",)
    ladder = 'b = { method = "cgc", settings = { "objective_settings.weight" = 1.0 } }\n'
    made = case.judged(CH + CGC.replace('b = { method = "ce" }\n', ladder))
    assert made.verdict == "supported" and made.findings[0].second == "cgc weight 1"


def test_networks_far_below_their_baseline_decide_nothing(case: Case) -> None:
    case.add("cgc", range(3), 0.05).add("ce", range(3), 0.0)
    case.records = [record for record in case.records if record.metric == "ch"]
    made = case.judged(CH + CGC)
    absent = "top1 of cgc and ce is not measured, which says whether a recipe is at fault"
    assert made.verdict == "undecided" and made.notes[0] == absent
    for base in list(case.records):
        value = 40.0 if base.method == "cgc" else 60.0
        case.records.append(replace(case.make(base.method, base.seed, "top1", value), run=base.run))
    made = case.judged(CH + CGC)
    assert made.verdict == "undecided" and made.notes[0].startswith("cgc trains to 40.0 % of top1, ce to 60.0 %")
    accuracy = Case(case.make).add("cgc", range(3), -0.2, "top1", "").add("ce", range(3), 0.0, "top1", "")
    made = accuracy.judged('select = { metric = "top1" }\n' + CGC + "margin = -5.0\n")
    assert made.verdict == "undecided" and "its recipe is at fault first" in made.notes[0], "of accuracy itself, too"
    several = {"dataset": "synthbirds-multilabel"}
    labels = Case(case.make).add("cgc", range(3), 0.05, **several).add("ce", range(3), 0.0, **several)
    assert labels.judged(CH + CGC).notes[0].startswith("average-precision of cgc and ce is not measured")
    for base in [record for record in labels.records if record.metric == "ch"]:
        value = 85.0 if base.method == "cgc" else 99.0
        labels.records.append(case.make(base.method, base.seed, "average-precision", value, run=base.run, **several))
    made = labels.judged(CH + CGC)
    assert made.verdict == "undecided" and " % of average-precision, ce to " in made.notes[0], "of several labels an image"


def test_a_method_far_below_itself_at_other_settings_decides_nothing(case: Case) -> None:
    case.add("cgc", range(3), -0.2, **weighted(1.0)).add("cgc", range(3), 0.0, **weighted(0.25))
    low = case.networks("cgc")[:3]
    sides = (
        'about = "training"\ndirection = "up"\na = { method = "cgc", settings = { "objective_settings.weight" = 1.0 } }\n'
    )
    sides += 'b = { method = "cgc", settings = { "objective_settings.weight" = 0.25 } }\n'
    assert case.judged(CH + sides).verdict == "contradicted"
    made = case.train_to(40.0, low).judged(CH + sides)
    assert made.verdict == "undecided"
    assert made.notes[0] == "cgc weight 1 trains to 40.0 % of top1, cgc weight 0.25 to 60.0 %: its recipe is at fault first"


def test_a_comparison_says_which_part_it_is_of(case: Case) -> None:
    shots = "".join(
        f"[[claims.parts]]\nselect = {{ metric = {metric}, settings = {{ 'data.shots' = {shots} }} }}\n"
        for metric, shots in (("'top1'", 1), ("'ch', variant = 'correct', explainer = 'grad-cam', target = 'logit'", 5))
    )
    made = claim(CGC + shots)
    assert [part_in_words(made, part) for part in made.parts] == [["shots 1"], ["shots 5"]]
    ladder = claim(CGC + CH + CONTROL)
    assert [part_in_words(ladder, part) for part in ladder.parts] == [[]]
    case.add("cgc", range(3), 0.05).add("ce", range(3), 0.0)
    both = "".join(
        CH.replace("grad-cam", name).replace("select", "[[claims.parts]]\nselect") for name in ("grad-cam", "cam")
    )
    measures = [finding.measures for finding in case.judged(CGC + both).findings]
    assert measures == ["ch correct, grad-cam", "ch correct, cam"]


def test_what_is_said_of_maps_needs_one_network(case: Case) -> None:
    maps = CH.replace(', target = "logit"', ', method = "ce"') + 'about = "explanation"\ndirection = "up"\n'
    maps += 'a = { target = "weighted" }\nb = { target = "logit" }\n'
    case.add("cgc", [0], 0.05, target="weighted").add("cgc", [0], 0.0, target="logit")
    made = case.judged(maps)
    assert made.verdict == "supported" and made.where == Where("cub", "resnet50", "cgc"), "of any network"
    assert made.findings[0].first == "weighted" and made.findings[0].effect is not None
    assert made.findings[0].effect.over_seeds is None and made.findings[0].p == made.findings[0].p_holm < 1e-4


def test_other_images_are_not_compared(case: Case) -> None:
    data = [{"recipe": {"data": {"measured on": part}}} for part in ("all", "half")]
    case.add("cgc", range(3), 0.05, job=data[0]).add("ce", range(3), 0.0, job=data[1])
    made = case.judged(CH + CGC)
    assert made.verdict == "not measured" and "expected one set of images" in made.findings[0].notes[0]


def test_a_control_that_saw_other_images_is_said_to_have(case: Case) -> None:
    case.add("cgc", range(3), 0.05, **weighted(0.25)).add("ce", range(3), 0.0).add("cgc", range(3), 0.02, **weighted(0.0))
    assert case.judged(CH + CGC + CONTROL).verdict == "supported"
    for name in list(case.rows)[-3:]:
        half = {variant: column[:30] for variant, column in case.rows[name].values.items()}
        case.rows[name] = Columns(half, IDS[:30])
    made = case.judged(CH + CGC + CONTROL)
    assert made.verdict == "undecided" and any("expected the same images" in note for note in made.notes)


def test_elsewhere_is_said_and_on_chooses(case: Case) -> None:
    case.add("cgc", range(3), 0.05, dataset="synthbirds").add("ce", range(3), 0.0, dataset="synthbirds")
    made = case.judged(CH + CGC)
    assert made.elsewhere and formats.place(made) == "synthbirds resnet50 (elsewhere)"
    nowhere = case.judged(CH + CGC, on="cub")
    assert (nowhere.verdict, nowhere.where, nowhere.shown) == ("not measured", None, None)


def test_what_is_said_of_the_papers_own_data_is_judged_there_alone(case: Case) -> None:
    case.add("cgc", range(3), 0.05, dataset="synthbirds").add("ce", range(3), 0.0, dataset="synthbirds")
    assert case.judged("bound = true\n" + CH + CGC).verdict == "not measured"


def test_maps_of_one_layer_are_compared(case: Case) -> None:
    case.add("cgc", range(3), 0.05).add("ce", range(3), 0.0)
    case.add("cgc", range(4), -0.3, layer="layer3").add("ce", range(3), 0.0, layer="layer2")
    made = case.judged(CH + CGC)
    assert made.verdict == "supported" and made.findings[0].seeds == (0, 1, 2)


@pytest.mark.parametrize("other", [{"explainer": "hires-cam"}, {"target": "weighted"}])
def test_where_no_explainer_and_target_are_named_it_is_the_default(case: Case, other: dict[str, str]) -> None:
    case.add("cgc", range(3), 0.05).add("ce", range(3), 0.0)
    case.add("cgc", range(5), -0.3, **other).add("ce", range(5), 0.0, **other)
    made = case.judged('select = { metric = "ch", variant = "correct" }\n' + CGC)
    assert made.verdict == "supported" and made.findings[0].seeds == (0, 1, 2), "not the one with more seeds"


def test_a_claim_is_all_of_its_parts(case: Case) -> None:
    case.add("cgc", range(3), 0.05).add("ce", range(3), 0.0)
    parts = CH.replace('variant = "correct", ', "") + CGC + '[[claims.parts]]\nselect = { variant = "correct" }\n'
    other = '[[claims.parts]]\nselect = { variant = "official" }\n'
    made = case.judged(parts + other)
    assert made.verdict == "undecided" and made.notes[0] == "of 2 parts 1 supported, 1 not measured"
    case.add("cgc", range(3), -0.05, variant="official").add("ce", range(3), 0.0, variant="official")
    made = case.judged(parts + other)
    assert made.verdict == "contradicted" and made.shown is not None and made.shown.measures == "ch official"


def test_p_is_corrected_for_all_comparisons_of_the_paper(case: Case) -> None:
    case.add("cgc", range(3), 0.05).add("ce", range(3), 0.0)
    case.add("cgc", range(3), 0.05, variant="official").add("ce", range(3), 0.0, variant="official")
    each = CGC + '[[claims.parts]]\nselect = { metric = "ch", explainer = "grad-cam" }\n'
    each += 'each = { variant = ["correct", "official"] }\n'
    made = case.judged(each)
    raw = [finding.p or 0 for finding in made.findings]
    assert max(f.p_holm or 0 for f in made.findings) == pytest.approx(max(2 * min(raw), max(raw)))


def test_a_value_that_is_no_mean_of_rows(case: Case) -> None:
    for seed in range(3):
        key = f"r{seed}"
        generator = np.random.default_rng(seed)
        core, outside = generator.uniform(0.2, 0.4, 60), generator.uniform(0.6, 0.8, 60)
        columns = {"core": core, "non-core": outside, "gamma": core, "core-signed": core, "non-core-signed": core}
        record = case.make("ce", seed, "redundancy", {"core-share": 0.3}, run=key, explainer="hires-cam", target="logit")
        case.records.append(replace(record, path=Path(key)))
        case.rows[key] = Columns({name: torch.from_numpy(column) for name, column in columns.items()}, IDS)
    text = 'about = "training"\nselect = { metric = "redundancy", variant = "core-share", explainer = "hires-cam" }\n'
    made = case.judged(text + 'direction = "down"\nexpected = 0.5\na = { method = "ce" }\n')
    own = made.findings[0]
    assert made.verdict == "supported" and own.effect is not None and own.second == ""
    expected = [
        float(r.values["core"].mean() / (r.values["core"] + r.values["non-core"]).mean()) for r in case.rows.values()
    ]
    assert (
        own.effect.by_seed == pytest.approx(expected)
        and formats.compared(own) == "ce < 0.500, redundancy core-share (ratio)"
    )


def test_a_difference_less_another_difference(case: Case) -> None:
    case.add("cgc", range(3), 0.06).add("ce", range(3), 0.0).add("has", range(3), 0.01).add("adl", range(3), 0.0)
    made = case.judged(CH + CGC + 'than = { a = { method = "has" }, b = { method = "adl" } }\n')
    assert made.verdict == "supported" and made.findings[0].effect is not None
    assert made.findings[0].effect.difference == pytest.approx(5.0, abs=1.0)


def read(text: str) -> Mapping[str, Any]:
    import csv

    return next(csv.DictReader(text.splitlines()))


def test_every_format_says_the_same(case: Case) -> None:
    import json

    case.add("cgc", range(3), 0.05).add("ce", range(3), 0.0)
    made = [case.judged(CH + CGC)]
    (line,) = formats.rows(made, power=True)
    assert line["compared"] == "cgc > ce, ch correct (%)" and line["n"] == "3 × 60" and line["needs"] == ""
    table, tex = formats.markdown(made), formats.latex(made)
    for text in (table, tex.replace("$-$", "−")):
        assert line["difference"] in text and "supported" in text and "CGC does." in text
    (fact,) = json.loads(formats.as_json(made))
    assert fact["verdict"] == "supported" and fact["claim"] == "c" and fact["seeds"] == 3 and fact["images"] == 60
    assert float(read(formats.csv(made))["difference"]) == pytest.approx(fact["difference"])
    assert formats.counted(made) == "1 claim: 1 supported" and formats.section(made) is not None
    assert formats.section([]) is None
