"""Whether networks are trained well enough for a verdict on their training: enough seeds, none far below those beside it."""

from __future__ import annotations

from collections.abc import Sequence

from cambench.data import INDEX
from cambench.lookup import canonical
from cambench.metrics.hierarchical import LEAST
from cambench.recipes.claims import Claim, Part
from cambench.recipes.tables import Select
from cambench.report.claims.records import Group, side_by_side, words
from cambench.report.tables.select import data_of
from cambench.store.records import Record
from cambench.vocabulary import UsageError

BELOW = 10.0
"""Points of top-1 by which networks may be below those that they are set against; beyond, their recipe is at fault."""


def lacking(
    claim: Claim, part: Part, selects: Sequence[Select], groups: Sequence[Group], records: Sequence[Record]
) -> list[str]:
    """Why nothing may rest on a comparison: too few seeds of a training, networks far below those beside them.

    Beside a side that is set against a number alone are the other methods of the claim.
    """
    if claim.about != "training":
        return []
    seeds = len(groups[0])
    if seeds < LEAST:
        return [f"{'one seed' if seeds == 1 else f'{seeds} seeds'}: a claim about training needs {LEAST}"]
    if part.quantity != "metric":
        return []
    if len(groups) > 1:
        return below(selects[:2], groups[:2], records)
    faults = (below(*pair, records) for pair in others(claim, selects[0], groups[0], records))
    return next((fault for fault in faults if fault), [])


def others(
    claim: Claim, select: Select, group: Group, records: Sequence[Record]
) -> list[tuple[Sequence[Select], Sequence[Group]]]:
    """A side with its group and, one after another, the same of the claim's other methods, as far as they are measured."""
    made: list[tuple[Sequence[Select], Sequence[Group]]] = []
    beside = [*group, *(record for record in records if record.method != select.method)]
    for side in (side for part in claim.parts for side in claim.sides(part) if side.method != select.method):
        pair = [select, select.model_copy(update={"method": side.method, "settings": side.settings})]
        try:
            made.append((pair, side_by_side(pair, beside)[0]))
        except UsageError:  # not measured, or of other seeds
            continue
    return made


def below(selects: Sequence[Select], groups: Sequence[Group], records: Sequence[Record]) -> list[str]:
    """Whether the networks of the first group are far below those of the second, or nobody knows."""
    if [record.run for record in groups[0]] == [record.run for record in groups[1]]:
        return []
    methods = [group[0].method for group in groups]
    names = [words(select, selects) for select in selects] if methods[0] == methods[1] else methods
    accuracy = accuracy_on(groups[0][0].dataset)
    first, second = (mean_beside(accuracy, group, records) for group in groups)
    if first is None or second is None:
        absent = " and ".join(name for name, value in zip(names, (first, second), strict=True) if value is None)
        return [f"{accuracy} of {absent} is not measured, which says whether a recipe is at fault"]
    if first >= second - BELOW:
        return []
    return [f"{names[0]} trains to {first:.1f} % of {accuracy}, {names[1]} to {second:.1f} %: its recipe is at fault first"]


def accuracy_on(dataset: str) -> str:
    """The metric of how well a network was trained on a data set, top-1 on one that is not in the catalogue."""
    entry = INDEX.get(canonical(dataset))
    return "top1" if entry is None else entry.accuracy


def mean_beside(metric: str, group: Group, records: Sequence[Record]) -> float | None:
    """Mean of a metric of a group's runs on the same images, or on all where the group saw a part of them; None where one
    is not measured.
    """
    values = [value_beside(record, [r for r in records if r.metric == metric]) for record in group]
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) else None


def value_beside(record: Record, measured: Sequence[Record]) -> float | None:
    """What stands beside a record: of the same weights and split, on the same images if there is one, else on the most."""
    same = ("run", "dataset", "split", "checkpoint")
    beside = [r for r in measured if all(getattr(r, name) == getattr(record, name) for name in same)]
    beside.sort(key=lambda r: (data_of(r) == data_of(record), r.precision == record.precision, r.values[""].n))
    return beside[-1].values[""].value if beside else None
