"""The figures `contrast` and `blurred`: the best classes of undecided images under Wang & Wang's contrasts, signed.

`contrast`: all four contrasts, as their Figures 4 and 5. `blurred`: original against weighted, beneath each map the image
with the map's negative pixels blurred, and what that does to the probabilities, as their Figure 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cambench.data.subsets import spaced
from cambench.explainers import find_explainer
from cambench.maps import resize_corners
from cambench.metrics.asked import Predict
from cambench.metrics.faithfulness.relative_probability import BLUR_SIGMA, THRESHOLD, best, blurred, by_sign, replaced
from cambench.report.figures.panels import Below, Group, Panel, Row
from cambench.stages.progress import bar, say
from cambench.stages.reporting.figures.scene import (
    Drawn,
    Meaning,
    Scene,
    chance,
    headings,
    networks,
    scene,
    signed,
)
from cambench.stages.workplace import Place
from cambench.vocabulary import UsageError

CONTRASTS = {"original": "logit", "mean": "mean", "max": "max", "weighted": "weighted"}
"""Wang & Wang's name -> target."""
SIGNS = ("blue: the region speaks against the class", "red: it speaks for the class named above")
READ = "Above an image its label. Each map on a range of its own, m its largest |value|."
OF_CONTRAST = Meaning(
    SIGNS,
    f"{READ} Original: the class's logit; mean: less the mean of the others; max: less the best other; weighted: less the "
    "others by their probabilities.",
)
OF_BLURRED = Meaning(
    SIGNS,
    f"{READ} Original: the class's logit; weighted: less the others by their probabilities. Beneath each map: the image "
    f"blurred where the map is negative (Gaussian, σ = {BLUR_SIGMA:g} pixels), and each class's probability before → after. "
    "Bold red: the class of the map, which should rise; blue: the others, which should fall.",
)
ASIDE = "blurred where the map above is negative; probabilities before → after"
ORDINALS = ("1st", "2nd", "3rd")
BATCH = 32


@dataclass(frozen=True)
class Best:
    """An image (1,3,H,W) of a row, its K best classes (1,K) and their probabilities."""

    row: int
    image: Tensor
    order: Tensor
    p: list[float]

    @property
    def classes(self) -> list[int]:
        """The K best classes."""
        classes: list[int] = self.order[0].tolist()
        return classes


def opened(kind: str, runs: Sequence[str], place: Place, choice: tuple[str | None, str, str, int]) -> tuple[Scene, int]:
    """The network of a run, and how many best classes are shown, no more than there are.

    choice: data set, explainer, kind of view, number of best classes. Raises: UsageError for another number than 2 or 3.
    """
    dataset, explainer, view, wanted = choice
    entry = find_explainer(explainer)
    (loaded,), images = networks(kind, runs, dataset, place)
    if not 2 <= wanted <= len(ORDINALS):
        raise UsageError(f"figure {kind}: expected 2 or {len(ORDINALS)} classes, got {wanted}.")
    return scene(loaded, entry, images, view), min(wanted, len(images.classes))


def undecided(kind: str, shown: Scene, k: int, images: int, place: Place) -> tuple[list[int], str]:
    """Rows whose k-th best class has more than THRESHOLD, whatever their label, and the sentence that says which.

    Raises: UsageError where there are none.
    """
    rows: list[int] = []
    n, name = len(shown.dataset), shown.dataset.name
    with bar("looking for undecided images", n) as progress:
        for batch in shown.batches(place, size=BATCH):
            last = best(shown.loaded.logits(batch.image), k)[1][:, -1]
            rows += [row for row, p in zip(batch.rows, last.tolist(), strict=True) if p > THRESHOLD]
            progress.advance(len(batch.rows))
    rule = f"p > {THRESHOLD:g} for their {ORDINALS[k - 1]} best class"
    if not rows:
        raise UsageError(f"figure {kind}: none of the {n} images of {name} has {rule}; nothing to show.")
    chosen = f"{len(rows)} of {n} images have {rule}; {min(images, len(rows))} of them, evenly spaced."
    say(f"{shown.loaded.run.name}: {chosen}")
    return spaced(rows, images), chosen


def best_of(shown: Scene, rows: Sequence[int], k: int, place: Place) -> Iterator[Best]:
    """Each image with its k best classes."""
    for batch in shown.batches(place, rows):
        order, p = best(shown.loaded.logits(batch.image), k)
        yield Best(batch.rows[0], batch.image, order, p[0].tolist())


