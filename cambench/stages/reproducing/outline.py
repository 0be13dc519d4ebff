"""The plan as a person reads it before anything runs: jobs, what is there, what lacks and its mend, what it takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from cambench.lookup import not_used
from cambench.recipes.part import published_only
from cambench.recipes.tables import TableRecipe, natural
from cambench.report.formats.grid import grid
from cambench.report.tables.measure import listed
from cambench.stages.listing import output, print_rows
from cambench.stages.reproducing.cost import Estimate, Known, estimate, total
from cambench.stages.reproducing.plan import Job
from cambench.stages.reproducing.reproduce import Plan
from cambench.stages.reproducing.states import row_of
from cambench.stages.reproducing.states import states as known_states
from cambench.stages.workplace import Place

STATES = {
    "finished": "finished",
    "partly": "begun",
    "missing": "to do",
    "blocked": "blocked",
    "unknown": "cannot run",
}


def check_shown(dry_run: bool, verbose: bool, device: str | None) -> None:
    """Raises: UsageError for what says how a dry run is shown, where it is none."""
    for option, given in (("--verbose", verbose), ("--as", device is not None)):
        if given and not dry_run:
            raise not_used("reproduce", option, "--dry-run")


def print_plan(plan: Plan, place: Place, *, verbose: bool = False, device: str | None = None) -> None:
    """The plan on stdout: the total in one line, a line a group of jobs, what lacks, what can be done now.

    verbose: a line for jobs that differ in the seed alone. device: for which is estimated, in place of the one that is here.
    Raises: UsageError for a device that is not known.
    """
    console, known = output(), Known(place, device)
    estimates = {job.key: estimate(job, known) for job in plan.jobs}
    console.print(total_of(plan, estimates), style="bold", soft_wrap=True)
    several = ["for"] if len(plan.tables) > 1 else []
    head = ["job", "seeds" if verbose else "jobs", "state", "images", "time", "disk", *several]
    groups = grouped(plan.jobs, by_seed=verbose)
    rows = [row(g, total([estimates[job.key] for job in g]), by_seed=verbose)[: len(head)] for g in groups]
    right = [i for i, name in enumerate(head) if name in ("jobs", "images", "time", "disk")]
    if rows:
        console.print(grid(head, rows, console.width, right=right, ruled=True))
    for text in [*lacks(plan.jobs), *unrun(plan.tables), *sums(plan.jobs, estimates)]:
        console.print(text, soft_wrap=True)


def print_status(plan: Plan, place: Place) -> None:
    """How far the plan is, and of each job that is begun, queued or failed where and since when."""
    states = {state.key: state for state in known_states(place.results)}
    output().print(f"{names_of(plan)}: {counted(plan.jobs)}", style="bold", soft_wrap=True)
    left = [job for job in plan.jobs if job.state != "finished" and job.key in states]
    if left:
        print_rows([{**row_of(states[job.key]), "far": job.detail} for job in left])


def total_of(plan: Plan, estimates: Mapping[str, Estimate]) -> str:
    """`Plan of cgc/6 on synthbirds: 12 jobs: 12 to do; 5,904 images, 9 s, 5.6 MB of disk`; finished jobs take nothing."""
    takes = total([estimates[job.key] for job in plan.jobs if job.state not in ("finished", "unknown")])
    rest = f"; {takes.images:,} images, {duration(takes.seconds)}, {size(takes.bytes)} of disk" if takes.images else ""
    return f"{names_of(plan)}: {counted(plan.jobs)}{rest}"


def names_of(plan: Plan) -> str:
    """`Plan of cgc/6 on synthbirds`; a paper of many tables by its own name."""
    papers: dict[str, list[str]] = {}
    for table in plan.tables:
        papers.setdefault(table.id.partition("/")[0], []).append(table.id)
    names = ", ".join(f"{paper} ({len(ids)} tables)" if len(ids) > 3 else ", ".join(ids) for paper, ids in papers.items())
    return f"Plan of {names}{next((f' on {table.stand_in}' for table in plan.tables if table.stand_in), '')}"


def counted(jobs: Sequence[Job]) -> str:
    """`14 jobs: 2 finished, 3 to do, 9 blocked`; a table may need none."""
    if not jobs:
        return "no jobs"
    by_state = {word: sum(job.state == state for job in jobs) for state, word in STATES.items()}
    return f"{len(jobs)} jobs: {', '.join(f'{n} {word}' for word, n in by_state.items() if n)}"


def grouped(jobs: Iterable[Job], *, by_seed: bool) -> list[list[Job]]:
    """Jobs that differ in nothing but the seed, or in the network alone, in the order of the first of each."""
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in jobs:
        key = (job.label, job.state, job.detail) if by_seed else (kind(job), job.state)
        groups.setdefault(key, []).append(job)
    return list(groups.values())


def kind(job: Job) -> str:
    """What a job does, whatever its network and seed: a method on a data set, or a measurement."""
    if job.measurement is None:
        return f"train {job.network.method} on {job.network.dataset}"
    return f"eval {job.measurement.label}"


def row(group: Sequence[Job], takes: Estimate, *, by_seed: bool) -> tuple[str, ...]:
    """One line of the listing."""
    first = group[0]
    seeds = "" if first.network.given else listed([job.network.seed for job in group])
    state = STATES[first.state] + (f", {first.detail}" if first.state == "partly" and by_seed else "")
    tables = " ".join(sorted({cell.table for job in group for cell in job.cells}, key=natural))
    what = (first.label, seeds, state) if by_seed else (kind(first), str(len(group)), state)
    if first.state in ("finished", "unknown"):
        return *what, "", "", "", tables
    return *what, f"{takes.images:,}", duration(takes.seconds), size(takes.bytes), tables


def lacks(jobs: Iterable[Job]) -> list[str]:
    """What blocks jobs, each once, with how many of them."""
    blocked: dict[str, int] = {}
    for job in jobs:
        for reason in job.reasons:
            blocked[reason] = blocked.get(reason, 0) + 1
    lines = [f"- {reason} ({n} job{'s' if n > 1 else ''})" for reason, n in blocked.items()]
    return ["", "Lacking:", *lines] if lines else []


def unrun(tables: Iterable[TableRecipe]) -> list[str]:
    """The rows for which there is nothing to run."""
    lines = [f"- {table.id}: {', '.join(names)}" for table in tables if (names := published_only(table))]
    return ["", "Only published, unless `cambench add-run` gives the network:", *lines] if lines else []


def sums(jobs: Sequence[Job], estimates: dict[str, Estimate]) -> list[str]:
    """What can be done now and what is blocked take, and what the times are reckoned from."""
    lines = []
    for word, states in (("To do now", ("missing", "partly")), ("Blocked", ("blocked",))):
        takes = total([estimates[job.key] for job in jobs if job.state in states])
        if takes.images:
            time = f"{duration(takes.seconds)} of one device"
            lines.append(f"{word}: {takes.images:,} images, {time}, {size(takes.bytes)} of disk.")
    if basis := total(list(estimates.values())).basis:
        lines.append(f"Times from: {basis}.")
    elif all(job.state == "finished" for job in jobs):
        lines.append("Nothing is left to do.")
    return ["", *lines] if lines else []


def duration(seconds: float) -> str:
    """`40 s`, `12 min`, `3.2 h`, `410 h`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h" if seconds < 36e4 else f"{seconds / 3600:,.0f} h"


def size(count: float) -> str:
    """Bytes as `12 kB`, `3.4 MB`, `1.2 GB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if count >= 10 or unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
