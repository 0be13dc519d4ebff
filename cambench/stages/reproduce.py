"""Reproduce: a paper's table from its recipe – plan, run what is missing, print the table with what lacks and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from cambench import data, models
from cambench.lookup import canonical
from cambench.recipes import stand_in
from cambench.recipes.load import DEFAULT_ARCH
from cambench.recipes.part import part
from cambench.recipes.published import load_published
from cambench.recipes.tables import Line, TableRecipe, load_tables
from cambench.report import Table
from cambench.report.paper import paper_table
from cambench.stages.evaluate import announce, evaluate
from cambench.stages.explain import open_data
from cambench.stages.jobs import Place
from cambench.stages.launch import launch, visible
from cambench.stages.networks import load_network, open_run
from cambench.stages.onhand import at_hand, find_network, settle, taken_over
from cambench.stages.plan import Job, Network, Wish, make_jobs, places
from cambench.stages.progress import say
from cambench.stages.rows import EvalJob
from cambench.stages.train import TrainJob, train
from cambench.store.records import Record, records_of
from cambench.store.runs import Run
from cambench.vocabulary import CambenchError, UsageError


@dataclass(frozen=True)
class Plan:
    """The tables as they will be printed, and the jobs behind their cells in the order in which they can be done."""

    tables: list[TableRecipe]
    jobs: list[Job]

    @property
    def left(self) -> list[Job]:
        """What there is to do and can be done."""
        return [job for job in self.jobs if job.state in ("missing", "partly")]


@dataclass(frozen=True)
class Choice:
    """Which tables ("cgc/6", or "cgc" for all of a paper), which rows and columns of them, on which data and network."""

    tables: Sequence[str]
    rows: Sequence[str] = ()
    columns: Sequence[str] = ()
    on: str | None = None
    arch: str | None = None


def make_plan(choice: Choice, wish: Wish, place: Place) -> Plan:
    """What has to be done for the tables, and what is there.

    Raises: UsageError for a table, data set, architecture, row or column that there is not.
    """
    tables = recipes(choice, place)
    jobs = make_jobs(tables, wish, partial(at_hand, place=place))
    for job in jobs:
        settle(job, place)
    for job in jobs:
        job.left -= taken_over(job, jobs, place)
    by_key = {job.key: job for job in jobs}
    for job in jobs:  # a measurement waits for what its training waits for
        inherited = [reason for key in job.needs for reason in by_key[key].reasons]
        if inherited and job.state in ("missing", "partly"):
            job.state, job.reasons = "blocked", tuple(inherited)
    return Plan(tables, jobs)


def recipes(choice: Choice, place: Place) -> list[TableRecipe]:
    """The chosen tables and parts of them, on the data set that stands in for the paper's, if one does."""
    if choice.arch is not None:
        if choice.on is None:
            raise UsageError(
                "--arch: expected --on DATASET beside it; the paper's own data goes with its own architectures."
            )
        models.resolve(choice.arch)
    loaded = list({recipe.id: recipe for name in choice.tables for recipe in load_tables(name)}.values())
    if choice.on is None:
        return part(loaded, choice.rows, choice.columns)
    entry, own = data.resolve(choice.on)[0], data.called(choice.on)
    arch = choice.arch or DEFAULT_ARCH.get(entry.name)
    split = entry.default_eval_split if entry.splits else data.splits(choice.on, place.data)[-1]

    others = {canonical(name): of_task(entry, name, own) for recipe in loaded for name in stand_in.datasets(recipe)}
    names = {old: new for r in loaded for old, new in stand_in.replaced(r, own, arch, others).items()}

    def renamed(line: Line) -> Line:
        return stand_in.replace(line, split, arch, names)

    parts = part(loaded, choice.rows, choice.columns, renamed)
    options: dict[str, Any] = {"split": split, "arch": arch, "others": others}
    made = [stand_in.stand_in(recipe, own, **options) for recipe in parts if places(recipe)]
    if not made:
        of = ", ".join(recipe.id for recipe in loaded)
        raise UsageError(
            f"--on {choice.on}: expected something to run, got nothing in what was chosen of {of}, "
            "so there is nothing to stand in for; leave out --on."
        )
    return made


