"""What a summary says in words: each method against the baseline, metric by metric, and whether they can be told apart."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

from torch import Tensor

from cambench import seeds
from cambench.metrics import Metric, find_metric, statistics
from cambench.report.tables.alignment import check_data, without_value
from cambench.report.tables.model import ARROWS, Cell
from cambench.report.tables.paired import Side, matched
from cambench.report.tables.summary import NONE, ColumnKey, Line, column_keys, draw, headlines_of, lines_of
from cambench.store.records import Record, Rows
from cambench.vocabulary import UsageError, number_of

BASELINES = ("ce", "bce", "cam", "supcon")
"""What methods are set against, the first of them that is there: the baselines of the five papers."""
POINTS = "%"
"""The unit whose differences are points."""
SHARED = ("arch", "split", "explainer", "target")
"""What a method and its baseline must share."""

Read = Callable[[Record], Rows]
"""A record's rows, an image each."""


@dataclass(frozen=True)
class Contrast:
    """A method less its baseline. interval: 95 %, over seeds where there are several, else over images; None without one."""

    difference: float
    interval: tuple[float, float] | None
    seeds: int

    @property
    def decided(self) -> bool:
        """True where the interval lies on one side of zero."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


@dataclass(frozen=True)
class Entry:
    """A cell of the headline. best: no other of its column is better. better: against the baseline, None undecided."""

    text: str
    best: bool = False
    better: bool | None = None
    sentence: str = ""


@dataclass(frozen=True)
class Question:
    """A column: what is asked, the metric's name with its unit, the arrow, what stands for better in words."""

    asks: str
    name: str
    arrow: str
    summary: str
    better: str


@dataclass(frozen=True)
class Headline:
    """One set of methods side by side. `title`: what they share. `baseline`: the row that the others are set against."""

    dataset: str
    title: str
    questions: Sequence[Question]
    rows: Sequence[tuple[str, Sequence[Entry]]]
    baseline: str


def headlines(records: Sequence[Record], read: Read) -> list[Headline]:
    """One a data set, architecture, split, explainer and target, of the records of whole networks' last weights."""
    made = []
    for dataset in sorted({record.dataset for record in records}):
        own = [record for record in records if record.dataset == dataset]
        columns = [*headlines_of(column_keys(own)).values()]
        blocks: dict[tuple[str, ...], list[Line]] = {}
        for line in lines_of(own, columns):
            blocks.setdefault(tuple(line.facts[name] for name in SHARED), []).append(line)
        made += [headline(dataset, lines, columns, read) for lines in blocks.values() if lines]
    return made


def headline(dataset: str, lines: Sequence[Line], columns: Sequence[ColumnKey], read: Read) -> Headline:
    """The rows of one block, each set against the baseline's."""
    shown = [key for key in columns if any(key in line.groups for line in lines)]
    base = next((line for name in BASELINES for line in lines if line.first.method == name), None)
    rows = []
    for line in lines:
        entries = [marked_best(entry(line, base, key, read), lines, line, key) for key in shown]
        rows.append((line.facts["method"], entries))
    title = ", ".join(lines[0].facts[name] for name in SHARED if lines[0].facts[name] != NONE)
    return Headline(dataset, title, [question(key) for key in shown], rows, base.facts["method"] if base else "")


def question(key: ColumnKey) -> Question:
    """What a column asks."""
    metric = find_metric(key[0])
    direction = metric.direction(key[1])
    name = " ".join(filter(None, key))
    better = {"up": "more is better", "down": "less is better", "none": "neither more nor less is better"}[direction]
    return Question(
        metric.asks or metric.summary, f"{name} ({metric.unit_of(key[1])})", ARROWS[direction], metric.summary, better
    )


def marked_best(own: Entry, lines: Sequence[Line], line: Line, key: ColumnKey) -> Entry:
    """The entry, marked where no other line has a better mean; nothing is best by itself or among equals."""
    sign = {"up": 1, "down": -1, "none": 0}[find_metric(key[0]).direction(key[1])]
    means = [mean(other, key) for other in lines if key in other.groups]
    best = (
        bool(sign) and len(set(means)) > 1 and key in line.groups and sign * mean(line, key) == max(sign * m for m in means)
    )
    return replace(own, best=best)


