"""Cue localisation: whether the difference of two classes' maps lies on the parts in which the classes differ.

A metric over (image, pair of classes): stages/measuring/pair_rows.py brings maps and masks, this file says what is counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from cambench.metrics.localisation import px_ap
from cambench.metrics.localisation.px_ap import Scale

COUNTS = (1, 2, 3)
KINDS = ("fresh", "accumulated")
VARIANTS = tuple(f"{kind}/{k}" for kind in KINDS for k in (*COUNTS, "mean"))
"""mPxAP of the pairs that differ in 1, 2 and 3 parts and of all these pairs. `fresh`: each pair has counts of its own;
`accumulated`: they also hold those of every pair before it, as the released code has it (CALM protocol §6.4)."""
SHORTENED = 16
FLOATS = (0x3F800000 >> SHORTENED) + 2
"""Bins of `measure_exact`: a shortened float32 each from 0 to 1, whose bits are in the order of their values, and one."""
CALM = ("calm", "calm-posterior", "calm-conditional", "calm-saliency")
DIFFERENCE = "difference"
STEPS, CALM_STEPS = (DIFFERENCE, "resize", "absolute", "min-max"), (DIFFERENCE, "resize", "absolute", "clip")
"""|s^A − s^B| at the resolution of the input, in [0, 1]. Source: authors' code (CALM protocol §2.1.5, §6.6)."""
NORMALISED = ("min-max", DIFFERENCE, "resize", "absolute")
"""Each map between 0 and 1 before the difference, which then is too. Source: CALM eq. 2, §5.2 (CALM protocol §6.6)."""
BLURRED = (DIFFERENCE, "resize", "blur-31", "absolute", "min-max")
"""Each map blurred, which is the blur of their difference. Source: CALM §5.1, our choice of size (CALM protocol §1.7)."""


def around_difference(steps: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The steps of each class's map by itself, and those of the difference of two."""
    at = steps.index(DIFFERENCE)
    return steps[:at], steps[at + 1 :]


def scale_on(explainer: str) -> Scale:
    """The thresholds for the maps of an explainer: logarithmic for CALM's, which are clipped. Source: authors' code."""
    return "log" if explainer in CALM else "even"


def measure(heatmap: Tensor, mask: Tensor, *, scale: Scale = "even") -> dict[str, Tensor]:
    """Counts of the cue's pixels and of all others in the bins between the thresholds, for N (image, pair).

    Source: CALM §5.2 (CALM protocol §2.1, §2.2). heatmap (N,H,W) in [0,1], mask (N,H,W) bool
    -> {"positive": (N,1002) int64, "negative": (N,1002) int64}. Raises: as `px_ap.measure`.
    """
    return px_ap.measure(heatmap, torch.ones(len(mask), device=mask.device), mask.long(), scale=scale)


def measure_exact(heatmap: Tensor, mask: Tensor, *, scale: Scale = "even") -> dict[str, Tensor]:
    """As `measure`, but a bin for each float32 of 7 bits of fraction (0.8 % wide, from 0 up): no score falls out.

    The AP of the sorted scores, with hardly a tie that they have not; for comparison with the thresholds of the protocol, of
    which CALM's drop small scores (CALM protocol §6.7). `scale` changes nothing. heatmap (N,H,W) in [0,1], mask (N,H,W) bool
    -> {"positive": (N,16258) int64, "negative": (N,16258) int64}, the last bin empty, as there is none above 1.
    Raises: CambenchError for maps that leave [0,1].
    """
    px_ap.check_range(heatmap)
    place = (heatmap.float().abs().contiguous().view(torch.int32) >> SHORTENED).cpu()  # abs: −0 has other bits

    def counts(wanted: Tensor) -> Tensor:
        return torch.stack([torch.bincount(p[w], minlength=FLOATS) for p, w in zip(place, wanted, strict=True)])

    wanted = mask.cpu()
    return {"positive": counts(wanted), "negative": counts(~wanted)}


def of_pairs(positive: Tensor, negative: Tensor, images: Tensor) -> dict[str, Tensor]:
    """PxAP of each pair from its counts over all its images, in the order in which pairs are measured.

    positive, negative (P,1002), images (P,) -> {"fresh": (P,), "accumulated": (P,) in 0..1, "counted": (P,) bool}. A pair
    counts if it has an image and, by itself, a pixel of a cue that falls in a bin; the others are NaN.
    """
    counted = (images > 0) & (positive.sum(1) > 0)
    found = {"fresh": (positive, negative), "accumulated": (positive.cumsum(0), negative.cumsum(0))}
    values = {kind: px_ap.average_precision(*counts) for kind, counts in found.items()}
    return {**{kind: torch.where(counted, value, torch.nan) for kind, value in values.items()}, "counted": counted}


def spread(columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The pairs of which each variant is the mean: {"fresh", "accumulated": (P,), "pair": (P,4) a, b, parts, images}.

    A number of parts that no pair has gives no variant. The mean column is that over all pairs, not over the three
    numbers of parts (CALM protocol §2.1.6).
    """
    parts = columns["pair"][:, 2]
    found: dict[str, Tensor] = {}
    for kind in KINDS:
        found |= {f"{kind}/{k}": columns[kind][parts == k] for k in COUNTS if bool((parts == k).any())}
        found[f"{kind}/mean"] = columns[kind]
    return found
