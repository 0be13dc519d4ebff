"""Table recipes: what is written, and what is said of what is written wrong."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from cambench.recipes import tables
from cambench.recipes.load import METHODS
from cambench.recipes.part import part, published_only
from cambench.recipes.published import find_published, load_published
from cambench.recipes.stand_in import replace, replaced, stand_in
from cambench.recipes.tables import Select, TableRecipe, cells, load_table, load_tables, natural, parse_table, table_files
from cambench.vocabulary import UsageError

SIX = table_files()["cgc/6"].read_text(encoding="utf-8")


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
    assert keys == {key for key in published if key[0] == recipe.number}


@pytest.mark.parametrize("table", list(table_files()))
def test_only_rows_of_methods_that_are_not_here_cannot_be_run(table: str) -> None:
    recipe = load_table(table)
    lines = [line for line in (*recipe.rows, *recipe.columns) if line.published_only]
    assert published_only(recipe) == ["/".join(line.label) for line in lines]
    assert not {select.method for line in lines for select in line.select} & set(METHODS), "it can be run now"


def test_every_published_number_has_exactly_one_cell() -> None:
    keys = [cell.key for recipe in load_tables("cgc") for row in cells(recipe) for cell in row if cell.key is not None]
    assert len(keys) == len(set(keys)) == 107
    assert set(keys) == set(load_published("cgc"))


def test_cells_have_the_decimals_of_the_papers_print() -> None:
    text = (files("cambench.recipes") / "published" / "cgc.csv").read_text(encoding="utf-8")
    printed = {(r["table"], r["row"], r["column"]): r["value"] for r in csv.DictReader(text.splitlines())}
    for recipe in load_tables("cgc"):
        for row in cells(recipe):
            for cell in row:
                value = "missing" if cell.key is None else printed[cell.key]
                assert value == "missing" or len(value.partition(".")[2]) == cell.decimals, cell.key


def test_published_facts_are_those_that_a_cell_selects() -> None:
    text = (files("cambench.recipes") / "published" / "cgc.csv").read_text(encoding="utf-8")
    rows = {(r["table"], r["row"], r["column"]): r for r in csv.DictReader(text.splitlines())}
    data_names = {
        "cub200": "cub",
        "fgvc_aircraft": "aircraft",
        "cars196": "cars",
        "flowers102": "flowers",
        "imagenet100": "imagenet-100",
    }
    methods_of = {"ce": {"ce", "ce-semi"}, "cgc": {"cgc"}, "cgc_unlabeled": {"cgc-semi"}, "cgc_no_neg": {"cgc-no-negatives"}}
    methods_of["gcc"] = {"gcc"}
    metrics_of = {
        "top1_acc": {"top1", "top1-any"},
        "top5_acc": {"top5"},
        "content_heatmap": {"ch"},
        "cgc_loss": {"cgc-loss"},
        "insertion_auc": {"iauc-train-bn"},
    }
    for cell in (cell for recipe in load_tables("cgc") for row in cells(recipe) for cell in row):
        if cell.key is None or cell.published_only:
            continue
        said = rows[cell.key]
        setting = dict(part.split("=") for part in said["setting"].split(";"))
        select = cell.alternatives[-1]
        assert select.dataset == data_names.get(said["dataset"], said["dataset"])
        assert select.arch == said["arch"] and select.metric in metrics_of[said["metric"]]
        assert select.method in methods_of[setting["train"]]
        assert str(select.settings.get("data.shots", "full")) == setting.get("shots", "full")
        assert (select.split == "episode") == (setting.get("shots", "full") != "full")
        assert int(setting.get("episodes", setting.get("trials", cell.seeds))) == cell.seeds
        explainer = {None: None, "grad_cam": "grad-cam", "contrastive_excitation_backprop": "cmwp"}[setting.get("explainer")]
        released = "grad-cam:head=false" if said["table"] == "9" and explainer else explainer
        assert select.explainer == released, cell.key
        if said["table"] == "10" and setting["train"] == "cgc":
            assert select.settings == {"objective_settings.weight": float(setting["lambda"])}


def test_published_direction_and_unit_agree_with_the_metrics() -> None:
    for recipe in load_tables("cgc"):
        for row in cells(recipe):
            for cell in row:
                if cell.key is not None:
                    printed = find_published(load_published("cgc"), cell.key)
                    assert printed.higher_is_better == (cell.direction == "up")
                    assert printed.unit == cell.unit or {printed.unit, cell.unit} == {"fraction", "probability"}


def test_layouts_are_the_papers() -> None:
    assert [recipe.id for recipe in load_tables("cgc")] == [f"cgc/{n}" for n in range(1, 12)]
    one, six = load_table("cgc/1"), load_table("cgc/6")
    assert [line.label for line in one.rows] == [
        [a, m] for a in ("ResNet18", "ResNet50") for m in ("Baseline", "GCC", "CGC")
    ]
    assert [line.published_only for line in one.rows] == [False] * 6
    assert [c.key for c in cells(six)[1]] == [
        ("6", "Ours (CGC)", name) for name in ("CUB-200", "FGVC-Aircraft", "Cars-196", "VGG Flowers-102")
    ]
    assert six.seeds == 3 and six.repeats == "seeds"
    ten = load_table("cgc/10")
    assert [line.label for line in ten.columns] == [[v] for v in ("0", "0.01", "0.1", "0.5", "1.0", "2.0")]
    assert [line.label for line in ten.rows if not line.ours] == [["Top-1 Acc"], ["CH"]]
    seven, eight = load_table("cgc/7"), load_table("cgc/8")
    assert (len(seven.columns), seven.wrap, len(eight.columns), eight.wrap) == (12, 6, 8, 4)
    assert [c.seeds for c in cells(eight)[0]] == [20, 20, 20, 3] * 2 and {c.seeds for c in cells(seven)[0]} == {20}
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
    assert row[0].key is None and six.stand_in == "synthbirds" and six.title.endswith("(stand-in: synthbirds, resnet8)")
    one = stand_in(load_table("cgc/1"), "synthbirds", split="test", arch="resnet8")
    assert [line.label for line in one.rows] == [["resnet8", m] for m in ("Baseline", "GCC", "CGC")]
    assert len(stand_in(load_table("cgc/1"), "synthbirds", split="test").rows) == 6
    assert isinstance(one, TableRecipe) and tables.load_table("cgc/1").stand_in is None


def test_a_stand_in_of_a_table_that_names_no_architecture_is_of_the_given_one() -> None:
    bare = load_table("cgc/6").model_copy(update={"select": Select(metric="top1", split="test")})
    every = cells(stand_in(bare, "synthbirds", split="test", arch="resnet20"))
    assert {select.arch for row in every for cell in row for select in cell.alternatives} == {"resnet20"}


@pytest.mark.parametrize(("table", "rows", "columns"), [
    ("1", [f"resnet8/{m}" for m in ("Baseline", "GCC", "CGC")],
     ["Top-1 Acc (%)", "CH (%)", "CGC Loss", "CGC Loss, printed", "CH, correct (%)"]),
    ("2", ["Baseline", "CGC"], ["Insertion AUC", "Insertion AUC, eval mode"]),
    ("3", ["Baseline", "CGC"], ["Top-1 Acc (%)", "CH (%)"]),
    ("4", ["Baseline", "GCC", "CGC"], ["CH (%) using cMWP", "CH, correct (%)", "CH, small (%)"]),
    ("5", ["CGC", "CGC w/o neg"], [f"resnet8/{m}" for m in ("Top-1 Acc (%)", "CH (%)", "CH, correct (%)")]),
    ("6", ["Baseline", "CGC"], ["synthbirds"]),
    ("7", ["Baseline", "CGC"], [f"synthbirds/{n}-shot" for n in (1, 5, 10)]),
    ("8", ["Baseline", "CGC"], [*(f"synthbirds/{n}-shot" for n in (1, 5, 10)), "synthbirds/Full training set"]),
    ("9", ["Baseline", "CGC"], ["Top-1 (%)", "Top-5 (%)", "CH (%)", "CH, class (%)", "CH, class, correct (%)"]),
    ("10", ["Top-1 Acc", "CH", "CH, correct"], ["0", "0.01", "0.1", "0.5", "1.0", "2.0"]),
    ("11", ["Baseline", "CGC", "CGC w/o neg"],
     [f"resnet8 synthbirds/{m}" for m in ("Top-1 Acc (%)", "CH (%)", "CH, correct (%)")]),
])  # fmt: skip
def test_every_table_has_a_stand_in_that_names_only_what_stands_in(table: str, rows: list[str], columns: list[str]) -> None:
    recipe = stand_in(load_table(f"cgc/{table}"), "synthbirds", split="test", arch="resnet8")
    assert ["/".join(line.label) for line in recipe.rows] == rows
    assert ["/".join(line.label) for line in recipe.columns] == columns
    assert recipe.caveats == [] and len(recipe.notes) == len(load_table(f"cgc/{table}").notes)
    for cell in (cell for row in cells(recipe) for cell in row):
        assert cell.key is None and not cell.published_only
        for select in cell.alternatives:
            few = "data.shots" in select.settings
            assert (select.dataset, select.arch, select.split) == ("synthbirds", "resnet8", "episode" if few else "test")
            assert "dataset" not in select.settings


def test_a_network_measured_on_unrel_was_trained_on_imagenet() -> None:
    baseline, ours = (row[0].alternatives for row in cells(load_table("cgc/3")))
    assert [s.settings for s in (*baseline, *ours)] == [{}, {"dataset": "imagenet"}, {"dataset": "imagenet"}]


def test_a_stand_in_trains_the_baseline_in_place_of_a_pretrained_network() -> None:
    """Its 1,000 outputs are not the classes of the stand-in."""
    for arch, wanted in (("resnet8", "resnet8"), (None, "resnet18")):
        baseline = stand_in(load_table("cgc/1"), "synthbirds", split="test", arch=arch).rows[0]
        assert [(s.method, s.arch) for s in baseline.select] == [("ce", wanted)]


def test_a_part_of_a_table_is_chosen_by_label() -> None:
    one = load_table("cgc/1")
    (some,) = part([one], ["resnet18"], ["CH (%)"])
    assert [line.label for line in some.rows] == [["ResNet18", m] for m in ("Baseline", "GCC", "CGC")]
    assert [line.label for line in some.columns] == [["CH (%)"]]
    assert some.notes[0] == "A part of the table: 3 of 6 rows, 1 of 5 columns, as chosen."
    assert [line.label for line in part([one], ["ResNet50/CGC"], [])[0].rows] == [["ResNet50", "CGC"]]
    assert part([one], [], []) == [one]
    assert [recipe.id for recipe in part(load_tables("cgc"), [], ["FGVC-Aircraft"])] == ["cgc/6"], (
        "others have no such column"
    )


@pytest.mark.parametrize(("rows", "columns", "said"), [
    (["ResNet19"], [], r"unknown row 'ResNet19'\. Did you mean resnet18"),
    ([], ["top-1"], r"unknown column 'top-1'\. Did you mean top-1 acc"),
])  # fmt: skip
def test_an_unknown_label_names_the_nearest(rows: list[str], columns: list[str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        part([load_table("cgc/1")], rows, columns)


def test_a_row_and_a_column_of_different_tables_are_no_part() -> None:
    with pytest.raises(
        UsageError, match=r"expected rows and columns of one table, got row ResNet18 and column FGVC-Aircraft\."
    ):
        part(load_tables("cgc"), ["ResNet18"], ["FGVC-Aircraft"])


def test_a_stand_in_is_chosen_by_its_labels_or_by_the_papers() -> None:
    one = load_table("cgc/1")
    names = replaced(one, "synthbirds", "resnet8")
    for name in ("ResNet18", "resnet8"):
        (some,) = part([one], [name], [], lambda line: replace(line, "test", "resnet8", names))
        assert len(some.rows) == (3 if name == "ResNet18" else 6), name
