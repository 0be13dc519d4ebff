"""Records image by image: the value of each, beside the image's file, its class and what the network says of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from cambench import data
from cambench.explainers import find_explainer
from cambench.metrics import find_metric
from cambench.stages.progress import say
from cambench.stages.workplace import Place, run_of
from cambench.store.heatmaps import open_heatmaps
from cambench.store.records import Record, read_origin, read_records, read_rows, rows_path
from cambench.vocabulary import DataError, UsageError

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
        frames = [frame for record in self for frame in frames_of(record, self.place)]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=COLUMNS)


def stored(runs: Sequence[str], metrics: Sequence[str], place: Place, explainers: Sequence[str] = ()) -> Records:
    """The records of the runs (none named: of all), of the metrics and of the explainers (none: all).

    Raises: UsageError for a run or metric that there is not, or where nothing of them is measured.
    """
    wanted = {
        "run": {run_of(run, place.results).name for run in runs},
        "metric": {find_metric(name).name for name in metrics},
        "explainer": {find_explainer(name).name for name in explainers},
    }
    every = read_records(place.results)
    records = [r for r in every if all(getattr(r, fact) in names for fact, names in wanted.items() if names)]
    if not records:
        raise UsageError(f"nothing of this is measured under {place.results / 'records'}; measure it with `cambench eval`.")
    return Records(records, place)


def frames_of(record: Record, place: Place) -> list[pd.DataFrame]:
    """The values of one record, a frame a variant; none where the metric has no value an image."""
    metric = find_metric(record.metric)
    if metric.rows.mean is not None:
        return []
    rows = read_rows(rows_path(record.path))
    images, facts = images_of(record, place), {name: getattr(record, name) for name in FACTS}
    return [
        pd.DataFrame({"id": rows.ids, "value": rows.values[variant] * metric.printing.scale})
        .merge(images, how="left", on="id")
        .assign(**facts, variant=variant)[COLUMNS]
        for variant in record.values
        if variant in rows.values
    ]


def images_of(record: Record, place: Place) -> pd.DataFrame:
    """The images that a record is of: id, path, class (several right ones: with `; ` between them), prediction."""
    empty = pd.DataFrame(columns=IMAGE, dtype=object)
    origin = read_origin(rows_path(record.path))
    if origin is None:
        return empty
    try:
        dataset = data.reload(origin, place.data)
    except DataError as e:
        say(f"{record.run}, {record.metric}: images without path and class: {e}")
        return empty
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
    own = record.job.get("maps") or record.job.get("input") or {}
    for path in sorted((place.results / "heatmaps" / record.run).glob("*.h5")):
        with open_heatmaps(path) as maps:
            if all(maps.job.get(name) == own.get(name) for name in ANSWERS):
                return dict(zip(maps, maps.file["prediction"][()].tolist(), strict=True))
    return {}
