"""The figure `embedding`: the encoder's features of images and of what their maps show, by t-SNE, as ExCon's Figures 1, 6–8.

The images of five equally spaced classes; of each the 60 % of the pixels that Grad-CAM of the predicted class ranks highest,
the others 0. Beside the picture a number: how far masking moves the features, in distances between classes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from cambench import maps
from cambench.data.loader import eval_batches
from cambench.data.views import View
from cambench.explainers import find_explainer
from cambench.metrics import find_metric
from cambench.metrics.faithfulness.drop_increase import STEPS, keep, of_class
from cambench.metrics.faithfulness.embedding import Closeness, closeness
from cambench.metrics.faithfulness.remove_and_classify import ranks
from cambench.models.heads import without_head
from cambench.report.figures.embedding import Cloud, Sample
from cambench.report.figures.plots import without_common
from cambench.stages.images import make_view
from cambench.stages.network import Loaded, Ready
from cambench.stages.progress import bar
from cambench.stages.reporting.figures.contrasts import sentences
from cambench.stages.reporting.figures.counterfactual import together
from cambench.stages.reporting.gallery import pixels, spaced
from cambench.stages.workplace import Place
from cambench.vocabulary import Dataset, UsageError

KIND, METRIC = "embedding", "drop-increase"
CLASSES, KEPT = 5, 0.60
"""Source: ExCon §4.4 and authors' code (ExCon protocol §2.4)."""
PERPLEXITY = 30.0
"""Our choice where there are points enough (ExCon protocol §2.4)."""
SAMPLES, BATCH = 5, 64

Tsne = Callable[[NDArray[np.float32], float, int], NDArray[np.float64]]
"""Features (n,d), perplexity, seed -> places (n,2)."""


@dataclass(frozen=True)
class Column:
    """A run's network, its explained layer, its encoder without the classifier, under the title of its panel."""

    loaded: Loaded
    ready: Ready
    encoder: nn.Module
    view: View
    title: str


@dataclass(frozen=True)
class Scene:
    """The data, the numbers of the classes shown, the rows of their images class by class, the columns, shared words."""

    dataset: Dataset
    classes: Sequence[int]
    rows: Sequence[int]
    columns: Sequence[Column]
    shared: str
    tsne: Tsne


@dataclass(frozen=True)
class Seen:
    """What one network says of n images: features (n,d) of them and of their masked versions, the predicted classes (n,),
    their probabilities (n,) before and after. pictures: of some, row -> image (H,W,3), masked.
    """

    original: Tensor
    masked: Tensor
    predicted: Tensor
    p: Tensor
    masked_p: Tensor
    pictures: dict[int, tuple[NDArray[np.uint8], NDArray[np.uint8]]]