def contrasted(shown: Scene, one: Best) -> tuple[Row, dict[str, Any]]:
    """A row of `contrast`, and for a machine the best classes."""
    heads = headings([shown.name(c) for c in one.classes], one.p)
    groups = [
        Group(head, [Panel(title, signed_map(shown, one.image, target, c)) for title, target in CONTRASTS.items()])
        for head, c in zip(heads, one.classes, strict=True)
    ]
    return row_of(shown, one, groups), facts(shown, one)


def with_blurred(shown: Scene, one: Best) -> tuple[Row, dict[str, Any]]:
    """A row of `blurred`, and for a machine the best classes and what blurring does to them."""
    heads = headings([shown.name(c) for c in one.classes], one.p, numbered=True)
    groups, changed = [], []
    for own, (head, c) in enumerate(zip(heads, one.classes, strict=True)):
        column = []
        for title in ("original", "weighted"):
            phi = signed_map(shown, one.image, CONTRASTS[title], c)
            kept = torch.from_numpy(phi)[None].to(one.image.device)
            less, after = without_negative(shown.loaded.logits, one.image, kept, one.order)
            column.append(Panel(title, phi, Below(shown.picture(less[0]), changes(one.p, after, own))))
            changed.append({"class": shown.dataset.classes[c], "contrast": title, "p": after})
        groups.append(Group(head, column))
    return row_of(shown, one, groups, aside=ASIDE), {**facts(shown, one), "blurred": changed}


def row_of(shown: Scene, one: Best, groups: Sequence[Group], aside: str = "") -> Row:
    """A row of the figure; nothing is outlined."""
    label = shown.dataset.samples[one.row].label
    return Row(shown.picture(one.image[0]), shown.name(label), groups, aside=aside)


def facts(shown: Scene, one: Best) -> dict[str, Any]:
    """An image and its best classes, for a machine."""
    names = shown.dataset.classes
    return {**shown.sample(one.row), "best": [{"class": names[c], "p": p} for c, p in zip(one.classes, one.p, strict=True)]}


def signed_map(shown: Scene, image: Tensor, target: str, label: int) -> NDArray[np.float32]:
    """The map (H,W) of a class of one image (1,3,H,W)."""
    return fine(shown.heatmap(image, target, label)[0], image)


def fine(native: Tensor, image: Tensor) -> NDArray[np.float32]:
    """A map (h,w) at the size of its image (1,3,H,W), bilinear between corners (weighted-contrast protocol §1.5)."""
    heatmap: NDArray[np.float32] = resize_corners(native[None].float(), (image.shape[2], image.shape[3]))[0].cpu().numpy()
    return heatmap


def without_negative(predict: Predict, image: Tensor, phi: Tensor, classes: Tensor) -> tuple[Tensor, list[float]]:
    """An image with the pixels blurred where φ < 0, as `relative-probability` does it, and softmax p of the classes there.

    image (1,3,H,W) normalised, phi (1,H,W), classes (1,K) -> (1,3,H,W) and K numbers. Source: Wang & Wang 2022, Figure 1.
    """
    masks = {kept: mask for _, kept, mask in by_sign(image, classes, phi)}
    less = replaced(image, blurred(image), masks["positive"])
    p: list[float] = torch.softmax(predict(less).double(), 1).gather(1, classes)[0].tolist()
    return less, p


def changes(before: Sequence[float], after: Sequence[float], own: int) -> list[tuple[str, bool]]:
    """A line a class: its probability before and after, and whether it is the map's own class, number `own`."""
    pairs = zip(before, after, strict=True)
    return [(f"p(t{i + 1}) {chance(b)} → {chance(a)}", i == own) for i, (b, a) in enumerate(pairs)]


ROWS = {"contrast": (contrasted, OF_CONTRAST), "blurred": (with_blurred, OF_BLURRED)}
"""Kind -> how its rows are made, and what they mean."""


def drawn(
    kind: str,
    runs: Sequence[str],
    place: Place,
    *,
    dataset: str | None,
    images: int,
    explainer: str,
    classes: int | None,
) -> Drawn:
    """A figure of the best classes of undecided images. Raises: UsageError where no image is undecided enough."""
    shown, k = opened(kind, runs, place, (dataset, explainer, "resize", classes or 2))
    rows, chosen = undecided(kind, shown, k, images, place)
    make, meaning = ROWS[kind]
    return signed([shown], [make(shown, one) for one in best_of(shown, rows, k, place)], meaning, chosen)


contrast, blurred_where_negative = (partial(drawn, kind) for kind in ROWS)
