"""ExCon's Figure 3: validation accuracy and loss over the epochs, each method's mean over seeds in a band of one std."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cambench.lookup import bare_arch, canonical
from cambench.recipes.published import load_published
from cambench.report.figures.plots import PLAIN, SMALL, legend, panels_over, quiet, sentences
from cambench.report.tables.measure import listed as numbers
from cambench.report.tables.select import together
from cambench.report.tables.varied import flat, labelled, same_training, trainings_apart
from cambench.store.runs import Run
from cambench.vocabulary import CambenchError

ACCURACY, LOSS = "validation_accuracy", "validation_loss"
QUANTITIES = {ACCURACY: "validation accuracy (%)", LOSS: "validation cross-entropy"}
"""Key of log.jsonl -> words on the axis, a panel each."""
COLOURS = ("#1f5fa8", "#e0922f", "#3f8f4f", "#d1495b", "#8a4fa8", "#7a7a7a", "#5aa9e6", "#a0522d")
WIDTH, HEIGHT, LINE = 3.4, 2.5, 0.16
BAND = 0.2
"""Opacity of a band."""
PAPER, FIGURE, ON = "excon", "figure3", ("tiny-imagenet", "resnet50")
"""Whose summaries are published, and on which data and network."""
TITLE = "mean over the epochs of the std over seeds, in accuracy points"
RULE = "Lines: mean over seeds; bands: ± one std over seeds (ddof 1) at each epoch."
FROZEN = "{}: the epochs of its classifier alone, on a finished encoder"


@dataclass(frozen=True)
class Band:
    """One quantity over the epochs: its mean over the seeds, its std (ddof 1) over them, None of one seed."""

    mean: tuple[float, ...]
    std: tuple[float, ...] | None

    @property
    def average(self) -> float | None:
        """The mean over epochs of the std over seeds. Source: ExCon Figure 3's caption (ExCon protocol §2.5)."""
        return None if self.std is None else statistics.fmean(self.std)


@dataclass(frozen=True)
class Training:
    """The seeds of one training: method × data set × network × settings."""

    label: str
    runs: tuple[Run, ...]
    epochs: tuple[int, ...]
    bands: Mapping[str, Band]
    published: float | None

    @property
    def seeds(self) -> list[int]:
        """In ascending order."""
        return [run.info.seed for run in self.runs]


def validated(run: Run) -> bool:
    """Whether the run is finished and has logged both quantities in every epoch."""
    log = run.log() if run.finished else []
    return bool(log) and all(quantity in line for line in log for quantity in QUANTITIES)


def trainings(runs: Sequence[Run]) -> list[Training]:
    """The runs, those that differ in nothing but the seed together; labels say in what the others differ.

    Raises: CambenchError where a log has a number that is not finite, or the seeds of one training have other epochs.
    """
    sets = together(runs, lambda r: same_training(r.info), lambda r: r.info.seed, lambda r: r.name)
    groups = [[*by_seed.values()] for by_seed in sets]
    groups.sort(key=lambda group: (group[0].info.method, group[0].name))
    return [training(label, group) for label, group in zip(labels(groups), groups, strict=True)]


def labels(groups: Sequence[Sequence[Run]]) -> list[str]:
    """A name a group: the method, the network where there are several, and what tells equal names apart."""
    infos = [group[0].info for group in groups]
    several = len({bare_arch(info.arch) for info in infos}) > 1
    names = [info.method + (f" {bare_arch(info.arch)}" if several else "") for info in infos]
    alike = [[i for i, other in enumerate(names) if other == name] for name in dict.fromkeys(names)]
    told = [trainings_apart([infos[i] for i in own], [groups[i][0].name for i in own]) for own in alike]
    words = {i: word for own, texts in zip(alike, told, strict=True) for i, word in zip(own, texts, strict=True)}
    return [labelled(name, words[i]) for i, name in enumerate(names)]


def training(label: str, group: Sequence[Run]) -> Training:
    """One group of runs."""
    logs = [run.log() for run in group]
    epochs = [tuple(line["epoch"] for line in log) for log in logs]
    for run, own in zip(group, epochs, strict=True):
        if own != epochs[0]:
            raise CambenchError(
                f"{run.name}: expected the {len(epochs[0])} epochs of {group[0].name} in its log, got {len(own)}; train it "
                "again."
            )
    bands = {quantity: band(quantity, group, logs) for quantity in QUANTITIES}
    return Training(label, tuple(group), epochs[0], bands, published(group[0]))