def mean(line: Line, key: ColumnKey) -> float:
    """The mean over a line's seeds."""
    return math.fsum(record.values[key[1]].value for record in line.groups[key]) / len(line.groups[key])


def entry(line: Line, base: Line | None, key: ColumnKey, read: Read) -> Entry:
    """A cell: what the table shows, and the sentence that sets it against the baseline."""
    metric = find_metric(key[0])
    cell, _ = draw(line.groups.get(key, []), key, metric)
    if base is None or base is line or key not in line.groups or key not in base.groups:
        return Entry(cell.measured_text)
    against, names = contrast(line.groups[key], base.groups[key], key[1], read), (line.facts["method"], base.facts["method"])
    if against is None:
        return Entry(cell.measured_text, sentence=f"{names[0]} and {names[1]}: not measured on the same images.")
    higher = {"up": True, "down": False}.get(metric.direction(key[1]))
    better = (against.difference > 0) == higher if against.decided and higher is not None else None
    return Entry(
        cell.measured_text,
        better=better,
        sentence=spoken(against, names, (mean(line, key), mean(base, key)), metric, better),
    )


def contrast(a: Sequence[Record], b: Sequence[Record], variant: str, read: Read) -> Contrast | None:
    """The difference of two groups over the seeds that both have, each on the same images; None without such seeds.

    One seed: the difference over the images with their paired bootstrap interval, where the metric has a value an image.
    """
    others = {record.seed: record for record in b}
    pairs = [(record, others[record.seed]) for record in a if record.seed in others]
    try:
        if len(pairs) == 1 and find_metric(pairs[0][0].metric).rows.of_columns:
            numbers = statistics.compare(*rows(pairs[0], variant, read), seeds.generator("paired"))
            return Contrast(numbers.difference, numbers.interval, 1)
        differences = [of_seed(pair, variant, read) for pair in pairs]
    except UsageError:
        return None  # they saw other images: said in the place of the numbers
    if len(differences) < 2:
        return Contrast(differences[0], None, 1) if differences else None
    return Contrast(*statistics.over_seeds(differences), len(differences))


def of_seed(pair: tuple[Record, Record], variant: str, read: Read) -> float:
    """The difference of two networks of one seed over the same images.

    Raises: UsageError where they saw other ones.
    """
    a, b = pair
    if not find_metric(a.metric).rows.of_columns or not any(map(without_value, pair)):
        check_data(a, b)
        return a.values[variant].value - b.values[variant].value
    left, right = rows(pair, variant, read)
    return float((left - right).mean())


def rows(pair: tuple[Record, Record], variant: str, read: Read) -> tuple[Tensor, Tensor]:
    """The rows of two records over their shared images, in the metric's unit."""
    a, b = (Side(record, partial(read, record)) for record in pair)
    return matched(a, b)[0][variant]


def spoken(
    against: Contrast, names: tuple[str, str], means: tuple[float, float], metric: Metric, better: bool | None
) -> str:
    """`cgc 80.26 %, ce 63.37 %: 16.89 points more, better (95 % interval 4.10 to 29.68, 3 seeds).`"""
    cell, unit = Cell(metric.printing.decimals), f" {metric.printing.unit}" if metric.printing.unit == POINTS else ""
    first, second = (f"{name} {cell.number(m)}{unit}" for name, m in zip(names, means, strict=True))
    if against.interval is None:
        return f"{first}, {second}: one seed and no value of several images to compare, so no interval."
    low, high = (cell.number(end) for end in against.interval)
    over = number_of(against.seeds, "seed") if against.seeds > 1 else "over the images of one seed each"
    if not against.decided:
        return (
            f"{first}, {second}: cannot be told apart with {number_of(against.seeds, 'seed')} "
            f"(difference {cell.signed(against.difference)}, 95 % interval {low} to {high})."
        )
    points = " points" if metric.printing.unit == POINTS else ""
    more = "more" if against.difference > 0 else "less"
    verdict = {True: ", better", False: ", worse", None: ""}[better]
    amount = f"{cell.number(abs(against.difference))}{points} {more}{verdict}"
    return f"{first}, {second}: {amount} (95 % interval {low} to {high}, {over})."
