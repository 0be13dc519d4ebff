"""Records and a recipe → exact cells in the paper's layout."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from cambench.recipes.published import load_published
from cambench.recipes.stand_in import stand_in
from cambench.recipes.tables import load_table, parse_table
from cambench.report.tables.model import Table
from cambench.report.tables.paper import paper_table
from cambench.store.records import Record
from cambench.vocabulary import CambenchError, UsageError

PUBLISHED = load_published("cgc")


def six(records: list[Record]) -> Table:
    """CGC Table 6 of these records."""
    return paper_table(load_table("cgc/6"), records, PUBLISHED)


def said(table: Table) -> str:
    """Everything that stands around the grid."""
    return "\n".join([*table.banner, *table.notes, *table.footnotes])


def test_layout_of_table_6_without_records() -> None:
    table = six([])
    assert [c.heading[-1] for c in table.columns] == [
        "CUB-200 (%) ↑", "FGVC-Aircraft (%) ↑", "Cars-196 (%) ↑", "VGG Flowers-102 (%) ↑",
    ]  # fmt: skip
    assert [row.label for row in table.rows] == [("Baseline",), ("CGC",)]
    assert [cell.text for cell in table.rows[1].cells] == [
        "— (81.49 ± 0.09)", "— (85.72 ± 0.20)", "— (90.28 ± 0.08)", "— (96.18 ± 0.09)",
    ]  # fmt: skip
    assert "Nothing of this table has been measured yet." in table.notes


def test_seeds_give_mean_and_sample_std(record: Any) -> None:
    values = (80.0, 82.0, 84.5)
    table = six([record("cgc", seed, "top1", value) for seed, value in enumerate(values)])
    cell = table.rows[1].cells[0]
    # mean 82.1667; deviations −2.1667, −0.1667, 2.3333; Σ² = 10.1667; /2 = 5.0833; √ = 2.2546
    assert cell.text == "82.17 ± 2.25 (81.49 ± 0.09, +0.68)"
    assert cell.measured is not None and cell.measured.values == values
    assert "Mean ± std (ddof 1) over 3 seeds (0, 1, 2)." in table.notes
    assert "100 images a seed." in table.notes and not table.banner


def test_one_seed_gives_the_interval_and_never_a_std(record: Any) -> None:
    cell = six([record("ce", 7, "top1", 79.0)]).rows[0].cells[0]
    assert cell.text == "79.00 [78.00, 80.00] (80.09 ± 0.89, −1.09)"
    assert cell.measured is not None and cell.measured.std is None


def plain(row: Any) -> str:
    """A row's label with common spaces."""
    return " ".join(row.label).replace("\N{NO-BREAK SPACE}", " ")


def test_both_kinds_of_spread_are_told_apart_by_footnotes(record: Any) -> None:
    table = six([record("ce", s, "top1", 80.0 + s) for s in range(2)] + [record("cgc", 0, "top1", 81.0)])
    first, second = (table.rows[r].marks for r in range(2))
    assert "2 seeds (0, 1)" in table.footnotes[first[0] - 1] and "bootstrap" not in table.footnotes[first[0] - 1]
    assert "One seed (0); 95 % bootstrap" in " ".join(table.footnotes[m - 1] for m in second)


def test_difference_is_of_the_printed_numbers_and_zero_has_no_sign(record: Any) -> None:
    cell = six([record("ce", 0, "top1", 80.0899)]).rows[0].cells[0]
    assert cell.published_text == "(80.09 ± 0.89, 0.00)"


@pytest.mark.parametrize("facts", [{"comparable": False}, {"partial": ("20 of 200 classes",)}])
def test_what_is_not_comparable_shows_no_published_number(record: Any, facts: dict[str, Any]) -> None:
    table = six([record("cgc", 0, "top1", 91.0, **facts), record("ce", 0, "top1", 80.0)])
    assert table.rows[1].cells[0].text == "91.00 [90.00, 92.00]"
    assert table.rows[1].cells[0].difference is None
    assert table.rows[0].cells[0].difference is not None
    reason = facts.get("partial", ("cub",))[0]
    assert table.banner == (f"Not comparable with published numbers (1 of 2 measured cells): {reason}.",)


def test_different_partial_sentences_are_never_averaged(record: Any) -> None:
    parts = [("first 10 of 100 images",), ("first 20 of 100 images",)]
    table = six([record("cgc", s, "top1", 80.0 + s, partial=p, n=10 * (s + 1)) for s, p in enumerate(parts)])
    measured = table.rows[1].cells[0].measured
    assert measured is not None and len(measured.seeds) == 1
    assert "first 20 of 100 images" in plain(table.rows[1]) or "first 10 of 100 images" in plain(table.rows[2])
    assert sorted(row.cells[0].measured_text[:2] for row in table.rows[1:3]) == ["80", "81"], "neither is hidden"


