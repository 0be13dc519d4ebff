"""Which records bear on a claim: on which data and network it is measured, and which runs stand side by side."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cambench.data.index import INDEX
from cambench.lookup import bare_arch, canonical
from cambench.metrics import find_metric
from cambench.recipes.claims import Claim, Part
from cambench.recipes.stand_in import STAYING
from cambench.recipes.tables import Select
from cambench.report.tables.select import data_of, groups, matches, other_constants, part_of, recipe_of
from cambench.report.tables.varied import named
from cambench.store.records import Record
from cambench.vocabulary import TARGET, UsageError

Group = Sequence[Record]
"""Records that differ in nothing but the seed."""
ALIKE = ("train", "optimizer", "schedule", "input")
"""Those in which methods that are compared should be alike."""


@dataclass(frozen=True, order=True)
class Where:
    """The data set and architecture on which a claim is judged; of an explanation, the method of the network too."""

    dataset: str
    arch: str
    method: str = ""


def wheres(claim: Claim, records: Sequence[Record]) -> list[Where]:
    """Every data set and network on which something of the claim's first sides is measured, its own data first."""
    made = set()
    for part in claim.parts:
        side = claim.joined(part, part.a)
        for dataset, arch in {(r.dataset, bare_arch(r.arch)) for r in records}:
            place = Where(dataset, arch)
            fitting = [r for r in records if matches(moved(side, claim, place), r) and as_its_recipe(r, side)]
            made |= {Where(dataset, arch, r.method if claim.about == "explanation" else "") for r in fitting}
    allowed = [where for where in made if not (claim.bound and is_elsewhere(claim, where))]
    return sorted(allowed, key=lambda where: (is_elsewhere(claim, where), where))


def is_elsewhere(claim: Claim, where: Where) -> bool:
    """Whether the data is not the paper's own."""
    return canonical(where.dataset) not in map(canonical, claim.on)


def moved(select: Select, claim: Claim, where: Where) -> Select:
    """The selection on a data set and network: its evaluation split, its episodes, or its training split."""
    entry = INDEX.get(canonical(where.dataset).partition(":")[0])
    split = select.split if select.split in STAYING else entry.splits[-1] if entry is not None and entry.splits else None
    name = select.metric or ""
    metric = find_metric(claim.cheaper.get(name, name) if is_elsewhere(claim, where) else name)
    update: dict[str, Any] = {"dataset": where.dataset, "split": split, "arch": where.arch, "layer": None}
    update |= {"metric": metric.name}
    if metric.looks:
        update |= {"explainer": metric.explainer_of(select.explainer)}
    if metric.targeted:
        update |= {"target": select.target or TARGET}
    if claim.about == "explanation":  # what is said of maps holds for any network, however it was trained
        update |= {"method": where.method or None}
    settings = {key: value for key, value in select.settings.items() if key != "dataset"}
    return select.model_copy(update={**update, "settings": settings})


def as_its_recipe(record: Record, select: Select) -> bool:
    """Whether a run's own constants are those of its method's recipe with the selection's settings.

    So a run of λ = 1 is never taken for the method at the paper's λ, nor one with images held out for one without. How
    long, at which rate and size it was trained is not asked. A run without a recipe (given, added) counts as it is.
    """
    return not other_constants(record, select.settings)


class UnmeasuredError(UsageError):
    """A side of a comparison of which there is no record."""


def side_by_side(selects: Sequence[Select], records: Sequence[Record]) -> tuple[list[Group], list[str]]:
    """For each selection the records to compare, one a seed that all have, and the settings in which their trainings differ.

    Of several groups those of one set of images are taken, then those trained most alike, then as `rank` has it.
    Raises: UnmeasuredError where one is not measured, UsageError where no seed is common.
    """
    every = [groups(r for r in records if matches(select, r) and as_its_recipe(r, select)) for select in selects]
    for select, its in zip(selects, every, strict=True):
        if not its:
            raise UnmeasuredError(f"{words(select, selects)} is not measured{instead(select, records)}")
    ranked = [(rank(combination), combination) for combination in itertools.product(*(enumerate(its) for its in every))]
    _, best = min(ranked, key=lambda one: one[0])
    seeds = shared_seeds([group for _, group in best])
    if not seeds:
        raise UsageError("no seed of one is a seed of the other")
    by_seed = [{record.seed: record for record in group} for _, group in best]
    return [[own[seed] for seed in seeds] for own in by_seed], differing([group for _, group in best])


