"""What a metric may ask for and give back: several columns, images that do not count, values that are no mean, regions."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cambench import metrics
from cambench.data import load
from cambench.data.loader import eval_batches
from cambench.data.regions import regions_in_view
from cambench.explainers.batch import explain_batch
from cambench.metrics import Metric
from cambench.metrics.entry import Maps, Printing, Rows
from cambench.stages.images import make_view
from cambench.stages.measuring.evaluate import evaluate
from cambench.stages.measuring.rows import EvalJob, collect
from cambench.stages.network import load_network, open_run
from cambench.stages.workplace import Place
from cambench.store.records import Record, read_rows, records_of
from cambench.vocabulary import CambenchError, Dataset


def measured(metric: Metric, place: Place, folder: Path, monkeypatch: pytest.MonkeyPatch, target: str = "logit") -> Record:
    """The record of a metric that is not in the index."""
    (folder / "runs").symlink_to(place.results / "runs")
    there = Place(place.data, folder, "cpu")
    monkeypatch.setitem(metrics.INDEX.built_in, metric.name, metric)
    loaded = load_network(open_run("synthbirds-ce", there), there)
    return evaluate(EvalJob(metric.name, target=target), loaded, load("synthbirds", "test", there.data), there)


PLAIN = Printing("1")


def of(name: str, measure: Callable[..., Any], printing: Printing = PLAIN, **groups: Any) -> Metric:
    """A metric of one's own."""
    return Metric(measure, printing, name=name, summary="s", source="s", **groups)


def brightness(image: Tensor, label: Tensor) -> dict[str, Tensor]:
    """Two columns; only images of even classes count, the others have no value."""
    value = image.mean((1, 2, 3))
    counted = label % 2 == 0
    return {"once": torch.where(counted, value, torch.nan), "twice": 2 * value, "counted": counted}


def test_several_columns_and_images_that_do_not_count(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = of("b", brightness, rows=Rows(("once", "twice"), leaves_out="odd classes"))
    record = measured(metric, place, tmp_path, monkeypatch)
    dataset = load("synthbirds", "test", place.data)
    even = [s.id for s in dataset.samples if s.label % 2 == 0]
    assert record.values["twice"].value == pytest.approx(2 * record.values["once"].value)
    assert record.values["once"].n == len(even)
    assert record.counts["images that do not count (odd classes)"] == len(dataset) - len(even) > 0
    rows = read_rows(records_of(tmp_path, record.run)[0].path.with_suffix(".h5"))
    assert rows.ids == even and set(rows.values) == {"once", "twice"}
    assert rows.values["twice"].mean() == pytest.approx(record.values["twice"].value)


def test_no_image_that_counts_is_an_error(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(image: Tensor) -> dict[str, Tensor]:
        return {"": image.mean((1, 2, 3)), "counted": torch.zeros(len(image), dtype=torch.bool)}

    with pytest.raises(CambenchError, match=r"expected an image to measure, got none of \d+ \(dark\)"):
        measured(of("n", never, rows=Rows(leaves_out="dark")), place, tmp_path, monkeypatch)


def test_a_value_that_is_no_mean(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def scores(image: Tensor, label: Tensor) -> dict[str, Tensor]:
        return {"pixel": image[:, :, 0, 0], "label": label}

    def largest(columns: dict[str, Tensor]) -> dict[str, float]:
        return {"": float(columns["pixel"].max())}

    record = measured(of("m", scores, Printing("1", scale=10), rows=Rows(mean=largest)), place, tmp_path, monkeypatch)
    loaded = load_network(open_run("synthbirds-ce", place), place)
    dataset, view = load("synthbirds", "test", place.data), make_view("resize-center-crop", loaded)
    batches = eval_batches(dataset, view, batch_size=32, cache=place.results / "cache")
    expected = max(float(b.image[:, :, 0, 0].max()) for b in batches)
    value = record.values[""]
    assert value.value == pytest.approx(10 * expected, rel=1e-6)
    assert value.interval[0] <= value.interval[1] <= value.value and value.n == len(dataset)


def test_regions_class_maps_and_gradients(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {}

    def look(image: Tensor, label: Tensor, mask: Tensor, regions: Tensor, class_maps, differentiate) -> Tensor:
        if not seen:
            seen.update(image=image, label=label, mask=mask, regions=regions)
            seen.update(maps=class_maps(image), gradient=differentiate(image, label))
        return mask.double().mean((1, 2))

    record = measured(of("r", look, maps=Maps()), place, tmp_path, monkeypatch, target="weighted")
    loaded = load_network(open_run("synthbirds-ce", place), place)
    dataset, view = load("synthbirds", "test", place.data), make_view("resize-center-crop", loaded)
    for i in range(3):
        regions = regions_in_view(dataset, i, view, "segmentation")
        assert (seen["regions"][i].numpy() == regions).all() and (seen["mask"][i].numpy() == (regions >= 0)).all()
        assert set(np.unique(regions)) == {-1, dataset.samples[i].label}
    options = {"layer": loaded.layer, "classes": seen["label"]}
    own = explain_batch(loaded.model, seen["image"], explainer="hires-cam", **options).maps
    assert torch.allclose(seen["maps"][torch.arange(len(own)), seen["label"]], own, atol=1e-5)
    summed = explain_batch(loaded.model, seen["image"], explainer="gradient", target="weighted", classes=seen["label"]).maps
    assert torch.allclose(seen["gradient"].sum(1), summed, atol=1e-5)
    assert record.explainer == "grad-cam" and record.layer == loaded.layer


def test_the_metrics_of_the_weighted_contrast_on_a_real_run(place: Place, tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(place.results / "runs")
    there = Place(place.data, tmp_path, "cpu")
    loaded = load_network(open_run("synthbirds-ce", there), there)
    dataset = load("synthbirds", "test", there.data)
    found = {
        name: evaluate(EvalJob(name, target="weighted"), loaded, dataset, there)
        for name in ("relative-probability", "relative-probability-equal-count", "gradient-sign")
    }
    shares = found["relative-probability"]
    assert shares.values["t1/p"].value + shares.values["t2/p"].value == pytest.approx(1)
    assert shares.layer == loaded.layer and shares.explainer == "grad-cam" and shares.job["steps"] == ["resize-corners"]
    left = shares.counts["images that do not count (second-best class at most 0.1 probable)"]
    assert shares.values["t1/p"].n == len(dataset) - left
    assert {"t1 maps positive everywhere", "t2 maps zero everywhere"} <= set(shares.counts)
    assert found["relative-probability-equal-count"].values["t2/p"] == shares.values["t2/p"]
    steps = found["gradient-sign"]
    assert steps.explainer == "gradient" and steps.target == "weighted" and steps.layer is None
    assert 0 < steps.values["0.001/10/probability"].value < steps.values["0.003/10/probability"].value


def test_batches_of_any_order_become_their_chunks_in_order() -> None:
    batches = [{"row": np.array(rows), "": np.array(rows) / 8} for rows in ([7, 2], [5], [1], [4])]
    pieces = list(collect(iter(batches), Dataset("mine", "val", Path(), (), ()), [[2, 5, 7], [4, 1]]))
    assert [piece["row"].tolist() for piece in pieces] == [[2, 5, 7], [4, 1]]
    assert all((piece[""] == piece["row"] / 8).all() for piece in pieces)
