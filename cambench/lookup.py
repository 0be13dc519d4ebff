"""Name -> entry, with "did you mean" and the full list. Names are kebab-case; underscores mean the same."""

from __future__ import annotations

import difflib
import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import PurePosixPath
from typing import Any, TypeVar

from cambench.vocabulary import UsageError, listed

Entry = TypeVar("Entry")
log = logging.getLogger("cambench.lookup")


def canonical(name: str) -> str:
    """The kebab-case form of a name: `grad_cam` and `Grad-CAM` are `grad-cam`."""
    return name.strip().lower().replace("_", "-")


def bare_arch(arch: str) -> str:
    """An architecture in one spelling, without the prefix that only says where it comes from."""
    return canonical(arch).removeprefix("torchvision:")


def network_name(arch: str) -> str:
    """What a network is called where there is little room, without where it comes from.

    `torchvision:resnet50` resnet50, `python:pkg.vit:small` small, `python:pkg.vit:build` vit, `hf:models/vit` vit.
    """
    source, _, name = arch.rpartition(":")
    if source.startswith("python:"):
        return PurePosixPath(source.removeprefix("python:").replace(".", "/")).name if name in ("build", "make") else name
    return PurePosixPath(name).name


MOST = 120
"""Names that an error lists: more of them (runs) hide the nearest."""


