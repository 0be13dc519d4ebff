"""What a table is before anyone draws it: rows of cells, each a measured and a published number, and the notes beneath.

Every renderer reads these dataclasses and nothing else, so all formats show the same numbers and the same sentences.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from cambench.recipes.published import Published

if TYPE_CHECKING:
    import pandas as pd

UNMEASURED = "—"
MINUS = "\N{MINUS SIGN}"
ARROWS = {"up": "↑", "down": "↓", "none": ""}


@dataclass(frozen=True)
class Measured:
    """A measured number: its mean, and either the std over seeds (ddof 1) or, for one seed, the interval over images.

    One seed and one image have neither. seeds: the seeds in order. images: images behind each seed's value, or what else
    `over` says. values: each seed's value.
    A count has neither seeds nor images.
    """

    mean: float
    values: tuple[float, ...]
    seeds: tuple[int, ...]
    images: tuple[int, ...]
    std: float | None = None
    interval: tuple[float, float] | None = None
    comparable: bool = True
    over: str = "image"

    @property
    def ends(self) -> tuple[float, float] | None:
        """Where a line for the spread begins and ends: the interval, or one std around the mean; None without a spread."""
        if self.interval is not None or self.std is None:
            return self.interval
        return self.mean - self.std, self.mean + self.std


@dataclass(frozen=True)
class Cell:
    """One cell. `marks` number the table's footnotes.

    Beside a measured number that is not comparable, `published` is never shown.
    """

    decimals: int
    measured: Measured | None = None
    published: Published | None = None
    marks: tuple[int, ...] = ()

    @property
    def difference(self) -> float | None:
        """Measured (as printed) − published; None where either is missing or the two may not be compared."""
        if self.measured is None or not self.measured.comparable or self.published is None or self.published.value is None:
            return None
        return round(self.measured.mean, self.decimals) - self.published.value

    @property
    def drawn(self) -> tuple[float | None, float | None, float | None, float | None]:
        """Measured, the two ends of its spread, published: never a published number beside one that is not comparable."""
        theirs = self.published.value if self.published and (self.measured is None or self.measured.comparable) else None
        if self.measured is None:
            return None, None, None, theirs
        return self.measured.mean, *(self.measured.ends or (None, None)), theirs

    @property
    def measured_text(self) -> str:
        """`81.20 ± 0.31`, `54.77 [54.33, 55.21]`, or a dash."""
        if self.measured is None:
            return UNMEASURED
        mean = self.number(self.measured.mean)
        if self.measured.std is not None:
            return f"{mean} ± {self.number(self.measured.std)}"
        if self.measured.interval is not None:
            low, high = (self.number(end) for end in self.measured.interval)
            return f"{mean} [{low}, {high}]"
        return mean

    @property
    def published_text(self) -> str:
        """`(81.49 ± 0.09, −0.29)`, `(81.49 ± 0.09)` beside a dash, `(not recoverable)`, or nothing."""
        if self.published is None or (self.measured is not None and not self.measured.comparable):
            return ""
        if self.published.value is None:
            return "(not recoverable)"
        value = self.number(self.published.value)
        if self.published.std is not None:
            value += f" ± {self.number(self.published.std)}"
        return f"({value})" if self.difference is None else f"({value}, {self.signed(self.difference)})"

    @property
    def text(self) -> str:
        """Both, on one line."""
        return f"{self.measured_text} {self.published_text}".rstrip()

    def number(self, value: float) -> str:
        """A number with this cell's decimals; "−0.00" is "0.00"."""
        text = f"{value:.{self.decimals}f}"
        return text.replace("-", "") if float(text) == 0 else text.replace("-", MINUS)

    def signed(self, value: float) -> str:
        """A difference with its sign."""
        text = self.number(value)
        return f"+{text}" if float(f"{value:.{self.decimals}f}") > 0 else text


@dataclass(frozen=True)
class Probability(Cell):
    """A cell with a p-value, as `probability` prints it."""

    def number(self, value: float) -> str:
        """A p-value, whatever the decimals."""
        return probability(value)


def probability(p: float) -> str:
    """Three digits; below 0.001 as a power of ten."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.0e}" if p > 0 else "<1e-300"


@dataclass(frozen=True)
class Text(Cell):
    """A cell of words, whatever they say, in the place of numbers."""

    decimals: int = 0
    words: str = ""

    @property
    def measured_text(self) -> str:
        """The words."""
        return self.words


@dataclass(frozen=True)
class Column:
    """A column's label, one text a level; `direction` is "up", "down", "none", or None where the rows decide."""

    label: tuple[str, ...]
    unit: str = ""
    direction: str | None = None
    marks: tuple[int, ...] = ()

    @property
    def heading(self) -> tuple[str, ...]:
        """The label with unit and arrow on its last level."""
        return (*self.label[:-1], with_unit(self.label[-1], self.unit, self.direction))


