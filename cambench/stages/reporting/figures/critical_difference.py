"""The figure `critical-difference`: mean ranks of explainers over images and metrics, and which of them do not differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from cambench.report.figures.critical_difference import critical_difference as diagram
from cambench.report.ranking.ranking import groups
from cambench.stages.reporting.figures.scene import Drawn
from cambench.stages.reporting.rank import Wanted, at_hand, rankings
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError


def critical_difference(
    runs: Sequence[str], place: Place, *, metric: Sequence[str], explainer: Sequence[str], dataset: str | None
) -> Drawn:
    """The diagram of what is measured. Raises: as `rankings`; UsageError for several data sets of which none is named."""
    made = rankings(*at_hand(Wanted(runs, metric, explainer, dataset=dataset), place))
    if len(made) > 1:
        there = ", ".join(ranking.where for ranking in made[:-1])
        raise UsageError(f"figure critical-difference: records on {there}; choose with --dataset.")
    ranking = made[0]
    shows = {
        "on": ranking.where,
        "metrics": [*ranking.metrics],
        "images": ranking.blocks.shape[0],
        "ranks": dict(zip(ranking.explainers, ranking.means.tolist(), strict=True)),
        "critical_distance": ranking.critical_distance,
        "pairs": [asdict(pair) for pair in ranking.pairs],
    }
    return Drawn(diagram(ranking, groups(ranking, ranking.pairs)), shows)
