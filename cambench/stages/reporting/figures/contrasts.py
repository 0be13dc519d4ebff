"""Figures of signed maps, computed from the network for the few images shown.

`contrast`: the best classes of an image under the four contrasts, as Wang & Wang's Figures 4 and 5. `blurred`: original
against weighted, beneath each map the image with the map's negative pixels blurred, and what it does to the probabilities,
as their Figure 1. `versus`: the predicted class against the next best ones, as ContrastiveCAM's Figures 1 to 3.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cambench.data.loader import eval_batches
from cambench.data.regions import has_region, region_source, regions_in_view
from cambench.data.views import View, in_words
from cambench.explainers import find_explainer
from cambench.explainers.explanation import Explainer
from cambench.maps import resize_corners
from cambench.metrics.accuracy.predictions import Predict
from cambench.metrics.faithfulness.relative_probability import BLUR_SIGMA, THRESHOLD, best, blurred, by_sign, replaced
from cambench.report.figures.panels import Below, Group, Panel, Row
from cambench.stages.images import make_view, open_data
from cambench.stages.network import Loaded, Ready, load_network, open_run
from cambench.stages.progress import bar, say
from cambench.stages.reporting.gallery import pixels, plain, spaced
from cambench.stages.workplace import Place
from cambench.store.runs import RunInfo
from cambench.vocabulary import Dataset, UsageError, number_of

CONTRASTS = {"original": "logit", "mean": "mean", "max": "max", "weighted": "weighted"}
"""Wang & Wang's name -> target."""
BLURRED, VERSUS = "blurred", "versus"
MEANING = {
    "contrast": "Original: the class's logit; mean: less the mean of the others; max: less the best other; weighted: less "
    "the others by their probabilities.",
    BLURRED: "Original: the class's logit; weighted: less the others by their probabilities. Beneath each map: the image "
    f"blurred where the map is negative (Gaussian, σ = {BLUR_SIGMA:g} pixels), and each class's probability before → after. "
    "Bold red: the class of the map, which should rise; blue: the others, which should fall.",
    VERSUS: "Against a class: the difference of the two classes' maps.",
}
ASIDE = "blurred where the map above is negative; probabilities before → after"
ORDINALS = ("1st", "2nd", "3rd")
BATCH = 32
LEAST = 0.01
"""The least probability that is printed as a number."""


@dataclass(frozen=True)
class Style:
    """What one kind of figure takes where nothing else is asked for, what its colours mean, which CONTRASTS it shows."""

    explainer: str
    classes: int
    view: str
    signs: tuple[str, str]
    contrasts: tuple[str, ...] = ()


FOR_A_CLASS = ("blue: the region speaks against the class", "red: it speaks for the class named above")
STYLES = {
    "contrast": Style("grad-cam", 2, "resize", FOR_A_CLASS, tuple(CONTRASTS)),
    BLURRED: Style("grad-cam", 2, "resize", FOR_A_CLASS, ("original", "weighted")),
    VERSUS: Style(
        "hires-cam", 3, "resize-center-crop", ("blue: against it, for the other class", "red: for the predicted class")
    ),
}


@dataclass(frozen=True)
class Scene:
    """A network that explains images: which explainer, how many best classes."""

    kind: str
    loaded: Loaded
    dataset: Dataset
    entry: Explainer
    ready: Ready
    view: View
    classes: int


def scene(kind: str, run: str, dataset: str | None, place: Place, choice: tuple[str | None, int | None]) -> Scene:
    """The network of a run, ready for the figure.

    choice: the explainer and the number of best classes, None for the kind's own.
    Raises: UsageError for an unknown explainer or more classes than the network has.
    """
    style, (explainer, classes) = STYLES[kind], choice
    entry = find_explainer(explainer or style.explainer)
    loaded = load_network(open_run(run, place), place)
    images = open_data(loaded, place, dataset, "eval", None)
    wanted = classes or min(style.classes, len(images.classes))
    if not 2 <= wanted <= min(len(images.classes), len(ORDINALS)):
        most = min(len(images.classes), len(ORDINALS))
        raise UsageError(f"--classes {wanted}: expected 2 to {most} of the {len(images.classes)} classes of {images.name}.")
    return Scene(kind, loaded, images, entry, loaded.ready_for(entry), make_view(style.view, loaded), wanted)


