"""The heatmap files that a report walks over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from cambench.store import schema
from cambench.store.heatmaps import Heatmaps, read_heatmaps
from cambench.vocabulary import CambenchError


def each(paths: Iterable[Path]) -> Iterator[Heatmaps]:
    """The heatmaps of the files by name, one after another, read as they are asked for; as `readable` of what cannot be."""
    for path in sorted(paths):
        yield from readable([path]).values()


def readable(paths: Iterable[Path]) -> dict[Path, Heatmaps]:
    """The heatmaps of the files, in their order; those that cannot be read are said and passed over."""
    heatmaps, faults = {}, []
    for path in paths:
        try:
            heatmaps[path] = read_heatmaps(path)
        except CambenchError as e:
            faults.append(e)
    schema.pass_over(faults)
    return heatmaps
