"""CALM's Tables 3 and 5: every printed number in its cell, trained and measured as it was; what stands in on synthbirds."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from cambench.objectives import make
from cambench.recipes import ranges
from cambench.recipes.load import load
from cambench.recipes.published import load_published
from cambench.recipes.stand_in import stand_in
from cambench.recipes.tables import cells, load_table

METHODS = {
    "HaS": "has",
    "ACoL": "acol",
    "SPG": "spg",
    "ADL": "adl",
    "CutMix": "cutmix",
    "CAM": "cam",
    "CALM_EM": "calm-em",
    "CALM_ML": "calm-ml",
}
DATA = {"ImageNet": "imagenet-wsol", "CUB": "cub-wsol", "OpenImages": "openimages-30k"}
METRICS = {"MaxBoxAccV2": ("max-box-acc", ""), "PxAP": ("px-ap", None)}


@pytest.mark.parametrize("number", ["3", "5"])
def test_every_number_has_exactly_one_cell(number: str) -> None:
    keys = [cell.key for row in cells(load_table(f"calm/{number}")) for cell in row if cell.key is not None]
    assert len(keys) == len(set(keys)) and set(keys) == {key for key in load_published("calm") if key[0] == number}


@pytest.mark.parametrize("number", ["3", "5"])
def test_cells_select_what_was_published(number: str) -> None:
    text = (files("cambench.recipes") / "published" / "calm.csv").read_text(encoding="utf-8")
    rows = {(r["table"], r["row"], r["column"]): r for r in csv.DictReader(text.splitlines())}
    for cell in (cell for row in cells(load_table(f"calm/{number}")) for cell in row if cell.key is not None):
        said = rows[cell.key]
        name, _, superset = said["row"].partition(" + ")
        assert cell.published_only == (name == "InCA")
        if cell.published_only:
            continue
        archs = said["arch"].removeprefix("mean(").removesuffix(")").split(";")
        assert cell.mean == said["arch"].startswith("mean(")
        wanted = [(DATA[d], a) for d in said["dataset"].split(";") for a in archs]
        assert [(s.dataset, s.arch) for s in cell.alternatives] == wanted
        for select in cell.alternatives:
            assert (select.method, select.split) == (METHODS[name], "test")
            assert select.target == ("subset:supersets" if superset else "logit")
            plain = "min-max-cam" if superset else "acol" if name == "ACoL" else "score-map"
            assert select.explainer == ("calm" if name.startswith("CALM") else plain)
            printed = "PxAP" if select.dataset == "openimages-30k" else "MaxBoxAccV2"
            assert printed in said["metric"] and (select.metric, select.variant) == METRICS[printed]
            recipe = load(select.method or "", select.dataset or "", select.arch, preset=select.settings)
            epochs = 50 if select.dataset == "cub-wsol" else 10
            assert (recipe.train.epochs, recipe.train.batch_size, recipe.train.accumulate) == (epochs, 32, 1)
            assert recipe.optimizer.weight_decay == (1e-4 if select.arch == "resnet50" else 5e-4)
            tuned = name in ("HaS", "ACoL", "SPG", "ADL", "CutMix") and select.dataset == "cub-wsol"
            assert any("28" in name for name in recipe.model.surgery) == (not tuned or select.arch == "resnet50")


def test_a_stand_in_has_a_column_a_metric() -> None:
    three, five = (stand_in(load_table(f"calm/{n}"), "synthbirds", split="test", arch="resnet8") for n in (3, 5))
    assert [line.label for line in three.columns] == [["synthbirds", "MaxBoxAccV2"], ["synthbirds", "PxAP"]]
    assert [line.label[1:] for line in five.columns] == [
        ["MaxBoxAccV2", "resnet8"], ["PxAP", "resnet8"], ["both metrics", "Total mean"],
    ]  # fmt: skip
    assert [line.mean for line in (*three.columns, *five.columns)] == [False] * 4 + [True]
    assert [s.metric for s in five.columns[-1].select] == ["max-box-acc", "px-ap"]
    assert [line.label[0] for line in three.rows] == [name for row in METHODS for name in (
        (row, f"{row} + Y") if row.startswith("CA") else (row,)
    )]  # fmt: skip
    assert not any(s.settings for recipe in (three, five) for row in cells(recipe) for c in row for s in c.alternatives)


@pytest.mark.parametrize("method", ["has", "acol", "spg", "adl", "cutmix"])
@pytest.mark.parametrize("arch", ["vgg16", "inception_v3", "resnet50"])
@pytest.mark.parametrize("dataset", ["cub-wsol", "imagenet-wsol", "openimages-30k"])
def test_a_search_draws_every_setting_and_the_size_of_the_map(method: str, arch: str, dataset: str) -> None:
    recipe = load(method, dataset, arch)
    found = ranges.ranges_of(recipe)
    assert found.keys() == {"optimizer.lr", "model.surgery", *(f"objective_settings.{k}" for k in recipe.objective_settings)}
    drawn = ranges.draws(found, 0, 12)
    for one in drawn:
        settings = load(method, dataset, arch, ranges.overrides(one)).objective_settings
        make(recipe.objective, settings)
        assert all(settings[f"low{i}"] <= settings[f"high{i}"] for i in (1, 2, 3) if method == "spg")
    surgeries = {tuple(one["model.surgery"]) for one in drawn}
    small, large = sorted(surgeries)
    assert (f"{small[0]}-28", *small[1:]) == large and tuple(recipe.model.surgery) in surgeries


def test_cells_to_be_hidden_are_no_larger_than_the_image() -> None:
    for dataset, arch, most in (
        ("cub-wsol", "vgg16", 224),
        ("synthbirds", "resnet18-small", 64),
        ("synthbirds", "resnet8", 32),
    ):
        recipe = load("has", dataset, arch)
        assert ranges.ranges_of(recipe)["objective_settings.cell"].high == most == recipe.input.size
