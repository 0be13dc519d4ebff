"""The tables of the ContrastiveCAM paper: every printed number in its cell, and what stands in on synthbirds."""

from __future__ import annotations

import csv
from importlib.resources import files

import pytest

from cambench.recipes.published import load_published
from cambench.recipes.stand_in import stand_in
from cambench.recipes.tables import cells, load_table, load_tables, parse_table, table_files
from cambench.vocabulary import UsageError

OTHERS = {"pets-binary": "synthbirds-binary", "sbd": "synthbirds-multilabel"}


def test_a_stand_in_has_a_set_for_each_task_and_the_training_split_stays() -> None:
    three = stand_in(load_table("contrastive-cam/3"), "synthbirds", split="test", arch="resnet8", others=OTHERS)
    labels = ["/".join(line.label) for line in three.columns]
    assert labels[:4] == [f"synthbirds-binary/{m}/{s}" for m in ("Accuracy (%)", "IoU (%)") for s in ("Train", "Valid")]
    assert labels[4] == "synthbirds/Accuracy (%)/Train" and len(labels) == 12
    found = [(s.dataset, s.split) for s in (cell.alternatives[0] for cell in cells(three)[0])]
    assert found[:5] == [*[("synthbirds-binary", "train"), ("synthbirds-binary", "test")] * 2, ("synthbirds", "train")]
    assert "synthbirds-binary, synthbirds, resnet8" in three.title
    assert [s.settings for line in three.rows[2:] for s in line.select] == [
        {"data.masks": m} for m in ("segmentation", "segmentation", "sam", "sam", "boxes")
    ]
    four = stand_in(load_table("contrastive-cam/4"), "synthbirds", split="test", arch="resnet8", others=OTHERS)
    assert {s.dataset for row in cells(four) for cell in row for s in cell.alternatives} == {"synthbirds-multilabel"}
    two = stand_in(load_table("contrastive-cam/2"), "synthbirds", split="test", arch="resnet8", others=OTHERS)
    assert {s.dataset for row in cells(two) for cell in row for s in cell.alternatives} == {"synthbirds"}
    assert not any("dataset" in s.settings for row in cells(two) for cell in row for s in cell.alternatives)


def test_a_row_may_leave_columns_unprinted() -> None:
    two = load_table("contrastive-cam/2")
    names = [line.key for line in two.columns].index("ContrastiveCAM IoU")
    printed = [row[names].key is not None for row in cells(two)]
    assert printed == [False] * 4 + [True] * 3 and not any(row[names].published_only for row in cells(two))
    assert [cells(two)[r][0].seeds for r in range(7)] == [1] * 4 + [3] * 3
    text = table_files()["contrastive-cam/2"].read_text(encoding="utf-8")
    with pytest.raises(UsageError, match=r"2\.toml: unprinted: unknown column 'ContrastiveCAM'\. Did you mean"):
        parse_table(
            text.replace('unprinted = ["ContrastiveCAM IoU"]', 'unprinted = ["ContrastiveCAM"]'), "contrastive-cam/2"
        )


def test_every_number_of_the_contrastive_cam_paper_has_exactly_one_cell() -> None:
    recipes = load_tables("contrastive-cam")
    keys = [cell.key for recipe in recipes for row in cells(recipe) for cell in row if cell.key is not None]
    assert len(keys) == len(set(keys)) == 128
    assert {key for key in load_published("contrastive-cam") if key not in keys} == {
        ("text", "dataset statistics", fact) for fact in ("core area share", "number of dog images", "number of cat images")
    }


def test_cells_of_the_contrastive_cam_paper_select_what_was_published() -> None:
    text = (files("cambench.recipes") / "published" / "contrastive-cam.csv").read_text(encoding="utf-8")
    rows = {(r["table"], r["row"], r["column"]): r for r in csv.DictReader(text.splitlines())}
    methods_of = {
        "ce": {"ce-adam", "ce-arch", "ce-head"},
        "bce": {"bce", "bce-arch"},
        "cfce+kl": {"rcfce"},
        "dfr": {"ce-head"},
    }
    methods_of |= {"cfbce+kl": {"rcfbce"}, "corm+dfr": {"corm"}}
    data_of = {"binary": "pets-binary", "binary_presumed": "pets-binary", "multiclass": "pets"}
    masks = {"gt": "segmentation", "sam": "sam", "bbox": "boxes"}
    metrics_of = {"rfs": "rfs", "accuracy_tile": "top1-tile", "accuracy_gray_mask": "top1-gray-mask"}
    metrics_of |= {"accuracy_gray_bbox": "top1-gray-box", "gradcam_iou": "grad-cam-iou", "accuracy_none": "top1"}
    for cell in (cell for recipe in load_tables("contrastive-cam") for row in cells(recipe) for cell in row):
        if cell.key is None or cell.published_only:
            continue
        said, (select,) = rows[cell.key], cell.alternatives
        setting = dict(part.split("=") for part in said["setting"].split(";"))
        assert select.method in methods_of.get(setting["train"], {setting["train"]}), cell.key
        assert (select.method or "").endswith("-arch") == ("w/ Arch" in said["row"])
        assert (select.split == "train") == (setting["split"] == "train")
        assert select.dataset == data_of.get(setting.get("task", ""), {"SBD": "sbd"}.get(said["dataset"], "hard-imagenet"))
        assert select.metric == metrics_of.get(said["metric"], select.metric)
        assert said["table"] != "3" or select.settings.get("data.masks") == masks.get(setting["masks"])
        assert ("dfr" in setting["train"]) == (select.settings.get("dataset") == "hard-imagenet-balanced")
        assert said["higher_is_better"] == {"up": "true", "down": "false", "none": ""}[cell.direction or ""]
        assert (said["std"] != "") == (cell.seeds == 3) and said["unit"].replace("percent", "%") == cell.unit
        digits = len(said["value"].partition(".")[2])
        assert cell.decimals is not None and (digits <= cell.decimals), cell.key
