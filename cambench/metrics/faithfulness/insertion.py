"""Insertion: from an image of nothing (a blurred one) to the image, most salient pixels first."""

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
    start: Baseline = "blur",
    chunk: int = 64,
) -> Tensor:
    """Insertion AUC: a class's mean probability while the image appears, AUC = (Σ_k s_k − s_0/2 − s_S/2)/S.

    Source: CGC §4, authors' code, after RISE (Petsiuk et al. 2018). 8·W pixels a step (rows·W), S = 28 steps at 224×224. The
    probability is that of the class predicted on the whole image, not of the label (`track="label"` follows that one).
    start: what is there before, the blurred image or another of `baselines.BASELINES`.
    predict: image -> logits; image (N,3,H,W) normalised; heatmap (N,H,W) after the index entry's steps; label (N,);
    generators, normalisation: of N images, as `baselines.baseline` asks for them -> (N,) float64 in 0..1.
    Raises: CambenchError for shapes that do not fit, logits or heatmaps that are not finite.
    """
    ends = baseline(start, image, generators, normalisation), image
    return area(curve(predict, ends, heatmap, label, Way(rows, track, chunk), whole=1))
