"""The figure `qualitative`: images across, beneath each one its stored heatmap under every method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cambench.data.views import in_words
from cambench.explainers import find_explainer, known_explainer
from cambench.lookup import canonical
from cambench.report.figures import grid
from cambench.report.figures.plots import sentences
from cambench.report.formats.html import GalleryRow
from cambench.stages.reporting.figures.scene import Drawn, view_of
from cambench.stages.reporting.gallery import (
    PREDICTED,
    Shown,
    by_seed,
    by_view,
    explained,
    first_seeds,
    of_explainers,
    of_other_views,
    rows,
    side_by_side,
)
from cambench.stages.workplace import Place, run_of
from cambench.store.runs import read_runs
from cambench.vocabulary import UsageError, number_of


def qualitative(runs: Sequence[str], place: Place, *, dataset: str | None, images: int, explainer: Sequence[str]) -> Drawn:
    """The runs' stored maps side by side (none named: of all runs). Raises: UsageError where there is nothing to show."""
    shown = pick("qualitative", runs, dataset, place.results, explainer)
    return gridded("qualitative", shown, rows(shown, place.data, images))


def pick(
    kind: str,
    names: Sequence[str],
    dataset: str | None,
    results: Path,
    explainers: Sequence[str] = (),
    *,
    one_size: bool = False,
) -> list[Shown]:
    """The heatmaps to show side by side: of one data set, of the runs that are named, else one seed a method × explainer ×
    target.

    explainers: none are all; those that are named stand in the order of their names. one_size: of views that give all
    images one size.
    Raises: UsageError where none lie side by side, or not those of every run that is named, or of several data
    sets and none is named.
    """
    runs = [run_of(name, results) for name in names] or sorted(read_runs(results), key=lambda run: run.info.method)
    wanted = list(dict.fromkeys(find_explainer(name).name for name in explainers))
    every = [g for g in by_view(runs, results) if not (one_size and g[0].maps.job["view"]["kind"] == "full")]
    groups = of_explainers(every, wanted)
    sets = side_by_side(groups)
    known = list(dict.fromkeys(group[0].maps.job["dataset"] for group in sets))
    chosen = [g for g in sets if dataset is None or canonical(g[0].maps.job["dataset"]) == canonical(dataset)]
    if not chosen:
        others = known or sorted({s.maps.job["explainer"] for group in every for s in group})
        here = f"there are those of {', '.join(others)}" if others else "there are none"
        raise UsageError(f"figure {kind}: no heatmaps to show, {here}; make some with `cambench explain`.")
    if len({group[0].maps.job["dataset"] for group in chosen}) > 1:
        raise UsageError(f"figure {kind}: heatmaps of {', '.join(known)}; choose with --dataset.")
    check_views(kind, chosen[0], groups)
    if names:
        check_runs(kind, chosen[0], [run.name for run in runs])
    shown = by_seed(chosen[0]) if names else first_seeds(chosen[0])
    return sorted(shown, key=lambda s: wanted.index(s.maps.job["explainer"]) if wanted else 0)


def check_runs(kind: str, chosen: Sequence[Shown], names: Sequence[str]) -> None:
    """See that every run that is named has maps of the images that are shown. Raises: UsageError that names one without."""
    first, has = chosen[0], {s.run.name for s in chosen}
    if lacking := [name for name in names if name not in has]:
        job = first.maps.job
        raise UsageError(
            f"figure {kind}: expected maps of the same images of every run that is named, got none of {', '.join(lacking)} "
            f"of the {number_of(len(first.maps.ids), 'image')} of {first.run.name}; make them: cambench explain "
            f"{lacking[0]} -e {job['explainer']} --view {job['view']['kind']}, with the same --limit if there was one."
        )


def check_views(kind: str, chosen: Sequence[Shown], groups: Sequence[Sequence[Shown]]) -> None:
    """See that no maps of the same images are left out because they were made from another view of them.

    Raises: UsageError that names them.
    """
    job, labels = chosen[0].maps.job, {s.label for s in chosen}
    others = {s.label: s for s in of_other_views(chosen, groups)}
    if others:
        other = next(iter(others.values()))
        ours, theirs = (
            f"{seen['view']['kind']} {seen['view']['size']}{predicted(seen)} ({', '.join(sorted(names))})"
            for seen, names in ((job, labels), (other.maps.job, others))
        )
        raise UsageError(
            f"figure {kind}: expected maps of one view, got {ours} and {theirs}; name the RUNs to show, or make what is "
            f"missing: cambench explain {other.run.name} -e {other.maps.job['explainer']} --view {job['view']['kind']}"
            + (f" --classes {PREDICTED}" if job["classes"] == PREDICTED else "")
        )


def predicted(job: Mapping[str, Any]) -> str:
    """Of which classes maps are, where they are not of the labels."""
    return " of the predicted class" if job["classes"] == PREDICTED else ""


def gridded(kind: str, shown: Sequence[Shown], made: Sequence[GalleryRow]) -> Drawn:
    """The grid of images × methods, and every sentence that must stand under it. Raises: UsageError without images."""
    job = shown[0].maps.job
    if not made:
        raise UsageError(f"figure {kind}: the images of {job['dataset']} are not at hand.")
    runs = {s.run.name: s.run.info for s in shown}
    seen = " ".join([f"Shown is {in_words(view_of(shown[0].maps))}.", *explained(job)])
    last = f"{job['dataset']}, {job['split']} images; runs: {', '.join(runs)}{layers(shown)}. {seen}"
    notes = [*sentences([*runs.values()]), last]
    return Drawn(grid.grid(made, notes), {"dataset": job["dataset"], "notes": notes, "images": grid.listed(made)})


def layers(shown: Sequence[Shown]) -> str:
    """The explained layer; where there are several, each with its explainers."""
    whose: dict[str, dict[str, None]] = {}
    for job in (s.maps.job for s in shown):
        entry = known_explainer(job["explainer"])
        if entry is None or (entry.at_layer and entry.space != "control"):
            whose.setdefault(job["layer"], {})[job["explainer"]] = None
    each = [f"{at} of {', '.join(own)}" for at, own in whose.items()]
    return f"; layers: {'; '.join(each)}" if len(whose) > 1 else "".join(f"; layer {at}" for at in whose)
