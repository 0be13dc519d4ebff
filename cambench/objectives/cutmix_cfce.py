"""CFCE of mixed images: a rectangle of another image of the batch is pasted in, with its object's mask (CutMix)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from cambench.losses.cfce import cutmix_cfce_loss, logits
from cambench.objectives.cfce import regions_of
from cambench.objectives.cross_entropy import accuracy
from cambench.objectives.cutmix import Mixing, draw
from cambench.objectives.network import Network, Terms
from cambench.vocabulary import Batch


def grid_regions(regions: Tensor, labels: Tensor, size: tuple[int, int]) -> Tensor:
    """A label map on the maps' grid: of the image's labels the one with the larger part of the cell, −1 where none has any.

    The first label wins a tie. regions (N,H,W), labels (N,L) -> (N,*size) int64.
    """
    parts = torch.stack(
        [adaptive_avg_pool2d((regions == c[:, None, None]).float()[:, None], size)[:, 0] for c in labels.T], 1
    )
    share, best = parts.max(1)
    classes = labels.gather(1, best.flatten(1)).view_as(best)
    return torch.where(share > 0, classes, -1)


def step(settings: Mixing, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = mean_i Σ_l share_l·CFCE_l of the mixed image (eq. 73). One rectangle a batch; an image whose object is not seen at
    all counts as it stands: only its own contrast outside every object is punished.

    Source: ContrastiveCAM eq. 73; Yun et al. 2019.
    """
    image, regions = batch.views["crop"], regions_of(batch)
    mix = draw(batch, settings.alpha, generator)
    labels = torch.stack([batch.label, mix.labels(batch)], 1)
    maps, bias = network.class_maps(mix.paste(image, batch))
    shares = maps.new_tensor([1 - mix.share, mix.share]).expand(len(image), 2)
    grid = grid_regions(mix.paste(regions, batch), labels, (maps.shape[2], maps.shape[3]))
    yield cutmix_cfce_loss(maps, labels, shares, grid, bias)
    return {"pasted": shares[:, 1].mean(), "accuracy": accuracy(logits(maps, bias), batch.label)}
