"""The figure `versus`, as ContrastiveCAM's Figures 1 to 3: the predicted class against the next best and the mean of all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from cambench.report.figures.panels import Group, Panel, Row
from cambench.stages.reporting.figures.contrast import ORDINALS, READ, Best, best_of, facts, opened, row_of, signed_map
from cambench.stages.reporting.figures.scene import Drawn, Meaning, Scene, evenly, headings, signed
from cambench.stages.workplace import Place

MEANING = Meaning(
    ("blue: against it, for the other class", "red: for the predicted class"),
    f"{READ} Against a class: the difference of the two classes' maps.",
)


def versus(
    runs: Sequence[str], place: Place, *, dataset: str | None, images: int, explainer: str, classes: int | None
) -> Drawn:
    """The predicted class of evenly spaced images against its rivals."""
    shown, k = opened("versus", runs, place, (dataset, explainer, "resize-center-crop", classes or len(ORDINALS)))
    rows, chosen = evenly(shown.dataset, images)
    return signed([shown], [against(shown, one) for one in best_of(shown, rows, k, place)], MEANING, chosen)


def against(shown: Scene, one: Best) -> tuple[Row, dict[str, Any]]:
    """A row: the best class by itself, against each next best one, against the mean of all."""
    first, *others = one.classes
    own, *heads = headings([shown.name(c) for c in one.classes], one.p)

    def panel(title: str, target: str) -> list[Panel]:
        return [Panel(title, signed_map(shown, one.image, target, first))]

    rivals = zip(ORDINALS[1:], heads, others, strict=False)
    groups = [
        Group(own, panel(shown.ready.entry.name, "logit")),
        *(Group(head, panel(f"against the {nth} best", f"versus:{c}")) for nth, head, c in rivals),
        Group(f"against the mean of\nall {len(shown.dataset.classes)} classes", panel("reconstructed", "reconstructed")),
    ]
    return replace(row_of(shown, one, groups), mask=shown.object_mask(one.row)), facts(shown, one)
