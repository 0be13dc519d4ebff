"""What the index of data sets says of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from cambench.vocabulary import Dataset

Reader = Callable[[Path, str], Dataset]
Task = Literal["single-label", "binary", "multi-label"]
"""One class of many an image; one of two; several."""


@dataclass(frozen=True)
class DatasetEntry:
    """One data set of the index.

    reader: `module:function` or a function (root, split) -> Dataset. splits: `()` where the folder decides.
    folders: names it goes by under a data root; anchors: files of which at least one marks its root.
    own: `module:function` (root) -> bool, false where a folder with an anchor holds a set that only looks like this one.
    images: folders of the root in which every picture must have a label.
    counts, classes: images a split and classes of the official release.
    make: `module:function` that writes it, where it is procedural.
    audit: `module:function` (root) -> problems that its reader does not meet.
    labelled: share of the labels -> the published list of the images whose labels may be used, a file of the root.
    task: what its labels are. for_task: task -> the set of the same family, with the same splits, that stands in where a
    table's data is of that task.
    """

    name: str
    reader: str | Reader
    title: str
    splits: tuple[str, ...]
    default_eval_split: str
    obtain: str
    licence: str
    layout: str
    image_size: int
    folders: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()
    own: str | None = None
    images: tuple[str, ...] = (".",)
    counts: Mapping[str, int] = field(default_factory=dict)
    classes: int | None = None
    comparable: bool = True
    notes: tuple[str, ...] = ()
    make: str | None = None
    audit: str | None = None
    labelled: Mapping[float, str] = field(default_factory=dict)
    task: Task = "single-label"
    for_task: Mapping[Task, str] = field(default_factory=dict)
