"""Metrics, a folder a question: rows per image from a batch, a value from rows. Nothing here imports torch."""

from __future__ import annotations

from cambench import options
from cambench.lookup import Catalogue
from cambench.metrics import accuracy, conciseness, core, faithfulness, localisation, quantus, robustness
from cambench.metrics.entry import Metric, needs

__all__ = ["INDEX", "Metric", "find_metric", "known_metric", "needs"]

FOLDERS = (accuracy, localisation, faithfulness, conciseness, robustness, core, quantus)
INDEX: Catalogue[Metric] = Catalogue(
    "metric", Metric, {name: metric for folder in FOLDERS for name, metric in folder.INDEX.items()}
)


def known_metric(text: str) -> Metric | None:
    """The entry of a record's metric; None where a record is of a metric that is not there any more."""
    return options.known(text, INDEX)


def find_metric(text: str) -> Metric:
    """The entry that `NAME` or `NAME:option=value,…` names. Raises: UsageError naming the nearest and all."""
    return options.find(text, INDEX)
