"""Food-101: 101 dishes, no boxes. Class order: meta/classes.txt, which is sorted. Sample id: `<class>/<number>`."""

from __future__ import annotations

from pathlib import Path

from cambench.data import readers
from cambench.vocabulary import Dataset, Sample


def read(root: Path, split: str) -> Dataset:
    """One split (`train`, `test`) in the order of its list.

    Raises: DataError naming the file and line that are missing or malformed, or the images that are not there.
    """
    folders = readers.entries(root / "meta" / "classes.txt")
    rank = {name: i for i, name in enumerate(folders)}
    path = root / "meta" / f"{split}.txt"
    samples = []
    for line, text in readers.lines(path):
        key = text.strip()
        folder, slash, number = key.partition("/")
        if folder not in rank or not slash or not number:
            raise readers.malformed(path, line, "<class of classes.txt>/<number>", key)
        samples.append(Sample(key, root / "images" / f"{key}.jpg", rank[folder]))
    readers.require_images([f"{s.id}.jpg" for s in samples], root / "images", path)
    classes = readers.distinct([name.replace("_", " ") for name in folders], folders)
    return Dataset("food-101", split, root, classes, readers.filled(samples, path, split))
