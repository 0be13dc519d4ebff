"""cambench report [TABLE...]."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cambench.cli import options as o
from cambench.cli.strict import refuse_unused
from cambench.lookup import find
from cambench.vocabulary import UsageError

if TYPE_CHECKING:
    from cambench.report import Table


TABLE, FIGURE = "report", "--figure {}"
COMPARED = frozenset({"paired", "metric", "explainer", "target", "csv"})
PAGES = frozenset({"latex", "markdown", "csv"})
OF_TABLE = frozenset({"tables", "paper", "on", "arch"})
PICTURES = frozenset({"run", "dataset", "images"})
DRAWN = {
    "qualitative": PICTURES,
    "consistency": PICTURES,
    "contrast": PICTURES | {"explainer", "classes"},
    "blurred": PICTURES | {"explainer", "classes"},
    "versus": PICTURES | {"explainer", "classes"},
    "calm": PICTURES | {"class_sets"},
    "counterfactual": PICTURES | {"explainer"},
    "lambda": OF_TABLE,
    "gradient-sign": OF_TABLE,
    "remove-and-classify": OF_TABLE,
    "segmentation": OF_TABLE | PAGES,
    "convergence": frozenset({"run", "dataset", "on"}),
    "embedding": PICTURES | {"checkpoint"},
}
"""Figure -> the options that it uses, beside --figure and --out."""
MODES = {
    TABLE: OF_TABLE | PAGES | {"html"},
    "--paired": COMPARED,
    **{FIGURE.format(kind): used | {"figure", "out"} for kind, used in DRAWN.items()},
}
"""What a command line of `report` means, and the options that it then uses."""


Tables = Annotated[list[str] | None, typer.Argument(metavar="[TABLE]...", help="See cambench ls tables; none: the summary.")]
Paper = Annotated[str | None, typer.Option("--paper", help="Every table of a paper.")]
On = Annotated[str | None, typer.Option("--on", metavar="DATASET", help="A paper's table, on this data instead of its own.")]
Arch = Annotated[str | None, typer.Option("--arch", help="With --on: instead of the paper's networks.")]
Figure = Annotated[
    str | None,
    typer.Option(
        "--figure",
        help="qualitative, consistency, contrast, blurred, versus, calm, counterfactual, lambda, gradient-sign, "
        "remove-and-classify, segmentation, convergence or embedding, written to --out.",
    ),
]
Out = Annotated[Path | None, typer.Option("--out", help="A figure's file: .pdf or .png.")]
Shown = Annotated[
    list[str] | None,
    typer.Option("--run", help="Runs of a figure; none: all. contrast, blurred, versus, calm: one; embedding: any number."),
]
DatasetName = Annotated[str | None, typer.Option("--dataset", "-d", help="Data set of a figure.")]
Images = Annotated[int | None, typer.Option("--images", min=1, help="How many images a figure shows.")]
Classes = Annotated[
    int | None,
    typer.Option("--classes", min=2, max=3, help="Best classes of each image in contrast, blurred (2) and versus (3)."),
]
ClassSets = Annotated[
    list[Path] | None, typer.Option("--class-sets", help="CSV `class,set`, one more column of calm each; may be repeated.")
]
Paired = Annotated[
    tuple[str, str] | None, typer.Option("--paired", metavar="RUN_A RUN_B", help="Compare two runs image by image.")
]
Metrics = Annotated[list[str] | None, typer.Option("--metric", "-m", help="Metrics of --paired; none: all shared.")]
Explainers = Annotated[
    list[str] | None,
    typer.Option(
        "--explainer",
        "-e",
        help="Only this one in --paired; of contrast, blurred, versus; beside a run's own: counterfactual.",
    ),
]
Target = Annotated[str | None, typer.Option("--target", "-t", help="Only this target in --paired.")]


def report(
    context: typer.Context,
    tables: Tables = None,
    paper: Paper = None,
    on: On = None,
    arch: Arch = None,
    latex: o.Latex = False,
    markdown: o.Markdown = False,
    csv: o.Csv = False,
    html: o.Html = None,
    as_json: o.Json = False,
    figure: Figure = None,
    out: Out = None,
    run: Shown = None,
    dataset: DatasetName = None,
    images: Images = None,
    classes: Classes = None,
    class_sets: ClassSets = None,
    paired: Paired = None,
    metric: Metrics = None,
    explainer: Explainers = None,
    target: Target = None,
    checkpoint: o.Checkpoint = "last",
    data_root: o.Data = o.DATA,
    results: o.Results = o.RESULTS,
) -> None:
    """Print tables of what was measured: one summary a data set, or a paper's table beside its published numbers.

    Example: cambench report cgc/1 --latex
    """
    refuse_unused(context, mode_of(paired is not None, figure), MODES)
    form = one_format(latex, markdown, csv, html, as_json)
    names, roots = [*(tables or []), *([paper] if paper else [])], (data_root, results)
    if paired is not None:
        compare(paired, metric or [], results, (one(explainer or []), target), form)
    elif figure is not None:
        choice = (run or [], dataset, images, explainer or [], classes, class_sets or [], checkpoint)
        draw((figure, out), (names, on, arch), choice, roots, form)
    else:
        show(made((names, on, arch), roots), form, html, results, data_root)


def mode_of(paired: bool, figure: str | None) -> str:
    """Which of `MODES` was asked for. Raises: UsageError for an unknown figure."""
    if paired or figure is None:
        return "--paired" if paired else TABLE
    return FIGURE.format(find(figure, {kind: kind for kind in DRAWN}, "figure"))


Wanted = tuple[list[str], str | None, str | None]
"""Names of tables, the data and the network that stand in for the paper's."""


