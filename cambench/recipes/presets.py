"""Named groups of overrides: `cambench train … --preset NAME` is what `presets.toml` sets, as `--set` would say it."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping
from importlib.resources import files
from itertools import combinations
from typing import Any

from cambench.lookup import find
from cambench.recipes import toml
from cambench.vocabulary import UsageError, check_once


def presets() -> dict[str, dict[str, Any]]:
    """Every preset as written: name -> summary, source and what it sets."""
    return tomllib.loads((files("cambench.recipes") / "presets.toml").read_text(encoding="utf-8"))


def overrides(name: str) -> list[str]:
    """The preset as `a.b=value` texts. Raises: as `changes`."""
    return [f"{key}={toml.written(value)}" for key, value in changes(name).items()]


def changes(name: str) -> dict[str, Any]:
    """What the preset sets: dotted key -> value.

    Raises: UsageError naming the nearest presets.
    """
    made: dict[str, Any] = find(name, presets(), "preset")["set"]
    return made


def asked(names: Iterable[str], settings: Iterable[str], shortcuts: Mapping[str, object]) -> list[str]:
    """`a.b=value` texts: those of the presets, then the settings, then the shortcuts (key -> value), where one is given.

    What a preset sets may be set otherwise. Raises: as `changes`; UsageError for a key that is set twice, or to two values
    by two presets.
    """
    names = list(names)
    for one, two in combinations(names, 2):
        mine, theirs = changes(one), changes(two)
        for key in sorted(mine.keys() & theirs.keys()):
            if mine[key] != theirs[key]:
                got = f"{toml.written(mine[key])} and {toml.written(theirs[key])}"
                raise UsageError(f"--preset {one}, --preset {two}: expected one value of {key}, got {got}; leave one out.")
    settings, own = list(settings), {key: value for key, value in shortcuts.items() if value is not None}
    for key, times in Counter(text.partition("=")[0].strip() for text in settings).items():
        check_once(f"--set {key}", times)
        if key in own:
            raise UsageError(f"--set {key}: expected one value, got {own[key]} by its own option, too; leave one out.")
    return [*(text for name in names for text in overrides(name)), *settings, *(f"{k}={v}" for k, v in own.items())]
