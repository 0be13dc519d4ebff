"""Records → one summary table a data set: rows method × explainer × target, columns metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from cambench import metrics
from cambench.lookup import canonical
from cambench.metrics import Metric, find_metric
from cambench.report.tables.draft import Draft, finish
from cambench.report.tables.measure import measure, mixed, sentences, troubles, warning
from cambench.report.tables.model import Cell, Column, Row, Table
from cambench.report.tables.select import LAST, data_of, groups, has_metric, part_of, training
from cambench.report.tables.varied import labelled, told_apart
from cambench.store.records import Record

NONE = "–"
MANY = 3
"""Columns of a metric that a brief summary shows in full."""
ColumnKey = tuple[str, str]
"""(metric, variant)."""
Groups = dict[ColumnKey, list[Record]]
"""The group of records that each column of a row shows."""
Condition = tuple[tuple[int, tuple[str, ...]], bool, str, str]
"""The part of the data, whether the precision is a lower one, the data's fingerprint, the explained layer."""


@dataclass(frozen=True)
class Line:
    """A row before it is drawn: its facts, and for each column the group of records that it shows."""

    facts: dict[str, str]
    groups: Groups

    @property
    def first(self) -> Record:
        """A record that stands for all of the row: one that looks at a layer, where there is one."""
        firsts = [group[0] for group in self.groups.values()]
        return next((record for record in firsts if record.layer is not None), firsts[0])


def summary(records: Iterable[Record], *, brief: bool = False) -> list[Table]:
    """One table a data set, in the order of their names.

    Values that were measured under different conditions (a part of the images, another recipe) stand in different rows.
    brief: of a metric with more than `MANY` variants its headline alone, and a note on the others.
    """
    by_dataset: dict[str, list[Record]] = {}
    for record in filter(has_metric, records):
        by_dataset.setdefault(record.dataset, []).append(record)
    return [dataset_table(name, by_dataset[name], brief) for name in sorted(by_dataset)]


def dataset_table(dataset: str, records: Sequence[Record], brief: bool = False) -> Table:
    """The summary of one data set."""
    every = column_keys(records)
    entries = {metric: find_metric(metric) for metric, _ in every}
    columns = brief_columns(every) if brief else every
    lines = lines_of(records, columns)
    several = {fact for fact in ("arch", "split") if len({line.facts[fact] for line in lines}) > 1}
    headers = ["method", *(f for f in ("arch", "split") if f in several), "explainer", "target"]
    constant = [f"{fact} {lines[0].facts[fact]}" for fact in ("arch", "split") if fact not in several]
    draft = Draft([], [])
    incomparable: list[list[Record]] = []
    for line in lines:
        drawn = [draw(line.groups.get(key, []), key, entries[key[0]]) for key in columns]
        draft.cells.append([cell for cell, _ in drawn])
        draft.about.append([about for _, about in drawn])
        incomparable += [
            line.groups[k] for k, (c, _) in zip(columns, drawn, strict=True) if c.measured and not c.measured.comparable
        ]
    shown = [group for line in lines for group in line.groups.values()]
    table = Table(
        id=dataset,
        title=", ".join(constant) or "all architectures and splits",
        row_headers=tuple(h.capitalize() for h in headers),
        columns=tuple(column(key, entries[key[0]], columns) for key in columns),
        rows=tuple(Row(tuple(line.facts[h] for h in headers), ()) for line in lines),
        banner=(*warning(incomparable, len(draft.measured())), *mixed(shown), *troubles(shown)),
        notes=tuple(cut(metric, every) for metric in entries if len(of(metric, columns)) < len(of(metric, every))),
        summary=True,
    )
    return finish(table, draft)


def brief_columns(columns: Sequence[ColumnKey]) -> list[ColumnKey]:
    """The columns, of a metric with more than `MANY` its headline alone."""
    shown: list[ColumnKey] = []
    for metric, headline in headlines_of(columns).items():
        own = of(metric, columns)
        shown += own if len(own) <= MANY else [headline]
    return shown


def headlines_of(columns: Sequence[ColumnKey]) -> dict[str, ColumnKey]:
    """The column of each metric that stands for all of its own: its headline, or its first where it has none."""
    own = {metric: of(metric, columns) for metric, _ in columns}
    wanted = {metric: find_metric(metric).printing.headline for metric in own}
    return {metric: next((key for key in keys if key[1] == wanted[metric]), keys[0]) for metric, keys in own.items()}


def of(metric: str, columns: Sequence[ColumnKey]) -> list[ColumnKey]:
    """The columns of a metric."""
    return [key for key in columns if key[0] == metric]


def cut(metric: str, columns: Sequence[ColumnKey]) -> str:
    """The note on a metric of which one column is shown."""
    return f"{metric}: one of its {len(of(metric, columns))} columns; `cambench report --metric {metric}` shows all."


def lines_of(records: Sequence[Record], columns: Sequence[ColumnKey]) -> list[Line]:
    """The rows of one data set; those of one label say behind the method's name what tells them apart."""
    lines = [line for cluster in clusters(records) for line in cluster_lines(cluster, columns) if line.groups]
    alike: dict[tuple[str, ...], list[Line]] = {}
    for line in lines:
        alike.setdefault(tuple(line.facts.values()), []).append(line)
    words = {id(line): word for same in alike.values() for line, word in zip(same, words_of(same), strict=True)}
    return [replace(row, facts={**row.facts, "method": labelled(row.facts["method"], words[id(row)])}) for row in lines]


