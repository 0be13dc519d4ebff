"""Table recipes: `tables/<paper>/<table>.toml`, one file a results table, in the paper's own layout.

A table is a grid. What selects the records of a cell is the union of what the table, its row and its column say, so a
table whose rows are metrics is written like one whose columns are. The key of the published value is the pair of the row's
and the column's labels (levels joined by "/"), unless they say otherwise.
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from cambench.explainers import known_explainer
from cambench.lookup import canonical, find, nearest
from cambench.metrics import known_metric
from cambench.recipes import toml
from cambench.recipes.load import explain
from cambench.recipes.published import load_published
from cambench.recipes.strict import Strict
from cambench.vocabulary import UsageError

Direction = Literal["up", "down", "none"]


class Select(Strict):
    """Which records a cell shows: those that agree with every field given here.

    `settings`: dotted key of the training recipe -> value, for tables over a hyper-parameter; `dataset` among them is what
    was trained on, where it is not what the metric looks at. `checkpoint`: the weights of the `last` epoch (also where it
    says nothing) or of the `best`.
    """

    dataset: str | None = None
    split: str | None = None
    method: str | None = None
    arch: str | None = None
    metric: str | None = None
    variant: str | None = None
    explainer: str | None = None
    target: str | None = None
    layer: str | None = None
    checkpoint: Literal["last", "best"] | None = None
    settings: dict[str, Any] = {}

    @field_validator("metric", "explainer")
    @classmethod
    def _named(cls, text: str | None, info: ValidationInfo) -> str | None:
        entry = (known_metric if info.field_name == "metric" else known_explainer)(text or "")
        return text if entry is None else entry.name

    def union(self, other: Select, place: str) -> Select:
        """Both selections at once; two parts of a variant's name become one: `t1`, `blur/positive` → `t1/blur/positive`.

        Raises: UsageError where they contradict each other.
        """
        mine, theirs = self.model_dump(exclude_unset=True), other.model_dump(exclude_unset=True)
        if self.variant and other.variant:
            mine["variant"] = theirs["variant"] = f"{self.variant}/{other.variant}"
        for mine_part, theirs_part in ((mine, theirs), (self.settings, other.settings)):
            for key in (mine_part.keys() & theirs_part.keys()) - {"settings"}:
                if mine_part[key] != theirs_part[key]:
                    raise UsageError(f"{place}: {key} is both {mine_part[key]!r} and {theirs_part[key]!r}.")
        return Select(**{**mine, **theirs, "settings": {**self.settings, **other.settings}})


class Line(Strict):
    """A row or a column.

    `select`: one selection, or alternatives in order of preference, never mixed in one cell; the last one is what
    `reproduce` trains where the others are not at hand. `mean`: no alternatives, the cell is the mean over them all.

    `label`: one text a level. `published`: this line's part of the key into the published values. `published_only`: there is
    nothing to run (a method of another paper); a method in its `select` is one that `add-run` may give. `ours`: not in the
    paper's table. unit, direction and decimals say how its
    values are printed, where the metric's own index entry should not. `seeds`: how many trainings its cells take, where it
    is not the table's number. `unprinted`: of a row, the published names of the columns in which the paper prints nothing.
    `class_set`: in a table that `counts`, the set of a row, where it is not the last level of its label.
    """

    label: list[str] = Field(min_length=1)
    published: str = ""
    published_only: bool = False
    ours: bool = False
    mean: bool = False
    unit: str | None = None
    direction: Direction | None = None
    decimals: int | None = Field(default=None, ge=0, le=12)
    seeds: int | None = Field(default=None, ge=1)
    unprinted: list[str] = []
    class_set: str = ""
    notes: list[str] = []
    select: list[Select] = [Select()]

    @field_validator("select", mode="before")
    @classmethod
    def _one_or_several(cls, value: object) -> object:
        return [value] if isinstance(value, dict | Select) else value

    @property
    def key(self) -> str:
        """This line's part of the published key."""
        return self.published or "/".join(self.label)