def band(quantity: str, group: Sequence[Run], logs: Sequence[Sequence[Mapping[str, Any]]]) -> Band:
    """Mean and std over the seeds at each epoch."""
    for run, log in zip(group, logs, strict=True):
        for line in log:
            if not math.isfinite(line[quantity]):
                got = f"{line[quantity]} in epoch {line['epoch']}"
                raise CambenchError(f"{run.name}: expected a finite {quantity}, got {got}; train it again.")
    columns = [[line[quantity] for line in lines] for lines in zip(*logs, strict=True)]
    spread = tuple(statistics.stdev(column) for column in columns) if len(group) > 1 else None
    return Band(tuple(statistics.fmean(column) for column in columns), spread)


def published(run: Run) -> float | None:
    """The summary that the paper prints of such a run, None of any other: never beside what may not be compared."""
    info, settings = run.info, flat(run.info.recipe)
    if (info.dataset, bare_arch(info.arch)) != ON or info.partial or not info.comparable:
        return None
    for (table, row, _), value in load_published(PAPER).items():
        if table == FIGURE and canonical(row) == info.method:
            wanted = dict(part.split("=") for part in value.setting.split(";"))
            return value.value if wanted["batch_size"] == str(settings["train.batch_size"]) else None
    return None


def convergence(shown: Sequence[Training], notes: Sequence[str]) -> Figure:
    """A panel a quantity, a line and a band a training. notes: sentences at the foot."""
    room = (0, LINE * (len(shown) + 1) + 0.25, 0.5)
    figure, (panels,) = panels_over(notes, (1, len(QUANTITIES)), (WIDTH, HEIGHT), (0.5, 0.15, 0, 0), room)
    for axes, (quantity, words) in zip(panels, QUANTITIES.items(), strict=True):
        panel(axes, shown, quantity, words)
    legend(figure, 1, [summary(t) for t in shown], title=TITLE)
    return figure


def panel(axes: Axes, shown: Sequence[Training], quantity: str, words: str) -> None:
    """One quantity; a training of one epoch is a point."""
    for n, one in enumerate(shown):
        own, colour = one.bands[quantity], COLOURS[n % len(COLOURS)]
        dashed = "--" if n >= len(COLOURS) else "-"
        marker = "o" if len(one.epochs) == 1 else None
        axes.plot(one.epochs, own.mean, dashed, color=colour, linewidth=1.2, marker=marker, markersize=3, label=one.label)
        if own.std is not None:
            below, above = ([m + sign * s for m, s in zip(own.mean, own.std, strict=True)] for sign in (-1, 1))
            axes.fill_between(one.epochs, below, above, color=colour, alpha=BAND, linewidth=0.6)
    axes.set_xlabel("epoch", fontsize=SMALL + 1)
    axes.set_ylabel(words, fontsize=SMALL + 1, **PLAIN)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.tick_params(labelsize=SMALL, length=2)
    quiet(axes)


def summary(one: Training) -> str:
    """The legend's words: `excon: 0.63 (published 0.63)`, or that one seed has no std."""
    average = one.bands[ACCURACY].average
    value = "one seed, no band" if average is None else f"{average:.2f}"
    return f"{one.label}: {value}" + ("" if one.published is None else f" (published {one.published:.2f})")


def notes(shown: Sequence[Training]) -> list[str]:
    """What the lines are, of which seeds, and every sentence that must stand under what the runs show."""
    seeds = "; ".join(f"{t.label} {numbers(t.seeds)}{'' if len(t.runs) > 1 else ' (one: no band)'}" for t in shown)
    frozen = [FROZEN.format(t.label) for t in shown if flat(t.runs[0].info.recipe).get("model.frozen")]
    theirs = any(t.published is not None for t in shown)
    extra = ["The paper does not say whether its summary is of accuracy, nor how its std divides."] if theirs else []
    every = sentences(run.info for t in shown for run in t.runs)
    return [f"{shown[0].runs[0].info.dataset}. {RULE} Seeds: {seeds}.", *extra, *(f"{s}." for s in frozen), *every]


def listed(shown: Sequence[Training]) -> list[dict[str, Any]]:
    """The trainings and their points, for a machine."""
    lines: list[dict[str, Any]] = []
    for one in shown:
        points: list[dict[str, Any]] = [{"epoch": epoch} for epoch in one.epochs]
        for quantity, own in one.bands.items():
            for n, point in enumerate(points):
                point[quantity] = {"mean": own.mean[n], "std": None if own.std is None else own.std[n]}
        averages = {quantity: own.average for quantity, own in one.bands.items()}
        runs = [run.name for run in one.runs]
        facts = {"training": one.label, "method": one.runs[0].info.method, "runs": runs, "seeds": one.seeds}
        lines.append({**facts, "mean_std": averages, "published": one.published, "points": points})
    return lines
