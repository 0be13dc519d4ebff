"""Masks in training: where they come from, and how they follow the crops.

`data.masks` names the source: `segmentation`, `boxes`, `sam` (PNGs in `sam/` of the data set's root) or a folder of PNGs.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import torch
from torch import Tensor

from cambench import geometry
from cambench.data import annotated
from cambench.data.plan import Masks, Plan, Rows
from cambench.data.views import windows
from cambench.geometry import Windows
from cambench.vocabulary import Dataset

REGIONS = "regions"
"""The name under which a pixel source hands over the regions beside its views."""
SAM = "sam"


def source_of(dataset: Dataset, masks: str) -> str:
    """The source as `regions.load_regions` takes it: a kind of annotation, or a folder."""
    return str(dataset.root / SAM) if masks == SAM else masks


def fingerprint(dataset: Dataset, source: str) -> str:
    """16 hex digits over the images and their masks, by the contents of their files."""
    both = f"{dataset.fingerprint} {annotated.digest(dataset, source)}"
    return hashlib.blake2b(both.encode(), digest_size=8).hexdigest()


def shown(dataset: Dataset, rows: Rows, regions: Tensor) -> Tensor:
    """Whether the regions (N,h,w) of the rows show a class that is right: (N,) bool."""
    right = torch.zeros(len(rows), len(dataset.classes) + 1, dtype=torch.bool)  # column 0 is for pixels that show nothing
    for i, row in enumerate(rows):
        right[i, [label + 1 for label in dataset.samples[row].right]] = True
    return right.gather(1, regions.flatten(1).long() + 1).any(1)


def focused(plan: Plan, rows: Rows, regions: Tensor) -> tuple[Windows, Tensor]:
    """The windows of rows under the view that carries masks, and their regions moved through them.

    Where `masks.redraw` asks for it, a random crop in which no right class shows is drawn anew, so often at most, from
    (seed, epoch, view, row, attempt); then the evaluation view's window takes its place, rounded to whole pixels because
    crops read nothing outside themselves.
    Source: ContrastiveCAM protocol §1.4, §7.1. regions: (N,H,W) of whole images -> windows (N), (N,h,w).
    """
    masks = plan.masks
    assert masks is not None
    view = plan.views[masks.view]
    height = torch.full((len(rows),), regions.shape[1])
    width = torch.full_like(height, regions.shape[2])
    cuts, sizes = plan.windows(rows, masks.view, height, width)
    size = (int(sizes[0, 0]), int(sizes[0, 1]))
    moved = cut(masks, rows, regions, cuts, size)
    for attempt in range(1, masks.redraw + 2 if view.random and masks.redraw else 1):
        empty = ~shown(masks.dataset, rows, moved)
        if not bool(empty.any()):
            break
        which = empty.nonzero()[:, 0]
        few = tuple(rows[i] for i in which.tolist())
        if attempt <= masks.redraw:
            again = plan.windows(few, masks.view, height[which], width[which], attempt)[0]
        else:
            again = whole_pixels(windows(masks.fallback, height[which], width[which])[0], height[which], width[which])
        cuts = replace(cuts, **{f: getattr(cuts, f).index_put((which,), getattr(again, f)) for f in geometry.FIELDS})
        moved[which] = cut(masks, few, regions[which], again, size)
    return cuts, moved


def cut(masks: Masks, rows: Rows, regions: Tensor, windows: Windows, size: tuple[int, int]) -> Tensor:
    """The regions (N,H,W) of rows through their windows, dilated or not as `regions.regions_in_view` has it: (N,*size)."""
    if not masks.dilated:
        return geometry.resample_mask(regions, windows, size)
    labels = torch.tensor([masks.dataset.samples[row].label for row in rows])[:, None, None]
    reached = geometry.resample((regions == labels).float()[:, None], windows, size)[:, 0] > 0
    return torch.where(reached, labels, -1).to(regions.dtype)


def whole_pixels(cuts: Windows, height: Tensor, width: Tensor) -> Windows:
    """The windows with edges at the nearest pixels, inside the images."""
    top, left = cuts.top.round().clamp(min=0), cuts.left.round().clamp(min=0)
    bottom = torch.minimum((cuts.top + cuts.height).round(), height.double())
    right = torch.minimum((cuts.left + cuts.width).round(), width.double())
    return replace(cuts, top=top, left=left, height=bottom - top, width=right - left)