class TableRecipe(Strict):
    """A results table. `repeats`: what the paper's spread is over; `seeds`: how many trainings it takes.

    `row_headers` name the levels of the row labels. `wrap`: columns side by side, where the paper prints the others in
    blocks beneath (0: all). `notes` hold for every measured number; `caveats` are about the paper's own data and
    numbers, and a stand-in leaves them out. `figure`: the paper shows it as a figure, so no cell has a published number.
    `stand_in` is the data set that replaces the paper's own; a file leaves it out. `cheaper`: metric -> the one that is
    measured in its place on a stand-in. `search`: the split on which `reproduce --search` chooses settings, "" where the
    paper does not search. `counts`: every published row is a set of this family, and its cells count the set's
    classes, so nothing is run; a file holds only the rows about which there is something to say.
    """

    id: str
    paper: str
    title: str
    caption: str
    source: str
    repeats: Literal["seeds", "images"]
    seeds: int = Field(ge=1)
    row_headers: list[str] = Field(min_length=1)
    rows: list[Line] = Field(min_length=1)
    columns: list[Line] = Field(min_length=1)
    wrap: int = Field(default=0, ge=0)
    notes: list[str] = []
    caveats: list[str] = []
    figure: bool = False
    select: Select = Select()
    stand_in: str | None = None
    cheaper: dict[str, str] = {}
    search: str = ""
    counts: Literal["supersets"] | None = None

    @model_validator(mode="after")
    def _levels(self) -> Self:
        for name, lines, levels in (
            ("rows", self.rows, len(self.row_headers)),
            ("columns", self.columns, len(self.columns[0].label)),
        ):
            odd = [line.label for line in lines if len(line.label) != levels]
            if odd:
                raise ValueError(f"{name}: every label needs {levels} level(s); this one differs: {odd[0]}")
            labels = [tuple(line.label) for line in lines]
            if len(set(labels)) < len(labels):
                raise ValueError(f"{name}: two labels are the same")
        return self

    @property
    def number(self) -> str:
        """The table's number in its paper."""
        return self.id.partition("/")[2]


@dataclass(frozen=True)
class CellRecipe:
    """One cell: its alternatives in order of preference, the published key (None where the paper has no such cell).

    published_only: there is nothing to run, an added run alone fills it. seeds: how many trainings it takes. mean: the cell
    is the mean over all its alternatives. class_set: the set whose classes it counts.
    """

    alternatives: tuple[Select, ...]
    key: tuple[str, str, str] | None
    published_only: bool
    unit: str | None
    direction: Direction | None
    decimals: int | None
    seeds: int
    mean: bool = False
    class_set: str | None = None


def cell_recipe(recipe: TableRecipe, row: Line, column: Line) -> CellRecipe:
    """The cell where a row and a column meet.

    Raises: UsageError where they contradict each other or name no metric.
    """
    place = f"table {recipe.id}, row {'/'.join(row.label)}, column {'/'.join(column.label)}"
    pairs = itertools.product(row.select, column.select)
    alternatives = tuple(recipe.select.union(r, place).union(c, place) for r, c in pairs)
    only = row.published_only or column.published_only or recipe.counts is not None
    if not only and any(a.metric is None or a.dataset is None or a.method is None for a in alternatives):
        given = alternatives[0].model_dump(exclude_none=True)
        raise UsageError(f"{place}: expected dataset, method and metric in `select`, got {given}.")
    if (row.mean and len(column.select) > 1) or (column.mean and len(row.select) > 1):
        raise UsageError(f"{place}: a mean over one line's selections needs one selection in the other, got alternatives.")
    shown = {
        name: [v for v in (getattr(row, name), getattr(column, name)) if v is not None]
        for name in ("unit", "direction", "decimals", "seeds")
    }
    if any(len(values) > 1 for values in shown.values()):
        raise UsageError(
            f"{place}: the row and the column both say how it is printed or its number of seeds; let one of them do."
        )
    unit, direction, decimals, seeds = (values[0] if values else None for values in shown.values())
    ours = row.ours or column.ours or recipe.figure or recipe.stand_in is not None or column.key in row.unprinted
    key = None if ours else (recipe.number, row.key, column.key)
    mean = row.mean or column.mean
    class_set = row.class_set or row.label[-1] if recipe.counts else None
    return CellRecipe(alternatives, key, only, unit, direction, decimals, seeds or recipe.seeds, mean, class_set)


