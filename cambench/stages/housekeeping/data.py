"""Data sets: which are there, whether they are whole, making the embedded one, where each belongs."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import asdict
from inspect import signature
from pathlib import Path
from typing import Any

from cambench import data
from cambench.data.check import check as check_files
from cambench.lookup import canonical, nearest
from cambench.recipes.published import load_published
from cambench.stages.progress import bar
from cambench.vocabulary import DataError, UsageError, between

Row = dict[str, str]
STATED = {"hard-imagenet": ("core area share",), "pets-binary": ("number of dog images", "number of cat images")}
"""Data set -> what a paper's text states of it, as `published/` names it."""


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


Facts = dict[str, Any]


def stats(name: str, root: Path) -> dict[str, list[Any]]:
    """What a set is made of: `splits`, a row each and one of all; `classes`, a row each; `published`: what a paper states;
    `notes`: what of it is not here.

    Raises: DataError where the data is missing.
    """
    from cambench.data.stats import areas, summarised  # with torch, which a list of data sets needs not

    datasets = [data.load(name, split, root) for split in data.splits(name, root)]
    parts = []
    for dataset in datasets:
        with bar(f"{dataset.name} {dataset.split}", len(dataset)) as progress:
            parts.append(areas(dataset, progress.advance))
    names, every = datasets[0].classes, range(len(datasets[0].classes))
    chosen = [(d.split, [part]) for d, part in zip(datasets, parts, strict=True)] + ([("all", parts)] if parts[1:] else [])
    return {
        "splits": [{"split": split, **asdict(summarised(some, every))} for split, some in chosen],
        "classes": [{"class": names[label], **asdict(summarised(parts, [label]))} for label in every],
        "published": published_facts(datasets[0].name),
        "notes": list(dict.fromkeys(note for dataset in datasets for note in dataset.notes)),
    }


def printed(facts: Facts) -> Row:
    """A row of `stats` as it is printed: shares in percent, with the number of images that have the annotation."""
    row: Row = {key: str(facts[key]) for key in ("split", "class", "images") if key in facts}
    if "split" in facts:
        row |= {"classes": str(facts["classes"]), "a class": between(facts["fewest"], facts["most"], "image")}
    empty = f", {facts['empty']} empty" if facts["empty"] else ""
    return {
        **row,
        "box area": "none" if facts["boxes"] is None else f"{100 * facts['boxes']:.2f} % of {facts['boxed']}",
        "core share": "none" if facts["core"] is None else f"{100 * facts['core']:.2f} % of {facts['masked']}{empty}",
    }


def published_facts(name: str) -> list[str]:
    """What the ContrastiveCAM paper states of a data set, in words."""
    values = load_published("contrastive-cam")
    facts = [(fact, values[("text", "dataset statistics", fact)]) for fact in STATED.get(name, ())]
    units = {"percent": " %", "images": ""}
    return [f"ContrastiveCAM states: {fact} {value.value:g}{units[value.unit]}" for fact, value in facts]


def make(name: str, dest: Path | None, root: Path, options: dict[str, Any]) -> Path:
    """Write a procedural data set, or `sam-masks`; an option that is None is the set's own default.

    Raises: UsageError for a set that has to be obtained instead.
    """
    chosen = {k: v for k, v in options.items() if v is not None}
    if canonical(name) == "sam-masks":
        from cambench.stages.housekeeping.sam_masks import make_masks

        check_options(name, chosen, {"dataset", *signature(make_masks).parameters})
        return make_masks(chosen.pop("dataset", None), root, dest, **chosen)
    entry = data.INDEX.get(canonical(name))
    if entry is None or entry.make is None:
        made = [*(e.name for e in data.INDEX.values() if e.make), "sam-masks"]
        if entry is None:
            raise UsageError(f"cambench data make: {nearest(name, made, 'set')}")
        raise UsageError(
            f"cambench data make {name}: expected {' or '.join(made)}, which are made; see cambench data where {entry.name}."
        )
    maker = data.function(entry.make)
    check_options(name, chosen, signature(maker).parameters)
    sizes = {k: p.default for k, p in signature(maker).parameters.items()} | chosen
    place, classes = dest or root / entry.folders[0], sizes.get("classes", entry.classes or 0)
    if "progress" not in sizes:
        maker(place, **chosen)
        return place
    with bar(entry.name, classes * (sizes.get("per_class", 0) + sizes.get("test_per_class", 0))) as progress:
        maker(place, progress=lambda done, of: progress.advance(done - progress.done), **chosen)
    return place


def check_options(name: str, chosen: Iterable[str], known: Container[str]) -> None:
    """Raises: UsageError for an option that what is made does not take."""
    foreign = [option for option in chosen if option not in known]
    if foreign:
        raise UsageError(f"cambench data make {name}: it takes no --{min(foreign).replace('_', '-')}; leave it out.")


def where(name: str, root: Path) -> str:
    """Where a data set is, or is expected, its layout, its licence and how to obtain it."""
    entry, path = data.resolve(name)
    lines = [entry.title, f"found:   {location(entry, path, root)}", f"layout:  {entry.layout}", f"obtain:  {entry.obtain}"]
    return "\n".join([*lines, f"licence: {entry.licence}"])
