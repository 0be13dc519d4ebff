"""Deletion: from the image to nothing, most salient pixels first."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench.metrics.accuracy.predictions import Predict
from cambench.metrics.faithfulness.perturbation import Track, area, check_arguments, clean, probabilities, ranks, step_count


def measure(
    predict: Predict, image: Tensor, heatmap: Tensor, label: Tensor, *, track: Track = "predicted", chunk: int = 64
) -> Tensor:
    """Deletion AUC: a class's mean probability while the image disappears, AUC = (Σ_k s_k − s_0/2 − s_S/2)/S.

    Source: RISE (Petsiuk et al. 2018), with the order, steps and tracked class of the insertion metric. Deleted pixels
    become 0 in normalised space, the data's mean colour.
    predict: image -> logits; image (N,3,H,W) normalised; heatmap (N,H,W) after the index entry's steps; label (N,)
    -> (N,) float64 in 0..1, lower is better.
    Raises: CambenchError for shapes that do not fit, logits or heatmaps that are not finite.
    """
    return area(curve(predict, image, heatmap, label, track=track, chunk=chunk))


def curve(
    predict: Predict, image: Tensor, heatmap: Tensor, label: Tensor, *, track: Track = "predicted", chunk: int = 64
) -> Tensor:
    """The probabilities s_0 … s_S, s_0 of the whole image, s_S of the mean colour -> (N,S+1) float32.

    S+1 forward passes an image. Arguments and errors as `measure`.
    """
    check_arguments(image, heatmap, track, chunk)
    known, whole = clean(predict, image, label, track, chunk)
    rank, last = ranks(heatmap.to(image.device)), step_count(image.shape[2])
    scores = probabilities(predict, image, torch.zeros_like(image), rank, known, first=1, last=last, chunk=chunk)
    return torch.cat([whole[:, None], scores], 1)