def rows(shown: Scene, images: int, place: Place) -> tuple[list[Row], list[dict[str, Any]], str]:
    """The rows of the figure, what they show for a machine, and the sentence that says which images these are.

    Raises: UsageError where no image is undecided enough for `contrast` and `blurred`.
    """
    n, wanted = len(shown.dataset), list(range(len(shown.dataset)))
    said = f"{min(images, n)} of {number_of(n, 'image')}, evenly spaced."
    if STYLES[shown.kind].contrasts:
        wanted = undecided(shown, place)
        rule = f"p > {THRESHOLD:g} for their {ORDINALS[shown.classes - 1]} best class"
        if not wanted:
            raise UsageError(
                f"--figure {shown.kind}: none of the {n} images of {shown.dataset.name} has {rule}; nothing to show."
            )
        said = f"{len(wanted)} of {n} images have {rule}; {min(images, len(wanted))} of them, evenly spaced."
        say(f"{shown.loaded.run.name}: {said}")
    chosen = spaced(wanted, images)
    made, told = [], []
    for row, image in each(shown, chosen, place, batch_size=1):
        found, listed = explained(shown, image[None])
        name, sample = shown.dataset.classes, shown.dataset.samples[row]
        aside = ASIDE if shown.kind == BLURRED else ""
        made.append(Row(pixels(image.cpu(), shown.view), plain(name[sample.label]), found, outline(shown, row), aside))
        told.append({"image": sample.id, "class": name[sample.label], **listed})
    return made, told, said


def each(shown: Scene, chosen: Sequence[int], place: Place, batch_size: int) -> Iterator[tuple[int, Tensor]]:
    """Row and image (3,H,W) on the network's device."""
    for batch in eval_batches(shown.dataset, shown.view, batch_size=batch_size, rows=chosen, **shown.loaded.source(place)):
        yield from zip(batch.rows, batch.image, strict=True)


def undecided(shown: Scene, place: Place) -> list[int]:
    """The rows whose least probable shown class has more than THRESHOLD; the true label plays no role."""
    found: list[int] = []
    with bar("looking for undecided images", len(shown.dataset)) as progress:
        for batch in eval_batches(shown.dataset, shown.view, batch_size=BATCH, **shown.loaded.source(place)):
            last = best(shown.loaded.logits(batch.image), shown.classes)[1][:, -1]
            found += [row for row, p in zip(batch.rows, last.tolist(), strict=True) if p > THRESHOLD]
            progress.advance(len(batch.rows))
    return found


def explained(shown: Scene, image: Tensor) -> tuple[list[Group], dict[str, Any]]:
    """The groups of one image (1,3,H,W), and for a machine its best classes and what blurring does to them."""
    order, p = best(shown.loaded.logits(image), shown.classes)
    classes, before, name = order[0].tolist(), p[0].tolist(), shown.dataset.classes
    told = {"best": [{"class": name[t], "p": q} for t, q in zip(classes, before, strict=True)]}
    heads = headings([plain(name[t]) for t in classes], before, numbered=shown.kind == BLURRED)
    if shown.kind == VERSUS:
        return against(shown, image, classes, heads), told
    groups: list[Group] = []
    for own, (head, t) in enumerate(zip(heads, classes, strict=True)):
        made = []
        for title in STYLES[shown.kind].contrasts:
            phi, below = signed_map(shown, image, CONTRASTS[title], t), None
            if shown.kind == BLURRED:
                less, after = without_negative(shown.loaded.logits, image, phi, order)
                below = Below(pixels(less[0].cpu(), shown.view), changes(before, after, own))
                told.setdefault("blurred", []).append({"class": name[t], "contrast": title, "p": after})
            made.append(Panel(title, phi[0].cpu().numpy(), below))
        groups.append(Group(head, made))
    return groups, told


def against(shown: Scene, image: Tensor, classes: Sequence[int], heads: Sequence[str]) -> list[Group]:
    """The groups of `versus`: the best class by itself, against each next best one, against the mean of all."""

    def panel(title: str, target: str) -> Panel:
        return Panel(title, signed_map(shown, image, target, classes[0])[0].cpu().numpy())

    made = [Group(heads[0], [panel(shown.entry.name, "logit")])]
    for rank, (head, t) in enumerate(zip(heads[1:], classes[1:], strict=True), 1):
        made.append(Group(head, [panel(f"against the {ORDINALS[rank]} best", f"versus:{t}")]))
    mean = panel("reconstructed", "reconstructed")
    return [*made, Group(f"against the mean of\nall {len(shown.dataset.classes)} classes", [mean])]


