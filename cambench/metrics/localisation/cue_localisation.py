"""Cue localisation: whether the difference of two classes' maps lies on the parts in which the classes differ.

A metric over (image, pair of classes): stages/measuring/pair_rows.py brings maps and masks, this file says what is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import torch
from torch import Tensor

from cambench.maps import within_unit
from cambench.metrics.localisation import CALM, DIFFERENCE, px_ap
from cambench.metrics.localisation.px_ap import Scale

COUNTS = (1, 2, 3)
KINDS = ("fresh", "accumulated")
VARIANTS = tuple(f"{kind}/{k}" for kind in KINDS for k in (*COUNTS, "mean"))
"""mPxAP of the pairs that differ in 1, 2 and 3 parts and of all these pairs. `fresh`: each pair has counts of its own;
`accumulated`: they also hold those of every pair before it, as the released code has it (CALM protocol §6.4)."""
SHORTENED = 16
FLOATS = (0x3F800000 >> SHORTENED) + 2
"""Bins of `exact`: a shortened float32 each from 0 to 1, whose bits are in the order of their values, and one."""
Bins = Literal["thresholds", "exact"]


def around_difference(steps: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The steps of each class's map by itself, and those of the difference of two."""
    at = steps.index(DIFFERENCE)
    return steps[:at], steps[at + 1 :]


def scale_on(explainer: str) -> Scale:
    """The thresholds for the maps of an explainer: logarithmic for CALM's, which are clipped. Source: authors' code."""
    return "log" if explainer in CALM else "even"


def measure(heatmap: Tensor, mask: Tensor, *, scale: Scale = "even", bins: Bins = "thresholds") -> dict[str, Tensor]:
    """Counts of the cue's pixels and of all others in the bins between the thresholds, for N (image, pair).

    Source: CALM §5.2 (CALM protocol §2.1, §2.2). heatmap (N,H,W) in [0,1], mask (N,H,W) bool
    -> {"positive": (N,1002) int64, "negative": (N,1002) int64}; bins `exact`: see there. Raises: as `px_ap.measure`.
    """
    if bins == "exact":
        return exact(heatmap, mask)
    return px_ap.measure(heatmap, torch.ones(len(mask), device=mask.device), mask.long(), scale=scale)


def exact(heatmap: Tensor, mask: Tensor) -> dict[str, Tensor]:
    """As `measure`, but a bin for each float32 of 7 bits of fraction (0.8 % wide, from 0 up): no score falls out.

    The AP of the sorted scores, with hardly a tie that they have not; for comparison with the thresholds of the protocol, of
    which CALM's drop small scores (CALM protocol §6.7). heatmap (N,H,W) in [0,1], mask (N,H,W) bool
    -> {"positive": (N,16258) int64, "negative": (N,16258) int64}, the last bin empty, as there is none above 1.
    Raises: CambenchError for maps that leave [0,1].
    """
    within_unit(heatmap, "cue-localisation")
    place = (heatmap.float().abs().contiguous().view(torch.int32) >> SHORTENED).cpu()  # abs: −0 has other bits

    def counts(cue: Tensor) -> Tensor:
        return torch.stack([torch.bincount(p[w], minlength=FLOATS) for p, w in zip(place, cue, strict=True)])

    cue = mask.cpu()
    return {"positive": counts(cue), "negative": counts(~cue)}


def of_pairs(positive: Tensor, negative: Tensor, images: Tensor) -> dict[str, Tensor]:
    """PxAP of each pair from its counts over all its images, in the order in which pairs are measured.

    positive, negative (P,1002), images (P,) -> {"fresh": (P,), "accumulated": (P,) in 0..1, "counted": (P,) bool}. A pair
    counts if it has an image and, by itself, a pixel of a cue that falls in a bin; the others are NaN.
    """
    counted = (images > 0) & (positive.sum(1) > 0)
    counted_as = {"fresh": (positive, negative), "accumulated": (positive.cumsum(0), negative.cumsum(0))}
    values = {kind: px_ap.average_precision(*counts) for kind, counts in counted_as.items()}
    return {**{kind: torch.where(counted, value, torch.nan) for kind, value in values.items()}, "counted": counted}


def spread(columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The pairs of which each variant is the mean: {"fresh", "accumulated": (P,), "pair": (P,4) a, b, parts, images}.

    A number of parts that no pair has gives no variant. The mean column is that over all pairs, not over the three
    numbers of parts (CALM protocol §2.1.6).
    """
    parts = columns["pair"][:, 2]
    spread_of: dict[str, Tensor] = {}
    for kind in KINDS:
        spread_of |= {f"{kind}/{k}": columns[kind][parts == k] for k in COUNTS if bool((parts == k).any())}
        spread_of[f"{kind}/mean"] = columns[kind]
    return spread_of