def made(wanted: Wanted, roots: tuple[Path, Path]) -> list[Table]:
    """The tables: a paper's, the same on other data, or the summary."""
    from cambench.stages.reporting import report as stage

    names, on, arch = wanted
    if on is None:
        if arch is not None:
            raise UsageError("--arch: expected --on DATASET beside it.")
        return stage.tables(names, None, roots[1])
    if not names:
        raise UsageError("--on: expected a TABLE that is shown on other data, for example cgc/1.")
    return stage.tables_on(names, on, arch, o.place(*roots))


def one(explainers: list[str]) -> str | None:
    """The explainer of --paired, if one is named. Raises: UsageError for several."""
    if len(explainers) > 1:
        raise UsageError(f"--paired: expected one --explainer, got {len(explainers)}.")
    return explainers[0] if explainers else None


def one_format(latex: bool, markdown: bool, csv: bool, html: Path | None, as_json: bool = False) -> str:
    """The format that was asked for; terminal where none was.

    Raises: UsageError for more than one, or a folder in the place of the page.
    """
    asked = {"latex": latex, "markdown": markdown, "csv": csv, "json": as_json, "html": html is not None}
    if sum(asked.values()) > 1:
        raise UsageError("expected one of --latex, --markdown, --csv, --json, --html; give one at a time.")
    if html is not None and html.is_dir():
        raise UsageError(f"--html {html}: expected the page's file, got a folder; say {html / 'report.html'}.")
    return next((form for form, wanted in asked.items() if wanted), "terminal")


def show(made: list[Table], form: str, html: Path | None, results: Path, data_root: Path) -> None:
    """The tables on stdout, or the page and its path."""
    from cambench.stages.reporting import report as stage

    if html is not None:
        typer.echo(stage.write_page(html, made, results, data_root))
    elif form != "terminal":
        typer.echo(stage.render(made, form), nl=False)
    else:
        stage.print_tables(made)


def draw(
    figure: tuple[str, Path | None],
    wanted: Wanted,
    choice: tuple[list[str], str | None, int | None, list[str], int | None, list[Path], str],
    roots: tuple[Path, Path],
    form: str,
) -> None:
    """A figure; its path on stdout, or what it shows as JSON."""
    from cambench.stages.reporting.figures import index

    wish = index.Wish(*choice)
    kind, path = index.check(*figure, wish)
    if kind == index.CONVERGENCE and wish.dataset is None:  # --on and --dataset mean the same where no table is meant
        wish, wanted = replace(wish, dataset=wanted[1]), (wanted[0], None, wanted[2])
    if kind == index.SEGMENTATION:
        by_class(wanted, path, roots, form)
        return
    if kind in index.TABLES:
        told = index.of_table(kind, path, made((wanted[0] or [index.TABLES[kind]], *wanted[1:]), roots))
    else:
        told = index.pictures(kind, path, wish, o.place(*roots))
    typer.echo(json.dumps(told) if form == "json" else path)


def by_class(wanted: Wanted, path: Path, roots: tuple[Path, Path], form: str) -> None:
    """The segmentation chart; its path on stdout, or its values as a table in the format that was asked for."""
    from cambench.stages.reporting import report as stage
    from cambench.stages.reporting.figures import class_iou, index

    names = wanted[0] or [index.TABLES[index.SEGMENTATION]]
    table = class_iou.table(names, *wanted[1:], o.place(*roots))
    index.of_table(index.SEGMENTATION, path, [table])
    typer.echo(path) if form == "terminal" else typer.echo(stage.render([table], form), nl=False)


def compare(
    runs: tuple[str, str], metrics: list[str], results: Path, maps: tuple[str | None, str | None], form: str
) -> None:
    """Two runs over the same images, for the terminal, as CSV or as JSON."""
    from cambench.stages.reporting import paired as stage

    names, found = stage.compare(runs, metrics, results, *maps)
    if form == "terminal":
        stage.print_comparisons(names, found)
    else:
        typer.echo(stage.render(names, found, form), nl=False)
