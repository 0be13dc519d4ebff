"""Sources → a ranking: the values of each image side by side, then its ranks in each metric, averaged over networks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cambench.metrics import find_metric
from cambench.metrics.ranks import ranks
from cambench.report.ranking.ranking import Array, Ranking
from cambench.report.ranking.sources import Source, better, complete, headline
from cambench.vocabulary import CambenchError, UsageError, number_of

EXPLAINERS, IMAGES = 2, 5
"""The fewest that are ranked, and the fewest images."""
Values = tuple[Source, Sequence[str], Array]
"""A source, images of it, their values (n,k)."""


def values(source: Source, explainers: Sequence[str], metric: str) -> tuple[list[str], Array]:
    """The images that any of the explainers has a value of, and the values (n,k), NaN where one has none.

    Raises: CambenchError for an image that has two rows.
    """
    rows = [source.sides[explainer, metric].read() for explainer in explainers]
    ids = list(dict.fromkeys(name for own in rows for name in own.ids))
    place = {name: i for i, name in enumerate(ids)}
    made = np.full((len(ids), len(rows)), np.nan)
    for column, own in enumerate(rows):
        if len(set(own.ids)) < len(own.ids):
            raise CambenchError(f"{source.run}, {metric}: expected one row an image, got some twice; measure it again.")
        made[[place[name] for name in own.ids], column] = own.values[headline(find_metric(metric))]
    return ids, made


def rank(where: str, own: Sequence[Source]) -> Ranking:
    """The ranking of what is measured in every source. An image that several networks saw has the mean of their ranks.

    Raises: UsageError for fewer than two explainers, no metric in common, or fewer than five images with a rank in some.
    """
    explainers, names, left = complete(own)
    if len(explainers) < EXPLAINERS or not names:
        got = "; ".join([", ".join(explainers) or "none", *shortage(own, left)])
        raise UsageError(f"rank on {where}: expected at least {EXPLAINERS} explainers with one metric in common, got {got}.")
    tables = [[(source, *values(source, explainers, name)) for source in own] for name in names]
    made = np.stack(averaged(names, tables))
    missing = [lacking(name, made[m], tables[m], explainers) for m, name in enumerate(names)]
    some = ~np.isnan(made[:, :, 0])
    if some.any(0).sum() < IMAGES:
        got = " ".join([str(some.any(0).sum()), *(f"({text})" for text in missing if text)])
        raise UsageError(f"rank on {where}: expected at least {IMAGES} images with a rank, got {got}; measure more.")
    if not some.any(0).all():
        missing.append(f"Without a rank in any metric: {number_of(int((~some.any(0)).sum()), 'image')}.")
    kept = np.any(some, axis=1)
    shown = [titled(name) for name, keep in zip(names, kept, strict=True) if keep]
    records = [(e, source.sides[e, m].record) for source in own for m in names for e in explainers]
    ranking = Ranking(
        where, (), tuple(shown), made[kept][:, some.any(0)], tuple(records), tuple(left), tuple(filter(None, missing))
    )
    order = np.argsort(ranking.means, kind="stable")
    return replace(ranking, explainers=tuple(explainers[i] for i in order), ranks=ranking.ranks[:, :, order])


def titled(name: str) -> str:
    """A metric with the variant that is ranked: `iauc`, `ch official`."""
    return " ".join(filter(None, (name, headline(find_metric(name)))))


def shortage(own: Sequence[Source], left: Sequence[str]) -> list[str]:
    """Why nothing is left to rank: what is not measured of one network; of several, how much is measured of each."""
    if len(own) == 1:
        return [sentence.rstrip(".") for sentence in left]
    counts = ", ".join(f"{number_of(len(source.sides), 'measurement')} of {source.run}" for source in own)
    return [f"there are {counts}: name the RUNs to rank, or measure what the others lack with --preset quick"]


def averaged(names: Sequence[str], tables: Sequence[Sequence[Values]]) -> list[Array]:
    """Ranks (N,k) of each metric over the images of all: the mean over the sources that rank an image, NaN without one."""
    every = dict.fromkeys((source.where, name) for own in tables for source, ids, _ in own for name in ids)
    place = {image: row for row, image in enumerate(every)}
    made = []
    for name, own in zip(names, tables, strict=True):
        sums, counts = np.zeros((len(place), own[0][2].shape[1])), np.zeros((len(place), 1))
        for source, ids, table in own:
            ranked = ranks(table, better(find_metric(name)))
            rows, there = np.array([place[source.where, i] for i in ids], dtype=int), ~np.isnan(ranked[:, 0])
            sums[rows[there]] += ranked[there]
            counts[rows[there]] += 1
        made.append(np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0))
    return made


def lacking(
    name: str, ranked: Array, tables: Sequence[tuple[Source, Sequence[str], Array]], explainers: Sequence[str]
) -> str:
    """The sentence on images that a metric does not rank and whose values lack; "" where there are none."""
    unranked = int(np.isnan(ranked[:, 0]).sum())
    without = [sum(int(np.isnan(table[:, column]).sum()) for _, _, table in tables) for column in range(len(explainers))]
    whose = ", ".join(f"{e} {n:,}" for e, n in zip(explainers, without, strict=True) if n)
    if not unranked and not whose:
        return ""
    reason = f"; values that lack: {whose}" if whose else ""
    return f"{name} ranks {len(ranked) - unranked:,} of {number_of(len(ranked), 'image')}{reason}."
