"""Plan: table recipes -> the trainings and measurements behind their cells, each once, with what is there and what lacks.

A training's identity is its resolved recipe, so two tables that ask for it in other words share it. Heatmaps are no jobs of
their own: a measurement makes those that it looks at.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from cambench import data, objectives
from cambench.lookup import canonical
from cambench.metrics import find_metric
from cambench.recipes import load as recipes
from cambench.recipes.schema import TrainingRecipe
from cambench.recipes.tables import CellRecipe, Select, TableRecipe, cells
from cambench.stages import identity
from cambench.stages.network import LAST
from cambench.stages.reproducing import roles
from cambench.stages.reproducing.measurement import Measurement, eval_split
from cambench.stages.training.own import load_recipe
from cambench.store.keys import file_hash, job_key
from cambench.vocabulary import TARGET, UsageError

State = Literal["finished", "partly", "missing", "blocked", "unknown"]
"""`blocked`: data or weights are not there. `unknown`: it names a method, setting, metric … that there is not."""
PRETRAINED = "pretrained"
STAND_IN_SEEDS = 3
LABELLED_AS = {"unrel": "imagenet"}
"""Data sets without a training split: whose networks are measured on them (unless `settings.dataset` says it)."""


@dataclass(frozen=True)
class Network:
    """A network that a cell needs: trained here, or given (then `arch` is its RUN, and there is neither data nor seed).

    dataset: the data set's spec. preset: the table recipe's settings. overrides: `a.b=value` texts of the command line.
    weights: the checkpoint file from which recipes begin that need one. drawn: what a search drew, as `a.b=value` texts;
    role: what the network is to it (`roles`), "" where nothing is searched.
    """

    method: str
    arch: str | None
    dataset: str = ""
    seed: int = 0
    preset: Mapping[str, Any] = field(default_factory=dict)
    overrides: tuple[str, ...] = ()
    file: Path | None = None
    drawn: tuple[str, ...] = ()
    role: str = ""

    @property
    def settings(self) -> tuple[str, ...]:
        """All of its `a.b=value` texts."""
        return *self.overrides, *self.drawn

    @property
    def given(self) -> bool:
        """True where nothing is trained."""
        return self.method == PRETRAINED

    @cached_property
    def recipe(self) -> TrainingRecipe:
        """The resolved training recipe.

        Raises: UsageError for a method or a setting that is not there.
        """
        return load_recipe(self.method, self.dataset.partition(":")[0], self.arch, self.settings, self.preset)

    @property
    def weights(self) -> Path | None:
        """The file of initial weights, for a recipe that begins from one."""
        return self.file if self.recipe.model.init == "swav" else None

    @property
    def base(self) -> Network | None:
        """The network from whose training this one begins."""
        try:
            method = None if self.given else self.recipe.model.base
        except UsageError:
            return None
        if method is None:
            return None
        preset, overrides = recipes.handed_down(self.recipe, self.preset, self.settings)
        return Network(method, self.recipe.arch, self.dataset, self.seed, preset, overrides)

    @property
    def follows(self) -> bool:
        """Whether its first epochs may be another training's, which is then better trained before it."""
        try:
            return not self.given and objectives.find_objective(self.recipe.objective).until_start is not None
        except UsageError:
            return False

    @cached_property
    def key(self) -> str:
        """Equal networks have equal keys, in whatever words they are asked for."""
        if self.given:
            return job_key(identity.of_given(self.arch or "", None, None))
        try:
            described: dict[str, Any] = self.recipe.model_dump(mode="json")
            file = file_hash(self.weights) if self.weights and self.weights.is_file() else None
        except UsageError:
            described, file = {"method": self.method, "arch": self.arch, **self.preset}, None
        return job_key(identity.of_training(described, self.dataset, self.seed, weights=file))

    @property
    def label(self) -> str:
        """For a person, without the seed: method, data set, architecture, and what the table recipe sets."""
        if self.given:
            return str(self.arch)
        try:
            arch: str | None = self.recipe.arch
        except UsageError:
            arch = self.arch
        parts = [self.method, self.dataset, arch or "", *(f"{k.split('.')[-1]}={v}" for k, v in self.preset.items())]
        return " ".join(filter(None, [*parts, roles.words(self.role, self.drawn)]))


@dataclass(frozen=True, order=True)
class CellPlace:
    """A cell of a table: row and column counted from 0."""

    table: str
    row: int
    column: int


