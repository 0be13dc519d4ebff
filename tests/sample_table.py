"""A small table that has everything: two levels of labels, both spreads, all kinds of cells, names that need escaping."""

from __future__ import annotations

from cambench.recipes.published import Published
from cambench.report.tables.model import Cell, Column, Measured, Row, Table

NASTY = r"a_b & 50% $x$ #1 {z} ~ ^ \cmd <script>alert(1)</script> | `c` *d* [e] -- “ü” 中"


def measured(*values: float, mean: float, std: float | None = None, comparable: bool = True) -> Measured:
    """A measured number over 100 images a seed; with one value, the interval is mean ± 1."""
    interval = None if std is not None else (mean - 1, mean + 1)
    seeds = tuple(range(len(values)))
    return Measured(mean, values, seeds, (100,) * len(values), std, interval, comparable)


def published(value: float | None, std: float | None = None) -> Published:
    """A published percentage."""
    return Published(value, std, "%", True)


SAMPLE = Table(
    id="demo/1",
    title="A table with 100 % of the cases",
    caption="Every kind of cell.",
    banner=("Not comparable with published numbers (1 of 4 measured cells): synthetic images_1.",),
    row_headers=("Arch", "Method"),
    columns=(
        Column(("Birds", "Top-1 (%)"), "%", "up"),
        Column(("Birds", "Loss"), "nats", "down", (1,)),
        Column(("Cars", "AUC"), "", "up"),
    ),
    rows=(
        Row(
            ("ResNet18", "Baseline"),
            (
                Cell(2, measured(79.0, 81.0, mean=80.0, std=1.41421), published(80.09, 0.89)),
                Cell(2, None, published(3.19)),
                Cell(4, measured(0.4861, mean=0.4861), published(0.4860), (2,)),
            ),
        ),
        Row(
            ("ResNet18", NASTY),
            (
                Cell(2, measured(70.5, mean=70.5, comparable=False), published(81.49), (2, 3)),
                Cell(2),
                Cell(4, None, published(None)),
            ),
            marks=(4,),
        ),
        Row(("ResNet50", "CGC"), (Cell(2, measured(5.0, mean=-5.0), published(-4.0)), Cell(2), Cell(4))),
    ),
    notes=("Cells: measured (published, difference); — is not measured.", "100 images a seed."),
    footnotes=("Groups of 32.", "One seed.", "synthetic images_1.", f"A class named {NASTY}."),
)
