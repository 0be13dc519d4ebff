"""What the index of data sets says of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

from cambench.lookup import check
from cambench.vocabulary import Dataset

Reader = Callable[[Path, str], Dataset]
Task = Literal["single-label", "binary", "multi-label"]
"""One class of many an image; one of two; several."""


@dataclass(frozen=True)
class DatasetEntry:
    """One data set of the index.

    reader: `module:function` or a function (root, split) -> Dataset. splits: that of evaluation last; `()` where the folder
    decides.
    folders: names it goes by under a data root; anchors: files of which at least one marks its root.
    own: `module:function` (root) -> bool, false where a folder with an anchor holds a set that only looks like this one.
    images: folders of the root in which every picture must have a label.
    counts, classes: images a split and classes of the official release.
    make: `module:function` (folder, options by name) that writes it, or the function, where it is procedural.
    audit: `module:function` (root) -> problems that its reader does not meet.
    labelled: share of the labels -> the published list of the images whose labels may be used, a file of the root.
    arch, size, batch_size: what is trained by default, at how many pixels a side, in what batches; "" and 0 leave it to the
    method's recipe, which must know a set of another package by name then.
    task: what its labels are. for_task: task -> the set of the same family, with the same splits, that stands in where a
    table's data is of that task. name: its key in the catalogue.
    Raises: UsageError for an entry that says what cannot be.
    """

    reader: str | Reader
    title: str
    splits: tuple[str, ...]
    obtain: str
    licence: str
    layout: str
    folders: tuple[str, ...] = ()
    anchors: tuple[str, ...] = ()
    own: str | None = None
    images: tuple[str, ...] = (".",)
    counts: Mapping[str, int] = field(default_factory=dict)
    classes: int | None = None
    comparable: bool = True
    notes: tuple[str, ...] = ()
    make: str | Callable[..., object] | None = None
    audit: str | None = None
    labelled: Mapping[float, str] = field(default_factory=dict)
    arch: str = ""
    size: int = 0
    batch_size: int = 0
    task: Task = "single-label"
    for_task: Mapping[Task, str] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        functions = [f for f in (self.reader, self.own, self.make, self.audit) if isinstance(f, str)]
        check(
            "data set",
            *(
                (bool(module and name), f"MODULE:FUNCTION, got {f}")
                for f in functions
                for module, _, name in [f.partition(":")]
            ),
            *((split in self.splits, f"split {' or '.join(self.splits)}, got {split}") for split in self.counts),
            (bool(self.folders) or self.make is None, "folders of a set that is made, the first its own, got none"),
            (self.task in get_args(Task), f"task {', '.join(get_args(Task))}, got {self.task}"),
        )
