"""The figure `counterfactual`: where two classes' maps differ beside where the classes do, as CALM's Figures 1, 4 and 7.

Pairs of classes that differ in 1, 2 and 3 parts, as the metric cue-localisation takes them, with its masks and its maps
before they lose their sign.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from cambench.data import cues
from cambench.data.loader import eval_batches
from cambench.data.views import View, in_words
from cambench.explainers import find_explainer
from cambench.explainers.calm import has_head
from cambench.explainers.explanation import Explainer
from cambench.metrics import find_metric
from cambench.metrics.localisation.cue_localisation import COUNTS
from cambench.report.figures.panels import Group, Panel, Row
from cambench.report.figures.plots import without_common
from cambench.stages.images import make_view, open_data
from cambench.stages.network import LAST, Loaded, Ready, load_network, open_run
from cambench.stages.pairs import Look, check_cues, differences, looks_of, pairs_of
from cambench.stages.reporting.figures.contrasts import sentences
from cambench.stages.reporting.gallery import pixels, plain, spaced
from cambench.stages.workplace import Place
from cambench.vocabulary import Dataset, UsageError

KIND, METRIC = "counterfactual", "cue-localisation"
IMAGES = 6
PARTS = "parts that differ"
OF_CALM, OF_OTHERS = "calm", "score-map"
"""The explainer of a run with a CALM head, and of any other."""
SIGNS = ("blue: the place speaks for class B", "red: for class A")
MEANING = (
    "Above an image its label. Red and blue: the map of class A less the map of class B, each on a range of its own, m its "
    "largest |value|. White, and outlined: the bird's pixels nearest to a part in which the attributes of A and B differ."
)


@dataclass(frozen=True)
class Column:
    """A run's network and one of its explainers, under the label of its column."""

    loaded: Loaded
    entry: Explainer
    ready: Ready
    view: View
    label: str


@dataclass(frozen=True)
class Scene:
    """The data that all runs look at, the columns, the words that all labels share."""

    dataset: Dataset
    columns: Sequence[Column]
    shared: str


def scene(runs: Sequence[str], explainers: Sequence[str], dataset: str | None, place: Place) -> Scene:
    """The networks, ready to be compared. Each run has its own map; beside it those of the named explainers that fit it.

    A map of CALM fits a run with a CALM head, any other explainer a run without one: the baselines look at CAM's network.
    Raises: UsageError without a run, where runs look at different data, the data has no such pairs, an explainer fits no
    run, or they see the images at other sizes.
    """
    networks, data = together(KIND, runs, dataset, place)
    metric = find_metric(METRIC)
    check_cues(metric, "logit", data)
    wanted = [find_explainer(name) for name in explainers]
    found = [(loaded, entry) for loaded in networks for entry in fitting(loaded, wanted)]
    for entry in wanted:
        if not any(entry is other for _, other in found):
            kind = "with" if entry.space == "latent" else "without"
            raise UsageError(f"--figure {KIND}: {entry.name} needs a run {kind} a CALM head; name one with --run.")
    short, shared = without_common([label(loaded, entry) for loaded, entry in found])
    columns = [
        Column(loaded, entry, loaded.ready_for(entry), make_view(metric.view, loaded), short[label(loaded, entry)])
        for loaded, entry in found
    ]
    sizes = {column.label: column.view.size for column in columns}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{title} {size} px" for title, size in sizes.items())
        raise UsageError(f"--figure {KIND}: expected runs that see the images alike, got {told}; show them apart.")
    return Scene(data, columns, shared)


def together(
    kind: str, runs: Sequence[str], dataset: str | None, place: Place, checkpoint: str = LAST
) -> tuple[list[Loaded], Dataset]:
    """The networks of the runs, each once, and the evaluation images that all of them look at.

    Raises: UsageError without a run, or where they look at different images.
    """
    if not runs:
        raise UsageError(f"--figure {kind}: expected --run RUN, once or more often, got none; see `cambench ls runs`.")
    opened = {run.name: run for run in (open_run(spec, place) for spec in runs)}
    networks = [load_network(run, place, checkpoint=checkpoint) for run in opened.values()]
    images = [open_data(loaded, place, dataset, "eval", None) for loaded in networks]
    if len({data.fingerprint for data in images}) > 1:
        names = ", ".join(dict.fromkeys(f"{data.name} {data.split}" for data in images))
        raise UsageError(f"--figure {kind}: expected runs on the same images, got {names}; choose with --dataset.")
    return networks, images[0]


