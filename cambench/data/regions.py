"""Boxes, segmentations and parts of one image, moved through a view by the very window that moves its pixels."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cambench import geometry
from cambench.data import decode, readers
from cambench.data.views import View, windows
from cambench.geometry import Windows
from cambench.vocabulary import Box, Dataset


def size_of(dataset: Dataset, row: int) -> tuple[int, int]:
    """(width, height) on which the boxes of an image live: the annotation's, else the picture's own without its banner."""
    sample = dataset.samples[row]
    return sample.size or decode.image_size(sample.path, dataset.banner)


def window_of(dataset: Dataset, row: int, view: View, uniform: Tensor | None = None) -> tuple[Windows, tuple[int, int]]:
    """The window (N=1) of one image under a view and the output size (height, width). uniform: (1,11,4) of `views.draws`."""
    width, height = decode.image_size(dataset.samples[row].path, dataset.banner)
    found, sizes = windows(view, torch.tensor([height]), torch.tensor([width]), uniform)
    return found, (int(sizes[0, 0]), int(sizes[0, 1]))


def boxes_in_view(dataset: Dataset, row: int, view: View, uniform: Tensor | None = None) -> list[Box]:
    """The boxes of one image in the view's pixels: half-open, clipped to the view; those outside it are left out."""
    found, size = window_of(dataset, row, view, uniform)
    sample = dataset.samples[row]
    if not sample.boxes:
        return []
    width, height = decode.image_size(sample.path, dataset.banner)
    stated = size_of(dataset, row)
    scale = torch.tensor([width / stated[0], height / stated[1]] * 2, dtype=torch.float64)
    source = torch.tensor([readers.half_open(b, dataset.box_convention) for b in sample.boxes], dtype=torch.float64) * scale
    moved = geometry.move_box(source, found, size)
    return [(x0, y0, x1, y1) for x0, y0, x1, y1 in moved.tolist() if x1 > x0 and y1 > y0]


def parts_in_view(dataset: Dataset, row: int, view: View, uniform: Tensor | None = None) -> list[tuple[int, float, float]]:
    """The visible parts (number, x, y) of one image in the view's pixels; those outside it are left out."""
    found, size = window_of(dataset, row, view, uniform)
    top, left, height, width = (float(v[0]) for v in (found.top, found.left, found.height, found.width))
    moved = []
    for part, x, y in dataset.samples[row].parts:
        across, down = (x - left) * size[1] / width, (y - top) * size[0] / height
        if 0 <= across < size[1] and 0 <= down < size[0]:
            moved.append((part, size[1] - across if bool(found.flip[0]) else across, down))
    return moved


def mask_in_view(dataset: Dataset, row: int, view: View, uniform: Tensor | None = None) -> NDArray[np.bool_]:
    """The segmentation of one image in the view's pixels, nearest neighbour.

    Raises: DataError if the image has no segmentation.
    """
    found, size = window_of(dataset, row, view, uniform)
    mask = torch.from_numpy(decode.load_mask(dataset.samples[row]))[None]
    moved: NDArray[np.bool_] = geometry.resample_mask(mask, found, size)[0].numpy()
    return moved
