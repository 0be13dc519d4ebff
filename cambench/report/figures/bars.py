"""Figure 3 of the weighted contrast as bars: what each network gains along the gradients of several targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cambench.report.figures.plots import PLAIN, SMALL, legend, nothing_of, panels_over, quiet
from cambench.report.tables.model import Table
from cambench.vocabulary import UsageError

COLOURS = ("#b9b9b9", "#7a7a7a", "#e0922f", "#1f5fa8", "#3f8f4f", "#8a4fa8")
SIZE, MARGINS, ROOM = (2.3, 1.5), (0.12, 0.33, 0.2, 0.2), (0.5, 0.45, 0.25)
SPREAD = ("Mean ±", "One seed")
WIDER = "Bars: {}; outlines: {}."


@dataclass(frozen=True)
class Bar:
    """A cell: network and target of its row; size of the step, number of steps and quantity of its column."""

    network: str
    target: str
    size: str
    steps: str
    quantity: str
    measured: float | None
    low: float | None
    high: float | None


def bars(table: Table) -> list[Bar]:
    """The cells, row by row.

    Raises: UsageError for a table whose rows are not network × target and columns not size × steps × quantity.
    """
    if len(table.row_headers) != 2 or table.levels != 3:
        raise UsageError(
            "figure gradient-sign: expected a table of networks × targets over sizes × steps × quantities, such as "
            f"weighted-contrast/figure3, got {table.id}."
        )
    cells = (
        (row.label, column.label, cell) for row in table.rows for column, cell in zip(table.columns, row.cells, strict=True)
    )
    return [
        Bar(network, target, size, steps, quantity, *cell.drawn[:3])
        for (network, target), (size, steps, quantity), cell in cells
    ]


def gradient_sign(table: Table) -> Figure:
    """A row of panels a network, a panel a quantity, a group of bars a number of steps, a bar a target.

    The first size of step is filled, with its spread; a second one is an outline behind it.
    Raises: UsageError where nothing is measured.
    """
    every = bars(table)
    networks = list(dict.fromkeys(bar.network for bar in every if bar.measured is not None))
    if not networks:
        raise nothing_of(table, "gradient-sign", "measured")
    quantities, sizes = (list(dict.fromkeys(getattr(bar, name) for bar in every)) for name in ("quantity", "size"))
    spread = [s for s in (*table.notes, *table.footnotes) if s.startswith(SPREAD)]
    words = [*table.banner, WIDER.format(sizes[0], " ".join(sizes[1:])) if len(sizes) > 1 else f"{sizes[0]}.", *spread]
    figure, panels = panels_over(words, (len(networks), len(quantities)), SIZE, MARGINS, ROOM)
    for r, network in enumerate(networks):
        for c, quantity in enumerate(quantities):
            axes = panels[r][c]
            panel(axes, [bar for bar in every if (bar.network, bar.quantity) == (network, quantity)], sizes)
            axes.set_title(quantity if r == 0 else "", fontsize=SMALL + 1, **PLAIN)
            axes.set_ylabel(network if c == 0 else "", fontsize=SMALL + 1, **PLAIN)
    legend(figure)
    return figure


def panel(axes: Axes, shown: Sequence[Bar], sizes: Sequence[str]) -> None:
    """One quantity of one network."""
    steps, targets = (list(dict.fromkeys(getattr(bar, name) for bar in shown)) for name in ("steps", "target"))
    thick = 0.8 / len(targets)
    for t, target in enumerate(targets):
        colour = COLOURS[t % len(COLOURS)]
        for bar in (bar for bar in shown if bar.target == target and bar.measured is not None):
            x = steps.index(bar.steps) + (t - (len(targets) - 1) / 2) * thick
            if bar.size != sizes[0]:
                axes.bar(x, bar.measured or 0, thick * 0.9, fill=False, edgecolor=colour, linewidth=0.7)
                continue
            axes.bar(x, bar.measured or 0, thick * 0.9, color=colour, label=target if bar.steps == steps[0] else None)
            if bar.low is not None and bar.high is not None:
                axes.plot([x, x], [bar.low, bar.high], color="#333333", linewidth=0.6)
    axes.set_xticks(range(len(steps)), steps)
    axes.axhline(0, color="#333333", linewidth=0.5)
    axes.tick_params(labelsize=SMALL - 0.5, length=2)
    quiet(axes)
    axes.set_axisbelow(True)
