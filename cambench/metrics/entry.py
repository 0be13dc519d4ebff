"""What a metric's entry says. Nothing here imports torch: functions are named by their place and imported when called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any, Literal

from cambench.functions import Function
from cambench.options import Entry
from cambench.vocabulary import ARGUMENTS, EXPLAINER

Direction = Literal["up", "down", "none"]
Steps = tuple[str, ...]
Names = tuple[str, ...] | Callable[..., tuple[str, ...]]
"""Names, or the function of the options that gives them."""
ANY, NONE = "any", "none"
MODES = ("official", "correct")
"""How annotated boxes become pixels (`localisation.boxes`)."""
MAPS = {"heatmap", "explain", "class_maps", "differentiate", "randomised"}
"""Arguments that come from an explainer."""


@dataclass(frozen=True)
class Printing:
    """How values are printed."""

    unit: str
    better: Literal["up", "down"] = "up"
    """Which way values are better."""
    scale: float = 1.0
    """What a mean of rows is multiplied by to be in `unit`."""
    decimals: int = 2
    directions: Mapping[str, Direction] = field(default_factory=dict)
    """Pattern of variants' names (`*/negative`) -> which way they are better, where it is not `better`."""
    units: Mapping[str, str] = field(default_factory=dict)
    """The same for the unit."""
    headline: str = ""
    """The variant that stands for all, where it is not the first."""


@dataclass(frozen=True)
class Input:
    """What is seen of an image."""

    view: Literal["resize-center-crop", "full", "resize"] = "resize-center-crop"
    """How it is cut."""
    scale: float = 1.0
    """Its size as a multiple of the run's."""
    mask: Literal["nearest", "dilated"] = "nearest"
    """How a region comes to its resolution: by nearest neighbour, or every pixel that a bilinear resize reaches."""
    raw: bool = False
    """Whether the network is given the pixels of [0,1] themselves, not normalised as in its training."""


@dataclass(frozen=True)
class Maps:
    """Which maps are looked at, and how."""

    steps: Steps = ()
    """The map steps before `measure`, or that it applies to the maps which it asks for itself."""
    on: Mapping[str, Steps] = field(default_factory=dict)
    """Explainer -> its steps in place of `steps`, where its protocol differs."""
    scaling: str = ""
    """A step in place of the last one, whatever the explainer; "" for none."""
    blur: int = 1
    """Pixels a side of a Gaussian blur among `steps`, behind the resizing; 1 is none."""
    classes: Literal["label", "prediction"] = "label"
    """Which class of an image they explain: the ground truth's, or the network's best."""
    explainer: str = ANY
    """The only one, where the protocol fixes one; `any`; or `none`: the value depends on no map."""
    train_bn: tuple[int, int] | None = None
    """(images a batch, images a chunk) of maps made in train mode, class by class, whose batch norms drift on."""

    def read(self, explainer: str) -> Maps:
        """As the maps of an explainer are read, all in `steps`."""
        key, steps = explainer.partition(":")[0], self.steps
        if self.blur > 1:
            after = next((i for i, step in enumerate(steps, 1) if step.startswith("resize")), len(steps))
            steps = (*steps[:after], f"blur-{self.blur}", *steps[after:])
        steps = self.on.get(key, steps)
        steps = (*steps[:-1], self.scaling) if self.scaling else steps
        return replace(self, steps=steps, on={key: steps}, scaling="", blur=1)


@dataclass(frozen=True)
class Rows:
    """What `measure` returns, and how it becomes values."""

    variants: Names = ("",)
    """The names of its values, ("",) of a single one. With several, rows are {column: (N, …)}, the variants among them."""
    mean: Callable[..., dict[str, float]] | None = None
    """columns -> {variant: value}, where values are no means of rows over images."""
    averages: bool = False
    """Whether `mean` gives the same for one row, the columns' means over images: then a bootstrap copies no rows."""
    spread: Callable[..., Any] | None = None
    """columns -> {variant: rows}, where a variant is the mean of a part of the rows."""
    group: int | None = None
    """Images that are measured together, None for any number; a smaller rest is dropped."""
    first: int | None = None
    """Only the first so many images of a split are measured, None for all."""
    pairs: bool = False
    """A row is a pair of classes, not an image."""
    leaves_out: str = ""
    """Which images do not count and why, where a column `counted` (N,) bool marks those that do."""
    tallies: Names = ()
    """Columns of marks that are counted over the images that count."""

    @property
    def of_columns(self) -> bool:
        """Whether each value is the mean over the images of the column of its name."""
        return self.mean is None and self.spread is None


