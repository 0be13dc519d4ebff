"""The figure `versus`, as ContrastiveCAM's Figures 2 and 3: the predicted class against the next best and the mean of all,
or the classes of a person's choice against each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from cambench.data.subsets import labels_of, spaced
from cambench.report.figures.panels import Group, Panel, Row
from cambench.stages.reporting.figures.contrast import ORDINALS, READ, Best, best_of, facts, opened, row_of, signed_map
from cambench.stages.reporting.figures.scene import Drawn, Meaning, Scene, evenly, headings, signed
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

MEANING = Meaning(
    ("blue: against it, for the other class", "red: for the predicted class"),
    f"{READ} Against a class: the difference of the two classes' maps.",
)
OF_NAMED = Meaning(
    ("blue: against it, for the other class", "red: for the class named first"),
    f"{READ} A class's map by itself, then that of the label against each other one: the difference of the two.",
)


def versus(
    runs: Sequence[str],
    place: Place,
    *,
    dataset: str | None,
    images: int,
    explainer: str,
    classes: int | None,
    class_names: Sequence[str],
) -> Drawn:
    """The predicted class of evenly spaced images against its rivals; of named classes, each image's label against them.

    Raises: UsageError for a class that the data set has not, a single one, or images of none of them.
    """
    shown, k = opened("versus", runs, place, (dataset, explainer, "resize-center-crop", classes or len(ORDINALS)))
    if class_names:
        if classes:
            raise UsageError("figure versus: expected --class or --classes, got both; leave one out.")
        labels = labels_of(shown.dataset, class_names)
        if len(labels) < 2:
            raise UsageError(
                f"figure versus: expected two classes or more, got {shown.name(labels[0])} alone; name another."
            )
        return of_named(shown, labels, images, place)
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


def of_named(shown: Scene, labels: list[int], images: int, place: Place) -> Drawn:
    """The figure of named classes: evenly spaced images of them, in file order. Source: ContrastiveCAM Figure 2."""
    rows = [row for row, sample in enumerate(shown.dataset.samples) if sample.label in labels]
    names = ", ".join(shown.name(label) for label in labels)
    if not rows:
        raise UsageError(f"figure versus: expected images of {names} in {shown.dataset.name}, got none.")
    chosen = f"{min(images, len(rows))} of {len(rows)} images of {names}, evenly spaced."
    made = []
    for batch in shown.batches(place, spaced(rows, images)):
        p = torch.softmax(shown.loaded.logits(batch.image).double(), 1)[0, labels].tolist()
        order = torch.tensor([labels], device=batch.label.device)
        made.append(between(shown, Best(batch.rows[0], batch.image, order, p)))
    return signed([shown], made, OF_NAMED, chosen)


def between(shown: Scene, one: Best) -> tuple[Row, dict[str, Any]]:
    """A row: each named class by itself, then the image's label against every other one."""
    own, names = shown.dataset.samples[one.row].label, {c: shown.name(c) for c in one.classes}
    heads = headings([*names.values()], one.p)
    alone = [
        Group(head, [Panel(shown.ready.entry.name, signed_map(shown, one.image, "logit", c))])
        for head, c in zip(heads, names, strict=True)
    ]
    pairs = [
        Group(f"{names[own]}\nagainst {other}", [Panel("against", signed_map(shown, one.image, f"versus:{c}", own))])
        for c, other in names.items()
        if c != own
    ]
    predictions = [{"class": shown.dataset.classes[c], "p": p} for c, p in zip(names, one.p, strict=True)]
    row = replace(row_of(shown, one, [*alone, *pairs]), mask=shown.object_mask(one.row))
    return row, {**shown.sample(one.row), "classes": predictions}