def words_of(lines: Sequence[Line]) -> list[str]:
    """What tells rows of one label apart; the layer where they are of several."""
    firsts = [line.first for line in lines]
    if len({record.layer for record in firsts} - {None}) < 2:
        firsts = [replace(record, layer=None) for record in firsts]
    return told_apart(firsts)


def column_keys(records: Sequence[Record]) -> list[ColumnKey]:
    """The columns, in the order of the metrics' index and of each metric's variants."""
    order = metrics.INDEX.names

    def place(name: str) -> tuple[int, str]:
        metric = metrics.known_metric(name)
        return (len(order) if metric is None else order.index(metric.key)), name

    seen = {(canonical(record.metric), variant): None for record in records for variant in record.values}
    names = sorted({metric for metric, _ in seen}, key=place)
    return [key for name in names for key in seen if key[0] == name]


def column(key: ColumnKey, entry: Metric, keys: Sequence[ColumnKey]) -> Column:
    """A column's label: the metric, and below it the variant, where any metric of the table has one."""
    direction = entry.direction(key[1])
    label = key if any(variant for _, variant in keys) else key[:1]
    return Column(label, entry.unit_of(key[1]), direction)


def clusters(records: Sequence[Record]) -> list[list[Record]]:
    """Records that one row could hold: the same method, architecture, split, training, epoch, explainer and target.

    Records of metrics that look at no heatmap go with every explainer and target of their network.
    """
    networks: dict[tuple[str, ...], list[Record]] = {}
    for record in records:
        epoch = "" if record.checkpoint == LAST else record.checkpoint
        networks.setdefault((record.arch, record.split, record.method, training(record), epoch), []).append(record)
    sharing = []
    for _, network in sorted(networks.items()):
        views = sorted({(r.explainer, r.target or "") for r in network if r.explainer is not None})
        sharing += [[r for r in network if r.explainer is None or (r.explainer, r.target or "") == view] for view in views]
        sharing += [] if views else [network]
    return sharing


def cluster_lines(cluster: Sequence[Record], columns: Sequence[ColumnKey]) -> list[Line]:
    """The rows of a cluster: one, unless a column has several groups that may not be averaged, or columns show two runs of
    a seed, or the same part of data that was changed between them.
    """
    per_column = {key: groups(r for r in cluster if holds(r, key)) for key in columns}
    parts = {record.partial: data_of(record) for record in cluster}
    single = all(len(own) <= 1 for own in per_column.values())
    shown = {key: own[0] for key, own in per_column.items() if own}
    if single and one_run_a_seed(shown, set()) and all(parts[r.partial] == data_of(r) for r in cluster):
        return [line(cluster, shown)]
    rows: list[Line] = []
    layered = {condition(record) for record in cluster if record.layer is not None}

    def row_of(record: Record) -> Condition:
        own = condition(record)  # of what looks at no layer the first row of its part, precision and data
        return own if own in layered else min((one for one in layered if one[:-1] == own[:-1]), default=own)

    for one in sorted({row_of(record) for record in cluster}):
        part = {key: [group for group in own if row_of(group[0]) == one] for key, own in per_column.items()}
        rows += [line(cluster, row) for row in of_one_run_a_seed(part)]
    return rows


def of_one_run_a_seed(per_column: Mapping[ColumnKey, Sequence[list[Record]]]) -> list[Groups]:
    """The groups of all columns in rows, each of one run a seed, in the order of the groups."""
    rows: list[Groups] = []
    for key, own in per_column.items():
        for group in own:
            runs = {(record.seed, record.run) for record in group}
            row = next((row for row in rows if key not in row and one_run_a_seed(row, runs)), None)
            if row is None:
                rows.append(row := {})
            row[key] = group
    return rows


def one_run_a_seed(row: Groups, runs: set[tuple[int, str]]) -> bool:
    """Whether a row's groups and these (seed, run) have one run a seed."""
    every = {(record.seed, record.run) for group in row.values() for record in group} | runs
    return len({seed for seed, _ in every}) == len(every)


def condition(record: Record) -> Condition:
    """What the values of a row share: the part of the data, the precision, the data, the layer; preferred ones first."""
    part = part_of(record)
    return (len(part), part), record.precision != "float32", str(data_of(record)), record.layer or ""


def holds(record: Record, key: ColumnKey) -> bool:
    """True where the record has a value for the column."""
    return canonical(record.metric) == key[0] and key[1] in record.values


def line(cluster: Sequence[Record], shown: Groups) -> Line:
    """The row of the groups that it shows."""
    seen = next((r for r in cluster if r.explainer is not None), cluster[0])
    facts = {name: getattr(seen, name) or NONE for name in ("method", "arch", "split", "explainer", "target")}
    return Line(facts, shown)


def draw(group: list[Record], key: ColumnKey, entry: Metric) -> tuple[Cell, list[str]]:
    """The cell of a group and the sentences about it; an empty cell for no group."""
    if not group:
        return Cell(entry.printing.decimals), []
    measured = measure(group, key[1])
    return Cell(entry.printing.decimals, measured), sentences(group, measured)
