"""Whether two records saw the same images, and which rows of theirs are of one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from cambench.report.tables.select import data_of
from cambench.store.records import Record
from cambench.vocabulary import CambenchError, UsageError, number_of

LEFT_OUT, NOT_COUNTED = "images left out", " that do not count ("
"""Of the counts of a record: images without a row, and the beginning of why rows do not count."""


def check_data(a: Record, b: Record) -> None:
    """Refuse records whose data has different fingerprints."""
    first, second = data_of(a), data_of(b)
    if first != second:
        raise UsageError(
            f"{a.metric} on {a.dataset} {a.split}: expected one set of images, got {counted(a)} of {a.run} "
            f"(data {first}) and {counted(b)} of {b.run} (data {second}); measure both on the same data, without --limit."
        )


def aligned(a: Record, b: Record, ids_a: Sequence[str], ids_b: Sequence[str]) -> tuple[Any, Any]:
    """Positions of the shared images in each run's rows, in A's order.

    A metric may leave images out; more that lack than that are other images.
    Raises: UsageError for other images, CambenchError for an image that has two rows.
    """
    for record, ids in ((a, ids_a), (b, ids_b)):
        if len(set(ids)) < len(ids):
            raise CambenchError(
                f"{record.run}, {record.metric}: expected one row an image, got some twice; measure it again."
            )
    place = {name: i for i, name in enumerate(ids_b)}
    shared = [i for i, name in enumerate(ids_a) if name in place]
    lacking = (len(ids_b) - len(shared), len(ids_a) - len(shared))
    if not shared or any(n > without_value(record) for n, record in zip(lacking, (a, b), strict=True)):
        raise UsageError(
            f"{a.metric} on {a.dataset} {a.split}: expected the same images, got {len(ids_a):,} of {a.run} and "
            f"{len(ids_b):,} of {b.run} with {len(shared):,} in common; measure both on the same images."
        )
    return np.array(shared), np.array([place[ids_a[i]] for i in shared])


def without_value(record: Record) -> int:
    """How many images (or pairs of classes) a record has no value of: they were left out, or do not count."""
    return sum(n for name, n in record.counts.items() if name == LEFT_OUT or NOT_COUNTED in name)


def counted(record: Record) -> str:
    """`5,794 images`."""
    return number_of(max(value.n for value in record.values.values()), "image")
