"""What a plan measures of a network."""

from __future__ import annotations

from dataclasses import dataclass

from cambench import data
from cambench.lookup import canonical
from cambench.stages.network import LAST


@dataclass(frozen=True)
class Measurement:
    """A metric of a network on a split; explainer and target are None where it looks at no heatmap."""

    metric: str
    dataset: str
    split: str
    explainer: str | None = None
    target: str | None = None
    layer: str | None = None
    checkpoint: str = LAST

    @property
    def label(self) -> str:
        """For a person."""
        epoch = "" if self.checkpoint == LAST else f", {self.checkpoint} epoch"
        maps = f" ({', '.join(filter(None, (self.explainer, self.target, self.layer)))})" if self.explainer else ""
        return f"{self.metric}{maps} on {self.dataset} {self.split}{epoch}"


def eval_split(name: str) -> str:
    """The evaluation split of a data set; `eval` where the name is unknown or its folder decides."""
    entry = data.INDEX.get(canonical(name))
    return entry.splits[-1] if entry is not None and entry.splits else "eval"
