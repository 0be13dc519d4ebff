"""The reader of synthbirds-multilabel: the layout of CUB-200-2011 and `labels.txt`, which has every class of an image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from cambench.data import cub, readers
from cambench.vocabulary import Dataset

LABELS = "labels.txt"


def read(root: Path, split: str) -> Dataset:
    """One split (`train`, `test`); box and `label` are those of the lowest class of an image.

    labels.txt: `<image id> <class> …`, 1-based, ascending. Raises: as `cub.read`, and for labels that do not fit the others.
    """
    dataset = cub.read(root, split)
    names = cub.by_id(root / "images.txt", cub.text, rest=True)
    high = len(dataset.classes)

    def classes(fields: list[str], path: Path, line: int) -> tuple[int, ...]:
        labels = tuple(readers.whole(text, path, line, low=1, high=high) - 1 for text in fields[0].split())
        if list(labels) != sorted(set(labels)):
            raise readers.malformed(path, line, "classes in ascending order, each once", fields[0])
        return labels

    labels = cub.by_id(root / LABELS, classes, rest=True)
    cub.same_ids(root / LABELS, names, labels)
    by_name = {name: labels[i] for i, name in names.items()}
    for sample in dataset.samples:
        if by_name[sample.id][0] != sample.label:
            expected = f"the class {sample.label + 1} of image_class_labels.txt first for {sample.id}"
            raise readers.broken(root / LABELS, expected, by_name[sample.id][0] + 1)
    samples = tuple(replace(s, labels=by_name[s.id]) for s in dataset.samples)
    return replace(dataset, name="synthbirds-multilabel", samples=samples, segments="classes", multilabel=True)
