"""The figures of one of the papers' tables: `lambda`, `gradient-sign`, `remove-and-classify`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

from matplotlib.figure import Figure

from cambench.report import Table
from cambench.report.figures import ablation, bars, erasing
from cambench.stages.reporting.figures.scene import Drawn
from cambench.stages.reporting.report import tables
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

DRAWINGS: dict[str, tuple[str, Callable[[Table], Figure], Callable[[Table], Sequence[Any]]]] = {
    "lambda": ("cgc/10", ablation.ablation, ablation.points),
    "gradient-sign": ("weighted-contrast/figure3", bars.gradient_sign, bars.bars),
    "remove-and-classify": ("calm/figure5", erasing.remove_and_classify, erasing.points),
}
"""Kind -> its table where none is named, its picture, the points that it shows."""


def drawn(kind: str, names: Sequence[str], place: Place, *, on: str | None, arch: str | None) -> Drawn:
    """One table as a picture. Raises: UsageError for another kind of table, or where there is nothing to draw."""
    default, picture, points = DRAWINGS[kind]
    made = tables(names or [default], place, on=on, arch=arch)
    if len(made) != 1:
        raise UsageError(f"figure {kind}: expected one table, got {len(made)}.")
    return Drawn(picture(made[0]), {"table": made[0].id, "points": [asdict(point) for point in points(made[0])]})


curve, gradient_sign, remove_and_classify = (partial(drawn, kind) for kind in DRAWINGS)
