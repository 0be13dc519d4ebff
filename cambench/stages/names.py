"""Names in a table or claims file of one's own: each is looked up, since what is misspelt would only never be measured."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache

from cambench import data, models
from cambench.data.episodes import HELD_OUT
from cambench.explainers import find_explainer
from cambench.lookup import canonical, nearest
from cambench.metrics import find_metric
from cambench.recipes.claims import Claim, load_claims
from cambench.recipes.load import load
from cambench.recipes.stand_in import EPISODE, PRETRAINED
from cambench.recipes.tables import Select, TableRecipe, cells, load_tables
from cambench.stages.workplace import Place
from cambench.store.runs import read_runs
from cambench.targets import find_target
from cambench.vocabulary import UsageError

OWN = ".toml"
"""How the name of a file of one's own ends; what the package holds, its tests look up."""


def tables_of(name: str, place: Place) -> list[TableRecipe]:
    """`load_tables`. Raises: as it does; as `check_table` for a file of one's own."""
    loaded = load_tables(name)
    for recipe in loaded if name.endswith(OWN) else ():
        check_table(recipe, name, place)
    return loaded


def claims_of(name: str, place: Place) -> list[Claim]:
    """`load_claims` of one name. Raises: as it does; as `check_claim` for a file of one's own."""
    loaded = load_claims([name])
    for claim in loaded if name.endswith(OWN) else ():
        check_claim(claim, name, place)
    return loaded


def check_table(recipe: TableRecipe, file: str, place: Place) -> None:
    """Look up what the cells select in which something is measured. Raises: UsageError naming the file, row and column."""
    check_cheaper(recipe.cheaper, file)
    for row, line in zip(recipe.rows, cells(recipe), strict=True):
        for column, cell in zip(recipe.columns, line, strict=True):
            for select in () if cell.published_only else cell.alternatives:
                where = f"{file}, row {'/'.join(row.label)}, column {'/'.join(column.label)}"
                check(select, where, place)


def check_claim(claim: Claim, file: str, place: Place) -> None:
    """Look up what the sides of a claim select, on its own data. Raises: UsageError naming the file and the claim."""
    check_cheaper(claim.cheaper, f"{file}, {claim.id}")
    for side in (side for part in claim.parts for side in claim.sides(part)):
        for dataset in claim.on:
            check(side.model_copy(update={"dataset": dataset, "arch": claim.arch}), f"{file}, {claim.id}", place)


def check_cheaper(cheaper: Mapping[str, str], where: str) -> None:
    """Look up the metrics that stand in for others. Raises: UsageError naming the nearest."""
    for metric in (*cheaper, *cheaper.values()):
        try:
            find_metric(metric)
        except UsageError as e:
            raise UsageError(f"{where}, cheaper: {e}") from e


def check(select: Select, where: str, place: Place) -> None:
    """Raises: UsageError for a name that there is not, or for maps of a metric that looks at other ones or at none."""
    try:
        check_network(select, place)
        check_measurement(select)
    except UsageError as e:
        raise UsageError(f"{where}: {e}") from e


def check_network(select: Select, place: Place) -> None:
    """The data set and its split, the architecture, the method and the keys of its settings.

    A method without a recipe is one of an added run. Raises: UsageError naming the nearest.
    """
    dataset = select.dataset or ""
    splits = data.resolve(dataset)[0].splits
    if splits and select.split not in (None, *splits, EPISODE, HELD_OUT):
        raise UsageError(nearest(select.split or "", (*splits, EPISODE, HELD_OUT), "split"))
    arch = None if select.arch is None else models.resolve(select.arch)
    settings = dict(select.settings)
    trained_on = data.resolve(settings.pop("dataset", dataset))[0].name
    if select.method is None or canonical(select.method) == PRETRAINED:
        return
    try:
        check_settings(select.method, trained_on, arch, json.dumps(settings, sort_keys=True))
    except UsageError:
        if settings or all(run.info.method != canonical(select.method) for run in read_runs(place.results)):
            raise


@cache
def check_settings(method: str, dataset: str, arch: str | None, settings: str) -> None:
    """The method and the keys of its settings (JSON). Raises: UsageError naming the nearest."""
    load(method, dataset, arch, preset=json.loads(settings))


def check_measurement(select: Select) -> None:
    """The metric and its variant, the explainer and the target. Raises: UsageError naming the nearest."""
    metric = find_metric(select.metric or "")
    variants = ", ".join(name for name in metric.variants if name)
    if select.variant is None and len(metric.variants) > 1:
        raise UsageError(f"{metric.name}: expected its variant, got none. Known: {variants}.")
    if select.variant is not None and select.variant not in metric.variants:
        raise UsageError(nearest(select.variant, metric.variants, f"variant of {metric.name}"))
    explainer = select.explainer and find_explainer(select.explainer).name
    target = select.target and find_target(select.target)[0].name
    if not metric.looks and (explainer or target):
        raise UsageError(f"{metric.name} looks at no map: expected no explainer and no target, got {explainer or target}.")
    if metric.fixed and explainer not in (None, metric.fixed):
        raise UsageError(f"{metric.name} looks at maps of {metric.fixed} alone, got {explainer}; leave it out.")
