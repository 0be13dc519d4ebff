"""Slow twin of PxAP: every bin by a loop, as CALM protocol §2.2 words it."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np
from numpy.typing import NDArray


def px_ap(scores: NDArray[np.float64], positive: NDArray[np.bool_], ignored: NDArray[np.bool_], scale: str) -> float:
    """AP in 0..1 of the pixels of all images together."""
    if scale == "even":
        thresholds = [i * 0.001 for i in range(1000)]
    else:
        thresholds = sorted(10 ** -(0.007 * i) for i in range(1000))
    edges = [*thresholds, 1.0, 2.0, 3.0]
    counts = [[0, 0] for _ in edges[1:]]
    for s, p, skip in zip(scores.ravel(), positive.ravel(), ignored.ravel(), strict=True):
        if skip or not edges[0] <= s <= edges[-1]:
            continue
        i = min(bisect_right(edges, s), len(counts)) - 1  # the bin of edges[i] <= s < edges[i + 1]; the last holds its end
        counts[i][0 if p else 1] += 1
    total = sum(c[0] for c in counts)
    true = false = 0
    ap, before = 0.0, None
    for p, n in reversed(counts):
        true, false = true + p, false + n
        recall = true / total
        if before is not None and true + false:
            ap += true / (true + false) * (recall - before)
        before = recall
    return ap
