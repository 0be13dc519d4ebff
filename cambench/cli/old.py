"""Spellings of the last version: they work for one version more, and say how they are written now."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence

from cambench.lookup import canonical
from cambench.vocabulary import UsageError


def translated(arguments: Sequence[str]) -> list[str]:
    """The command line as it is written now, which stderr is told where it differs."""
    if arguments[:1] == ["report"] and any(word.partition("=")[0] == "--figure" for word in arguments):
        now = figure(arguments[1:])
        sys.stderr.write(f"note: written `cambench {shlex.join(now)}` now\n")
        return now
    return [*arguments]


def figure(arguments: Sequence[str]) -> list[str]:
    """`[TABLE] --figure KIND --run RUN …` of `report` as `figure KIND [TABLE] RUN …`.

    Raises: UsageError for two kinds.
    """
    kinds: list[str] = []
    runs: list[str] = []
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        option, equals, value = word.partition("=")
        values = {"--figure": kinds, "--run": runs}.get(option)
        if values is None:
            rest.append(word)
        else:
            values.append(value if equals else next(words, ""))
    if len(kinds) > 1:
        raise UsageError(f"--figure: expected it once, got it {len(kinds)} times; give one value.")
    if canonical(kinds[0]) == "convergence":
        rest = ["--dataset" if word == "--on" else word for word in rest]
    return ["figure", *kinds, *runs, *rest]
