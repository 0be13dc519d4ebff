"""What a data set is made of: images and classes, and how much of an image its boxes and its object's mask cover."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from cambench.data import decode
from cambench.data.regions import boxes_of, filled_boxes
from cambench.vocabulary import Dataset, Sample

Progress = Callable[[int], None]
CHUNK = 64


@dataclass(frozen=True)
class Areas:
    """Of each image of a split, in file order: shares of the picture in [0,1], None where it has no such annotation.

    boxes: the pixels that any of its boxes touches. core: those that a class which is right covers by the segmentation, at
    the mask's own resolution.
    """

    samples: Sequence[Sample]
    boxes: Sequence[float | None]
    core: Sequence[float | None]


@dataclass(frozen=True)
class Stats:
    """Counts of images, and means over the images that have the annotation (None where none has).

    fewest, most: images a class; an image of several classes counts for each. empty: masks that show nothing, which count
    as 0 in `core`.
    """

    images: int
    classes: int
    fewest: int
    most: int
    boxed: int
    boxes: float | None
    masked: int
    core: float | None
    empty: int


def areas(dataset: Dataset, progress: Progress | None = None) -> Areas:
    """The shares that boxes and masks cover, every annotation read once; progress: called with the images just done.

    Raises: DataError naming a file that is no mask.
    """

    def of_row(row: int) -> tuple[float | None, float | None]:
        return box_share(dataset, row), core_share(dataset, row)

    pairs: list[tuple[float | None, float | None]] = []
    with ThreadPoolExecutor(decode.default_workers()) as pool:
        for start in range(0, len(dataset), CHUNK):
            before = len(pairs)
            pairs += pool.map(of_row, range(start, min(start + CHUNK, len(dataset))))
            if progress is not None:
                progress(len(pairs) - before)
    return Areas(dataset.samples, [box for box, _ in pairs], [core for _, core in pairs])


def box_share(dataset: Dataset, row: int) -> float | None:
    """The share of a picture's pixels that its boxes touch; None without a box that reaches into it."""
    if not boxes_of(dataset, row):
        return None
    width, height = decode.image_size(dataset.samples[row].path, dataset.banner)
    return float((filled_boxes(dataset, row, (height, width)) >= 0).mean())


def core_share(dataset: Dataset, row: int) -> float | None:
    """The share of a mask's pixels that show a class which is right; None without a mask."""
    sample = dataset.samples[row]
    if sample.segmentation is None and not sample.instances:
        return None
    return float(np.isin(decode.load_regions(sample, dataset.segments), sample.right).mean())


def summarised(parts: Sequence[Areas], classes: Sequence[int]) -> Stats:
    """The counts and means over all images of the parts that show one of the classes (by label)."""
    wanted, counts = set(classes), dict.fromkeys(classes, 0)
    boxes: list[float] = []
    core: list[float] = []
    images = 0
    for part in parts:
        for sample, box, mask in zip(part.samples, part.boxes, part.core, strict=True):
            shown = wanted & set(sample.right)
            images += bool(shown)
            for label in shown:
                counts[label] += 1
            boxes += [box] if shown and box is not None else []
            core += [mask] if shown and mask is not None else []
    box_mean, core_mean = (float(np.mean(values)) if values else None for values in (boxes, core))
    few = min(counts.values(), default=0), max(counts.values(), default=0)
    return Stats(images, len(counts), *few, len(boxes), box_mean, len(core), core_mean, sum(share == 0 for share in core))
