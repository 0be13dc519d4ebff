"""Localisation metrics of a run, from its heatmap files to the record."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from cambench import maps
from cambench.data import load
from cambench.metrics import INDEX, find_metric
from cambench.metrics.localisation import max_box_acc, px_ap
from cambench.stages.measuring import works
from cambench.stages.measuring.rows import EvalJob, scaled_boxes
from cambench.stages.workplace import Place
from cambench.store.heatmaps import read_heatmaps


def test_calm_s_maps_are_resized_bilinearly_and_all_others_bicubically() -> None:
    for name in ("max-box-acc", "px-ap"):
        metric = INDEX[name]
        assert metric.on("cam").maps.steps == metric.on("score-map").maps.steps == ("float64", "resize-cubic", "min-max")
        assert (
            metric.on("calm").maps.steps
            == find_metric(f"{name}-bilinear").on("cam").maps.steps
            == ("float64", "resize", "min-max")
        )


def test_both_localisation_metrics_from_the_heatmaps_of_a_run(place: Place, tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(place.results / "runs")
    there, dataset = Place(place.data, tmp_path, "cpu"), load("synthbirds", "test", place.data)
    only = works.Works(["synthbirds-ce"])
    boxed, pixels = works.evaluate_all(only, [EvalJob("max-box-acc"), EvalJob("px-ap")], there)
    (path,) = (tmp_path / "heatmaps").glob("*/*.h5")
    stored = read_heatmaps(path)
    side = stored.job["view"]["size"]
    raw = torch.from_numpy(np.stack([stored.maps[i] for i in range(len(dataset))]))
    heatmap = maps.apply(raw, INDEX["max-box-acc"].maps.steps, (side, side))
    assert heatmap.dtype == torch.float64
    boxes = [scaled_boxes(dataset, row, (side, side)) for row in range(len(dataset))]
    expected = max_box_acc.mean(max_box_acc.measure(heatmap, boxes))
    assert boxed.values[""].value == pytest.approx(100 * expected[""]) and set(boxed.values) == {"", "0.3", "0.5", "0.7"}
    assert boxed.values["0.3"].value >= boxed.values["0.5"].value >= boxed.values["0.7"].value
    assert 0 < pixels.values[""].value < 100 and pixels.values[""].n == len(dataset)
    uniform = px_ap.measure(torch.full_like(heatmap, 0.5), torch.zeros(len(heatmap)), torch.full(heatmap.shape, 0))
    assert px_ap.mean(uniform) == {"": 1.0}
