"""Reproduce: a paper's table from its recipe – plan, run what is missing, print the table with what lacks and why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from cambench import data
from cambench.recipes.published import load_published
from cambench.recipes.tables import TableRecipe
from cambench.report import Table
from cambench.report.tables.paper import paper_table
from cambench.stages.divergence import STOPPED
from cambench.stages.images import open_data
from cambench.stages.measuring.evaluate import evaluate
from cambench.stages.network import load_network, open_run
from cambench.stages.progress import say
from cambench.stages.reporting.choice import Choice, recipes
from cambench.stages.reproducing.inventory import at_hand, find_network, settle, taken_over
from cambench.stages.reproducing.lacks import asked_of, images, split_of, training
from cambench.stages.reproducing.launch import Launch, local
from cambench.stages.reproducing.plan import Job, Network, Wish, make_jobs
from cambench.stages.reproducing.roles import DRAW, OPEN
from cambench.stages.reproducing.searches import Searches, searches_of
from cambench.stages.reproducing.unused import check_used
from cambench.stages.training.train import train
from cambench.stages.workplace import Place
from cambench.store.records import Record, records_of
from cambench.store.runs import Run
from cambench.vocabulary import CambenchError, NotFiniteError


@dataclass(frozen=True)
class Plan:
    """The tables as they will be printed, and the jobs behind their cells in the order in which they can be done."""

    tables: list[TableRecipe]
    jobs: list[Job]
    searches: Searches | None = None
    remake: Callable[[], Plan] | None = None
    """Makes it anew, for what its searches have found by then."""

    @property
    def left(self) -> list[Job]:
        """What there is to do and can be done; what a search decides can not, before."""
        return [job for job in self.jobs if job.state in ("missing", "partly") and job.network.role != OPEN]


def make_plan(choice: Choice, wish: Wish, place: Place) -> Plan:
    """What has to be done for the tables, and what is there.

    Raises: UsageError for a table, data set, architecture, row or column that there is not; as `check_used`.
    """
    tables = recipes(choice, place)
    searches = searches_of(tables, wish, place)
    images.cache_clear()
    with data.kept():
        jobs = make_jobs(tables, wish, partial(at_hand, place=place), searches.expand if searches else None)
        known: dict[str, tuple[str, ...]] = {}
        for job in jobs:
            settle(job, place, known)
        check_used(wish, jobs)
        for job in jobs:
            job.left -= taken_over(job, jobs, place)
    by_key = {job.key: job for job in jobs}
    for job in jobs:  # a measurement waits for what its training waits for
        inherited = [reason for key in job.needs for reason in by_key[key].reasons]
        if inherited and job.state in ("missing", "partly"):
            job.state, job.reasons = "blocked", tuple(inherited)
    return Plan(tables, jobs, searches, partial(make_plan, choice, wish, place))


def searched(plan: Plan, place: Place, launch: Launch) -> Plan:
    """The plan after its searches: their draws trained and measured, and the cells' jobs those of the best ones.

    A search of which a draw could not be done stays open, and its cells say why.
    """
    assert plan.remake is not None
    draws = [job for job in plan.left if job.network.role == DRAW]
    failed = do(draws, plan, place, launch)
    after = plan.remake()
    assert after.searches is not None
    after.searches.keep()
    for job in after.jobs:
        if job.network.role == OPEN and not job.reasons:
            own = set(job.cells)
            lacks = (failed[other.key] for other in after.jobs if other.key in failed and own <= {*other.cells})
            job.reasons = (f"its search is not decided: {next(lacks, 'a draw is missing')}",)
    return after


def do(left: Sequence[Job], plan: Plan, place: Place, launch: Launch) -> dict[str, str]:
    """Do jobs of a plan. -> key -> why it failed."""
    if not left:
        return {}
    say(f"{len(left)} of {len(plan.jobs)} jobs to do")
    return launch(left, perform, place)


def reproduce(plan: Plan, place: Place, launch: Launch = local) -> tuple[list[Table], bool]:
    """Do what is left, searches first. -> the tables with what was measured, and whether no cell lacks anything."""
    plan = plan if plan.searches is None else searched(plan, place, launch)
    failed = do(plan.left, plan, place, launch)
    return tables(plan, failed, place), not failed and not any(job.reasons for job in plan.jobs)


def perform(job: Job, place: Place) -> None:
    """Do one job as the verb would: `cambench train`, or `cambench eval` of the run that it is about.

    Raises: CambenchError as they do.
    """
    network, what = job.network, job.measurement
    if what is None:
        train(training(network), place)
        return
    loaded = load_network(network_run(network, place), place, layer=what.layer, checkpoint=what.checkpoint)
    spec = None if what.dataset == network.dataset else what.dataset
    dataset = open_data(loaded, place, spec, split_of(what), None)
    try:
        say(str(evaluate(asked_of(what), loaded, dataset, place)))
    except NotFiniteError as e:
        if network.role == DRAW:  # a network that says nothing finite is a draw that is done, and has no value
            loaded.run.save(warnings=[*loaded.run.info.warnings, f"{STOPPED}{e}"])
        raise


def network_run(network: Network, place: Place) -> Run:
    """The run of a network that is there by now."""
    if network.given:
        return open_run(network.arch or "", place)
    trained = find_network(network, place)
    if trained is None:
        raise CambenchError(f"{network.label}: expected its run under {place.results / 'runs'}, found none; run this again.")
    return trained


def tables(plan: Plan, failed: dict[str, str], place: Place) -> list[Table]:
    """The tables from the records of the plan's runs, with a footnote at each cell of which something lacks."""
    stored = records(plan, place)
    why = lacking(plan, failed)
    return [paper_table(t, stored, load_published(t.id.partition("/")[0]), why.get(t.id, {})) for t in plan.tables]


def records(plan: Plan, place: Place) -> list[Record]:
    """Every record of the plan's runs."""
    networks = {job.network.key: job.network for job in plan.jobs if job.state != "unknown"}
    runs = {run.name for network in networks.values() if (run := find_network(network, place)) is not None}
    return [record for name in sorted(runs) for record in records_of(place.results, name)]


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
                numbers = seeds.setdefault(at, {}).setdefault(reason, [])
                numbers += [job.network.seed] if job.network.seed not in numbers else []
    lacks: dict[str, dict[tuple[int, int], list[str]]] = {}
    for (table, row, column), by_reason in seeds.items():
        sentences = [lack(reason, those, every[table, row, column]) for reason, those in by_reason.items()]
        lacks.setdefault(table, {})[row, column] = sentences
    return lacks


def lack(reason: str, those: Sequence[int], every: set[int]) -> str:
    """The footnote of a cell: `Not measured: …`, or `Seed 2 not measured: …` where others are."""
    if set(those) == every:
        return f"Not measured: {reason}"
    return f"Seed{'s' if len(those) > 1 else ''} {', '.join(map(str, those))} not measured: {reason}"
