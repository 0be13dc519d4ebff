"""What a seed draws from a data set: few-shot episodes, the few images whose labels may be used, and images to validate on.

Each class draws the first two from a seed of its own, which follows from the run's seed and the class: fewer classes leave
the others' draws as they are, and the images of 1 shot are among those of 5 shots of the same seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cambench import seeds
from cambench.data import readers
from cambench.vocabulary import DataError, Dataset, UsageError

EPISODE = "episode"
"""The evaluation split of a few-shot episode: every image that is not trained on."""
HELD_OUT = "held-out"
"""The training images that a run validates on and does not learn from."""
PLACES = (".", "imagenet_subsets")
OBTAIN = "https://raw.githubusercontent.com/google-research/simclr/master/imagenet_subsets/"


@dataclass(frozen=True)
class Draw:
    """A few-shot episode (`shots` images a class, 0: none is drawn), a `labelled` share (1: every image), or a `held_out`
    share of the train split (0: none), which becomes the split `held-out`.

    pool: `all` draws an episode from all splits together, and everything else is its evaluation split; `train` draws it from
    the train split, and the official evaluation split stays as it is.
    """

    seed: int
    shots: int = 0
    pool: str = "all"
    labelled: float = 1.0
    held_out: float = 0.0


def from_dict(draw: Mapping[str, Any] | None) -> Draw | None:
    """The draw that `run.json` or a heatmap file describes."""
    return None if draw is None else Draw(**draw)


def load(
    draw: Draw, split: str, read: Callable[[str], Dataset], splits: Sequence[str], lists: Mapping[float, str]
) -> Dataset:
    """A split of what was drawn. `train` is what may be trained on with labels.

    read: official split -> Dataset. lists: share -> file with the published list of the images that keep their labels.
    Raises: UsageError where the draw is not possible or the split has no meaning; DataError for a list that does not fit.
    """
    if draw.shots and draw.pool == "all":
        pool = together([read(name) for name in splits])
        training = few(pool, draw.shots, draw.seed)
        if split == "train":
            return take(pool, training, "train")
        if split not in ("eval", EPISODE):
            raise UsageError(f"{pool.name}: expected split train or {EPISODE} (drawn from all images), got {split!r}.")
        return take(pool, sorted(set(range(len(pool))) - set(training)), EPISODE)
    if draw.held_out and split in ("train", HELD_OUT):
        return apart(read("train"), draw, split)
    dataset = read(split)
    if split != "train":
        return dataset
    if draw.shots:
        return take(dataset, few(dataset, draw.shots, draw.seed), "train")
    if draw.labelled in lists:
        return take(dataset, listed(dataset, lists[draw.labelled]), "train")
    return take(dataset, share(dataset, draw.labelled, draw.seed), "train")


def together(parts: Sequence[Dataset]) -> Dataset:
    """Several splits as one.

    Raises: DataError if they do not have the same classes.
    """
    first = parts[0]
    for other in parts[1:]:
        if other.classes != first.classes:
            raise DataError(f"{first.name}: expected one set of classes, got others in {other.split} than in {first.split}.")
    return replace(
        first,
        split="all",
        samples=tuple(s for part in parts for s in part.samples),
        notes=tuple(dict.fromkeys(note for part in parts for note in part.notes)),
        comparable=all(part.comparable for part in parts),
    )


def take(pool: Dataset, rows: Sequence[int], split: str) -> Dataset:
    """The rows of a pool as a split of its own.

    Raises: UsageError if there are none.
    """
    if not rows:
        raise UsageError(f"{pool.name}: expected images left for the {split} split, got none; draw fewer a class.")
    return replace(pool, split=split, samples=tuple(pool.samples[row] for row in rows), pool=pool)


def apart(dataset: Dataset, draw: Draw, split: str) -> Dataset:
    """The train split without the images held out of it, with a note; or (`held-out`) only those. Both in file order.

    All N rows are shuffled by numpy's legacy generator with the run's seed, and the first ⌊share·N⌋ are held out. Source:
    authors' code (ExCon protocol §1.7). Raises: UsageError where that is none, or for a seed that the generator does
    not take.
    """
    from numpy.random import RandomState

    total, rows = len(dataset), list(range(len(dataset)))
    n = math.floor(draw.held_out * total)
    if not n:
        raise UsageError(
            f"{dataset.name}: expected at least one image to hold out, got none: data.held_out={draw.held_out:g} of {total} "
            "training images; hold out more."
        )
    if not 0 <= draw.seed < 2**32:
        raise UsageError(f"data.held_out: expected a seed from 0 to 4294967295, got {draw.seed}.")
    RandomState(draw.seed).shuffle(rows)  # noqa: NPY002
    if split == HELD_OUT:
        return take(dataset, sorted(rows[:n]), HELD_OUT)
    note = f"trained on {total - n} of {total} training images, the others held out to validate on"
    return replace(take(dataset, sorted(rows[n:]), "train"), notes=(*dataset.notes, note))


def rows_of_classes(dataset: Dataset) -> list[list[int]]:
    """The rows of each class, in file order."""
    rows: list[list[int]] = [[] for _ in dataset.classes]
    for row, sample in enumerate(dataset.samples):
        rows[sample.label].append(row)
    return rows


def few(dataset: Dataset, shots: int, seed: int) -> list[int]:
    """`shots` random rows of each class, in file order. Source: CGC §4.2, few-shot (CGC protocol §3.7).

    Raises: UsageError naming a class that has fewer images.
    """
    rows = rows_of_classes(dataset)
    small = [label for label, own in enumerate(rows) if len(own) < shots]
    if small:
        worst = min(small, key=lambda label: len(rows[label]))
        raise UsageError(
            f"{dataset.name}, {dataset.split} images: expected at least {shots} of every class for data.shots={shots}, got "
            f"{len(rows[worst])} of {dataset.classes[worst]} ({len(small)} such classes); ask for fewer shots."
        )
    return sorted(row for label, own in enumerate(rows) for row in pick(own, shots, seed, "episode", label))


def share(dataset: Dataset, part: float, seed: int) -> list[int]:
    """The same share of the rows of each class, at least one where it has any, in file order. Our choice."""
    rows = rows_of_classes(dataset)
    counts = [min(len(own), max(1, round(part * len(own)))) for own in rows]
    return sorted(row for label, own in enumerate(rows) for row in pick(own, counts[label], seed, "labelled", label))


def pick(rows: Sequence[int], n: int, *names: int | str) -> list[int]:
    """n of the rows, at random."""
    import torch

    order = torch.randperm(len(rows), generator=seeds.generator(*names)).tolist()
    return [rows[i] for i in order[:n]]


def listed(dataset: Dataset, name: str) -> list[int]:
    """The rows whose file names a published list holds, in file order (CGC protocol §1.8: 12,811 images for 1 %).

    A part of the classes takes its part of the list. Raises: DataError saying where the list is expected and how to obtain
    it, or naming a listed image that is not there.
    """
    paths = [dataset.root / place / name for place in PLACES]
    path = next((p for p in paths if p.is_file()), None)
    if path is None:
        raise DataError(
            f"{dataset.name}: expected the list of labelled images {paths[0]}, found none. Obtain: {OBTAIN}{name}."
        )
    line_of = {text.strip(): line for line, text in readers.lines(path)}
    rows = [row for row, sample in enumerate(dataset.samples) if sample.path.name in line_of]
    folders = {sample.path.parent.name for sample in dataset.samples}
    present = {dataset.samples[row].path.name for row in rows}
    missing = [name for name in line_of if name not in present and name.partition("_")[0] in folders]
    if missing:
        expected = f"an image of {dataset.root} ({len(missing)} are not there)"
        raise readers.malformed(path, line_of[missing[0]], expected, missing[0])
    return rows
