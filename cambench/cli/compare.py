"""cambench compare A [B]."""

from __future__ import annotations

from typing import Annotated

import typer

from cambench.cli import options as o
from cambench.cli.report import one_format

Explainers = Annotated[
    list[str] | None, typer.Option("--explainer", "-e", help="Of two runs: only this one. Of one run: twice, A and B.")
]
Targets = Annotated[
    list[str] | None, typer.Option("--target", "-t", help="Of two runs: only this one. Of one run: twice, A and B.")
]

DatasetName = Annotated[
    str | None, typer.Option("--dataset", "-d", help="Only on this data set; by default on all that both are measured on.")
]
Split = Annotated[str, typer.Option("--split", help="Only on this split; eval is any.")]


def compare(
    a: o.Run,
    b: Annotated[str | None, typer.Argument(help="Another; none: two explainers or two targets of the first.")] = None,
    metric: o.OnlyMetrics = None,
    explainer: Explainers = None,
    target: Targets = None,
    dataset: DatasetName = None,
    split: Split = "eval",
    latex: o.Latex = False,
    markdown: o.Markdown = False,
    csv: o.Csv = False,
    as_json: o.Json = False,
    results: o.Results = o.RESULTS,
) -> None:
    """Compare image by image: difference of the means with its 95 % interval, Wilcoxon's test, Holm's correction.

    A beginning that the runs of several seeds share means all of them: seed is matched with seed.

    Two runs, or one run's maps: cambench compare cub-cgc cub-ce; cambench compare cub-cgc -e grad-cam -e layer-cam
    """
    from cambench.stages.reporting import paired

    form, runs, wanted = one_format(latex, markdown, csv, None, as_json), [a, b] if b else [a], metric or []
    names, comparisons = paired.compare(runs, wanted, explainer or [], target or [], results, dataset=dataset, split=split)
    if form == "terminal":
        paired.print_comparisons(names, comparisons)
    else:
        typer.echo(paired.render(names, comparisons, form), nl=False)
