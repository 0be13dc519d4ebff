"""The figure `embedding`: the encoder's features of images and of what their maps show, by t-SNE, as ExCon's Figures 1, 6–8.

The images of five equally spaced classes; of each the 60 % of the pixels that Grad-CAM of the predicted class ranks highest,
the others 0. Beside the picture the numbers of the metric `embedding-distance`, of these images alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cambench import maps
from cambench.data.subsets import spaced
from cambench.explainers import find_explainer
from cambench.extras import needed
from cambench.metrics import find_metric
from cambench.metrics.faithfulness.drop_increase import of_class
from cambench.metrics.faithfulness.embedding import KEPT, centroids, relative, twin
from cambench.report.figures import embedding as scatter
from cambench.report.figures.embedding import Cloud, Sample
from cambench.report.figures.plots import sentences
from cambench.stages.network import CHECKPOINTS
from cambench.stages.progress import bar
from cambench.stages.reporting.figures.scene import Drawn, Scene, labelled, networks, scene
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

KIND, METRIC, EXPLAINER = "embedding", "embedding-distance", "grad-cam"
CLASSES = 5
"""Source: ExCon §4.4 (ExCon protocol §2.4)."""
PERPLEXITY = 30.0
"""Our choice where there are points enough (ExCon protocol §2.4)."""
BATCH = 64

Tsne = Callable[[NDArray[np.float32], float, int], NDArray[np.float64]]
"""Features (n,d), perplexity, seed -> places (n,2)."""


@dataclass(frozen=True)
class Chosen:
    """The numbers of the classes shown, and the rows of their images class by class."""

    classes: Sequence[int]
    rows: Sequence[int]
    labels: Tensor
    """(n,), each row's place among the classes."""


@dataclass(frozen=True)
class Features:
    """What one network says of n images: features (n,d) of them and of their masked versions, the predicted classes (n,),
    their probabilities (n,) before and after. pictures: of some, row -> image (H,W,3), masked.
    """

    original: Tensor
    masked: Tensor
    predicted: Tensor
    p: Tensor
    masked_p: Tensor
    pictures: dict[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]]


def embedding(runs: Sequence[str], place: Place, *, dataset: str | None, images: int, checkpoint: str) -> Drawn:
    """A panel a run. Raises: UsageError without scikit-learn; as `opened`."""
    if checkpoint not in CHECKPOINTS:
        raise UsageError(f"--checkpoint {checkpoint}: expected {' or '.join(CHECKPOINTS)}.")
    tsne = find_tsne()
    scenes, shared = opened(runs, dataset, checkpoint, place)
    chosen = images_of(scenes[0])
    clouds, panels = zip(*(cloud(shown, chosen, images, tsne, place) for shown in scenes), strict=True)
    foot = notes(scenes, chosen, panels, shared)
    names = [scenes[0].name(c) for c in chosen.classes]
    shows = {"dataset": scenes[0].dataset.name, "classes": names, "notes": foot, "panels": [*panels]}
    return Drawn(scatter.embedding(clouds, names, foot), shows)


def find_tsne() -> Tsne:
    """The t-SNE of scikit-learn, begun at the principal components, with its automatic learning rate.

    Raises: UsageError where scikit-learn is not installed.
    """
    manifold = needed("sklearn.manifold", f"figure {KIND}")

    def places(features: NDArray[np.float32], perplexity: float, seed: int) -> NDArray[np.float64]:
        tsne = manifold.TSNE(perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed)
        return np.asarray(tsne.fit_transform(features), dtype=np.float64)

    return places


def opened(runs: Sequence[str], dataset: str | None, checkpoint: str, place: Place) -> tuple[list[Scene], str]:
    """The networks in front of the images that all of them look at, and the words that all titles share.

    Raises: UsageError where runs look at different data, an image has several labels, or a network does not end in a linear
    classifier.
    """
    loaded, data = networks(KIND, runs, dataset, place, checkpoint)
    if data.multilabel:
        raise UsageError(f"figure {KIND}: expected one label an image, got {data.name} with several; choose with --dataset.")
    for one in loaded:
        one.features()
    entry, view = find_explainer(EXPLAINER), find_metric(METRIC).input.view
    return labelled([scene(one, entry, data, view) for one in loaded])


def images_of(shown: Scene) -> Chosen:
    """The images of the classes that are shown."""
    samples, classes = shown.dataset.samples, equally_spaced(len(shown.dataset.classes))
    rows = [row for c in classes for row, sample in enumerate(samples) if sample.label == c]
    return Chosen(classes, rows, torch.tensor([classes.index(samples[row].label) for row in rows]))


