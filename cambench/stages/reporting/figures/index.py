"""Figures: images × methods from the heatmaps of runs, signed maps of one run; the λ curve and the bars from a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambench.data.views import in_words
from cambench.lookup import canonical, find
from cambench.report import Table
from cambench.report.figures import ablation, bars, class_bars, erasing, grid, panels
from cambench.report.figures import convergence as curves
from cambench.report.figures import embedding as scatter
from cambench.report.figures.plots import form, save
from cambench.stages.network import CHECKPOINTS, LAST
from cambench.stages.reporting.figures import calm, contrasts, convergence, counterfactual, embedding
from cambench.stages.reporting.figures.consistency import pairs
from cambench.stages.reporting.gallery import (
    ROWS,
    Shown,
    by_view,
    first_seeds,
    of_other_views,
    plain,
    rows,
    side_by_side,
    view_of,
)
from cambench.stages.reporting.paired import run_of
from cambench.stages.workplace import Place
from cambench.store.runs import read_runs
from cambench.vocabulary import UsageError

QUALITATIVE, CONSISTENCY, LAMBDA, BARS = "qualitative", "consistency", "lambda", "gradient-sign"
CONTRAST, SEGMENTATION, ERASING = "contrast", "segmentation", "remove-and-classify"
CONVERGENCE = convergence.KIND
KINDS = {
    QUALITATIVE: "images with the heatmaps of every method",
    CONSISTENCY: "the same with a crop beside each image",
    LAMBDA: "a table over a number, as curves",
    CONTRAST: "one run's best classes of each image under the four contrasts, signed",
    contrasts.BLURRED: "the best classes, original against weighted, each with the image blurred where the map is negative",
    calm.KIND: "the maps of one run with a CALM head: joint, counterfactual, ever larger sets of classes",
    counterfactual.KIND: "pairs of classes that differ in a few parts, the difference of their maps beside those parts",
    contrasts.VERSUS: "one run's predicted class against the next best ones, signed",
    BARS: "gains along the gradients of several targets, as bars",
    ERASING: "accuracy without the most salient pixels, as curves over how many are erased",
    SEGMENTATION: "IoU of each class on the features of several classifiers, as bars",
    CONVERGENCE: "validation accuracy and loss over the epochs, mean and std over the seeds",
    embedding.KIND: "features of images and of what their maps show, by t-SNE",
}
TABLES = {
    LAMBDA: "cgc/10",
    BARS: "weighted-contrast/figure3",
    SEGMENTATION: "contrastive-cam/segmentation",
    ERASING: "calm/figure5",
}
"""The figures of a table, and whose they are where none is named."""
PAIRS = 4
MAPS = 5
"""Rows of signed maps."""


@dataclass(frozen=True)
class Wish:
    """What a grid shows: the runs (none: all), the data set where there are several, how many images.

    explainers, classes: of signed maps, how they are made and of how many best classes. class_sets: files of `calm`.
    checkpoint: of `embedding`, of which epoch the weights are.
    """

    runs: Sequence[str] = ()
    dataset: str | None = None
    images: int | None = None
    explainers: Sequence[str] = ()
    classes: int | None = None
    class_sets: Sequence[Path] = ()
    checkpoint: str = LAST


def check(kind: str, out: Path | None, wish: Wish | None = None) -> tuple[str, Path]:
    """The figure's name and the file to write.

    Raises: UsageError for an unknown figure, no file, a file name that is no picture's, or a wish that is another figure's.
    """
    find(kind, KINDS, "figure")
    if out is None:
        raise UsageError(f"--figure {kind}: expected --out FILE, a .pdf or a .png.")
    form(out)
    kind, wish = canonical(kind), wish or Wish()
    if wish.class_sets and kind != calm.KIND:
        raise UsageError(f"--figure {kind}: --class-sets is for {calm.KIND}.")
    if wish.checkpoint not in of_epoch(kind):
        raise UsageError(f"--figure {kind} --checkpoint {wish.checkpoint}: expected {' or '.join(of_epoch(kind))}.")
    if kind == counterfactual.KIND and wish.classes is None:
        return kind, out
    if (wish.explainers or wish.classes is not None) and kind not in contrasts.STYLES:
        raise UsageError(f"--figure {kind}: --explainer and --classes are for {', '.join(contrasts.STYLES)}.")
    if len(wish.explainers) > 1:
        raise UsageError(f"--figure {kind}: expected one --explainer, got {len(wish.explainers)}.")
    return kind, out


def of_epoch(kind: str) -> tuple[str, ...]:
    """The checkpoints whose weights a figure may show."""
    return CHECKPOINTS if kind == embedding.KIND else (LAST,)


def pick(kind: str, wish: Wish, results: Path) -> list[Shown]:
    """The heatmaps to show side by side: of one data set, one seed a method × explainer × target.

    Raises: UsageError where none lie side by side, or where they are of several data sets and none is named.
    """
    named = [run_of(name, results) for name in wish.runs]
    runs = named or sorted(read_runs(results), key=lambda run: run.info.method)
    groups = by_view(runs, results)
    sets = side_by_side(groups)
    names = list(dict.fromkeys(found[0].maps.job["dataset"] for found in sets))
    wanted = None if wish.dataset is None else canonical(wish.dataset)
    chosen = [found for found in sets if wanted in (None, canonical(found[0].maps.job["dataset"]))]
    if not chosen:
        here = f"there are those of {', '.join(names)}" if names else "there are none"
        raise UsageError(f"--figure {kind}: no heatmaps to show, {here}; make some with `cambench explain`.")
    if len({found[0].maps.job["dataset"] for found in chosen}) > 1:
        raise UsageError(f"--figure {kind}: heatmaps of {', '.join(names)}; choose with --dataset.")
    check_views(kind, chosen[0], groups)
    return first_seeds(chosen[0])


def check_views(kind: str, chosen: Sequence[Shown], groups: Sequence[Sequence[Shown]]) -> None:
    """See that no maps of the same images are left out because they were made from another view of them.

    Raises: UsageError that names them.
    """
    job, labels = chosen[0].maps.job, {s.label for s in chosen}
    others = {s.label: s for s in of_other_views(chosen, groups)}
    if others:
        other = next(iter(others.values()))
        ours, theirs = (
            f"{view['kind']} {view['size']} ({', '.join(sorted(names))})"
            for view, names in ((job["view"], labels), (other.maps.job["view"], others))
        )
        raise UsageError(
            f"--figure {kind}: expected maps of one view, got {ours} and {theirs}; choose with --run, or make what lacks: "
            f"cambench explain {other.run.name} --explainer {other.maps.job['explainer']} --view {job['view']['kind']}"
        )


def pictures(kind: str, out: Path, wish: Wish, place: Place) -> dict[str, Any]:
    """Write a grid of images × methods, `consistency` with a crop beside each image, or signed maps of runs.

    Returns what it shows. Raises: UsageError where there is nothing to show.
    """
    if kind in contrasts.STYLES or kind == calm.KIND:
        return signed(kind, out, wish, place)
    if kind == counterfactual.KIND:
        return between(out, wish, place)
    if kind == CONVERGENCE:
        return over_epochs(out, wish, place)
    if kind == embedding.KIND:
        return embedded(out, wish, place)
    shown = pick(kind, wish, place.results)
    name = shown[0].maps.job["dataset"]
    images = PAIRS if wish.images is None and kind == CONSISTENCY else wish.images or ROWS
    made = pairs(shown, place, images) if kind == CONSISTENCY else rows(shown, place.data, images)
    if not made:
        raise UsageError(f"--figure {kind}: the images of {name} are not at hand.")
    save(grid.grid(made, notes(shown)), out)
    return {"file": str(out), "dataset": name, "images": grid.listed(made)}


def signed(kind: str, out: Path, wish: Wish, place: Place) -> dict[str, Any]:
    """Write the signed maps of one run; returns what they show.

    Raises: UsageError unless one run is named, or where there is nothing to show.
    """
    if len(wish.runs) != 1:
        raise UsageError(f"--figure {kind}: expected one --run RUN, got {len(wish.runs)}; see `cambench ls runs`.")
    if kind == calm.KIND:
        scene = calm.scene(wish.runs[0], wish.dataset, place, wish.class_sets)
        rows, told, said = calm.rows(scene, wish.images or MAPS, place)
        outlined = any(row.mask is not None for row in rows)
        drawn = panels.panels(rows, calm.SIGNS, calm.notes(scene, said, outlined), calm.AMOUNT)
    else:
        scene = contrasts.scene(kind, wish.runs[0], wish.dataset, place, (next(iter(wish.explainers), None), wish.classes))
        rows, told, said = contrasts.rows(scene, wish.images or MAPS, place)
        drawn = panels.panels(rows, contrasts.STYLES[kind].signs, contrasts.notes(scene, said))
    save(drawn, out)
    return {"file": str(out), "run": scene.loaded.run.name, "dataset": scene.dataset.name, "said": said, "images": told}


def between(out: Path, wish: Wish, place: Place) -> dict[str, Any]:
    """Write the differences of the maps of pairs of classes; returns what they show. Raises: as `counterfactual.scene`."""
    scene = counterfactual.scene(wish.runs, wish.explainers, wish.dataset, place)
    rows, told, said = counterfactual.rows(scene, wish.images or counterfactual.IMAGES, place)
    save(panels.panels(rows, counterfactual.SIGNS, counterfactual.notes(scene, said)), out)
    runs = list(dict.fromkeys(column.loaded.run.name for column in scene.columns))
    return {"file": str(out), "runs": runs, "dataset": scene.dataset.name, "said": said, "images": told}


def over_epochs(out: Path, wish: Wish, place: Place) -> dict[str, Any]:
    """Write the curves of trainings over their epochs; returns their points. Raises: as `convergence.chosen`."""
    shown = convergence.chosen(wish.runs, wish.dataset, place.results)
    said = curves.notes(shown)
    save(curves.convergence(shown, said), out)
    return {"file": str(out), "dataset": shown[0].runs[0].info.dataset, "said": said, "trainings": curves.listed(shown)}


def embedded(out: Path, wish: Wish, place: Place) -> dict[str, Any]:
    """Write the features of runs in two dimensions; returns what they show. Raises: as `embedding.scene`."""
    scene = embedding.scene(wish.runs, wish.dataset, wish.checkpoint, place)
    clouds, told = embedding.clouds(scene, wish.images or embedding.SAMPLES, place)
    said, names = embedding.notes(scene, told), [scene.dataset.classes[c] for c in scene.classes]
    save(scatter.embedding(clouds, [plain(name) for name in names], said), out)
    return {"file": str(out), "dataset": scene.dataset.name, "classes": names, "said": said, "panels": told}


def notes(shown: Sequence[Shown]) -> list[str]:
    """Every sentence that must stand under what the runs measure, the data set and its split, the runs."""
    job = shown[0].maps.job
    said = [sentence for s in shown for sentence in (*s.run.info.partial, *s.run.info.deviations)]
    said += [f"{s.run.name}: {sentence}" for s in shown for sentence in s.run.info.warnings]
    runs = ", ".join(dict.fromkeys(s.run.name for s in shown))
    seen = f"Shown is {in_words(view_of(shown[0].maps))}."
    last = f"{job['dataset']}, {job['split']} images; runs: {runs}. {seen}"
    return [*dict.fromkeys(f"{s.rstrip('.')}." for s in said), last]


def of_table(kind: str, out: Path, made: Sequence[Table]) -> dict[str, Any]:
    """Write the curves or the bars of one table; returns the points.

    Raises: UsageError for several tables, another kind of table, or where there is nothing to draw.
    """
    if len(made) != 1:
        raise UsageError(f"--figure {kind}: expected one table, got {len(made)}.")
    draw, listed = {
        LAMBDA: (ablation.ablation, ablation.listed),
        BARS: (bars.gradient_sign, bars.listed),
        ERASING: (erasing.remove_and_classify, erasing.listed),
        SEGMENTATION: (class_bars.class_bars, class_bars.listed),
    }[kind]
    save(draw(made[0]), out)
    return {"file": str(out), "table": made[0].id, "points": listed(made[0])}
