"""Check a data set whole: does it keep its layout's promises, can every image be read, does every image have a label."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from cambench import data
from cambench.data import decode, folder_splits, readers
from cambench.vocabulary import DataError, Dataset, Sample, between, number_of

Progress = Callable[[int, int], None]
CHUNK = 64
SHOWN = 20


@dataclass(frozen=True)
class Row:
    """The counts of one split; `unreadable` counts images that could not be decoded."""

    split: str
    images: int
    classes: int
    boxes: int
    unreadable: int


@dataclass
class Report:
    """What a check shows. `problems` must be mended before a number measured on the set means anything; `notes` need not."""

    name: str
    root: Path
    rows: list[Row] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0


def check(name: str, root: Path, progress: Progress | None = None) -> Report:
    """Load every split, decode every image, and look for images without a label and annotations without an image.

    progress: called with (done, total) images of the split at work. Raises: DataError if there is no such data set at all.
    """
    began = time.monotonic()
    entry, _ = data.resolve(name)
    report = Report(entry.name, data.locate(name, root))
    datasets = []
    for split in data.splits(name, root):
        try:
            dataset = data.load(name, split, root)
        except DataError as e:
            report.problems.append(str(e))
            continue
        datasets.append(dataset)
        check_split(dataset, entry, report, progress)
    if len(datasets) == len(data.splits(name, root)):
        report.problems += strays(entry, report.root, datasets)
    report.problems += overlaps(datasets)
    if entry.audit is not None and datasets:
        with readers.reading(report.root):
            report.problems += data.function(entry.audit)(report.root)
    report.seconds = round(time.monotonic() - began, 1)
    return report


def check_split(dataset: Dataset, entry: data.DatasetEntry, report: Report, progress: Progress | None) -> None:
    """Add one split's counts, problems and notes to the report."""
    unreadable, notes = [], Counter[str]()
    for done, (text, kind) in enumerate(examine(dataset), 1):
        if kind == "unreadable":
            unreadable.append(text)
        elif kind:
            notes[kind] += 1
        if progress is not None:
            progress(done, len(dataset))
    report.problems += shortened(unreadable)
    facts = data.describe(dataset)
    boxes = int(facts["boxes"])
    report.rows.append(Row(dataset.split, len(dataset), len(dataset.classes), boxes, len(unreadable)))
    report.notes += [f"{dataset.split}: {n} {text}" for text, n in notes.items()]
    if dataset.notes:
        fewest, most = facts["fewest a class"], facts["most a class"]
        report.notes.append(f"{dataset.split}: {facts['notes']}; {between(int(fewest), int(most), 'image')} a class")
    if entry.classes not in (None, len(dataset.classes)):
        report.notes.append(f"{dataset.split}: {len(dataset.classes)} classes, the official set has {entry.classes}")
    if facts["empty classes"]:
        report.notes.append(f"{dataset.split}: {number_of(int(facts['empty classes']), 'class')} without images")
    ids = Counter(s.id for s in dataset.samples)
    report.problems += shortened([f"{dataset.split}: {i} is listed {n} times" for i, n in ids.items() if n > 1])
    boxless = sum(not s.boxes for s in dataset.samples)
    if boxes and boxless:
        report.notes.append(f"{dataset.split}: {number_of(boxless, 'image')} without a box")


def examine(dataset: Dataset) -> Iterator[tuple[str, str]]:
    """(text, kind) of every image in order: ("", "") where all is well, kind "unreadable" with the error as text."""

    def chunk(start: int) -> list[tuple[str, str]]:
        return [examine_one(dataset, row) for row in range(start, min(start + CHUNK, len(dataset)))]

    with ThreadPoolExecutor(decode.default_workers()) as pool:
        for answers in pool.map(chunk, range(0, len(dataset), CHUNK)):
            yield from answers


def examine_one(dataset: Dataset, row: int) -> tuple[str, str]:
    """Decode one image and its mask, and compare them with its annotation."""
    sample = dataset.samples[row]
    try:
        width, height = decode.load_image(sample.path, dataset.banner).size
        if fault := segmentation_fault(dataset, sample, (height, width)):
            return "", fault
    except DataError as e:
        return str(e), "unreadable"
    if sample.size is not None and sample.size != (width, height):
        return "", "images of another size than their annotation states"
    corners = [readers.half_open(b, dataset.box_convention) for b in sample.boxes]
    if any(x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0 for x0, y0, x1, y1 in corners):
        return "", "images with a box wholly outside the picture (it counts as none)"
    if any(x0 < 0 or y0 < 0 or x1 > width or y1 > height for x0, y0, x1, y1 in corners):
        return "", "images with a box that reaches past the picture's edge (it is clipped)"
    return "", ""


def segmentation_fault(dataset: Dataset, sample: Sample, size: tuple[int, int]) -> str:
    """What is odd about an image's segmentation, "" where nothing is or it has none. size: (height, width)."""
    if sample.segmentation is None:
        return ""
    regions = decode.load_regions(sample, dataset.segments)
    if regions.shape != size:
        return "images whose segmentation has another size"
    shown = {int(k) for k in np.unique(regions[regions >= 0])}
    if not shown:
        return "images whose segmentation is empty"
    return "images whose segmentation shows other classes than their labels" if shown - set(sample.right) else ""


def strays(entry: data.DatasetEntry, root: Path, datasets: list[Dataset]) -> list[str]:
    """Images in the set's folders that no split names; those of one's own images are the splits, or all of it."""
    named = {s.path for dataset in datasets for s in dataset.samples}
    folders = entry.images if entry.splits else tuple(folder_splits.parts(root).values()) or (".",)
    places = [root / folder for folder in folders]
    loose = [p / name for p in places for name in readers.images_in(p) if p / name not in named]
    return [f"{root}: {len(loose)} images without an annotation, first {loose[0]}"] if loose else []


def overlaps(datasets: list[Dataset]) -> list[str]:
    """Images that are in several splits."""
    problems, split_of = [], dict[Path, str]()
    for dataset in datasets:
        twice = [s.path for s in dataset.samples if s.path in split_of]
        if twice:
            problems.append(f"{len(twice)} images are in {split_of[twice[0]]} and in {dataset.split}, first {twice[0]}")
        split_of |= {s.path: dataset.split for s in dataset.samples}
    return problems


def shortened(problems: list[str]) -> list[str]:
    """The first 20 problems of a kind and the number of the rest."""
    rest = len(problems) - SHOWN
    return problems if rest <= 0 else [*problems[:SHOWN], f"… and {rest} more like these"]
