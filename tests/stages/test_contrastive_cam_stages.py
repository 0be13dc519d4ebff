"""The ContrastiveCAM paper's metrics through the stages: batches, splits, and the set that stands in for each task."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from cambench import data, maps
from cambench.data import load
from cambench.data.entry import Task
from cambench.data.loader import eval_batches
from cambench.explainers.batch import explain_batch
from cambench.metrics import INDEX
from cambench.metrics.core import grad_cam_iou
from cambench.recipes.tables import cells
from cambench.stages.images import make_view
from cambench.stages.measuring.evaluate import evaluate
from cambench.stages.measuring.rows import EvalJob, regions_of
from cambench.stages.network import load_network, open_run
from cambench.stages.reporting import paired
from cambench.stages.reporting.choice import Choice, recipes
from cambench.stages.workplace import Place
from cambench.store.records import Record, read_rows, records_of
from cambench.vocabulary import UsageError

METRICS = (
    "top1-gray-mask", "top1-gray-box", "top1-tile", "rfs", "rfs-sweep:trials=1", "grad-cam-iou", "contrastive-cam-iou",
    "redundancy",
)  # fmt: skip


def measured(metric: str, place: Place, folder: Path, batch_size: int = 32, split: str = "test") -> Record:
    """The record of a metric of the suite's run, in a results root of its own."""
    folder.mkdir(exist_ok=True)
    if not (folder / "runs").exists():
        (folder / "runs").symlink_to(place.results / "runs")
    there = Place(place.data, folder, "cpu")
    loaded = load_network(open_run("synthbirds-ce", there), there)
    return evaluate(EvalJob(metric, batch_size=batch_size), loaded, load("synthbirds", split, there.data), there)


@pytest.mark.parametrize("metric", [*METRICS, "average-precision", "hires-cam-iou"])
def test_batches_change_nothing(metric: str, place: Place, tmp_path: Path) -> None:
    one, other = (measured(metric, place, tmp_path / str(size), size) for size in (5, 32))
    for variant, value in one.values.items():
        assert value.value == pytest.approx(other.values[variant].value, rel=1e-4, abs=1e-6), variant
    assert one.explainer == {"grad-cam-iou": "grad-cam"}.get(metric, "hires-cam" if one.explainer else None)
    for name in ("5", "32"):
        rows = read_rows(records_of(tmp_path / name, one.run)[0].path.with_suffix(".h5"))
        assert all(bool(torch.isfinite(torch.as_tensor(v, dtype=torch.float64)).all()) for v in rows.values.values())


def test_grad_cam_iou_on_raw_inputs_looks_at_maps_of_pixels_that_are_not_normalised(place: Place, tmp_path: Path) -> None:
    usual, raw = (measured(metric, place, tmp_path) for metric in ("grad-cam-iou", "grad-cam-iou:input=raw"))
    assert raw.metric == "grad-cam-iou:input=raw" and len(list((tmp_path / "heatmaps" / raw.run).glob("*.h5"))) == 2
    there = Place(place.data, tmp_path, "cpu")
    loaded = load_network(open_run(raw.run, there), there)
    dataset, view = load("synthbirds", "test", place.data), make_view("resize-center-crop", loaded)
    pixels = replace(view, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    (batch,) = eval_batches(dataset, pixels, batch_size=len(dataset), **loaded.source(there))
    assert float(batch.image.min()) >= 0 and 0.5 < float(batch.image.max()) < 1.001
    drawn = explain_batch(loaded.model, batch.image, explainer="grad-cam", classes=batch.label, layer=loaded.layer).maps
    heatmap = maps.apply(drawn, INDEX["grad-cam-iou"].maps.steps, (view.size, view.size))
    regions = regions_of(INDEX["grad-cam-iou"], dataset, batch.rows, pixels, "segmentation")
    expected = grad_cam_iou.measure(batch.image, heatmap, regions == batch.label[:, None, None])
    value = 100 * float(expected[""][expected["counted"]].mean())
    assert raw.values[""].value == pytest.approx(value, rel=1e-4) and usual.values[""].value != pytest.approx(
        value, rel=0.01
    )


def test_values_over_all_images_are_not_paired(place: Place, tmp_path: Path) -> None:
    one = measured("rfs", place, tmp_path)
    measured("top1-tile", place, tmp_path)
    run = open_run(one.run, Place(place.data, tmp_path, "cpu"))
    assert {side.record.metric for side in paired.sides(run, tmp_path, None, None, "run")} == {"top1-tile"}
    with pytest.raises(UsageError, match="expected metrics with a value an image, got rfs"):
        paired.compare((one.run, "other"), ["top1-tile", "rfs"], [], [], tmp_path)


def test_the_training_split_is_measured_with_the_evaluation_transform(place: Place, tmp_path: Path) -> None:
    one = measured("contrastive-cam-iou", place, tmp_path / "a", split="train")
    again = measured("contrastive-cam-iou", place, tmp_path / "b", batch_size=7, split="train")
    assert one.split == "train" and one.values["0.5"].value == pytest.approx(again.values["0.5"].value, rel=1e-4)
    assert one.values["0.5"].n == len(load("synthbirds", "train", place.data))


def test_a_stand_in_gives_each_task_its_own_set(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks: dict[str, Task] = {"pets": "single-label", "pets-binary": "binary", "sbd": "multi-label"}
    for name, task in tasks.items():
        monkeypatch.setitem(data.INDEX.built_in, name, replace(data.INDEX["cub"], name=name, task=task))
    three, four = recipes(Choice(["contrastive-cam/3", "contrastive-cam/4"], on="synthbirds"), place)
    assert {s.dataset for c in cells(three)[0] for s in c.alternatives} == {"synthbirds-binary", "synthbirds"}
    assert {s.dataset for c in cells(four)[0] for s in c.alternatives} == {"synthbirds-multilabel"}
    assert {s.split for c in cells(four)[0] for s in c.alternatives} == {"train", "test"}
    (alone,) = recipes(Choice(["contrastive-cam/4"], on="cub"), place)
    assert {s.dataset for c in cells(alone)[0] for s in c.alternatives} == {"cub"}, "cub names no other set"
    (part,) = recipes(Choice(["contrastive-cam/3"], columns=["Binary"], on="synthbirds"), place)
    assert [line.label[0] for line in part.columns] == ["synthbirds-binary"] * 6
