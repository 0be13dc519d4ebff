"""A ranking as tables: the explainers in order, every pair of them, every pair of metrics; and the sentences beneath."""

from __future__ import annotations

import statistics
import string
from collections.abc import Sequence

from cambench.explainers import known_explainer
from cambench.options import CHANNELS
from cambench.report.ranking.ranking import Agreement, Ranking, agreements, groups
from cambench.report.tables.measure import LAYER, troubles, with_options
from cambench.report.tables.model import Cell, Column, Measured, Probability, Row, Table, probability
from cambench.store.records import Record
from cambench.vocabulary import number_of

DECIMALS = 2
AGREE = (
    "In an image: Kendall's τ_b of the explainers' ranks in the two metrics, mean over the images in which both tell some "
    "apart, with its 95 % bootstrap interval; 1: the same order, 0: unrelated, −1: the reverse.",
    "Of the mean ranks: the same of the explainers' mean ranks over all images; — where a metric tells none apart.",
)
PAIRS = (
    "A − B: difference of the mean ranks, below zero where A is better; 95 % bootstrap interval over the images.",
    "p: Wilcoxon's signed-rank test over the images, two-sided; Holm: corrected for all pairs.",
)


def tables(ranking: Ranking) -> list[Table]:
    """All three; the pairs of metrics where there are several."""
    made, agreed = [standings(ranking), of_pairs(ranking)], agreements(ranking)
    return [*made, of_metrics(ranking, agreed)] if agreed else made


def standings(ranking: Ranking) -> Table:
    """A row an explainer, best first: mean rank, rank in each metric, cost; letters that those share which do not differ."""
    letters = lettered(groups(ranking, ranking.pairs), len(ranking.explainers))
    n, costs = ranking.blocks.shape[0], [cost(ranking, name) for name in ranking.explainers]
    rows = [
        Row(
            (name, letters[j]),
            (
                cell(float(ranking.means[j]), n, ranking.intervals[j]),
                *(cell(float(own[j]), ranking.ranked(m)) for m, own in enumerate(ranking.of_metrics)),
                bare(costs[j][0], 1),
                bare(costs[j][1], 0),
            ),
        )
        for j, name in enumerate(ranking.explainers)
    ]
    columns = [Column(("mean rank",), "", "down"), *(Column((name,), "", "down") for name in ranking.metrics)]
    return Table(
        id=f"rank {ranking.where}",
        title=f"{number_of(len(rows), 'explainer')}, {number_of(len(ranking.metrics), 'metric')}, {number_of(n, 'image')}",
        row_headers=("Explainer", "Alike"),
        columns=(*columns, Column(("time",), "ms", "down"), Column(("passes",), "", "down")),
        rows=tuple(rows),
        banner=troubles([[record for _, record in ranking.records]]),
        notes=notes(ranking),
    )


def cell(value: float, n: int, interval: tuple[float, float] | None = None) -> Cell:
    """A number over n images."""
    return Cell(DECIMALS, Measured(value, (value,), (), (n,), interval=interval))


def bare(value: float | None, decimals: int) -> Cell:
    """A number over no images, or none."""
    return Cell(decimals, None if value is None else Measured(value, (value,), (), ()))


def of_p(value: float) -> Cell:
    """A p-value."""
    return Probability(3, Measured(value, (value,), (), ()))


