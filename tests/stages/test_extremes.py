"""The figures `worst` and `best` from a real (tiny) run: which images, which numbers beneath them, what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cambench.metrics import find_metric
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.measuring.works import Works, evaluate_all
from cambench.stages.reporting.figures.extremes import Measured, best, measured, tile, worst
from cambench.stages.reporting.figures.index import draw
from cambench.stages.reporting.figures.scene import Drawn, reload
from cambench.stages.workplace import Place
from cambench.store.heatmaps import read_heatmaps
from cambench.store.records import read_rows, records_of, rows_path
from cambench.vocabulary import UsageError

RUN = "synthbirds-ce"
OPTIONS = {"variant": None, "explainer": None, "target": None, "dataset": None, "images": 3}


@pytest.fixture(scope="module")
def there(place: Place) -> Place:
    """Insertion, whose values are better where higher, deletion and accuracy; the heatmaps of two explainers."""
    evaluate_all(Works([RUN]), [EvalJob("iauc"), EvalJob("iauc", "hires-cam"), EvalJob("dauc"), EvalJob("top1")], place)
    return place


def values_of(metric: str, place: Place) -> dict[str, float]:
    """Image id -> its value with grad-cam, from the rows on disk."""
    run = next(path.name for path in (place.results / "records").glob(f"{RUN}-*"))
    found = [r for r in records_of(place.results, run) if r.metric == metric and r.explainer in (None, "grad-cam")]
    (record,) = found
    rows = read_rows(rows_path(record.path))
    return dict(zip(rows.ids, rows.values[next(iter(record.values))], strict=True))


@pytest.mark.parametrize(("metric", "lowest_first"), [("iauc", True), ("dauc", False)])
def test_the_worst_images_come_first_with_their_values(metric: str, lowest_first: bool, there: Place) -> None:
    every = values_of(metric, there)
    order = sorted(every, key=lambda name: every[name] if lowest_first else -every[name])
    asked = {**OPTIONS, "metric": metric, "explainer": "grad-cam"}
    shown, other = worst([RUN], there, **asked), best([RUN], there, **asked)
    assert [one["image"] for one in shown.shows["images"]] == order[:3]
    assert [one["image"] for one in other.shows["images"]] == order[::-1][:3]
    for drawn in (shown, other):
        for one in drawn.shows["images"]:
            assert one["value"] == pytest.approx(every[one["image"]])
            words = [text.get_text() for text in drawn.figure.texts]
            assert f"{one['value']:.{find_metric(metric).printing.decimals}f} probability" in words and one["class"] in words
            assert f"✓ {one['predicted']}" in words or f"✗ says {one['predicted']}" in words


def test_what_the_network_says_and_the_map_are_the_heatmap_files(there: Place) -> None:
    (path,) = (there.results / "heatmaps").glob(f"{RUN}-*/*.hires-cam.*.h5")
    maps = read_heatmaps(path)
    dataset = reload(maps, there.data)
    shows = worst([RUN], there, **{**OPTIONS, "metric": "iauc", "explainer": "hires_cam", "images": 40}).shows
    assert len(shows["images"]) == 40
    for one in shows["images"]:
        row = maps.ids.index(one["image"])
        made = tile(maps, dataset, row, "0.5")
        assert one["predicted"] == made.predicted == dataset.classes[maps.prediction[row]]
        assert made.right == (maps.prediction[row] == dataset.samples[row].label) and one["class"] == made.label
        assert np.array_equal(made.heatmap, maps.maps[row]) and made.boxes


def test_a_metric_that_looks_at_no_map_shows_the_one_that_is_asked_for(there: Place) -> None:
    shows = best([], there, **{**OPTIONS, "metric": "top1", "explainer": "hires-cam"}).shows
    assert [one["value"] for one in shows["images"]] == [100, 100, 100] and "hires-cam of the logit" in shows["notes"][1]
    with pytest.raises(UsageError, match=r"not stored; make them: cambench explain synthbirds-ce-.* -e cam -t logit"):
        best([], there, **{**OPTIONS, "metric": "top1", "explainer": "cam"})


def test_equal_values_stand_in_the_order_of_the_data_set() -> None:
    metric = find_metric("top1")
    shown = Measured(metric, "", None, np.array([1.0, 0.0, 1.0, 0.0]), ["a", "b", "c", "d"])  # type: ignore[arg-type]
    assert shown.order("worst") == [1, 3, 0, 2] and shown.order("best") == [0, 2, 1, 3]
    down = replace(shown, metric=find_metric("dauc"))
    assert down.order("worst") == [0, 2, 1, 3] and down.order("best") == [1, 3, 0, 2]


def test_the_file_is_written_and_the_foot_says_what_it_is(there: Place, tmp_path: Path) -> None:
    drawn: Drawn = draw("worst", tmp_path / "f.png", there, [RUN], metric="iauc", explainer="grad-cam", images=5)
    foot = " ".join(drawn.shows["notes"])
    for part in ("The 5 worst of 40 images by iauc", "higher is better", "run synthbirds-ce-", "grad-cam of the logit",
                 "synthetic images (synthbirds).", "train.epochs = 2 instead of 30"):  # fmt: skip
        assert part in foot, part
    with Image.open(tmp_path / "f.png") as image:
        assert image.width > 1000
    assert drawn.shows["file"] == str(tmp_path / "f.png")


def test_what_is_not_one_record_is_refused(there: Place) -> None:
    with pytest.raises(UsageError, match=r"expected one record of iauc, got synthbirds-ce-.* grad-cam logit on synthbirds"):
        worst([RUN], there, **{**OPTIONS, "metric": "iauc"})
    with pytest.raises(UsageError, match="no such record of iauc; measure it: cambench eval -m iauc synthbirds-cgc"):
        worst(["synthbirds-cgc"], there, **{**OPTIONS, "metric": "iauc"})
    with pytest.raises(UsageError, match="unknown variant of iauc 'x'"):
        worst([RUN], there, **{**OPTIONS, "metric": "iauc", "explainer": "grad-cam", "variant": "x"})
    with pytest.raises(UsageError, match="no such record of iauc"):
        worst([RUN], there, **{**OPTIONS, "metric": "iauc", "dataset": "cub"})


def test_of_records_on_parts_of_the_data_that_of_most_images_is_shown(place: Place) -> None:
    for limit in (None, 4):
        evaluate_all(Works([RUN], limit=limit), [EvalJob("iauc")], place)
    shows = worst([RUN], place, **{**OPTIONS, "metric": "iauc", "explainer": "grad-cam", "images": 40}).shows
    assert len(shows["images"]) == 40


def test_of_several_variants_the_headline_is_shown_and_one_without_better_and_worse_is_refused(place: Place) -> None:
    (record,) = evaluate_all(Works([RUN], limit=4), [EvalJob("relative-probability")], place)
    (record,) = (other for other in records_of(place.results, record.run) if other.metric == record.metric)
    shown = measured("worst", record.metric, None, record)
    rows = read_rows(rows_path(record.path)).values
    assert shown.variant == "t1/blur/positive" and np.array_equal(shown.values, rows["t1/blur/positive"])
    assert shown.order("worst")[0] == int(shown.values.argmin())
    down = measured("worst", record.metric, "t1/blur/negative", record)
    assert down.order("worst")[0] == int(down.values.argmax())
    with pytest.raises(
        UsageError, match="expected a variant with better and worse values, got t1/p of relative-probability"
    ):
        measured("worst", record.metric, "t1/p", record)
