"""A box wholly outside its picture counts as none, by one rule for every metric that reads boxes."""

from __future__ import annotations

from dataclasses import replace

import pytest
from data.miniatures import own_folder, write_csv

from cambench.data import load
from cambench.data.regions import BOXES, boxes_of, has_region
from cambench.metrics import find_metric
from cambench.report.tables.summary import summary
from cambench.stages.measuring.evaluate import NO_BOX, check, evaluate
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import load_network
from cambench.stages.training.train import TrainJob, train
from cambench.stages.workplace import Place
from cambench.store.runs import read_runs
from cambench.vocabulary import BoxConvention, Dataset, UsageError

METRICS = ("ch", "max-box-acc", "px-ap", "grad-cam-iou", "top1-gray-box", "contrastive-cam-iou")
WHERE = {
    "val/ant/0.png": (5, 5, 20, 20),
    "val/ant/1.png": (100, 100, 120, 120),  # wholly outside
    "val/bee/0.png": (5, 5, 5, 5),  # inclusive: one pixel
    "val/bee/1.png": (-10, -10, 20, 20),  # reaches in
    "val/cat/0.png": (40, 0, 50, 10),  # begins right beside the last column
    "val/cat/1.png": (39, 29, 90, 90),  # the last pixel
}


@pytest.fixture(scope="module")
def boxed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, str]:
    """Roots with one tiny run on a folder of 40x30 pictures, two of which have their only box outside."""
    root = own_folder(tmp_path_factory.mktemp("data") / "mine", parts=("train", "val"))
    write_csv(root / "boxes.csv", "image,xmin,ymin,xmax,ymax", *((name, *box) for name, box in WHERE.items()))
    place = Place(root.parent, tmp_path_factory.mktemp("results"), "cpu")
    small = ["model.init=scratch", "input.size=32", "train.epochs=1", "train.batch_size=4"]
    train(TrainJob("ce", f"folder:{root}", arch="resnet8", overrides=small), place)
    return place, f"folder:{root}"


@pytest.mark.parametrize("metric", METRICS)
def test_every_metric_leaves_the_same_images_out_and_says_so(metric: str, boxed: tuple[Place, str]) -> None:
    place, name = boxed
    dataset = load(name, "val", place.data)
    loaded = load_network(read_runs(place.results)[0], place)
    record = evaluate(EvalJob(metric), loaded, dataset, place)
    assert record.counts[NO_BOX] == 2 and record.counts["images left out"] == 2
    if metric in ("ch", "max-box-acc", "px-ap"):  # the others look through a central crop, which holds fewer of the boxes
        assert {value.n for value in record.values.values()} == {4}
    (table,) = summary([record])
    assert f"{NO_BOX}: 2." in [*table.notes, *table.footnotes]


@pytest.mark.parametrize(
    ("convention", "box", "kept"),
    [
        ("inclusive", (39, 0, 39, 0), True),
        ("inclusive", (40, 0, 50, 10), False),
        ("inclusive", (-5, 0, -1, 10), False),
        ("one-based", (40, 1, 40, 1), True),
        ("one-based", (0, 0, 0, 0), False),
        ("half-open", (40, 0, 50, 10), False),
        ("half-open", (-5, 0, 0, 10), False),
        ("half-open", (39.5, 0, 50, 10), True),
        ("half-open", (5, 5, 5, 9), False),
    ],
)
def test_a_box_is_where_its_convention_puts_it(
    convention: BoxConvention, box: tuple[float, float, float, float], kept: bool, boxed: tuple[Place, str]
) -> None:
    dataset: Dataset = replace(load(boxed[1], "val", boxed[0].data), box_convention=convention)
    dataset = replace(dataset, samples=(replace(dataset.samples[0], boxes=(box, (1, 1, 4, 4)) if kept else (box,)),))
    assert (box in boxes_of(dataset, 0)) == kept and has_region(dataset, 0, BOXES) == kept


def test_boxes_that_are_all_outside_are_no_boxes(boxed: tuple[Place, str]) -> None:
    place, name = boxed
    dataset = load(name, "val", place.data)
    dataset = replace(dataset, samples=(dataset.samples[1], dataset.samples[4]))
    loaded = load_network(read_runs(place.results)[0], place)
    for metric in METRICS:
        told = f"{metric} on folder:mine: expected bounding boxes that reach into .*, got in its val split 2 boxes that lie "
        with pytest.raises(UsageError, match=told):
            evaluate(EvalJob(metric), loaded, dataset, place)


@pytest.mark.parametrize("metric", METRICS)
def test_no_boxes_at_all_are_told_apart_with_the_mend(metric: str, boxed: tuple[Place, str]) -> None:
    place, name = boxed
    dataset = load(name, "val", place.data)
    dataset = replace(dataset, samples=tuple(replace(sample, boxes=()) for sample in dataset.samples))
    told = (
        r"expected [a-z ]*boxes, found none in its val split; write boxes\.csv with the header image,xmin,ymin,xmax,ymax\."
    )
    with pytest.raises(UsageError, match=rf"^{metric} on folder:mine: {told}$"):
        check(find_metric(metric), EvalJob(metric), dataset)
    with pytest.raises(UsageError, match="found none in its val split; measure a metric that reads none"):
        check(find_metric(metric), EvalJob(metric), replace(dataset, name="pets"))
