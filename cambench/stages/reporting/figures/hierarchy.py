"""The figure `hierarchy`: CALM's joint maps added up over ever larger sets of classes around an image's own, as its Figures
6 and 11.

A row climbs from the image's class to all classes: on ImageNet by the nodes of WordNet above it (`data/wordnet.py`),
elsewhere by the families of class sets that the data set has. Nodes with the same classes are one level.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from cambench.data.class_sets import SUPERSETS
from cambench.data.wordnet import in_words
from cambench.report.figures.panels import Group, Panel, Row
from cambench.stages.class_sets import together
from cambench.stages.reporting.figures.calm import EXPLAINERS, JOINT, map_of, opened
from cambench.stages.reporting.figures.scene import (
    Drawn,
    Meaning,
    Scene,
    evenly,
    headings,
    plain,
    signed,
)
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError, number_of

MARK = "Y: "
MEANING = Meaning(
    ("", ""),
    "Above an image its class. Each map on a range of its own, m its largest value: p(Y,z|x), the joint maps of all classes "
    "of a set added up, from the image's class by itself to all classes; p is what the set's maps add up to. Y: marks the "
    "superset with which objects are localised.",
    amount="probability",
)


class Level(NamedTuple):
    """One set around a class: its family ("" of the class by itself), its name, its classes (C,) bool, whether it is Y."""

    family: str
    name: str
    members: Tensor
    superset: bool


def hierarchy(runs: Sequence[str], place: Place, *, dataset: str | None, images: int, levels: int) -> Drawn:
    """CALM's maps of evenly spaced images, each at some levels of the hierarchy.

    Raises: UsageError for a network without a CALM head, or fewer than 2 levels.
    """
    if levels < 2:
        raise UsageError(f"--levels: expected at least 2, the class and all classes, got {levels}.")
    shown = opened(runs, dataset, place)
    rows, chosen = evenly(shown.dataset, images)
    return signed([shown], rows_of(shown, rows, levels, place), MEANING, chosen)


def rows_of(shown: Scene, rows: Sequence[int], count: int, place: Place) -> list[tuple[Row, dict[str, Any]]]:
    """A row an image, and what it shows for a machine; where an image has fewer levels than others, its row ends early."""
    chains = {
        row: some(chain(shown.dataset.class_sets, shown.name, shown.dataset.samples[row].label), count) for row in rows
    }
    columns = max(map(len, chains.values()))
    made = []
    for batch in shown.batches(place, rows):
        (row,), label = batch.rows, int(batch.label)
        p = torch.softmax(shown.loaded.logits(batch.image).double(), 1)[0].cpu()
        groups: list[Group] = []
        levels: list[dict[str, Any]] = []
        for level in chains[row]:
            probability = float(p[level.members].sum())
            target = f"subset:{level.family}" if level.family else "logit"
            heatmap = map_of(shown, batch.image, EXPLAINERS[JOINT], target, label)
            size = int(level.members.sum())
            words = f"{MARK if level.superset else ''}{level.name}, {number_of(size, 'class')}"
            (heading,) = headings([words], [probability])
            groups.append(Group(heading, [Panel(f"level {len(groups) + 1}", heatmap, kind="positive")]))
            levels.append({"set": level.name, "classes": size, "p": probability, "superset": level.superset})
        blank = np.zeros((1, 1), np.float32)
        groups += [Group("", [Panel(f"level {i + 1}", blank, kind="blank")]) for i in range(len(groups), columns)]
        drawn = Row(shown.picture(batch.image[0]), shown.name(label), groups, shown.object_mask(row))
        made.append((drawn, {**shown.sample(row), "levels": levels}))
    return made


def chain(sets: Mapping[str, tuple[str, ...]], name: Any, label: int) -> list[Level]:
    """The different sets around a class, the class by itself first, then from the smallest to the largest.

    sets: family -> the set of each class. name: class -> its name. A set that several families have is named by the first
    of them, and is Y where one of them is `supersets`.
    """
    alone = torch.zeros(len(next(iter(sets.values()))), dtype=torch.bool)
    alone[label] = True
    levels = [Level("", name(label), alone, superset=False)]
    for family, members in sets.items():
        own = together(members)[label]
        same = next((i for i, level in enumerate(levels) if torch.equal(level.members, own)), None)
        if same is None:
            levels.append(Level(family, plain(in_words(members[label])), own, family == SUPERSETS))
        elif family == SUPERSETS:
            levels[same] = levels[same]._replace(superset=True)
    return sorted(levels, key=lambda level: int(level.members.sum()))


def some(levels: Sequence[Level], count: int) -> list[Level]:
    """At most `count` levels: the first, the last, Y where there is room, and of the others evenly spaced ones."""
    if len(levels) <= count:
        return [*levels]
    last = len(levels) - 1
    kept = {0, last}
    kept |= {i for i, level in enumerate(levels) if level.superset} if count > 2 else set()
    wanted = [round(i * last / (count - 1)) for i in range(count)]
    rest = sorted(set(range(last)) - kept, key=lambda i: min(abs(i - w) for w in wanted))
    return [levels[i] for i in sorted([*kept, *rest[: count - len(kept)]])]
