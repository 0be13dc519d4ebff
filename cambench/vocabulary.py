"""Words every room shares: what a sample is, what a batch holds, which arguments a metric may ask for, which errors exist.

Shapes are written the same way everywhere: N images, C classes, K channels, h×w map grid, H×W pixels.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from torch import Tensor

Box = tuple[float, float, float, float]
"""(xmin, ymin, xmax, ymax) as the data set's authors write it; `Dataset.box_convention` says how to read it."""

BoxConvention = Literal["inclusive", "half-open", "one-based"]
"""`inclusive`: 0-based, max is the last pixel inside. `half-open`: 0-based, max is the first pixel outside.
`one-based`: 1-based, max is the last pixel inside."""

EXPLAINER, TARGET = "grad-cam", "logit"
"""What is explained, and by whose maps, where neither is named."""

FILLED = "masks are filled bounding boxes"
"""What must stand beside a number that looks at masks which are none."""

IGNORED = -2
"""In regions: a pixel that counts for nothing."""

ARGUMENTS: dict[str, str] = {
    "image": "(N,3,H,W) float32, normalised network input",
    "label": "(N,) int64, ground-truth class",
    "labels": "list of N tuples of classes, each of which is right",
    "heatmap": "(N,H,W) float32, after the metric's own map steps",
    "explained": "(N,) int64, the class that the heatmap explains (of several labels the one that scores highest)",
    "mask": "(N,H,W) bool, ground-truth region of the label at the heatmap's resolution, or at the image's",
    "regions": "(N,H,W) int64 at the image's resolution: the class that each pixel shows, −1 none, −2 ignored",
    "box": "list of N lists of boxes in the pixels of the input",
    "predict": "function: image (N,3,H,W) -> logits (N,C)",
    "explain": "function: image (N,3,H,W), classes (N,), target=None (the job's own) -> raw maps (N,h,w)",
    "class_maps": "function: image (N,3,H,W) -> raw HiResCAM maps of every class's logit (N,C,h,w)",
    "segment": "function: image (N,3,H,W) -> pixel scores (N,C+1,H,W), channel 0 the background",
    "features": "function: image (N,3,H,W) -> what the linear classifier is fed with (N,d) float32",
    "centroids": "mean features of each class over all images of the split, and how far they lie apart",
    "differentiate": "function: image (N,3,H,W), classes (N,) -> ∂S/∂image (N,3,H,W) of the job's target",
    "randomised": "function: image (N,3,H,W), classes (N,), count, cascading -> raw maps (N,1+blocks,h,w), its own first",
    "generator": "torch.Generator on the CPU, seeded for this batch",
    "normalisation": "mean and std (3 numbers each) with which pixels of [0,1] became the input",
    "generators": "list of N torch.Generators on the CPU, each seeded for its image, whatever the batch",
}
"""The closed list of argument names with which a metric declares what it needs."""


class CambenchError(Exception):
    """A failure a person can act on. Its text says what, expected, got and the mend, in one line."""

    exit_code = 1


class NotFiniteError(CambenchError):
    """A training or a network gave numbers that are not finite."""


class StoppedError(CambenchError):
    """Something from outside asked the process to end, and it ended in order."""

    exit_code = 143


class UsageError(CambenchError):
    """The command, a name or a setting is wrong."""

    exit_code = 2


class DataError(CambenchError):
    """Data is missing or is not what its layout promises."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Sample:
    """One image as its data set describes it; nothing is decoded yet.

    `boxes` are those of the ground-truth class only. `size` is the (width, height) that the annotation states, None where
    it states none. `parts` are visible key points (part number, x, y) in pixels. `labels`: all classes that are right, where
    there are several (`label` is the lowest). `difficult`: whether every box is flagged difficult. `instances`: masks of the
    object's further instances, beside `segmentation`; `ignore`: a mask of what counts for nothing.
    """

    id: str
    path: Path
    label: int
    boxes: tuple[Box, ...] = ()
    size: tuple[int, int] | None = None
    parts: tuple[tuple[int, float, float], ...] = ()
    segmentation: Path | None = None
    labels: tuple[int, ...] = ()
    difficult: bool = False
    instances: tuple[Path, ...] = ()
    ignore: Path | None = None

    @property
    def right(self) -> tuple[int, ...]:
        """Every class that is right."""
        return self.labels or (self.label,)


def file_digest(path: Path) -> str:
    """32 hex digits of a file's bytes.

    Raises: DataError naming a file that is not there or cannot be read.
    """
    try:
        return hashlib.blake2b(path.read_bytes(), digest_size=16).hexdigest()
    except OSError as e:
        raise DataError(f"{path}: expected a readable file, got {e.strerror or e}; put it back or mend its rights.") from e


def file_digests(paths: Sequence[Path]) -> list[str]:
    """The digest of each file, read now (`data.content` remembers them)."""
    return [file_digest(path) for path in paths]


def number_of(n: int, noun: str) -> str:
    """`1 image`, `5,794 images`, `0 heatmap files`, `191 pairs of classes`: a count with its noun."""
    head, of, rest = noun.partition(" of ")
    plural = head if n == 1 else f"{head}es" if head.endswith(("s", "x")) else f"{head}s"
    return f"{n:,} {plural}{of}{rest}"


def between(low: int, high: int, noun: str) -> str:
    """`300 images`, `40 to 300 images`."""
    return number_of(high, noun) if low == high else f"{low:,} to {number_of(high, noun)}"


def check_once(option: str, times: int) -> None:
    """Raises: UsageError for an option that takes one value and was given several."""
    if times > 1:
        raise UsageError(f"{option}: expected it once, got it {times} times; give one value.")


CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Characters that move a terminal's cursor, rename its window or turn the direction of what follows."""