@pytest.mark.parametrize("facts", [
    {"deviations": ("optimizer.lr = 0.01 instead of 0.1 (paper)",)}, {"precision": "bf16"}, {"layer": "layer3"},
    {"job": {"recipe": {"train": {"epochs": 5}}}}, {"job": {"recipe": {"data": {"measured on": "ab"}}}},
])  # fmt: skip
def test_other_conditions_are_never_averaged(record: Any, facts: dict[str, Any]) -> None:
    table = six([record("cgc", 0, "top1", 80.0), record("cgc", 1, "top1", 90.0, **facts)])
    shown = {row.cells[0].measured_text[:7]: plain(row) for row in table.rows[1:3]}
    assert set(shown) == {"80.00 [", "90.00 ["}, "neither is hidden"
    assert len(set(shown.values())) == 2, "no two rows carry one label"


def test_a_second_setting_is_a_row_of_its_own_that_names_it(record: Any) -> None:
    jobs = {e: {"recipe": {"train": {"epochs": e, "batch_size": 8}, "optimizer": {"lr": 0.1}}} for e in (5, 9)}
    long = [record("cgc", s, "top1", 90.0 + s, job=jobs[9]) for s in range(2)]
    short = [record("cgc", 0, "top1", 70.0, job=jobs[5]), record("ce", 0, "top1", 60.0, job=jobs[5])]
    table = six([*long, *short])
    assert [plain(row) for row in table.rows[:3]][1:] == [plain(table.rows[1]), f"{plain(table.rows[1])} (epochs 5)"]
    assert [row.cells[0].measured_text for row in table.rows[1:3]] == ["90.50 ± 0.71", "70.00 [69.00, 71.00]"]
    assert "Of several settings that were measured, this is epochs 9." in said(table)
    assert len(table.rows) == len(six([]).rows) + 1 and "(" not in plain(table.rows[0])


def test_words_about_a_recipe_do_not_separate_seeds(record: Any) -> None:
    jobs = [{"recipe": {"train": {"epochs": 5}, "sources": {"train.epochs": str(i)}}} for i in range(2)]
    table = six([record("cgc", s, "top1", 80.0 + s, job=jobs[s]) for s in range(2)])
    assert table.rows[1].cells[0].measured_text == "80.50 ± 0.71"


def test_two_runs_of_one_seed_are_not_two_seeds(record: Any) -> None:
    table = six([record("cgc", 0, "top1", v, run=name) for v, name in ((80.0, "a"), (90.0, "b"))])
    assert table.rows[1].cells[0].measured_text == "80.00 [79.00, 81.00]"
    assert plain(table.rows[2]).endswith("(run b)") and table.rows[2].cells[0].measured_text == "90.00 [89.00, 91.00]"


def test_comparable_records_go_before_more_seeds_of_a_part(record: Any) -> None:
    part = [record("cgc", s, "top1", 50.0, partial=("a part",)) for s in range(3)]
    assert six([*part, record("cgc", 0, "top1", 80.0)]).rows[1].cells[0].measured_text.startswith("80.00")


def test_table_1_prefers_the_pretrained_network_and_says_which(record: Any) -> None:
    facts = {"dataset": "imagenet", "split": "val"}
    ours = record("ce", 0, "top1", 75.0, **facts)
    theirs = record("pretrained", 0, "top1", 76.13, **{**facts, "arch": "torchvision:resnet50"})
    recipe = load_table("cgc/1")
    both = paper_table(recipe, [ours, theirs], PUBLISHED)
    assert both.rows[3].cells[0].text == "76.13 [75.13, 77.13] (76.13, 0.00)"
    assert "Measured on pretrained torchvision:resnet50." in both.notes
    assert paper_table(recipe, [ours], PUBLISHED).rows[3].cells[0].text == "75.00 [74.00, 76.00] (76.13, −1.13)"


def test_table_1_takes_each_column_from_its_own_variant_and_explainer(record: Any) -> None:
    facts = {"dataset": "imagenet", "split": "val"}
    ch = record("cgc", 0, "ch", {"official": 71.0, "correct": 80.0}, **facts)
    others = [replace(ch, explainer="hires-cam", values=record("x", 0, "ch", {"official": 1.0}).values)]
    others += [replace(ch, target="weighted"), replace(ch, split="train"), replace(ch, dataset="cub")]
    row = paper_table(load_table("cgc/1"), [*others, ch], PUBLISHED).rows[5]
    assert [cell.text for cell in row.cells] == [
        "— (74.60)", "71.00 [70.00, 72.00] (71.75, −0.75)", "— (2.64)", "—", "80.00 [79.00, 81.00]",
    ]  # fmt: skip