def nearest(name: str, names: Iterable[str], kind: str, most: int = MOST) -> str:
    """The sentence for an unknown name: what was asked, the nearest names, the whole list (of many, the first ones)."""
    known = sorted(names)
    close = difflib.get_close_matches(canonical(name), known, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"unknown {kind} {name!r}.{hint} Known: {listed(known, most)}."


def not_used(mode: str, option: str, homes: str) -> UsageError:
    """The error of an option that a mode of a command does not use. homes: those that do."""
    return UsageError(f"{mode}: {option} is not used here, it is for {homes}; leave it out.")


def find(name: str, index: Mapping[str, Entry], kind: str) -> Entry:
    """The entry of `index` under `name`.

    Raises: UsageError naming the nearest entries and the full list.
    """
    if canonical(name) not in index:
        raise UsageError(nearest(name, index, kind))
    return index[canonical(name)]


def named(entries: Mapping[str, Any]) -> dict[str, Any]:
    """Entries that know their name: the key, where it stands once."""
    return {name: replace(entry, name=name) for name, entry in entries.items()}


def aliases(entries: Mapping[str, Any]) -> dict[str, str]:
    """Alias -> the name of the entry that it means."""
    return {canonical(alias): name for name, entry in entries.items() for alias in getattr(entry, "aliases", ())}


@cache
def points(group: str) -> dict[str, list[EntryPoint]]:
    """The entry points of other packages by name; several of one name are their packages' quarrel."""
    by_name: dict[str, list[EntryPoint]] = {}
    for point in sorted(entry_points(group=group), key=lambda point: (point.name, package(point))):
        by_name.setdefault(canonical(point.name), []).append(point)
    return by_name


def package(point: EntryPoint) -> str:
    """The package that has an entry point, with its version."""
    return point.module if point.dist is None else f"{point.dist.name} {point.dist.version}"


@cache
def warn(text: str) -> None:
    """Say something once."""
    log.warning("%s", text)


def check(kind: str, *facts: tuple[bool, str]) -> None:
    """Refuse an entry that cannot work, where it is made. facts: (whether it holds, what was expected and what is there).

    Raises: UsageError saying the first that does not hold.
    """
    for holds, text in facts:
        if not holds:
            raise UsageError(f"{kind} entry: expected {text}.")


class Catalogue(Mapping[str, Entry]):
    """The entries of a kind by name: those built in, then those of other packages (entry points `cambench.<kind>s`).

    A package is imported when an entry of its is asked for, when an unknown name may be its alias, and when all entries are
    listed. One that cannot be used is one line: an error where it is asked for, else a warning, and the listing goes on.
    """

    def __init__(self, kind: str, of: type[Entry], built_in: Mapping[str, Entry]) -> None:
        self.kind, self.of = kind, of
        self.built_in: dict[str, Entry] = named(built_in)
        self._added: dict[str, Entry] = {}

    @property
    def added(self) -> dict[str, list[EntryPoint]]:
        """The entry points of other packages by name, among them those of a name that is taken."""
        return points(f"cambench.{self.kind}s")

    @property
    def names(self) -> list[str]:
        """Every name, in the order of a listing; nothing is imported."""
        return list(dict.fromkeys([*self.built_in, *self.added]))

    def key(self, name: str) -> str:
        """The name of the entry that a name or an alias means.

        Raises: UsageError naming the nearest entries and the full list.
        """
        wanted = canonical(name)
        if wanted in self.built_in:
            return wanted
        key = aliases(self.built_in).get(wanted) or (wanted if wanted in self.added else aliases(self).get(wanted))
        if key is None:
            raise UsageError(nearest(name, [*self.names, *aliases(self.built_in)], self.kind))
        return key

    def split(self, text: str) -> tuple[str, str]:
        """The name and the options of `NAME:option=value,…`; a name of a family holds a colon itself, as `quantus:auc`.

        An entry may be the namesake of a family: `grad-cam:head=false` has an option, `grad-cam:eigen-cam` is a name.
        """
        name, _, words = text.partition(":")
        of_family = words.strip() and "=" not in words.partition(":")[0]
        if of_family and any(key.startswith(f"{canonical(name)}:") for key in self.names):
            own, _, words = words.partition(":")
            name = f"{name}:{own}"
        return name, words

    def find(self, name: str) -> Entry:
        """The entry that a name or an alias means. Raises: UsageError as `key`, and for one that cannot be used."""
        return self[self.key(name)]

    def __getitem__(self, name: str) -> Entry:
        """The entry of exactly this name. Raises: KeyError; UsageError for one that cannot be used."""
        return self.built_in[name] if name in self.built_in else self._of_package(name)

    def __contains__(self, name: object) -> bool:
        return name in self.built_in or (name in self.added and self._usable(str(name)))

    def __iter__(self) -> Iterator[str]:
        return filter(self._usable, self.names)

    def __len__(self) -> int:
        return len(list(iter(self)))

    def _usable(self, name: str) -> bool:
        """Whether there is an entry of this name; what another package cannot add is said."""
        try:
            if name in self.added:
                self._of_package(name)
        except UsageError as e:
            warn(str(e))
            return name in self.built_in
        return True

    def _of_package(self, name: str) -> Entry:
        """The entry that another package adds.

        Raises: KeyError; UsageError in one line that names the package.
        """
        point, *others = self.added[name]
        if name not in self._added:
            owner = f"{self.kind} {name} of the package {' and of '.join(map(package, [point, *others]))}"
            if others:
                raise UsageError(f"{owner}: expected one entry of this name, got several; uninstall all but one.")
            entry = loaded(point, self.of, owner)
            words = [name, *aliases({name: entry})]
            for word in set(words) & {*self.built_in, *aliases(self.built_in)} | set(words[1:]) & set(self.added):
                raise UsageError(f"{owner}: expected a name or alias of its own, got {word}, which is taken; rename it.")
            self._added[name] = replace(entry, name=name)  # type: ignore[type-var]
        return self._added[name]


def loaded(point: EntryPoint, of: type[Entry], owner: str) -> Entry:
    """What an entry point names.

    Raises: UsageError where its module cannot be imported, refuses its own entry or holds something else.
    """
    try:
        entry = point.load()
    except Exception as e:  # another package's code may fail in any way
        kind = "" if isinstance(e, UsageError) else f"{type(e).__name__}: "
        raise UsageError(f"{owner}: {point.value}: {kind}{' '.join(str(e).split())}") from e
    if not isinstance(entry, of):
        raise UsageError(f"{owner}: {point.value}: expected a {of.__name__}, got a {type(entry).__name__}.")
    return entry
