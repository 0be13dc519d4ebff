"""Records of one group → the measured number of a cell, and the sentences that must stand under it."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import replace

from cambench import options
from cambench.explainers import known_explainer
from cambench.metrics import known_metric
from cambench.report.tables.model import Measured
from cambench.report.tables.select import data_of, recipe_of, setting
from cambench.store.records import Record
from cambench.vocabulary import CambenchError, between, number_of

LAYER = "Explained layer: "
EPISODE = "episode"
"""The split of a few-shot run: the images that its seed left out of the training."""
A = {"seed": "a seed", EPISODE: "an episode"}


def measure(group: Sequence[Record], variant: str) -> Measured:
    """Seeds → mean and std (ddof 1); one seed → its mean and its 95 % bootstrap interval over the images.

    Raises: CambenchError naming the run whose value is not a finite number.
    """
    values = [record.values[variant] for record in group]
    for record, value in zip(group, values, strict=True):
        if not math.isfinite(value.value):
            raise CambenchError(
                f"{record.run}: {record.metric} is {value.value}, expected a finite number; measure it again."
            )
    made = over_seeds(group, [value.value for value in values], [value.n for value in values])
    return replace(made, interval=values[0].interval) if len(group) == 1 else made


def over_seeds(group: Sequence[Record], values: Sequence[float], counts: Sequence[int]) -> Measured:
    """One value and one number of images a record → mean and std (ddof 1, None of one seed), without an interval."""
    metric = known_metric(group[0].metric)
    return Measured(
        mean=statistics.fmean(values),
        values=tuple(values),
        seeds=tuple(record.seed for record in group),
        images=tuple(counts),
        std=statistics.stdev(values) if len(values) > 1 else None,
        over="pair of classes" if metric is not None and metric.rows.pairs else "image",
        comparable=all(record.comparable and not record.partial for record in group),
    )


def sentences(group: Sequence[Record], measured: Measured) -> list[str]:
    """What a reader must know of the number, most important first; equal conditions give equal sentences."""
    kind = EPISODE if group[0].split == EPISODE else "seed"
    over = [spread(measured, kind), images(measured) if measured.std is None else f"{images(measured)} {A[kind]}"]
    return [*of_networks(group), *over, *of_measurement(group)]


def of_networks(group: Sequence[Record]) -> list[str]:
    """What a reader must know of the networks of a group and of the images that they saw."""
    first = group[0]
    lines = list(first.partial)
    if not first.comparable and not first.partial:
        lines.append(f"{first.dataset}: not comparable with published numbers")
    lines += [*warned(group), *first.deviations, *given(group), *task(first)]
    return [sentence.rstrip(".") for sentence in lines]


def of_measurement(group: Sequence[Record]) -> list[str]:
    """What a reader must know of how a group was measured."""
    first = group[0]
    lines = [] if first.layer is None else [f"{LAYER}{first.layer}"]
    lines += with_options(first)
    if first.checkpoint != "last":
        lines.append(f"Weights of the {first.checkpoint} epoch by validation accuracy")
    if any(record.stored for record in group):
        lines.append("From the store, not measured anew; --again does that")
    if first.precision != "float32":
        lines.append(f"Precision: {first.precision}")
    counted = {name: [record.counts.get(name, 0) for record in group] for record in group for name in record.counts}
    lines += [f"{name}: {each(numbers)}" for name, numbers in counted.items() if any(numbers)]
    return [sentence.rstrip(".") for sentence in lines]


def with_options(record: Record) -> list[str]:
    """The options of the metric and the explainer that are not the default, and that no name of their own says."""
    metric, explainer = known_metric(record.metric), known_explainer(record.explainer or "")
    sentences = [options.sentence(entry) for entry in (metric, explainer) if entry is not None]
    return [sentence for sentence in sentences if sentence is not None]


def given(group: Sequence[Record]) -> list[str]:
    """The files of weights that somebody gave, seed by seed."""
    files = [str(recipe_of(record)["given"]) for record in group if "given" in recipe_of(record)]
    return [f"Weights: {', '.join(dict.fromkeys(files))}"] if files else []


def warned(group: Sequence[Record]) -> list[str]:
    """What went wrong in the trainings of a group, each with the seeds of which it holds."""
    seeds: dict[str, list[int]] = {}
    for record in group:
        for sentence in record.warnings:
            seeds.setdefault(sentence, []).append(record.seed)
    return [
        f"Seed{'s' if len(set(own)) > 1 else ''} {listed(sorted(set(own)))}: {sentence}" for sentence, own in seeds.items()
    ]


def task(record: Record) -> list[str]:
    """What the run's seed drew to learn from, where it did not learn from every image with its label."""
    shots, share = setting(record, "data.shots"), setting(record, "data.labelled")
    if shots:
        rest = "all other images" if setting(record, "data.pool") == "all" else "the official split"
        drawn = f"{shots} training image{'' if shots == 1 else 's'}"
        return [f"{shots}-shot: each episode draws its {drawn} a class; measured on {rest}"]
    return [f"Labels of {100 * share:g} % of the training images"] if share not in (None, 1) else []


