"""Ranges that a search draws a recipe's keys from: `[search]` in a recipe, `--range KEY=RANGE` on the command line.

"optimizer.lr" = "1e-5..1 log"                       log-uniform
"objective_settings.rate" = "0..1"                   uniform; whole numbers where the recipe's own value is one
"objective_settings.high" = "objective_settings.low..1"   a bound may be another key, which is drawn before
"objective_settings.alpha" = "0..inf inverse"        1/(v + 1/2) uniform
"model.surgery" = [["large-map"], ["large-map-28"]]  one of a list, each as likely
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cambench import seeds
from cambench.lookup import nearest
from cambench.recipes import toml
from cambench.recipes.load import conditions, lineage, word
from cambench.recipes.method import TABLES
from cambench.recipes.schema import TrainingRecipe
from cambench.vocabulary import UsageError, check_once

RATE = "optimizer.lr"
SCALES = ("linear", "log", "inverse")
FORM = "expected LOW..HIGH, LOW..HIGH log, LOW..HIGH inverse or a list of values in brackets"
HALF = 0.5
DIGITS = 6
SMALLEST, LARGEST = 1e-100, 1e100
"""Bounds between which whatever a scale makes of a range is finite."""


@dataclass(frozen=True)
class Range:
    """What a key is drawn from: the numbers from low to high (each a number, or the key whose draw it is), or one of the
    choices.
    """

    text: str
    low: float | str = 0.0
    high: float | str = 0.0
    scale: str = "linear"
    choices: Sequence[Any] = ()
    whole: bool = False

    @property
    def bounds(self) -> list[str]:
        """The keys of which the draws are its bounds."""
        return [bound for bound in (self.low, self.high) if isinstance(bound, str)]

    def value(self, u: float, drawn: Mapping[str, Any]) -> Any:
        """The value at the share u in [0, 1) of the range, to six significant digits, so that it can be typed.

        linear: low + u·(high − low) · log: low·(high/low)^u · inverse: 1/t − ½, t from 1/(low + ½) down to 1/(high + ½).
        A whole number is each as likely on the linear scale, and rounded on the others.
        """
        if self.choices:
            return self.choices[int(u * len(self.choices))]
        low, high = (float(drawn[bound]) if isinstance(bound, str) else bound for bound in (self.low, self.high))
        if self.whole and self.scale == "linear":
            return int(low) + int(u * (int(high) - int(low) + 1))
        if self.scale == "log":
            number = low * (high / low) ** u
        elif self.scale == "inverse":
            least, most = 1 / (high + HALF), 1 / (low + HALF)
            number = 1 / (most - u * (most - least)) - HALF
        else:
            number = low + u * (high - low)
        return round(number) if self.whole else float(f"{number:.{DIGITS}g}")


def read(key: str, written: Any, place: str) -> Range:
    """A range as it is written.

    Raises: UsageError for a text that is none, bounds in the wrong order, or that its scale does not take.
    """
    if isinstance(written, Sequence) and not isinstance(written, str) and written:
        return Range(toml.written(list(written)), choices=tuple(written))
    low, _, rest = written.partition("..") if isinstance(written, str) else ("", "", "")
    high, scale = (*rest.split(), "linear")[:2] if rest.strip() else ("", "")
    if not low.strip() or not high or scale not in SCALES or len(rest.split()) > 2:
        raise UsageError(f"{place}: {key}: {FORM}, got {written!r}.")
    bounds = bound(low), bound(high)
    parsed = Range(written, *bounds, scale=scale)
    numbers = [b for b in bounds if not isinstance(b, str)]
    least = {"log": SMALLEST, "inverse": 0.0}.get(parsed.scale, -LARGEST)
    most = math.inf if parsed.scale == "inverse" else LARGEST
    if any(not least <= n <= most for n in numbers) or numbers != sorted(set(numbers)):
        limits = {"log": "0 < LOW < HIGH", "inverse": "0 <= LOW < HIGH"}.get(parsed.scale, "LOW < HIGH")
        beyond = any(abs(n) > LARGEST or 0 < n < SMALLEST for n in numbers)
        within = f", between {SMALLEST:g} and {LARGEST:g}" if beyond else ""
        raise UsageError(f"{place}: {key}: expected {limits}{within}, got {written!r}.")
    return parsed


def bound(text: str) -> float | str:
    """A bound: a number, or else a key."""
    try:
        return float(text)
    except ValueError:
        return text.strip()


def ranges_of(recipe: TrainingRecipe, fixed: Sequence[str] = (), asked: Sequence[str] = ()) -> dict[str, Range]:
    """Key -> what it is drawn from: what the recipe's method says, then what was asked for, less the keys that were set.

    fixed: `a.b=value` texts. asked: `a.b=RANGE` texts, in the notation of a recipe; they replace the recipe's ranges key by
    key. Raises: UsageError for a text without a range, an unknown key, one that is set and drawn, bounds that go round in
    circles, or nothing to draw.
    """
    settled = {text.partition("=")[0].strip() for text in fixed}
    typed = {key.strip(): toml.value(text.strip()) for key, _, text in (text.partition("=") for text in asked)}
    for key in typed:
        check_once(f"--range {key}", sum(text.partition("=")[0].strip() == key for text in asked))
        if key in settled:
            raise UsageError(f"--range {key}: expected a key that is drawn or set, got both; leave one out.")
    written = {key: (text, f"recipe {recipe.method}") for key, text in stated(recipe).items()}
    written |= {key: (text, "--range") for key, text in typed.items()}
    values = {f"{table}.{name}": value for table in TABLES for name, value in dict(getattr(recipe, table)).items()}
    ranges: dict[str, Range] = {}
    for key in written.keys() - settled:
        text, place = written[key]
        if key not in values:
            raise UsageError(f"{place}: {nearest(key, values, 'key')}")
        parsed = read(key, text, place)
        whole = isinstance(values[key], int) and not isinstance(values[key], bool)
        ranges[key] = replace(parsed, whole=whole and not parsed.choices)
    if not ranges:
        raise UsageError(f"search: expected a key to draw, got none of {recipe.method}; say --range {RATE}='1e-5..1 log'.")
    return {key: ranges[key] for key in in_order(ranges)}


def stated(recipe: TrainingRecipe) -> dict[str, Any]:
    """Key -> range as written in the recipe of a method and those that it extends, for the data set and architecture.

    Ranges of one objective's settings are nothing to another.
    """
    task = "few-shot" if recipe.data.shots else "full"
    facts = {"dataset": recipe.dataset, "arch": recipe.arch, "task": task, "batch_size": recipe.train.batch_size}
    written: dict[str, Any] = {}
    for part in lineage(recipe.method):
        if "extends" in part.text and word(part.name, "objective") != word(part.text["extends"], "objective"):
            written = {key: text for key, text in written.items() if not key.startswith("objective_settings.")}
        written |= part.text.get("search", {})
        for block in part.text.get("when", []):
            if all(facts[fact] in values for fact, values in conditions(block).items()):
                written |= block.get("search", {})
    return written


def in_order(ranges: Mapping[str, Range]) -> list[str]:
    """The keys by name, each after those of which the draws are its bounds.

    Raises: UsageError for a bound that is no key which is drawn, or that comes back to itself.
    """
    left, order = sorted(ranges), list[str]()
    while left:
        ready = [key for key in left if set(ranges[key].bounds) <= set(order)]
        if not ready:
            key = left[0]
            unknown = [name for name in ranges[key].bounds if name not in ranges]
            got = unknown[0] if unknown else f"{key} that waits for itself"
            raise UsageError(f"search: {key}: expected bounds that are numbers or keys that are drawn as well, got {got}.")
        order += ready
        left = [key for key in left if key not in ready]
    return order


def draws(ranges: Mapping[str, Range], seed: int, count: int) -> list[dict[str, Any]]:
    """Key -> value of each draw, by the seed, the number of the draw and the key: the first of many draws are those of few.

    Whether and how other keys are drawn changes nothing for a key without such bounds.
    """
    made: list[dict[str, Any]] = []
    for i in range(count):
        drawn: dict[str, Any] = {}
        for key, of in ranges.items():
            names = ("search", i) if key == RATE else ("search", i, key)
            drawn[key] = of.value(seeds.derive(seed, *names) / 2**63, drawn)
        made.append(drawn)
    return made


def overrides(drawn: Mapping[str, Any]) -> list[str]:
    """A draw as `a.b=value` texts."""
    return [f"{key}={toml.written(value)}" for key, value in drawn.items()]