def test_all_cells_of_a_row_show_one_training(record: Any) -> None:
    facts = {"dataset": "imagenet", "split": "val"}
    jobs = {e: {"recipe": {"train": {"epochs": e}}} for e in (2, 30)}
    short = ("train.epochs = 2 instead of 30",)
    top1 = record("cgc", 0, "top1", 14.0, **facts, job=jobs[2], deviations=short)
    ch = [record("cgc", 0, "ch", {"official": v}, **facts, job=jobs[e], deviations=own)
          for v, e, own in ((88.0, 30, ()), (53.0, 2, short))]  # fmt: skip
    table = paper_table(load_table("cgc/1"), [top1, *ch], PUBLISHED)
    rows = [[cell.measured_text[:5] for cell in row.cells[:2]] for row in table.rows[5:7]]
    assert rows == [["—", "88.00"], ["14.00", "53.00"]] and plain(table.rows[6]).endswith("(epochs 2)")
    assert table.rows[5].cells[0].text == "— (74.60)", "what the paper prints stands in its place all the same"


def test_rows_that_are_only_published_say_so_until_an_added_run_fills_them(record: Any) -> None:
    gcc = record("gcc", 0, "top1", 74.0, dataset="imagenet", split="val", arch="resnet50", deviations=("Weights given",))
    one = load_table("cgc/1")
    rows = [row.model_copy(update={"published_only": row.label[1] == "GCC"}) for row in one.rows]
    only = one.model_copy(update={"rows": rows})
    filled = paper_table(only, [gcc], PUBLISHED)
    assert filled.rows[4].cells[0].text == "74.00 [73.00, 75.00] (74.40, −0.40)" and filled.rows[4].cells[1].measured is None
    said = [filled.footnotes[mark - 1] for mark in (*filled.rows[4].marks, *filled.rows[4].cells[0].marks)]
    assert "Weights given." in said or "Weights given." in filled.notes
    assert filled.rows[1].cells[0].measured is None, "the other network's row stays as it is"
    table = paper_table(only, [replace(gcc, method="gcd")], PUBLISHED)
    assert table.rows[4].cells[0].text == "— (74.40)"
    assert table.footnotes[table.rows[4].marks[0] - 1] == "Published only: there is nothing here to run."
    assert table.rows[1].marks == table.rows[4].marks, "the same sentence is one footnote"
    assert table.footnotes[table.columns[3].marks[0] - 1] == "Not in the paper's table."


TRANSPOSED = """
id = "cgc/10"
paper = "CGC"
title = "t"
caption = "c"
source = "s"
repeats = "images"
seeds = 1
row_headers = ["Metric"]
select = { dataset = "imagenet", arch = "resnet18", method = "cgc" }
columns = [
  { label = ["lambda=0.1"], select = { settings = { "objective_settings.weight" = 0.1 } } },
  { label = ["lambda=0.5"], select = { settings = { "objective_settings.weight" = 0.5 } } },
]
[[rows]]
label = ["Top-1 Acc"]
select = { metric = "top1" }
[[rows]]
label = ["CH"]
select = { metric = "ch", variant = "official" }
decimals = 1
"""


def test_rows_may_be_metrics_and_columns_settings(record: Any) -> None:
    facts = {"dataset": "imagenet", "arch": "resnet18"}
    jobs = {w: {"recipe": {"objective_settings": {"weight": w}}} for w in (0.1, 0.5)}
    records = [record("cgc", 0, "top1", 60 + w, job=job, **facts) for w, job in jobs.items()]
    records += [record("cgc", 0, "ch", {"official": 50 + w}, job=job, **facts) for w, job in jobs.items()]
    table = paper_table(parse_table(TRANSPOSED, "cgc/10"), records, PUBLISHED)
    assert [row.heading[-1] for row in table.rows] == ["Top-1 Acc (%) ↑", "CH (%) ↑"]
    assert [c.heading[-1] for c in table.columns] == ["lambda=0.1", "lambda=0.5"]
    assert [c.text for c in table.rows[0].cells] == [
        "60.10 [59.10, 61.10] (66.90, −6.80)",
        "60.50 [59.50, 61.50] (65.14, −4.64)",
    ]
    assert [c.measured_text for c in table.rows[1].cells] == ["50.1 [49.1, 51.1]", "50.5 [49.5, 51.5]"]


