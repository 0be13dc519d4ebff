"""The verbs as Python functions, with the names and defaults of the command line; an error is its one line, raised.

What the command line takes several times is here one value or a sequence of them. A run is named as on the command line, or
is a `Run`. Roots that are None are those of CAMBENCH_DATA and CAMBENCH_RESULTS, else `datasets` and `results`. To import
this module imports neither torch nor pandas.
"""

from __future__ import annotations

from cambench.api.measuring import evaluate, explain, rank, reproduce, train
from cambench.api.stored import claims, compare, figure, heatmaps, records, report

__all__ = [
    "claims",
    "compare",
    "evaluate",
    "explain",
    "figure",
    "heatmaps",
    "rank",
    "records",
    "report",
    "reproduce",
    "train",
]
