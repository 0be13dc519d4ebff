"""What a data set is made of: counts and covered areas against slow twins, and what a paper states."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from data import masked_miniatures as miniatures
from PIL import Image
from typer.testing import CliRunner

from cambench import data
from cambench.cli import app
from cambench.data.stats import areas, summarised
from cambench.data.synthbirds import make
from cambench.stages.housekeeping.data import printed, stats

OBJECT = 15 * 16 / (30 * 40)
"""The share of a miniature's mask: rows 5 to 19, columns 8 to 23 of 40×30 pixels."""


@pytest.fixture
def birds(tmp_path: Path) -> Path:
    """A root with small synthbirds."""
    make(tmp_path / "synthbirds", classes=3, per_class=2, test_per_class=2, size=32)
    return tmp_path


def test_the_core_share_is_that_of_the_masks_and_counts_are_of_every_split(tmp_path: Path) -> None:
    miniatures.hard_imagenet(tmp_path)
    facts = stats("hard-imagenet", tmp_path)
    assert [(row["split"], row["images"]) for row in facts["splits"]] == [("train", 15), ("val", 6), ("all", 21)]
    assert [row["core"] for row in facts["splits"]] == pytest.approx([OBJECT] * 3, abs=2e-3)
    assert [row["boxes"] for row in facts["splits"]] == [None] * 3
    assert [(row["fewest"], row["most"], row["classes"]) for row in facts["splits"]][2] == (7, 7, 3)
    assert facts["published"] == ["ContrastiveCAM states: core area share 13.96 %"]
    assert "6 of the 750 official val images" in facts["notes"]


def test_pets_are_counted_by_species_as_the_paper_counts_them(tmp_path: Path) -> None:
    miniatures.pets(tmp_path)
    facts = stats("pets-binary", tmp_path)
    assert {row["class"]: row["images"] for row in facts["classes"]} == {"cat": 6, "dog": 3}
    assert [row["core"] for row in facts["classes"]] == pytest.approx([OBJECT] * 2)
    assert facts["published"] == [
        "ContrastiveCAM states: number of dog images 4978",
        "ContrastiveCAM states: number of cat images 2371",
    ]


def test_boxes_and_masks_are_averaged_over_the_images_that_have_them(birds: Path) -> None:
    dataset = data.load("synthbirds", "test", birds)
    found = areas(dataset)
    for row, sample in enumerate(dataset.samples):
        assert sample.segmentation is not None and found.core[row] is not None
        mask = np.asarray(Image.open(sample.segmentation).convert("L"))
        assert abs(found.core[row] - float((mask > 127).mean())) < 1e-12
        ((x0, y0, x1, y1),) = sample.boxes
        high, wide = mask.shape
        touched = np.zeros((high, wide))
        for y in range(high):
            for x in range(wide):
                touched[y, x] = y + 1 > y0 and y < y1 and x + 1 > x0 and x < x1
        assert abs((found.boxes[row] or 0) - touched.mean()) < 1e-12
    shown = summarised([found], range(len(dataset.classes)))
    assert shown.core == pytest.approx(np.mean([c for c in found.core if c is not None])) and shown.empty == 0
    one = summarised([found, found], [2])
    assert one.images == 2 * sum(s.label == 2 for s in dataset.samples) == one.boxed == one.masked and one.classes == 1


def test_an_image_of_several_classes_counts_for_each(tmp_path: Path) -> None:
    miniatures.sbd(tmp_path)
    facts = stats("sbd", tmp_path)
    whole = facts["splits"][-1]
    labels = [s.right for split in data.splits("sbd", tmp_path) for s in data.load("sbd", split, tmp_path).samples]
    assert whole["images"] == len(labels) and whole["most"] == max(sum(c in right for right in labels) for c in range(20))
    assert sum(row["images"] for row in facts["classes"]) == sum(map(len, labels)) > whole["images"]
    cores = areas(data.load("sbd", "train", tmp_path)).core
    assert cores == pytest.approx([8 * 20 / 1200, 2 * 8 * 20 / 1200]), "8×20 of 30×40 pixels for each class that is shown"


def test_the_command_prints_a_row_a_split_or_a_class(birds: Path) -> None:
    say = CliRunner()
    by_split = say.invoke(app, ["data", "stats", "synthbirds", "--data-root", str(birds)])
    assert by_split.exit_code == 0 and "core share" in by_split.stdout and "all " in by_split.stdout
    facts = json.loads(say.invoke(app, ["data", "stats", "synthbirds", "--data-root", str(birds), "--json"]).stdout)
    row = facts["splits"][0]
    assert printed(row)["core share"] == f"{100 * row['core']:.2f} % of {row['masked']}"
    by_class = say.invoke(app, ["data", "stats", "synthbirds", "--by-class", "--data-root", str(birds)])
    assert all(name in by_class.stdout for name in (c["class"] for c in facts["classes"]))
    assert printed({**row, "core": None, "boxes": 0.5, "empty": 0})["core share"] == "none"
