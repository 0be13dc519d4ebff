"""Two runs compared image by image: which records belong together, whether they saw the same images, and the numbers."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from cambench import seeds
from cambench.lookup import canonical
from cambench.metrics import find_metric, hierarchical, statistics
from cambench.report.tables.alignment import aligned, check_data
from cambench.report.tables.model import Cell, probability, with_unit
from cambench.report.tables.select import preference
from cambench.store.records import Record, Rows
from cambench.vocabulary import UsageError, number_of

METHOD = (
    "A − B: difference of the means over the same images; 95 %: its paired bootstrap interval over the images.",
    "p: Wilcoxon signed-rank test, two-sided; Holm: corrected for all rows.",
)
SEEDS = (
    "A − B: mean over the seeds of the difference over the same images; 95 %: bootstrap of seeds and images at once; over "
    "seeds: Student's t, from 3 seeds on.",
    "p: of the bootstrap, from 3 seeds on the larger of it and of the t test, two-sided; Holm: corrected for all rows.",
)
"""The same of several networks on each side."""


@dataclass(frozen=True)
class Side:
    """A record and how to read its per-image rows."""

    record: Record
    read: Callable[[], Rows]


@dataclass(frozen=True)
class Comparison:
    """A metric's variant in two runs, in its unit. lacking: images that only the other run has a value for.

    warnings: what went wrong in either training. rows: image id -> A − B. seeds, over_seeds: how many networks of each, and
    Student's interval over them, where there are several.
    """

    metric: str
    variant: str
    dataset: str
    split: str
    explainer: str | None
    target: str | None
    numbers: statistics.Paired
    lacking: tuple[int, int]
    warnings: tuple[str, ...] = ()
    p_holm: float = 1.0
    rows: Mapping[str, float] = field(default_factory=dict, repr=False, compare=False)
    seeds: int = 1
    over_seeds: hierarchical.Interval | None = None


def key(record: Record, apart: str) -> tuple[str, ...]:
    """What two records must share to be compared: data, metric, explainer, target, but for the fact in which they differ."""
    facts = {"explainer": record.explainer, "target": record.target} | {apart: ""}
    return (record.dataset, record.split, canonical(record.metric), *(facts[name] or "" for name in ("explainer", "target")))


def compare(a: Sequence[Side], b: Sequence[Side], wanted: Sequence[str], apart: str = "run") -> list[Comparison]:
    """Every metric that was asked for (none: every one that both have), with every explainer and target that both have.

    apart: the fact in which A and B differ: "run", or "explainer" or "target" of one run.
    Raises: UsageError where a run lacks a metric, where the two share nothing, or where they saw different images.
    """
    names = [find_metric(name).name for name in wanted]
    for name, side in itertools.product(names, (a, b)):
        if not any(canonical(s.record.metric) == name for s in side):
            run = side[0].record.run if side else "the run"
            others = ", ".join(dict.fromkeys(s.record.metric for s in side))
            raise UsageError(
                f"{run} has no record of {name}, it has {others}; measure it with `cambench eval {run} --metric {name}`."
            )
    shared = [k for k in dict.fromkeys(key(s.record, apart) for s in a) if any(key(s.record, apart) == k for s in b)]
    shared = [k for k in shared if not names or k[2] in names]
    if not shared or set(names) - {k[2] for k in shared}:
        raise UsageError(f"the two share no record to compare: A has {listed(a, names)}; B has {listed(b, names)}.")
    comparisons = [
        comparison if apart == "run" else without(comparison, apart)
        for k in shared
        for comparison in of_key([[s for s in side if key(s.record, apart) == k] for side in (a, b)])
    ]
    return corrected(comparisons)


def corrected(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """The comparisons with their p after Holm."""
    values = statistics.holm([comparison.numbers.p for comparison in comparisons])
    return [replace(comparison, p_holm=p) for comparison, p in zip(comparisons, values, strict=True)]


def over_seeds(by_seed: Sequence[Sequence[Comparison]]) -> list[Comparison]:
    """What the networks of every seed were compared on, over seeds and images at once."""
    facts = ("metric", "variant", "dataset", "split", "explainer", "target")
    keyed = [{tuple(getattr(c, name) for name in facts): c for c in own} for own in by_seed]
    shared = [fact for fact in keyed[0] if all(fact in own for own in keyed)]
    return corrected([joined([own[fact] for own in keyed]) for fact in shared])


def joined(parts: Sequence[Comparison]) -> Comparison:
    """One comparison of several seeds, of which each is a part."""
    ids = dict.fromkeys(name for part in parts for name in part.rows)
    table = torch.tensor([[part.rows.get(name, torch.nan) for name in ids] for part in parts], dtype=torch.float64)
    effect, mean = hierarchical.of_rows(table, seeds.generator("paired")), table.nanmean(0)
    p = effect.p()
    assert p is not None  # rows have draws
    numbers = statistics.Paired(
        n=effect.images,
        a=math.fsum(part.numbers.a for part in parts) / len(parts),
        b=math.fsum(part.numbers.b for part in parts) / len(parts),
        difference=effect.difference,
        interval=effect.interval,
        higher=int((mean > 0).sum()),
        lower=int((mean < 0).sum()),
        equal=int((mean == 0).sum()),
        p=p,
    )
    lacking = (sum(part.lacking[0] for part in parts), sum(part.lacking[1] for part in parts))
    warnings = tuple(dict.fromkeys(sentence for part in parts for sentence in part.warnings))
    return replace(
        parts[0],
        numbers=numbers,
        rows={},
        seeds=len(parts),
        over_seeds=effect.over_seeds,
        lacking=lacking,
        warnings=warnings,
    )


def without(comparison: Comparison, fact: str) -> Comparison:
    """The comparison without the fact in which its two sides differ."""
    facts: dict[str, Any] = {fact: None}
    return replace(comparison, **facts)


def listed(side: Sequence[Side], names: Sequence[str]) -> str:
    """What a run was measured on, for an error."""
    keys = dict.fromkeys(key(s.record, "run") for s in side if not names or canonical(s.record.metric) in names)
    return (
        "; ".join(f"{k[2]} ({', '.join(filter(None, (k[3], k[4])))}) on {k[0]} {k[1]}".replace(" ()", "") for k in keys)
        or "nothing"
    )


def of_key(sides: Sequence[Sequence[Side]]) -> list[Comparison]:
    """The comparisons of the preferred pair of records that saw the same images, those that were measured alike first.

    Raises: UsageError where no pair did.
    """
    a, b = (sorted(side, key=lambda s: preference([s.record])) for side in sides)
    refused: UsageError | None = None
    for first, second in sorted(itertools.product(a, b), key=lambda pair: len(unlike(pair[0].record, pair[1].record))):
        try:
            return of_records(first, second)
        except UsageError as e:
            refused = refused or e
    assert refused is not None
    raise refused


def unlike(a: Record, b: Record) -> list[str]:
    """In what two records were measured otherwise: the explained layer of one architecture, the precision."""
    words = []
    if a.arch == b.arch and None not in (a.layer, b.layer) and a.layer != b.layer:
        words.append(f"A explains layer {a.layer}, B {b.layer}")
    return [*words, *([f"A is in {a.precision}, B in {b.precision}"] if a.precision != b.precision else [])]


def of_records(a: Side, b: Side) -> list[Comparison]:
    """One comparison a variant of the two records.

    Raises: UsageError if they saw different images.
    """
    rows, lacking, ids = matched(a, b)
    record, comparisons = a.record, []
    warnings = tuple(f"{name}: {sentence}" for name, side in (("A", a), ("B", b)) for sentence in side.record.warnings)
    warnings += tuple(unlike(a.record, b.record))
    for variant, (left, right) in rows.items():
        numbers = statistics.compare(left, right, seeds.generator("paired"))
        facts = (record.dataset, record.split, record.explainer, record.target)
        apart = dict(zip(ids, (left - right).tolist(), strict=True))
        comparisons.append(Comparison(record.metric, variant, *facts, numbers, lacking, warnings, rows=apart))
    return comparisons


def matched(a: Side, b: Side) -> tuple[dict[str, tuple[Tensor, Tensor]], tuple[int, int], list[str]]:
    """Variant -> the rows (N,) of the two records over their shared images, in the metric's unit; how many each lacks; ids.

    Raises: UsageError if they saw different images.
    """
    check_data(a.record, b.record)
    rows_a, rows_b = a.read(), b.read()
    at_a, at_b = aligned(a.record, b.record, rows_a.ids, rows_b.ids)
    metric = find_metric(a.record.metric)
    scale = metric.printing.scale
    both = {
        variant: (
            torch.from_numpy(rows_a.values[variant][at_a] * scale),
            torch.from_numpy(rows_b.values[variant][at_b] * scale),
        )
        for variant in (rows_a.values if metric.rows.spread else metric.variants)
        if variant in rows_a.values and variant in rows_b.values
    }
    return both, (len(rows_b.ids) - len(at_b), len(rows_a.ids) - len(at_a)), [rows_a.ids[i] for i in at_a]


def printed(comparison: Comparison) -> dict[str, str]:
    """One line of the table for a person."""
    metric, numbers = find_metric(comparison.metric), comparison.numbers
    cell = Cell(metric.printing.decimals)
    interval = "n = 1" if numbers.interval is None else f"[{', '.join(cell.number(end) for end in numbers.interval)}]"
    name = " ".join(filter(None, (comparison.metric, comparison.variant)))
    several, student = comparison.seeds > 1, comparison.over_seeds
    over = {"over seeds": f"[{', '.join(cell.number(end) for end in student)}]" if student else "–"} if several else {}
    return {
        "metric": with_unit(name, metric.unit_of(comparison.variant), metric.direction(comparison.variant)),
        "maps": " ".join(filter(None, (comparison.explainer, comparison.target))) or "–",
        "on": f"{comparison.dataset} {comparison.split}",
        "n": f"{comparison.seeds} × {numbers.n:,}" if several else f"{numbers.n:,}",
        "A": cell.number(numbers.a),
        "B": cell.number(numbers.b),
        "A − B": cell.signed(numbers.difference),
        "95 %": interval,
        **over,
        "p": probability(numbers.p),
        "Holm": probability(comparison.p_holm),
    }


def notes(comparisons: Sequence[Comparison]) -> list[str]:
    """What stands beneath the table."""
    return [
        *(SEEDS if any(c.seeds > 1 for c in comparisons) else METHOD),
        *dict.fromkeys(f"{sentence.rstrip('.')}." for c in comparisons for sentence in c.warnings),
        *left_out(comparisons),
    ]


def left_out(comparisons: Sequence[Comparison]) -> list[str]:
    """How many images one of the two has no value for, metric by metric, or where they differ for each of its maps."""
    lacking: dict[str, set[tuple[int, int]]] = {}
    for c in comparisons:
        lacking.setdefault(c.metric, set()).add(c.lacking)
    made = []
    for c in (c for c in comparisons if any(c.lacking)):
        of = f" of {c.explainer} {c.target} on {c.dataset} {c.split}" if len(lacking[c.metric]) > 1 else ""
        a, b = c.lacking
        made.append(f"{c.metric}{of}: without {number_of(a, 'image')} that A lacks and {b:,} that B lacks.")
    return list(dict.fromkeys(made))


def tidy(comparisons: Sequence[Comparison], a: str, b: str) -> list[dict[str, Any]]:
    """One plain dict a comparison, numbers unrounded."""
    return [
        {
            "a": a, "b": b, "metric": c.metric, "variant": c.variant, "unit": find_metric(c.metric).unit_of(c.variant),
            "dataset": c.dataset, "split": c.split, "explainer": c.explainer, "target": c.target,
            "n": c.numbers.n, "mean_a": c.numbers.a, "mean_b": c.numbers.b, "difference": c.numbers.difference,
            **dict(zip(("low", "high"), c.numbers.interval or (None, None), strict=True)), "a_higher": c.numbers.higher,
            "a_lower": c.numbers.lower, "equal": c.numbers.equal, "p": c.numbers.p, "p_holm": c.p_holm,
            "seeds": c.seeds, **dict(zip(("seeds_low", "seeds_high"), c.over_seeds or (None, None), strict=True)),
            "warnings": " ".join(c.warnings),
        }
        for c in comparisons
    ]  # fmt: skip