def of_task(entry: data.DatasetEntry, name: str, own: str) -> str:
    """The set of a stand-in's family whose labels are as those of the data set `name`; its `own` name where it has none."""
    known = data.INDEX.get(canonical(name))
    return own if known is None else entry.for_task.get(known.task, own)


def reproduce(plan: Plan, place: Place) -> tuple[list[Table], bool]:
    """Do what is left, one worker a device. -> the tables with what was measured, and whether no cell lacks anything."""
    left = plan.left
    if left:
        say(f"{len(left)} of {len(plan.jobs)} jobs to do")
    failed = launch(left, perform, place, visible(place.device)) if left else {}
    return tables(plan, failed, place), not failed and not any(job.reasons for job in plan.jobs)


def perform(job: Job, place: Place) -> None:
    """Do one job as the verb would: `cambench train`, or `cambench eval` of the run that it is about.

    Raises: CambenchError as they do.
    """
    network, what = job.network, job.measurement
    if what is None:
        facts = (network.method, network.dataset, network.arch, network.seed, None, network.weights)
        train(TrainJob(*facts, overrides=network.overrides, preset=network.preset), place)
        return
    loaded = load_network(network_run(network, place), place, layer=what.layer, checkpoint=what.checkpoint)
    spec = None if what.dataset == network.dataset else what.dataset
    dataset = open_data(loaded, place, spec, "eval" if what.split == "episode" else what.split, None)
    announce(evaluate(EvalJob(what.metric, what.explainer or "grad-cam", what.target or "logit"), loaded, dataset, place))


def network_run(network: Network, place: Place) -> Run:
    """The run of a network that is there by now."""
    if network.given:
        return open_run(network.arch or "", place)
    found = find_network(network, place)
    if found is None:
        raise CambenchError(f"{network.label}: expected its run under {place.results / 'runs'}, found none; run this again.")
    return found


def tables(plan: Plan, failed: dict[str, str], place: Place) -> list[Table]:
    """The tables from the records of the plan's runs, with a footnote at each cell of which something lacks."""
    found = records(plan, place)
    why = lacking(plan, failed)
    return [paper_table(t, found, load_published(t.id.partition("/")[0]), why.get(t.id, {})) for t in plan.tables]


def records(plan: Plan, place: Place) -> list[Record]:
    """Every record of the plan's runs."""
    networks = {job.network.key: job.network for job in plan.jobs if job.state != "unknown"}
    runs = {run.name for network in networks.values() if (run := find_network(network, place)) is not None}
    return [record for name in sorted(runs) for _, record in records_of(place.results, name)]


def lacking(plan: Plan, failed: dict[str, str]) -> dict[str, dict[tuple[int, int], list[str]]]:
    """Table -> (row, column) -> sentences on what was not measured and why; equal reasons of several seeds are one."""
    seeds: dict[tuple[str, int, int], dict[str, list[int]]] = {}
    every: dict[tuple[str, int, int], set[int]] = {}
    for job in plan.jobs:
        reasons = [failed[job.key]] if job.key in failed else job.reasons
        for cell in job.cells:
            at = (cell.table, cell.row, cell.column)
            every.setdefault(at, set()).add(job.network.seed)
            for reason in reasons:
                found = seeds.setdefault(at, {}).setdefault(reason, [])
                found += [job.network.seed] if job.network.seed not in found else []
    said: dict[str, dict[tuple[int, int], list[str]]] = {}
    for (table, row, column), by_reason in seeds.items():
        sentences = [lack(reason, those, every[table, row, column]) for reason, those in by_reason.items()]
        said.setdefault(table, {})[row, column] = sentences
    return said


def lack(reason: str, those: Sequence[int], every: set[int]) -> str:
    """The footnote of a cell: `Not measured: …`, or `Seed 2 not measured: …` where others are."""
    if set(those) == every:
        return f"Not measured: {reason}"
    return f"Seed{'s' if len(those) > 1 else ''} {', '.join(map(str, those))} not measured: {reason}"