def instead(select: Select, records: Sequence[Record]) -> str:
    """` at its recipe's constants (data.masks)`, where it is measured at others; "" where it is not measured at all."""
    others = [other_constants(record, select.settings) for record in records if matches(select, record)]
    return f" at its recipe's constants ({', '.join(sorted(others, key=len)[0])} differs)" if others else ""


def rank(combination: Sequence[tuple[int, Group]]) -> tuple[int, ...]:
    """Sort key: of one set of images, trained alike, then measured alike (layer, precision), more seeds in common, the
    preferred groups.
    """
    chosen = [group for _, group in combination]
    images = len({(data_of(group[0]), part_of(group[0])) for group in chosen})
    measured = len({(group[0].layer, group[0].precision) for group in chosen})
    return images, len(differing(chosen)), measured, -len(shared_seeds(chosen)), sum(index for index, _ in combination)


def shared_seeds(chosen: Sequence[Group]) -> list[int]:
    """The seeds that all groups have."""
    return sorted(set.intersection(*({record.seed for record in group} for group in chosen)))


def differing(chosen: Sequence[Group]) -> list[str]:
    """Settings of the training, beside a method's own constants, in which the groups differ: `train.epochs`.

    A given network, which has none, differs in nothing.
    """
    recipes = [recipe_of(group[0]) for group in chosen]
    tables = [{table: recipe[table] for table in ALIKE if isinstance(recipe.get(table), dict)} for recipe in recipes]
    flat = [{f"{t}.{k}": v for t, table in own.items() for k, v in table.items()} for own in tables if own]
    keys = dict.fromkeys(key for own in flat for key in own)
    return [key for key in keys if any(own.get(key) != flat[0].get(key) for own in flat)]


def words(select: Select, beside: Sequence[Select]) -> str:
    """A side in words: its method and settings, and what of its maps differs from the others: `cgc weight 0`."""
    maps = [name for name in ("explainer", "target") if len({getattr(other, name) for other in beside}) > 1]
    alone = len({other.method for other in beside}) == 1 and bool(maps) and not select.settings
    parts = [*([] if alone or not select.method else [select.method]), *(str(getattr(select, name)) for name in maps)]
    varied = {k: v for k, v in select.settings.items() if any(other.settings.get(k) != v for other in beside)}
    return " ".join([*parts, *named(varied, [*varied])])


def part_in_words(claim: Claim, part: Part) -> list[str]:
    """What both sides of a part have in common and other parts have otherwise: `hires-cam`, `shots 5`."""
    own, others = common(claim, part), [common(claim, other) for other in claim.parts]
    differ = {key: value for key, value in own.items() if any(other.get(key, value) != value for other in others)}
    maps = [str(differ.pop(name)) for name in ("explainer", "target") if name in differ]
    return [*maps, *named(differ, [*differ])]


def common(claim: Claim, part: Part) -> dict[str, Any]:
    """Explainer, target and settings that the sides of a part share."""
    sides = [claim.joined(part, side) for side in (part.a, part.b) if side is not None]
    first, *others = [{"explainer": side.explainer, "target": side.target, **side.settings} for side in sides]
    return {k: v for k, v in first.items() if v is not None and all(other.get(k) == v for other in others)}


def selects_of(claim: Claim, part: Part, where: Where) -> list[Select]:
    """a, then what is set against it (b, and the pair whose difference is taken off), on a data set and network."""
    other = [part.than.a, part.than.b] if part.than is not None else []
    given = [part.a, *([part.b] if part.b is not None else []), *other]
    return [moved(claim.joined(part, side), claim, where) for side in given]
