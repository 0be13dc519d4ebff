"""Entries with options: `NAME:option=value,…` on the command line, in recipes, in Python and in records.

An option's default is the paper's protocol. A name in canonical form has its options sorted and defaults left out; options
that are exactly those of an alias have the alias's name. Nothing here, and no index, imports torch.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, TypeVar

from cambench.functions import Function
from cambench.lookup import Catalogue, canonical, check, nearest
from cambench.vocabulary import UsageError

Value = bool | int | float | str | tuple[float, ...]
CHANNELS = 2048
"""Channels of a ResNet-50's last stage."""
E = TypeVar("E", bound="Entry")
T = TypeVar("T")


@dataclass(frozen=True)
class Option:
    """One way in which an entry varies."""

    name: str
    default: Value
    """The paper's protocol; an option's values have its type."""
    about: str
    """What it says, in one line, with its unit and source."""
    choices: tuple[str, ...] | Mapping[str, Any] = ()
    """The words allowed, or each with what it sets; () for any value of the type."""
    least: float = -math.inf
    """The smallest number allowed."""
    most: float = math.inf
    """The largest number allowed."""
    odd: bool = False
    """Whether a whole number must be odd."""
    sets: str = ""
    """The field of the entry that it sets, `group.field`; "" for none. It is a keyword of the functions that take it."""

    def read(self, text: str, entry: str) -> Value:
        """The value that a text stands for.

        Raises: UsageError for another type, an unknown word, or a number out of range.
        """
        value: Value | None = self.converted(text)
        numbers = value if isinstance(value, tuple) else (value,) if isinstance(value, int | float) else ()
        outside = [n for n in numbers if not (math.isfinite(n) and self.least <= n <= self.most and (n % 2 or not self.odd))]
        if value is None or outside or (self.choices and value not in self.choices):
            raise UsageError(f"{entry}: {self.name}: expected {self.allowed}, got {text!r}.")
        return value

    def converted(self, text: str) -> Value | None:
        """The text as a value of the option's type, None where it is none."""
        if isinstance(self.default, bool):
            return {"true": True, "false": False}.get(text)
        try:
            if isinstance(self.default, tuple):
                return tuple(float(part) for part in text.split("+"))
            return type(self.default)(text)
        except ValueError:
            return None

    @property
    def allowed(self) -> str:
        """Which values there are, for a person."""
        if isinstance(self.default, bool):
            return "true or false"
        if self.choices:
            return " or ".join(self.choices)
        kind = {int: "a whole number", float: "a number", tuple: "numbers joined by +"}.get(type(self.default), "a word")
        kind = kind.replace("whole", "whole, odd") if self.odd else kind
        ends = [(self.least, "at least"), (self.most, "at most")]
        limits = [f"{words} {written(end)}" for end, words in ends if math.isfinite(end)]
        return f"{kind} of {' and '.join(limits)}" if limits else kind

    @property
    def keyword(self) -> str:
        """Its name as an argument of a function."""
        return self.name.replace("-", "_")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What the entries of metrics and of explainers share."""

    summary: str
    """What it is, in one line."""
    source: str
    """Where it comes from."""
    options: tuple[Option, ...] = ()
    """The ways in which it varies."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Other name -> the options that it stands for, "" for none."""
    cost: int | Callable[..., int] = 1
    """Forward passes an image that it takes, one of them for a map: a number, or a function of the options, of the images'
    `size` and of the explained layer's `channels`."""
    package: str = ""
    """The optional package that it runs, one of `extras.EXTRAS`; "" for none."""
    version: int = 1
    """Raise it when a formula or protocol changes, so that values change: what an older version made counts no longer."""
    name: str = ""
    """Its key, which the index fills in; with options the canonical form."""
    base: str = ""
    """The key of an entry whose options are not the default; `find` fills it in, as `chosen`."""
    chosen: Mapping[str, Value] = field(default_factory=dict)
    """The options that are not the default."""

    def __post_init__(self) -> None:
        """Raises: UsageError for an entry that cannot work."""
        check(
            type(self).__name__.lower(),
            (isinstance(self.options, tuple), f"a tuple of options, got a {type(self.options).__name__}"),
            (isinstance(self.aliases, Mapping), f"aliases as name -> options, got a {type(self.aliases).__name__}"),
            *((alias == canonical(alias), f"an alias in lower case and dashes, got {alias}") for alias in self.aliases),
            *self.facts(),
        )
        for words in self.aliases.values():
            parse(words, self)

    def facts(self) -> Iterator[tuple[bool, str]]:
        """What must hold of an entry of this kind, each with what is expected and what is there."""
        yield from ()

    @property
    def key(self) -> str:
        """Its key in the index."""
        return self.base or self.name

    @property
    def draws(self) -> str:
        """The name that its random numbers follow from: one for all options, but for those of an alias."""
        return self.name.partition(":")[0]

    @property
    def passes(self) -> int:
        """Forward passes an image at the papers' size, 224 px, and at the last stage of a ResNet-50."""
        return self.passes_at(224)

    def passes_at(self, size: int, channels: int = CHANNELS) -> int:
        """Forward passes an image whose sides have `size` pixels, and whose explained layer has so many channels."""
        return self.cost if isinstance(self.cost, int) else Function(self.cost, {"size": size, "channels": channels})()

    @property
    def costs(self) -> str:
        """What it takes, in words."""
        of_layer = f" where the layer has {CHANNELS:,} channels" if self.by_channel else ""
        return f"{self.passes:,} forward pass{'' if self.passes == 1 else 'es'} an image{of_layer}"

    @property
    def by_channel(self) -> bool:
        """Whether its passes depend on how many channels the explained layer has."""
        return not isinstance(self.cost, int) and "channels" in inspect.signature(self.cost).parameters

    @property
    def values(self) -> dict[str, Value]:
        """Every option with its value."""
        return {option.name: self.chosen.get(option.name, option.default) for option in self.options}


