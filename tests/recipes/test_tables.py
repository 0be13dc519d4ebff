"""Table recipes and published values: what is written, and what is said of what is written wrong."""

from __future__ import annotations

import csv
from importlib.resources import files
from pathlib import Path

import pytest

from cambench.metrics import find_metric
from cambench.recipes import tables
from cambench.recipes.published import COLUMNS, find_published, load_published, parse
from cambench.recipes.stand_in import stand_in
from cambench.recipes.tables import Select, TableRecipe, cells, load_table, load_tables, natural, parse_table, table_files
from cambench.vocabulary import DataError, UsageError

SHARED = Path(__file__).parents[3] / "shared" / "paper_tables"
SIX = table_files()["cgc/6"].read_text(encoding="utf-8")
LINE = "cgc,6,Baseline,CUB,cub200,resnet50,train=ce,top1_acc,{value},{std},%,{better}"


@pytest.mark.parametrize("table", list(table_files()))
def test_every_table_of_the_package_is_sound(table: str) -> None:
    recipe = load_table(table)
    published = load_published(table.partition("/")[0])
    keys = set()
    for row in cells(recipe):
        for cell in row:
            if cell.key is not None:
                find_published(published, cell.key)
                keys.add(cell.key)
            for select in cell.alternatives:
                assert select.metric is not None
                metric = find_metric(select.metric)
                assert select.variant is None or select.variant in metric.variants
                assert (cell.unit, cell.decimals) == (metric.unit, metric.decimals)
                assert cell.direction == ("up" if metric.higher_is_better else "down")
    assert keys == {key for key in published if key[0] == recipe.number}, "every published number has its cell, once"


def test_published_direction_and_unit_agree_with_the_metrics() -> None:
    for recipe in load_tables("cgc"):
        for row in cells(recipe):
            for cell in row:
                if cell.key is not None:
                    printed = find_published(load_published("cgc"), cell.key)
                    assert printed.higher_is_better == (cell.direction == "up")
                    assert printed.unit == cell.unit or {printed.unit, cell.unit} == {"fraction", "probability"}


def test_layouts_are_the_papers() -> None:
    one, two, six = load_tables("cgc")
    assert (one.id, two.id, six.id) == ("cgc/1", "cgc/2", "cgc/6")
    assert [line.label for line in one.rows] == [
        [a, m] for a in ("ResNet18", "ResNet50") for m in ("Baseline", "GCC", "CGC")
    ]
    assert [line.published_only for line in one.rows] == [False, True, False] * 2
    assert [c.key for c in cells(six)[1]] == [
        ("6", "Ours (CGC)", name) for name in ("CUB-200", "FGVC-Aircraft", "Cars-196", "VGG Flowers-102")
    ]
    assert six.seeds == 3 and six.repeats == "seeds"
    baseline = cells(one)[0][0].alternatives
    assert [(s.method, s.arch) for s in baseline] == [("pretrained", "torchvision:resnet18"), ("ce", "resnet18")]


def test_tables_are_in_the_order_of_their_numbers() -> None:
    assert sorted(["cgc/10", "excon/1b", "cgc/2", "excon/1a", "cgc/1"], key=natural) == [
        "cgc/1",
        "cgc/2",
        "cgc/10",
        "excon/1a",
        "excon/1b",
    ]


def test_an_unknown_table_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown table 'cgc/66'.*Did you mean cgc/6"):
        load_tables("cgc/66")


@pytest.mark.parametrize(("old", "new", "message"), [
    ('dataset = "cub"', 'datset = "cub"', r"6\.toml: columns\.0\.select\.0: unknown key 'datset'\. Did you mean dataset"),
    ("decimals = 2", "decimal = 2", r"tables/cgc/6\.toml: columns\.0: unknown key 'decimal'\. Did you mean decimals"),
    ("seeds = 3", "sedes = 3", r"tables/cgc/6\.toml: unknown key 'sedes'\. Did you mean seeds"),
    ("seeds = 3", "", r"tables/cgc/6\.toml: expected the key seeds, got none"),
    ('repeats = "seeds"', 'repeats = "seed"', r"repeats: input should be 'seeds' or 'images', got 'seed'"),
    ("seeds = 3", 'seeds = "3"', r"seeds: .*got '3'"),
    ('id = "cgc/6"', 'id = "cgc/7"', r"expected id = 'cgc/6', got 'cgc/7'"),
    ('label = ["CGC"]', 'label = ["Baseline"]', r"rows: two labels are the same"),
    ('label = ["CGC"]', 'label = ["CGC", "x"]', r"rows: every label needs 1 level"),
    ('method = "ce"', 'method = "ce", metric = "ch"', r"row Baseline, column CUB-200: metric is both 'top1' and 'ch'"),
    ('method = "ce"', 'explainer = "cam"', r"expected dataset, method and metric in `select`"),
    ('label = ["Baseline"]', 'label = ["Baseline"]\ndecimals = 1', r"the row and the column both say how it is printed"),
    ('id = "cgc/6"', "id = ", r"tables/cgc/6\.toml: not valid TOML"),
])  # fmt: skip
def test_a_wrong_recipe_gives_one_clear_line(old: str, new: str, message: str) -> None:
    assert old in SIX
    with pytest.raises(UsageError, match=message) as caught:
        parse_table(SIX.replace(old, new, 1), "cgc/6")
    assert "\n" not in str(caught.value)


