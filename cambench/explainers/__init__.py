"""Explainers: model and images to raw, signed maps at their native grid. Nothing here imports torch."""

from __future__ import annotations

from cambench import options
from cambench.explainers.entry import Explainer
from cambench.explainers.index import ENTRIES
from cambench.lookup import Catalogue

__all__ = ["INDEX", "Explainer", "find_explainer", "known_explainer"]

INDEX: Catalogue[Explainer] = Catalogue("explainer", Explainer, ENTRIES)


def known_explainer(text: str) -> Explainer | None:
    """The entry of a record's explainer; None where there is none any more."""
    return options.known(text, INDEX)


def find_explainer(text: str) -> Explainer:
    """The entry that `NAME` or `NAME:option=value,…` names. Raises: UsageError naming the nearest and all."""
    return options.find(text, INDEX)
