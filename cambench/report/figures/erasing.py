"""Figure 5 of CALM as curves: the accuracy that is left when the k % most salient pixels are erased, against random ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from cambench.report.figures.plots import PLAIN, SMALL, legend, nothing_of, panels_over, quiet
from cambench.report.tables.model import Table
from cambench.vocabulary import UsageError

WIDTH, HEIGHT, LEFT = 2.5, 2.3, 0.45
COLOURS = ("#b9b9b9", "#7a7a7a", "#c9a227", "#a0522d", "#d1495b", "#5aa9e6", "#1f5fa8", "#3f8f4f")
MARKERS = "osD^vPX*"
BROAD = 1.25
"""Inches of a name in the legend."""
CAVEATS = ("Mean ±", "One seed", "The paper prints no number")
"""How the notes begin that belong beneath the curves."""
PERCENT = " %"
STEP = 0.7
"""How far apart the intervals of two methods stand at one k, in %: else one would hide the other."""
ENDS = (0.0, 100.0)
"""Nothing erased and everything erased: as many pixels as at random, so R = 1 by construction."""
AXES = ("pixels erased, k (%)", "R_k, lower is better")
MEASURED, PUBLISHED = "measured", "published"
KINDS: dict[str, dict[str, Any]] = {
    MEASURED: {"linestyle": "-", "linewidth": 1.3, "markersize": 3.5},
    PUBLISHED: {"linestyle": ":", "linewidth": 1.0, "markersize": 3.5, "markerfacecolor": "white"},
}
NAMES = {MEASURED: "Solid: measured.", PUBLISHED: "Dotted: published."}
RULE = "R = 1 at k = 0 and 100 by construction."


@dataclass(frozen=True)
class Point:
    """A method's R at k % on one data set; low and high are one std, or the interval over the images, around ours."""

    dataset: str
    method: str
    k: float
    measured: float | None
    low: float | None
    high: float | None
    published: float | None


def points(table: Table) -> list[Point]:
    """The cells, data set by data set, method by method, with the two ends that belong to every curve.

    Raises: UsageError for a table whose columns are not data sets × percentages.
    """
    heads = [column.label for column in table.columns]
    if len(table.row_headers) != 1 or table.levels != 2 or not all(head[1].endswith(PERCENT) for head in heads):
        raise UsageError(
            "figure remove-and-classify: expected a table of methods over data sets × percentages, such as "
            f"calm/figure5, got {table.id}."
        )
    curve = []
    for dataset in dict.fromkeys(head[0] for head in heads):
        for row in table.rows:
            own = [
                Point(dataset, row.label[0], float(head[1].removesuffix(PERCENT)), *cell.drawn)
                for head, cell in zip(heads, row.cells, strict=True)
                if head[0] == dataset
            ]
            curve += sorted([*own, *ends(own)], key=lambda p: p.k)
    return curve


def ends(own: Sequence[Point]) -> list[Point]:
    """The two ends of a method's curves, of those that have a point at all."""
    ours, theirs = (1.0 if any(getattr(p, kind) is not None for p in own) else None for kind in KINDS)
    return [Point(own[0].dataset, own[0].method, k, ours, ours, ours, theirs) for k in ENDS]


def remove_and_classify(table: Table) -> Figure:
    """A panel a data set, a line a method: measured with its spread, published dotted.

    Raises: UsageError where there is nothing to draw.
    """
    every = [p for p in points(table) if p.measured is not None or p.published is not None]
    if not every:
        raise nothing_of(table, "remove-and-classify", "measured or published")
    methods, panels = (list(dict.fromkeys(getattr(p, name) for p in every)) for name in ("method", "dataset"))
    style: dict[str, dict[str, Any]] = {
        m: {"color": COLOURS[i % len(COLOURS)], "marker": MARKERS[i % len(MARKERS)]}
        for i, m in enumerate(row.label[0] for row in table.rows)
    }
    width = LEFT + WIDTH * max(len(panels), 2)
    drawn = [NAMES[kind] for kind in KINDS if any(getattr(p, kind) is not None for p in every)]
    footnotes = [s for s in (*table.notes, *table.footnotes) if s.startswith(CAVEATS)]
    notes, across = [*table.banner, " ".join([RULE, *drawn]), *footnotes], max(1, int(width / BROAD))
    head, size = 0.17 * -(-len(methods) // across) + 0.3, ((width - LEFT) / len(panels), HEIGHT)
    figure, (row,) = panels_over(notes, (1, len(panels)), size, (0, 0.35, 0, 0), (LEFT, head, 0.5))
    for axes, dataset in zip(row, panels, strict=True):
        panel(axes, [p for p in every if p.dataset == dataset], style)
    figure.axes[0].set_ylabel(AXES[1], fontsize=SMALL + 1, **PLAIN)
    handles = [Line2D([], [], linewidth=1.3, markersize=3.5, **style[m]) for m in methods]
    legend(figure, across, methods, handles)
    return figure


def panel(axes: Axes, shown: Sequence[Point], style: dict[str, dict[str, Any]]) -> None:
    """One data set."""
    axes.set_title(shown[0].dataset, fontsize=SMALL + 2, **PLAIN)
    axes.axhline(1, color="#333333", linewidth=0.5)
    for n, (method, look) in enumerate(style.items()):
        aside = (n - (len(style) - 1) / 2) * STEP
        for kind, line in KINDS.items():
            own = [(p.k, getattr(p, kind)) for p in shown if p.method == method and getattr(p, kind) is not None]
            if own:
                axes.plot(*zip(*own, strict=True), label=f"{method}, {kind}", **{**look, **line})
        for p in shown:
            if p.method == method and p.low is not None and p.high is not None and p.k not in ENDS:
                axes.plot([p.k + aside] * 2, [p.low, p.high], color=look["color"], linewidth=0.6)
    axes.set_xticks(sorted({p.k for p in shown}), [f"{k:g}" for k in sorted({p.k for p in shown})])
    axes.set_ylim(bottom=0)
    axes.set_xlabel(AXES[0], fontsize=SMALL + 1, **PLAIN)
    axes.tick_params(labelsize=SMALL, length=2)
    quiet(axes)
