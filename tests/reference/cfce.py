"""ContrastiveCAM's losses from the paper's formulas, in float64, one image, one class, one cell at a time."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Map = NDArray[np.float64]


def softmax(x: list[float]) -> list[float]:
    """e^x / Σ e^x."""
    top = max(x)
    e = [math.exp(v - top) for v in x]
    return [v / sum(e) for v in e]


def kl(p: list[float], log_q: list[float]) -> float:
    """Σ P (log P − log Q), 0·log 0 = 0."""
    return sum(a * (math.log(a) - b) for a, b in zip(p, log_q, strict=True) if a > 0)


def kl_mask(maps: Map, mask: NDArray[np.bool_], lambda2: float, lambda3: float) -> float:
    """KL( σ(λ2 H) ‖ σ(λ3 M) ) of one map (h,w)."""
    q = [lambda3 * v for v in maps.ravel().tolist()]
    top = max(q)
    norm = top + math.log(sum(math.exp(v - top) for v in q))
    return kl(softmax([lambda2 * float(v) for v in mask.ravel()]), [v - norm for v in q])


def cfce(maps: Map, label: int, mask: NDArray[np.bool_], bias: Map) -> float:
    """Eq. 15 of one image: maps (C,h,w)."""
    total = 0.0
    for c in range(len(maps)):
        z = float(bias[c] - bias[label])
        for i, j in np.ndindex(mask.shape):
            d = float(maps[label, i, j] - maps[c, i, j])
            z += -d if mask[i, j] else abs(d)
        total += math.exp(z)
    return math.log(total)


def rcfce(maps: Map, label: int, mask: NDArray[np.bool_], bias: Map, lambdas: tuple[float, float, float]) -> float:
    """Eq. 18 of one image."""
    others = [c for c in range(len(maps)) if c != label]
    terms = [kl_mask(maps[label] - maps[c], mask, lambdas[1], lambdas[2]) for c in others]
    return cfce(maps, label, mask, bias) + lambdas[0] / (len(maps) - 1) * sum(terms)


def cfbce(maps: Map, target: Map, masks: NDArray[np.bool_], bias: Map) -> float:
    """Eq. 71 of one image: class masks (C,h,w)."""
    total = 0.0
    for c in range(len(maps)):
        if target[c]:
            u = float(bias[c]) + sum(
                float(v) if h else -abs(float(v)) for v, h in zip(maps[c].flat, masks[c].flat, strict=True)
            )
            total += math.log(1 + math.exp(-u))
        else:
            total += math.log(1 + math.exp(float(maps[c].sum() + bias[c])))
    return total / len(maps)


def rcfbce(maps: Map, target: Map, masks: NDArray[np.bool_], bias: Map, lambdas: tuple[float, float, float]) -> float:
    """Eq. 72 of one image."""
    there = [c for c in range(len(maps)) if target[c]]
    terms = [kl_mask(maps[c], masks[c], lambdas[1], lambdas[2]) for c in there]
    return cfbce(maps, target, masks, bias) + (lambdas[0] / len(there) * sum(terms) if there else 0.0)


def mixed(maps: Map, label: int, regions: NDArray[np.int64], bias: Map) -> float:
    """Eq. 73 of one image and one of its labels."""
    total = 0.0
    for k in range(len(maps)):
        z = float(bias[k] - bias[label])
        for i, j in np.ndindex(regions.shape):
            d = float(maps[label, i, j] - maps[k, i, j])
            if regions[i, j] == label:
                z -= d
            if regions[i, j] == -1:
                z += abs(d)
            if regions[i, j] == k:
                z += d
        total += math.exp(z)
    return math.log(total)