def spread(measured: Measured, kind: str = "seed") -> str:
    """Which kind of spread is printed. kind: what was repeated, a seed or an episode (whose number is its seed)."""
    seeds = listed(measured.seeds)
    if measured.std is None and measured.images == (1,):
        return f"One {kind} ({seeds}); n = 1, no interval"
    if measured.std is None:
        return f"One {kind} ({seeds}); 95 % bootstrap interval over the {number_of(0, measured.over).removeprefix('0 ')}"
    return f"Mean ± std (ddof 1) over {len(measured.seeds)} {kind}s ({seeds})"


def images(measured: Measured) -> str:
    """`1 image`, `5,794 images` (or `191 pairs of classes`), or a range where the seeds saw different numbers."""
    low, high = min(measured.images), max(measured.images)
    return between(low, high, measured.over)


def listed(numbers: Sequence[int]) -> str:
    """`0, 1, 2`; runs of more than 5 consecutive numbers as `0 to 19`."""
    if len(numbers) > 5 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"{numbers[0]} to {numbers[-1]}"
    return ", ".join(f"{n:,}" for n in numbers)


def each(numbers: Sequence[int]) -> str:
    """One number where all seeds have the same, else all of them in the order of the seeds."""
    return f"{numbers[0]:,}" if len(set(numbers)) == 1 else f"{', '.join(f'{n:,}' for n in numbers)} (seed by seed)"


def warning(groups: Sequence[Sequence[Record]], shown: int) -> tuple[str, ...]:
    """The sentence that stands above a table with numbers that may not be compared with published ones.

    groups: the groups of the incomparable cells; shown: how many measured cells the table has.
    """
    if not groups:
        return ()
    reasons: dict[str, None] = {}
    for group in groups:
        reasons.update(dict.fromkeys(reason.rstrip(".") for reason in group[0].partial or (group[0].dataset,)))
    which = "" if len(groups) == shown else f" ({len(groups)} of {shown} measured cells)"
    return (f"Not comparable with published numbers{which}: {'; '.join(reasons)}.",)


def troubles(groups: Iterable[Sequence[Record]]) -> tuple[str, ...]:
    """The sentences above a table, in every format, about the trainings behind its numbers that went wrong.

    A run is called by its method, network and seed, and by its own name too where others of the table share those.
    """
    records, runs = [record for group in groups for record in group], dict[str, set[str]]()
    for record in records:
        runs.setdefault(network(record), set()).add(record.run)
    names = {r.run: f"{network(r)} ({r.run})" if len(runs[network(r)]) > 1 else network(r) for r in records}
    return tuple(dict.fromkeys(f"{names[r.run]}: {sentence.rstrip('.')}." for r in records for sentence in r.warnings))


def network(record: Record) -> str:
    """`ce resnet50, seed 0`."""
    return f"{record.method} {record.arch}, seed {record.seed}"


def mixed(groups: Iterable[Sequence[Record]]) -> tuple[str, ...]:
    """The sentence above a table in which one metric was measured on different images of one split."""
    seen: dict[tuple[str, str, str], set[object]] = {}
    for record in (record for group in groups for record in group):
        images_of = seen.setdefault((record.metric, record.dataset, record.split), set())
        images_of.add(data_of(record))
    return tuple(
        f"{metric} was not measured on the same images in every row: {len(images)} versions or parts of {dataset} {split}."
        for (metric, dataset, split), images in seen.items()
        if len(images) > 1
    )