@dataclass(frozen=True)
class Metric(Entry):
    """One metric: `measure` declares what it needs by the names of its arguments (`needs`), and returns rows (N,)."""

    measure: Callable[..., Any]
    printing: Printing
    asks: str = ""
    """The question that it answers, for someone who has read no paper; "" where `summary` says it."""
    input: Input = Input()
    maps: Maps = Maps(explainer=NONE)
    rows: Rows = Rows()

    def facts(self) -> Iterator[tuple[bool, str]]:
        """As `Entry.facts`; a function that is named by its place is not imported for it: a test asks `workable`."""
        if not isinstance(self.measure, Function):
            yield from workable(self)

    def direction(self, variant: str) -> Direction:
        """Which way a variant's values are better."""
        better: Direction = matching(self.printing.directions, variant, self.printing.better)
        return better

    def unit_of(self, variant: str) -> str:
        """The unit of a variant's values."""
        unit: str = matching(self.printing.units, variant, self.printing.unit)
        return unit

    def on(self, explainer: str) -> Metric:
        """The metric as it reads the maps of an explainer."""
        return replace(self, maps=self.maps.read(explainer))

    @property
    def variants(self) -> tuple[str, ...]:
        """The names of its values."""
        return known(self.rows.variants)

    @property
    def tallies(self) -> tuple[str, ...]:
        """Columns of marks that are counted over the images that count."""
        return known(self.rows.tallies)

    @property
    def fixed(self) -> str:
        """The only explainer that it looks at, "" where there is a choice or none at all."""
        return "" if self.maps.explainer in (ANY, NONE) else self.maps.explainer

    def explainer_of(self, named: str | None = None) -> str:
        """The explainer at whose heatmaps it looks: its own, else the one that is named, else the default."""
        return self.fixed or named or EXPLAINER

    @property
    def looks(self) -> bool:
        """Whether the value depends on an explainer, be it through heatmaps or as a function."""
        return self.maps.explainer != NONE

    @property
    def explains(self) -> bool:
        """Whether `measure` takes a heatmap (a metric may also explain images itself, by the argument `explain`)."""
        return "heatmap" in needs(self) and not self.rows.pairs

    @property
    def at_annotation(self) -> bool:
        """True where maps and regions are compared at the resolution of the annotation, false at that of the input."""
        return "mask" in needs(self) and "image" not in needs(self)

    @property
    def regions(self) -> bool:
        """Whether it looks at the regions of objects at the resolution of the input."""
        return not self.at_annotation and bool({"mask", "regions"} & set(needs(self)))

    @property
    def targeted(self) -> bool:
        """Whether the value depends on the target that is explained."""
        return bool((MAPS - {"class_maps"}) & set(needs(self)))


def workable(metric: Metric) -> Iterator[tuple[bool, str]]:
    """What holds of a metric that can be measured, each with what is expected and what is there."""
    from cambench.maps import RESIZES, STEPS, known_step

    wanted, every = needs(metric), (metric.maps.steps, *metric.maps.on.values())
    steps = {step for own in every for step in own} - ({"difference"} if metric.rows.pairs else set())
    yield from ((name in ARGUMENTS, f"a known argument ({', '.join(ARGUMENTS)}), got {name}") for name in wanted)
    listed = ", ".join([*STEPS, *RESIZES])
    yield from ((known_step(step), f"a known map step ({listed}, blur-N), got {step}") for step in steps)
    if metric.at_annotation and not metric.rows.pairs:
        got = f"measure({', '.join(wanted)}) and variants {', '.join(metric.variants)}"
        fits = set(wanted) == {"heatmap", "mask"} and set(metric.variants) <= set(MODES)
        yield fits, f"of masks without images measure(heatmap, mask) and variants among {', '.join(MODES)}, got {got}"
    takes = bool(MAPS & set(wanted))
    yield metric.looks == takes, f"maps.explainer {'any or a name' if takes else NONE}, got {metric.maps.explainer}"
    yield len({*metric.variants}) == len(metric.variants) > 0, f"variants, each once, got {metric.variants}"


def known(names: Names) -> tuple[str, ...]:
    """The names themselves."""
    return names if isinstance(names, tuple) else names()


def matching(patterns: Mapping[str, Any], name: str, otherwise: Any) -> Any:
    """What the first pattern that a name fits says of it."""
    return next((value for pattern, value in patterns.items() if fnmatchcase(name, pattern)), otherwise)


def needs(metric: Metric) -> tuple[str, ...]:
    """The names of the arguments that `measure` takes, all of them in `vocabulary.ARGUMENTS`; options are keyword-only."""
    parameters = inspect.signature(metric.measure).parameters.values()
    return tuple(p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY)