@dataclass
class Job:
    """A training (`measurement` None) or a measurement, the cells that need it, and what is known of it.

    needs: keys of jobs that come first. left: share that is left to do, detail: how far it is. reasons: why it cannot run,
    each with its mend.
    """

    network: Network
    measurement: Measurement | None = None
    needs: tuple[str, ...] = ()
    cells: list[CellPlace] = field(default_factory=list)
    state: State = "missing"
    left: float = 1.0
    detail: str = ""
    reasons: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Identity: two jobs with one key are one."""
        return job_key([self.network.key, None if self.measurement is None else self.measurement.label])

    @property
    def label(self) -> str:
        """For a person, without the seed."""
        if self.measurement is None:
            return f"train {self.network.label}"
        return f"eval {self.measurement.label}: {self.network.label}"

    @property
    def title(self) -> str:
        """For a person, in one line."""
        return self.label if self.network.given else f"{self.label}, seed {self.network.seed}"


@dataclass(frozen=True)
class Wish:
    """What `reproduce` was asked for, beyond what is in the recipes already. on: the spec of the data set that stands in.

    search: how many draws of a network's settings (None: no search). ranges: `a.b=RANGE` texts in place of the recipes'.
    """

    on: str | None = None
    seeds: int | None = None
    overrides: tuple[str, ...] = ()
    weights: Path | None = None
    search: int | None = None
    ranges: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, count in (("seeds", self.seeds), ("search", self.search)):
            if count is not None and count < 1:
                raise UsageError(f"--{name} {count}: expected at least 1.")
        if self.ranges and self.search is None:
            raise UsageError("--range: expected --search N beside it, whose draws are taken from it.")

    def seeds_of(self, table: TableRecipe, cell: CellRecipe) -> int:
        """How many trainings a cell takes: the paper's number; of a stand-in, at most 3."""
        usual = cell.seeds if table.stand_in is None else min(cell.seeds, STAND_IN_SEEDS)
        return usual if self.seeds is None else self.seeds

    def network(self, select: Select, seed: int) -> Network:
        """The network that a selection needs."""
        assert select.method is not None and select.dataset is not None
        if canonical(select.method) == PRETRAINED:
            return Network(PRETRAINED, select.arch)
        settings = dict(select.settings)
        name = settings.pop("dataset", LABELLED_AS.get(canonical(select.dataset), select.dataset))
        arch = select.arch and select.arch.removeprefix("torchvision:")
        method = canonical(select.method)
        return Network(method, arch, self.spec(name), seed, settings, self.overrides, self.weights)

    def spec(self, name: str) -> str:
        """How a data set is loaded: `--on cub:PATH` is recorded as cub, and found at its path."""
        return self.on if self.on is not None and canonical(data.called(self.on)) == canonical(name) else name


def measurement(select: Select, wish: Wish) -> Measurement:
    """What a selection measures. An unknown metric is kept as it is: the job will say that it is not there."""
    assert select.metric is not None and select.dataset is not None
    facts: dict[str, Any] = {"explainer": None, "target": None, "layer": None}
    try:
        metric = find_metric(select.metric)
        name, looks, explainer = metric.name, metric.looks, metric.explainer_of(select.explainer)
    except UsageError:
        name, looks, explainer = select.metric, select.explainer is not None, select.explainer or ""
    if looks:
        facts = {"explainer": explainer, "target": select.target or TARGET, "layer": select.layer}
    facts["checkpoint"] = select.checkpoint or LAST
    return Measurement(name, wish.spec(select.dataset), select.split or eval_split(select.dataset), **facts)


Expand = Callable[[Network, Measurement, str], list[tuple[Network, Measurement]]]
"""A network, a measurement of it, the table that shows it -> what has to be measured for that."""


def make_jobs(
    tables: Sequence[TableRecipe], wish: Wish, at_hand: Callable[[Network], bool], expand: Expand | None = None
) -> list[Job]:
    """Every job once, what it needs before it, the first seed of all cells before the second.

    at_hand: network -> whether it is there or can be fetched, which decides between a cell's alternatives.
    """
    jobs: dict[str, Job] = {}
    cells_of = [(table, place, cell) for table in tables for place, cell in places(table)]
    selections = [
        (wish.seeds_of(table, cell), place, select)
        for table, place, cell in cells_of
        for select in (cell.alternatives if cell.mean else [chosen(cell, wish, at_hand)])
    ]
    for seed in range(max((seeds for seeds, _, _ in selections), default=0)):
        asked = [
            (wish.network(select, seed), measurement(select, wish), place)
            for seeds, place, select in selections
            if seed < seeds and (seed == 0 or canonical(select.method or "") != PRETRAINED)
        ]
        for network, what, place in sorted(asked, key=lambda one: one[0].follows):
            for needed in expand(network, what, place.table) if expand else [(network, what)]:
                add(jobs, *needed, place)
    return list(jobs.values())


def places(table: TableRecipe) -> list[tuple[CellPlace, CellRecipe]]:
    """The cells in which there is something to run."""
    grid = enumerate(cells(table))
    every = [(CellPlace(table.id, r, c), cell) for r, row in grid for c, cell in enumerate(row)]
    return [(place, cell) for place, cell in every if not cell.published_only]


def chosen(cell: CellRecipe, wish: Wish, at_hand: Callable[[Network], bool]) -> Select:
    """The alternative to work for: the first that is at hand; where none is, a given network, else the last one.

    A given network that lacks its weights is not trained instead: that would cost days where a download takes a minute.
    """
    for select in cell.alternatives if len(cell.alternatives) > 1 else ():
        if at_hand(wish.network(select, 0)):
            return select
    given = [s for s in cell.alternatives if canonical(s.method or "") == PRETRAINED]
    return (given or cell.alternatives[-1:])[0]


def add(every: dict[str, Job], network: Network, what: Measurement, place: CellPlace) -> None:
    """Enter a network's training and a measurement of it, or the cell that also needs them."""
    jobs = trainings(network)
    jobs.append(Job(network, what, tuple(job.key for job in jobs[-1:])))
    for job in jobs:
        known = every.setdefault(job.key, job).cells
        if place not in known:
            known.append(place)


def trainings(network: Network) -> list[Job]:
    """The training of a network, after that of the network from which it begins; none of a given one."""
    if network.given:
        return []
    before = [] if network.base is None else trainings(network.base)
    return [*before, Job(network, needs=tuple(job.key for job in before[-1:]))]