def equally_spaced(classes: int) -> list[int]:
    """Five class numbers, ⌊i·C/5⌋: 0, 20, 40, 60, 80 of 100. Of fewer classes all. Source: ExCon protocol §2.4."""
    n = min(CLASSES, classes)
    return [i * classes // n for i in range(n)]


def perplexity(points: int) -> float:
    """30, or a third of the other points where they are fewer than 90: a perplexity must be well below their number."""
    return min(PERPLEXITY, (points - 1) / 3)


def find_tsne() -> Tsne:
    """The t-SNE of scikit-learn, begun at the principal components, with its automatic learning rate.

    Raises: UsageError where scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
    except ImportError as e:
        raise UsageError(
            f"--figure {KIND}: expected scikit-learn for the t-SNE, found none; install it: pip install 'cambench[plots]'."
        ) from e

    def tsne(features: NDArray[np.float32], perplexity: float, seed: int) -> NDArray[np.float64]:
        made = TSNE(perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed).fit_transform(features)
        return np.asarray(made, dtype=np.float64)

    return tsne


def scene(runs: Sequence[str], dataset: str | None, checkpoint: str, place: Place) -> Scene:
    """The networks and the images that all of them look at.

    Raises: UsageError without scikit-learn, without a run, where runs look at different data or an image has several labels,
    or for a network that does not end in a linear classifier.
    """
    tsne = find_tsne()
    networks, data = together(KIND, runs, dataset, place, checkpoint)
    if data.multilabel:
        raise UsageError(
            f"--figure {KIND}: expected one label an image, got {data.name} with several; choose with --dataset."
        )
    entry, metric = find_explainer("grad-cam"), find_metric(METRIC)
    infos = [loaded.run.info for loaded in networks]
    titles = [f"{i.method} {i.arch.removeprefix('torchvision:')} s{i.seed}" for i in infos]
    short, shared = without_common(titles)
    columns = [
        Column(loaded, loaded.ready_for(entry), without_head(loaded.model), make_view(metric.view, loaded), short[title])
        for loaded, title in zip(networks, titles, strict=True)
    ]
    classes = equally_spaced(len(data.classes))
    rows = [row for c in classes for row, sample in enumerate(data.samples) if sample.label == c]
    return Scene(data, classes, rows, columns, shared, tsne)


def look(shown: Scene, column: Column, samples: Sequence[int], place: Place) -> Seen:
    """All images of a scene through one network."""
    found: list[tuple[Tensor, ...]] = []
    pictures = {}
    loaded = column.loaded
    with bar(f"{loaded.run.name}: features", len(shown.rows)) as progress:
        for batch in eval_batches(shown.dataset, column.view, batch_size=BATCH, rows=shown.rows, **loaded.source(place)):
            kept, *answers = explained(column, batch.image, shown.dataset)
            features = [encoded(column, image) for image in (batch.image, kept)]
            found.append(tuple(t.cpu() for t in (*features, *answers)))
            for row, image, less in zip(batch.rows, batch.image, kept, strict=True):
                if row in samples:
                    pictures[row] = (pixels(image.cpu(), column.view), pixels(less.cpu(), column.view))
            progress.advance(len(batch.rows))
    original, masked, predicted, before, after = (torch.cat(parts) for parts in zip(*found, strict=True))
    return Seen(original, masked, predicted, before, after, pictures)


def explained(column: Column, image: Tensor, dataset: Dataset) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """image (N,3,H,W) -> what Grad-CAM of the predicted class keeps of it, that class (N,), its p before and after (N,)."""
    found = column.ready.explain(image, "logit", None, dataset)
    place = ranks(maps.apply(found.maps, STEPS, (image.shape[2], image.shape[3])))
    masked = keep(image, place, KEPT)
    logits = (found.logits, column.loaded.logits(masked))
    before, after = (of_class(torch.softmax(maps.widened(y), 1), found.classes) for y in logits)
    return masked, found.classes, before, after


def encoded(column: Column, image: Tensor) -> Tensor:
    """What the classifier is fed with: image (N,3,H,W) -> (N,d) float32."""
    with torch.inference_mode(), column.loaded.autocast():
        features: Tensor = column.encoder(image)
    return features.flatten(1).float()


def clouds(shown: Scene, images: int, place: Place) -> tuple[list[Cloud], list[dict[str, Any]]]:
    """The panels of the figure, and what they show for a machine."""
    samples, made, told = spaced(shown.rows, images), [], []
    number = {c: n for n, c in enumerate(shown.classes)}
    labels = torch.tensor([number[shown.dataset.samples[row].label] for row in shown.rows])
    for column in shown.columns:
        seen, n = look(shown, column, samples, place), len(shown.rows)
        near = closeness(seen.original, seen.masked, labels)
        both, seed = torch.cat([seen.original, seen.masked]).numpy(), column.loaded.run.info.seed
        places = shown.tsne(both, perplexity(2 * n), seed)
        pictures = [
            Sample(*seen.pictures[row], int(labels[i]), float(seen.p[i]), float(seen.masked_p[i]))
            for i, row in enumerate(shown.rows)
            if row in samples
        ]
        made.append(Cloud(column.title, ratio(near), places[:n], places[n:], labels.numpy(), pictures))
        told.append(listed(shown, column, seen, near, places))
    return made, told


def ratio(near: Closeness) -> str:
    """The line beneath a panel's title."""
    return f"image to its mask / between classes: {near.own:.2f} / {near.between:.2f} = {near.ratio:.3f}"


def listed(shown: Scene, column: Column, seen: Seen, near: Closeness, places: NDArray[np.float64]) -> dict[str, Any]:
    """One panel, for a machine."""
    n, names, points = len(shown.rows), shown.dataset.classes, []
    for i, row in enumerate(shown.rows):
        sample, (p, less) = shown.dataset.samples[row], (float(seen.p[i]), float(seen.masked_p[i]))
        facts = {"image": sample.id, "class": names[sample.label], "predicted": names[int(seen.predicted[i])]}
        points.append({**facts, "p": p, "masked_p": less, "place": [*places[i]], "masked_place": [*places[n + i]]})
    return {
        "run": column.loaded.run.name,
        "checkpoint": column.loaded.checkpoint,
        "layer": column.ready.layer,
        "features": seen.original.shape[1],
        "perplexity": perplexity(2 * n),
        "seed": column.loaded.run.info.seed,
        "to_own_mask": near.own,
        "between_classes": near.between,
        "ratio": near.ratio,
        "points": points,
    }


def notes(shown: Scene, told: Sequence[dict[str, Any]]) -> list[str]:
    """What a reader must know of the points, and every sentence that must stand under what the runs show."""
    data, infos = shown.dataset, {c.loaded.run.name: c.loaded.run.info for c in shown.columns}
    shared = f" All: {shown.shared}." if shown.shared else ""
    rule = "" if told[0]["perplexity"] == PERPLEXITY else ", a third of the other points where these are fewer than 90"
    layers = ", ".join(dict.fromkeys(f"{panel['layer']}" for panel in told))
    epochs = ", ".join(dict.fromkeys(panel["checkpoint"] for panel in told))
    ratios = "; ".join(f"{panel['run']} {panel['ratio']:.3f}" for panel in told)
    return [
        f"Cross: image; dot: the same with the {100 * KEPT:.0f} % of its pixels that Grad-CAM of the predicted class at "
        f"{layers} ranks highest, the others 0, the mean colour. Beneath the pictures: p of the class that is "
        f"predicted for the whole image.{shared}",
        f"t-SNE of the features beneath the classifier, all points jointly: perplexity {told[0]['perplexity']:.3g}{rule}; "
        "begun at the principal components; random state: the run's seed.",
        "Mean distance of an image's features to those of its mask, by the mean distance between two classes' centroids: "
        f"{ratios}.",
        *sentences([*infos.values()], data),
        f"{data.name}, {data.split}: {len(shown.rows)} images of {len(shown.classes)} equally spaced classes. "
        f"Weights: {epochs} epoch.",
    ]
