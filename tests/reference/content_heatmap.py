"""Content heatmap of CGC protocol §2.1, pixel by pixel."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from reference.cgc import bilinear

Map = NDArray[np.float64]


def content_heatmap(raw: Map, mask: NDArray[np.bool_]) -> float:
    """The score of one image from its raw map at the native grid."""
    m0 = np.maximum(raw, 0)
    m = bilinear(m0 / (m0.sum() + 1e-8) + 1e-8, mask.shape)
    m = m / m.sum()
    return float(sum(m[i, j] for i in range(mask.shape[0]) for j in range(mask.shape[1]) if mask[i, j]))