def printable(text: str) -> str:
    """A text whose control characters, which the name of a file or a class may hold, are spelled out: `\\x1b`."""
    return CONTROLS.sub(lambda c: c[0].encode("unicode_escape").decode(), text)


def listed(names: Iterable[object], most: int = 5) -> str:
    """`a, b, c and 4 more`: the first `most` names and how many are left; `none` where there is none."""
    texts = [str(name) for name in names]
    rest = f" and {len(texts) - most} more" if len(texts) > most else ""
    return ", ".join(texts[:most]) + rest or "none"


@dataclass(frozen=True)
class Value:
    """A value over n images, in the metric's unit; its standard error and 95 % bootstrap interval, None of one image."""

    value: float
    n: int
    standard_error: float | None
    interval: tuple[float, float] | None

    def __str__(self) -> str:
        """`54.77 [54.33, 55.21]`."""
        ends = "" if self.interval is None else " [{:.4g}, {:.4g}]".format(*self.interval)
        return f"{self.value:.4g}{ends}"


@dataclass(frozen=True)
class Dataset:
    """One split of a data set: its classes in index order and its samples in file order.

    `notes` are sentences that must accompany every number measured on it (a part of the classes, synthetic images, …).
    `origin` says how to load it again (spec, split, classes, limit, draw); it is no part of its identity.
    `comparable` is False where a published number may never stand beside a measured one.
    `banner`: rows at the bottom of every image that decoding removes (a credit line), or `data.decode.UPRIGHT` instead.
    `segments` is the kind of the samples' segmentation files, a key of `data.decode.SEGMENTATIONS`, or `instances`.
    `multilabel`: whether an image may hold several classes at once, all listed in `Sample.labels`.
    `pool` is the larger set from which a seed drew these samples; None for a split that is everyone's.
    `class_sets`: name of a family of sets -> the set in which each class is.
    `content` is a digest of the pixels where all images are in one file; else "", and each image's file has its own.
    `digests` gives 32 hex digits of each file's contents.
    """

    name: str
    split: str
    root: Path
    classes: tuple[str, ...]
    samples: tuple[Sample, ...]
    box_convention: BoxConvention = "inclusive"
    notes: tuple[str, ...] = ()
    comparable: bool = True
    banner: int = 0
    segments: str = "above-0"
    multilabel: bool = False
    attributes: tuple[tuple[float, ...], ...] = field(default=(), repr=False)
    origin: Mapping[str, Any] = field(default_factory=dict)
    pool: Dataset | None = field(default=None, repr=False)
    class_sets: Mapping[str, tuple[str, ...]] = field(default_factory=dict, repr=False)
    content: str = ""
    digests: Callable[[Sequence[Path]], Sequence[str]] = field(default=file_digests, repr=False, compare=False)

    @property
    def kind(self) -> str:
        """The entry of the index: the name without what tells folders apart for a person (`folder:flowers` is a folder)."""
        return self.name.partition(":")[0]

    @cached_property
    def fingerprint(self) -> str:
        """16 hex digits over classes, ids, labels and every image's bytes: the same data gives the same digits anywhere.

        Where it lies, dates and sizes say nothing. Annotations are no part of it: what looks at them says so, and has
        `data.annotated` in its identity.
        """
        digest = hashlib.blake2b(digest_size=8)
        digest.update(json.dumps([self.kind, self.split, self.classes, self.banner, self.content]).encode())
        contents = [""] * len(self) if self.content else self.digests([s.path for s in self.samples])
        for s, content in zip(self.samples, contents, strict=True):
            digest.update(json.dumps([s.id, s.label, s.labels, content]).encode())
        return digest.hexdigest()

    @cached_property
    def annotation_digests(self) -> dict[str, str]:
        """Kind of annotation -> its digest, as far as it was asked for (`data.annotated.digest`)."""
        return {}

    @property
    def drawn_from(self) -> str:
        """The fingerprint that splits drawn by different seeds share: that of the pool, else one's own."""
        return (self.pool or self).fingerprint

    @cached_property
    def places(self) -> tuple[int, ...] | None:
        """Each sample's position in the pool; None without a pool."""
        if self.pool is None:
            return None
        place = {s.path: i for i, s in enumerate(self.pool.samples)}
        return tuple(place[s.path] for s in self.samples)

    def __len__(self) -> int:
        return len(self.samples)


@dataclass(frozen=True)
class Batch:
    """What a training step or a metric receives: named views of the same N images, on the device.

    views: name -> (N,3,H,W) float32, normalised; label: (N,) int64; rows: positions in the data set's samples.
    unlabelled: other images for the same step, whose labels are -1; None where the objective asks for none.
    negatives: images of other classes, as many in turn for each of the N; None where the objective asks for none.
    regions: (N,H,W) int64 in the pixels of the view that carries masks: the class that each shows, −1 for none; else None.
    targets: (N,C) float32, 1 for every class that is right, where the data set is multi-label; else None.
    epoch, epochs: in training, which epoch it belongs to, counted from 1, and of how many; else 0.
    shares: which images these are of the step's passes, an `objectives.shares.Share` each; () where one process has all.
    """

    views: Mapping[str, Tensor]
    label: Tensor
    rows: tuple[int, ...]
    unlabelled: Batch | None = None
    negatives: Batch | None = None
    regions: Tensor | None = None
    targets: Tensor | None = None
    epoch: int = 0
    epochs: int = 0
    shares: tuple[Any, ...] = ()

    @property
    def image(self) -> Tensor:
        """The only view, where there is one.

        Raises: ValueError if the batch holds several views.
        """
        (view,) = self.views.values()
        return view
