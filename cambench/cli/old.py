"""Spellings of the last version: they work for one version more, and say how they are written now."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from cambench.vocabulary import check_once


def translated(arguments: Sequence[str]) -> list[str]:
    """The command line as it is written now, which stderr is told where it differs."""
    options = {word.partition("=")[0] for word in arguments} if [*arguments[:1]] == ["report"] else set()
    if not options & {"--figure", "--paired"}:
        return [*arguments]
    now = figure(arguments[1:]) if "--figure" in options else paired(arguments[1:])
    sys.stderr.write(f"note: written `cambench {shlex.join(now)}` now\n")
    return now


def paired(arguments: Sequence[str]) -> list[str]:
    """`--paired A B` of `report` as `compare A B`."""
    return ["compare", *(word for word in arguments if word != "--paired")]


def figure(arguments: Sequence[str]) -> list[str]:
    """`[TABLE] --figure KIND --run RUN …` of `report` as `figure KIND [TABLE] RUN …`. Raises: UsageError for two kinds."""
    values: dict[str, list[str]] = {"--figure": [], "--run": []}
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        if option in values:
            values[option].append(value if equals else next(words, ""))
        else:
            rest.append(word)
    check_once("--figure", len(values["--figure"]))
    if values["--figure"] == ["convergence"]:
        rest = ["--dataset" if word == "--on" else word for word in rest]
    return ["figure", *values["--figure"], *values["--run"], *rest]
