"""The record of a metric, from its rows: values with their spread, and all that must stand beside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from cambench import seeds
from cambench.data.regions import BOXES, region_source
from cambench.explainers import find_explainer
from cambench.metrics import Metric, statistics
from cambench.models.backbones import called
from cambench.stages.measuring.rows import EvalJob
from cambench.stages.network import Loaded
from cambench.store.provenance import device_name, versions
from cambench.store.records import Record
from cambench.vocabulary import FILLED, CambenchError, Dataset


def make_record(job: EvalJob, metric: Metric, loaded: Loaded, dataset: Dataset, rows: dict[str, Any]) -> Record:
    """Mean, standard error and 95 % bootstrap interval of every variant, with all that must stand beside them."""
    info, pairs, leaves_out = loaded.run.info, metric.rows.pairs, metric.rows.leaves_out
    columns = {name: torch.from_numpy(np.asarray(column)) for name, column in rows.items()}
    counted = columns.get("counted", torch.ones(len(columns["row"]), dtype=torch.bool))
    if not bool(counted.any()):
        raise CambenchError(
            f"{metric.name}: expected {'a pair' if pairs else 'an image'} to measure, got none of {len(counted)} "
            f"({leaves_out}); no value."
        )
    kept = {name: column[counted] for name, column in columns.items()}
    looks, entry = metric.looks, find_explainer(job.explainer)
    return Record(
        run=loaded.run.name,
        dataset=dataset.name,
        split=dataset.split,
        method=info.method,
        arch=called(info.arch),
        seed=info.seed,
        metric=metric.name,
        values=statistics.summarise(metric, kept, lambda: seeds.generator("bootstrap")),
        explainer=entry.name if looks else None,
        target=job.target if looks else None,
        layer=loaded.layer_of(entry) if looks and entry.at_layer else None,
        comparable=bool(info.comparable) and dataset.comparable,
        partial=tuple(dict.fromkeys([*info.partial, *dataset.notes, *mask_notes(metric, dataset)])),
        deviations=tuple(dict.fromkeys([*info.deviations, *loaded.notes])),
        warnings=tuple(info.warnings),
        counts=counts_of(metric, len(dataset), columns, counted),
        device=device_name(loaded.device),
        precision=loaded.precision,
        checkpoint=loaded.checkpoint,
        options={"metric": dict(metric.values), **({"explainer": dict(entry.values)} if looks else {})},
        versions=versions(),
    )


def counts_of(metric: Metric, images: int, columns: Mapping[str, Tensor], counted: Tensor) -> dict[str, int]:
    """How many images (or pairs) were left out, do not count, or bear a metric's marks."""
    pairs, leaves_out = metric.rows.pairs, metric.rows.leaves_out
    counts = {} if pairs else {"images left out": images - len(columns["row"])}
    if leaves_out:
        counts[f"{'pairs' if pairs else 'images'} that do not count ({leaves_out})"] = int((~counted).sum())
    counts.update({name: int(columns[name][counted].sum()) for name in metric.tallies})
    if "zero" in columns:
        counts["heatmaps without a positive value"] = int(columns["zero"].sum())
    return counts


def mask_notes(metric: Metric, dataset: Dataset) -> list[str]:
    """What must stand beside a number that looks at masks which are none."""
    return [FILLED] if metric.regions and region_source(dataset) == BOXES else []


def training(loaded: Loaded, dataset: Dataset) -> dict[str, Any]:
    """The run's training and the data it is measured on: what two seeds must share to be averaged."""
    own = loaded.run.info.training
    return {**own, "data": {**own["data"], "measured on": dataset.drawn_from}}
