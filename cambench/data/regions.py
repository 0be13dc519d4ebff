"""Boxes, segmentations and parts of one image, moved through a view by the very window that moves its pixels."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, floor
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cambench import geometry
from cambench.data import decode, readers
from cambench.data.views import View, windows
from cambench.geometry import Windows
from cambench.vocabulary import Box, DataError, Dataset, Sample, listed

SEGMENTATION, BOXES = "segmentation", "boxes"
"""Sources of the region that an image's object covers, besides a folder of PNGs."""


def size_of(dataset: Dataset, row: int) -> tuple[int, int]:
    """(width, height) on which the boxes of an image live: the annotation's, else the picture's own without its banner."""
    sample = dataset.samples[row]
    return sample.size or decode.image_size(sample.path, dataset.banner)


def window_of(dataset: Dataset, row: int, view: View, uniform: Tensor | None = None) -> tuple[Windows, tuple[int, int]]:
    """The window (N=1) of one image under a view and the output size (height, width). uniform: (1,11,4) of `views.draws`."""
    width, height = decode.image_size(dataset.samples[row].path, dataset.banner)
    window, sizes = windows(view, torch.tensor([height]), torch.tensor([width]), uniform)
    return window, (int(sizes[0, 0]), int(sizes[0, 1]))


def boxes_of(dataset: Dataset, row: int) -> tuple[Box, ...]:
    """The boxes of an image that reach into its picture: the ones to use, since one wholly outside counts as none.

    A box is where its convention puts it; it reaches into the picture where the two share an area above 0.
    """
    boxes = dataset.samples[row].boxes
    if not boxes:
        return ()
    width, height = size_of(dataset, row)
    corners = [readers.half_open(b, dataset.box_convention) for b in boxes]
    inside = [min(x1, width) > max(x0, 0) and min(y1, height) > max(y0, 0) for x0, y0, x1, y1 in corners]
    return tuple(b for b, kept in zip(boxes, inside, strict=True) if kept)


def boxes_in_view(dataset: Dataset, row: int, view: View, uniform: Tensor | None = None) -> list[Box]:
    """The boxes of one image in the view's pixels: half-open, clipped to the view; those outside it are left out."""
    window, size = window_of(dataset, row, view, uniform)
    boxes = boxes_of(dataset, row)
    if not boxes:
        return []
    width, height = decode.image_size(dataset.samples[row].path, dataset.banner)
    stated = size_of(dataset, row)
    scale = torch.tensor([width / stated[0], height / stated[1]] * 2, dtype=torch.float64)
    source = torch.tensor([readers.half_open(b, dataset.box_convention) for b in boxes], dtype=torch.float64) * scale
    moved = geometry.move_box(source, window, size)
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in moved.tolist() if x1 > x0 and y1 > y0]


def regions_in_view(
    dataset: Dataset, row: int, view: View, source: str, uniform: Tensor | None = None, *, dilated: bool = False
) -> NDArray[np.int16]:
    """The class that each pixel of the view shows (h,w), −1 where it shows none, −2 where it is ignored; nearest neighbour.

    Masks of instances are resized to a view of the whole image one by one, in a single step (`decode.load_instances`).
    source: as `load_regions`. dilated: instead every pixel of the view that the bilinear, antialiased resize of the label's
    mask reaches at all, for images of one object. Source: Hard-ImageNet's suite (ContrastiveCAM protocol §2).
    """
    window, size = window_of(dataset, row, view, uniform)
    one_step = source == SEGMENTATION and dataset.segments == decode.INSTANCES and not dilated
    if one_step and view.kind == "resize" and not view.flip:
        return decode.load_instances(dataset.samples[row], size)
    regions = torch.from_numpy(load_regions(dataset, row, source))[None]
    if not dilated:
        moved: NDArray[np.int16] = geometry.resample_mask(regions, window, size)[0].numpy()
        return moved
    label = dataset.samples[row].label
    reached = geometry.resample((regions == label).float()[:, None], window, size)[0, 0] > 0
    return decode.painted(reached.numpy(), label)


def region_source(dataset: Dataset) -> str | None:
    """Where the object of an image is known from: its segmentation, else its boxes, None where neither is there."""
    if any(s.segmentation is not None for s in dataset.samples):
        return SEGMENTATION
    return BOXES if any(s.boxes for s in dataset.samples) else None


def check_source(dataset: Dataset, source: str) -> None:
    """See that every image has a region, before anything is computed.

    Raises: DataError naming the first images that have none.
    """
    without = [s.id for row, s in enumerate(dataset.samples) if not has_region(dataset, row, source)]
    if without:
        annotated = source in (SEGMENTATION, BOXES)
        region = source if annotated else f"a PNG of its file's stem in {source}"
        mend = "" if annotated else f" Make them: cambench data make sam-masks {source} --dataset {dataset.name}."
        missing = f"expected {region} for each image, got none for {listed(without)}."
        raise DataError(f"{dataset.name} {dataset.split}: {missing}{mend}")


def has_region(dataset: Dataset, row: int, source: str) -> bool:
    """Whether the source knows a region of the image."""
    sample = dataset.samples[row]
    if source == BOXES:
        return bool(boxes_of(dataset, row)) or sample.segmentation is not None
    return sample.segmentation is not None if source == SEGMENTATION else png_of(sample, source).is_file()


def png_of(sample: Sample, folder: str) -> Path:
    """The mask of an image in a folder of PNGs: its file's stem."""
    return Path(folder).expanduser() / f"{sample.path.stem}.png"


def load_regions(dataset: Dataset, row: int, source: str) -> NDArray[np.int16]:
    """The class that each pixel of an image shows (H,W), −1 where it shows none.

    source: `segmentation`, `boxes` (filled; of an image that has none, the tight box around its segmentation), or a folder
    with one PNG an image, where non-zero is the label's object.
    Raises: DataError where the source knows no region of the image or the region has another size than the picture.
    """
    sample = dataset.samples[row]
    width, height = decode.image_size(sample.path, dataset.banner)
    if source == BOXES and boxes_of(dataset, row):
        return filled_boxes(dataset, row, (height, width))
    if source in (SEGMENTATION, BOXES):
        regions = decode.load_regions(sample, dataset.segments)
    else:
        regions = decode.load_regions(replace(sample, segmentation=png_of(sample, source)), "above-0")
    if regions.shape != (height, width):
        got = f"{regions.shape[1]}x{regions.shape[0]}"
        raise DataError(f"{sample.id}: expected a mask of the picture's {width}x{height} pixels, got {got} ({source}).")
    return tight_boxes(regions) if source == BOXES else regions


def tight_boxes(regions: NDArray[np.int16]) -> NDArray[np.int16]:
    """Of each class in a label map its tight box, filled; where boxes overlap, the higher class.

    Source: ContrastiveCAM protocol §3 (the box of the ground-truth foreground).
    """
    boxed = np.full_like(regions, -1)
    for label in np.unique(regions[regions >= 0]):
        rows, columns = np.nonzero(regions == label)
        boxed[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1] = label
    return boxed


def filled_boxes(dataset: Dataset, row: int, size: tuple[int, int]) -> NDArray[np.int16]:
    """The label wherever one of the image's boxes lies, −1 elsewhere: every pixel that a box touches."""
    shown = np.zeros(size, dtype=np.bool_)
    for x0, y0, x1, y1 in boxes_in_view(dataset, row, View("full", min(size))):
        shown[floor(y0) : ceil(y1), floor(x0) : ceil(x1)] = True
    return decode.painted(shown, dataset.samples[row].label)