def without_negative(predict: Predict, image: Tensor, phi: Tensor, classes: Tensor) -> tuple[Tensor, list[float]]:
    """An image with the pixels blurred where φ < 0, as `relative-probability` does it, and softmax p of the classes there.

    image (1,3,H,W) normalised, phi (1,H,W), classes (1,K) -> (1,3,H,W) and K numbers. Source: Wang & Wang 2022, Figure 1.
    """
    masks = {kept: mask for _, kept, mask in by_sign(image, classes, phi)}
    less = replaced(image, blurred(image), masks["positive"])
    p: list[float] = torch.softmax(predict(less).double(), 1).gather(1, classes)[0].tolist()
    return less, p


def headings(names: Sequence[str], p: Sequence[float], numbered: bool) -> list[str]:
    """Each class's name and its probability, numbered t1, t2 … where lines beneath refer to it."""
    marks = [f"t{i}: " if numbered else "" for i in range(1, len(names) + 1)]
    return [f"{m}{n}\np {'' if q < LEAST else '= '}{chance(q)}" for m, n, q in zip(marks, names, p, strict=True)]


def changes(before: Sequence[float], after: Sequence[float], own: int) -> list[tuple[str, bool]]:
    """A line a class: its probability before and after, and whether it is the map's own class, number `own`."""
    pairs = zip(before, after, strict=True)
    return [(f"p(t{i + 1}) {chance(b)} → {chance(a)}", i == own) for i, (b, a) in enumerate(pairs)]


def chance(p: float) -> str:
    """A probability to two places."""
    return f"< {LEAST:g}" if p < LEAST else f"{p:.2f}"


def signed_map(shown: Scene, image: Tensor, target: str, label: int) -> Tensor:
    """The signed map (1,H,W) of a class of one image, bilinear between corners (weighted-contrast protocol §1.5)."""
    return resize_corners(native_map(shown, image, target, label, shown.entry.name), (image.shape[2], image.shape[3]))


def native_map(shown: Scene, image: Tensor, target: str, label: int, explainer: str) -> Tensor:
    """The map (1,h,w) of a class of one image (1,3,H,W) at its native grid, raw and signed."""
    ready = shown.ready._replace(entry=find_explainer(explainer))
    return ready.explain(image, target, torch.tensor([label], device=image.device), shown.dataset).maps.float()


def outline(shown: Scene, row: int) -> NDArray[np.bool_] | None:
    """The object that `versus` outlines; the other kinds outline none."""
    return object_mask(shown, row) if shown.kind == VERSUS else None


def object_mask(shown: Scene, row: int) -> NDArray[np.bool_] | None:
    """The object of an image in the view's pixels, by its segmentation or its boxes; None where neither is there."""
    source = region_source(shown.dataset)
    if source is None or not has_region(shown.dataset, row, source):
        return None
    mask: NDArray[np.bool_] = regions_in_view(shown.dataset, row, shown.view, source) == shown.dataset.samples[row].label
    return mask


def notes(shown: Scene, said: str) -> list[str]:
    """What a reader must know of the maps, and every sentence that must stand under what the run shows."""
    info, dataset, rule = shown.loaded.run.info, shown.dataset, "Each map on a range of its own, m its largest |value|"
    layer = f", layer {shown.ready.layer}" if shown.ready.layer else ""
    masks = " Outlines: the annotated object." if shown.kind == VERSUS and region_source(dataset) is not None else ""
    return [
        f"Above an image its label. {rule}. {MEANING[shown.kind]}{masks}",
        *sentences([info], dataset),
        f"{dataset.name}, {dataset.split}: {said} Run {shown.loaded.run.name}, {shown.entry.name}{layer}. "
        f"Shown is {in_words(shown.view)}.",
    ]


def sentences(infos: Collection[RunInfo], dataset: Dataset) -> list[str]:
    """Every sentence that must stand under what runs show of a data set, each once."""
    keys = [*(s for info in infos for s in info.partial), *dataset.notes]
    keys += [f"{i.method}, seed {i.seed}: {s}" for i in infos for s in i.warnings]
    return list(dict.fromkeys(f"{s.rstrip('.')}." for s in (*keys, *(s for i in infos for s in i.deviations))))
