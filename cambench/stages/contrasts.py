"""Figures of signed maps, computed from the network for the few images shown.

`contrast`: the best classes of an image under the four contrasts, as Wang & Wang's Figures 1, 4 and 5. `versus`: the
predicted class against the next best ones, as ContrastiveCAM's Figures 1 to 3.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cambench.data.loader import eval_batches
from cambench.data.regions import has_region, region_source, regions_in_view
from cambench.data.views import View
from cambench.explainers import explain_batch, find_explainer
from cambench.explainers.explanation import Explainer
from cambench.maps import resize_corners
from cambench.metrics.relative_probability import THRESHOLD, best
from cambench.report.panels import Group, Panel, Row
from cambench.stages.explain import make_view, open_data
from cambench.stages.gallery import pixels, spaced
from cambench.stages.jobs import Place
from cambench.stages.networks import Loaded, Ready, load_network, open_run
from cambench.stages.progress import bar, say
from cambench.vocabulary import Dataset, UsageError

CONTRASTS = {"original": "logit", "mean": "mean", "max": "max", "weighted": "weighted"}
"""Wang & Wang's name -> target."""
MEANING = (
    "Original: the class's logit; mean: less the mean of the others; max: less the best other; weighted: less the others by "
    "their probabilities."
)
ORDINALS = ("1st", "2nd", "3rd")
BATCH = 32


@dataclass(frozen=True)
class Style:
    """What one kind of figure takes where nothing else is asked for, and what its colours mean."""

    explainer: str
    classes: int
    view: str
    signs: tuple[str, str]


STYLES = {
    "contrast": Style(
        "grad-cam", 2, "resize", ("blue: the region speaks against the class", "red: it speaks for the class named above")
    ),
    "versus": Style(
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

    Raises: UsageError where no image is undecided enough for `contrast`.
    """
    n, wanted = len(shown.dataset), list(range(len(shown.dataset)))
    said = f"{min(images, n)} of {n} images, evenly spaced."
    if shown.kind == "contrast":
        wanted = undecided(shown, place)
        rule = f"p > {THRESHOLD:g} for their {ORDINALS[shown.classes - 1]} best class"
        if not wanted:
            raise UsageError(
                f"--figure contrast: none of the {n} images of {shown.dataset.name} has {rule}; nothing to show."
            )
        said = f"{len(wanted)} of {n} images have {rule}; {min(images, len(wanted))} of them, evenly spaced."
        say(f"{shown.loaded.run.name}: {said}")
    chosen = spaced(wanted, images)
    made, told = [], []
    for row, image in each(shown, chosen, place, batch_size=1):
        found, classes = explained(shown, image[None])
        name, sample = shown.dataset.classes, shown.dataset.samples[row]
        made.append(Row(pixels(image.cpu()), plain(name[sample.label]), found, outline(shown, row)))
        told.append(
            {"image": sample.id, "class": name[sample.label], "best": [{"class": name[t], "p": p} for t, p in classes]}
        )
    return made, told, said


def plain(name: str) -> str:
    """A class's name in words."""
    return name.replace("_", " ")


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


def explained(shown: Scene, image: Tensor) -> tuple[list[Group], list[tuple[int, float]]]:
    """The groups of one image (1,3,H,W), and its best classes with their probabilities."""
    order, p = best(shown.loaded.logits(image), shown.classes)
    classes = list(zip(order[0].tolist(), p[0].tolist(), strict=True))
    name = shown.dataset.classes
    heads = [f"{plain(name[t])}\np {'< 0.01' if chance < 0.01 else f'= {chance:.2f}'}" for t, chance in classes]
    if shown.kind == "contrast":
        made = [
            Group(head, [Panel(title, one_map(shown, image, target, t)) for title, target in CONTRASTS.items()])
            for head, (t, _) in zip(heads, classes, strict=True)
        ]
        return made, classes
    first = classes[0][0]
    made = [Group(heads[0], [Panel(shown.entry.name, one_map(shown, image, "logit", first))])]
    for rank, (head, (t, _)) in enumerate(zip(heads[1:], classes[1:], strict=True), 1):
        panel = Panel(f"against the {ORDINALS[rank]} best", one_map(shown, image, f"versus:{t}", first))
        made.append(Group(head, [panel]))
    mean = Panel("reconstructed", one_map(shown, image, "reconstructed", first))
    return [*made, Group(f"against the mean of\nall {len(name)} classes", [mean])], classes


def one_map(shown: Scene, image: Tensor, target: str, label: int) -> NDArray[np.float32]:
    """The signed map (H,W) of a class of one image, up-sampled as the authors do: bilinear between corner centres (§1.5)."""
    found = explain_batch(
        shown.ready.model,
        image,
        explainer=shown.entry.name,
        target=target,
        classes=torch.tensor([label], device=image.device),
        layer=shown.ready.layer,
        head=shown.ready.head,
        precision=shown.loaded.precision,
    ).maps.float()
    fine: NDArray[np.float32] = resize_corners(found, (image.shape[2], image.shape[3]))[0].cpu().numpy()
    return fine


def outline(shown: Scene, row: int) -> NDArray[np.bool_] | None:
    """The object of an image in the view's pixels, by its segmentation or its boxes; None where neither is there."""
    source = region_source(shown.dataset)
    if shown.kind != "versus" or source is None or not has_region(shown.dataset, row, source):
        return None
    mask: NDArray[np.bool_] = regions_in_view(shown.dataset, row, shown.view, source) == shown.dataset.samples[row].label
    return mask


def notes(shown: Scene, said: str) -> list[str]:
    """What a reader must know of the maps, and every sentence that must stand under what the run shows."""
    info, dataset, rule = shown.loaded.run.info, shown.dataset, "Each map on a range of its own, m its largest |value|"
    kind = {"contrast": MEANING, "versus": "Against a class: the difference of the two classes' maps."}
    layer = f", layer {shown.ready.layer}" if shown.ready.layer else ""
    masks = " Outlines: the annotated object." if shown.kind == "versus" and region_source(dataset) is not None else ""
    told = dict.fromkeys(
        f"{s.rstrip('.')}." for s in (*info.get("partial", []), *dataset.notes, *info.get("deviations", []))
    )
    return [
        f"Above an image its label. {rule}. {kind[shown.kind]}{masks}",
        *told,
        f"{dataset.name}, {dataset.split}: {said} Run {shown.loaded.run.name}, {shown.entry.name}{layer}.",
    ]
