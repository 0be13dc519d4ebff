"""Data sets: which are there, whether they are whole, making the embedded one, where each belongs."""

from __future__ import annotations

from dataclasses import asdict
from inspect import signature
from pathlib import Path
from typing import Any

from cambench import data
from cambench.data.check import check as check_files
from cambench.lookup import canonical
from cambench.stages.progress import bar
from cambench.vocabulary import DataError, UsageError

Row = dict[str, str]


def present(root: Path) -> list[Row]:
    """Every data set and where it was found, one row each."""
    return [{"name": e.name, "title": e.title, "found": location(e, None, root)} for e in data.INDEX.values()]


def location(entry: data.DatasetEntry, path: Path | None, root: Path) -> str:
    """Where a data set lies, or where it is expected."""
    if not entry.folders and path is None:
        return f"any folder: {entry.name}:PATH"
    try:
        return str(data.locate(entry.name if path is None else f"{entry.name}:{path}", root))
    except DataError:
        return f"not here; expected at {data.candidates(entry, path, root)[0]}"


def check(name: str, root: Path) -> tuple[list[Row], list[str], list[str]]:
    """A row a split (images, classes, boxes, unreadable images), the problems found, and what need not be mended."""
    report = check_files(name, root)
    return [{k: str(v) for k, v in asdict(row).items()} for row in report.rows], [*report.problems], [*report.notes]


def make(name: str, dest: Path | None, root: Path, options: dict[str, Any]) -> Path:
    """Write a procedural data set; an option that is None is the set's own default.

    Raises: UsageError for a set that has to be obtained instead.
    """
    entry = data.INDEX.get(canonical(name))
    if entry is None or entry.make is None:
        known = " or ".join(e.name for e in data.INDEX.values() if e.make)
        raise UsageError(f"cambench data make {name}: expected {known}, which are made; see cambench data where {name}.")
    maker = data.function(entry.make)
    chosen = {k: v for k, v in options.items() if v is not None}
    sizes = {k: p.default for k, p in signature(maker).parameters.items()} | chosen
    if foreign := chosen.keys() - signature(maker).parameters:
        raise UsageError(f"cambench data make {name}: it takes no --{min(foreign).replace('_', '-')}; leave it out.")
    place, classes = dest or root / entry.folders[0], sizes.get("classes", entry.classes or 0)
    if "progress" not in sizes:
        maker(place, **chosen)
        return place
    with bar(entry.name, classes * (sizes.get("per_class", 0) + sizes.get("test_per_class", 0))) as progress:
        maker(place, progress=lambda done, of: progress.advance(done - progress.done), **chosen)
    return place


def where(name: str, root: Path) -> str:
    """Where a data set is, or is expected, its layout, its licence and how to obtain it."""
    entry, path = data.resolve(name)
    lines = [entry.title, f"found:   {location(entry, path, root)}", f"layout:  {entry.layout}", f"obtain:  {entry.obtain}"]
    return "\n".join([*lines, f"licence: {entry.licence}"])
