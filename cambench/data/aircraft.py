"""FGVC-Aircraft 2013b: 100 variants. Class order: variants.txt. Box: 1-based, inclusive (the set's README).

`train` is the official trainval (6,667 images), `test` the official test (3,333), for which labels are public since 2013.
The bottom 20 rows of every image are a credit banner: they are removed when decoded (`Dataset.banner`); boxes keep their
coordinates, since rows are counted from the top, and are clipped at the new lower edge.
"""

from __future__ import annotations

from pathlib import Path

from cambench.data import readers
from cambench.vocabulary import Box, Dataset, Sample

BANNER = 20
FILES = {"train": "images_variant_trainval.txt", "test": "images_variant_test.txt"}


def read(root: Path, split: str) -> Dataset:
    """One split (`train`, `test`) in the order of its list.

    Raises: DataError naming the file and line that are missing or malformed, or the images that are not there.
    """
    data = root / "data"
    classes = tuple(readers.entries(data / "variants.txt"))
    rank = {name: i for i, name in enumerate(classes)}
    boxes = read_boxes(data / "images_box.txt")
    path = data / FILES[split]
    samples = []
    for line, (key, variant) in readers.table(path, 2, rest=True):
        if variant not in rank:
            raise readers.malformed(path, line, "a variant of variants.txt", variant)
        if key not in boxes:
            raise readers.malformed(path, line, "an id with a box in images_box.txt", key)
        samples.append(Sample(key, data / "images" / f"{key}.jpg", rank[variant], (boxes[key],)))
    readers.require_images([s.path.name for s in samples], data / "images", path)
    return Dataset("aircraft", split, root, classes, readers.filled(samples, path, split), "one-based", banner=BANNER)


def read_boxes(path: Path) -> dict[str, Box]:
    """Image id -> box, for the images of every split."""
    return {key: readers.box(texts, path, line, "one-based") for line, (key, *texts) in readers.table(path, 5)}
