"""One entry's page, for `cambench ls metrics NAME`, `ls explainers NAME` and `ls methods NAME`."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from cambench.explainers import Explainer, find_explainer
from cambench.functions import Function
from cambench.lookup import canonical
from cambench.metrics import Metric, find_metric
from cambench.options import Entry, written
from cambench.recipes.tables import Select, cells, load_table, table_files
from cambench.stages.housekeeping import method_page
from cambench.vocabulary import UsageError

METHODS = "methods"
FINDERS: dict[str, Callable[[str], Entry]] = {"metrics": find_metric, "explainers": find_explainer}


def page(kind: str, name: str) -> dict[str, Any]:
    """What is known of an entry: summary, formula, source, options, cost, the tables that use it; of a method its settings.

    Raises: UsageError for an unknown name, or a catalogue whose entries have no page.
    """
    if canonical(kind) == METHODS:
        return method_page.page(name)
    if canonical(kind) not in FINDERS:
        expected = f"{', '.join(FINDERS)} or {METHODS}"
        raise UsageError(f"ls {kind} {name}: expected {expected} before a name; leave the name out.")
    entry = FINDERS[canonical(kind)](name)
    return {"name": entry.name, "summary": entry.summary, **own(entry), "source": entry.source, **shared(entry)}


def own(entry: Entry) -> dict[str, Any]:
    """What only a metric has, or only an explainer."""
    if isinstance(entry, Metric):
        better = "higher is better" if entry.printing.better == "up" else "lower is better"
        facts = {"asks": entry.asks, "values": ", ".join(filter(None, entry.variants)), "maps": entry.maps.explainer}
        return {**facts, "unit": f"{entry.printing.unit}, {better}", "formula": formula(entry.measure)}
    assert isinstance(entry, Explainer)
    around = [] if entry.around is None else [entry.around.points, entry.around.pool]
    around += [] if entry.hiding is None else [entry.hiding.masks]
    around += [] if entry.relu is None else [entry.relu]
    return {"space": entry.space, "unit": entry.unit, "formula": formula(entry.rule, *around)}


def formula(*functions: Callable[..., Any]) -> str:
    """The docstrings of an entry's functions, without what they raise."""
    named = (function if isinstance(function, Function) else Function(function) for function in functions)
    return "\n\n".join(re.sub(r"\s*\bRaises: .*", "", function.documentation, flags=re.DOTALL) for function in named)


def shared(entry: Entry) -> dict[str, Any]:
    """What every entry has: its options with their values here, its other names, its cost, its tables."""
    return {
        "options": {
            f"{option.name}={written(entry.values[option.name])}": f"{option.about}; {option.allowed}"
            for option in entry.options
        },
        "aliases": {alias: words for alias, words in entry.aliases.items() if words},
        "also": [alias for alias, words in entry.aliases.items() if not words],
        "cost": entry.costs,
        "tables": [table for table in table_files() if uses(table, entry)],
    }


def uses(table: str, entry: Entry) -> bool:
    """Whether a table's cells show the entry: an index's own with whatever options, one with options as it is."""

    def names(select: Select) -> str | None:
        return select.metric if isinstance(entry, Metric) else select.explainer

    find = find_metric if isinstance(entry, Metric) else find_explainer
    shown = {names(s) for row in cells(load_table(table)) for cell in row for s in cell.alternatives}
    entries = [find(name) for name in shown if name is not None]
    own = find(entry.key).values
    return any(one.key == entry.key and entry.values in (own, one.values) for one in entries)


def lines(facts: dict[str, Any]) -> list[str]:
    """The page for a person."""
    text = [f"{facts['name']}: {facts['summary']}"]
    for title, value in list(facts.items())[2:]:
        if isinstance(value, dict):
            width = max(map(len, value), default=0)
            text += [f"{title}:", *(f"  {name:{width}}  {about}" for name, about in value.items())] if value else []
        elif value:
            body = ", ".join(value) if isinstance(value, list) else str(value)
            indented = [f"{title}:", *(f"  {line}".rstrip() for line in body.splitlines())]
            text += indented if "\n" in body else [f"{title}: {body}"]
    return text
