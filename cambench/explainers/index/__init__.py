"""The entries of explainers, a module a family. Nothing here imports torch."""

from __future__ import annotations

from cambench.explainers.entry import Explainer
from cambench.explainers.index import cams, controls, guided, inputs, masks, networks, peers, transformers

FAMILIES = (cams, inputs, guided, masks, networks, transformers, controls, peers)
ENTRIES: dict[str, Explainer] = {name: entry for family in FAMILIES for name, entry in family.INDEX.items()}
