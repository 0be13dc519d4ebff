"""Deletion: from the image to an image of nothing, most salient pixels first."""

from __future__ import annotations

from torch import Tensor

from cambench.metrics.asked import Predict
from cambench.metrics.faithfulness.baselines import Baseline, Generators, baseline
from cambench.metrics.faithfulness.perturbation import ROWS_A_STEP, Track, Way, area, curve
from cambench.pixels import DEFAULT, Normalisation


def measure(
    predict: Predict,
    image: Tensor,
    heatmap: Tensor,
    label: Tensor,
    generators: Generators = (),
    normalisation: Normalisation = DEFAULT,
    *,
    rows: int = ROWS_A_STEP,
    track: Track = "predicted",
    end: Baseline = "zero",
    chunk: int = 64,
) -> Tensor:
    """Deletion AUC: a class's mean probability while the image disappears, AUC = (Σ_k s_k − s_0/2 − s_S/2)/S.

    Source: RISE (Petsiuk et al. 2018), with the order, steps and tracked class of the insertion metric. end: what deleted
    pixels become, 0 in normalised space (the data's mean colour) or another of `baselines.BASELINES`.
    predict: image -> logits; image (N,3,H,W) normalised; heatmap (N,H,W) after the index entry's steps; label (N,);
    generators, normalisation: as of insertion -> (N,) float64 in 0..1, lower is better.
    Raises: CambenchError for shapes that do not fit, logits or heatmaps that are not finite.
    """
    ends = image, baseline(end, image, generators, normalisation)
    return area(curve(predict, ends, heatmap, label, Way(rows, track, chunk), whole=0))
