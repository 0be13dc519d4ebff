"""Relevance mass and rank accuracy: how much of a heatmap's relevance, or of its highest pixels, lies on the object."""

from __future__ import annotations

import torch
from torch import Tensor

from cambench.metrics.asked import checked
from cambench.metrics.localisation import content_heatmap
from cambench.metrics.localisation.boxes import same_shape
from cambench.vocabulary import IGNORED


def mass(heatmap: Tensor, label: Tensor, regions: Tensor) -> dict[str, Tensor]:
    """Relevance mass accuracy, Σ_{p ∈ GT} R_p / Σ_p R_p.

    Source: Arras et al. 2022, relevance mass accuracy; the fraction is content heatmap's, GT the pixels of the object, not
    of its box. Ignored pixels count on neither side. heatmap (N,H,W) after the index entry's ReLU, which keeps what speaks
    for the class; label (N,), regions (N,H,W): the class a pixel shows, −1 none, −2 ignored -> (N,) float64 in 0..1. An
    image whose map is nowhere positive, or none of whose pixels shows the label, does not count.
    Raises: CambenchError for shapes that differ, or heatmaps that are not finite.
    """
    objects, known = on_object(label, regions), regions != IGNORED
    same_shape(heatmap, objects, "relevance-mass")
    relevance = torch.where(known, checked(heatmap, "heatmaps"), 0.0)
    counted = objects.flatten(1).any(1) & (relevance > 0).flatten(1).any(1)
    values = torch.full((len(heatmap),), torch.nan, dtype=torch.float64, device=heatmap.device)
    values[counted] = content_heatmap.measure(relevance[counted], objects[counted])
    return {"": values, "counted": counted}


def rank(heatmap: Tensor, label: Tensor, regions: Tensor) -> dict[str, Tensor]:
    """Relevance rank accuracy, |P_K ∩ GT| / K with the K = |GT| highest pixels P_K.

    Source: Arras et al. 2022, relevance rank accuracy. Where the K-th place is shared by equally high pixels, they fill the
    places that are left in equal parts, which the paper leaves open: a constant map scores the object's share of the image.
    Ignored pixels have no place. heatmap (N,H,W), signed, label and regions as in `mass` -> (N,) float64 in 0..1; an image
    none of whose pixels shows the label does not count.
    Raises: CambenchError for shapes that differ, or heatmaps that are not finite.
    """
    objects, known = on_object(label, regions), regions != IGNORED
    same_shape(heatmap, objects, "relevance-rank")
    heat = torch.where(known, checked(heatmap, "heatmaps"), -torch.inf).flatten(1)
    inside, places = objects.flatten(1), objects.flatten(1).sum(1, keepdim=True)
    lowest = heat.sort(dim=1, descending=True).values.gather(1, (places - 1).clamp(min=0))
    above, level = heat > lowest, heat == lowest
    left = places - above.sum(1, keepdim=True)
    shared = left * (level & inside).sum(1, keepdim=True).double() / level.sum(1, keepdim=True)
    hits = (above & inside).sum(1, keepdim=True) + shared
    counted = places[:, 0] > 0
    return {"": torch.where(counted, (hits / places)[:, 0], torch.nan), "counted": counted}


def on_object(label: Tensor, regions: Tensor) -> Tensor:
    """The pixels that show the label: (N,), (N,H,W) -> (N,H,W) bool."""
    return regions == label.to(regions.device)[:, None, None]
