"""ExCon's tables: every printed number in its cell, selected as it was published; what stands in on synthbirds."""

from __future__ import annotations

import csv
from importlib.resources import files

from cambench.metrics import find_metric
from cambench.recipes.published import load_published
from cambench.recipes.stand_in import stand_in
from cambench.recipes.tables import cells, load_table, load_tables

METHODS = {"ExCon": "excon", "ExConB": "exconb", "SupConOri": "supcon-ori", "SupCon": "supcon"}
DATA = {"cifar100": ("cifar100", "test"), "tiny-imagenet-200": ("tiny-imagenet", "val")}


def test_every_number_has_exactly_one_cell_but_those_of_the_figure() -> None:
    keys = [cell.key for recipe in load_tables("excon") for row in cells(recipe) for cell in row if cell.key is not None]
    assert len(keys) == len(set(keys)) == 168
    assert {key[0] for key in load_published("excon") if key not in keys} == {"figure3"}


def test_cells_select_what_was_published() -> None:
    text = (files("cambench.recipes") / "published" / "excon.csv").read_text(encoding="utf-8")
    rows = {(r["table"], r["row"], r["column"]): r for r in csv.DictReader(text.splitlines())}
    for cell in (cell for recipe in load_tables("excon") for row in cells(recipe) for cell in row):
        (select,) = cell.alternatives
        assert cell.seeds == 5 and (select.checkpoint == "best" or cell.key is None)
        if cell.key is None:
            continue
        said = rows[cell.key]
        setting = dict(part.split("=") for part in said["setting"].split(";"))
        assert select.method == METHODS[setting["method"]] and (select.dataset, select.split) == DATA[said["dataset"]]
        assert select.settings["train.batch_size"] == int(setting["batch_size"])
        start = 100 if (select.method, setting["batch_size"]) == ("excon", "256") else None
        assert select.settings.get("objective_settings.start") == start, "all others are the recipe's own"
        metric = find_metric(select.metric or "")
        variant = {"top1_acc": None, "infidelity": "yeh-gaussian"}.get(
            said["metric"], f"{setting.get('threshold')}/{said['metric'].replace('_', '-')}"
        )
        assert select.variant == variant and (variant or "") in metric.variants
        assert said["higher_is_better"] == ("true" if cell.direction == "up" else "false")
        assert len(said["value"].partition(".")[2]) <= (cell.decimals or 0) or "e" in said["value"]


def test_the_table_that_prints_a_batch_size_of_256_says_so() -> None:
    printed = [v for k, v in load_published("excon").items() if k[0] == "2" and k[1].startswith("Tiny")]
    assert len(printed) == 4 and all("printed batch size=256" in v.setting for v in printed)
    two = load_table("excon/2")
    assert any("2b prints batch size 256" in s for s in two.caveats)
    assert any(s.startswith("Definition not published") for s in two.caveats)


def test_a_stand_in_has_one_batch_size_its_own() -> None:
    one, three, four = (stand_in(load_table(f"excon/{n}"), "synthbirds", split="test", arch="resnet8") for n in (1, 3, 4))
    assert [line.label for line in one.rows] == [["synthbirds", "own", name] for name in METHODS]
    assert [line.label for line in three.rows] == [["own", name] for name in METHODS]
    assert [line.label for line in four.rows] == [[name] for name in METHODS]
    for recipe in (one, three, four):
        found = [s for row in cells(recipe) for cell in row for s in cell.alternatives]
        assert not any(s.settings for s in found) and {s.checkpoint for s in found} == {"best", "last"}


def test_infidelity_is_measured_on_fewer_images_on_a_stand_in() -> None:
    two = stand_in(load_table("excon/2"), "synthbirds", split="test", arch="resnet8")
    found = [s for row in cells(two) for cell in row for s in cell.alternatives]
    assert {s.metric for s in found} == {"infidelity-small"} and len({s.variant for s in found}) == 4
    assert {s.metric for row in cells(load_table("excon/2")) for c in row for s in c.alternatives} == {"infidelity"}