def test_selections_join_their_settings() -> None:
    one, two = Select(metric="ch", settings={"a.b": 1}), Select(arch="x", settings={"a.c": 2})
    both = one.union(two, "here")
    assert (both.metric, both.arch, both.settings) == ("ch", "x", {"a.b": 1, "a.c": 2})
    with pytest.raises(UsageError, match=r"here: a\.b is both 1 and 2"):
        one.union(Select(settings={"a.b": 2}), "here")


def test_a_stand_in_replaces_data_and_architecture_and_keeps_no_published_number() -> None:
    six = stand_in(load_table("cgc/6"), "synthbirds", split="test", arch="resnet8")
    (row, _) = cells(six)
    assert [line.label for line in six.columns] == [["synthbirds"]] and len(row) == 1
    (select,) = row[0].alternatives
    assert (select.dataset, select.split, select.arch, select.metric) == ("synthbirds", "test", "resnet8", "top1")
    assert row[0].key is None and "synthbirds stands in" in six.notes[0]
    one = stand_in(load_table("cgc/1"), "synthbirds", split="test", arch="resnet8")
    assert [line.label for line in one.rows] == [["resnet8", "Baseline"], ["resnet8", "CGC"]], "GCC is only published"
    assert len(stand_in(load_table("cgc/1"), "synthbirds", split="test").rows) == 4
    assert isinstance(one, TableRecipe) and tables.load_table("cgc/1").stand_in is None


def test_published_values_are_those_of_the_paper() -> None:
    values = load_published("cgc")
    assert len(values) == 107
    cub = values["6", "Baseline", "CUB-200"]
    assert (cub.value, cub.std, cub.unit, cub.higher_is_better) == (80.09, 0.89, "%", True)
    assert values["1", "ResNet18/Baseline", "CGC Loss"].higher_is_better is False
    assert values["2", "Baseline", "Insertion AUC"].std is None
    missing = [v for v in values.values() if not v.recoverable]
    assert len(missing) == 8 and all(v.std is None for v in missing)
    assert load_published("no-such-paper") == {}


def test_the_packages_copy_equals_the_source() -> None:
    source = SHARED / "cgc.csv"
    if not source.exists():
        pytest.skip("the paper tables are not beside this checkout")
    ours = files("cambench.recipes") / "published" / "cgc.csv"
    assert ours.read_bytes() == source.read_bytes()


@pytest.mark.parametrize("path", sorted(SHARED.glob("*.csv")), ids=lambda path: path.stem)
def test_the_format_holds_for_every_paper(path: Path) -> None:
    with path.open(encoding="utf-8") as file:
        if next(csv.reader(file)) != COLUMNS:
            pytest.skip("not a table of results")
    assert parse(path.read_text(encoding="utf-8").splitlines(), path.name)


@pytest.mark.parametrize(("lines", "message"), [
    (["a,b"], "expected the columns paper, table"),
    ([LINE.format(value="x", std="", better="true")], "f, line 2, value: expected a number or `missing`, got 'x'"),
    ([LINE.format(value="nan", std="", better="true")], "f, line 2, value: expected a finite number"),
    ([LINE.format(value="", std="", better="true")], "f, line 2: expected a number or `missing` as value, got nothing"),
    ([LINE.format(value="1", std="?", better="true")], "f, line 2, std: expected a number"),
    ([LINE.format(value="1", std="", better="yes")], "higher_is_better: expected true, false or nothing, got 'yes'"),
    ([LINE.format(value="1", std="", better="")] * 2, "f, line 3: table 6 already has a value"),
])  # fmt: skip
def test_a_wrong_published_file_names_the_line(lines: list[str], message: str) -> None:
    head = [] if "," in lines[0] and lines[0] == "a,b" else [",".join(COLUMNS)]
    with pytest.raises(DataError, match=message):
        parse([*head, *lines], "f")


def test_a_key_that_is_not_published_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown published value '6 \| Ours \| CUB-200'.*ours \(cgc\) \| cub-200"):
        find_published(load_published("cgc"), ("6", "Ours", "CUB-200"))
