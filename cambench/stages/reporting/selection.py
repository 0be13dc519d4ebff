"""Which part of the records is shown: of some data, metrics and explainers alone, under a caption of one's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from cambench import data
from cambench.explainers import find_explainer
from cambench.lookup import canonical
from cambench.metrics import find_metric
from cambench.recipes.part import about
from cambench.recipes.tables import Select, TableRecipe
from cambench.report import Table
from cambench.report.tables.select import looking
from cambench.store.records import Record
from cambench.vocabulary import UsageError


@dataclass(frozen=True)
class Selection:
    """Names of metrics and explainers as they are typed, none for all of them."""

    metrics: Sequence[str] = ()
    explainers: Sequence[str] = ()

    def records(self, records: Sequence[Record]) -> list[Record]:
        """The records that a summary shows. Raises: UsageError for an unknown name, or where nothing is left."""
        left = looking(records, *self.names())
        if records and not left:
            raise UsageError(f"nothing to report of {self}; measure it with `cambench eval`.")
        return left

    def recipes(self, recipes: Sequence[TableRecipe]) -> list[TableRecipe]:
        """The tables with the rows and columns that show it.

        Raises: UsageError for an unknown name, or where no table has such a cell.
        """
        if not self.metrics and not self.explainers:
            return list(recipes)
        left = about(recipes, self.wanted())
        if not left:
            raise UsageError(
                f"{', '.join(recipe.id for recipe in recipes)}: expected a cell of {self}, found none; see the table."
            )
        return left

    def wanted(self) -> Callable[[Select], bool]:
        """Whether a selection is of a metric and explainer that were named; what depends on no map has any explainer."""
        metrics, explainers = self.names()

        def wanted(select: Select) -> bool:
            metric = select.metric is not None and (not metrics or find_metric(select.metric).name in metrics)
            return metric and (not explainers or not select.explainer or find_explainer(select.explainer).name in explainers)

        return wanted

    def names(self) -> tuple[list[str], list[str]]:
        """The metrics and explainers as their entries are called."""
        return [find_metric(name).name for name in self.metrics], [find_explainer(name).name for name in self.explainers]

    def __str__(self) -> str:
        """`metric iauc, explainer cam`."""
        words = [("metric", *self.metrics), ("explainer", *self.explainers)]
        return ", ".join(f"{kind} {' or '.join(names)}" for kind, *names in words if names)


def measured_on(dataset: str | None, split: str) -> Callable[[Record], bool]:
    """Whether a record is of a data set as it is typed (None: of any) and of a split (`eval`: of any).

    Raises: UsageError for an unknown data set.
    """
    name = None if dataset is None else canonical(data.called(dataset))
    return lambda record: name in (None, canonical(record.dataset)) and split in ("eval", record.split)


def captioned(made: Sequence[Table], caption: str) -> list[Table]:
    """The one table under a caption of one's own, in place of its title and of the paper's caption.

    Raises: UsageError for several tables.
    """
    if len(made) != 1:
        raise UsageError(
            f"--caption: expected one table, got {len(made)} ({', '.join(table.id for table in made)}); name one."
        )
    return [replace(made[0], title="", caption=caption)]
