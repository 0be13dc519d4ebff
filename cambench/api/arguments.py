"""What a function takes: names, runs, paths, each as one value or as several. A value of another kind is one line."""

from __future__ import annotations

import inspect
import re
import reprlib
from collections.abc import Callable, Sequence
from functools import wraps
from numbers import Integral, Real
from pathlib import Path
from types import UnionType
from typing import Any, ParamSpec, TypeVar, get_args, get_origin

from cambench.lookup import nearest
from cambench.store.runs import Run
from cambench.vocabulary import UsageError

OneRun = str | Path | Run
Runs = OneRun | Sequence[OneRun]
Names = str | Sequence[str]
File = str | Path
Files = File | Sequence[File]
"""Names, or files of one's own in their place."""
Data = str | Path
"""A data set as the command line names it, or the folder of one's own images."""
NUMBERS = {int: Integral, float: Real}
Taken = ParamSpec("Taken")
Given = TypeVar("Given")


def checked(verb: Callable[Taken, Given]) -> Callable[Taken, Given]:
    """A verb whose arguments are of the kinds that it is annotated with; numpy's and pandas' values become Python's.

    None of several is an empty sequence. Annotations are objects: its module does not import them from `__future__`.
    Raises: UsageError for an argument of another kind, one that lacks, or one that it has not.
    """
    signature, name = inspect.signature(verb), verb.__name__
    any_name = any(parameter.kind is parameter.VAR_KEYWORD for parameter in signature.parameters.values())

    @wraps(verb)
    def call(*values: Taken.args, **named: Taken.kwargs) -> Given:
        for key in named:
            if key not in signature.parameters and not any_name:
                raise UsageError(f"{name}: {nearest(key, signature.parameters, 'argument')}")
        try:
            bound = signature.bind(*map(plain, values), **{key: plain(value) for key, value in named.items()})
        except TypeError as e:
            raise UsageError(f"{name}: {e}; help(cambench.{name}) shows what it takes.") from e
        for key, value in bound.arguments.items():
            parameter = signature.parameters[key]
            if value is None and parameter.default == ():
                bound.arguments[key] = ()
                continue
            for own, one in (value if parameter.kind is parameter.VAR_KEYWORD else {key: value}).items():
                check(name, own, one, parameter.annotation)
        return verb(*bound.args, **bound.kwargs)

    return call


def check(verb: str, name: str, value: object, kind: Any) -> None:
    """Raises: UsageError for a value of another kind than an argument's."""
    if not fits(value, kind):
        wanted = re.sub(r"\b(\w+\.)+", "", inspect.formatannotation(kind))
        got = " ".join(reprlib.repr(value).split())
        raise UsageError(f"{verb}: {name}: expected {wanted}, got {got}; help(cambench.{verb}) shows what it takes.")


def fits(value: object, kind: Any) -> bool:
    """Whether a value is of a kind: a class, a union of kinds, a sequence of a kind.

    A text is no sequence of texts here, and True no number.
    """
    if get_origin(kind) is UnionType:
        return any(fits(value, one) for one in get_args(kind))
    if get_origin(kind) is Sequence:
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            return False
        return all(fits(one, get_args(kind)[0]) for one in value)
    return isinstance(value, NUMBERS.get(kind, kind)) and (kind is bool or not isinstance(value, bool))


def plain(value: Any) -> Any:
    """A value as Python's own, where it is an array or a number of numpy, pandas or torch, or a list of these."""
    if type(value) in (list, tuple):
        return type(value)(map(plain, value))
    return value.tolist() if hasattr(value, "tolist") else value


def names_of(names: Files | None) -> list[str]:
    """One name, or a file, as a list of it; none as an empty list."""
    return [str(name) for name in ([names] if isinstance(names, str | Path) else names or ())]


def runs_of(runs: Runs) -> list[str]:
    """Each run as the command line names it, a `Run` by its path."""
    several = isinstance(runs, Sequence) and not isinstance(runs, str)
    return [str(getattr(run, "path", run)) for run in (runs if several else [runs])]  # type: ignore[union-attr]


def data_of(dataset: Data | None) -> str | None:
    """A data set as the command line names it."""
    return f"folder:{dataset}" if isinstance(dataset, Path) else dataset


def path_of(path: File | None) -> Path | None:
    """A path, whatever it is written as."""
    return None if path is None else Path(path)
