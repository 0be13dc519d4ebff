"""The verbs that need a network: train, explain, evaluate, rank, reproduce."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cambench.api.arguments import Data, File, Files, Names, Runs, checked, data_of, names_of, path_of, runs_of
from cambench.store.runs import Run

if TYPE_CHECKING:
    from cambench.report import Tables
    from cambench.stages.reporting.per_image import Records


@checked
def train(
    method: str,
    dataset: Data,
    arch: str | None = None,
    seed: int = 0,
    epochs: int | None = None,
    *,
    classes: int | None = None,
    class_names: Names = (),
    settings: Names = (),
    presets: Names = (),
    layer: str | None = None,
    precision: str | None = None,
    weights: File | None = None,
    again: bool = False,
    data_root: File | None = None,
    results: File | None = None,
    device: str = "auto",
    workers: int = -1,
    download: bool = False,
    deterministic: bool = False,
) -> Run:
    """Train a method on a data set, or go on with a run that was stopped. settings: `key=value` texts, as of `--set`."""
    from cambench.recipes.presets import asked
    from cambench.stages import elastic, workplace
    from cambench.stages.training.train import TrainJob, named_or_first
    from cambench.stages.training.train import train as stage

    shortcuts = {"train.epochs": epochs, "model.layer": layer, "train.precision": precision}
    overrides = asked(names_of(presets), names_of(settings), shortcuts)
    classes_of_run = named_or_first(classes, names_of(class_names))
    job = TrainJob(method, str(data_of(dataset)), arch, seed, classes_of_run, path_of(weights), overrides, again=again)
    return stage(job, elastic.together(workplace.place(data_root, results, device, workers, download, deterministic)))


@checked
def explain(
    runs: Runs = (),
    explainer: Names = (),
    target: Names = (),
    *,
    class_sets: File | None = None,
    classes: str = "label",
    view: str = "resize-center-crop",
    dataset: Data | None = None,
    split: str = "eval",
    layer: str | None = None,
    limit: int | None = None,
    weights: File | None = None,
    input_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    precision: str = "float32",
    checkpoint: str = "last",
    batch_size: int = 32,
    map_classes: bool = False,
    again: bool = False,
    data_root: File | None = None,
    results: File | None = None,
    device: str = "auto",
    workers: int = -1,
    download: bool = False,
    deterministic: bool = False,
) -> list[Path]:
    """The heatmap files of runs (none named: of every finished one), of `grad-cam` and `logit` where no other is named."""
    from cambench.stages import elastic, workplace
    from cambench.stages.measuring import works

    prepared = (layer, path_of(weights), precision, checkpoint, path_of(class_sets), map_classes, again)
    work = works.Works(
        runs_of(runs), data_of(dataset), split, limit, *prepared, workplace.given_input(input_size, mean, std)
    )
    jobs = works.maps_of(work, names_of(explainer), names_of(target), classes=classes, view=view, batch_size=batch_size)
    place = elastic.together(workplace.place(data_root, results, device, workers, download, deterministic))
    return works.explain_all(work, jobs, place)


@checked
def evaluate(
    metric: Names,
    runs: Runs = (),
    explainer: Names = (),
    target: Names = (),
    *,
    class_sets: File | None = None,
    dataset: Data | None = None,
    split: str = "eval",
    layer: str | None = None,
    limit: int | None = None,
    weights: File | None = None,
    input_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    precision: str = "float32",
    checkpoint: str = "last",
    batch_size: int = 32,
    map_classes: bool = False,
    again: bool = False,
    data_root: File | None = None,
    results: File | None = None,
    device: str = "auto",
    workers: int = -1,
    download: bool = False,
    deterministic: bool = False,
) -> "Records":
    """The records of metrics for runs (none named: for every finished one); missing heatmaps are made.

    Each metric is measured with each explainer and target that it looks at. A record whose `stored` is true was there.
    """
    from cambench.stages import elastic, workplace
    from cambench.stages.measuring import works
    from cambench.stages.reporting.per_image import Records

    prepared = (layer, path_of(weights), precision, checkpoint, path_of(class_sets), map_classes, again)
    work = works.Works(
        runs_of(runs), data_of(dataset), split, limit, *prepared, workplace.given_input(input_size, mean, std)
    )
    jobs = works.jobs_of(names_of(metric), names_of(explainer), names_of(target), batch_size)
    place = elastic.together(workplace.place(data_root, results, device, workers, download, deterministic))
    return Records(works.evaluate_all(work, jobs, place), place)


@checked
def rank(
    runs: Runs = (),
    explainer: Names = (),
    metric: Names = (),
    target: Names = (),
    *,
    dataset: Data | None = None,
    split: str = "eval",
    preset: str | None = None,
    images: int | None = None,
    layer: str | None = None,
    weights: File | None = None,
    input_size: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    precision: str = "float32",
    batch_size: int = 32,
    map_classes: bool = False,
    data_root: File | None = None,
    results: File | None = None,
    device: str = "auto",
    workers: int = -1,
    download: bool = False,
) -> "Tables":
    """Explainers in order over images and metrics -> tables: ranks, pairs, agreement of metrics, a set for each data set.

    Of the records at hand; preset: `quick` or `full`, which measure what lacks first.
    """
    from cambench.report import Tables
    from cambench.report.ranking.tables import tables
    from cambench.stages import workplace
    from cambench.stages.measuring.works import Works
    from cambench.stages.reporting.rank import Wanted
    from cambench.stages.reproducing.ranked import ranked

    names, where = runs_of(runs), data_of(dataset)
    wanted = Wanted(names, names_of(metric), names_of(explainer), names_of(target), where, split)
    prepared: dict[str, Any] = {"layer": layer, "weights": path_of(weights)}
    prepared |= {"precision": precision, "map_classes": map_classes}
    given = workplace.given_input(input_size, mean, std)
    work = Works(names, where, split, **prepared, input=given, evenly=images)
    place = workplace.place(data_root, results, device, workers, download)
    return Tables(table for made in ranked(wanted, preset, work, batch_size, place) for table in tables(made))


@checked
def reproduce(
    tables: Files = (),
    *,
    claims: Files = (),
    dry_run: bool = False,
    verbose: bool = False,
    device_there: str | None = None,
    on: Data | None = None,
    arch: str | None = None,
    seeds: int | None = None,
    rows: Names = (),
    columns: Names = (),
    settings: Names = (),
    search: int | None = None,
    ranges: Names = (),
    weights: File | None = None,
    data_root: File | None = None,
    results: File | None = None,
    device: str = "auto",
    workers: int = -1,
    download: bool = False,
    deterministic: bool = False,
) -> "Tables":
    """Train and measure whatever papers' tables still lack -> the tables; a footnote says what a cell lacks, and why.

    claims: what decides these, in place of tables. dry_run: only print what would be done, verbose: in more lines,
    device_there: for a device that is not here; the tables hold what is there.
    """
    from cambench.report import Tables
    from cambench.stages import workplace
    from cambench.stages.reporting.choice import Choice
    from cambench.stages.reproducing import reproduce as stage
    from cambench.stages.reproducing.outline import check_shown, print_plan
    from cambench.stages.reproducing.plan import Wish

    check_shown(dry_run, verbose, device_there)
    place = workplace.place(data_root, results, device, workers, download, deterministic)
    spec = data_of(on)
    choice = Choice(names_of(tables), names_of(rows), names_of(columns), spec, arch, names_of(claims))
    wish = Wish(spec, seeds, tuple(names_of(settings)), path_of(weights), search, tuple(names_of(ranges)))
    plan = stage.make_plan(choice, wish, place)
    if dry_run:
        print_plan(plan, place, verbose=verbose, device=device_there)
    return Tables(stage.tables(plan, {}, place) if dry_run else stage.reproduce(plan, place)[0])
