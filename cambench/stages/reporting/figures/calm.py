"""The figure `calm`: what one network with a CALM head says of a few images, as CALM's Figure 3.

For an image's own class: joint, conditional and saliency map, the counterfactual against the best other class, then the
joint maps of ever larger sets of classes added up, one column a family of the data set's class sets. The levels of WordNet
have a figure of their own (`hierarchy`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cambench.data.class_sets import with_file
from cambench.data.wordnet import DEPTH, in_words
from cambench.explainers import find_explainer
from cambench.report.figures.panels import Group, Panel, Row
from cambench.stages.class_sets import numbered, together
from cambench.stages.reporting.figures.scene import (
    Drawn,
    Meaning,
    Scene,
    evenly,
    headings,
    networks,
    plain,
    scene,
    signed,
)
from cambench.stages.workplace import Place
from cambench.targets import coefficients

JOINT, COUNTERFACTUAL = "joint", "counterfactual"
EXPLAINERS = {JOINT: "calm", "conditional": "calm-conditional", "saliency": "calm-saliency"}
"""Column -> explainer of the image's own class."""
MEANING = Meaning(
    ("blue: the place speaks for the other class", "red: for the image's class"),
    "Above an image its label. Each map on a range of its own, m its largest |value|. "
    "Joint: p(y,z|x) of the image's class y at each place z, which adds up to the p above it. Conditional: p(y|x,z), what a "
    "place by itself says. Saliency: p(z|x), where the network looks. Counterfactual: the joint map less that of the best "
    "other class. Then, for ever larger sets of classes around y, the joint maps of all classes in the set added up.",
    amount="probability",
)


def calm(runs: Sequence[str], place: Place, *, dataset: str | None, images: int, class_sets: Sequence[Path]) -> Drawn:
    """CALM's maps of evenly spaced images. class_sets: files of class sets, each one more column.

    Raises: UsageError for a network without a CALM head; as `with_file` for the files.
    """
    shown = opened(runs, dataset, place, class_sets)
    rows, chosen = evenly(shown.dataset, images)
    return signed([shown], rows_of(shown, rows, place), MEANING, chosen)


def opened(runs: Sequence[str], dataset: str | None, place: Place, class_sets: Sequence[Path] = ()) -> Scene:
    """The network of a run with a CALM head, in front of images with all their class sets."""
    (loaded,), images = networks("calm", runs, dataset, place)
    return scene(loaded, find_explainer(EXPLAINERS[JOINT]), reduce(with_file, class_sets, images), "resize")


def rows_of(shown: Scene, rows: Sequence[int], place: Place) -> list[tuple[Row, dict[str, Any]]]:
    """A row an image, and what it shows for a machine."""
    made = []
    for batch in shown.batches(place, rows):
        (row,), label = batch.rows, int(batch.label)
        groups, probabilities = explained(shown, batch.image, label)
        drawn = Row(shown.picture(batch.image[0]), shown.name(label), groups, shown.object_mask(row))
        made.append((drawn, {**shown.sample(row), **probabilities}))
    return made


def explained(shown: Scene, image: Tensor, label: int) -> tuple[list[Group], dict[str, Any]]:
    """The groups of one image (1,3,H,W) of class `label`, and for a machine the classes and sets and their probabilities."""
    name, logits = shown.dataset.classes, shown.loaded.logits(image)
    p, classes = torch.softmax(logits.double(), 1)[0].cpu(), torch.tensor([label], device=logits.device)
    other = int(coefficients(logits, "max", classes)[0].argmin())
    own, rival = headings([plain(name[label]), plain(name[other])], [float(p[label]), float(p[other])])
    single = [Panel(t, map_of(shown, image, e, "logit", label), kind="positive") for t, e in EXPLAINERS.items()]
    less = Panel(COUNTERFACTUAL, map_of(shown, image, EXPLAINERS[JOINT], f"versus:{other}", label))
    groups, sets = [Group(own, single), Group(f"against {rival}", [less])], {}
    ours = {family: members for family, members in shown.dataset.class_sets.items() if not family.startswith(DEPTH)}
    for title, family in families(ours).items():
        within = together(shown.dataset.class_sets[family])[label]
        count, probability = int(within.sum()), float(p[within].sum())
        called = name[label] if count == 1 else in_words(shown.dataset.class_sets[family][label])
        (heading,) = headings([f"{plain(called)}, {count} class{'es' if count > 1 else ''}"], [probability])
        summed = map_of(shown, image, EXPLAINERS[JOINT], f"subset:{family}", label)
        groups.append(Group(heading, [Panel(title, summed, kind="positive")]))
        sets[title] = {"set": called, "classes": count, "p": probability}
    return groups, {"p": float(p[label]), "against": {"class": name[other], "p": float(p[other])}, "sets": sets}


def map_of(shown: Scene, image: Tensor, explainer: str, target: str, label: int) -> NDArray[np.float32]:
    """The map (h,w) of one image (1,3,H,W) by one of CALM's explainers, all of which read the same layer."""
    of = replace(shown, ready=shown.ready._replace(entry=find_explainer(explainer)))
    heatmap: NDArray[np.float32] = of.heatmap(image, target, label)[0].cpu().numpy()
    return heatmap


def families(sets: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Column -> family of class sets, from the one with the most sets to the one with the fewest.

    Families that part the classes alike are one column, under all of their names.
    """
    alike: dict[tuple[int, ...], list[str]] = {}
    for name, members in sets.items():
        alike.setdefault(numbered(members), []).append(name)
    ordered = sorted(alike, key=lambda parts: -max(parts))
    return {", ".join(reversed(alike[parts])): alike[parts][0] for parts in ordered}
