"""The figure `counterfactual`: where two classes' maps differ beside where the classes do, as CALM's Figures 1, 4 and 7.

Pairs of classes that differ in 1, 2 and 3 parts, as the metric cue-localisation takes them, with its masks and its maps
before they lose their sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from cambench.data import cues
from cambench.data.subsets import spaced
from cambench.explainers import find_explainer
from cambench.explainers.calm import has_head
from cambench.explainers.entry import Explainer
from cambench.metrics import find_metric
from cambench.metrics.localisation.cue_localisation import COUNTS
from cambench.report.figures.panels import Group, Panel, Row
from cambench.stages.network import Loaded
from cambench.stages.pairs import Look, check_cues, differences, looks_of, pairs_of
from cambench.stages.reporting.figures.scene import Drawn, Meaning, Scene, labelled, networks, scene, signed
from cambench.stages.workplace import Place
from cambench.vocabulary import Dataset, UsageError

KIND, METRIC = "counterfactual", "cue-localisation"
PARTS = "parts that differ"
OF_CALM, OF_OTHERS = "calm", "score-map"
"""The explainer of a run with a CALM head, and of any other."""
READ = (
    "Above an image its label. Red and blue: the map of class A less the map of class B, each on a range of its own, m its "
    "largest |value|. White, and outlined: the bird's pixels nearest to a part in which the attributes of A and B differ."
)
SIGNS = ("blue: the place speaks for class B", "red: for class A")


def counterfactual(
    runs: Sequence[str], place: Place, *, dataset: str | None, images: int, explainer: Sequence[str]
) -> Drawn:
    """Each run's own map of every pair, and beside it those of the explainers that fit the run. Raises: as `opened`."""
    scenes, shared = labelled(opened(runs, explainer, dataset, place))
    rows, chosen = rows_of(scenes, images, place)
    read = f"{READ} All: {shared}." if shared else READ
    return signed(scenes, rows, Meaning(SIGNS, read, outlines=""), chosen)


def opened(runs: Sequence[str], explainers: Sequence[str], dataset: str | None, place: Place) -> list[Scene]:
    """The networks, ready to be compared, one scene a run and explainer.

    A map of CALM fits a run with a CALM head, any other explainer a run without one: the baselines look at CAM's network.
    Raises: UsageError where runs look at different data, the data has no such pairs, an explainer fits no run, or they see
    the images at other sizes.
    """
    loaded, data = networks(KIND, runs, dataset, place)
    metric = find_metric(METRIC)
    check_cues(metric, "logit", data)
    asked = [find_explainer(name) for name in explainers]
    scenes = [scene(one, entry, data, metric.input.view) for one in loaded for entry in fitting(one, asked)]
    for entry in asked:
        if not any(entry is shown.ready.entry for shown in scenes):
            kind = "with" if entry.space == "latent" else "without"
            raise UsageError(f"figure {KIND}: {entry.name} needs a run {kind} a CALM head; name one.")
    sizes = {f"{shown.loaded.run.name} {shown.view.size} px": shown.view.size for shown in scenes}
    if len(set(sizes.values())) > 1:
        raise UsageError(f"figure {KIND}: expected runs that see the images alike, got {', '.join(sizes)}; show them apart.")
    return scenes


def fitting(loaded: Loaded, asked: Sequence[Explainer]) -> list[Explainer]:
    """The explainers of a run: its own, then those asked for that fit its head, each once."""
    own = has_head(loaded.original)
    first = find_explainer(OF_CALM if own else OF_OTHERS)
    fit = (entry for entry in asked if (entry.space == "latent") == own)
    return list({entry.name: entry for entry in (first, *fit)}.values())


def rows_of(scenes: Sequence[Scene], images: int, place: Place) -> tuple[list[tuple[Row, dict[str, Any]]], str]:
    """The rows, each with what it shows, and the sentence that says which pairs and images these are.

    Raises: UsageError where no image shows a part that tells two classes apart.
    """
    first, pairs = scenes[0], pairs_of(scenes[0].dataset)
    names, rows = first.dataset.classes, []
    for pair, row, look in looked_at(first.dataset, shared_out(pairs, images), first.view.size):
        parts, mask = [cues.PARTS[part - 1] for part in pair.parts], look.mask.numpy()
        maps = [Panel(shown.label, difference(shown, row, pair, look, place)) for shown in scenes]
        groups = [
            Group(f"differ in {', '.join(parts)}", [Panel(PARTS, mask.astype(np.float32), kind="mask")]),
            Group(f"A: {first.name(pair.a)}\nB: {first.name(pair.b)}", maps),
        ]
        (batch,) = first.batches(place, [row])
        label = first.dataset.samples[row].label
        between = {"a": names[pair.a], "b": names[pair.b], "parts": parts, "maps": [panel.title for panel in maps]}
        drawn = Row(first.picture(batch.image[0]), first.name(label), groups, mask)
        rows.append((drawn, {**first.sample(row), **between}))
    if not rows:
        raise UsageError(f"figure {KIND}: no image of {first.dataset.name} shows a part that tells two classes apart.")
    rule = "evenly spaced within each number of parts; of each the first image of A that no row above shows"
    return rows, f"{len(rows)} of {len(pairs)} pairs, {rule}."


def shared_out(pairs: Sequence[cues.Pair], images: int) -> list[cues.Pair]:
    """As many pairs as images, as evenly as may be from those of 1, 2 and 3 parts, evenly spaced in each."""
    kinds = [own for k in COUNTS if (own := [pair for pair in pairs if len(pair.parts) == k])]
    shares = [images // len(kinds) + (i < images % len(kinds)) for i in range(len(kinds))]
    return [own[at] for own, share in zip(kinds, shares, strict=True) for at in spaced(range(len(own)), share)]


def looked_at(dataset: Dataset, pairs: Sequence[cues.Pair], side: int) -> Iterator[tuple[cues.Pair, int, Look]]:
    """Each pair with the row of an image and its mask: the first image of A, then of B, that shows a part and is not used.

    A pair without such an image is left out.
    """
    used: set[int] = set()
    for pair in pairs:
        rows = [row for c in (pair.a, pair.b) for row, sample in enumerate(dataset.samples) if sample.label == c]
        looks = ((row, look) for row in rows if row not in used for look in looks_of([row], dataset, [pair], side))
        first = next(((row, look) for row, look in looks if bool(look.mask.any())), None)
        if first is not None:
            used.add(first[0])
            yield pair, *first


def difference(shown: Scene, row: int, pair: cues.Pair, look: Look, place: Place) -> np.ndarray[Any, Any]:
    """s^A − s^B of an image at the map's own grid (h,w)."""
    (batch,) = shown.batches(place, [row])
    (less,) = differences(shown.ready, batch, [pair], [look])
    heatmap: np.ndarray[Any, Any] = less.float().cpu().numpy()
    return heatmap