def test_a_number_that_is_not_recoverable_says_so(record: Any) -> None:
    text = TRANSPOSED.replace('"cgc/10"', '"cgc/7"').replace('dataset = "imagenet", ', 'dataset = "flowers", ')
    text = text.replace('label = ["lambda=0.1"]', 'label = ["a"], published = "Flowers 5-shot"')
    text = text.replace('label = ["lambda=0.5"]', 'label = ["b"], published = "Flowers 10-shot"')
    text = text.split("[[rows]]")[0] + '[[rows]]\nlabel = ["Baseline"]\nselect = { metric = "top1" }\n'
    job = {"recipe": {"objective_settings": {"weight": 0.1}}}
    measured = record("cgc", 0, "top1", 60.0, dataset="flowers", arch="resnet18", job=job)
    recipe = parse_table(text, "cgc/7")
    assert [c.text for c in paper_table(recipe, [], PUBLISHED).rows[0].cells] == ["— (not recoverable)", "— (93.20 ± 0.20)"]
    cell = paper_table(recipe, [measured], PUBLISHED).rows[0].cells[0]
    assert cell.text == "60.00 [59.00, 61.00] (not recoverable)" and cell.difference is None


def test_a_stand_in_shows_no_published_number_and_one_column(record: Any) -> None:
    recipe = stand_in(load_table("cgc/6"), "synthbirds", split="test", arch="resnet8")
    birds = [record("ce", s, "top1", 70.0 + s, dataset="synthbirds", arch="resnet8", comparable=False) for s in range(2)]
    table = paper_table(recipe, birds, PUBLISHED)
    assert [c.label for c in table.columns] == [("synthbirds",)]
    assert [row.cells[0].text for row in table.rows] == ["70.50 ± 0.71", "—"]
    assert "synthbirds stands in for the paper's data" in table.banner[0]
    assert table.banner[1:] == ("Not comparable with published numbers: synthbirds.",)
    assert paper_table(recipe, [], PUBLISHED).banner == table.banner[:1], "marked before anything is measured"


def test_a_reason_marks_its_cell_measured_or_not(record: Any) -> None:
    reasons = {(0, 0): ["Seed 2 not measured: x"], (1, 1): ["Not measured: y"], (1, 2): ["Not measured: y"]}
    table = paper_table(load_table("cgc/6"), [record("ce", 0, "top1", 80.0)], PUBLISHED, reasons)
    marked = {
        (r, c): [table.footnotes[m - 1] for m in cell.marks]
        for r, row in enumerate(table.rows)
        for c, cell in enumerate(row.cells)
        if cell.marks
    }
    assert marked == {(0, 0): ["Seed 2 not measured: x."], (1, 1): ["Not measured: y."], (1, 2): ["Not measured: y."]}


def test_deviations_and_counts_stand_under_the_table(record: Any) -> None:
    facts = {"deviations": ("optimizer.lr = 0.01 instead of 0.1 (paper)",)}
    table = six([record("cgc", s, "top1", 80.0, counts={"zero": s, "none": 0}, **facts) for s in range(2)])
    assert "optimizer.lr = 0.01 instead of 0.1 (paper)." in table.notes
    assert "zero: 0, 1 (seed by seed)." in table.notes and "none" not in said(table)


def test_a_value_that_is_not_finite_names_its_run(record: Any) -> None:
    with pytest.raises(CambenchError, match="cub-cgc-resnet50-s0-0: top1 is nan, expected a finite number"):
        six([record("cgc", 0, "top1", float("nan"))])


def test_a_selection_without_a_variant_wants_one_where_there_are_several(record: Any) -> None:
    text = TRANSPOSED.replace(', variant = "official"', "")
    ch = record("cgc", 0, "ch", {"official": 1.0, "correct": 2.0}, dataset="imagenet", arch="resnet18",
                job={"recipe": {"objective_settings": {"weight": 0.1}}})  # fmt: skip
    with pytest.raises(UsageError, match=r"expected `select` to name one of its variants \(official, correct\), got none"):
        paper_table(parse_table(text, "cgc/10"), [ch], PUBLISHED)


def test_table_3_takes_only_networks_trained_on_imagenet(record: Any) -> None:
    facts = {"dataset": "unrel", "comparable": False}
    jobs = {name: {"recipe": {"dataset": name}} for name in ("imagenet", "cub")}
    records = [record("ce", 0, "top1-any", v, job=jobs[n], **facts) for n, v in (("cub", 1.0), ("imagenet", 40.0))]
    cells = [cell.measured_text for cell in paper_table(load_table("cgc/3"), records, PUBLISHED).rows[0].cells]
    assert cells == ["40.00 [39.00, 41.00]", "—"]


def test_episodes_are_told_from_full_training_and_from_other_shots(record: Any) -> None:
    def few(seed: int, shots: int, value: float) -> Record:
        job = {"recipe": {"data": {"shots": shots, "measured on": "the pool"}}}
        return record("cgc", seed, "top1", value, split="episode", job=job)

    records = [few(s, n, 10.0 * n + s) for s in range(4) for n in (1, 5)]
    records += [record("cgc", 0, "top1", 80.0)]
    row = paper_table(load_table("cgc/7"), records, PUBLISHED).rows[1]
    assert [cell.measured_text for cell in row.cells[:3]] == ["11.5 ± 1.3", "51.5 ± 1.3", "—"]
