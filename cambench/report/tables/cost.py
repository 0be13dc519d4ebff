"""Runs → one table a data set of what their trainings took: time and memory, and the time against plain cross-entropy's."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from cambench.recipes.load import METHODS, lineage, word
from cambench.report.tables.draft import Draft, finish
from cambench.report.tables.model import Cell, Column, Measured, Row, Table
from cambench.report.tables.select import together
from cambench.report.tables.varied import same_training, trainings_apart
from cambench.store.runs import Run
from cambench.vocabulary import number_of

PLAIN = ("ce", "bce")
"""Objectives of plain cross-entropy."""
FACTS = ("arch", "input", "batch", "device", "precision", "processes")
"""What two trainings must share for their times to be compared."""
USUAL = ("float32", "1 process")
"""What a title leaves unsaid."""
CGC = (
    "In the paper CGC takes about 100 hours where the baseline takes about 70: 1.43 times (CGC §4, Implementation Details; "
    "ResNet50 on ImageNet, 90 epochs, two Titan RTX)."
)
NOTES = (
    "Mean over the seeds, ± std (ddof 1) where there are several.",
    "Training: all epochs without the validation; of a run that begins with another's weights, its own epochs alone.",
    "An image: an epoch's seconds, the median over the epochs, by its images with a label.",
    "× baseline: the time an image against that of plain cross-entropy with the same network, input, batch size, device, "
    "precision and number of processes, of as many epochs where there is one; — where there is no such run.",
)
COLUMNS = (("Training", "s", 1), ("An image", "ms", 2), ("× baseline", "", 2), ("Peak memory", "MB", 0))
Key = tuple[str, ...]
"""(method, epochs, *FACTS, what else tells it from other trainings of the method) of a training."""


@dataclass(frozen=True)
class Spent:
    """What one run took. image: seconds. memory: bytes, None where it was not measured (on a CPU)."""

    seed: int
    images: int
    whole: float
    image: float
    memory: int | None


def costs(runs: Iterable[Run]) -> list[Table]:
    """One table a data set, in the order of their names; runs that were given or are not finished took nothing here."""
    datasets: dict[str, dict[Key, list[Run]]] = {}
    for run in runs:
        if run.info.kind == "trained" and run.finished and run.log():
            datasets.setdefault(run.info.dataset, {}).setdefault(key_of(run), []).append(run)
    return [of_dataset(name, by_training(datasets[name])) for name in sorted(datasets)]


def by_training(trainings: Mapping[Key, Sequence[Run]]) -> dict[Key, list[Spent]]:
    """What each training took, one run a seed, told from the others of its key."""
    made: dict[Key, list[Spent]] = {}
    for key, runs in trainings.items():
        sets = together(runs, lambda r: same_training(r.info), lambda r: r.info.seed, lambda r: r.name)
        firsts = [next(iter(by_seed.values())) for by_seed in sets]
        words = trainings_apart([first.info for first in firsts], [first.name for first in firsts])
        for text, by_seed in zip(words, sets, strict=True):
            made[(*key, text)] = [spent(run) for run in by_seed.values()]
    return made


def key_of(run: Run) -> Key:
    """What trainings of a method share whose times are compared with the same baseline."""
    info, recipe = run.info, run.info.recipe
    train = recipe["train"]
    epochs, size, batch = train["epochs"], recipe["input"]["size"], train["batch_size"]
    precision, processes = train.get("precision", "float32"), number_of([1, *info.processes][-1], "process")
    place = (info.arch, f"{size} px", f"batch {batch}", info.device or "?", precision, processes)
    return info.method, number_of(epochs, "epoch"), *place


def spent(run: Run) -> Spent:
    """What a run's log says."""
    images, seconds = int(run.info.data["images"]), [epoch["seconds"] for epoch in run.log()]
    return Spent(run.info.seed, images, sum(seconds), statistics.median(seconds) / images, run.info.peak_memory_bytes)


def baseline(method: str) -> str:
    """The nearest method of plain cross-entropy that a method's recipe extends; itself where there is none."""
    line = lineage(method)[:-1] if method in METHODS else []
    return next((part.name for part in reversed(line) if word(part.name, "objective") in PLAIN), method)


def of_dataset(name: str, trainings: dict[Key, list[Spent]]) -> Table:
    """The table of one data set: a row a training, its baseline first."""
    keys = sorted(trainings, key=lambda key: (key[2:], baseline(key[0]), key[0] != baseline(key[0]), key))
    names = ("epochs", *FACTS)
    several = [i for i, fact in enumerate(names, 1) if len({key[i] for key in keys}) > 1]
    draft = Draft([], [])
    for key in keys:
        base = of_baseline(key, trainings)
        draft.cells.append(cells(trainings[key], base))
        against = f"× baseline: against {baseline(key[0])}" if base and baseline(key[0]) != key[0] else ""
        draft.about.append([[], [], [against] if against else [], []])
    table = Table(
        id=f"{name}: cost of training",
        title=", ".join(keys[0][i] for i in range(1, len(names) + 1) if i not in several and keys[0][i] not in USUAL),
        row_headers=("Method", *(names[i - 1].capitalize() for i in several)),
        columns=tuple(Column((label,), unit, "down") for label, unit, _ in COLUMNS),
        rows=tuple(Row((labelled(key), *(key[i] for i in several)), ()) for key in keys),
        notes=(*NOTES, *((CGC,) if any(key[0] == "cgc" for key in keys) else ())),
    )
    return finish(table, draft)


def labelled(key: Key) -> str:
    """`cgc (weight 1)`; the method alone where there is one training of it."""
    return f"{key[0]} ({key[-1]})" if key[-1] else key[0]


def of_baseline(key: Key, trainings: dict[Key, list[Spent]]) -> float | None:
    """Seconds an image of the baseline's training of the same facts, and of as many epochs if there is one; None without."""
    same = {other: runs for other, runs in trainings.items() if (other[0], other[2:-1]) == (baseline(key[0]), key[2:-1])}
    as_long = [runs for other, runs in same.items() if other[1] == key[1]]
    images = [one.image for runs in as_long or same.values() for one in runs]
    return statistics.fmean(images) if images else None


def cells(runs: Sequence[Spent], base: float | None) -> list[Cell]:
    """The cells of a row."""
    memory = [one.memory / 1e6 for one in runs if one.memory is not None]
    values = (
        [one.whole for one in runs],
        [1000 * one.image for one in runs],
        [one.image / base for one in runs] if base else [],
        memory if len(memory) == len(runs) else [],
    )
    return [Cell(decimals, measured(runs, own)) for (_, _, decimals), own in zip(COLUMNS, values, strict=True)]


def measured(runs: Sequence[Spent], values: Sequence[float]) -> Measured | None:
    """Mean and std (ddof 1) over the seeds."""
    if not values:
        return None
    std = statistics.stdev(values) if len(values) > 1 else None
    seeds, images = tuple(one.seed for one in runs), tuple(one.images for one in runs)
    return Measured(statistics.fmean(values), tuple(values), seeds, images, std)
