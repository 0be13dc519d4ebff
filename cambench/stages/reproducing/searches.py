"""Searches in a plan: `reproduce --search 30` measures a cell with the best of 30 draws of its network's settings.

The draws are ordinary trainings, and the cell's metric on the split that the table names decides, or on a fifth of the
training images where the data set has no such split or shows it in the table. What was trained and measured is found again,
so that a search goes on where it stopped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cambench import data
from cambench.data.episodes import HELD_OUT
from cambench.metrics import find_metric
from cambench.recipes import ranges
from cambench.recipes.ranges import Range
from cambench.recipes.tables import TableRecipe
from cambench.report.tables.model import Cell
from cambench.stages.divergence import stopped
from cambench.stages.progress import say
from cambench.stages.reproducing.inventory import find_network, find_record
from cambench.stages.reproducing.lacks import unknown
from cambench.stages.reproducing.measurement import Measurement
from cambench.stages.reproducing.plan import Job, Network, Wish
from cambench.stages.reproducing.roles import BEST, DRAW, OPEN
from cambench.stages.reproducing.search import Draw, chosen, explainer_of, keep
from cambench.stages.workplace import Place
from cambench.vocabulary import TARGET, CambenchError, UsageError

SHARE = "data.held_out=0.2"


@dataclass(frozen=True)
class Search:
    """One search: what is drawn, the networks of the draws, and the measurement that decides."""

    ranges: Mapping[str, Range]
    settings: Sequence[Mapping[str, Any]]
    networks: Sequence[Network]
    deciding: Measurement

    def drawn(self, place: Place) -> list[Draw] | None:
        """Every draw with its value; None while one is still to be trained or measured."""
        made = []
        for settings, network in zip(self.settings, self.networks, strict=True):
            run = find_network(network, place)
            if run is not None and (sentence := stopped(run)):
                made.append(Draw(settings, failed=sentence))
                continue
            record = find_record(network, self.deciding, place)
            if run is None or record is None:
                return None
            value = next(iter(record.values.values())).value
            made.append(Draw(settings, run, value, " ".join(record.warnings)))
        return made


@dataclass
class Searches:
    """The searches of a plan, each looked up once. `decided`: key -> the search, its draws and the best of them."""

    wish: Wish
    place: Place
    tables: Mapping[str, TableRecipe]
    known: dict[tuple[str, str], tuple[Search, list[Draw] | None]] = field(default_factory=dict)

    def expand(self, network: Network, what: Measurement, table: str) -> list[tuple[Network, Measurement]]:
        """What a measurement of a table takes: those of the draws, then its own, of the network with the best settings.

        Raises: UsageError for a range that the network does not take, or where nothing is left to draw.
        """
        split = self.tables[table].search
        if network.given or not split or unknown(Job(network)):  # of which the job tells
            return [(network, what)]
        search, drawn = self.outcome(replace(network, seed=0), what, split)
        best = replace(network, drawn=tuple(ranges.overrides(search.settings[0])), role=OPEN)
        if drawn is not None:
            best = replace(best, drawn=tuple(ranges.overrides(best_of(drawn, what.metric).settings)), role=BEST)
        return [*((draw, search.deciding) for draw in search.networks), (best, what)]

    def outcome(self, network: Network, what: Measurement, split: str) -> tuple[Search, list[Draw] | None]:
        """The search of a network by a metric, and its draws once all of them are measured."""
        key = network.key, what.metric
        if key not in self.known:
            search = self.search(network, what, split)
            self.known[key] = search, search.drawn(self.place)
        return self.known[key]

    def search(self, network: Network, what: Measurement, split: str) -> Search:
        """The draws of a network.

        Raises: UsageError for a method, a key or a range that there is not.
        """
        recipe, fixed = network.recipe, network.overrides
        drawn_from = ranges.ranges_of(recipe, fixed, self.wish.ranges)
        settings = ranges.draws(drawn_from, network.seed, self.wish.search or 0)
        entry = data.resolve(network.dataset)[0]
        apart = split not in entry.splits or split == what.split
        texts = [(*ranges.overrides(one), *([SHARE] if apart else [])) for one in settings]
        networks = [replace(network, drawn=text, role=DRAW) for text in texts]
        own = what.explainer if what.target == TARGET else explainer_of(recipe)  # CAM + Y has the network of CAM
        deciding = Measurement(what.metric, network.dataset, HELD_OUT if apart else split, own, TARGET)
        return Search(drawn_from, settings, networks, deciding)

    def keep(self) -> None:
        """Say what each search that is decided has found, and keep it in the run of its best draw."""
        for search, drawn in self.known.values():
            if drawn is None:
                continue
            best, what, first = best_of(drawn, search.deciding.metric), search.deciding, search.networks[0]
            of = f"search: {replace(first, drawn=(), role='').label}, {what.metric} on {what.split}"
            if best.run is None or best.value is None:
                say(f"{of}: none of {len(drawn)} draws has a value; lower the upper ends of the ranges (--range).")
                continue
            facts = {"metric": what.metric, "split": what.split, "explainer": what.explainer, "target": what.target}
            run = keep(drawn, best, search.ranges, facts)
            value = Cell(find_metric(what.metric).printing.decimals).number(best.value)
            say(f"{of}: best of {len(drawn)} is {best.typed}, {value} ({run.path / 'run.json'})")


def best_of(drawn: Sequence[Draw], metric: str) -> Draw:
    """The best draw; the first where none has a value."""
    try:
        return chosen(drawn, find_metric(metric))
    except CambenchError:
        return drawn[0]


def searches_of(tables: Sequence[TableRecipe], wish: Wish, place: Place) -> Searches | None:
    """The searches that a plan makes; None where none was asked for.

    Raises: UsageError where no table is one of which the paper searches settings.
    """
    if wish.search is None:
        return None
    if not any(table.search for table in tables):
        names = ", ".join(table.id for table in tables)
        raise UsageError(f"--search: expected a table whose paper searches settings (calm/3, calm/5), got {names}.")
    return Searches(wish, place, {table.id: table for table in tables})