def lettered(sets: Sequence[Sequence[int]], k: int) -> list[str]:
    """The letters of each of k explainers, one a set that it is in: `a`, `ab`; after z come a1, b1 …"""
    names = [
        letter + (str(turn) if turn else "") for turn in range(len(sets) // 26 + 1) for letter in string.ascii_lowercase
    ]
    return ["".join(name for name, own in zip(names, sets, strict=False) if j in own) for j in range(k)]


def cost(ranking: Ranking, name: str) -> tuple[float | None, int | None]:
    """Milliseconds an image that making the heatmaps took, None where no record says; forward passes an image, None of an
    explainer that is not there any more.

    The time is that of the metric for which most explainers have one, and its mean over the networks.
    """
    timed = [(e, r.metric, 1000 * r.explaining) for e, r in ranking.records if r.explaining is not None]
    whose = {metric: {e for e, other, _ in timed if other == metric} for _, metric, _ in timed}
    shown = max(whose, key=lambda metric: len(whose[metric]), default="")
    times = [time for e, metric, time in timed if (e, metric) == (name, shown)]
    entry = next(known_explainer(record.explainer or "") for e, record in ranking.records if e == name)
    return statistics.fmean(times) if times else None, None if entry is None else entry.passes


def notes(ranking: Ranking) -> tuple[str, ...]:
    """What the numbers are, what the tests say, what is left out, and what the records say of themselves."""
    n, k = ranking.blocks.shape
    records = [record for _, record in ranking.records]
    facts = [sentence for r in records for sentence in (*r.partial, *r.deviations, *with_options(r), *weights(r))]
    timed = dict.fromkeys(f"{r.device}, {r.precision}" for r in records if r.explaining is not None)
    return (
        "Mean rank: in each image the explainers are ranked by each metric, 1 the best, equal values sharing their places; "
        "the mean over the metrics, each of equal weight, then over the images; 95 % bootstrap interval over the images.",
        *tested(ranking),
        f"Alike: two that share a letter do not differ at 5 %: Wilcoxon's signed-rank test over the {n:,} images, corrected "
        f"by Holm for {number_of(k * (k - 1) // 2, 'pair')}.",
        *([f"Time: milliseconds an image of making its heatmap, reading aside, on {'; '.join(timed)}."] if timed else []),
        passes(ranking),
        *twins(ranking),
        *ranking.left,
        *ranking.missing,
        f"Networks: {', '.join(dict.fromkeys(r.run for r in records))}.",
        *dict.fromkeys(f"{sentence.rstrip('.')}." for sentence in facts),
        *layers(ranking),
    )


def passes(ranking: Ranking) -> str:
    """What the passes are, and of which explainers they are those of another layer's channels."""
    entries = {e: known_explainer(record.explainer or "") for e, record in ranking.records}
    names = ", ".join(name for name in ranking.explainers if (entry := entries[name]) is not None and entry.by_channel)
    of_layer = f"; those of {names} where the layer has {CHANNELS:,} channels" if names else ""
    return f"Passes: forward passes an image, a backward pass counting as two{of_layer}."


def twins(ranking: Ranking) -> list[str]:
    """Which explainers have the same rank everywhere."""
    alike: dict[bytes, list[str]] = {}
    for j, name in enumerate(ranking.explainers):
        alike.setdefault(ranking.ranks[:, :, j].tobytes(), []).append(name)
    return [
        f"{', '.join(names)}: equal in every image and metric; nothing here tells them apart, and "
        f"they take {len(names)} places."
        for names in alike.values()
        if len(names) > 1
    ]


def tested(ranking: Ranking) -> list[str]:
    """The sentences on the test of all explainers at once and on the distance that its diagram shows."""
    k = len(ranking.explainers)
    if ranking.friedman is None:
        return []
    chi2, p = ranking.friedman
    return [
        f"Friedman's test of the images' mean ranks, that all are alike: χ²({k - 1}) = {chi2:.1f}, p = {probability(p)}.",
        f"Nemenyi's critical distance (Demšar 2006) for {len(ranking.blocks):,} images: {ranking.critical_distance:.2f}; "
        "it supposes one ranking an image, and a mean over several metrics spreads less.",
    ]


def layers(ranking: Ranking) -> list[str]:
    """The explained layers, each with its explainers where there are several."""
    whose: dict[str, dict[str, None]] = {}
    for name, record in ranking.records:
        if record.layer is not None:
            whose.setdefault(record.layer, {})[name] = None
    of = {
        at: f" of {', '.join(e for e in ranking.explainers if e in own)}" if len(whose) > 1 else ""
        for at, own in whose.items()
    }
    return [f"{LAYER}{at}{names}." for at, names in of.items()]


def weights(record: Record) -> list[str]:
    """The precision, where it is not the usual one."""
    return [] if record.precision == "float32" else [f"Precision: {record.precision}"]


def of_pairs(ranking: Ranking) -> Table:
    """A row a pair of explainers: the difference of their mean ranks, and the test."""
    n = ranking.blocks.shape[0]
    return Table(
        id=f"rank {ranking.where}, explainers",
        title="which of them differ",
        row_headers=("A", "B"),
        columns=(Column(("A − B",)), Column(("p",)), Column(("Holm",))),
        rows=tuple(
            Row(
                (pair.a, pair.b),
                (cell(pair.difference, n, pair.interval), of_p(pair.p), of_p(pair.p_holm)),
            )
            for pair in ranking.pairs
        ),
        notes=PAIRS,
    )


def of_metrics(ranking: Ranking, agreed: Sequence[Agreement]) -> Table:
    """A row a pair of metrics, those that agree least first."""
    return Table(
        id=f"rank {ranking.where}, metrics",
        title="do they put the explainers in one order",
        row_headers=("Metric", "and"),
        columns=(Column(("in an image",), "τ"), Column(("of the mean ranks",), "τ")),
        rows=tuple(
            Row(
                (one.a, one.b),
                (
                    Cell(DECIMALS) if one.tau is None else cell(one.tau, one.n, one.interval),
                    bare(one.of_means, DECIMALS),
                ),
            )
            for one in agreed
        ),
        notes=AGREE,
    )
