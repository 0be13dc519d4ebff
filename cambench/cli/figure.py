"""cambench figure KIND [RUN...] --out FILE: a sub-command a kind, with its own options only."""

from __future__ import annotations

import json
from collections.abc import Callable
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from cambench.cli import options as o
from cambench.cli.report import one_format
from cambench.cli.strict import Command
from cambench.lookup import canonical, nearest
from cambench.stages.reporting.figures.index import INDEX, REQUIRED, Kind, draw
from cambench.vocabulary import UsageError

OPTIONS: dict[str, Any] = {
    "dataset": Annotated[str | None, typer.Option("--dataset", "-d", help="Data set, where there are several.")],
    "images": Annotated[int, typer.Option("--images", min=1, help="How many images.")],
    "explainer": Annotated[str | None, typer.Option("--explainer", "-e", help="See cambench ls explainers.")],
    "target": o.Target,
    "classes": Annotated[
        int | None, typer.Option("--classes", min=2, max=3, help="Best classes of each image: by default 2, of versus 3.")
    ],
    "levels": Annotated[int, typer.Option("--levels", min=2, help="Sets from a class to all classes, at most.")],
    "checkpoint": o.Checkpoint,
    "metric": Annotated[str, typer.Option("--metric", "-m", help="A metric with a value an image.")],
    "variant": Annotated[str | None, typer.Option("--variant", help="Of a metric with several; by default its headline.")],
    "on": o.On,
    "arch": o.ArchThere,
}
"""Every option of `INDEX` that takes one value, as it is typed."""
SEVERAL: dict[str, Any] = {
    "explainer": Annotated[
        list[str] | None, typer.Option("--explainer", "-e", help="See cambench ls explainers; may be given several times.")
    ],
    "class_names": Annotated[
        list[str] | None, typer.Option("--class", help="A class by its name, twice or more: against each other.")
    ],
    "class_sets": Annotated[
        list[Path] | None, typer.Option("--class-sets", help="CSV `class,set`, one more column; may be given several times.")
    ],
    "metric": o.OnlyMetrics,
}
"""Those that take several, whose default is ()."""
FORMATS: dict[str, tuple[Any, Any]] = {"latex": (o.Latex, False), "markdown": (o.Markdown, False), "csv": (o.Csv, False)}
HELP = {"RUN": "Run names, prefixes or paths; see cambench ls runs.", "TABLE": "See cambench ls tables."}


class Kinds(TyperGroup):
    """The kinds; underscores and capitals mean the same, as everywhere."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Raises: UsageError with the nearest kinds and the full list."""
        if canonical(cmd_name) not in self.commands:
            raise UsageError(nearest(cmd_name, INDEX, "figure"))
        return super().get_command(ctx, canonical(cmd_name))


app = typer.Typer(cls=Kinds, no_args_is_help=True, help="Draw a figure of runs or of a table, as .pdf or .png.")


def command(kind: str, entry: Kind) -> Callable[..., None]:
    """The sub-command of a kind, whose parameters are the entry's."""

    def run(**typed: Any) -> None:
        act(kind, typed)

    parameters = [
        Parameter(name, Parameter.KEYWORD_ONLY, annotation=annotation, default=Parameter.empty if d is REQUIRED else d)
        for name, (annotation, d) in parameters_of(entry).items()
    ]
    needs = [entry.names.strip("."), *(f"--{name} NAME" for name, default in entry.options.items() if default is REQUIRED)]
    run.__doc__ = f"Draw {entry.summary}.\n\nExample: cambench figure {kind} {' '.join(needs)} --out {kind}.png"
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    return run


def parameters_of(entry: Kind) -> dict[str, tuple[Any, Any]]:
    """Parameter -> its type for Typer and its default."""
    what, optional = entry.names.strip("[]."), "[" in entry.names
    names: Any = list[str] if "..." in entry.names else str
    argument = typer.Argument(metavar=what, help=HELP[what])
    return {
        "names": (Annotated[names | None if optional else names, argument], None if optional else REQUIRED),
        "out": (Annotated[Path, typer.Option("--out", help="The figure's file: .pdf or .png.")], REQUIRED),
        **{n: (SEVERAL[n], None) if default == () else (OPTIONS[n], default) for n, default in entry.options.items()},
        **(FORMATS if entry.printed else {}),
        "data_root": (o.Data, o.DATA),
        "results": (o.Results, o.RESULTS),
        "as_json": (o.Json, False),
    }


def act(kind: str, typed: dict[str, Any]) -> None:
    """Draw the figure; its path on stdout, or what it shows as JSON, or its table in the format that was asked for."""
    names, out, as_json = (typed.pop(name) for name in ("names", "out", "as_json"))
    place = o.place(typed.pop("data_root"), typed.pop("results"))
    latex, markdown, csv = (typed.pop(name, False) for name in FORMATS)
    form = one_format(latex, markdown, csv, None, as_json)
    options = {name: value for name, value in typed.items() if value is not None}
    drawn = draw(kind, out, place, [names] if isinstance(names, str) else names or [], **options)
    if drawn.table is not None and form != "terminal":
        from cambench.stages.reporting.report import render

        typer.echo(render([drawn.table], form), nl=False)
    else:
        typer.echo(json.dumps(drawn.shows) if as_json else out)


for _kind, _entry in INDEX.items():
    app.command(_kind, cls=Command, short_help=_entry.summary)(command(_kind, _entry))
