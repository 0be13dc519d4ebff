"""Parts of a loaded split, each with the sentence that must accompany its numbers, and the counts that describe it."""

from __future__ import annotations

from dataclasses import replace

from cambench.vocabulary import Dataset, Sample, UsageError


def first_classes(dataset: Dataset, n: int | None) -> Dataset:
    """Only the first n classes, with a note; None or all of them leaves the set as it is."""
    total = len(dataset.classes)
    if n is None or n == total:
        return dataset
    if not 1 <= n <= total:
        raise UsageError(f"{dataset.name}: expected between 1 and {total} classes, got {n}.")
    return replace(
        dataset,
        classes=dataset.classes[:n],
        samples=tuple(within(s, n) if dataset.multilabel else s for s in dataset.samples if s.label < n),
        attributes=dataset.attributes[:n],
        class_sets={name: members[:n] for name, members in dataset.class_sets.items()},
        notes=(*dataset.notes, f"{n} of {total} classes"),
    )


def within(sample: Sample, n: int) -> Sample:
    """The sample with only those of its classes that are among the first n."""
    return replace(sample, labels=tuple(label for label in sample.labels if label < n))


def first_images(dataset: Dataset, n: int | None) -> Dataset:
    """The first n images in file order, with a note; None or all of them leaves the set as it is."""
    total = len(dataset)
    if n is None or n >= total:
        return dataset
    if n < 1:
        raise UsageError(f"{dataset.name}: expected a limit of at least 1 image, got {n}.")
    return replace(dataset, samples=dataset.samples[:n], notes=(*dataset.notes, f"first {n} of {total} images"))


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