def fitting(loaded: Loaded, wanted: Sequence[Explainer]) -> list[Explainer]:
    """The explainers of a run: its own, then the wanted ones that fit its head, each once."""
    own = has_head(loaded.original)
    first = find_explainer(OF_CALM if own else OF_OTHERS)
    fit = (entry for entry in wanted if (entry.space == "latent") == own)
    return list({entry.name: entry for entry in (first, *fit)}.values())


def label(loaded: Loaded, entry: Explainer) -> str:
    """A column in words."""
    info = loaded.run.info
    arch = info.arch.removeprefix("torchvision:").removeprefix("python:")
    return f"{info.method} {arch} s{info.seed} {entry.name}"


def rows(shown: Scene, images: int, place: Place) -> tuple[list[Row], list[dict[str, Any]], str]:
    """The rows of the figure, what they show for a machine, and the sentence that says which pairs and images these are.

    Raises: UsageError where no image shows a part that tells two classes apart.
    """
    dataset, pairs = shown.dataset, pairs_of(shown.dataset)
    side, name, made, told = shown.columns[0].view.size, shown.dataset.classes, [], []
    for pair, row, look in looked_at(dataset, chosen(pairs, images), side):
        sample, parts = dataset.samples[row], [cues.PARTS[part - 1] for part in pair.parts]
        maps, image = maps_of(shown, row, pair, look, place)
        mask = look.mask.numpy()
        groups = [
            Group(f"differ in {', '.join(parts)}", [Panel(PARTS, mask.astype(np.float32), kind="mask")]),
            Group(f"A: {plain(name[pair.a])}\nB: {plain(name[pair.b])}", maps),
        ]
        made.append(Row(pixels(image.cpu(), shown.columns[0].view), plain(name[sample.label]), groups, mask))
        between = {"a": name[pair.a], "b": name[pair.b], "parts": parts}
        told.append({"image": sample.id, "class": name[sample.label], **between, "maps": [p.title for p in maps]})
    if not made:
        raise UsageError(f"--figure {KIND}: no image of {dataset.name} shows a part that tells two classes apart.")
    rule = "evenly spaced within each number of parts; of each the first image of A that no row above shows"
    said = f"{len(made)} of {len(pairs)} pairs, {rule}."
    return made, told, said


def chosen(pairs: Sequence[cues.Pair], images: int) -> list[cues.Pair]:
    """As many pairs as images, as evenly as may be from those of 1, 2 and 3 parts, evenly spaced in each."""
    kinds = [own for k in COUNTS if (own := [pair for pair in pairs if len(pair.parts) == k])]
    found: list[cues.Pair] = []
    for i, own in enumerate(kinds):
        share = images // len(kinds) + (i < images % len(kinds))
        found += [own[at] for at in spaced(range(len(own)), share)]
    return found


def looked_at(dataset: Dataset, pairs: Sequence[cues.Pair], side: int) -> Iterator[tuple[cues.Pair, int, Look]]:
    """Each pair with the row of an image and its mask: the first image of A, then of B, that shows a part and is not used.

    A pair without such an image is left out.
    """
    used: set[int] = set()
    for pair in pairs:
        rows = [row for c in (pair.a, pair.b) for row, sample in enumerate(dataset.samples) if sample.label == c]
        looks = ((row, look) for row in rows if row not in used for look in looks_of([row], dataset, [pair], side))
        found = next(((row, look) for row, look in looks if bool(look.mask.any())), None)
        if found is not None:
            used.add(found[0])
            yield pair, *found


def maps_of(shown: Scene, row: int, pair: cues.Pair, look: Look, place: Place) -> tuple[list[Panel], Tensor]:
    """Every column's s^A − s^B of an image at the map's own grid, and the image (3,H,W) as the first network sees it."""
    made, seen = [], []
    for column in shown.columns:
        source = column.loaded.source(place)
        (batch,) = eval_batches(shown.dataset, column.view, batch_size=1, rows=[row], **source)
        (less,) = differences(column.ready, batch, [pair], [look])
        made.append(Panel(column.label, less.float().cpu().numpy()))
        seen.append(batch.image[0])
    return made, seen[0]


def notes(shown: Scene, said: str) -> list[str]:
    """What a reader must know of the maps, and every sentence that must stand under what the runs show."""
    runs = {column.loaded.run.name: column.loaded.run.info for column in shown.columns}
    shared = f" All: {shown.shared}." if shown.shared else ""
    return [
        f"{MEANING}{shared}",
        *sentences(runs.values(), shown.dataset),
        f"{shown.dataset.name}, {shown.dataset.split}: {said} Runs: {', '.join(runs)}. "
        f"Shown is {in_words(shown.columns[0].view)}.",
    ]
