"""The metrics of seeing an image through its map, and those of pixels and boxes beside them, on a real run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from cambench.data import load
from cambench.metrics import find_metric
from cambench.metrics.conciseness import STEPS, adcc
from cambench.stages.measuring.evaluate import NO_BOX, check, evaluate
from cambench.stages.measuring.explain import ExplainJob, explain
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import load_network, open_run
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

ON_PREDICTION = ("adcc", "average-drop", "average-increase", "coherency", "complexity", "sparseness")
ON_OBJECTS = ("pointing-game", "relevance-mass", "relevance-rank", "top1-localisation")


def test_they_are_measured_of_one_file_of_maps_and_take_the_passes_of_their_entries(place: Place, tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(place.results / "runs")
    there = Place(place.data, tmp_path, "cpu")
    loaded, dataset = load_network(open_run("synthbirds-ce", there), there), load("synthbirds", "test", there.data)
    with FlopCounterMode(display=False) as once:
        evaluate(EvalJob("top1"), loaded, dataset, there)
    records = {}
    for name in ON_PREDICTION:
        with FlopCounterMode(display=False) as counter:
            records[name] = evaluate(EvalJob(name, target="weighted"), loaded, dataset, there)
        passes = find_metric(name).passes - (name != "adcc")  # the first one makes the maps
        assert counter.get_total_flops() / once.get_total_flops() == pytest.approx(passes, abs=0.1), name
    (maps,) = (tmp_path / "heatmaps").rglob("*.h5")
    assert ".weighted@prediction." in maps.name
    whole, counted = records["adcc"], records["coherency"].values[""].n
    for name in adcc.VARIANTS[1:]:
        alone = records[name]
        assert alone.explainer == "grad-cam" and alone.target == "weighted" and alone.job["maps"]["classes"] == "prediction"
        assert alone.values[""].n == (counted if name == "coherency" else len(dataset)) and whole.values[name].n == counted
        if counted == len(dataset):
            assert alone.values[""].value == pytest.approx(whole.values[name].value, rel=1e-9)
    job = ExplainJob(target="weighted", classes="prediction")
    stored = explain(job, loaded, dataset, there)
    assert torch.as_tensor(stored.target).tolist() == torch.as_tensor(stored.prediction).tolist()
    assert records["complexity"].job["steps"] == list(STEPS)


def test_where_the_object_is(place: Place, tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(place.results / "runs")
    there = Place(place.data, tmp_path, "cpu")
    loaded, dataset = load_network(open_run("synthbirds-ce", there), there), load("synthbirds", "test", there.data)
    values = {name: evaluate(EvalJob(name), loaded, dataset, there).values for name in (*ON_OBJECTS, "top1")}
    near, boxes = values["pointing-game"]["correct"], values["top1-localisation"]
    on = evaluate(EvalJob("pointing-game:tolerance=0"), loaded, dataset, there).values["correct"]
    assert on.value <= near.value and near.n == len(dataset)
    assert boxes[""].value <= min(boxes["top5"].value, values["top1"][""].value)
    assert boxes["top5"].value == boxes["gt-known"].value, "of four classes five are right"
    energy = evaluate(EvalJob("energy-pointing-game"), loaded, dataset, there)
    assert energy.metric == "ch-224"
    assert 0 < values["relevance-mass"][""].value < energy.values["correct"].value, "of the bird's pixels, not of its box"
    assert 0 < values["relevance-rank"][""].value < 100


def test_data_without_objects_is_refused_and_an_image_without_a_box_is_left_out(place: Place, tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(place.results / "runs")
    there = Place(place.data, tmp_path, "cpu")
    loaded, dataset = load_network(open_run("synthbirds-ce", there), there), load("synthbirds", "test", there.data)
    bare = [replace(sample, boxes=(), segmentation=None) for sample in dataset.samples]
    for name in ON_OBJECTS:
        with pytest.raises(UsageError, match=f"^{name} on synthbirds: expected (bounding boxes|segmentations or boxes)"):
            check(find_metric(name), EvalJob(name), replace(dataset, samples=bare))
    first, second, *others = dataset.samples
    several = replace(second, boxes=(*second.boxes, (0.0, 0.0, 4.0, 4.0)))
    some = replace(dataset, samples=[bare[0], several, *others], name="birds-less-one")
    for name in ("pointing-game", "top1-localisation"):
        record = evaluate(EvalJob(name), loaded, some, there)
        assert record.counts[NO_BOX] == 1 and record.values[find_metric(name).variants[0]].n == len(dataset) - 1
