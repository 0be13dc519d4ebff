"""CFCE of mixed images: a rectangle of another image of the batch is pasted in, with its object's mask (CutMix)."""

from __future__ import annotations

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from cambench.losses.cfce import cutmix_cfce_loss, logits
from cambench.objectives.cfce import regions_of
from cambench.objectives.cross_entropy import accuracy
from cambench.objectives.network import Network, Terms
from cambench.recipes.schema import Strict
from cambench.vocabulary import Batch


class Settings(Strict):
    """`alpha` of the Beta(α, α) from which the share of the first image is drawn."""

    alpha: float = Field(gt=0)


def rectangle(size: tuple[int, int], alpha: float, generator: torch.Generator) -> tuple[slice, slice]:
    """CutMix's rectangle: sides √(1 − λ) of the image's with λ ~ Beta(α, α), around a uniform centre, cut at the border.

    Source: Yun et al. 2019, CutMix, §3.1. A Beta is x/(x + y) of two Gammas, here of one (Marsaglia–Tsang as torch has it).
    """
    x, y = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=generator).tolist()
    side = (1 - x / (x + y)) ** 0.5
    slices = []
    for length, centre in zip(size, torch.rand(2, generator=generator, dtype=torch.float64).tolist(), strict=True):
        half, middle = side * length / 2, centre * length
        slices.append(slice(max(0, round(middle - half)), min(length, round(middle + half))))
    return slices[0], slices[1]


def grid_regions(regions: Tensor, labels: Tensor, size: tuple[int, int]) -> Tensor:
    """A label map on the maps' grid: of the image's labels the one with the larger part of the cell, −1 where none has any.

    The first label wins a tie. regions (N,H,W), labels (N,L) -> (N,*size) int64.
    """
    parts = torch.stack(
        [adaptive_avg_pool2d((regions == c[:, None, None]).float()[:, None], size)[:, 0] for c in labels.T], 1
    )
    share, best = parts.max(1)
    chosen = labels.gather(1, best.flatten(1)).view_as(best)
    return torch.where(share > 0, chosen, -1)


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = mean_i Σ_l share_l·CFCE_l of the mixed image (eq. 73). One rectangle a batch; an image whose object is not seen at
    all counts as it stands: only its own contrast outside every object is punished.

    Source: ContrastiveCAM eq. 73; Yun et al. 2019.
    """
    image, regions = batch.views["crop"], regions_of(batch)
    order = torch.randperm(len(image), generator=generator).to(image.device)
    down, across = rectangle((image.shape[2], image.shape[3]), settings.alpha, generator)
    image, regions = image.clone(), regions.clone()
    image[:, :, down, across] = batch.views["crop"][order][:, :, down, across]
    regions[:, down, across] = regions_of(batch)[order][:, down, across]
    pasted = (down.stop - down.start) * (across.stop - across.start) / (image.shape[2] * image.shape[3])
    labels = torch.stack([batch.label, batch.label[order]], 1)
    maps, bias = network.class_maps(image)
    shares = maps.new_tensor([1 - pasted, pasted]).expand(len(image), 2)
    grid = grid_regions(regions, labels, (maps.shape[2], maps.shape[3]))
    loss = cutmix_cfce_loss(maps, labels, shares, grid, bias)
    yield loss
    return {"pasted": shares[:, 1].mean(), "accuracy": accuracy(logits(maps, bias), batch.label)}
