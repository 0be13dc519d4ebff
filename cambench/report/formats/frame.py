"""Tables as pandas DataFrames, and as CSV: `to_frame` is what a reader sees, `tidy` has the bare numbers."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from cambench.report.formats.text import about
from cambench.report.tables.model import Cell, Table

TIDY = [
    "table", "row", "column", "unit", "direction", "measured", "std", "low", "high", "seeds", "images",
    "comparable", "published", "published_std", "difference", "notes",
]  # fmt: skip


def to_frame(table: Table) -> pd.DataFrame:
    """The table in its own layout, cells as text; `attrs` holds banner, notes and footnotes."""
    rows = pd.MultiIndex.from_tuples([row.heading for row in table.rows], names=table.row_headers)
    columns = pd.MultiIndex.from_tuples([column.heading for column in table.columns])
    frame = pd.DataFrame([[cell.text for cell in row.cells] for row in table.rows], index=rows, columns=columns)
    if table.levels == 1:
        frame.columns = columns.get_level_values(0)
    if len(table.row_headers) == 1:
        frame.index = rows.get_level_values(0)
    frame.attrs = {"banner": list(table.banner), "notes": list(table.notes), "footnotes": list(table.footnotes)}
    return frame


def tidy(tables: Iterable[Table]) -> pd.DataFrame:
    """One line a cell, numbers unrounded, in the metric's unit; std over seeds, or low and high over images."""
    return pd.DataFrame([line for table in tables for line in lines(table)], columns=TIDY)


def lines(table: Table) -> Iterator[dict[str, Any]]:
    """The cells of one table as plain dicts."""
    for r, row in enumerate(table.rows):
        for c, cell in enumerate(row.cells):
            column = table.columns[c]
            yield {
                "table": table.id,
                "row": "/".join(row.label),
                "column": "/".join(filter(None, column.label)),
                "unit": column.unit or row.unit,
                "direction": column.direction or row.direction or "",
                "notes": " ".join(about(table, r, c)),
                **numbers(cell),
            }


def numbers(cell: Cell) -> dict[str, Any]:
    """The numbers of one cell; what is not there is None."""
    measured, published = cell.measured, cell.published
    low, high = (measured.interval if measured else None) or (None, None)
    return {
        "measured": measured.mean if measured else None,
        "std": measured.std if measured else None,
        "low": low,
        "high": high,
        "seeds": len(measured.seeds) or None if measured else None,
        "images": min(measured.images, default=None) if measured else None,
        "comparable": measured.comparable if measured else None,
        "published": published.value if published else None,
        "published_std": published.std if published else None,
        "difference": measured.mean - published.value
        if published and published.value is not None and measured and measured.comparable
        else None,
    }


def csv(tables: Iterable[Table]) -> str:
    """The tidy frame as CSV; the first lines, which begin with #, hold each table's banner."""
    tables = list(tables)
    head = "".join(f"# {table.id}: {sentence}\n" for table in tables for sentence in table.banner)
    buffer = io.StringIO()
    frame = tidy(tables)
    frame[["seeds", "images"]] = frame[["seeds", "images"]].astype("Int64")
    frame.to_csv(buffer, index=False, lineterminator="\n", float_format="%.10g")
    return head + buffer.getvalue()


def as_json(tables: Iterable[Table]) -> str:
    """The tidy cells as a JSON list, each with its table's banner."""
    return json.dumps([{**line, "banner": list(table.banner)} for table in tables for line in lines(table)]) + "\n"
