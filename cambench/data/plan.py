"""Which rows of a data set form which batch, and through which views: all randomness of a pass, fixed before it begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from cambench import seeds
from cambench.data.views import View, draws, windows
from cambench.geometry import Windows
from cambench.vocabulary import Dataset

Rows = tuple[int, ...]


@dataclass(frozen=True)
class Masks:
    """The masks that a pass carries: their source (`regions.load_regions`), its digits, the view whose pixels they describe.

    redraw: how often a crop without the object is drawn anew, 0: never. fallback: the view that then takes its place.
    dilated: whether a pixel shows the object where a bilinear resize of its mask reaches it, for images of one object.
    packed: the regions of all images (N,H,W) int16, where they are of one size and kept decoded.
    """

    dataset: Dataset
    source: str
    fingerprint: str
    fallback: View
    redraw: int = 0
    dilated: bool = False
    view: str = "crop"
    packed: Tensor | None = None


@dataclass(frozen=True)
class Plan:
    """The batches of one pass in order, and what decides their crops."""

    batches: tuple[Rows, ...]
    views: Mapping[str, View]
    seed: int = 0
    epoch: int = 0
    masks: Masks | None = None

    def windows(self, rows: Rows, name: str, heights: Tensor, widths: Tensor, attempt: int = 0) -> tuple[Windows, Tensor]:
        """The windows of rows under the named view, and their output sizes (N,2). attempt: which draw of the same crop."""
        view, named = self.views[name], f"{name} {attempt}" if attempt else name
        uniform = draws(torch.tensor(rows), seed=self.seed, epoch=self.epoch, view=named) if view.random else None
        return windows(view, heights, widths, uniform)

    def seed_of(self, row: int, name: str) -> int:
        """What a pipeline of augmentations draws from, for one row under the named view."""
        return seeds.derive(self.seed, "augment", name, self.epoch, row)

    def colours(self, rows: Rows, name: str) -> Tensor:
        """The uniform numbers (N,44) from which the colours of rows under the named view are drawn."""
        return draws(torch.tensor(rows), seed=self.seed, epoch=self.epoch, view=f"{name} colour").flatten(1)

    @property
    def augmented(self) -> bool:
        """True if a pipeline makes one of the views."""
        return any(view.augmented for view in self.views.values())
