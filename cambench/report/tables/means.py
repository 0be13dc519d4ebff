"""Cells that are a mean over several measurements, say of three architectures: all of them, or none."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from cambench.recipes.tables import Select
from cambench.report.tables.measure import listed, measure, of_measurement, of_networks
from cambench.report.tables.model import Cell, Measured
from cambench.report.tables.select import chosen, variant_of
from cambench.store.records import Record

Part = tuple[Sequence[Record], str]
"""The records of one measurement, one a seed, and the variant that counts."""


def drawn_mean(
    parts: Sequence[Select], records: Sequence[Record], cell: Cell, shows: Callable[[Select, Record], bool]
) -> tuple[Cell, list[str], Sequence[Record]]:
    """The cell, the sentences about it, the records it shows; unmeasured unless every part is, with a seed in common.

    shows: whether the row shows a record's training.
    """
    choices = [chosen([select], [record for record in records if shows(select, record)]) for select in parts]
    groups: list[Part] = [(its[0], variant_of(select, its[0][0])) for select, its in filter(None, choices)]
    measured = None if len(groups) < len(parts) else over_parts(groups)
    if measured is None:
        return cell, [], ()
    every = [record for group, _ in groups for record in group]
    shown = sorted(every, key=lambda r: r.comparable and not r.partial)  # the table's warning names the reason of the first
    return Cell(cell.decimals, measured, cell.published), about(groups, measured), shown


def over_parts(parts: Sequence[Part]) -> Measured | None:
    """Of each seed that all parts have the mean over the parts, then mean and std (ddof 1) over seeds; None without one.

    One seed has no interval: its parts look at the same images through different networks, so their intervals do not add up.
    Raises: CambenchError naming a run whose value is not finite.
    """
    by_seed = [
        dict(zip((m := measure(group, v)).seeds, zip(m.values, m.images, strict=True), strict=True)) for group, v in parts
    ]
    seeds = sorted(set.intersection(*(set(values) for values in by_seed)))
    if not seeds:
        return None
    values = tuple(statistics.fmean(part[seed][0] for part in by_seed) for seed in seeds)
    return Measured(
        mean=statistics.fmean(values),
        values=values,
        seeds=tuple(seeds),
        images=tuple(sum(part[seed][1] for part in by_seed) for seed in seeds),
        std=statistics.stdev(values) if len(values) > 1 else None,
        comparable=all(record.comparable and not record.partial for group, _ in parts for record in group),
    )


def about(parts: Sequence[Part], measured: Measured) -> list[str]:
    """What a reader must know of the number; what holds of a part alone is said of it by what tells the parts apart."""
    groups = [group for group, _ in parts]
    columns = [
        [f"{g[0].metric} on {g[0].dataset}" for g in groups],
        [g[0].arch for g in groups],
        [" ".join(filter(None, (g[0].explainer, g[0].target))) for g in groups],
        [variant for _, variant in parts],
    ]
    differing = [column for column in columns if len(set(column)) > 1] or [[f"part {n}" for n, _ in enumerate(parts, 1)]]
    over = "; ".join(", ".join(dict.fromkeys(column)) for column in differing)
    seeds = f"seed{'s' if len(measured.seeds) > 1 else ''} {listed(measured.seeds)}"
    spread = "no spread" if measured.std is None else "± std (ddof 1) of the means"
    return [
        *dict.fromkeys(sentence for group in groups for sentence in of_networks(group)),
        f"Mean over {len(parts)} measurements: {over}; {seeds}, {spread}",
        *of_parts([of_measurement(group) for group in groups], [", ".join(words) for words in zip(*differing, strict=True)]),
    ]


def of_parts(sentences: Sequence[Sequence[str]], names: Sequence[str]) -> list[str]:
    """Sentences that hold of all parts once, the others behind the name of their part."""
    shared = set.intersection(*map(set, sentences))
    own = [f"{name}: {text}" for name, texts in zip(names, sentences, strict=True) for text in texts if text not in shared]
    return [*(text for text in sentences[0] if text in shared), *own]
