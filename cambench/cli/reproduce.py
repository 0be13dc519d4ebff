"""cambench reproduce TABLE|PAPER."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cambench.cli import options as o
from cambench.cli.report import one_format, show
from cambench.cli.strict import refuse_unused

Tables = Annotated[
    list[str] | None,
    typer.Argument(metavar="[TABLE]...", help="cgc/6; a paper (cgc) for all of its tables; your own FILE.toml."),
]
Claims = Annotated[
    list[str] | None,
    typer.Option(
        "--claims", metavar="CLAIM", help="What decides an experiment (e1), a paper's claims (cgc), one (cgc-ch), FILE.toml."
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say what would be done, what lacks and what it takes.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="With --dry-run: every job, and not only groups of them.")]
As = Annotated[
    str | None, typer.Option("--as", metavar="DEVICE", help="With --dry-run: its times on h100, a100, rtx4090 or cpu.")
]
On = Annotated[str | None, typer.Option("--on", metavar="DATASET", help="Stand in for the paper's data: synthbirds, cub …")]
Seeds = Annotated[
    int | None, typer.Option("--seeds", min=1, help="Trainings a cell; else the paper's, with --on at most 3.")
]
Rows = Annotated[list[str] | None, typer.Option("--rows", help="Only rows of this label; may be given several times.")]
Columns = Annotated[list[str] | None, typer.Option("--columns", help="Only columns of this label, likewise.")]
Settings = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Override every training recipe: train.epochs=2.")
]
Search = Annotated[
    int | None, typer.Option("--search", min=1, help="Choose settings by N draws a network, where the paper does (30).")
]
Weights = Annotated[Path | None, typer.Option("--weights", help="The checkpoint for recipes that begin from one.")]
Status = Annotated[bool, typer.Option("--status", help="Only say how far it is, and where its jobs are.")]
Launcher = Annotated[str, typer.Option("--launcher", help="local: one worker a visible device; ray; slurm.")]
Address = Annotated[
    str | None, typer.Option("--address", metavar="HOST:PORT", help="Of the ray cluster; else the one here.")
]
Partition = Annotated[str | None, typer.Option("--partition", help="Of Slurm; else its usual one.")]
Time = Annotated[
    str | None, typer.Option("--time", help="After which Slurm requeues a job, which goes on; as Slurm's own; else 4:00:00.")
]


FORMS = frozenset({"latex", "markdown", "csv", "html"})


def reproduce(
    context: typer.Context,
    tables: Tables = None,
    claims: Claims = None,
    dry_run: DryRun = False,
    verbose: Verbose = False,
    device_there: As = None,
    on: On = None,
    arch: o.ArchThere = None,
    seeds: Seeds = None,
    rows: Rows = None,
    columns: Columns = None,
    settings: Settings = None,
    search: Search = None,
    ranges: o.Ranges = None,
    weights: Weights = None,
    launcher: Launcher = "local",
    address: Address = None,
    partition: Partition = None,
    time: Time = None,
    status: Status = False,
    latex: o.Latex = False,
    markdown: o.Markdown = False,
    csv: o.Csv = False,
    html: o.Html = None,
    data_root: o.Data = o.DATA,
    results: o.Results = o.RESULTS,
    device: o.Device = "auto",
    workers: o.Workers = -1,
    download: o.Download = False,
    deterministic: o.Deterministic = False,
) -> None:
    """Train and measure whatever a paper's table still lacks, and print it beside the published numbers.

    Example: cambench reproduce cgc/6 --on synthbirds. Exit code 1 where a cell lacks something; its footnote says why.
    """
    every = frozenset(parameter.name or "" for parameter in context.command.params)
    modes = {"--dry-run": every - FORMS - {"status"}, "--status": every - FORMS, "reproduce": every}
    refuse_unused(context, "--dry-run" if dry_run else "--status" if status else "reproduce", modes)
    form = one_format(latex, markdown, csv, html)
    from cambench.stages.reporting.choice import Choice
    from cambench.stages.reporting.selection import Selection
    from cambench.stages.reproducing import reproduce as stage
    from cambench.stages.reproducing.launchers import launcher as launcher_of
    from cambench.stages.reproducing.outline import check_shown, print_plan, print_status
    from cambench.stages.reproducing.plan import Wish

    check_shown(dry_run, verbose, device_there)
    launch = launcher_of(launcher, address=address, partition=partition, time=time)
    place = o.place(data_root, results, device, workers, download, deterministic)
    choice = Choice(tables or (), rows or (), columns or (), on, arch, claims or ())
    wish = Wish(on, seeds, tuple(settings or ()), weights, search, tuple(ranges or ()))
    plan = stage.make_plan(choice, wish, place)
    if dry_run:
        print_plan(plan, place, verbose=verbose, device=device_there)
        return
    if status:
        print_status(plan, place)
        return
    made, whole = stage.reproduce(plan, place, launch)
    if claims:
        from cambench.stages.reporting.claims import judgements, show_claims

        show_claims(judgements(claims, place, on), form, html, place, lacks=made)
    else:
        show(made, form, html, place, Selection())
    if not whole:
        raise typer.Exit(1)