@dataclass(frozen=True)
class Row:
    """A row's label, one text a level, and its cells. `unit` and `direction` where the rows, not the columns, decide."""

    label: tuple[str, ...]
    cells: tuple[Cell, ...]
    unit: str = ""
    direction: str | None = None
    marks: tuple[int, ...] = ()

    @property
    def heading(self) -> tuple[str, ...]:
        """The label with unit and arrow on its last level."""
        return (*self.label[:-1], with_unit(self.label[-1], self.unit, self.direction))


@dataclass(frozen=True)
class Table:
    """A table. `banner`: sentences that stand above it in every format. `notes`: about the whole table.

    `caption`: stands alone where there is no title. `footnotes`: numbered from 1, referred to by the `marks` of rows,
    columns and cells. `wrap`: columns side by side, where the others stand in blocks beneath (0: all). `summary`: whether it
    shows what was measured on a data set, and no paper's table.
    """

    id: str
    title: str
    row_headers: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    caption: str = ""
    banner: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    footnotes: tuple[str, ...] = field(default=())
    wrap: int = 0
    summary: bool = False

    def __repr__(self) -> str:
        return f"<Table {self.id}: {self.title}; {len(self.rows)} rows × {len(self.columns)} columns>"

    def _repr_html_(self) -> str:
        return Tables([self])._repr_html_()

    @property
    def frame(self) -> pd.DataFrame:
        """One line a cell: measured, std, n, published, difference, footnotes and the rest of `formats.frame.tidy`."""
        return Tables([self]).frame

    def blocks(self) -> list[Table]:
        """The table in blocks of at most `wrap` columns; itself where it needs one."""
        width = self.wrap or len(self.columns)
        starts = range(0, len(self.columns), width)
        cut = [(self.columns[i : i + width], [replace(r, cells=r.cells[i : i + width]) for r in self.rows]) for i in starts]
        return [replace(self, columns=columns, rows=tuple(rows)) for columns, rows in cut]

    @property
    def levels(self) -> int:
        """Levels of the column labels."""
        return len(self.columns[0].label)

    def spans(self, level: int) -> list[tuple[str, int]]:
        """The headings of one level with the number of columns under each; equal neighbours of an upper level are one."""
        spans: list[tuple[str, int, tuple[str, ...]]] = []
        for column in self.columns:
            path = column.heading[: level + 1]
            upper = level < self.levels - 1
            if upper and spans and spans[-1][2] == path:
                spans[-1] = (path[-1], spans[-1][1] + 1, path)
            else:
                spans.append((path[-1], 1, path))
        return [(text, width) for text, width, _ in spans]


class Tables(list[Table]):
    """Several tables: one frame of all their cells, and in a notebook all of them, one below another."""

    @property
    def frame(self) -> pd.DataFrame:
        """One line a cell (`formats.frame.tidy`)."""
        from cambench.report.formats.frame import tidy

        return tidy(self)

    def _repr_html_(self) -> str:
        from cambench.report.formats.html import notebook

        return notebook(self)


def with_unit(text: str, unit: str, direction: str | None) -> str:
    """`CH (%) ↑`: the unit where the text does not say it already and where there is one, then the arrow."""
    named = text if not unit or f"({unit})" in text else f"{text} ({unit})"
    return f"{named} {ARROWS[direction or 'none']}".strip()


def group_starts(table: Table) -> list[bool]:
    """For each row, whether its first label level differs from the row above; all False where no two rows share it."""
    firsts = [row.label[0] for row in table.rows]
    new = [i > 0 and first != firsts[i - 1] for i, first in enumerate(firsts)]
    return new if len(table.row_headers) > 1 and not all(new[1:]) else [False] * len(new)


def shown_label(table: Table, index: int) -> tuple[str, ...]:
    """A row's heading with the leading levels that repeat the row above left empty."""
    heading = table.rows[index].heading
    if index == 0:
        return heading
    above, same = table.rows[index - 1].heading, 0
    while same < len(heading) - 1 and heading[same] == above[same]:
        same += 1
    return ("",) * same + heading[same:]
