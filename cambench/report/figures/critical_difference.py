"""The critical-difference diagram (Demšar 2006, Fig. 1): mean ranks on a line, bars over explainers that do not differ."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from cambench.report.figures.plots import GREY, PLAIN, SMALL, Sheet, footed
from cambench.report.ranking.ranking import Ranking
from cambench.vocabulary import number_of

SPAN, LETTER = 4.0, 0.068
"""Inches: the line of ranks, a letter of a name."""
TOP, STEP, BAR = 0.78, 0.2, 0.09
"""Inches: above the line of ranks, from name to name, from bar to bar."""
BEYOND = 0.05
"""Inches that a bar reaches beyond its ends."""
INK, SAME = "#222222", "#1f5fa8"


def critical_difference(ranking: Ranking, alike: Sequence[Sequence[int]]) -> Figure:
    """Best on the left. alike: sets of explainers, by their places, of which no two differ."""
    means: list[float] = ranking.means.tolist()
    half = math.ceil(len(means) / 2)
    side = 0.4 + LETTER * max(len(f"{name}  0.00") for name in ranking.explainers)
    low = math.floor(float(means[0]))
    inch: float = SPAN / (max(math.ceil(means[-1]), low + 1) - low)
    shown = bars([[means[j] for j in own] for own in alike if len(own) > 1], 3 * BEYOND / inch)
    first = TOP + BAR * (2 + max((level for *_, level in shown), default=-1))
    width = SPAN + 2 * side
    lines = footed(sentences(ranking), width)
    sheet = Sheet(Figure(), width, first + STEP * half + 0.14 * len(lines) + 0.15)
    sheet.figure.set_size_inches(width, sheet.high)
    axes = sheet.axes(0, 0, width, sheet.high)
    axes.set(xlim=(0, width), ylim=(sheet.high, 0))

    def at(rank: float) -> float:
        """Inches from the left of a mean rank."""
        return side + (rank - low) * inch

    scale(axes, [(at(rank), rank) for rank in range(low, low + round(SPAN / inch) + 1)])
    distance(axes, ranking.critical_distance, side, inch)
    for left, right, level in shown:
        height = TOP + BAR * (1 + level)
        axes.plot([at(left) - BEYOND, at(right) + BEYOND], [height] * 2, color=SAME, linewidth=2.5, solid_capstyle="butt")
    for j, (name, mean) in enumerate(zip(ranking.explainers, means, strict=True)):
        height = first + STEP * ((j if j < half else len(means) - 1 - j) + 0.5)
        if j < half:
            elbow(axes, (at(mean), side - 0.15), height, f"{name}  {mean:.2f}")
        else:
            elbow(axes, (at(mean), width - side + 0.15), height, f"{mean:.2f}  {name}")
    sheet.foot(lines)
    return sheet.figure


def bars(groups: Sequence[Sequence[float]], gap: float = 0.0) -> list[tuple[float, float, int]]:
    """Mean ranks of each group -> (lowest, highest, level): those of one level are farther apart than the gap."""
    made: list[tuple[float, float, int]] = []
    for left, right in sorted((min(own), max(own)) for own in groups):
        taken = {level for begin, end, level in made if begin <= right + gap and left <= end + gap}
        made.append((left, right, next(level for level in range(len(groups)) if level not in taken)))
    return made


def scale(axes: Axes, ticks: Sequence[tuple[float, int]]) -> None:
    """The line of ranks with its numbers. ticks: (inches from the left, rank)."""
    axes.plot([ticks[0][0], ticks[-1][0]], [TOP, TOP], color=INK, linewidth=0.9)
    for x, rank in ticks:
        axes.plot([x, x], [TOP - 0.06, TOP], color=INK, linewidth=0.9)
        axes.text(x, TOP - 0.09, str(rank), ha="center", va="bottom", fontsize=SMALL + 1, color=INK)


def distance(axes: Axes, width: float, left: float, inch: float) -> None:
    """The critical distance as a bar above the line's beginning, only named where it is too long. inch: inches a rank."""
    long = min(width * inch, SPAN)
    if long < SPAN:
        axes.plot([left, left + long], [0.38] * 2, color=INK, linewidth=0.9)
        for x in (left, left + long):
            axes.plot([x, x], [0.34, 0.42], color=INK, linewidth=0.9)
    axes.text(left + long / 2, 0.3, f"CD = {width:.2f}", ha="center", va="bottom", fontsize=SMALL + 1, color=INK)


def elbow(axes: Axes, ends: tuple[float, float], height: float, text: str) -> None:
    """A line from a mean rank down and out to the explainer's name. ends: inches from the left of both."""
    align, gap = ("right", -0.05) if ends[1] < ends[0] else ("left", 0.05)
    axes.plot([ends[0], *ends], [TOP, height, height], color=GREY, linewidth=0.7)
    axes.text(ends[1] + gap, height, text, ha=align, va="center", fontsize=SMALL + 1, color=INK, **PLAIN)


def sentences(ranking: Ranking) -> list[str]:
    """What stands beneath."""
    n, several = ranking.blocks.shape[0], number_of(len(ranking.metrics), "metric")
    return [
        f"{ranking.where}: mean ranks over {number_of(n, 'image')} and {several} ({', '.join(ranking.metrics)}); 1 is best. "
        "Bars join explainers of which no two differ (Wilcoxon's signed-rank test over the images, Holm, 5 %). "
        "CD: Nemenyi's critical distance of one ranking an image, 5 %."
    ]
