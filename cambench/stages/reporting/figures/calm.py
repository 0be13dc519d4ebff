"""The figure `calm`: what one network with a CALM head says of a few images, as CALM's Figures 3, 6 and 11.

For an image's own class: joint, conditional and saliency map, the counterfactual against the best other class, then the
joint maps of ever larger sets of classes added up, one column a family of the data set's class sets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cambench.data.class_sets import with_file
from cambench.data.views import in_words
from cambench.explainers import find_explainer
from cambench.report.figures.panels import Group, Panel, Row
from cambench.stages.class_sets import numbered, together
from cambench.stages.images import make_view, open_data
from cambench.stages.network import load_network, open_run
from cambench.stages.reporting.figures.contrasts import Scene, each, headings, native_map, object_mask, sentences
from cambench.stages.reporting.gallery import pixels, plain, spaced
from cambench.stages.workplace import Place
from cambench.targets import coefficients
from cambench.vocabulary import number_of

KIND = "calm"
JOINT, COUNTERFACTUAL = "joint", "counterfactual"
EXPLAINERS = {JOINT: "calm", "conditional": "calm-conditional", "saliency": "calm-saliency"}
"""Column -> explainer of the image's own class."""
SIGNS = ("blue: the place speaks for the other class", "red: for the image's class")
AMOUNT = "probability"
MEANING = (
    "Joint: p(y,z|x) of the image's class y at each place z, which adds up to the p above it. Conditional: p(y|x,z), what a "
    "place by itself says. Saliency: p(z|x), where the network looks. Counterfactual: the joint map less that of the best "
    "other class. Then, for ever larger sets of classes around y, the joint maps of all classes in the set added up."
)


def scene(run: str, dataset: str | None, place: Place, sets: Sequence[Path] = ()) -> Scene:
    """The network of a run, ready to show CALM's maps. sets: files of class sets, each one more column.

    Raises: UsageError for a network without a CALM head; as `with_file` for the files.
    """
    loaded, entry = load_network(open_run(run, place), place), find_explainer(EXPLAINERS[JOINT])
    ready = loaded.ready_for(entry)
    images = reduce(with_file, sets, open_data(loaded, place, dataset, "eval", None))
    return Scene(KIND, loaded, images, entry, ready, make_view("resize", loaded), 2)


def rows(shown: Scene, images: int, place: Place) -> tuple[list[Row], list[dict[str, Any]], str]:
    """The rows of the figure, what they show for a machine, and the sentence that says which images these are."""
    n, made, told = len(shown.dataset), [], []
    for row, image in each(shown, spaced(range(n), images), place, batch_size=1):
        sample = shown.dataset.samples[row]
        groups, listed = explained(shown, image[None], sample.label)
        name = shown.dataset.classes[sample.label]
        made.append(Row(pixels(image.cpu(), shown.view), plain(name), groups, object_mask(shown, row)))
        told.append({"image": sample.id, "class": name, **listed})
    return made, told, f"{min(images, n)} of {number_of(n, 'image')}, evenly spaced."


def explained(shown: Scene, image: Tensor, label: int) -> tuple[list[Group], dict[str, Any]]:
    """The groups of one image (1,3,H,W) of class `label`, and for a machine the classes and sets and their probabilities."""
    name, logits = shown.dataset.classes, shown.loaded.logits(image)
    p, classes = torch.softmax(logits.double(), 1)[0].cpu(), torch.tensor([label], device=logits.device)
    other = int(coefficients(logits, "max", classes)[0].argmin())
    own, rival = headings([plain(name[label]), plain(name[other])], [float(p[label]), float(p[other])], numbered=False)
    single = [Panel(t, map_of(shown, image, e, "logit", label), kind="positive") for t, e in EXPLAINERS.items()]
    less = Panel(COUNTERFACTUAL, map_of(shown, image, EXPLAINERS[JOINT], f"versus:{other}", label))
    groups, sets = [Group(own, single), Group(f"against {rival}", [less])], {}
    for title, family in families(shown.dataset.class_sets).items():
        within = together(shown.dataset.class_sets[family])[label]
        count, chance = int(within.sum()), float(p[within].sum())
        called = name[label] if count == 1 else shown.dataset.class_sets[family][label]
        heading = headings([f"{plain(called)}, {count} class{'es' if count > 1 else ''}"], [chance], numbered=False)[0]
        summed = map_of(shown, image, EXPLAINERS[JOINT], f"subset:{family}", label)
        groups.append(Group(heading, [Panel(title, summed, kind="positive")]))
        sets[title] = {"set": called, "classes": count, "p": chance}
    told = {"p": float(p[label]), "against": {"class": name[other], "p": float(p[other])}, "sets": sets}
    return groups, told


def families(sets: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """Column -> family of class sets, from the one with the most sets to the one with the fewest.

    Families that part the classes alike are one column, under all of their names.
    """
    alike: dict[tuple[int, ...], list[str]] = {}
    for name, members in sets.items():
        alike.setdefault(numbered(members), []).append(name)
    ordered = sorted(alike, key=lambda parts: -max(parts))
    return {", ".join(reversed(alike[parts])): alike[parts][0] for parts in ordered}


def map_of(shown: Scene, image: Tensor, explainer: str, target: str, label: int) -> NDArray[np.float32]:
    """The map of one image (1,3,H,W) at its native grid (h,w), raw and signed."""
    made: NDArray[np.float32] = native_map(shown, image, target, label, explainer)[0].cpu().numpy()
    return made


def notes(shown: Scene, said: str, outlined: bool) -> list[str]:
    """What a reader must know of the maps, and every sentence that must stand under what the run shows."""
    dataset, loaded = shown.dataset, shown.loaded
    outlines = " Outlines: the annotated object." if outlined else ""
    return [
        f"Above an image its label. Each map on a range of its own, m its largest |value|. {MEANING}{outlines}",
        *sentences([loaded.run.info], dataset),
        f"{dataset.name}, {dataset.split}: {said} Run {loaded.run.name}, layer {shown.ready.layer}. "
        f"Shown is {in_words(shown.view)}.",
    ]