def find(text: str, index: Catalogue[E]) -> E:
    """The entry that `NAME` or `NAME:option=value,…` names, with its options.

    Raises: UsageError for an unknown name or option, naming the nearest and all, or a value that is not allowed.
    """
    name, words = index.split(text)
    entry = index.find(name)
    values = {**parse(entry.aliases.get(canonical(name), ""), entry), **parse(words, entry)}
    return with_options(entry, {name: value for name, value in values.items() if value != entry.values[name]})


def inside(package: str) -> Callable[[str], Function]:
    """Functions by their place in a package: `inside(__name__)("insertion:measure")`."""
    return lambda place: Function(f"{package}.{place}")


def known(text: str, index: Catalogue[E]) -> E | None:
    """The same of a stored name; None where there is no such entry any more."""
    try:
        return find(text, index)
    except UsageError:
        return None


def parse(words: str, entry: Entry) -> dict[str, Value]:
    """`option=value,…` -> option -> value, defaults among them.

    Raises: UsageError as `find`.
    """
    known = {option.name: option for option in entry.options}
    values: dict[str, Value] = {}
    for part in words.split(",") if words.strip() else ():
        name, equals, text = (piece.strip() for piece in part.partition("="))
        name = canonical(name)
        if not known:
            raise UsageError(f"{entry.name} has no options, got {part.strip()!r}; leave it out.")
        if not equals:
            raise UsageError(f"{entry.name}: expected option=value, got {part.strip()!r}; options: {', '.join(known)}.")
        if name not in known:
            raise UsageError(nearest(name, known, f"option of {entry.name}"))
        if name in values:
            raise UsageError(f"{entry.name}: {name} is given twice; leave one out.")
        values[name] = known[name].read(text.lower(), entry.name)
    return values


def with_options(entry: E, chosen: Mapping[str, Value]) -> E:
    """The entry with options that are not the default."""
    if not chosen:
        return entry
    keywords: dict[str, Any] = {}
    changed = entry
    for option in (option for option in entry.options if option.name in chosen):
        value = keywords[option.keyword] = chosen[option.name]
        if option.sets:
            changed = set_at(
                changed, option.sets, option.choices[str(value)] if isinstance(option.choices, Mapping) else value
            )
    changed = bound(changed, keywords)
    name, summary = spelled(entry, chosen), f"{entry.summary}; {listed(chosen)}"
    return replace(changed, name=name, base=entry.name, chosen=dict(chosen), summary=summary)


def set_at(part: T, path: str, value: Any) -> T:
    """A dataclass with the field at `group.field` replaced."""
    name, _, rest = path.partition(".")
    return replace(part, **{name: set_at(getattr(part, name), rest, value) if rest else value})  # type: ignore[type-var]


def bound(part: T, keywords: Mapping[str, Any]) -> T:
    """A dataclass whose functions, and those of its groups, get the keywords that they take."""
    changed: dict[str, Any] = {}
    for name, value in ((f.name, getattr(part, f.name)) for f in fields(part)):  # type: ignore[arg-type]
        if callable(value):
            target, own = (value.target, value.options) if isinstance(value, Function) else (value, {})
            changed[name] = Function(target, {**own, **keywords})
        elif is_dataclass(value):
            changed[name] = bound(value, keywords)
    return replace(part, **changed)  # type: ignore[type-var]


def spelled(entry: Entry, chosen: Mapping[str, Value]) -> str:
    """The canonical name of an entry with options: that of an alias which stands for exactly these, else all of them."""
    alike = (alias for alias, words in entry.aliases.items() if words and parse(words, entry) == chosen)
    return next(alike, f"{entry.name}:{listed(chosen)}")


def listed(chosen: Mapping[str, Value]) -> str:
    """Options as they are written, sorted."""
    return ",".join(f"{name}={written(chosen[name])}" for name in sorted(chosen))


def written(value: Value) -> str:
    """A value as it is written: `4`, `0.1`, `true`, `0.15+0.3`."""
    if isinstance(value, tuple):
        return "+".join(written(number) for number in value)
    return str(value).lower().removesuffix(".0")


def sentence(entry: Entry) -> str | None:
    """What must stand beside a number: the options that are not the default and that no alias's name says."""
    usual = {option.name: option.default for option in entry.options if option.name in entry.chosen}
    return f"{entry.key} with {listed(entry.chosen)} in place of {listed(usual)}" if usual and ":" in entry.name else None
