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
    """One data set of the index. A function is given itself or by its place, `module:function`.

    Raises: UsageError for an entry that says what cannot be.
    """

    reader: str | Reader
    """Function (root, split) -> Dataset."""
    title: str
    """What it is, in a line."""
    splits: tuple[str, ...]
    """Its splits, that of evaluation last; `()` where the folder decides."""
    obtain: str
    """Where to get it."""
    licence: str
    """What may be done with it."""
    layout: str
    """Its folders and files."""
    folders: tuple[str, ...] = ()
    """Names it goes by under a data root."""
    anchors: tuple[str, ...] = ()
    """Files of which at least one marks its root."""
    own: str | None = None
    """Function (root) -> bool, false for a folder with an anchor whose set only looks like this one."""
    images: tuple[str, ...] = ()
    """Folders of the root in which every picture must have a label."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Images a split of the official release."""
    about: Mapping[str, int] = field(default_factory=dict)
    """The same where the release tells the number only roughly: for estimates of a set that is not here, no check."""
    classes: int | None = None
    """Classes of the official release."""
    comparable: bool = True
    """False where a published number may never stand beside a measured one."""
    notes: tuple[str, ...] = ()
    """Sentences that accompany every number measured on it."""
    make: str | Callable[..., object] | None = None
    """Function (folder, options by name) that writes the set, where it is procedural."""
    audit: str | None = None
    """Function (root) -> problems that its reader does not meet."""
    labelled: Mapping[float, str] = field(default_factory=dict)
    """Share of the labels -> the published list of the images whose labels may be used, a file of the root."""
    arch: str = ""
    """The architecture that is trained by default.

    "" here, and 0 for `size` and `batch_size`, leave it to the method's recipe, which must name a plug-in's set then.
    """
    size: int = 0
    """Pixels a side at which is trained by default."""
    batch_size: int = 0
    """Images a batch by default."""
    task: Task = "single-label"
    """What its labels are."""
    for_task: Mapping[Task, str] = field(default_factory=dict)
    """Task -> the set of the same family, with the same splits, that stands in where a table's data is of that task."""
    name: str = ""
    """Its key in the catalogue, which fills it in."""

    @property
    def accuracy(self) -> str:
        """The metric that says how well a network learned the set; of several labels an image the average precision."""
        return "average-precision" if self.task == "multi-label" else "top1"

    def __post_init__(self) -> None:
        functions = [f for f in (self.reader, self.own, self.make, self.audit) if isinstance(f, str)]
        check(
            "data set",
            *(
                (bool(module and name), f"MODULE:FUNCTION, got {f}")
                for f in functions
                for module, _, name in [f.partition(":")]
            ),
            *(
                (split in self.splits, f"split {' or '.join(self.splits)}, got {split}")
                for split in (*self.counts, *self.about)
            ),
            (bool(self.folders) or self.make is None, "folders of a set that is made, the first its own, got none"),
            (self.task in get_args(Task), f"task {', '.join(get_args(Task))}, got {self.task}"),
        )
