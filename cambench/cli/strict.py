"""No option is ignored: one that a mode does not use, or a second value of one that takes one, is an error of one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

import typer
from typer.core import TyperCommand, TyperOption

from cambench.cli.streams import one_line
from cambench.lookup import not_used
from cambench.vocabulary import check_once

PARSER_ERROR: type[Exception] = typer.BadParameter.__mro__[1]
"""What the parser raises, whether click is a package of its own or typer's."""

ALWAYS = frozenset({"data_root", "results", "as_json"})
"""Options that every mode may take: where things lie, and the form for machines where it has one."""


class Command(TyperCommand):
    """A command whose single-valued options may be given once; click itself takes the last one without a word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Raises: UsageError for an option that is given twice."""
        if not ctx.resilient_parsing:
            try:
                _, _, order = self.make_parser(ctx).parse_args(list(args))
            except PARSER_ERROR as e:
                vars(e)["ctx"] = ctx  # the parser alone does not know whose it is
                raise
            for parameter, times in Counter(order).items():
                if isinstance(parameter, TyperOption) and not (parameter.multiple or parameter.is_flag):
                    check_once(max(parameter.opts, key=len), times)
        return super().parse_args(ctx, args)


def refuse_unused(context: typer.Context, mode: str, modes: Mapping[str, Collection[str]]) -> None:
    """Raises: UsageError for an option or argument that was typed and that this mode of the command does not use.

    modes: mode, as it is typed -> the names of the parameters that it uses, beside `ALWAYS`.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        if source is None or source.name != "COMMANDLINE" or name in ALWAYS or name in modes[mode]:
            continue
        option = isinstance(parameter, TyperOption)
        shown = max(parameter.opts, key=len) if option else str(getattr(parameter, "metavar", None) or name).strip("[].")
        homes = ", ".join(other for other, used in modes.items() if name in used and other != shown)
        raise not_used(mode, shown, homes)


def sentence(error: Any) -> str:
    """One line of a parser's error, with its command; nothing where the parser has printed the help in its place."""
    if not error.message and type(error).__name__ == "NoArgsIsHelpError":
        return ""
    command = error.ctx.command_path if error.ctx else "cambench"
    problem = error.format_message().strip().rstrip(".")
    return f"error: {one_line(' '.join(problem.split()))}; {command} --help shows what it takes.\n"
