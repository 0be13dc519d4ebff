"""Hide-and-Seek: plain classification of images of which random cells are hidden."""

from __future__ import annotations

import math

import torch
from pydantic import Field
from torch import Tensor

from cambench.objectives import shares
from cambench.objectives.cross_entropy import classify
from cambench.objectives.network import Network, Terms
from cambench.recipes.strict import Strict
from cambench.vocabulary import Batch


class Settings(Strict):
    """`cell`: the side of a cell in pixels of the input; `rate`: the probability that it is hidden."""

    cell: int = Field(ge=1)
    rate: float = Field(ge=0, le=1)


def hide(image: Tensor, cell: int, rate: float, generator: torch.Generator, batch: Batch | None = None) -> Tensor:
    """Each cell of each image is 0, the mean colour after normalisation, with probability `rate`, by itself.

    x'_p = x_p·1[u_cell(p) ≥ rate], u uniform in [0,1). Cells at the right and lower border are cut off.
    Source: Singh and Lee 2017, §3.1; the cells are counted from the upper left corner as in the WSOL benchmark's code.
    batch: that of the images, where it may lie on several processes. image (N,3,H,W) -> (N,3,H,W).
    """
    n, _, height, width = image.shape
    n = n if batch is None else shares.whole(batch)
    drawn = torch.rand((n, math.ceil(height / cell), math.ceil(width / cell)), generator=generator, dtype=torch.float64)
    drawn = drawn if batch is None else shares.own(drawn, batch)
    kept = (drawn >= rate).repeat_interleave(cell, 1)[:, :height].repeat_interleave(cell, 2)[:, :, :width]
    return image * kept[:, None].to(image)


def step(settings: Settings, network: Network, batch: Batch, generator: torch.Generator) -> Terms:
    """L = CE(f(hidden x), y), mean over the batch. Source: Singh and Lee 2017, §3.1."""
    hidden = hide(batch.views["crop"], settings.cell, settings.rate, generator, batch)
    return classify(network, hidden, batch.label)
