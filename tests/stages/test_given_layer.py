"""A given network's layer: what a table asks for is the network's own, not one that a command named."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from cambench import data
from cambench.data import synthbirds
from cambench.stages.measuring.explain import ExplainJob, meant
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.measuring.works import Works, evaluate_all
from cambench.stages.reproducing.cost import images
from cambench.stages.reproducing.inventory import is_record
from cambench.stages.reproducing.measurement import Measurement
from cambench.stages.workplace import Place
from cambench.store.runs import find_run

NET = """
import torch
from cambench import models
def build():
    torch.manual_seed(0)
    return models.build("resnet8", 2)
"""


def test_a_record_of_a_named_layer_is_not_that_of_the_networks_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("given_layer_net.py").write_text(NET)
    place = Place(tmp_path / "data", tmp_path / "results", "cpu")
    synthbirds.make(place.data / "synthbirds", classes=2, per_class=2, test_per_class=2, size=32, seed=0)
    works, what = (
        Works(["python:given_layer_net:build"], dataset="synthbirds"),
        Measurement("ch", "synthbirds", "test", "grad-cam", "logit"),
    )
    [named] = evaluate_all(replace(works, layer="layer2"), [EvalJob("ch")], place)
    assert not is_record(what, named, find_run(named.run, place.results)), "nobody knows the network's own layer yet"
    [own] = evaluate_all(works, [EvalJob("ch")], place)
    run = find_run(own.run, place.results)
    assert run.info.layer == own.layer == "layer3" and named.layer == "layer2"
    assert is_record(what, own, run) and not is_record(what, named, run)
    assert is_record(replace(what, layer="layer2"), named, run)


def test_of_several_classes_in_an_image_the_label_is_explained_of_several_names_the_likeliest(tmp_path: Path) -> None:
    synthbirds.make_multilabel(tmp_path / "synthbirds-multilabel", per_class=2, test_per_class=2, size=32, seed=0)
    dataset = data.load("synthbirds-multilabel", "test", tmp_path)
    assert meant(ExplainJob(), dataset) == "label" and meant(ExplainJob(classes="prediction"), dataset) == "prediction"
    assert meant(ExplainJob(), replace(dataset, multilabel=False)) == "best-of-set"


def test_a_folder_without_a_split_has_no_images_of_it_to_reckon_with(tmp_path: Path) -> None:
    synthbirds.make(tmp_path / "made", classes=2, per_class=1, test_per_class=1, size=32, seed=0)
    for image in (path for path in (tmp_path / "made" / "images").rglob("*") if path.is_file()):
        target = tmp_path / "mine" / "val" / image.parent.name / image.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(image.read_bytes())
    assert images(f"folder:{tmp_path / 'mine'}", "train", tmp_path) == 0
    assert images(f"folder:{tmp_path / 'mine'}", "val", tmp_path) == 4