def equally_spaced(classes: int) -> list[int]:
    """Five class numbers, ⌊i·C/5⌋: 0, 20, 40, 60, 80 of 100. Of fewer classes all. Source: ExCon protocol §2.4."""
    n = min(CLASSES, classes)
    return [i * classes // n for i in range(n)]


def perplexity(points: int) -> float:
    """30, or a third of the other points where they are fewer than 90: a perplexity must be well below their number."""
    return min(PERPLEXITY, (points - 1) / 3)


def cloud(shown: Scene, chosen: Chosen, images: int, tsne: Tsne, place: Place) -> tuple[Cloud, dict[str, Any]]:
    """The panel of one network, and what it shows for a machine. images: how many are shown as pictures."""
    n, seed, pictured = len(chosen.rows), shown.loaded.run.info.seed, spaced(chosen.rows, images)
    seen = look(shown, chosen.rows, pictured, place)
    near = distances(seen, chosen.labels)
    places = tsne(torch.cat([seen.original, seen.masked]).numpy(), perplexity(2 * n), seed)
    samples = [
        Sample(*seen.pictures[row], int(chosen.labels[i]), float(seen.p[i]), float(seen.masked_p[i]))
        for i, row in enumerate(chosen.rows)
        if row in pictured
    ]
    caption = f"image to its mask {near['own-mask']:.3f}, to its class {near['own-class']:.3f}"
    drawn = Cloud(shown.label, caption, places[:n], places[n:], chosen.labels.numpy(), samples)
    return drawn, listed(shown, chosen.rows, seen, near, places)


def distances(seen: Features, labels: Tensor) -> dict[str, float]:
    """The means of `embedding-distance` over the images that are shown, whose classes alone count."""
    rows = relative(seen.original, seen.masked, labels, centroids([(seen.original, labels)]))
    return {name: float(own.mean()) for name, own in rows.items()}


def look(shown: Scene, rows: Sequence[int], pictured: Sequence[int], place: Place) -> Features:
    """The images of the rows through one network."""
    batches: list[tuple[Tensor, ...]] = []
    pictures, encoded = {}, shown.loaded.features()
    with bar(f"{shown.loaded.run.name}: features", len(rows)) as progress:
        for batch in shown.batches(place, rows, BATCH):
            kept, *answers = explained(shown, batch.image)
            features = [encoded(image) for image in (batch.image, kept)]
            batches.append(tuple(t.cpu() for t in (*features, *answers)))
            for row, image, less in zip(batch.rows, batch.image, kept, strict=True):
                if row in pictured:
                    pictures[row] = (shown.picture(image), shown.picture(less))
            progress.advance(len(batch.rows))
    original, masked, predicted, before, after = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return Features(original, masked, predicted, before, after, pictures)


def explained(shown: Scene, image: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """image (N,3,H,W) -> what Grad-CAM of the predicted class keeps of it, that class (N,), its p before and after (N,)."""
    answer = shown.ready.explain(image, "logit", None, shown.dataset)
    masked = twin(image, answer.maps)
    logits = (answer.logits, shown.loaded.logits(masked))
    before, after = (of_class(torch.softmax(maps.widened(y), 1), answer.classes) for y in logits)
    return masked, answer.classes, before, after


def listed(
    shown: Scene, rows: Sequence[int], seen: Features, near: dict[str, float], places: NDArray[np.float64]
) -> dict[str, Any]:
    """One panel, for a machine."""
    n, names, points = len(rows), shown.dataset.classes, []
    for i, row in enumerate(rows):
        facts = {**shown.sample(row), "predicted": names[int(seen.predicted[i])]}
        probabilities = {"p": float(seen.p[i]), "masked_p": float(seen.masked_p[i])}
        points.append({**facts, **probabilities, "place": [*places[i]], "masked_place": [*places[n + i]]})
    return {
        "run": shown.loaded.run.name,
        "checkpoint": shown.loaded.checkpoint,
        "layer": shown.ready.layer,
        "features": seen.original.shape[1],
        "perplexity": perplexity(2 * n),
        "seed": shown.loaded.run.info.seed,
        METRIC: near,
        "points": points,
    }


def notes(scenes: Sequence[Scene], chosen: Chosen, panels: Sequence[dict[str, Any]], shared: str) -> list[str]:
    """What a reader must know of the points, and every sentence that must stand under what the runs show."""
    data, infos = scenes[0].dataset, [shown.loaded.run.info for shown in scenes]
    common = f" All: {shared}." if shared else ""
    rule = "" if panels[0]["perplexity"] == PERPLEXITY else ", a third of the other points where these are fewer than 90"
    layers, epochs = (", ".join(dict.fromkeys(panel[key] for panel in panels)) for key in ("layer", "checkpoint"))
    numbers = "; ".join(" ".join([p["run"], *(f"{mean:.3f}" for mean in p[METRIC].values())]) for p in panels)
    return [
        f"Cross: image; dot: the same with the {100 * KEPT:.0f} % of its pixels that Grad-CAM of the predicted class at "
        f"{layers} ranks highest, the others 0, the mean colour. Beneath the pictures: p of the class that is "
        f"predicted for the whole image.{common}",
        f"t-SNE of the features beneath the classifier, all points jointly: perplexity {panels[0]['perplexity']:.3g}{rule}; "
        "begun at the principal components; random state: the run's seed.",
        "Mean distance of an image's features to those of its mask, and to its class's centroid, by that of two classes' "
        f"centroids: {numbers}.",
        *sentences(infos, data.notes),
        f"{data.name}, {data.split}: {len(chosen.rows)} images of {len(chosen.classes)} equally spaced classes. "
        f"Weights: {epochs} epoch.",
    ]
