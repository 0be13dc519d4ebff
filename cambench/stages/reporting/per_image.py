"""Records image by image: the value of each, beside the image's file, its class and what the network says of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from cambench import data
from cambench.metrics import find_metric
from cambench.report.tables.select import has_metric
from cambench.stages.progress import say
from cambench.stages.reporting import heatmaps
from cambench.stages.reporting.selection import Selection
from cambench.stages.workplace import Place, run_of
from cambench.store.records import Record, read_origin, read_records, read_rows, rows_path
from cambench.vocabulary import DataError, Dataset, UsageError

IMAGE = ["id", "path", "class", "prediction"]
FACTS = ["metric", "explainer", "target", "run", "dataset", "split"]
COLUMNS = [*IMAGE, "value", "variant", *FACTS]
ANSWERS = ("run", "checkpoint", "epoch", "data", "view", "precision")
"""What the identities of heatmaps and of a record share where both are of the same answers of a network."""


class Records(list[Record]):
    """Records, and where their images and heatmaps are; `frame` has their values image by image."""

    def __init__(self, records: Iterable[Record], place: Place) -> None:
        super().__init__(records)
        self.place = place

    @property
    def frame(self) -> pd.DataFrame:
        """One row an image that counts, and a variant, in the metric's unit: the mean of a record's values is the record's.

        path and class are empty where the data is not at hand, prediction where no heatmaps were made of the same images as
        the network saw them. A metric whose one value is over all images has no rows.
        """
        datasets: dict[str, Dataset | None] = {}
        frames = [frame for record in self for frame in frames_of(record, self.place, datasets)]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)


def stored(runs: Sequence[str], shown: Selection, place: Place) -> Records:
    """The records of the runs (none named: of all) and of the metrics and explainers shown.

    Raises: UsageError for a name that there is not, or where nothing of them is measured.
    """
    names = {run_of(run, place.results).name for run in runs}
    own = [record for record in read_records(place.results) if not runs or record.run in names]
    records = shown.records([record for record in own if has_metric(record)])
    if not records:
        raise UsageError(f"nothing of this is measured under {place.results / 'records'}; measure it with `cambench eval`.")
    return Records(records, place)


def frames_of(record: Record, place: Place, datasets: dict[str, Dataset | None]) -> list[pd.DataFrame]:
    """The values of one record, a frame a variant; none where the metric has no value an image.

    datasets: those that other records have loaded, by their origins; what this one loads joins them.
    """
    metric = find_metric(record.metric)
    if metric.rows.mean is not None:
        return []
    rows = read_rows(rows_path(record.path))
    origin = read_origin(rows_path(record.path))
    key = json.dumps(origin, sort_keys=True)
    if key not in datasets:
        datasets[key] = None if origin is None else loaded(origin, answers_of(record)["data"], place)
    images, facts = images_of(record, datasets[key], place), {name: getattr(record, name) for name in FACTS}
    return [
        pd.DataFrame({"id": rows.ids, "value": rows.values[variant] * metric.printing.scale})
        .merge(images, how="left", on="id")
        .assign(**facts, variant=variant)[COLUMNS]
        for variant in record.values
        if variant in rows.values
    ]


def answers_of(record: Record) -> Mapping[str, Any]:
    """Of which network and images a record is, as its identity names them."""
    identity: Mapping[str, Any] = record.job.get("maps") or record.job["input"]
    return identity


def loaded(origin: Mapping[str, Any], fingerprint: str, place: Place) -> Dataset | None:
    """The images behind a record; None, and it is said why, where the very same are not at hand."""
    try:
        dataset = data.reload(origin, place.data)
        if dataset.fingerprint == fingerprint:
            return dataset
        reason = f"{dataset.name} under {place.data} is not the data that was measured."
    except DataError as e:
        reason = str(e)
    say(f"images without path and class: {reason}")
    return None


def images_of(record: Record, dataset: Dataset | None, place: Place) -> pd.DataFrame:
    """The images that a record is of: id, path, class (several right ones: with `; ` between them), prediction."""
    if dataset is None:
        return pd.DataFrame(columns=IMAGE, dtype=object)
    answers = predictions(record, place)
    return pd.DataFrame(
        {
            "id": sample.id,
            "path": str(sample.path),
            "class": "; ".join(dataset.classes[c] for c in sample.right),
            "prediction": dataset.classes[answers[sample.id]] if sample.id in answers else None,
        }
        for sample in dataset.samples
    )


def predictions(record: Record, place: Place) -> dict[str, int]:
    """Image id -> the class that the network says, from heatmaps of the same images as it saw them; {} without any."""
    own = answers_of(record)
    for maps in heatmaps.each((place.results / "heatmaps" / record.run).glob("*.h5")):
        if all(maps.job.get(name) == own.get(name) for name in ANSWERS):
            return dict(zip(maps.ids, maps.prediction.tolist(), strict=True))
    return {}