def cells(recipe: TableRecipe) -> list[list[CellRecipe]]:
    """Every cell, row by row."""
    return [[cell_recipe(recipe, row, column) for column in recipe.columns] for row in recipe.rows]


def natural(table: str) -> list[tuple[str, int]]:
    """Sort key under which table 2 comes before table 10."""
    return [(text, int(digits or -1)) for text, digits in re.findall(r"(\D*)(\d*)", table)]


def table_files() -> dict[str, Traversable]:
    """Every table recipe of the package: id -> file, by paper and number."""
    root = files("cambench.recipes") / "tables"
    papers = sorted((p for p in root.iterdir() if p.is_dir()), key=lambda p: p.name)
    tables = {f"{p.name}/{f.name[:-5]}": f for p in papers for f in p.iterdir() if f.name.endswith(".toml")}
    return dict(sorted(tables.items(), key=lambda item: natural(item[0])))


def load_table(table: str) -> TableRecipe:
    """One table, by id ("cgc/6"), or of anyone's own file (PATH.toml), which has no published numbers.

    Raises: UsageError naming the nearest tables, or the file, the key and the nearest valid key.
    """
    if table.endswith(".toml"):
        if not (own := Path(table)).is_file():
            raise UsageError(f"table {table}: expected a file, found none there.")
        return parse_table(toml.text_of(own, table), place=table).model_copy(update={"figure": True})
    known = table_files()
    source = find(table, known, "table")
    return parse_table(source.read_text(encoding="utf-8"), canonical(table))


def load_tables(name: str) -> list[TableRecipe]:
    """The tables a person means: one ("cgc/6", PATH.toml) or all of a paper ("cgc").

    Raises: UsageError naming the nearest tables.
    """
    of_paper = [table for table in table_files() if table.partition("/")[0] == canonical(name)]
    return [load_table(table) for table in of_paper or [name]]


def parse_table(text: str, table: str = "", place: str = "") -> TableRecipe:
    """The recipe in a file's text; every cell is put together once, so that a contradiction shows at once.

    table: the id that it must have, "" for any. place: the file, for messages.
    """
    place = place or f"tables/{table}.toml"
    try:
        recipe = TableRecipe(**toml.contents(text, place))
    except ValidationError as e:
        raise UsageError(complaint(e, place)) from e
    if table and recipe.id != table:
        raise UsageError(f"{place}: expected id = {table!r}, got {recipe.id!r}.")
    columns = [column.key for column in recipe.columns]
    lost = [name for row in recipe.rows for name in row.unprinted if name not in columns]
    if lost:
        raise UsageError(f"{place}: unprinted: {nearest(lost[0], columns, 'column')}")
    if recipe.counts:
        recipe = recipe.model_copy(update={"rows": listed(recipe, place)})
    cells(recipe)
    return recipe


def listed(recipe: TableRecipe, place: str) -> list[Line]:
    """A row for every published row of a table that counts, in the paper's order; the file's own where it has one."""
    values = load_published(recipe.id.partition("/")[0])
    printed = list(dict.fromkeys(row for table, row, _ in values if table == recipe.number))
    own = {line.key: line for line in recipe.rows}
    unknown = [key for key in own if key not in printed]
    if unknown:
        raise UsageError(f"{place}: rows: {nearest(unknown[0], printed, 'published row')}")
    return [own.get(key) or Line(label=key.split("/")) for key in printed]


def complaint(error: ValidationError, place: str) -> str:
    """One line for what pydantic found; an unknown key is answered with the nearest valid one."""
    errors = error.errors()
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    if first["type"] == "missing":
        return f"{place}: expected the key {'.'.join(str(part) for part in first['loc'])}, got none."
    if first["type"] != "extra_forbidden":
        return explain(error, place)
    *parents, key = [str(part) for part in first["loc"]]
    owner = TableRecipe if not parents else Select if "select" in parents else Line
    where = ".".join(parents)
    return f"{place}{': ' + where if where else ''}: {nearest(key, owner.model_fields, 'key')}"
