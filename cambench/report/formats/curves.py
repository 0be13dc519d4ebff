"""Training curves as inline SVG. Colours are CSS variables of the page, so that it can be light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

WIDTH, HEIGHT = 440, 260
LEFT, RIGHT, TOP, BOTTOM = 52, 12, 30, 40
COLOURS = 8
TICKS = 5

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Curve:
    """One run's training: `label` gives the colour and the legend (runs of one method share it), `epochs` are its log lines.

    `panel` names the row of plots it belongs to, such as its data set.
    """

    run: str
    label: str
    epochs: Sequence[dict[str, Any]]
    panel: str = ""

    def points(self, quantity: str) -> Points:
        """(epoch, value) of the epochs that have a finite value."""
        pairs = [(e.get("epoch"), e.get(quantity)) for e in self.epochs]
        numbers = [(float(x), float(y)) for x, y in pairs if isinstance(x, int | float) and isinstance(y, int | float)]
        return [(x, y) for x, y in numbers if math.isfinite(x) and math.isfinite(y)]


def ticks(low: float, high: float) -> list[float]:
    """About five round numbers that cover low to high: steps of 1, 2, 2.5 or 5 times a power of ten."""
    span = high - low or abs(high) or 1.0
    power = 10 ** math.floor(math.log10(span / TICKS))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if span / (m * power) <= TICKS)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [step * i for i in range(first, max(last, first + 1) + 1)]


def legend(curves: Sequence[Curve]) -> dict[str, int]:
    """label -> colour number, in order of first appearance."""
    return {label: i % COLOURS for i, label in enumerate(dict.fromkeys(curve.label for curve in curves))}


def svg(curves: Sequence[Curve], quantity: str, colours: dict[str, int]) -> Markup:
    """One plot: the quantity over epochs, a line a run; nothing where no run has the quantity."""
    lines = [(curve, points) for curve in curves if (points := curve.points(quantity))]
    if not lines:
        return Markup("")
    xs = epochs(max(x for _, points in lines for x, _ in points))
    ys = ticks(min(y for _, p in lines for _, y in p), max(y for _, p in lines for _, y in p))

    def place(x: float, y: float) -> tuple[str, str]:
        across, up = (x - xs[0]) / (xs[-1] - xs[0]), (y - ys[0]) / (ys[-1] - ys[0])
        return f"{LEFT + across * (WIDTH - LEFT - RIGHT):.1f}", f"{HEIGHT - BOTTOM - up * (HEIGHT - TOP - BOTTOM):.1f}"

    marks = [tick_y(place(xs[0], y), y, ys) for y in ys] + [tick_x(place(x, ys[0]), x) for x in xs]
    drawn = [polyline(curve, [place(*point) for point in points], colours[curve.label]) for curve, points in lines]
    name = escape(quantity.replace("_", " ") + (" (%)" if quantity.endswith("accuracy") else ""))
    return Markup(
        '<svg class="plot" viewBox="0 0 {w} {h}" role="img" aria-label="{name} over epochs">'
        '<text class="name" x="{left}" y="16">{name}</text>{marks}{lines}'
        '<text class="axis" x="{middle}" y="{low}" text-anchor="middle">epoch</text></svg>'
    ).format(
        w=WIDTH, h=HEIGHT, name=name, left=LEFT, marks=Markup("").join(marks), lines=Markup("").join(drawn),
        middle=(LEFT + WIDTH - RIGHT) // 2, low=HEIGHT - 6,
    )  # fmt: skip


def epochs(last: float) -> list[float]:
    """Ticks of the epoch axis: whole epochs from 0 to at least the last."""
    step = max(1.0, next(s for s in (m * 10.0**k for k in range(9) for m in (1, 2, 5)) if last / s <= TICKS))
    return [step * i for i in range(max(1, math.ceil(last / step)) + 1)]


def tick_y(at: tuple[str, str], value: float, all_values: Sequence[float]) -> Markup:
    """A horizontal line and its number."""
    decimals = max(0, -math.floor(math.log10(all_values[1] - all_values[0]) + 1e-9))
    decimals += abs(round(all_values[1] - all_values[0], decimals) - (all_values[1] - all_values[0])) > 1e-12
    return Markup(
        '<line class="grid" x1="{x}" x2="{right}" y1="{y}" y2="{y}"/>'
        '<text class="axis" x="{tx}" y="{y}" dy="4" text-anchor="end">{v}</text>'
    ).format(x=at[0], right=WIDTH - RIGHT, y=at[1], tx=LEFT - 8, v=f"{value:.{decimals}f}")


def tick_x(at: tuple[str, str], value: float) -> Markup:
    """A number under the epoch axis."""
    return Markup('<text class="axis" x="{x}" y="{y}" text-anchor="middle">{v}</text>').format(
        x=at[0], y=HEIGHT - BOTTOM + 16, v=f"{value:g}"
    )


def polyline(curve: Curve, points: Sequence[tuple[str, str]], colour: int) -> Markup:
    """A run's line; its name shows when the pointer rests on it."""
    path = " ".join(f"{x},{y}" for x, y in points)
    dots = Markup("").join(
        Markup('<circle class="c{c}" cx="{x}" cy="{y}" r="2.5"/>').format(c=colour, x=x, y=y) for x, y in points[-1:]
    )
    return Markup('<g><title>{run}</title><polyline class="c{c}" points="{path}"/>{dots}</g>').format(
        run=curve.run, c=colour, path=path, dots=dots
    )
