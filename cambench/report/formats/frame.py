"""Tables as pandas DataFrames of bare numbers, one line a cell, and the same as CSV and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

import pandas as pd

from cambench.report.formats.text import about
from cambench.report.tables.model import Cell, Table

TIDY = [
    "table", "row", "column", "unit", "direction", "measured", "std", "low", "high", "n", "seeds", "images",
    "comparable", "published", "published_std", "difference", "footnotes", "notes", "banner",
]  # fmt: skip
COUNTS = ("n", "seeds", "images")
NUMBERS = ("measured", "std", "low", "high", "published", "published_std", "difference")


def tidy(tables: Iterable[Table]) -> pd.DataFrame:
    """One line a cell, numbers unrounded, in the metric's unit; std over seeds, or low and high over images.

    n: how many the spread is over, seeds beside a std, else images. footnotes: the cell's; notes, banner: the table's.
    """
    frame = pd.DataFrame([line for table in tables for line in lines(table)], columns=TIDY)
    return frame.astype({**dict.fromkeys(COUNTS, "Int64"), **dict.fromkeys(NUMBERS, "float64"), "comparable": "boolean"})


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
                "footnotes": " ".join(about(table, r, c)),
                "notes": " ".join(table.notes),
                "banner": " ".join(table.banner),
                **numbers(cell),
            }


def numbers(cell: Cell) -> dict[str, Any]:
    """The numbers of one cell; what is not there is None."""
    measured, published = cell.measured, cell.published
    low, high = (measured.interval if measured else None) or (None, None)
    seeds = len(measured.seeds) or None if measured else None
    images = min(measured.images, default=None) if measured else None
    return {
        "measured": measured.mean if measured else None,
        "std": measured.std if measured else None,
        "low": low,
        "high": high,
        "n": seeds if measured and measured.std is not None else images,
        "seeds": seeds,
        "images": images,
        "comparable": measured.comparable if measured else None,
        "published": published.value if published else None,
        "published_std": published.std if published else None,
        "difference": measured.mean - published.value
        if published and published.value is not None and measured and measured.comparable
        else None,
    }


def csv(tables: Iterable[Table]) -> str:
    """The tidy frame as CSV, which `pandas.read_csv` reads as it stands."""
    return str(tidy(tables).to_csv(index=False, lineterminator="\n", float_format="%.10g"))


def as_json(tables: Iterable[Table]) -> str:
    """The tidy cells as a JSON list; what stands around a table is a list of sentences."""
    around = [(table, {"notes": list(table.notes), "banner": list(table.banner)}) for table in tables]
    return json.dumps([{**line, **sentences} for table, sentences in around for line in lines(table)]) + "\n"
