"""What makes two jobs the same: the identity of a run, of a heatmap file and of a record, each defined here alone.

An identity is a description whose hash (`store.keys.job_key`) is in the file's name. It names everything that the content
follows from: images, annotations and weights by their contents, the source of a `python:` network and the files of an `hf:`
folder, all settings, and the
versions of formulas. It never says where something lies, or when it was made. But a value belongs to the data set that was
named, and to what was said of it: two folders of the same pictures, or all of one and a part of another, have a record
each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cambench.data import annotated
from cambench.data.regions import BOXES, SEGMENTATION, region_source
from cambench.data.views import View
from cambench.explainers.entry import Explainer
from cambench.metrics import Metric, needs
from cambench.models.backbones import called
from cambench.recipes.schema import WORDS
from cambench.stages.class_sets import chosen_sets
from cambench.store import schema
from cambench.vocabulary import Dataset

if TYPE_CHECKING:
    from cambench.stages.network import Loaded

LAST = "last"
"""The checkpoint after a run's last epoch, which an identity does not name."""
INPUT = ("run", "checkpoint", "epoch", "dataset", "split", "data", "view", "precision")
"""What a metric that looks at no heatmap shares with one that does."""


def settled(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """A resolved recipe without the words about it: what makes two trainings the same."""
    return {key: called(value) if key == "arch" and value else value for key, value in recipe.items() if key not in WORDS}


def of_training(recipe: Mapping[str, Any], data: str | None, seed: int, **seen: str | None) -> dict[str, Any]:
    """A training. data: the fingerprint of its images and labels.

    seen: the name of the `dataset`, and digests of whatever else it learns from, None for what it does without: `unlabelled`
    images, `masks`, initial `weights` of a file or the network's `own`, the `source` of its network.
    """
    known = {name: digest for name, digest in seen.items() if digest is not None}
    return {"schema": schema.RUN, "recipe": settled(recipe), "data": data, "seed": seed, **known}


def of_given(
    network: str, weights: str | None, source: str | None, input: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """A given network: its RUN, the digests of the file of weights and of its source, what the command says of its input."""
    known = {"source": source, "input": dict(input or {})}
    return {"schema": schema.RUN, "network": called(network), "weights": weights, **{k: v for k, v in known.items() if v}}


def of_added(
    network: Mapping[str, Any], weights: str, classes: Mapping[str, Any], seed: int, source: str | None
) -> dict[str, Any]:
    """Somebody's own weights. network: how it is built and looked at. weights: their hash. classes: those it knows."""
    known = {"schema": schema.RUN, "added": weights, "recipe": dict(network), **classes, "seed": seed}
    return {**known, **({"source": source} if source else {})}


def agree(known: Mapping[str, Any], stored: Mapping[str, Any]) -> bool:
    """Whether a stored identity is the known one, as far as it is known: facts that are None could not be found out."""
    unsure = {key for key, value in known.items() if value is None}
    return all(known.get(key) == stored.get(key) for key in {*known, *stored} - unsure)


def of_heatmaps(loaded: Loaded, dataset: Dataset, entry: Explainer, view: View, **asked: str) -> dict[str, Any]:
    """The maps of a network on a split through a view. asked: `target`, and `classes` that are explained."""
    return {
        "schema": schema.HEATMAPS,
        "run": loaded.run.name,
        "checkpoint": loaded.weights_hash,
        "dataset": dataset.name,
        "split": dataset.split,
        "data": dataset.fingerprint,
        "explainer": entry.name,
        "version": entry.version,
        **asked,
        "layer": loaded.layer_of(entry),
        "view": view.stored(),
        "precision": loaded.precision,
        **({"epoch": loaded.checkpoint} if loaded.checkpoint != LAST else {}),
        **chosen_sets(asked["target"], dataset),
    }


def of_record(metric: Metric, dataset: Dataset, maps: Mapping[str, Any], *, partial: bool = False) -> dict[str, Any]:
    """A measurement. maps: the identity of the maps; of a metric that looks at none, only the network and its input count.

    partial: whether the explainer may leave an image without a map.
    """
    kept = dict(maps) if metric.looks else {key: maps[key] for key in INPUT if key in maps}
    kinds = annotations_of(metric, dataset, partial)
    return {
        **defined(metric),
        **({"annotations": {kind: annotated.digest(dataset, kind) for kind in kinds}} if kinds else {}),
        "notes": list(dataset.notes),
        "maps" if metric.explains else "input": kept,
    }


def lasting(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record's identity without what can be changed under a run's name: weights, annotations, versions of formulas."""
    changing = ("checkpoint", "version", "annotations")
    kept = {key: value for key, value in record.items() if key not in (*changing, "variants", "steps", "recipe")}
    for part in ("maps", "input"):
        if isinstance(kept.get(part), dict):
            kept[part] = {key: value for key, value in kept[part].items() if key not in changing}
    return kept


def defined(metric: Metric) -> dict[str, Any]:
    """What a metric is today: a record of another definition is another measurement."""
    return {
        "schema": schema.RECORD,
        "metric": metric.name,
        "version": metric.version,
        "variants": list(metric.variants),
        "steps": list(metric.maps.read("").steps),
        **({"train_bn": list(metric.maps.train_bn)} if metric.maps.train_bn else {}),
    }


def annotations_of(metric: Metric, dataset: Dataset, partial: bool = False) -> list[str]:
    """The kinds of annotation (`data.annotated`) that a metric looks at. Labels belong to the data set itself."""
    wanted = needs(metric)
    if metric.rows.pairs:
        return [annotated.ATTRIBUTES, annotated.PARTS, SEGMENTATION]
    boxes = metric.at_annotation or "box" in wanted or (partial and "mask" in wanted)
    regions = region_source(dataset) if metric.regions else None
    return list(dict.fromkeys(([BOXES] if boxes else []) + ([regions] if regions else [])))
