"""Parts of a loaded split, each with the sentence that must accompany its numbers, and the counts that describe it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cambench.data.by_name import BY_CLASS, renumbered
from cambench.lookup import canonical, nearest
from cambench.vocabulary import Dataset, UsageError, listed


def some_classes(dataset: Dataset, wanted: int | Sequence[str] | None) -> Dataset:
    """Only the first so many classes, or those of the names, in the set's order, with a note; None or all: as it is.

    Raises: UsageError for a number or a name that the set has not, or where masks hold numbers of classes that would change.
    """
    total = len(dataset.classes)
    kept = [] if wanted is None else labels_of(dataset, wanted)
    if wanted is None or len(kept) == total:
        return dataset
    named = not isinstance(wanted, int)
    if kept != list(range(len(kept))) and dataset.segments in BY_CLASS and any(s.segmentation for s in dataset.samples):
        raise UsageError(
            f"{dataset.name}: expected its first classes, since its masks hold the numbers of classes, got others by name."
        )
    part = of_classes(dataset, kept)
    note = f"{len(kept)} of {total} classes{f': {listed(part.classes)}' if named else ''}"
    return replace(part, notes=(*dataset.notes, note))


def of_classes(dataset: Dataset, kept: Sequence[int]) -> Dataset:
    """Only these classes, numbered in this order, and the images that show one of them."""
    new = {old: label for label, old in enumerate(kept)}
    return replace(
        dataset,
        classes=tuple(dataset.classes[old] for old in kept),
        samples=tuple(s for sample in dataset.samples for s in renumbered(sample, new)),
        attributes=tuple(dataset.attributes[old] for old in kept) if dataset.attributes else (),
        class_sets={family: tuple(members[old] for old in kept) for family, members in dataset.class_sets.items()},
    )


def labels_of(dataset: Dataset, wanted: int | Sequence[str]) -> list[int]:
    """The labels of the first so many classes, or of those of the names (capitals and dashes aside), ascending."""
    total = len(dataset.classes)
    if isinstance(wanted, int):
        if not 1 <= wanted <= total:
            raise UsageError(f"{dataset.name}: expected between 1 and {total} classes, got {wanted}.")
        return list(range(wanted))
    known = {canonical(name.replace(" ", "-")): label for label, name in enumerate(dataset.classes)}
    keys = {name: canonical(name.replace(" ", "-")) for name in wanted}
    for name in (name for name, key in keys.items() if key not in known):
        raise UsageError(nearest(name, dataset.classes, f"class of {dataset.name}"))
    return sorted({known[key] for key in keys.values()})


def first_images(dataset: Dataset, n: int | None) -> Dataset:
    """The first n images in file order, with a note; None or all of them leaves the set as it is."""
    total = len(dataset)
    if n is None or n >= total:
        return dataset
    if n < 1:
        raise UsageError(f"{dataset.name}: expected a limit of at least 1 image, got {n}.")
    return replace(dataset, samples=dataset.samples[:n], notes=(*dataset.notes, f"first {n} of {total} images"))


def spaced(rows: Sequence[int], n: int) -> list[int]:
    """At most n of the rows, evenly spaced from the first to the last; file order goes class by class in most sets."""
    n = min(n, len(rows))
    return [rows[round(i * (len(rows) - 1) / max(n - 1, 1))] for i in range(n)]


def even_images(dataset: Dataset, n: int | None) -> Dataset:
    """n evenly spaced images in file order, with a note; None or all of them leaves the set as it is."""
    total = len(dataset)
    if n is None or n >= total:
        return dataset
    if n < 1:
        raise UsageError(f"{dataset.name}: expected at least 1 image, got {n}.")
    samples = tuple(dataset.samples[row] for row in spaced(range(total), n))
    return replace(dataset, samples=samples, notes=(*dataset.notes, f"{n} of {total} images, evenly spaced"))


def describe(dataset: Dataset) -> dict[str, int | str]:
    """Counts of a loaded split, for a person: images, classes, boxes, parts, segmentations, and what must be noted."""
    per_class = [0] * len(dataset.classes)
    for sample in dataset.samples:
        for label in sample.right if dataset.multilabel else (sample.label,):
            per_class[label] += 1
    return {
        "name": dataset.name,
        "split": dataset.split,
        "root": str(dataset.root),
        "images": len(dataset),
        "classes": len(dataset.classes),
        "empty classes": per_class.count(0),
        "fewest a class": min(per_class, default=0),
        "most a class": max(per_class, default=0),
        "images with boxes": sum(bool(s.boxes) for s in dataset.samples),
        "boxes": sum(len(s.boxes) for s in dataset.samples),
        "images with parts": sum(bool(s.parts) for s in dataset.samples),
        "segmentations": sum(s.segmentation is not None for s in dataset.samples),
        "class attributes": len(dataset.attributes[0]) if dataset.attributes else 0,
        "notes": "; ".join(dataset.notes),
    }
