"""Which of the papers' tables are meant, which part of them, and on which data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cambench import data, models
from cambench.explainers import find_explainer
from cambench.lookup import canonical
from cambench.recipes import stand_in
from cambench.recipes.claims import Claim
from cambench.recipes.experiments import asked
from cambench.recipes.part import part
from cambench.recipes.tables import Line, TableRecipe, cells
from cambench.report.claims.records import Where, moved
from cambench.stages.names import claims_of, tables_of
from cambench.stages.workplace import Place
from cambench.vocabulary import EXPLAINER, UsageError

MAPLESS = {"variant": None, "explainer": None, "target": None, "layer": None}
"""What of a selection makes it that of the same networks' accuracy."""


@dataclass(frozen=True)
class Choice:
    """Which tables ("cgc/6", or "cgc" for all of a paper), which rows and columns of them, on which data and network.

    claims: in place of tables, the experiments, papers or claims whose measurements are meant.
    Raises: UsageError for tables and claims, or neither; for parts of claims.
    """

    tables: Sequence[str]
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    on: str | None = None
    arch: str | None = None
    claims: Sequence[str] = ()

    def __post_init__(self) -> None:
        if bool(self.tables) == bool(self.claims):
            raise UsageError(
                "reproduce: expected TABLE... or --claims CLAIM, one of the two; see cambench ls tables, ls claims."
            )
        if self.claims and (self.rows or self.columns):
            raise UsageError("--claims: --rows and --columns are for tables; leave them out.")


def recipes(choice: Choice, place: Place) -> list[TableRecipe]:
    """The chosen tables and parts of them, on the data set that stands in for the paper's, if one does."""
    if choice.arch is not None:
        if choice.on is None:
            raise UsageError(
                "--arch: expected --on DATASET beside it; the paper's own data goes with its own architectures."
            )
        models.resolve(choice.arch)
    if choice.claims:
        return of_claims(choice, place)
    loaded = list({recipe.id: recipe for name in choice.tables for recipe in tables_of(name, place)}.values())
    if choice.on is None:
        return part(loaded, choice.rows, choice.columns)
    entry, own = data.resolve(choice.on)[0], data.called(choice.on)
    arch = choice.arch or entry.arch or None
    split = data.splits(choice.on, place.data)[-1]

    others = {canonical(name): of_task(entry, name, own) for recipe in loaded for name in stand_in.datasets(recipe)}
    names = {old: new for r in loaded for old, new in stand_in.replaced(r, own, arch, others).items()}

    def renamed(line: Line) -> Line:
        return stand_in.replace(line, split, arch, names)

    parts = part(loaded, choice.rows, choice.columns, renamed)
    options: dict[str, Any] = {"split": split, "arch": arch, "others": others}
    made = [stand_in.stand_in(recipe, own, **options) for recipe in parts if runnable(recipe)]
    if not made:
        of = ", ".join(recipe.id for recipe in loaded)
        raise UsageError(
            f"--on {choice.on}: expected something to run, got nothing in what was chosen of {of}, "
            "so there is nothing to stand in for; leave out --on."
        )
    return made


def of_claims(choice: Choice, place: Place) -> list[TableRecipe]:
    """What decides the claims, as a table a paper and data set: a row a measurement, once for all its claims."""
    made: dict[tuple[str, str | None], list[Line]] = {}
    for name, on, layer in asked(choice.claims, choice.on):
        for claim in claims_of(name, place):
            made.setdefault((claim.paper, on), []).extend(lines(claim, on, choice.arch, layer))
    if not any(made.values()):
        raise UsageError(
            f"--claims {' '.join(choice.claims)}: expected something to measure on {choice.on}, got claims about their "
            "papers' own data alone; leave out --on."
        )
    return [table_of(paper, on, list({line.key: line for line in its}.values())) for (paper, on), its in made.items() if its]


def table_of(paper: str, on: str | None, rows: list[Line]) -> TableRecipe:
    """The table of measurements of a paper's claims."""
    where = "" if on is None else f" on {data.called(on)}"
    return TableRecipe(
        id=f"{paper}/claims{where}",
        paper=paper,
        title=f"What decides the claims of {paper}{where}",
        caption="One row a measurement.",
        source="ours",
        repeats="seeds",
        seeds=1,
        row_headers=["Measurement"],
        columns=[Line(label=["value"])],
        rows=rows,
        figure=True,
    )


def lines(claim: Claim, on: str | None, arch: str | None, layer: str = "") -> list[Line]:
    """One line a measurement that a claim looks at, on its own first data set or on another.

    Where trainings of several methods are compared, their accuracy too, which says whether a recipe is at fault.

    layer: explained in place of the last stage, by explainers that look at a layer, where the claim is about explanations.
    """
    if on is None:
        own, network = claim.on[0], claim.arch
    else:
        entry = data.resolve(on)[0]
        own, network = of_task(entry, claim.on[0], data.called(on)), arch or entry.arch or claim.arch
    if claim.bound and canonical(own) not in map(canonical, claim.on):
        return []
    sides = [moved(s, claim, Where(own, network, s.method or "")) for one in claim.parts for s in claim.sides(one)]
    if claim.about == "training" and len({s.method for s in sides}) > 1:
        accuracy = {"metric": data.resolve(own)[0].accuracy, **MAPLESS}
        sides += [s.model_copy(update=accuracy) for s in sides]
    made = []
    for here in sides:
        if layer and claim.about == "explanation" and find_explainer(here.explainer or EXPLAINER).at_layer:
            here = here.model_copy(update={"layer": layer})
        label = " ".join(f"{value}" for value in here.model_dump(exclude_none=True, exclude={"settings"}).values())
        settings = ", ".join(f"{key}={value}" for key, value in here.settings.items())
        made.append(Line(label=[f"{label} {settings}".strip()], select=[here], seeds=claim.seeds))
    return made


def of_task(entry: data.DatasetEntry, name: str, own: str) -> str:
    """The set of a stand-in's family whose labels are as those of the data set `name`; its `own` name where it has none."""
    known = data.INDEX.get(canonical(name))
    return own if known is None else entry.for_task.get(known.task, own)


def runnable(recipe: TableRecipe) -> bool:
    """Whether a table has a cell that is measured, not only published."""
    return any(not cell.published_only for row in cells(recipe) for cell in row)
